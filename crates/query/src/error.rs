//! What is wrong with a query, and where.

use std::fmt;

/// A place in the text of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Characters before it.
    pub offset: usize,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The place of a byte.
    pub(crate) fn of(text: &str, byte: usize) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            offset: before.chars().count(),
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

/// What kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The text is no query.
    Malformed,
    /// A named limit was met.
    Limit,
    /// Time was up.
    Timeout,
    /// A continuation token that no page of this query gave.
    Token,
}

impl Kind {
    /// Its stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-query",
            Self::Limit => "query-limit",
            Self::Timeout => "query-timeout",
            Self::Token => "malformed-token",
        }
    }
}

/// Why a query is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}{}", At(.position), Do(.remedy))]
pub struct Error {
    /// What kind of trouble it is.
    pub kind: Kind,
    /// What is wrong.
    pub message: String,
    /// Where in the text; none where it is not about a place.
    pub position: Option<Position>,
    /// What to do; may be empty.
    pub remedy: String,
}

struct At<'a>(&'a Option<Position>);
struct Do<'a>(&'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(at) => write!(f, " at line {}, column {}", at.line, at.column),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Do<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.0)
    }
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            position: None,
            remedy: remedy.into(),
        }
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }
}
