//! From objects to interfaces and their members.

use crate::{
    Interface, InterfaceId, Value,
    dtdl::object::{self, Content, ContentKind, Labels, Payload, shown},
    interface::{Command, Component, Property, Relationship, Telemetry},
};
use std::sync::Arc;

pub(super) fn interface(object: &object::Interface, document: Option<Value>) -> Interface {
    let mut interface = Interface {
        id: InterfaceId::new(object.id.clone()),
        display_name: text(&object.labels, false),
        description: text(&object.labels, true),
        extends: object
            .extends
            .iter()
            .cloned()
            .map(InterfaceId::new)
            .collect(),
        dtdl: document,
        ..Interface::default()
    };
    for content in object.own() {
        add(&mut interface, content);
    }
    interface
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
            let named = |payload: &Option<Arc<Payload>>| payload.as_ref().map(|p| p.name.clone());
            interface.commands.push(Command {
                name,
                display_name,
                description,
                request: schema(request),
                request_name: named(request),
                response: schema(response),
                response_name: named(response),
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
            target: target.clone().map(InterfaceId::new),
            min_multiplicity: *min,
            max_multiplicity: *max,
            properties: properties.iter().filter_map(|p| property(p)).collect(),
            aggregate_data: false,
        }),
        ContentKind::Component { interface: of } => interface.components.push(Component {
            name,
            display_name,
            description,
            interface: InterfaceId::new(of.clone()),
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
