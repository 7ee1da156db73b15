//! What can go wrong between a client and its server.

use serde::Deserialize;
use std::{fmt, path::PathBuf};

/// Why a call gave no answer, or the server's refusal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused, and said why.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Nothing answered at the address.
    #[error("no answer from {server}: {reason}")]
    Unreachable {
        /// The address that was tried.
        server: String,
        /// What the network said.
        reason: String,
    },
    /// The context file names a server that is gone.
    #[error("the context {} names a server that is gone: {reason}", file.display())]
    StaleContext {
        /// The context file.
        file: PathBuf,
        /// How that is known.
        reason: String,
    },
    /// There is no server to talk to: no flag, no variable, no context.
    #[error("no server is named, and there is no context file {}", file.display())]
    NoContext {
        /// The context file that would have been read.
        file: PathBuf,
    },
    /// The options make no client: an address that is none, a CA file that cannot be read.
    #[error("{0}")]
    Options(String),
    /// The server answered something that is not what its API promises.
    #[error("{server} answered {path} with something unexpected: {reason}")]
    Answer {
        /// The server.
        server: String,
        /// What was asked for.
        path: String,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl Error {
    /// The stable code, as in the docs' `errors/` folder.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(problem) => &problem.code,
            Self::Unreachable { .. } => "unreachable",
            Self::StaleContext { .. } => "stale-context",
            Self::NoContext { .. } => "no-context",
            Self::Options(_) => "bad-options",
            Self::Answer { .. } => "bad-answer",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &str {
        match self {
            Self::Refused(problem) => &problem.remedy,
            Self::Unreachable { reason, .. } if reason.contains("certificate") => {
                "trust the authority that the server's `gemelli auth init` made: --ca DIR/auth/ca.pem, where DIR is its data folder"
            }
            Self::Unreachable { .. } => {
                "start one with `gemelli up`, or name another with --server or GEMELLI_SERVER"
            }
            Self::StaleContext { .. } => {
                "start the server again with `gemelli up`, name another with --server, or delete the file"
            }
            Self::NoContext { .. } => {
                "start one with `gemelli up`, or name one with --server or GEMELLI_SERVER"
            }
            Self::Options(_) => "correct the option",
            Self::Answer { .. } => {
                "check that the address is a Gemelli server of a version that fits: `gemelli version`"
            }
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            _ => None,
        }
    }

    /// The server's problem document, if it sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

/// A problem document (RFC 9457) with Gemelli's members.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Stable code, in kebab case.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// The kind of problem, for people.
    pub title: String,
    /// What is wrong here.
    pub detail: String,
    /// What to do.
    pub remedy: String,
    /// Where in what was sent.
    #[serde(flatten)]
    pub place: Place,
    /// The manifest that the place is in.
    pub object: Option<Object>,
    /// Everything that is wrong, where there are several things.
    pub errors: Vec<Fault>,
}

/// A manifest by kind and name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// One of several things that are wrong.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Fault {
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub detail: String,
    /// What to do.
    pub remedy: String,
    /// The manifest that is at fault.
    pub object: Option<Object>,
    /// JSON pointer into it.
    pub pointer: Option<String>,
}

/// A place in what was sent to the server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Place {
    /// JSON pointer, for example `/spec/properties/0/schema`.
    pub pointer: Option<String>,
    /// Line, from 1.
    pub line: Option<usize>,
    /// Column, from 1.
    pub column: Option<usize>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.detail.is_empty() {
            &self.title
        } else {
            &self.detail
        })
    }
}

impl Problem {
    /// The problem in an answer's body; an answer without a document becomes one.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let mut problem: Self = serde_json::from_slice(body).unwrap_or_default();
        problem.status = status;
        if problem.detail.is_empty() && problem.title.is_empty() {
            let text = String::from_utf8_lossy(body);
            let text: String = text.trim().chars().take(200).collect();
            problem.detail = match text.is_empty() {
                true => format!("the server answered with status {status}"),
                false => format!("the server answered with status {status}: {text}"),
            };
        }
        if problem.code.is_empty() {
            problem.code = match status {
                401 => "unauthorized",
                404 => "not-found",
                412 => "precondition-failed",
                413 => "too-large",
                429 | 503 => "backlog-full",
                _ => "refused",
            }
            .into();
        }
        problem
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_problem_document_keeps_code_remedy_and_place() {
        let body = br#"{"type":"/errors/unknown-field","title":"unknown field","status":422,"detail":"no `propertis`","code":"unknown-field","remedy":"write properties","pointer":"/spec","line":4,"column":3}"#;
        let problem = Problem::read(422, body);
        assert_eq!(
            (problem.code.as_str(), problem.status),
            ("unknown-field", 422)
        );
        assert_eq!(
            problem.place,
            Place {
                pointer: Some("/spec".into()),
                line: Some(4),
                column: Some(3)
            }
        );
        let error = Error::Refused(Box::new(problem));
        assert_eq!(error.to_string(), "no `propertis`");
        assert_eq!(error.remedy(), "write properties");
    }

    #[test]
    fn an_answer_without_a_document_still_says_what_came() {
        let problem = Problem::read(503, b"busy");
        assert_eq!(problem.code, "backlog-full");
        assert_eq!(problem.detail, "the server answered with status 503: busy");
    }
}
