//! An interface as KTWIN's `TwinInterface`.
//!
//! KTWIN has one parent, no components, units, derived properties, tables or fidelity, and schemas
//! of a few kinds; what it has no word for is left out and named in [`Exported::left_out`].

use crate::{
    Interface, InterfaceId, Schema, Value,
    interface::{Property, Relationship, Routing},
    schema::Enum,
};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// An interface for KTWIN.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The `TwinInterface`.
    pub manifest: Value,
    /// What KTWIN has no word for, once for each kind.
    pub left_out: Vec<String>,
}

/// The `TwinInterface` of an interface.
///
/// ```
/// use gemelli_model::{Interface, ktwin};
/// let lamp = Interface { id: "dtmi:city:Lamp;1".into(), ..Interface::default() };
/// let exported = ktwin::export(&lamp);
/// assert_eq!(exported.manifest.get("metadata").unwrap().get("name").unwrap().as_str(), Some("city-lamp"));
/// ```
pub fn export(interface: &Interface) -> Exported {
    let mut left = Vec::new();
    let mut spec = Map::new();
    spec.insert("id".into(), json!(host_like(&interface.id)));
    labels(&mut spec, &interface.display_name, &interface.description);
    if let Some(parent) = interface.extends.first() {
        spec.insert("extendsInterface".into(), json!(host_like(parent)));
    }
    let mut list = |name: &str, items: Vec<Json>| {
        if !items.is_empty() {
            spec.insert(name.into(), Json::Array(items));
        }
    };
    let properties = interface.properties.iter();
    list(
        "properties",
        properties.map(|p| property(p, &mut left)).collect(),
    );
    let telemetries = interface.telemetry.iter().map(|telemetry| {
        let mut node = member(
            &telemetry.name,
            &telemetry.display_name,
            &telemetry.description,
        );
        place(&mut node, &telemetry.schema, &mut left);
        Json::Object(node)
    });
    list("telemetries", telemetries.collect());
    let commands = interface.commands.iter().map(|command| {
        let mut node = member(&command.name, &command.display_name, &command.description);
        for (part, schema, name) in [
            ("request", &command.request, &command.request_name),
            ("response", &command.response, &command.response_name),
        ] {
            if let Some(schema) = schema {
                let mut payload = Map::new();
                if let Some(name) = name {
                    payload.insert("name".into(), json!(**name));
                }
                place(&mut payload, schema, &mut left);
                node.insert(part.into(), Json::Object(payload));
            }
        }
        Json::Object(node)
    });
    list("commands", commands.collect());
    let relationships = interface.relationships.iter();
    list(
        "relationships",
        relationships.map(|r| relationship(r, &mut left)).collect(),
    );
    if interface.routing != Routing::default() {
        let store = json!({
            "persistRealEvent": interface.routing.persist_real,
            "persistVirtualEvent": interface.routing.persist_virtual,
        });
        spec.insert("eventStore".into(), store);
    }
    if let Some(service) = &interface.service {
        let service = serde_json::to_value(service).unwrap_or_default();
        spec.insert("service".into(), service);
    }
    for (lost, what) in [
        (
            interface.extends.len() > 1,
            "interfaces that it extends after the first",
        ),
        (!interface.components.is_empty(), "components"),
        (!interface.tables.is_empty(), "tables"),
        (interface.fidelity.is_some(), "fidelity"),
        (
            interface.properties.iter().any(|p| p.derived.is_some()),
            "how derived properties are computed",
        ),
        (
            interface.properties.iter().any(|p| p.unit.is_some())
                || interface.telemetry.iter().any(|t| t.unit.is_some()),
            "units",
        ),
    ] {
        if lost {
            left.push(what.to_owned());
        }
    }
    left.sort();
    left.dedup();
    let manifest = json!({
        "apiVersion": "dtd.ktwin/v0",
        "kind": "TwinInterface",
        "metadata": {"name": host_like(&interface.id)},
        "spec": spec,
    });
    Exported {
        manifest: Value::from(&manifest),
        left_out: left,
    }
}

/// A name as KTWIN's tool makes it of an identifier: small letters, digits and hyphens.
fn host_like(id: &InterfaceId) -> String {
    let text = id.as_str();
    let Some(path) = text.strip_prefix("dtmi:") else {
        return text.to_owned();
    };
    let path = path.split(';').next().unwrap_or(path);
    let kept = path.chars().map(|c| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '-',
    });
    kept.collect()
}

fn labels(node: &mut Map<String, Json>, name: &Option<Arc<str>>, text: &Option<Arc<str>>) {
    for (field, text) in [("displayName", name), ("description", text)] {
        if let Some(text) = text {
            node.insert(field.into(), json!(**text));
        }
    }
}

fn member(name: &str, shown: &Option<Arc<str>>, text: &Option<Arc<str>>) -> Map<String, Json> {
    let mut node = Map::new();
    node.insert("name".into(), json!(name));
    labels(&mut node, shown, text);
    node
}

fn property(property: &Property, left: &mut Vec<String>) -> Json {
    let mut node = member(
        &property.name,
        &property.display_name,
        &property.description,
    );
    place(&mut node, &property.schema, left);
    if property.writable {
        node.insert("writable".into(), json!(true));
    }
    Json::Object(node)
}

fn relationship(relationship: &Relationship, left: &mut Vec<String>) -> Json {
    let shown = &relationship.display_name;
    let mut node = member(&relationship.name, shown, &relationship.description);
    if let Some(target) = &relationship.target {
        node.insert("interface".into(), json!(host_like(target)));
    }
    for (name, bound) in [
        ("minMultiplicity", relationship.min_multiplicity),
        ("maxMultiplicity", relationship.max_multiplicity),
    ] {
        if let Some(bound) = bound {
            node.insert(name.into(), json!(bound));
        }
    }
    if !relationship.properties.is_empty() {
        let properties = relationship.properties.iter();
        let properties: Vec<Json> = properties.map(|p| self::property(p, left)).collect();
        node.insert("properties".into(), json!(properties));
    }
    if relationship.aggregate_data {
        node.insert("aggregateData".into(), json!(true));
    }
    Json::Object(node)
}

/// Puts a schema where KTWIN has a word for it.
fn place(node: &mut Map<String, Json>, schema: &Schema, left: &mut Vec<String>) {
    if let Some(written) = shape(schema, left) {
        node.insert("schema".into(), written);
    }
}

fn shape(schema: &Schema, left: &mut Vec<String>) -> Option<Json> {
    match schema {
        Schema::Any => None,
        Schema::Boolean
        | Schema::Integer
        | Schema::Long
        | Schema::Float
        | Schema::Double
        | Schema::String
        | Schema::Date
        | Schema::Time
        | Schema::DateTime
        | Schema::Duration => Some(json!({"primitiveType": schema.word()})),
        Schema::Enum(members) if !members.values.is_empty() => Some(enumeration(members)),
        Schema::Object(object) if !object.fields.is_empty() => {
            let fields = object.fields.iter().map(|field| {
                let mut node = Map::new();
                node.insert("name".into(), json!(*field.name));
                place(&mut node, &field.schema, left);
                Json::Object(node)
            });
            let fields: Vec<Json> = fields.collect();
            Some(json!({"complexType": {"type": "Object", "fields": fields}}))
        }
        other => {
            left.push(format!("schemas such as {}", other.describe()));
            None
        }
    }
}

fn enumeration(members: &Enum) -> Json {
    let whole = members
        .values
        .iter()
        .all(|m| matches!(m.value, Value::Int(_)));
    let values = members.values.iter().map(|member| {
        let value = match &member.value {
            Value::Text(text) => text.to_string(),
            other => other.to_string(),
        };
        json!({"name": *member.name, "enumValue": value})
    });
    let values: Vec<Json> = values.collect();
    let kind = if whole { "integer" } else { "string" };
    json!({"enumType": {"valueSchema": kind, "enumValues": values}})
}
