//! From objects to interfaces and their members.

use crate::{
    Interface, Value,
    convert::{Refused, extension, id_of},
    dtdl::object::{self, Content, ContentKind, Labels, Payload, shown},
    interface::{Command, Component, Property, Relationship, Telemetry},
};
use std::sync::Arc;

pub(super) fn interface(
    object: &object::Interface,
    document: Option<Value>,
) -> Result<Interface, Refused> {
    let mut interface = Interface {
        id: id_of(&object.id),
        display_name: text(&object.labels, false),
        description: text(&object.labels, true),
        extends: object.extends.iter().map(|id| id_of(id)).collect(),
        dtdl: document,
        ..Interface::default()
    };
    for content in object.own() {
        add(&mut interface, content);
    }
    extension::apply(interface, object)
}

fn add(interface: &mut Interface, content: &Content) {
    let name = content.name.clone();
    let display_name = text(&content.labels, false);
    let description = text(&content.labels, true);
    match &content.kind {
        ContentKind::Property { .. } => interface.properties.extend(property(content)),
        ContentKind::Telemetry { schema } => interface.telemetry.push(Telemetry {
            name,
            schema: schema.clone(),
            display_name,
            description,
            unit: content.unit.clone(),
            last: true,
            history: true,
        }),
        ContentKind::Command { request, response } => {
            let schema =
                |payload: &Option<Arc<Payload>>| payload.as_ref().map(|p| p.schema.clone());
            // A name that only repeats what it is for says nothing.
            let named = |payload: &Option<Arc<Payload>>, part: &str| {
                let name = payload.as_ref().map(|payload| payload.name.clone())?;
                (&*name != part).then_some(name)
            };
            interface.commands.push(Command {
                name,
                display_name,
                description,
                request: schema(request),
                request_name: named(request, "request"),
                response: schema(response),
                response_name: named(response, "response"),
            });
        }
        ContentKind::Relationship {
            target,
            min,
            max,
            properties,
            ..
        } => interface.relationships.push(Relationship {
            name,
            display_name,
            description,
            target: target.as_deref().map(id_of),
            min_multiplicity: *min,
            max_multiplicity: *max,
            properties: properties.iter().filter_map(|p| property(p)).collect(),
            aggregate_data: false,
        }),
        ContentKind::Component { interface: of } => interface.components.push(Component {
            name,
            display_name,
            description,
            interface: id_of(of),
        }),
    }
}

fn property(content: &Content) -> Option<Property> {
    let ContentKind::Property { schema, writable } = &content.kind else {
        return None;
    };
    Some(Property {
        name: content.name.clone(),
        schema: schema.clone(),
        display_name: text(&content.labels, false),
        description: text(&content.labels, true),
        unit: content.unit.clone(),
        writable: *writable,
        derived: None,
    })
}

fn text(labels: &Labels, long: bool) -> Option<Arc<str>> {
    let texts = match long {
        true => &labels.description,
        false => &labels.display_name,
    };
    shown(texts).map(Into::into)
}
