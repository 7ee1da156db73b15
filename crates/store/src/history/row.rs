//! One row of history.

use bytes::Bytes;
use gemelli_event::{Body, Category, Position, Record, Seq, record::Command};
use gemelli_model::{InterfaceId, TwinId, Value};
use std::{fmt, sync::Arc};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An event, of this category.
    Event(Category),
    /// Derived properties that changed: the payload is an object of their new values.
    Derived,
    /// The twin was created or replaced by a command: the payload is its properties.
    Put,
    /// Its properties were changed by a command: the payload is a JSON Patch.
    Patch,
    /// It was deleted by a command.
    Delete,
    /// Telemetry that a program sent on its behalf: the payload is what it says.
    Telemetry,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Event(Category::Real),
        Self::Event(Category::Virtual),
        Self::Event(Category::Command),
        Self::Event(Category::Store),
        Self::Derived,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Telemetry,
    ];

    /// The word in files and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event(category) => category.as_str(),
            Self::Derived => "derived",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Telemetry => "telemetry",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened to a twin at one place of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The record's place in the log.
    pub seq: Seq,
    /// Its place in its partition.
    pub position: Position,
    /// The twin.
    pub twin: TwinId,
    /// The interface that the record names.
    pub interface: Option<InterfaceId>,
    /// What it is about.
    pub kind: Kind,
    /// Of a command event: the command's name.
    pub command: Option<Arc<str>>,
    /// The device's time, of derived values the interface's clock; milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// When it was accepted, milliseconds since 1970.
    pub accepted_ms: i64,
    /// The event's id.
    pub id: Option<Arc<str>>,
    /// The event's source where it is not the twin itself.
    pub source: Option<Arc<str>>,
    /// JSON.
    pub payload: Bytes,
}

impl Row {
    /// The row of a record; none for records that belong to no twin's history.
    pub fn of(seq: Seq, record: &Record) -> Option<Self> {
        let row = |twin: &TwinId, kind, payload| Self {
            seq,
            position: record.position,
            twin: twin.clone(),
            interface: None,
            kind,
            command: None,
            time_ms: None,
            accepted_ms: record.accepted_ms,
            id: None,
            source: None,
            payload,
        };
        Some(match &record.body {
            Body::Event(event) => Self {
                interface: Some(event.interface.clone()),
                command: event.command.as_ref().map(|command| command.name.clone()),
                time_ms: event.time_ms,
                id: event.id.clone(),
                source: event.source.clone(),
                ..row(
                    &event.twin,
                    Kind::Event(event.category),
                    event.payload.clone(),
                )
            },
            Body::Derived(derived) => {
                let values = Value::Object(derived.values.iter().cloned().collect());
                Self {
                    interface: Some(derived.interface.clone()),
                    time_ms: Some(derived.time_ms),
                    ..row(&derived.twin, Kind::Derived, json(&values))
                }
            }
            Body::Command(Command::Put {
                twin,
                interface,
                properties,
                ..
            }) => Self {
                interface: Some(interface.clone()),
                ..row(twin, Kind::Put, json(properties))
            },
            Body::Command(Command::Patch { twin, patch, .. }) => {
                row(twin, Kind::Patch, json(patch))
            }
            Body::Command(Command::Telemetry {
                twin,
                interface,
                component,
                id,
                time_ms,
                data,
            }) => Self {
                interface: Some(interface.clone()),
                id: Some(id.clone()),
                source: component
                    .as_ref()
                    .map(|part| format!("{twin}/components/{part}").into()),
                time_ms: *time_ms,
                ..row(twin, Kind::Telemetry, json(data))
            },
            Body::Command(Command::Delete { twin, .. }) => row(twin, Kind::Delete, Bytes::new()),
            _ => return None,
        })
    }

    /// The time that ranges of queries are about: the device's if it has one.
    pub fn when_ms(&self) -> i64 {
        self.time_ms.unwrap_or(self.accepted_ms)
    }
}

fn json(value: &Value) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
