//! Identifiers of twins and interfaces.

use serde::{Deserialize, Serialize};
use std::{borrow::Borrow, fmt, sync::Arc};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is; whether it is a usable identifier is [`check`]'s business.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

identifier!(
    /// The canonical id of a twin: compared as it is, byte by byte.
    TwinId
);
identifier!(
    /// The id of an interface: a DTMI, or KTWIN's host-like spelling.
    InterfaceId
);

/// Longest identifier, in bytes.
pub const MAX_ID_BYTES: usize = 2_048;

/// Why a text cannot be an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No character at all.
    #[error("an identifier needs at least one character")]
    Empty,
    /// Longer than [`MAX_ID_BYTES`].
    #[error("an identifier holds at most {MAX_ID_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// A control character, which no topic, header or terminal carries safely.
    #[error("an identifier holds no control characters, this one has U+{:04X}", *.0 as u32)]
    Control(char),
}

/// Whether a text may be the id of a twin, a relationship or an interface.
pub fn check(text: &str) -> Result<(), Unusable> {
    if text.is_empty() {
        return Err(Unusable::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(Unusable::TooLong(text.len()));
    }
    // Nearly all ids are printable ASCII, which needs no decoding.
    if text.bytes().all(|b| matches!(b, 0x20..=0x7e)) {
        return Ok(());
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(Unusable::Control(c)),
        None => Ok(()),
    }
}

impl Default for InterfaceId {
    /// The empty id, which [`check`] refuses: a placeholder until the manifest's name is known.
    fn default() -> Self {
        Self("".into())
    }
}
