//! Who acts, and what that allows.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, sync::Arc};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its name: that of its token.
    pub name: Arc<str>,
    /// What it is trusted with.
    pub role: Role,
}

/// What a principal is trusted with. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees twins, history, streams; subscribes.
    Reader,
    /// Sends events and commands, changes twins; publishes.
    Writer,
    /// Changes interfaces and connections, administers.
    Admin,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See something; subscribe.
    Read,
    /// Change a twin, send an event; publish.
    Write,
    /// Change definitions, administer.
    Administer,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on.
    Allowed,
    /// No, and why.
    Denied(String),
}

impl Decision {
    /// Whether it is a yes.
    pub fn is_allowed(&self) -> bool {
        *self == Self::Allowed
    }
}

impl Principal {
    /// Who acts on loopback, where nobody logs in.
    pub fn local() -> Self {
        Self {
            name: "local".into(),
            role: Role::Admin,
        }
    }

    /// Whether it may.
    pub fn decide(&self, action: Action) -> Decision {
        let needed = match action {
            Action::Read => Role::Reader,
            Action::Write => Role::Writer,
            Action::Administer => Role::Admin,
        };
        if self.role >= needed {
            return Decision::Allowed;
        }
        Decision::Denied(format!(
            "{} is a {}, and this needs a {needed}",
            self.name, self.role
        ))
    }
}

impl Role {
    /// All roles, the least trusted first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Admin];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| format!("{text} is no role: use reader, writer or admin"))
    }
}
