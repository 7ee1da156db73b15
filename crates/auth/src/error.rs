//! What goes wrong with files and keys.

use std::{io, path::PathBuf};

/// Why certificates or tokens could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is something already.
    #[error("{} exists: certificates and tokens were made before", .0.display())]
    Exists(PathBuf),
    /// There is nothing yet.
    #[error("{} does not exist: certificates and tokens were not made yet", .0.display())]
    Absent(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {what}", .path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A file was written by a newer version.
    #[error("{} has format {found}, this version reads up to {known}", .path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// A name is taken, cannot be used or does not exist.
    #[error("{0}")]
    Name(String),
    /// The cryptographic library refused.
    #[error("{what}: {why}")]
    Crypto {
        /// What was attempted.
        what: &'static str,
        /// Its answer.
        why: String,
    },
}

impl Error {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists(_) => "already-exists",
            Self::Absent(_) => "not-found",
            Self::File { .. } => "io-failed",
            Self::Damaged { .. } => "damaged-auth",
            Self::Newer { .. } => "newer-format",
            Self::Name(_) => "bad-options",
            Self::Crypto { .. } => "io-failed",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Exists(_) => "keep them, or move the folder away and run gemelli auth init again",
            Self::Absent(_) => "run gemelli auth init",
            Self::File { .. } => "check the folder's owner and free space",
            Self::Damaged { .. } => {
                "restore the file, or move the folder away and run gemelli auth init again"
            }
            Self::Newer { .. } => "use the newer version of Gemelli",
            Self::Name(_) => "use another name",
            Self::Crypto { .. } => "check the host names that were given",
        }
    }

    pub(crate) fn crypto(what: &'static str) -> impl FnOnce(rcgen::Error) -> Self {
        move |why| Self::Crypto {
            what,
            why: why.to_string(),
        }
    }
}
