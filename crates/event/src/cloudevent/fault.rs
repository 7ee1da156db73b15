//! What is wrong with a CloudEvent.

use serde::Serialize;
use std::fmt;

/// One thing that is wrong with a CloudEvent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Stable code: `malformed-json`, `malformed-cloudevent`, `missing-field`, `limit-reached`, `no-relationship`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// JSON pointer into the body (`/3/time`), or the header's name; empty for the whole.
    pub pointer: String,
    /// Line in the body, from 1; 0 if unknown.
    pub line: u32,
    /// Column in bytes, from 1; 0 if unknown.
    pub column: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if !self.pointer.is_empty() {
            write!(f, " at {}", self.pointer)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

impl Fault {
    pub(crate) fn at(
        code: &'static str,
        pointer: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            remedy: remedy.into(),
            pointer: pointer.into(),
            line: 0,
            column: 0,
        }
    }

    /// The body is not JSON, or not JSON of the right shape.
    pub(super) fn json(error: &serde_json::Error, what: &str) -> Self {
        let (code, message) = if error.is_data() {
            (
                "malformed-cloudevent",
                format!("{what} was expected: {error}"),
            )
        } else {
            ("malformed-json", format!("the body is not JSON: {error}"))
        };
        let remedy = "mend the body at the place named";
        let mut fault = Self::at(code, "", message, remedy);
        fault.line = u32::try_from(error.line()).unwrap_or(u32::MAX);
        fault.column = u32::try_from(error.column()).unwrap_or(u32::MAX);
        fault
    }
}
