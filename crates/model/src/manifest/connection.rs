//! Connections as manifests: how foreign topics become events of twins.
//!
//! Patterns and expressions are kept as text here; `gemelli-connect` compiles them.

use super::{
    reader::{Fields, Path, Reader},
    tree::{Node, Shape},
};
use crate::Value;
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::sync::Arc;

/// How messages on foreign topics become events of twins.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The topics, the first that matches a message counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<TopicMapping>,
    /// Messages that tell whether a device is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<PresenceMapping>,
}

/// How messages on one pattern of topics become events.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicMapping {
    /// Topic levels: text, `+`, `{name}` (captures a level), and `#` at the end.
    pub pattern: Arc<str>,
    /// `real`, `virtual`, `command` or `store`; as text, since events belong to another crate.
    pub category: Arc<str>,
    /// The interface: text in which `{name}` stands for a capture.
    pub interface: Arc<str>,
    /// The twin: text in which `{name}` stands for a capture, else CEL.
    pub twin: Arc<str>,
    /// The command's name, for category `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Arc<str>>,
    /// Member to CEL; absent: the payload as it is.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_map")]
    pub payload: Option<Vec<(Arc<str>, Arc<str>)>>,
    /// CEL for the device's time: RFC 3339 text, or seconds or milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Arc<str>>,
    /// CEL for the event's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Arc<str>>,
}

/// How messages on one pattern of topics tell whether a device is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceMapping {
    /// As in [`TopicMapping`].
    pub pattern: Arc<str>,
    /// As in [`TopicMapping`].
    pub twin: Arc<str>,
    /// CEL: true if the device is connected.
    pub connected: Arc<str>,
}

fn as_map<S: Serializer>(
    pairs: &Option<Vec<(Arc<str>, Arc<str>)>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let pairs = pairs.as_deref().unwrap_or_default();
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, text) in pairs {
        map.serialize_entry(name, text)?;
    }
    map.end()
}

pub(super) fn connection(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Connection> {
    let fields = Fields::open(
        reader,
        node,
        path,
        "the spec of a connection",
        &["topics", "presence"],
    )?;
    let topics = fields.each("topics", |node, path| topic(reader, node, path));
    let presence = fields
        .get("presence")
        .map(|node| presence(reader, node, &path.name("presence")));
    if fields.get("topics").is_none() && presence.is_none() {
        let message = "a connection maps topics, presence or both";
        reader.report("missing-field", node.at, path, message, "add topics");
    }
    Some(Connection {
        topics,
        presence: presence.flatten(),
    })
}

fn topic(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<TopicMapping> {
    const FIELDS: [&str; 8] = [
        "pattern",
        "category",
        "interface",
        "twin",
        "command",
        "payload",
        "time",
        "eventId",
    ];
    const CATEGORIES: [(&str, &str); 4] = [
        ("real", "real"),
        ("virtual", "virtual"),
        ("command", "command"),
        ("store", "store"),
    ];
    let fields = Fields::open(reader, node, path, "a topic", &FIELDS)?;
    let pattern = pattern(&fields);
    let category = match fields.get("category") {
        Some(node) => reader.word(node, &path.name("category"), &CATEGORIES)?,
        None => "real",
    };
    let (interface, twin) = (fields.need_text("interface"), fields.need_text("twin"));
    let command = fields.text("command");
    if (category == "command") != command.is_some() {
        let message = "command goes with category command";
        reader.report(
            "missing-field",
            node.at,
            path,
            message,
            "add the one or take out the other",
        );
    }
    let payload = fields
        .get("payload")
        .map(|node| payload(reader, node, &path.name("payload")));
    Some(TopicMapping {
        pattern: pattern?,
        category: category.into(),
        interface: interface?,
        twin: twin?,
        command,
        payload: payload.flatten(),
        time: fields.text("time"),
        event_id: fields.text("eventId"),
    })
}

fn presence(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<PresenceMapping> {
    let fields = Fields::open(
        reader,
        node,
        path,
        "presence",
        &["pattern", "twin", "connected"],
    )?;
    let pattern = pattern(&fields);
    let twin = fields.text("twin").unwrap_or_else(|| "{id}".into());
    let connected = fields.need_text("connected");
    Some(PresenceMapping {
        pattern: pattern?,
        twin,
        connected: connected?,
    })
}

/// Member to CEL; numbers and truth values stand for themselves.
fn payload(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Vec<(Arc<str>, Arc<str>)>> {
    let fields = Fields::any(reader, node, path, "a map of members to expressions")?;
    let mut members = Vec::new();
    for (key, node) in fields.all() {
        match &node.shape {
            Shape::Scalar(Value::Text(text)) => members.push((key.text.clone(), text.clone())),
            Shape::Scalar(value @ (Value::Int(_) | Value::Double(_) | Value::Bool(_))) => {
                members.push((key.text.clone(), value.to_string().into()));
            }
            _ => reader.wrong(node, &path.name(&key.text), "a CEL expression"),
        }
    }
    Some(members)
}

fn pattern(fields: &Fields<'_>) -> Option<Arc<str>> {
    let node = fields.need("pattern")?;
    let path = fields.path.name("pattern");
    let text = fields.reader.text(node, &path)?;
    match check_pattern(&text) {
        Ok(()) => Some(text),
        Err(fault) => {
            let message = format!("the pattern {text} {fault}");
            let remedy = "write levels such as sensors/{id}/aq: text, one {name} in a level, + alone, # alone at the end";
            fields
                .reader
                .report("malformed-topic", node.at, &path, message, remedy);
            None
        }
    }
}

/// What is wrong with a topic pattern, if anything.
fn check_pattern(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    let mut names: Vec<&str> = Vec::new();
    let last = text.split('/').count() - 1;
    for (i, level) in text.split('/').enumerate() {
        if level == "#" && i < last {
            return Err("has # before its end".into());
        }
        if level == "#" || level == "+" {
            continue;
        }
        if level.contains(['#', '+']) {
            return Err(format!("has # or + inside of the level {level}"));
        }
        let Some(name) = capture(level)? else {
            continue;
        };
        if names.contains(&name) {
            return Err(format!("captures {name} twice"));
        }
        names.push(name);
    }
    Ok(())
}

/// The name of a level's capture, if it has one.
fn capture(level: &str) -> Result<Option<&str>, String> {
    let (open, close) = (level.matches('{').count(), level.matches('}').count());
    if open == 0 && close == 0 {
        return Ok(None);
    }
    let name = level
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(name, _)| name);
    match name {
        Some(name) if open == 1 && close == 1 && is_word(name) => match name {
            "topic" | "payload" | "properties" => Err(format!(
                "captures {name}, which means something else in expressions"
            )),
            name => Ok(Some(name)),
        },
        _ => Err(format!(
            "has braces that name no capture in the level {level}"
        )),
    }
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
