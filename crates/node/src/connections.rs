//! Connections: topics that are not Gemelli's own and mean events of twins all the same.
//!
//! The mapping follows the definitions: it is compiled anew when they change, before the change is
//! answered. Mappings that cannot be compiled are refused before they are applied.

use crate::intake;
use gemelli_broker::Publish;
use gemelli_connect::{Fault, Mapping, Message};
use gemelli_engine::{Definitions, View};
use gemelli_event::{Body, record::Command};
use gemelli_model::Value;
use parking_lot::RwLock;
use std::sync::Arc;

/// The mappings of the definitions that are in force.
#[derive(Default)]
pub struct Connections {
    compiled: RwLock<Arc<Compiled>>,
}

#[derive(Default)]
struct Compiled {
    version: u64,
    mapping: Mapping,
    /// Some Connection says by messages of its own whether devices are there.
    tells_presence: bool,
}

/// What a publication means by a mapping.
pub struct Mapped {
    /// The event, or the presence where there is no event.
    pub body: Body,
    /// The presence that comes with the event.
    pub also: Option<Body>,
    /// The client's connection says whether the twin is bound.
    pub binds: bool,
}

impl Connections {
    /// Takes up the mappings of new definitions.
    pub fn follow(&self, definitions: &Arc<Definitions>) {
        if self.compiled.read().version == definitions.version() {
            return;
        }
        let manifests = || definitions.connections().map(|(_, manifest)| manifest);
        let mapping = match Mapping::of_manifests(manifests()) {
            Ok(mapping) => mapping,
            Err(faults) => {
                for fault in &faults {
                    tracing::error!(%fault, "a Connection cannot be used, those before it stay in force");
                }
                return;
            }
        };
        let tells_presence =
            manifests().any(|m| m.get("spec").is_some_and(|s| s.get("presence").is_some()));
        let compiled = Compiled {
            version: definitions.version(),
            mapping,
            tells_presence,
        };
        *self.compiled.write() = Arc::new(compiled);
    }

    /// What a publication means; none if no Connection maps its topic.
    pub fn map(
        &self,
        view: &View,
        publish: &Publish,
        now_ms: i64,
    ) -> Result<Option<Mapped>, Fault> {
        let compiled = self.compiled.read().clone();
        if compiled.mapping.is_empty() {
            return Ok(None);
        }
        let properties: Vec<_> = publish.user_properties().collect();
        let message = Message {
            topic: &publish.topic,
            payload: &publish.payload,
            properties: &properties,
            now_ms,
        };
        let mapped = compiled.mapping.map(message)?;
        let presence = mapped.presence.map(|mut presence| {
            if let Some(known) = view.canonical(presence.twin.as_str()) {
                presence.twin = known;
            }
            Body::Presence(presence)
        });
        let event = mapped
            .event
            .map(|event| Body::Event(intake::canonical(view, event)));
        let binds = !compiled.tells_presence;
        Ok(match (event, presence) {
            (Some(body), also) => Some(Mapped { body, also, binds }),
            (None, Some(body)) => Some(Mapped {
                body,
                also: None,
                binds,
            }),
            (None, None) => None,
        })
    }
}

/// Whether the Connections that a command brings can be compiled.
///
/// # Errors
/// Every expression and template that is at fault.
pub fn check(command: &Command) -> Result<(), Vec<Fault>> {
    let Command::Apply { manifests } = command else {
        return Ok(());
    };
    let is_connection = |m: &&Value| m.get("kind").and_then(Value::as_str) == Some("Connection");
    Mapping::of_manifests(manifests.iter().filter(is_connection)).map(drop)
}
