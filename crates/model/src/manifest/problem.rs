//! What is wrong with a text, where, and what to do about it.

use serde::Serialize;
use std::fmt;

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable code, the name of a page under `docs/errors`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    /// JSON pointer into the document.
    pub pointer: String,
    /// Which document of the text, from 0.
    pub document: usize,
    /// Line in the text, from 1; 0 where there is no text.
    pub line: u32,
    /// Column in the line, in characters, from 1; 0 where there is no text.
    pub column: u32,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        write!(f, "{}", self.message)?;
        if !self.pointer.is_empty() {
            write!(f, " (at {})", self.pointer)?;
        }
        write!(f, "; {}", self.remedy)
    }
}

impl std::error::Error for Problem {}
