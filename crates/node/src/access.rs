//! Who may connect by MQTT, and what they may publish and subscribe to: on loopback everybody
//! everything, elsewhere who shows a token as password, as [`gemelli_auth::Access`] decides.
//!
//! A topic of a twin is about that twin; a filter that meets many twins is about their interface or
//! about the whole node, so that `#` is for those who may see everything.

use gemelli_auth::{Action, Facts, Principal, Resource, loopback};
use gemelli_broker::{
    Reason,
    host::{self, Credentials, Refused},
};
use gemelli_engine::View;
use gemelli_event::{Category, topic::Topic};
use gemelli_model::Value;
use parking_lot::RwLock;
use std::{borrow::Cow, collections::HashMap, net::SocketAddr, sync::Arc, time::SystemTime};
use tokio::runtime::{Handle, RuntimeFlavor};

/// Most principals whose logins are remembered; past it new ones are refused.
pub const MAX_LOGINS: usize = 100_000;

/// Who may connect, and what they may do.
#[derive(Default)]
pub struct Access {
    /// Where a login is needed.
    auth: Option<Arc<gemelli_auth::Access>>,
    /// Those who logged in, as they last did.
    logins: RwLock<HashMap<Arc<str>, Principal>>,
}

/// A listener beyond loopback without tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is not a loopback address and there is no authentication: run `gemelli auth init` first, or listen on 127.0.0.1"
)]
pub struct NeedsAuth(pub SocketAddr);

/// What twins are, for policies.
pub struct TwinFacts(pub View);

impl Facts for TwinFacts {
    fn is_a(&self, twin: &str, interface: &str) -> bool {
        self.0
            .twin(twin)
            .is_some_and(|twin| self.extends(twin.interface().as_str(), interface))
    }

    fn extends(&self, interface: &str, other: &str) -> bool {
        let compiled = self.0.definitions().interface(interface);
        interface == other || compiled.is_some_and(|compiled| compiled.is_a(other))
    }

    fn has(&self, twin: &str, property: &str, value: &str) -> bool {
        let twin = self.0.twin(twin);
        let found = twin.as_ref().and_then(|twin| twin.get(property));
        matches!(found, Some(Value::Text(text)) if **text == *value)
    }

    fn leads(&self, twin: &str, relationship: &str, target: &str) -> bool {
        self.0.twin(twin).is_some_and(|twin| {
            let mut edges = twin.relationships().into_iter();
            edges.any(|edge| *edge.name == *relationship && edge.target.as_str() == target)
        })
    }
}

impl Access {
    /// For these listeners: once one of them is beyond loopback, everybody logs in.
    pub fn of(
        listeners: impl IntoIterator<Item = SocketAddr>,
        auth: Option<Arc<gemelli_auth::Access>>,
    ) -> Result<Self, NeedsAuth> {
        let open = listeners
            .into_iter()
            .find(|address| !loopback::is_loopback(address.ip()));
        match (open, auth) {
            (None, _) => Ok(Self::default()),
            (Some(_), Some(auth)) => Ok(Self {
                auth: Some(auth),
                logins: RwLock::default(),
            }),
            (Some(address), None) => Err(NeedsAuth(address)),
        }
    }

    /// Whether clients have to show a token.
    pub fn needs_login(&self) -> bool {
        self.auth.is_some()
    }

    /// Who this is, or why it may not connect. A client id that is a device's is for that device.
    pub fn authenticate(&self, who: &Credentials) -> Result<host::Principal, Refused> {
        let Some(auth) = &self.auth else {
            return Ok(host::Principal {
                name: Principal::local().name,
            });
        };
        let no = |reason, text: String| {
            tracing::info!(target: "gemelli::audit", client = %who.client, peer = %who.peer, %text, "login refused");
            Refused { reason, text }
        };
        let token = who
            .password
            .as_deref()
            .and_then(|password| std::str::from_utf8(password).ok());
        let now = SystemTime::now();
        let look = || auth.authenticate(token, who.peer.ip(), now);
        let quick = token.is_none_or(|token| auth.is_known(token));
        let principal = if quick { look() } else { apart(look) };
        let principal = principal.map_err(|refused| {
            let reason = match refused {
                gemelli_auth::Refused::Token => Reason::BAD_USER_NAME_OR_PASSWORD,
                gemelli_auth::Refused::TooMany(_) => Reason::NOT_AUTHORIZED,
            };
            no(reason, format!("{refused}: {}", refused.remedy()))
        })?;
        match &principal.twin {
            Some(twin) if **twin != *who.client => {
                let text = format!(
                    "the token is that of the device {twin}: connect with {twin} as client id"
                );
                return Err(no(Reason::NOT_AUTHORIZED, text));
            }
            None if auth.tokens().binds(&who.client, now) => {
                let text = format!(
                    "the client id {} is a device's that has its own token: use another",
                    who.client
                );
                return Err(no(Reason::NOT_AUTHORIZED, text));
            }
            _ => {}
        }
        let name = principal.name.clone();
        let mut logins = self.logins.write();
        if logins.len() >= MAX_LOGINS && !logins.contains_key(&name) {
            logins.retain(|_, principal| !principal.is_expired(now));
            if logins.len() >= MAX_LOGINS {
                let text = format!("{MAX_LOGINS} principals logged in, and no more can");
                return Err(no(Reason::SERVER_UNAVAILABLE, text));
            }
        }
        logins.insert(name.clone(), principal);
        drop(logins);
        tracing::debug!(target: "gemelli::audit", principal = %name, client = %who.client, peer = %who.peer, "login");
        Ok(host::Principal { name })
    }

    /// Whether they may. The view is asked for only where a policy may need it.
    pub fn allow(
        &self,
        who: &host::Principal,
        action: host::Action,
        topic: &str,
        view: impl FnOnce() -> View,
    ) -> bool {
        // The server's own topics are for reading.
        if action == host::Action::Publish && topic.starts_with("$SYS/") {
            return false;
        }
        let Some(auth) = &self.auth else {
            return true;
        };
        let logins = self.logins.read();
        let Some(principal) = logins.get(&who.name) else {
            return false;
        };
        let wish = match action {
            host::Action::Publish => publish(topic),
            host::Action::Subscribe => subscribe(topic),
        };
        if principal.may_everywhere(wish.action) && principal.expires_ms.is_none() {
            return true;
        }
        let principal = principal.clone();
        drop(logins);
        let decision = auth.decide(&principal, wish.action, wish.resource(), &TwinFacts(view()));
        if !decision.is_allowed() {
            tracing::info!(target: "gemelli::audit", principal = %principal.name, ?action, topic, "denied");
        }
        decision.is_allowed()
    }
}

/// Does what may take long where it holds up no other connection.
fn apart<T>(what: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(what),
        _ => what(),
    }
}

/// What somebody wants with a topic.
#[derive(Debug, PartialEq)]
struct Wish<'a> {
    action: Action,
    about: About<'a>,
}

#[derive(Debug, PartialEq)]
enum About<'a> {
    Node,
    Twin(Cow<'a, str>),
    Interface(Cow<'a, str>),
    Topic(&'a str),
}

impl Wish<'_> {
    fn resource(&self) -> Resource<'_> {
        match &self.about {
            About::Node => Resource::Node,
            About::Twin(twin) => Resource::Twin(twin),
            About::Interface(interface) => Resource::Interface(interface),
            About::Topic(topic) => Resource::Topic(topic),
        }
    }
}

/// Real events of a twin are reports of its device; others, and topics of no twin, change things.
fn publish(topic: &str) -> Wish<'_> {
    let (action, about) = match Topic::parse(topic) {
        Ok(Some(topic)) if topic.category == Category::Real => {
            (Action::Report, About::Twin(topic.twin))
        }
        Ok(Some(topic)) => (Action::Write, About::Twin(topic.twin)),
        Ok(None) | Err(_) => (Action::Report, About::Topic(topic)),
    };
    Wish { action, about }
}

fn subscribe(filter: &str) -> Wish<'_> {
    let exact = |level: &&str| !matches!(*level, "+" | "#");
    let mut levels = filter.split('/');
    let about = match (levels.next(), levels.next()) {
        (Some("ktwin"), Some(category)) if category != "#" => {
            let interface = levels.next().filter(|level| *level != "#");
            let twin = levels.next().filter(exact);
            match (interface, twin) {
                (Some(_), Some(twin)) => id(twin).map_or(About::Node, About::Twin),
                (Some(interface), None) if exact(&interface) => {
                    id(interface).map_or(About::Node, About::Interface)
                }
                _ => About::Node,
            }
        }
        (Some("devices"), Some(twin)) if exact(&twin) => About::Topic(filter),
        _ => match Topic::parse(filter) {
            Ok(Some(topic)) => About::Twin(topic.twin),
            _ => About::Node,
        },
    };
    Wish {
        action: Action::Read,
        about,
    }
}

/// The id that a level stands for; none if it is badly encoded.
fn id(level: &str) -> Option<Cow<'static, str>> {
    let topic = format!("ktwin/real/x/{level}");
    let twin = Topic::parse(&topic).ok()??.twin.into_owned();
    Some(Cow::Owned(twin))
}

#[cfg(test)]
mod tests;
