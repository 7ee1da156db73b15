//! The states of a twin's life.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a twin stands to its asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    /// No asset is connected.
    #[default]
    Unbound,
    /// An asset is connected but has not reported yet.
    Bound,
    /// The last report is within the interface's threshold.
    Synchronized,
    /// The last report is too old.
    OutOfSync,
    /// Halted by a person.
    Stopped,
}

impl Lifecycle {
    /// All states, in the order of their numbers in snapshots.
    pub const ALL: [Self; 5] = [Self::Unbound, Self::Bound, Self::Synchronized, Self::OutOfSync, Self::Stopped];

    /// The word for people and for JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unbound => "unbound",
            Self::Bound => "bound",
            Self::Synchronized => "synchronized",
            Self::OutOfSync => "out-of-sync",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
