//! What a step says about its record.

use gemelli_model::Value;
use std::fmt;

/// What a step says about its record.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It changed state as it should; or it asked for what already is.
    Accepted,
    /// An event with this source and id was accepted before: nothing changed.
    Duplicate,
    /// It cannot be: nothing changed. The record must not stay in the log.
    Rejected(Rejection),
    /// It changed state, and whoever asked gets this. Put, Patch: `{"etag": "W/\"…\""}`;
    /// Apply, Remove: `{"version": n, "objects": [{"kind", "name", "change": created|configured|unchanged|removed}]}`;
    /// Relate: `{"etag", "change": created|configured}`.
    Answer(Value),
}

/// Why something cannot be, with a stable code, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Rejection {
    /// Stable code, kebab-case: `docs/errors/<code>.md` tells more.
    pub code: &'static str,
    /// What was attempted, on what, and why it failed.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl Rejection {
    /// A rejection from its three parts.
    pub fn new(code: &'static str, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Bytes of a snapshot that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// Written by a newer version of the format.
    #[error(
        "snapshot of {what} has format {version}, this program reads up to {newest}: use the newer program"
    )]
    Newer {
        /// Which entry.
        what: String,
        /// The version found.
        version: u16,
        /// The newest version that can be read.
        newest: u16,
    },
    /// The bytes do not decode.
    #[error("snapshot of {what} is damaged: {why}")]
    Broken {
        /// Which entry.
        what: String,
        /// What does not fit.
        why: String,
    },
}
