//! Events as devices send them by MQTT: the topic names the twin, the payload is the data.
//!
//! The event's id and time stand in the user properties `ce-id`, `ce-time` and `ce-source` of MQTT 5.
//! Where these are absent (MQTT 3.1.1 has none), members of the payload are looked at: `ceId`, then
//! `timestamp`, then `dateObservedTo` (KTWIN's flow sensors). Whether the payload is JSON is for the
//! one who reads it: here, what cannot be read holds no id and no time.

use crate::{
    cloudevent::{EARLIEST_MS, Fault},
    record::{CommandName, Event},
    topic::Topic,
};
use bytes::Bytes;
use gemelli_model::{InterfaceId, TwinId, id, time};
use serde::Deserialize;
use std::borrow::Cow;

/// What a message says about its event beside the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `ce-id`.
    pub id: Option<&'a str>,
    /// `ce-time`.
    pub time: Option<&'a str>,
    /// `ce-source`: where it is not the twin; for commands the twin that sends.
    pub source: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    /// Picks the attributes out of user properties; of two with one name the first counts.
    pub fn of(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut found = Self::default();
        for (name, value) in properties {
            let slot = match name {
                "ce-id" => &mut found.id,
                "ce-time" => &mut found.time,
                "ce-source" => &mut found.source,
                _ => continue,
            };
            if slot.is_none() && !value.is_empty() {
                *slot = Some(value);
            }
        }
        found
    }
}

/// The event that a message on an event's topic means.
///
/// # Errors
/// `ce-time` is not in the form of RFC 3339, or `ce-source` of a command cannot be a twin's id.
pub fn event(
    topic: &Topic<'_>,
    payload: Bytes,
    attributes: Attributes<'_>,
) -> Result<Event, Fault> {
    let hints = Hints::of(&payload, attributes);
    let time_ms = match attributes.time {
        Some(text) => Some(time::parse_ms(text).ok_or_else(|| {
            let message = format!("the time {text:?} is not in the form of RFC 3339");
            Fault::at(
                "malformed-cloudevent",
                "ce-time",
                message,
                "write it as 2026-03-29T12:00:00Z, or leave it out",
            )
        })?),
        None => hints.time_ms(),
    };
    let source = attributes.source.filter(|source| *source != topic.twin);
    let sender = match (&topic.command, source) {
        (Some(_), Some(source)) => {
            id::check(source).map_err(|why| {
                Fault::at(
                    "malformed-cloudevent",
                    "ce-source",
                    why.to_string(),
                    "name the twin that sends the command",
                )
            })?;
            Some(TwinId::from(source))
        }
        _ => None,
    };
    Ok(Event {
        category: topic.category,
        interface: InterfaceId::new(&*topic.interface),
        twin: TwinId::new(&*topic.twin),
        command: topic.command.as_ref().map(|name| CommandName {
            name: (&**name).into(),
            sender,
        }),
        source: source.map(Into::into),
        id: attributes.id.or(hints.id.as_deref()).map(Into::into),
        time_ms: time_ms.filter(|ms| *ms >= EARLIEST_MS),
        payload,
    })
}

/// Members of a payload that may say what its event's attributes do not.
#[derive(Default)]
struct Hints<'a> {
    id: Option<Cow<'a, str>>,
    timestamp: Option<Cow<'a, str>>,
    observed: Option<Cow<'a, str>>,
}

impl<'a> Hints<'a> {
    /// Reads what the attributes leave open. Most payloads hold no hint: looking for the names costs
    /// a fraction of parsing.
    fn of(payload: &'a [u8], attributes: Attributes<'_>) -> Self {
        let holds = |name: &str| std::str::from_utf8(payload).is_ok_and(|text| text.contains(name));
        let id = attributes.id.is_none() && holds("\"ceId\"");
        let time =
            attributes.time.is_none() && (holds("\"timestamp\"") || holds("\"dateObservedTo\""));
        if !id && !time {
            return Self::default();
        }
        let Ok(members) = serde_json::from_slice::<Members>(payload) else {
            return Self::default();
        };
        Self {
            id: members.id.and_then(Text::get).filter(|id| !id.is_empty()),
            timestamp: members.timestamp.and_then(Text::get),
            observed: members.observed.and_then(Text::get),
        }
    }

    fn time_ms(&self) -> Option<i64> {
        let read = |text: &Option<Cow<'_, str>>| text.as_deref().and_then(time::parse_ms);
        read(&self.timestamp).or_else(|| read(&self.observed))
    }
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, rename = "ceId")]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow, rename = "dateObservedTo")]
    observed: Option<Text<'a>>,
}

/// A text, or something else that is passed over.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(serde::de::IgnoredAny),
}

impl<'a> Text<'a> {
    fn get(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(topic: &str, payload: &str, properties: &[(&str, &str)]) -> String {
        let topic = Topic::parse(topic).unwrap().unwrap();
        let attributes = Attributes::of(properties.iter().copied());
        match event(
            &topic,
            Bytes::copy_from_slice(payload.as_bytes()),
            attributes,
        ) {
            Ok(e) => {
                let time = e.time_ms.map(time::format_ms);
                let sender = e.command.and_then(|c| c.sender);
                format!(
                    "{} id {:?} time {time:?} source {:?} sender {sender:?}",
                    e.twin, e.id, e.source
                )
            }
            Err(fault) => format!("{}: {fault}", fault.code),
        }
    }

    #[test]
    fn ids_and_times_come_from_properties_else_from_the_payload() {
        let (real, command) = ("ktwin/real/pole/p1", "ktwin/command/nb/nb1/update");
        for (topic, payload, properties, wanted) in [
            (
                real,
                "{}",
                &[][..],
                "p1 id None time None source None sender None",
            ),
            (
                real,
                r#"{"ceId":"d#1","timestamp":"2026-01-01T00:00:00Z","x":{"y":[1]}}"#,
                &[],
                r#"p1 id Some("d#1") time Some("2026-01-01T00:00:00Z") source None sender None"#,
            ),
            (
                real,
                r#"{"ceId":"d#1","timestamp":"2026-01-01T00:00:00Z"}"#,
                &[
                    ("ce-id", "e#2"),
                    ("ce-time", "2026-02-01T00:00:00Z"),
                    ("ce-source", "p1"),
                ],
                r#"p1 id Some("e#2") time Some("2026-02-01T00:00:00Z") source None sender None"#,
            ),
            (
                real,
                r#"{"ceId":7,"timestamp":1767225600,"dateObservedTo":"2026-01-01T00:00:00Z"}"#,
                &[],
                r#"p1 id None time Some("2026-01-01T00:00:00Z") source None sender None"#,
            ),
            (
                real,
                r#"{"timestamp":"0001-01-01T00:00:00Z"}"#,
                &[],
                "p1 id None time None source None sender None",
            ),
            (
                real,
                "not json",
                &[],
                "p1 id None time None source None sender None",
            ),
            (
                real,
                "{}",
                &[("ce-time", "noon")],
                "malformed-cloudevent: the time \"noon\" is not in the form of RFC 3339 at ce-time",
            ),
            (
                command,
                "{}",
                &[("ce-source", "p1")],
                r#"nb1 id None time None source Some("p1") sender Some("p1")"#,
            ),
        ] {
            assert_eq!(read(topic, payload, properties), wanted, "{payload}");
        }
    }
}
