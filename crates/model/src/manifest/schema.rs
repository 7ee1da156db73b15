//! Reads a schema: a word for a primitive, an object with one key for the rest.
//!
//! Shorter spellings are taken too: `enum: [free, occupied]`, and a scalar for a member whose
//! name is its value.

use super::{
    reader::{Fields, Path, Reader},
    tree::{Node, Shape},
};
use crate::{
    Schema, Value,
    schema::{Enum, EnumMember, Field, Object},
};
use std::sync::Arc;

type Make = fn() -> Schema;

const WORDS: [(&str, Make); 11] = [
    ("boolean", || Schema::Boolean),
    ("integer", || Schema::Integer),
    ("long", || Schema::Long),
    ("float", || Schema::Float),
    ("double", || Schema::Double),
    ("string", || Schema::String),
    ("date", || Schema::Date),
    ("time", || Schema::Time),
    ("dateTime", || Schema::DateTime),
    ("duration", || Schema::Duration),
    ("any", || Schema::Any),
];

const SHAPES: [&str; 4] = ["enum", "object", "array", "map"];

pub(super) fn schema(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Schema> {
    if let Shape::Scalar(_) = node.shape {
        return reader.word(node, path, &WORDS).map(|make| make());
    }
    let fields = Fields::open(reader, node, path, "a schema", &SHAPES)?;
    let [(key, inner)] = fields.all() else {
        let message = "a schema that is a map has exactly one field: enum, object, array or map";
        reader.report("wrong-type", node.at, path, message, "keep one of them");
        return None;
    };
    let path = path.name(&key.text);
    match &*key.text {
        "enum" => enumeration(reader, inner, &path).map(Schema::Enum),
        "object" => object(reader, inner, &path).map(Schema::Object),
        "array" => schema(reader, inner, &path).map(|of| Schema::Array(Arc::new(of))),
        "map" => schema(reader, inner, &path).map(|of| Schema::Map(Arc::new(of))),
        _ => None,
    }
}

fn enumeration(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Enum> {
    let mut values: Vec<EnumMember> = match &node.shape {
        Shape::List(items) => items
            .iter()
            .enumerate()
            .filter_map(|(i, n)| member(reader, n, &path.index(i)))
            .collect(),
        _ => {
            let fields = Fields::open(reader, node, path, "an enumeration", &["values"])?;
            fields.need("values")?;
            fields.each("values", |node, path| member(reader, node, path))
        }
    };
    if values.is_empty() {
        let message = "an enumeration needs at least one value";
        reader.report("missing-field", node.at, path, message, "list its values");
    }
    for i in (1..values.len()).rev() {
        let (before, rest) = values.split_at(i);
        let Some(last) = rest.first() else { continue };
        if before
            .iter()
            .any(|m| m.name == last.name || m.value == last.value)
        {
            let message = format!("the value {} comes twice", last.value);
            reader.report("duplicate-id", node.at, path, message, "keep one of them");
            values.remove(i);
        }
    }
    Some(Enum {
        values: values.into(),
    })
}

fn member(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<EnumMember> {
    match &node.shape {
        Shape::Scalar(Value::Text(text)) => Some(EnumMember {
            name: text.clone(),
            value: Value::Text(text.clone()),
        }),
        Shape::Scalar(Value::Int(n)) => Some(EnumMember {
            name: n.to_string().into(),
            value: Value::Int(*n),
        }),
        _ => {
            let fields = Fields::open(
                reader,
                node,
                path,
                "a value of an enumeration",
                &["name", "value"],
            )?;
            let name = fields.need_text("name");
            let node = fields.need("value")?;
            match &node.shape {
                Shape::Scalar(value @ (Value::Text(_) | Value::Int(_))) => Some(EnumMember {
                    name: name?,
                    value: value.clone(),
                }),
                _ => {
                    reader.wrong(node, &path.name("value"), "text or a whole number");
                    None
                }
            }
        }
    }
}

fn object(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Object> {
    let fields = Fields::open(reader, node, path, "an object schema", &["fields"])?;
    let mut seen: Vec<Arc<str>> = Vec::new();
    let list = fields.each("fields", |node, path| {
        let fields = Fields::open(reader, node, path, "a field", &["name", "schema"])?;
        let name = fields.need_text("name");
        let schema = schema(reader, fields.need("schema")?, &path.name("schema"));
        let (name, schema) = (name?, schema?);
        if seen.contains(&name) {
            let message = format!("the field {name} comes twice");
            reader.report("duplicate-id", node.at, path, message, "keep one of them");
            return None;
        }
        seen.push(name.clone());
        Some(Field { name, schema })
    });
    Some(Object {
        fields: list.into(),
    })
}
