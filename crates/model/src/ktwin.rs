//! KTWIN's own resources, unchanged: `TwinInterface` and `TwinInstance` become interfaces and twins.
//!
//! KTWIN checks little, and what its users have written relies on that. So the import is lenient:
//! unknown fields are passed over, interfaces match names without case and take undeclared
//! members, edges may dangle. What does not fit is kept where it can be kept and warned about once
//! per kind of gap, with a count. Its own parts (event store, triggers, gateway) mean nothing here.

mod export;
mod gaps;
mod instance;
mod interface;

#[cfg(test)]
mod tests;

pub use export::{Exported, export};
pub(crate) use gaps::Gaps;
pub use gaps::Warning;

use crate::{
    Value,
    manifest::{
        Kind, Manifest,
        reader::{Path, Reader, suggest},
        tree::{Node, Shape},
    },
};
use std::sync::Arc;

/// The group of KTWIN's twin resources.
const TWINS: &str = "dtd.ktwin/";

/// The group of KTWIN's own parts.
const PARTS: &str = "core.ktwin/";

/// Whether an `apiVersion` is one of KTWIN's.
pub(crate) fn is_ours(api_version: &str) -> bool {
    api_version.starts_with(TWINS) || api_version.starts_with(PARTS)
}

/// Reads one resource; none if it is one of KTWIN's own parts or cannot be used.
pub(crate) fn read(
    reader: &Reader,
    node: &Node,
    path: &Path<'_>,
    gaps: &mut Gaps,
) -> Option<Manifest> {
    let kind = text(node, "kind").unwrap_or_else(|| "".into());
    if text(node, "apiVersion").is_some_and(|version| version.starts_with(PARTS)) {
        gaps.note(
            format!("KTWIN's {kind} is left out: what it sets up is part of Gemelli"),
            node.at,
        );
        return None;
    }
    let spec = node.field("spec");
    let name = node
        .field("metadata")
        .and_then(|metadata| text(metadata, "name"));
    let Some(name) = name.or_else(|| text(spec?, "id")) else {
        let message = format!("this {kind} has no name");
        reader.report("missing-field", node.at, path, message, "add metadata.name");
        return None;
    };
    if let Err(why) = crate::id::check(&name) {
        reader.report(
            "malformed-id",
            node.at,
            path,
            why.to_string(),
            "choose another name",
        );
        return None;
    }
    let empty = Node {
        shape: Shape::Map(Vec::new()),
        at: node.at,
    };
    let spec = spec.unwrap_or(&empty);
    let kind = match &*kind {
        "TwinInterface" => Kind::Interface(interface::interface(name.clone(), spec, gaps)),
        "TwinInstance" => Kind::Twin(instance::twin(reader, spec, path, gaps)?),
        other => {
            let message = format!("KTWIN has no kind {other:?}");
            let remedy = suggest(other, &["TwinInterface", "TwinInstance"]);
            reader.report("unknown-kind", node.at, path, message, remedy);
            return None;
        }
    };
    Some(Manifest { name, kind })
}

/// A field's text; numbers and truth values as they are written; none if it is empty.
fn text(node: &Node, name: &str) -> Option<Arc<str>> {
    match &node.field(name)?.shape {
        Shape::Scalar(Value::Text(text)) => (!text.is_empty()).then(|| text.clone()),
        Shape::Scalar(Value::Null) | Shape::List(_) | Shape::Map(_) => None,
        Shape::Scalar(other) => Some(other.to_string().into()),
    }
}

fn flag(node: &Node, name: &str) -> Option<bool> {
    match &node.field(name)?.shape {
        Shape::Scalar(Value::Bool(b)) => Some(*b),
        Shape::Scalar(Value::Text(text)) => text.parse().ok(),
        _ => None,
    }
}

/// The items of a field's list; nothing and other shapes are an empty list.
fn items<'a>(node: &'a Node, name: &str) -> &'a [Node] {
    match node.field(name).map(|node| &node.shape) {
        Some(Shape::List(items)) => items,
        _ => &[],
    }
}
