//! Schemas: what a value may be.

mod check;

pub use check::{MAX_DEPTH, Mismatch};

use crate::dtdl::value::Primitive;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

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
    /// A whole number of 8 bits.
    Byte,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 8 bits without a sign.
    UnsignedByte,
    /// A whole number of 16 bits without a sign.
    UnsignedShort,
    /// A whole number of 32 bits without a sign.
    UnsignedInteger,
    /// A whole number of 64 bits without a sign; above `i64::MAX` it is held as the nearest double.
    UnsignedLong,
    /// Bytes as base 64 text with padding.
    Bytes,
    /// Decimal digits in a text, so that none is lost.
    Decimal,
    /// A UUID in five groups.
    Uuid,
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
    /// A schema that contains itself: its parts refer to each other by name.
    Recursive(Recursive),
    /// A part of the [`Schema::Recursive`] around it.
    Ref(Arc<str>),
}

/// A schema with named parts, to which [`Schema::Ref`] refers inside of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recursive {
    /// What the whole is.
    pub of: Arc<Schema>,
    /// The parts by name; in a model from DTDL the names are identifiers.
    pub schemas: Arc<BTreeMap<Arc<str>, Schema>>,
}

/// The words of the schemas without parts, in manifests and in DTDL.
static PRIMITIVES: [(&str, Schema, Primitive); 19] = [
    ("boolean", Schema::Boolean, Primitive::Boolean),
    ("integer", Schema::Integer, Primitive::Integer),
    ("long", Schema::Long, Primitive::Long),
    ("float", Schema::Float, Primitive::Float),
    ("double", Schema::Double, Primitive::Double),
    ("string", Schema::String, Primitive::String),
    ("date", Schema::Date, Primitive::Date),
    ("time", Schema::Time, Primitive::Time),
    ("dateTime", Schema::DateTime, Primitive::DateTime),
    ("duration", Schema::Duration, Primitive::Duration),
    ("byte", Schema::Byte, Primitive::Byte),
    ("short", Schema::Short, Primitive::Short),
    (
        "unsignedByte",
        Schema::UnsignedByte,
        Primitive::UnsignedByte,
    ),
    (
        "unsignedShort",
        Schema::UnsignedShort,
        Primitive::UnsignedShort,
    ),
    (
        "unsignedInteger",
        Schema::UnsignedInteger,
        Primitive::UnsignedInteger,
    ),
    (
        "unsignedLong",
        Schema::UnsignedLong,
        Primitive::UnsignedLong,
    ),
    ("bytes", Schema::Bytes, Primitive::Bytes),
    ("decimal", Schema::Decimal, Primitive::Decimal),
    ("uuid", Schema::Uuid, Primitive::Uuid),
];

impl Schema {
    /// The schema of a primitive of DTDL.
    pub fn of_primitive(primitive: Primitive) -> Self {
        let row = PRIMITIVES.iter().find(|(_, _, known)| *known == primitive);
        row.map_or(Self::Any, |(_, schema, _)| schema.clone())
    }

    /// The words of all schemas without parts.
    pub fn words() -> impl Iterator<Item = &'static str> {
        PRIMITIVES.iter().map(|(word, _, _)| *word).chain(["any"])
    }

    /// The schema without parts that a word names: `double`, `unsignedByte`, `any`.
    pub fn of_word(word: &str) -> Option<Self> {
        let row = PRIMITIVES.iter().find(|(known, _, _)| *known == word);
        row.map(|(_, schema, _)| schema.clone())
            .or_else(|| (word == "any").then_some(Self::Any))
    }

    /// The names of parts that it refers to, without those of a recursive schema inside of it.
    pub fn refs(&self) -> impl Iterator<Item = &Arc<str>> {
        let mut next = vec![self];
        std::iter::from_fn(move || {
            loop {
                match next.pop()? {
                    Self::Ref(name) => return Some(name),
                    Self::Array(of) | Self::Map(of) => next.push(of),
                    Self::Object(object) => {
                        next.extend(object.fields.iter().map(|field| &field.schema));
                    }
                    _ => {}
                }
            }
        })
    }

    /// Its word, for a schema without parts that DTDL has too.
    pub fn word(&self) -> Option<&'static str> {
        let row = PRIMITIVES.iter().find(|(_, known, _)| known == self);
        row.map(|(word, _, _)| *word)
    }

    /// Its primitive in DTDL, for a schema without parts.
    pub fn primitive(&self) -> Option<Primitive> {
        let row = PRIMITIVES.iter().find(|(_, known, _)| known == self);
        row.map(|(_, _, primitive)| *primitive)
    }
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
