//! Who acts, and what that allows.

use serde::{Deserialize, Serialize};
use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its name: that of its token, or `<issuer>/<name>`.
    pub name: Arc<str>,
    /// What it is trusted with.
    pub role: Role,
    /// The twin, and client id, that a device is bound to.
    pub twin: Option<Arc<str>>,
    /// When what it showed stops counting, milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

/// What a principal is trusted with. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing but what policies allow.
    Limited,
    /// Reports for its own twin and sees it, beside what policies allow.
    Device,
    /// Sees twins, history, streams; subscribes.
    Reader,
    /// Sends events and commands, changes twins; publishes.
    Writer,
    /// Changes interfaces and connections, administers.
    Admin,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// See something; subscribe.
    Read,
    /// Send what a twin's device measured.
    Report,
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
        Self::new("local", Role::Admin)
    }

    /// Of this name and role, bound to no twin and without an end.
    pub fn new(name: impl Into<Arc<str>>, role: Role) -> Self {
        Self {
            name: name.into(),
            role,
            twin: None,
            expires_ms: None,
        }
    }

    /// Whether what it showed no longer counts.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires_ms.is_some_and(|end| {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            now.as_millis() >= u128::from(end)
        })
    }

    /// Whether its role alone allows an action on everything.
    pub fn may_everywhere(&self, action: Action) -> bool {
        self.role >= action.needs()
    }

    /// Whether its role allows an action on everything, and if not, why.
    pub fn decide(&self, action: Action) -> Decision {
        let needed = action.needs();
        if self.may_everywhere(action) {
            return Decision::Allowed;
        }
        Decision::Denied(format!(
            "{} has the role {}, and this needs {needed}",
            self.name, self.role
        ))
    }
}

impl Action {
    /// The least role that may do it everywhere.
    fn needs(self) -> Role {
        match self {
            Self::Read => Role::Reader,
            Self::Report | Self::Write => Role::Writer,
            Self::Administer => Role::Admin,
        }
    }
}

impl Role {
    /// All roles, the least trusted first.
    pub const ALL: [Self; 5] = [
        Self::Limited,
        Self::Device,
        Self::Reader,
        Self::Writer,
        Self::Admin,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limited => "limited",
            Self::Device => "device",
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
        role.ok_or_else(|| {
            format!("{text} is no role: use limited, device, reader, writer or admin")
        })
    }
}
