//! Records: everything that happens to twins, in the form in which the log keeps it.
//!
//! A record never says what a twin *is*, only what *happened*; state is the fold of records.

use crate::Category;
use bytes::Bytes;
use gemelli_model::{InterfaceId, TwinId, Value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Number of partitions of a data folder, fixed at its creation.
pub const PARTITIONS: usize = 64;

/// A record's place in the one physical log: counts all records of the data folder from 0.
pub type Seq = u64;

/// One of the [`PARTITIONS`] partitions.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Partition(u8);

impl Partition {
    /// The partition of a canonical id or a topic: XXH3-64 of its bytes with seed 0, modulo [`PARTITIONS`].
    pub fn of(id: &str) -> Self {
        Self((xxhash_rust::xxh3::xxh3_64(id.as_bytes()) % PARTITIONS as u64) as u8)
    }

    /// The partition with this number.
    pub fn new(number: u8) -> Option<Self> {
        (usize::from(number) < PARTITIONS).then_some(Self(number))
    }

    /// Its number, below [`PARTITIONS`].
    pub fn number(self) -> u8 {
        self.0
    }

    /// Its number as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// All partitions in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS as u8).map(Self)
    }
}

/// Where a record stands in its partition.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    /// The partition.
    pub partition: Partition,
    /// Counts the records of the partition from 0.
    pub offset: u64,
}

/// A record with its place and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place in its partition.
    pub position: Position,
    /// When it was accepted, milliseconds since 1970; never less than its predecessor's in the partition.
    pub accepted_ms: i64,
    /// The index, in the same frame, of the record that it follows from; none for an input.
    pub cause: Option<u32>,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// An event for a twin.
    Event(Event),
    /// A message on a topic that maps to no twin: routed and retained, never folded into twins.
    Message(Message),
    /// A command of the API.
    Command(Command),
    /// A connection that publishes for the twin opened or closed.
    Presence(Presence),
    /// A timer of a twin fired.
    Timer(Timer),
    /// A related twin's share of a roll-up changed.
    Contribution(Contribution),
    /// What the records before it in the frame made of a twin's derived properties: final values only.
    Derived(Derived),
    /// Input that could not be used.
    DeadLetter(DeadLetter),
    /// The broker's own: sessions, retained messages, wills. Opaque to the engine; the broker folds it.
    Session(Bytes),
}

/// An event for a twin.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where it goes.
    pub category: Category,
    /// The interface that its topic or type names; may differ in case from the twin's.
    pub interface: InterfaceId,
    /// The twin: for commands the one that receives.
    pub twin: TwinId,
    /// For commands: the command's name and the twin that sends it.
    pub command: Option<CommandName>,
    /// The CloudEvent's source where it is not the twin itself. (source, id) is what duplicates are known by.
    pub source: Option<Arc<str>>,
    /// The event's id; without one, duplicates cannot be known.
    pub id: Option<Arc<str>>,
    /// The device's time, milliseconds since 1970.
    pub time_ms: Option<i64>,
    /// JSON, as it came.
    pub payload: Bytes,
}

/// What a command event asks for, and on whose behalf.
#[derive(Clone, Debug, PartialEq)]
pub struct CommandName {
    /// The command's name.
    pub name: Arc<str>,
    /// The twin that sends it: it must have a relationship with the receiver. None: the API's own command.
    pub sender: Option<TwinId>,
}

/// A message on a topic that maps to no twin.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its payload.
    pub payload: Bytes,
    /// The quality of service with which it was published, 0 to 2.
    pub qos: u8,
    /// MQTT 5 properties that travel with it, as the broker encodes them; empty if none.
    pub properties: Bytes,
    /// When it stops being worth delivering, milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

/// A command of the API. Written as JSON in the log: rare, and readable in ten years.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase")]
pub enum Command {
    /// A set of manifests, applied together: interfaces, connections, twins and their relationships.
    #[serde(rename_all = "camelCase")]
    Apply {
        /// The manifests in the order in which they take effect, as `gemelli_model::manifest` writes them.
        manifests: Vec<Value>,
    },
    /// Creates or replaces a twin.
    #[serde(rename_all = "camelCase")]
    Put {
        /// Which.
        twin: TwinId,
        /// Of which interface.
        interface: InterfaceId,
        /// Its reported properties.
        properties: Value,
        /// Only if there is none (`If-None-Match: *`).
        #[serde(default)]
        only_new: bool,
    },
    /// Changes properties of a twin: JSON Patch.
    #[serde(rename_all = "camelCase")]
    Patch {
        /// Which.
        twin: TwinId,
        /// `[{"op":"replace","path":"/a","value":1}, …]`.
        patch: Value,
        /// Only if its ETag is this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_match: Option<Arc<str>>,
        /// As RFC 6902 has it: what is replaced or removed must be there, and components stay.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        strict: bool,
    },
    /// Deletes a twin that has no relationships.
    #[serde(rename_all = "camelCase")]
    Delete {
        /// Which.
        twin: TwinId,
        /// Only if its ETag is this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_match: Option<Arc<str>>,
    },
    /// Creates or replaces an edge; reserves it at the target first.
    #[serde(rename_all = "camelCase")]
    Relate {
        /// The edge.
        edge: Edge,
        /// Only if there is none of its id (`If-None-Match: *`).
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        only_new: bool,
    },
    /// Changes the properties of an edge: JSON Patch.
    #[serde(rename_all = "camelCase")]
    Amend {
        /// The twin that the edge starts from.
        source: TwinId,
        /// The edge's id.
        id: Arc<str>,
        /// As in [`Command::Patch`], strictly.
        patch: Value,
        /// Only if its ETag is this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_match: Option<Arc<str>>,
    },
    /// Deletes an edge.
    #[serde(rename_all = "camelCase")]
    Unrelate {
        /// The twin that the edge starts from.
        source: TwinId,
        /// The edge's id.
        id: Arc<str>,
        /// Only if its ETag is this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        if_match: Option<Arc<str>>,
    },
    /// Deletes an interface or a connection.
    #[serde(rename_all = "camelCase")]
    Remove {
        /// The manifest's kind.
        kind: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
    /// Says of an interface whether new twins may be of it.
    #[serde(rename_all = "camelCase")]
    Retire {
        /// Which.
        interface: InterfaceId,
        /// None may.
        retired: bool,
    },
    /// Takes an interface out of use though twins are of it: they can be read and moved, not changed.
    #[serde(rename_all = "camelCase")]
    Withdraw {
        /// Which.
        interface: InterfaceId,
    },
    /// Telemetry that a program sends on a twin's behalf: in history and streams, no part of its state.
    #[serde(rename_all = "camelCase")]
    Telemetry {
        /// Whose.
        twin: TwinId,
        /// The twin's interface.
        interface: InterfaceId,
        /// Of which of its components.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        component: Option<Arc<str>>,
        /// The message's id.
        id: Arc<str>,
        /// When it was measured, milliseconds since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        time_ms: Option<i64>,
        /// What it says.
        data: Value,
    },
    /// Halts a twin: it takes no events until it is started.
    #[serde(rename_all = "camelCase")]
    Stop {
        /// Which.
        twin: TwinId,
    },
    /// Lets a stopped twin go on.
    #[serde(rename_all = "camelCase")]
    Start {
        /// Which.
        twin: TwinId,
    },
    /// Second half of [`Command::Relate`] and of deletions, emitted to the other end's partition.
    #[serde(rename_all = "camelCase")]
    Incoming {
        /// The edge.
        edge: Edge,
        /// It is gone.
        #[serde(default)]
        gone: bool,
    },
    /// A change of definitions, noted in every partition.
    #[serde(rename_all = "camelCase")]
    Defined {
        /// The version of the definitions from here on.
        version: u64,
    },
}

/// An edge between two twins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    /// Its id, unique among the edges of its source.
    pub id: Arc<str>,
    /// The relationship's name.
    pub name: Arc<str>,
    /// The twin that it starts from.
    pub source: TwinId,
    /// The twin that it ends at.
    pub target: TwinId,
    /// Its properties.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub properties: Value,
}

/// A connection that publishes for the twin opened or closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// The twin.
    pub twin: TwinId,
    /// Open or closed.
    pub connected: bool,
}

/// A timer of a twin fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    /// The twin.
    pub twin: TwinId,
    /// Which of its timers: the engine's own number.
    pub timer: u32,
    /// When it was due, milliseconds of the interface's clock: a firing with another due time is stale.
    pub due_ms: i64,
}

/// A related twin's share of a roll-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The twin that has the derived property.
    pub twin: TwinId,
    /// The derived property.
    pub property: Arc<str>,
    /// The related twin that contributes.
    pub from: TwinId,
    /// The edge by which it is related: its source and its id.
    pub edge: (TwinId, Arc<str>),
    /// Its value; [`Value::Null`] counts as absent.
    pub value: Value,
    /// It no longer contributes.
    pub gone: bool,
    /// The contributor's record that this follows from: the last one wins.
    pub stamp: Position,
}

/// A twin's derived properties after a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Derived {
    /// The twin.
    pub twin: TwinId,
    /// Its interface.
    pub interface: InterfaceId,
    /// Milliseconds since 1970 of the interface's clock.
    pub time_ms: i64,
    /// The properties that changed.
    pub values: Vec<(Arc<str>, Value)>,
}

/// Input that could not be used.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The error's stable code.
    pub code: Arc<str>,
    /// What is wrong, where, and what to do.
    pub reason: Arc<str>,
    /// Where it came from: a topic, a path.
    pub origin: Arc<str>,
    /// The first bytes of the payload, capped.
    pub payload: Bytes,
    /// How many like it were dropped from the stream since the last one, by the rate limit.
    pub dropped: u64,
}
