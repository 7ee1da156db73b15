//! Interfaces: what a kind of twin has.
//!
//! The shape is DTDL's (properties, telemetry, commands, relationships, components, multiple
//! inheritance), so that a DTDL document maps onto it without loss; derived properties, routing,
//! persistence, service settings and fidelity are Gemelli's and KTWIN's additions.

use crate::{InterfaceId, Schema, Value};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// An interface as its author wrote it: own members only, inheritance not yet applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interface {
    /// Its id; in a manifest this is `metadata.name`.
    #[serde(skip)]
    pub id: InterfaceId,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Arc<str>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// Interfaces whose members it inherits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extends: Vec<InterfaceId>,
    /// State that is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
    /// Measurements that are passed on; the last value and history are kept unless it says otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub telemetry: Vec<Telemetry>,
    /// What it can be asked to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Command>,
    /// Edges to other twins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relationships: Vec<Relationship>,
    /// Parts, each of another interface.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
    /// Named tables that its derived properties read; inherited as members are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<Arc<str>, Table>,
    /// Which clock ages, windows and timers follow.
    #[serde(default)]
    pub time: Clock,
    /// What the event store keeps and which events travel to relatives.
    #[serde(default)]
    pub routing: Routing,
    /// When a twin counts as synchronized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fidelity: Option<Fidelity>,
    /// KTWIN's service settings, kept as they are until functions exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Value>,
    /// Names of members, instances and this interface match without case (imports from KTWIN).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_case: bool,
    /// A payload may hold members that the interface does not declare: they are kept in history
    /// and passed on, but not in the state (imports from KTWIN).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// The DTDL document that all of this was made of, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtdl: Option<Value>,
}

/// A property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Property {
    /// Its name.
    pub name: Arc<str>,
    /// What it holds.
    pub schema: Schema,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Arc<str>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// Unit, as the model names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Arc<str>>,
    /// It takes a desired value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
    /// It is computed, not reported. A report of the same name is kept in history only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived: Option<Derived>,
}

/// How a derived property comes about: exactly one of `expression` and `aggregate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Derived {
    /// CEL over the twin's own members, `prev(p)`, `since(p)` and `now`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<Arc<str>>,
    /// A roll-up over related twins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregate>,
    /// Members the expression waits for: it runs when a report brings one of them. Empty: those it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Arc<str>>,
    /// Becomes absent when not computed anew for this long, milliseconds of the interface's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// Sends an event when the value changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emit: Option<Emit>,
}

/// A roll-up over the twins at the other end of a relationship, kept up to date incrementally.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Aggregate {
    /// What it computes.
    pub op: Op,
    /// Name of the relationship.
    pub over: Arc<str>,
    /// Along the edge's direction (own relationship) or against it (relationships that end here).
    pub direction: Direction,
    /// Only related twins of this interface or of one that extends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<InterfaceId>,
    /// The member that contributes; for `count`, `any` and `all` it may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Arc<str>>,
    /// CEL over the related twin's members and `edge`: only where it is true does the twin contribute;
    /// for `any` and `all` without `of` it is what is asked.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<Arc<str>>,
}

/// What a roll-up computes. Of nothing, `count` is 0, `sum` 0, `any` false, `all` true; the rest is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Op {
    Sum,
    Avg,
    Min,
    Max,
    Count,
    Any,
    All,
}

/// Which end of a relationship the related twins stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// They are the targets of the twin's own relationships.
    Outgoing,
    /// They are the sources of relationships that end at the twin.
    Incoming,
}

/// An event sent when a derived value changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Emit {
    /// To the device; the payload holds the property under its name.
    Virtual,
    /// To the related twins.
    #[serde(rename_all = "camelCase")]
    Command {
        /// The command, as their interface names it.
        name: Arc<str>,
        /// Along this relationship of the twin.
        relationship: Arc<str>,
    },
}

/// A telemetry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Telemetry {
    /// Its name.
    pub name: Arc<str>,
    /// What it holds.
    pub schema: Schema,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Arc<str>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// Unit, as the model names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Arc<str>>,
    /// The last value is part of the twin's state.
    #[serde(default = "yes")]
    pub last: bool,
    /// Values are kept in history.
    #[serde(default = "yes")]
    pub history: bool,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Command {
    /// Its name.
    pub name: Arc<str>,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Arc<str>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// What it is sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Schema>,
    /// What the model calls that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_name: Option<Arc<str>>,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Schema>,
    /// What the model calls that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_name: Option<Arc<str>>,
}

/// A kind of edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relationship {
    /// Its name.
    pub name: Arc<str>,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Arc<str>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// The interface that its target implements or extends; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<InterfaceId>,
    /// Fewest edges of this name that a twin should have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_multiplicity: Option<u32>,
    /// Most edges of this name that a twin may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_multiplicity: Option<u32>,
    /// What an edge holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
    /// KTWIN: the twin's events travel along the edge for aggregation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aggregate_data: bool,
}

/// A part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    /// Its name.
    pub name: Arc<str>,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Arc<str>>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// The interface of the part.
    pub interface: InterfaceId,
}

/// A table of breakpoints, read by `interpolate(x, name)` and `classify(x, name)`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// Who publishes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Arc<str>>,
    /// Which edition of it this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<Arc<str>>,
    /// Unit of the numbers that are looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Arc<str>>,
    /// What a number above the last row gets.
    #[serde(default, skip_serializing_if = "Beyond::is_absent")]
    pub above: Beyond,
    /// Its rows, in rising order.
    pub rows: Vec<Row>,
}

/// A row of a [`Table`]: a range of numbers, both ends included, and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// Where the range begins.
    pub from: f64,
    /// Where it ends; up to the next row, or without end, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// What `interpolate` gives at `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// What `interpolate` gives at `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// What `classify` gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Value>,
}

/// What a number outside all rows gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Beyond {
    /// Nothing: the result is undefined.
    #[default]
    Absent,
    /// What the nearest end of the table has.
    Clamp,
    /// The nearest row, its line drawn on.
    Extend,
}

impl Beyond {
    fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

/// Which clock ages, windows and timers of an interface follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Clock {
    /// The time of acceptance.
    #[default]
    Accepted,
    /// The device's time, never moving back.
    Event,
}

/// What the event store keeps and which events travel to relatives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Routing {
    /// Real events are kept in history.
    pub persist_real: bool,
    /// Virtual events are kept in history.
    pub persist_virtual: bool,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            persist_real: true,
            persist_virtual: true,
        }
    }
}

/// When a twin counts as synchronized.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fidelity {
    /// Out of sync when the last report is older than this, milliseconds of the interface's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<u64>,
    /// Reports expected per hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_hour: Option<f64>,
    /// Least share of expected reports that must have arrived, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_availability: Option<f64>,
}

fn yes() -> bool {
    true
}
