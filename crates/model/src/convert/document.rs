//! The document of each Interface, out of texts that hold several.

use crate::{
    Value,
    dtdl::{
        Source,
        json::{self, Kind, Node},
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// The documents of Interfaces by identifier. One that is written within another gets the context
/// of the outer one, so that it stands alone.
pub fn documents(sources: &[Source]) -> BTreeMap<Arc<str>, Value> {
    let mut found = BTreeMap::new();
    for source in sources {
        if let Ok(document) = json::parse(source.text.as_bytes()) {
            gather(&document.root, None, &mut found);
        }
    }
    found
}

/// Nesting is bounded by the reader of JSON.
fn gather(node: &Node, around: Option<&Node>, found: &mut BTreeMap<Arc<str>, Value>) {
    match &node.kind {
        Kind::Array(items) => items.iter().for_each(|item| gather(item, around, found)),
        Kind::Object(members) => {
            let context = node.get("@context").or(around);
            if let Some(id) = node.get("@id").and_then(Node::as_str)
                && members.len() > 1
                && node.get("@graph").is_none()
                && !found.contains_key(id)
            {
                let mut value = value_of(node);
                if let (None, Some(context), Value::Object(fields)) =
                    (node.get("@context"), around, &value)
                {
                    let first = ("@context".into(), value_of(context));
                    value =
                        Value::Object([first].into_iter().chain(fields.iter().cloned()).collect());
                }
                if is_interface(node) {
                    found.insert(id.into(), value);
                }
            }
            for member in members {
                if member.key != "@context" {
                    gather(&member.value, context, found);
                }
            }
        }
        _ => {}
    }
}

/// Whether a type of it is Interface, by term or by identifier, or it names none.
fn is_interface(node: &Node) -> bool {
    let is = |node: &Node| {
        node.as_str().is_some_and(|text| {
            text == "Interface" || text.starts_with("dtmi:dtdl:class:Interface;")
        })
    };
    match node.get("@type") {
        None => true,
        Some(types) => match types.as_array() {
            Some(all) => all.iter().any(is),
            None => is(types),
        },
    }
}

/// JSON with its places as a value: a number that no 64-bit form holds becomes the nearest one.
pub fn value_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Double(number.as_f64().clamp(f64::MIN, f64::MAX)),
        },
        Kind::String(text) => Value::text(text.as_str()),
        Kind::Array(items) => Value::Array(items.iter().map(value_of).collect()),
        Kind::Object(members) => Value::Object(
            members
                .iter()
                .map(|member| (member.key.as_str().into(), value_of(&member.value)))
                .collect(),
        ),
    }
}

/// The context of the language itself that a document names.
pub(super) fn core_context(document: &Value) -> String {
    let context = document.get("@context");
    let first = match context {
        Some(Value::Array(all)) => all.first(),
        other => other,
    };
    let text = first.and_then(Value::as_str).unwrap_or_default();
    let base = text.split('#').next().unwrap_or_default();
    match base.starts_with("dtmi:dtdl:context;") {
        true => base.to_owned(),
        false => "dtmi:dtdl:context;4".to_owned(),
    }
}

/// An Interface without contents.
pub(super) fn stub(context: &str, id: &str) -> String {
    serde_json::json!({"@context": context, "@id": id, "@type": "Interface"}).to_string()
}
