//! Reads DTDL documents: alone, as the whole spec of an interface, or beside members that say the same.

use super::{
    reader::{Path, Reader},
    tree::Node,
};
use crate::{
    Interface,
    convert::{self, Refused},
    diff,
    dtdl::Fault,
};
use std::sync::Arc;

pub(super) fn interface(
    reader: &Reader,
    name: &Arc<str>,
    node: &Node,
    path: &Path<'_>,
) -> Option<Interface> {
    let document = node.value();
    match convert::from_document(&document) {
        Ok(interface) if interface.id.as_str() == &**name => Some(interface),
        Ok(interface) => {
            let message = format!("the document defines {}, the manifest {name}", interface.id);
            let remedy = "give metadata.name the @id of the document";
            reader.report("malformed-id", node.at, path, message, remedy);
            None
        }
        Err(refused) => {
            report(reader, node, path, refused);
            None
        }
    }
}

/// The interfaces of a document that stands where a manifest may stand.
pub(super) fn interfaces(reader: &Reader, node: &Node, path: &Path<'_>) -> Vec<Interface> {
    let named = |interface: &Interface| match crate::id::check(interface.id.as_str()) {
        Ok(()) => true,
        Err(why) => {
            reader.report(
                "malformed-id",
                node.at,
                path,
                why.to_string(),
                "choose another @id",
            );
            false
        }
    };
    match convert::from_document_whole(&node.value()) {
        Ok(interfaces) => interfaces.into_iter().filter(named).collect(),
        Err(refused) => {
            report(reader, node, path, refused);
            Vec::new()
        }
    }
}

/// Reports members that are not what the document beside them means.
pub(super) fn compare(
    reader: &Reader,
    name: &Arc<str>,
    node: &Node,
    path: &Path<'_>,
    given: &Interface,
) {
    let Some(meant) = interface(reader, name, node, path) else {
        return;
    };
    if meant == *given {
        return;
    }
    let changes = diff::diff(std::slice::from_ref(&meant), std::slice::from_ref(given));
    let first = changes.iter().map(|change| match &change.member {
        Some(member) => format!("of {member}, {}", change.reason),
        None => change.reason.clone(),
    });
    let first = first.into_iter().next();
    let first = first.unwrap_or_else(|| "a name or a text for people differs".to_owned());
    let message = format!("the members contradict the document beside them: {first}");
    let remedy =
        "say it in the document and leave the members out, or take dtdl out and keep the members";
    reader.report("contradictory-model", node.at, path, message, remedy);
}

fn report(reader: &Reader, node: &Node, path: &Path<'_>, refused: Refused) {
    match refused {
        Refused::Invalid(faults) => {
            for fault in &faults {
                reader.report("invalid-model", node.at, path, told(fault), remedy(fault));
            }
        }
        other => {
            let remedy = "a document in a manifest defines all that it needs but Interfaces; check it with gemelli model check";
            reader.report("invalid-model", node.at, path, other.to_string(), remedy);
        }
    }
}

fn told(fault: &Fault) -> String {
    format!("{}: {}", fault.kind, fault.message)
}

fn remedy(fault: &Fault) -> String {
    match (&fault.element, &fault.property) {
        (Some(element), Some(property)) => format!("look at {property} of {element}"),
        (Some(element), None) => format!("look at {element}"),
        _ => "see the language's specification".to_owned(),
    }
}
