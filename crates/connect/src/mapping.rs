//! All Connections, compiled: which event or presence a message means.

use crate::{
    Fault, Message,
    message::Seen,
    pattern::Pattern,
    rule::{Place, Rule, Twin, whole},
    template::Template,
};
use bytes::Bytes;
use gemelli_engine::expr::Names;
use gemelli_event::{
    Category,
    cloudevent::EARLIEST_MS,
    device::{self, Attributes},
    record::{Event, Presence},
    topic::Topic,
};
use gemelli_model::{
    TwinId, Value,
    manifest::{self, Connection, Kind, PresenceMapping, TopicMapping},
};
use std::{borrow::Cow, sync::Arc};

/// All Connections, in the order of their names. Cheap to look up in, made anew when one changes.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    events: Vec<EventRule>,
    presences: Vec<PresenceRule>,
}

/// What a message means. Both none: no Connection maps its topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapped {
    /// The event, by the first topic that matches.
    pub event: Option<Event>,
    /// The presence, by the first presence pattern that matches.
    pub presence: Option<Presence>,
}

#[derive(Clone, Debug)]
struct EventRule {
    place: Place,
    pattern: Pattern,
    category: Category,
    interface: Template,
    twin: Twin,
    command: Option<Arc<str>>,
    payload: Option<Vec<Member>>,
    time: Option<Rule>,
    event_id: Option<Rule>,
}

#[derive(Clone, Debug)]
struct Member {
    name: Arc<str>,
    rule: Rule,
}

#[derive(Clone, Debug)]
struct PresenceRule {
    pattern: Pattern,
    twin: Twin,
    connected: Rule,
}

impl Mapping {
    /// Compiles Connections.
    ///
    /// # Errors
    /// Every expression and template that is at fault.
    pub fn compile<'a>(
        connections: impl IntoIterator<Item = (&'a str, &'a Connection)>,
    ) -> Result<Self, Vec<Fault>> {
        let mut mapping = Self::default();
        let mut faults = Vec::new();
        for (name, connection) in connections {
            let place = Place {
                connection: name.into(),
                pointer: "/spec".into(),
            };
            for (i, topic) in connection.topics.iter().enumerate() {
                let place = place.at("topics").at(&i.to_string());
                mapping.events.extend(event_rule(topic, place, &mut faults));
            }
            if let Some(presence) = &connection.presence {
                mapping.presences.extend(presence_rule(
                    presence,
                    &place.at("presence"),
                    &mut faults,
                ));
            }
        }
        if faults.is_empty() {
            Ok(mapping)
        } else {
            Err(faults)
        }
    }

    /// Compiles Connections from their manifests' canonical form, passing over other kinds.
    ///
    /// # Errors
    /// As [`Mapping::compile`]; a manifest that cannot be read is one fault.
    pub fn of_manifests<'a>(
        manifests: impl IntoIterator<Item = &'a Value>,
    ) -> Result<Self, Vec<Fault>> {
        let mut connections = Vec::new();
        let mut faults = Vec::new();
        for value in manifests {
            match manifest::from_value(value) {
                Ok(manifest) => match manifest.kind {
                    Kind::Connection(connection) => connections.push((manifest.name, connection)),
                    Kind::Interface(_) | Kind::Twin(_) => {}
                },
                Err(problems) => faults.extend(problems.into_iter().map(|problem| Fault {
                    code: problem.code,
                    connection: name_of(value).into(),
                    pointer: problem.pointer.into(),
                    topic: "".into(),
                    message: problem.message,
                    remedy: problem.remedy,
                    line: 0,
                    column: 0,
                })),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Self::compile(
            connections
                .iter()
                .map(|(name, connection)| (&**name, connection)),
        )
    }

    /// Nothing is mapped.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.presences.is_empty()
    }

    /// What a message means.
    ///
    /// # Errors
    /// Its topic is mapped, and the message lacks or holds something that the mapping cannot use.
    pub fn map(&self, message: Message<'_>) -> Result<Mapped, Fault> {
        let mut mapped = Mapped::default();
        for rule in &self.presences {
            if let Some(captures) = rule.pattern.matches(message.topic) {
                let seen = Seen::new(message, captures);
                let (twin, connected) = (rule.twin.id(&seen)?, rule.connected.truth(&seen)?);
                mapped.presence = Some(Presence {
                    twin: TwinId::new(twin),
                    connected,
                });
                break;
            }
        }
        for rule in &self.events {
            if let Some(captures) = rule.pattern.matches(message.topic) {
                mapped.event = Some(rule.event(&Seen::new(message, captures))?);
                break;
            }
        }
        Ok(mapped)
    }
}

impl EventRule {
    fn event(&self, seen: &Seen<'_>) -> Result<Event, Fault> {
        let twin = self.twin.id(seen)?;
        let interface = self.interface.fill(&seen.captures);
        let topic = Topic {
            category: self.category,
            interface: Cow::Owned(interface),
            twin: Cow::Borrowed(&twin),
            command: self.command.as_deref().map(Cow::Borrowed),
        };
        let payload = self.payload(seen)?;
        let attributes = Attributes::of(seen.message.properties.iter().copied());
        let mut event = device::event(&topic, payload, attributes).map_err(|fault| {
            self.place
                .fault(fault.code, seen.message.topic, fault.message, fault.remedy)
        })?;
        if let Some(rule) = &self.time {
            event.time_ms = rule.time_ms(seen)?.filter(|ms| *ms >= EARLIEST_MS);
        }
        if let Some(rule) = &self.event_id {
            event.id = rule.text(seen)?;
        }
        Ok(event)
    }

    fn payload(&self, seen: &Seen<'_>) -> Result<Bytes, Fault> {
        let Some(members) = &self.payload else {
            return Ok(seen.message.payload.clone());
        };
        let mut fields = Vec::with_capacity(members.len());
        for member in members {
            let value = member.rule.value(seen)?;
            if !value.is_null() {
                fields.push((member.name.clone(), whole(value)));
            }
        }
        Ok(Value::Object(fields.into()).to_string().into())
    }
}

fn event_rule(topic: &TopicMapping, place: Place, faults: &mut Vec<Fault>) -> Option<EventRule> {
    let pattern = Pattern::new(&topic.pattern);
    let names = names(&pattern);
    let before = faults.len();
    let mut rule = |source: &str, place: Place| {
        Rule::new(source, &names, place)
            .map_err(|fault| faults.push(fault))
            .ok()
    };
    let mut payload = topic.payload.as_ref().map(|_| Vec::new());
    for (name, source) in topic.payload.iter().flatten() {
        let rule = rule(source, place.at("payload").at(name));
        let member = rule.map(|rule| Member {
            name: name.clone(),
            rule,
        });
        payload.get_or_insert_default().extend(member);
    }
    let time = topic
        .time
        .as_ref()
        .and_then(|source| rule(source, place.at("time")));
    let event_id = topic
        .event_id
        .as_ref()
        .and_then(|source| rule(source, place.at("eventId")));
    let interface = Template::new(&topic.interface, pattern.captures());
    if interface.is_none() {
        let name = Template::unknown(&topic.interface, pattern.captures());
        let name = name.unwrap_or(&topic.interface);
        faults.push(place.at("interface").uncaptured(name, pattern.captures()));
    }
    let twin = Twin::new(&topic.twin, pattern.captures(), &names, place.at("twin"));
    let twin = twin.map_err(|fault| faults.push(fault)).ok();
    if faults.len() > before {
        return None;
    }
    Some(EventRule {
        category: topic.category.parse().ok()?,
        interface: interface?,
        twin: twin?,
        command: topic.command.clone(),
        place,
        pattern,
        payload,
        time,
        event_id,
    })
}

fn presence_rule(
    presence: &PresenceMapping,
    place: &Place,
    faults: &mut Vec<Fault>,
) -> Option<PresenceRule> {
    let pattern = Pattern::new(&presence.pattern);
    let names = names(&pattern);
    let twin = Twin::new(&presence.twin, pattern.captures(), &names, place.at("twin"));
    let connected = Rule::new(&presence.connected, &names, place.at("connected"));
    match (twin, connected) {
        (Ok(twin), Ok(connected)) => Some(PresenceRule {
            pattern,
            twin,
            connected,
        }),
        (twin, connected) => {
            faults.extend(twin.err().into_iter().chain(connected.err()));
            None
        }
    }
}

/// What expressions may name.
fn names(pattern: &Pattern) -> Names {
    let known = ["topic", "payload", "properties"]
        .into_iter()
        .fold(Names::new(), Names::variable);
    pattern
        .captures()
        .fold(known, |names, capture| names.variable(capture.clone()))
}

fn name_of(manifest: &Value) -> &str {
    let name = manifest
        .get("metadata")
        .and_then(|metadata| metadata.get("name"));
    name.and_then(Value::as_str).unwrap_or_default()
}
