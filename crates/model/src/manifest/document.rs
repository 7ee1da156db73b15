//! Reads the spec of an interface that is nothing but a DTDL document.

use super::{
    reader::{Path, Reader},
    tree::Node,
};
use crate::{
    Interface,
    convert::{self, Refused},
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
    let refused = match convert::from_document(&document) {
        Ok(interface) if interface.id.as_str() == &**name => return Some(interface),
        Ok(interface) => {
            let message = format!("the document defines {}, the manifest {name}", interface.id);
            let remedy = "give metadata.name the @id of the document";
            reader.report("malformed-id", node.at, path, message, remedy);
            return None;
        }
        Err(refused) => refused,
    };
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
    None
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
