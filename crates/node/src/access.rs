//! Who may connect by MQTT: on loopback everybody, elsewhere who shows a token as password.

use gemelli_auth::{Action, Principal, Role, Tokens, loopback};
use gemelli_broker::{
    Reason,
    host::{self, Credentials, Refused},
};
use parking_lot::RwLock;
use std::{collections::HashMap, net::SocketAddr, sync::Arc};

/// Who may connect, and what they may do.
#[derive(Default)]
pub struct Access {
    /// Where a login is needed.
    tokens: Option<Arc<Tokens>>,
    /// The roles of those who logged in: at most one for each token.
    roles: RwLock<HashMap<Arc<str>, Role>>,
}

/// A listener beyond loopback without tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a loopback address and there is no authentication: run `gemelli auth init` first, or listen on 127.0.0.1"
)]
pub struct NeedsAuth(pub SocketAddr);

impl Access {
    /// For these listeners: once one of them is beyond loopback, everybody logs in.
    pub fn of(
        listeners: impl IntoIterator<Item = SocketAddr>,
        tokens: Option<Arc<Tokens>>,
    ) -> Result<Self, NeedsAuth> {
        let open = listeners
            .into_iter()
            .find(|address| !loopback::is_loopback(address.ip()));
        match (open, tokens) {
            (None, _) => Ok(Self::default()),
            (Some(_), Some(tokens)) => Ok(Self {
                tokens: Some(tokens),
                roles: RwLock::default(),
            }),
            (Some(address), None) => Err(NeedsAuth(address)),
        }
    }

    /// Whether clients have to show a token.
    pub fn needs_login(&self) -> bool {
        self.tokens.is_some()
    }

    /// Who this is, or why it may not connect.
    pub fn authenticate(&self, who: &Credentials) -> Result<host::Principal, Refused> {
        let Some(tokens) = &self.tokens else {
            return Ok(host::Principal {
                name: Principal::local().name,
            });
        };
        let password = who
            .password
            .as_deref()
            .and_then(|p| std::str::from_utf8(p).ok());
        let known = password
            .ok_or(gemelli_auth::Refused)
            .and_then(|token| tokens.verify(token));
        match known {
            Ok(principal) => {
                self.roles
                    .write()
                    .insert(principal.name.clone(), principal.role);
                Ok(host::Principal {
                    name: principal.name,
                })
            }
            Err(refused) => Err(Refused {
                reason: Reason::BAD_USER_NAME_OR_PASSWORD,
                text: format!("{refused}: {}", gemelli_auth::Refused::REMEDY),
            }),
        }
    }

    /// Whether they may.
    pub fn allow(&self, who: &host::Principal, action: host::Action, topic: &str) -> bool {
        let action = match action {
            // The server's own topics are for reading.
            host::Action::Publish if topic.starts_with("$SYS/") => return false,
            host::Action::Publish => Action::Write,
            host::Action::Subscribe => Action::Read,
        };
        if !self.needs_login() {
            return true;
        }
        let role = self.roles.read().get(&who.name).copied();
        role.is_some_and(|role| {
            Principal {
                name: who.name.clone(),
                role,
            }
            .decide(action)
            .is_allowed()
        })
    }
}
