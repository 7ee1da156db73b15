//! Reads an interface and checks what needs no other interface: that a derived property says one
//! thing only, that names are names and come once.

use super::{
    derived::derived,
    document,
    reader::{Fields, Path, Reader},
    schema::schema,
    table::tables,
    tree::Node,
};
use crate::{
    Interface, InterfaceId,
    interface::{Clock, Command, Component, Fidelity, Property, Relationship, Routing, Telemetry},
};
use std::sync::Arc;

/// Longest name of a member, in bytes.
pub const MAX_NAME_BYTES: usize = 512;

const FIELDS: [&str; 16] = [
    "displayName",
    "description",
    "extends",
    "properties",
    "telemetry",
    "commands",
    "relationships",
    "components",
    "tables",
    "time",
    "routing",
    "fidelity",
    "service",
    "ignoreCase",
    "open",
    "dtdl",
];

pub(super) fn interface(
    reader: &Reader,
    name: &Arc<str>,
    node: &Node,
    path: &Path<'_>,
) -> Option<Interface> {
    let fields = Fields::open(reader, node, path, "the spec of an interface", &FIELDS)?;
    if let (Some(document), 1) = (fields.get("dtdl"), fields.all().len()) {
        return document::interface(reader, name, document, &path.name("dtdl"));
    }
    let once = Names::new(reader);
    let interface = Interface {
        id: InterfaceId::new(name.clone()),
        display_name: fields.text("displayName"),
        description: fields.text("description"),
        extends: fields.each("extends", |node, path| {
            reader.identifier(node, path).map(InterfaceId::new)
        }),
        properties: fields.each("properties", |node, path| {
            once.note(property(reader, node, path)?, node, path, |p| &p.name)
        }),
        telemetry: fields.each("telemetry", |node, path| {
            once.note(telemetry(reader, node, path)?, node, path, |t| &t.name)
        }),
        commands: fields.each("commands", |node, path| {
            once.note(command(reader, node, path)?, node, path, |c| &c.name)
        }),
        relationships: fields.each("relationships", |node, path| {
            once.note(relationship(reader, node, path)?, node, path, |r| &r.name)
        }),
        components: fields.each("components", |node, path| {
            once.note(component(reader, node, path)?, node, path, |c| &c.name)
        }),
        tables: tables(&fields),
        time: fields
            .word(
                "time",
                &[("accepted", Clock::Accepted), ("event", Clock::Event)],
            )
            .unwrap_or_default(),
        routing: routing(&fields),
        fidelity: fidelity(&fields),
        service: fields.get("service").map(Node::value),
        ignore_case: fields.flag("ignoreCase", false),
        open: fields.flag("open", false),
        dtdl: fields.get("dtdl").map(Node::value),
    };
    if let (Some(document), true) = (fields.get("dtdl"), reader.given) {
        document::compare(reader, name, document, &path.name("dtdl"), &interface);
    }
    Some(interface)
}

/// Names that one interface has given.
struct Names<'a> {
    reader: &'a Reader,
    seen: std::cell::RefCell<Vec<Arc<str>>>,
}

impl<'a> Names<'a> {
    fn new(reader: &'a Reader) -> Self {
        Self {
            reader,
            seen: Default::default(),
        }
    }

    fn note<T>(
        &self,
        item: T,
        node: &Node,
        path: &Path<'_>,
        name: fn(&T) -> &Arc<str>,
    ) -> Option<T> {
        let name = name(&item).clone();
        if self.seen.borrow().contains(&name) {
            let message = format!("the name {name} is given twice in this interface");
            self.reader.report(
                "duplicate-id",
                node.at,
                path,
                message,
                "rename one of the two",
            );
            return None;
        }
        self.seen.borrow_mut().push(name);
        Some(item)
    }
}

/// The name of a member: text without control characters, slashes or a dollar sign at its start.
fn name(fields: &Fields<'_>) -> Option<Arc<str>> {
    let text = fields.need_identifier("name")?;
    if text.len() > MAX_NAME_BYTES || text.starts_with('$') || text.contains('/') {
        let path = fields.path.name("name");
        let message = format!("{text} cannot be the name of a member");
        let remedy = format!(
            "use at most {MAX_NAME_BYTES} bytes, no slash, and no dollar sign at the start"
        );
        fields
            .reader
            .report("malformed-id", fields.at, &path, message, remedy);
        return None;
    }
    Some(text)
}

fn property(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Property> {
    const FIELDS: [&str; 7] = [
        "name",
        "schema",
        "displayName",
        "description",
        "unit",
        "writable",
        "derived",
    ];
    let fields = Fields::open(reader, node, path, "a property", &FIELDS)?;
    let name = name(&fields);
    let schema = fields
        .need("schema")
        .and_then(|node| schema(reader, node, &path.name("schema")));
    let writable = fields.flag("writable", false);
    let derived = fields
        .get("derived")
        .map(|node| derived(reader, node, &path.name("derived")));
    if writable && derived.is_some() {
        let message = "a derived property is computed, so it cannot be writable";
        reader.report(
            "computed-member",
            node.at,
            path,
            message,
            "take out writable or derived",
        );
    }
    let derived = match derived {
        Some(None) => return None,
        Some(Some(derived)) => Some(derived),
        None => None,
    };
    Some(Property {
        name: name?,
        schema: schema?,
        display_name: fields.text("displayName"),
        description: fields.text("description"),
        unit: fields.text("unit"),
        writable,
        derived,
    })
}

fn telemetry(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Telemetry> {
    let fields = Fields::open(
        reader,
        node,
        path,
        "a telemetry",
        &[
            "name",
            "schema",
            "displayName",
            "description",
            "unit",
            "last",
            "history",
        ],
    )?;
    let name = name(&fields);
    let schema = fields
        .need("schema")
        .and_then(|node| schema(reader, node, &path.name("schema")));
    Some(Telemetry {
        name: name?,
        schema: schema?,
        display_name: fields.text("displayName"),
        description: fields.text("description"),
        unit: fields.text("unit"),
        last: fields.flag("last", true),
        history: fields.flag("history", true),
    })
}

fn command(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Command> {
    let fields = Fields::open(
        reader,
        node,
        path,
        "a command",
        &[
            "name",
            "displayName",
            "description",
            "request",
            "requestName",
            "response",
            "responseName",
        ],
    )?;
    let part = |part: &'static str| {
        fields
            .get(part)
            .map(|node| schema(reader, node, &path.name(part)))
    };
    let (name, request, response) = (name(&fields), part("request"), part("response"));
    Some(Command {
        name: name?,
        display_name: fields.text("displayName"),
        description: fields.text("description"),
        request: request.flatten(),
        request_name: fields.text("requestName"),
        response: response.flatten(),
        response_name: fields.text("responseName"),
    })
}

fn relationship(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Relationship> {
    const FIELDS: [&str; 8] = [
        "name",
        "displayName",
        "description",
        "target",
        "minMultiplicity",
        "maxMultiplicity",
        "properties",
        "aggregateData",
    ];
    let fields = Fields::open(reader, node, path, "a relationship", &FIELDS)?;
    let name = name(&fields);
    let bound = |name| {
        fields
            .whole(name)
            .map(|n| u32::try_from(n).unwrap_or(u32::MAX))
    };
    let (min, max) = (bound("minMultiplicity"), bound("maxMultiplicity"));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let message = format!("minMultiplicity {min} is more than maxMultiplicity {max}");
        reader.report("wrong-type", node.at, path, message, "swap or change them");
    }
    let once = Names::new(reader);
    Some(Relationship {
        name: name?,
        display_name: fields.text("displayName"),
        description: fields.text("description"),
        target: fields.text("target").map(InterfaceId::new),
        min_multiplicity: min,
        max_multiplicity: max,
        properties: fields.each("properties", |node, path| {
            once.note(property(reader, node, path)?, node, path, |p| &p.name)
        }),
        aggregate_data: fields.flag("aggregateData", false),
    })
}

fn component(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Component> {
    const FIELDS: [&str; 4] = ["name", "displayName", "description", "interface"];
    let fields = Fields::open(reader, node, path, "a component", &FIELDS)?;
    let (name, interface) = (name(&fields), fields.need_identifier("interface"));
    Some(Component {
        name: name?,
        display_name: fields.text("displayName"),
        description: fields.text("description"),
        interface: InterfaceId::new(interface?),
    })
}

fn routing(fields: &Fields<'_>) -> Routing {
    let Some(node) = fields.get("routing") else {
        return Routing::default();
    };
    let path = fields.path.name("routing");
    let Some(fields) = Fields::open(
        fields.reader,
        node,
        &path,
        "routing",
        &["persistReal", "persistVirtual"],
    ) else {
        return Routing::default();
    };
    Routing {
        persist_real: fields.flag("persistReal", true),
        persist_virtual: fields.flag("persistVirtual", true),
    }
}

fn fidelity(fields: &Fields<'_>) -> Option<Fidelity> {
    let node = fields.get("fidelity")?;
    let path = fields.path.name("fidelity");
    let known = ["maxAgeMs", "ratePerHour", "minAvailability"];
    let fields = Fields::open(fields.reader, node, &path, "fidelity", &known)?;
    let fidelity = Fidelity {
        max_age_ms: fields.whole("maxAgeMs"),
        rate_per_hour: fields.number("ratePerHour"),
        min_availability: fields.number("minAvailability"),
    };
    if fidelity
        .min_availability
        .is_some_and(|share| !(0.0..=1.0).contains(&share))
    {
        let message = "minAvailability is a share from 0 to 1";
        fields.reader.report(
            "wrong-type",
            node.at,
            &path.name("minAvailability"),
            message,
            "divide per cents by 100",
        );
    }
    if fidelity.rate_per_hour.is_some_and(|rate| rate <= 0.0) {
        let message = "ratePerHour is more than 0";
        fields.reader.report(
            "wrong-type",
            node.at,
            &path.name("ratePerHour"),
            message,
            "leave it out if no rate is expected",
        );
    }
    Some(fidelity)
}
