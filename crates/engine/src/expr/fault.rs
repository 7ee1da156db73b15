//! Why a part of an expression has no value, and where in the source.

use super::Error;

/// Why a part of an expression has no value.
#[derive(Debug)]
pub(super) enum Fault {
    /// It reads something that is absent.
    Undefined,
    /// It is wrong for these values.
    Wrong(Box<Wrong>),
}

/// What is wrong, and where in the source, in bytes.
#[derive(Debug)]
pub(super) struct Wrong {
    at: u32,
    message: String,
    remedy: &'static str,
}

impl Fault {
    pub fn wrong(at: u32, message: String, remedy: &'static str) -> Self {
        Self::Wrong(Box::new(Wrong {
            at,
            message,
            remedy,
        }))
    }

    pub fn overflow(at: u32) -> Self {
        Self::wrong(
            at,
            "a whole number overflows 64 bits".to_owned(),
            "compute with double(x)",
        )
    }

    /// With line and column; none if it is merely undefined.
    pub fn located(self, source: &str) -> Option<Error> {
        match self {
            Self::Undefined => None,
            Self::Wrong(wrong) => {
                let (line, column) = position(source, wrong.at);
                Some(Error {
                    message: wrong.message,
                    line,
                    column,
                    remedy: wrong.remedy.to_owned(),
                })
            }
        }
    }
}

/// Line and column of a byte of the source, both from 1.
pub(super) fn position(source: &str, at: u32) -> (u32, u32) {
    let before = source.char_indices().take_while(|(i, _)| *i < at as usize);
    before.fold((1, 1), |(line, column), (_, c)| {
        if c == '\n' {
            (line + 1, 1)
        } else {
            (line, column + 1)
        }
    })
}
