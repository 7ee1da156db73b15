//! Kinds of objects as they are named on the command line.

use crate::failure::Failure;
use gemelli_model::nearest;

/// A kind that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Twins.
    Twin,
    /// Interfaces.
    Interface,
    /// Connections.
    Connection,
    /// Input that could not be used.
    DeadLetter,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::Twin,
        Self::Interface,
        Self::Connection,
        Self::DeadLetter,
    ];

    /// As manifests and the API name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Twin => "Twin",
            Self::Interface => "Interface",
            Self::Connection => "Connection",
            Self::DeadLetter => "DeadLetter",
        }
    }

    /// The spellings that the command line takes, the usual one first.
    pub fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Twin => &["twins", "twin", "tw"],
            Self::Interface => &["interfaces", "interface", "if"],
            Self::Connection => &["connections", "connection", "conn"],
            Self::DeadLetter => &["deadletters", "deadletter", "dl"],
        }
    }

    /// The kind of a word; an unknown one names the nearest.
    pub fn parse(word: &str) -> Result<Self, Failure> {
        let lower = word.to_ascii_lowercase();
        let found = Self::ALL
            .into_iter()
            .find(|kind| kind.spellings().contains(&lower.as_str()));
        found.ok_or_else(|| {
            let all = Self::ALL
                .into_iter()
                .flat_map(|kind| kind.spellings().iter().copied());
            let remedy = match nearest::name(&lower, all) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "kinds are twins, interfaces, connections and deadletters".into(),
            };
            Failure::usage(
                "unknown-kind",
                format!("no kind is called `{word}`"),
                remedy,
            )
        })
    }
}
