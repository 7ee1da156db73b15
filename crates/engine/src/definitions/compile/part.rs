//! What a component may hold: the members of its interface, as the schema of one object.

use super::super::compiled::Part;
use gemelli_model::{
    Interface, InterfaceId, Schema, resolve,
    schema::{Field, Object},
};
use std::collections::BTreeMap;

/// Deepest nesting of components whose values are checked; below it anything goes.
const DEPTH: usize = 8;

/// Interfaces by id.
pub(super) type Sources<'a> = dyn Fn(&InterfaceId) -> Option<&'a Interface> + 'a;

/// A component of this interface, and the schema of its values. Anything goes where the interface is
/// not there, or takes what comes.
pub(super) fn of(interface: &InterfaceId, sources: &Sources<'_>) -> (Part, Schema) {
    at(interface, sources, 0)
}

fn at(interface: &InterfaceId, sources: &Sources<'_>, depth: usize) -> (Part, Schema) {
    let mut part = Part {
        interface: interface.clone(),
        parts: BTreeMap::new(),
    };
    let resolved = sources(interface)
        .filter(|_| depth < DEPTH)
        .and_then(|source| resolve::one(source, sources).ok());
    let Some(resolved) = resolved else {
        return (part, Schema::Any);
    };
    let members = resolved.members.iter().map(|member| Field {
        name: member.name().clone(),
        schema: member.schema().clone(),
    });
    let mut fields: Vec<_> = members.collect();
    for component in &resolved.components {
        let (inner, schema) = at(&component.item.interface, sources, depth + 1);
        let name = component.item.name.clone();
        fields.push(Field {
            name: name.clone(),
            schema,
        });
        part.parts.insert(name, inner.into());
    }
    let schema = match resolved.open || resolved.ignore_case {
        true => Schema::Any,
        false => Schema::Object(Object {
            fields: fields.into(),
        }),
    };
    (part, schema)
}
