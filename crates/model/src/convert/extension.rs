//! What the product's extension says of an interface, put back into its members.
//!
//! The pieces are put into the canonical form, which is then read as any manifest is: so what a
//! document says with the extension is held to the same rules, and every fault is told.

use super::Refused;
use crate::{
    Interface, Value,
    dtdl::{
        self,
        object::{self, Content, ContentKind, Extras},
        runtime,
    },
    manifest::{self, Kind, Manifest},
};
use std::sync::Arc;

/// The interface with what the extension says; as it is where the extension is not used.
pub(super) fn apply(
    mut interface: Interface,
    object: &object::Interface,
) -> Result<Interface, Refused> {
    let ours = |extras: &Extras| extras.keys().any(|id| id.starts_with(runtime::PREFIX));
    let inner = |content: &Arc<Content>| match &content.kind {
        ContentKind::Relationship { properties, .. } => properties.iter().any(|p| ours(&p.extras)),
        _ => false,
    };
    if !ours(&object.extras) && !object.own().any(|c| ours(&c.extras) || inner(c)) {
        return Ok(interface);
    }
    let document = interface.dtdl.take();
    let mut whole = manifest::to_value(&Manifest::of_interface(interface));
    let spec = whole.get("spec").cloned().unwrap_or_default();
    let spec = with_contents(spec, object);
    let spec = said(&object.extras).fold(spec, |spec, (name, value)| match name {
        "clock" => set(&spec, "time", value),
        "exact" => fields(&value).fold(spec, |spec, (name, value)| set(&spec, name, value.clone())),
        name => set(&spec, name, value),
    });
    whole = set(&whole, "spec", spec);
    match manifest::from_value(&whole) {
        Ok(Manifest {
            kind: Kind::Interface(mut interface),
            ..
        }) => {
            interface.dtdl = document;
            Ok(interface)
        }
        Ok(_) => Err(Refused::Unknown(object.id.clone())),
        Err(problems) => Err(Refused::Extension {
            interface: object.id.clone(),
            problems,
        }),
    }
}

fn with_contents(mut spec: Value, object: &object::Interface) -> Value {
    let lists = [
        "properties",
        "telemetry",
        "commands",
        "relationships",
        "components",
    ];
    for list in lists {
        let Some(Value::Array(members)) = spec.get(list).cloned() else {
            continue;
        };
        // Members of a list have the order of the document, and their names are still DTDL's.
        let members: Arc<[Value]> = members
            .iter()
            .map(|member| {
                let name = member
                    .get("name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                match object.own().find(|content| &*content.name == name) {
                    Some(content) => self::member(member.clone(), content),
                    None => member.clone(),
                }
            })
            .collect();
        spec = set(&spec, list, Value::Array(members));
    }
    spec
}

fn member(mut member: Value, content: &Content) -> Value {
    if let ContentKind::Relationship { properties, .. } = &content.kind
        && let Some(Value::Array(inner)) = member.get("properties").cloned()
    {
        let inner = inner.iter().zip(properties);
        let inner = inner.map(|(value, content)| self::member(value.clone(), content));
        member = set(&member, "properties", Value::Array(inner.collect()));
    }
    for (name, value) in said(&content.extras) {
        match name {
            "exact" => return value,
            "unitText" => member = set(&member, "unit", value),
            name => member = set(&member, name, value),
        }
    }
    member
}

/// What the extension says, by short name.
fn said(extras: &Extras) -> impl Iterator<Item = (&str, Value)> {
    extras.iter().filter_map(|(id, values)| {
        let (_, name) = id.strip_prefix(runtime::PREFIX)?.split_once(':')?;
        let value = match values.first()? {
            dtdl::Value::Bool(on) => Value::Bool(*on),
            // Words are texts, everything else is JSON in a text.
            dtdl::Value::Text(text) if matches!(name, "clock" | "unitText") => {
                Value::text(text.as_str())
            }
            dtdl::Value::Text(text) => serde_json::from_str(text).ok()?,
            _ => return None,
        };
        Some((name, value))
    })
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = match value {
        Value::Object(fields) => &fields[..],
        _ => &[],
    };
    all.iter().map(|(name, value)| (&**name, value))
}

/// An object with one field put in or replaced.
fn set(object: &Value, name: &str, value: Value) -> Value {
    let others = fields(object).filter(|(other, _)| *other != name);
    let others = others.map(|(other, value)| (other.into(), value.clone()));
    Value::Object(others.chain([(name.into(), value)]).collect())
}
