//! Twins as manifests: an interface, reported properties, edges.

use super::{
    reader::{Fields, Path, Reader},
    tree::Node,
};
use crate::{InterfaceId, TwinId, Value};
use serde::Serialize;
use std::sync::Arc;

/// A twin as its author wrote it. Its id is the manifest's name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Twin {
    /// Of which interface.
    pub interface: InterfaceId,
    /// Reported properties: an object.
    #[serde(skip_serializing_if = "is_empty")]
    pub properties: Value,
    /// Its edges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relationships: Vec<Relation>,
}

/// An edge of a twin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Relation {
    /// Unique among the twin's edges. Default: the name if no other edge has it, else `<name>-<target>`.
    pub id: Arc<str>,
    /// The relationship that it is one of.
    pub name: Arc<str>,
    /// Where it ends.
    pub target: TwinId,
    /// What it holds: an object, or null.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub properties: Value,
}

fn is_empty(properties: &Value) -> bool {
    matches!(properties, Value::Object(fields) if fields.is_empty())
}

pub(super) fn twin(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Twin> {
    const FIELDS: [&str; 3] = ["interface", "properties", "relationships"];
    let fields = Fields::open(reader, node, path, "the spec of a twin", &FIELDS)?;
    let interface = fields.need_identifier("interface");
    let properties = object(&fields, "properties").unwrap_or_else(|| Value::Object([].into()));
    let read = fields.each("relationships", |node, path| relation(reader, node, path));
    let mut relationships: Vec<Relation> = Vec::with_capacity(read.len());
    for one in &read {
        let alone = read.iter().filter(|other| other.name == one.name).count() == 1;
        let id = match &one.id {
            Some(id) => id.clone(),
            None if alone => one.name.clone(),
            None => format!("{}-{}", one.name, one.target).into(),
        };
        if relationships.iter().any(|known| known.id == id) {
            let message = format!("the edge {id} comes twice");
            reader.report(
                "duplicate-id",
                one.at.at,
                &path.name("relationships"),
                message,
                "give one of them another id",
            );
            continue;
        }
        let properties = one.properties.clone().unwrap_or_default();
        relationships.push(Relation {
            id,
            name: one.name.clone(),
            target: TwinId::new(one.target.clone()),
            properties,
        });
    }
    Some(Twin {
        interface: InterfaceId::new(interface?),
        properties,
        relationships,
    })
}

/// An edge whose id may still be missing.
struct Read<'a> {
    at: &'a Node,
    id: Option<Arc<str>>,
    name: Arc<str>,
    target: Arc<str>,
    properties: Option<Value>,
}

fn relation<'a>(reader: &Reader, node: &'a Node, path: &Path<'_>) -> Option<Read<'a>> {
    let fields = Fields::open(
        reader,
        node,
        path,
        "a relationship",
        &["id", "name", "target", "properties"],
    )?;
    let id = fields
        .get("id")
        .map(|node| reader.identifier(node, &path.name("id")));
    let (name, target) = (
        fields.need_identifier("name"),
        fields.need_identifier("target"),
    );
    let properties = object(&fields, "properties");
    Some(Read {
        at: node,
        id: id.flatten(),
        name: name?,
        target: target?,
        properties,
    })
}

fn object(fields: &Fields<'_>, name: &str) -> Option<Value> {
    let node = fields.get(name)?;
    Fields::any(
        fields.reader,
        node,
        &fields.path.name(name),
        "a map of properties",
    )?;
    Some(node.value())
}
