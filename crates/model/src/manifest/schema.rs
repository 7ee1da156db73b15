//! Reads a schema: a word for a primitive, an object with one key for the rest.
//!
//! Shorter spellings are taken too: `enum: [free, occupied]`, and a scalar for a member whose
//! name is its value.

use super::{
    reader::{Fields, Path, Reader, suggest},
    tree::{Node, Shape},
};
use crate::{
    Schema, Value,
    schema::{Enum, EnumMember, Field, Object, Recursive},
};
use std::{collections::BTreeMap, sync::Arc};

const SHAPES: [&str; 6] = ["enum", "object", "array", "map", "recursive", "ref"];

pub(super) fn schema(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Schema> {
    if let Shape::Scalar(_) = node.shape {
        return word(reader, node, path);
    }
    let fields = Fields::open(reader, node, path, "a schema", &SHAPES)?;
    let [(key, inner)] = fields.all() else {
        let message = "a schema that is a map has exactly one field: enum, object, array, map, recursive or ref";
        reader.report("wrong-type", node.at, path, message, "keep one of them");
        return None;
    };
    let path = path.name(&key.text);
    match &*key.text {
        "enum" => enumeration(reader, inner, &path).map(Schema::Enum),
        "object" => object(reader, inner, &path).map(Schema::Object),
        "array" => schema(reader, inner, &path).map(|of| Schema::Array(Arc::new(of))),
        "map" => schema(reader, inner, &path).map(|of| Schema::Map(Arc::new(of))),
        "recursive" => recursive(reader, inner, &path).map(Schema::Recursive),
        "ref" => reader.identifier(inner, &path).map(Schema::Ref),
        _ => None,
    }
}

fn word(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Schema> {
    let text = reader.text(node, path)?;
    let schema = Schema::of_word(&text);
    if schema.is_none() {
        let all: Vec<_> = Schema::words().collect();
        reader.report(
            "wrong-type",
            node.at,
            path,
            format!("{text} is none of {}", all.join(", ")),
            suggest(&text, &all),
        );
    }
    schema
}

/// A schema that contains itself: every name that it refers to is one of its parts.
fn recursive(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Recursive> {
    let fields = Fields::open(reader, node, path, "a recursive schema", &["of", "schemas"])?;
    let of = fields
        .need("of")
        .and_then(|node| schema(reader, node, &path.name("of")));
    let inner = path.name("schemas");
    let parts = Fields::any(reader, fields.need("schemas")?, &inner, "the parts")?;
    let schemas: BTreeMap<Arc<str>, Schema> = parts
        .all()
        .iter()
        .filter_map(|(key, node)| {
            let part = schema(reader, node, &inner.name(&key.text))?;
            Some((key.text.clone(), part))
        })
        .collect();
    let of = of?;
    for name in of.refs().chain(schemas.values().flat_map(Schema::refs)) {
        if !schemas.contains_key(name) {
            let message = format!("there is no part {name}");
            reader.report(
                "missing-field",
                node.at,
                &inner,
                message,
                "add it under schemas",
            );
            return None;
        }
    }
    Some(Recursive {
        of: Arc::new(of),
        schemas: Arc::new(schemas),
    })
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
    // DTDL has enumerations without a value; here an empty list is rather a slip.
    if values.is_empty() && matches!(node.shape, Shape::List(_)) {
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
