//! Schemas: what a value may be.

mod check;

pub use check::{MAX_DEPTH, Mismatch};

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The schema of a property, a telemetry, or a command's request or response, in DTDL's terms.
///
/// In a manifest a primitive is its name (`schema: double`), everything else an object with the
/// one key that names it (`schema: { enum: … }`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Schema {
    /// True or false.
    Boolean,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
    /// A number, held with 64 bits.
    Float,
    /// A number.
    Double,
    /// Text.
    String,
    /// RFC 3339 full-date.
    Date,
    /// RFC 3339 full-time.
    Time,
    /// RFC 3339 date-time.
    DateTime,
    /// ISO 8601 duration.
    Duration,
    /// One of the listed values.
    Enum(Enum),
    /// Named fields.
    Object(Object),
    /// A list of one schema.
    Array(Arc<Schema>),
    /// Text keys to values of one schema.
    Map(Arc<Schema>),
    /// Any JSON at all: what KTWIN's untyped members are.
    Any,
}

/// An enumeration: values of one kind with names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Enum {
    /// The members, in the order of the model.
    pub values: Arc<[EnumMember]>,
}

/// A member of an enumeration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnumMember {
    /// Its name.
    pub name: Arc<str>,
    /// What stands in JSON: text or a whole number.
    pub value: crate::Value,
}

/// An object schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Object {
    /// Its fields, in the order of the model; each may be absent from a value.
    pub fields: Arc<[Field]>,
}

/// A field of an object schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: Arc<str>,
    /// Its schema.
    pub schema: Schema,
}
