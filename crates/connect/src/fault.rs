//! Why a Connection cannot be used, or a message cannot be mapped.

use std::{fmt, sync::Arc};

/// What is wrong, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable code: `malformed-expression`, `malformed-json`, `missing-field`, `wrong-type`, `malformed-topic`.
    pub code: &'static str,
    /// The Connection's name.
    pub connection: Arc<str>,
    /// JSON pointer into the Connection's manifest (`/spec/topics/0/payload/co`).
    pub pointer: Box<str>,
    /// The message's topic; empty when the Connection itself is at fault.
    pub topic: Box<str>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// Line in the payload, from 1; 0 if unknown.
    pub line: u32,
    /// Column there, from 1; 0 if unknown.
    pub column: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "connection {}: {} at {}",
            self.connection, self.message, self.pointer
        )?;
        if !self.topic.is_empty() {
            write!(f, ", topic {}", self.topic)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
