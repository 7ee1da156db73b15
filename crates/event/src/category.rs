//! The four categories of events.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where an event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// From a device to its twin.
    Real,
    /// From a twin to its device.
    Virtual,
    /// From a twin to a related twin.
    Command,
    /// To the event store: merged into the twin, kept, never routed.
    Store,
}

impl Category {
    /// All categories, in the order of their numbers in the log.
    pub const ALL: [Self; 4] = [Self::Real, Self::Virtual, Self::Command, Self::Store];

    /// The word in topics and event types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Virtual => "virtual",
            Self::Command => "command",
            Self::Store => "store",
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Category {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|c| c.as_str() == text).ok_or(())
    }
}
