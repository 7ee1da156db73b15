//! `TwinInterface` becomes an interface that ignores case and is open.

use super::{Gaps, flag, instance::unnumbered, items, text};
use crate::{
    Interface, InterfaceId, Schema, Value,
    interface::{Clock, Command, Property, Relationship, Routing, Telemetry},
    manifest::tree::{Node, Shape},
    schema::{Enum, EnumMember, Field, Object},
};
use std::{collections::BTreeSet, sync::Arc};

pub(super) fn interface(name: Arc<str>, spec: &Node, gaps: &mut Gaps) -> Interface {
    let mut names = Names {
        interface: name.clone(),
        taken: BTreeSet::new(),
    };
    Interface {
        id: InterfaceId::new(name),
        display_name: text(spec, "displayName"),
        description: text(spec, "description").or_else(|| text(spec, "comment")),
        extends: text(spec, "extendsInterface")
            .map(InterfaceId::new)
            .into_iter()
            .collect(),
        properties: items(spec, "properties")
            .iter()
            .filter_map(|node| {
                let name = names.take(node, gaps)?;
                let schema = schema(&name, node.field("schema"), gaps);
                Some(Property {
                    name,
                    schema,
                    display_name: text(node, "displayName"),
                    description: text(node, "description").or_else(|| text(node, "comment")),
                    unit: None,
                    writable: flag(node, "writable").unwrap_or(false),
                    derived: None,
                })
            })
            .collect(),
        telemetry: items(spec, "telemetries")
            .iter()
            .filter_map(|node| {
                let name = names.take(node, gaps)?;
                let schema = schema(&name, node.field("schema"), gaps);
                Some(Telemetry {
                    name,
                    schema,
                    display_name: text(node, "displayName"),
                    description: text(node, "description").or_else(|| text(node, "comment")),
                    unit: None,
                    last: true,
                    history: true,
                })
            })
            .collect(),
        commands: items(spec, "commands")
            .iter()
            .filter_map(|node| {
                let name = names.take(node, gaps)?;
                let mut part = |part| {
                    let schema = node.field(part)?.field("schema")?;
                    (!is_empty(schema)).then(|| self::schema(&name, Some(schema), gaps))
                };
                let (request, response) = (part("request"), part("response"));
                let named = |part| text(node.field(part)?, "name");
                Some(Command {
                    name,
                    display_name: text(node, "displayName"),
                    description: text(node, "description").or_else(|| text(node, "comment")),
                    request,
                    request_name: named("request"),
                    response,
                    response_name: named("response"),
                })
            })
            .collect(),
        relationships: items(spec, "relationships")
            .iter()
            // KTWIN's tool numbers them in the interface as in its instance.
            .filter_map(|node| {
                let name = names.take_as(node, unnumbered, gaps)?;
                Some(relationship(name, node, gaps))
            })
            .collect(),
        components: Vec::new(),
        tables: Default::default(),
        time: Clock::Accepted,
        routing: routing(spec),
        fidelity: None,
        service: spec
            .field("service")
            .filter(|node| !is_empty(node))
            .map(Node::value),
        ignore_case: true,
        open: true,
        dtdl: None,
    }
}

/// Names that one interface has given, without case: a second one is passed over.
struct Names {
    interface: Arc<str>,
    taken: BTreeSet<String>,
}

impl Names {
    fn take(&mut self, node: &Node, gaps: &mut Gaps) -> Option<Arc<str>> {
        self.take_as(node, |name| name, gaps)
    }

    /// The name as `spelt` would have it.
    fn take_as(
        &mut self,
        node: &Node,
        spelt: fn(&str) -> &str,
        gaps: &mut Gaps,
    ) -> Option<Arc<str>> {
        let name = text(node, "name").map(|name| Arc::from(spelt(&name)));
        let Some(name) = name.filter(|name: &Arc<str>| crate::id::check(name).is_ok()) else {
            gaps.note("a member without a name is left out".into(), node.at);
            return None;
        };
        if self.taken.insert(name.to_lowercase()) {
            return Some(name);
        }
        let message = format!(
            "{} declares {name} more than once: the first one counts",
            self.interface
        );
        gaps.note(message, node.at);
        None
    }
}

fn relationship(name: Arc<str>, node: &Node, gaps: &mut Gaps) -> Relationship {
    let bound = |name| match &node.field(name)?.shape {
        // KTWIN's tool writes 0 where the model says nothing.
        Shape::Scalar(Value::Int(n)) if *n > 0 => u32::try_from(*n).ok(),
        _ => None,
    };
    let properties = items(node, "properties").iter().filter_map(|node| {
        let name = text(node, "name")?;
        let schema = schema(&name, node.field("schema"), gaps);
        Some(Property {
            name,
            schema,
            display_name: text(node, "displayName"),
            description: text(node, "description").or_else(|| text(node, "comment")),
            unit: None,
            writable: flag(node, "writable").unwrap_or(false),
            derived: None,
        })
    });
    Relationship {
        properties: properties.collect(),
        name,
        display_name: text(node, "displayName"),
        description: text(node, "description").or_else(|| text(node, "comment")),
        target: text(node, "interface").map(InterfaceId::new),
        min_multiplicity: bound("minMultiplicity"),
        max_multiplicity: bound("maxMultiplicity"),
        aggregate_data: flag(node, "aggregateData").unwrap_or(false),
    }
}

fn routing(spec: &Node) -> Routing {
    let all = Routing::default();
    let Some(store) = spec.field("eventStore") else {
        return all;
    };
    Routing {
        persist_real: flag(store, "persistRealEvent").unwrap_or(all.persist_real),
        persist_virtual: flag(store, "persistVirtualEvent").unwrap_or(all.persist_virtual),
    }
}

/// A schema in KTWIN's form; [`Schema::Any`] where it says nothing that is known.
fn schema(member: &str, node: Option<&Node>, gaps: &mut Gaps) -> Schema {
    let Some(node) = node else {
        return Schema::Any;
    };
    if let Some(complex) = node.field("complexType").filter(|node| !is_empty(node)) {
        return object(complex, gaps);
    }
    if let Some(members) = node.field("enumType").filter(|node| !is_empty(node)) {
        return enumeration(members);
    }
    let primitive = match &node.shape {
        Shape::Scalar(Value::Text(text)) => Some(text.clone()),
        _ => text(node, "primitiveType"),
    };
    let Some(primitive) = primitive else {
        return Schema::Any;
    };
    match primitive.to_ascii_lowercase().as_str() {
        "boolean" => Schema::Boolean,
        "integer" => Schema::Integer,
        "long" => Schema::Long,
        "float" => Schema::Float,
        "double" => Schema::Double,
        "string" => Schema::String,
        "date" => Schema::Date,
        "time" => Schema::Time,
        "datetime" => Schema::DateTime,
        "duration" => Schema::Duration,
        _ => {
            let message =
                format!("{member} has the type {primitive}, which is no type: it takes any value");
            gaps.note(message, node.at);
            Schema::Any
        }
    }
}

fn object(complex: &Node, gaps: &mut Gaps) -> Schema {
    let mut fields: Vec<Field> = Vec::new();
    for node in items(complex, "fields") {
        let Some(name) = text(node, "name") else {
            continue;
        };
        if fields.iter().all(|known| known.name != name) {
            let schema = schema(&name, node.field("schema"), gaps);
            fields.push(Field { name, schema });
        }
    }
    match fields.is_empty() {
        true => Schema::Any,
        false => Schema::Object(Object {
            fields: fields.into(),
        }),
    }
}

fn enumeration(node: &Node) -> Schema {
    let whole =
        text(node, "valueSchema").is_some_and(|schema| schema.eq_ignore_ascii_case("integer"));
    let mut values: Vec<EnumMember> = Vec::new();
    for node in items(node, "enumValues") {
        let Some(value) = text(node, "enumValue").or_else(|| text(node, "name")) else {
            continue;
        };
        let name = text(node, "name").unwrap_or_else(|| value.clone());
        let value = match value.parse() {
            Ok(n) if whole => Value::Int(n),
            _ => Value::Text(value),
        };
        if values.iter().all(|known| known.value != value) {
            values.push(EnumMember { name, value });
        }
    }
    match values.is_empty() {
        true => Schema::String,
        false => Schema::Enum(Enum {
            values: values.into(),
        }),
    }
}

fn is_empty(node: &Node) -> bool {
    match &node.shape {
        Shape::Scalar(value) => value.is_null(),
        Shape::List(items) => items.is_empty(),
        Shape::Map(entries) => entries.is_empty(),
    }
}
