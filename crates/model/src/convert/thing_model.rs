//! An interface as a Thing Model of the Web of Things (W3C Thing Description 1.1).
//!
//! Properties are properties, telemetry is events, commands are actions; parents and parts are links to
//! their own models, so what is inherited is not repeated. Data schemas of a Thing Model are a small
//! part of JSON Schema: what they and the rest of the vocabulary have no word for is left out and
//! named. Does not: write forms or security, which a model of a kind of thing does not have.

use super::dtmi_of;
use crate::{
    Interface, InterfaceId, Schema, Value,
    dtdl::dtmi::Dtmi,
    interface::{Command, Property, Telemetry},
};
use serde_json::{Map, Value as Json, json};
use std::{collections::BTreeSet, sync::Arc};

/// The context of the vocabulary.
pub const THING_CONTEXT: &str = "https://www.w3.org/2022/wot/td/v1.1";

/// The media type of a Thing Model.
pub const THING_MEDIA_TYPE: &str = "application/tm+json";

/// A Thing Model.
#[derive(Clone, Debug, PartialEq)]
pub struct ThingModel {
    /// The document.
    pub document: Value,
    /// What the vocabulary has no word for, once for each kind.
    pub left_out: BTreeSet<String>,
}

/// The Thing Model of an interface; `href` says where that of another one is found.
///
/// ```
/// use gemelli_model::{Interface, convert};
/// let lamp = Interface { id: "dtmi:city:lamp;1".into(), extends: vec!["thing".into()], ..Interface::default() };
/// let model = convert::to_thing_model(&lamp, |id| format!("./{id}.tm.jsonld"));
/// let links = model.document.get("links").unwrap().to_string();
/// assert!(links.contains(r#""rel":"tm:extends""#) && links.contains(r#""href":"./thing.tm.jsonld""#));
/// ```
pub fn to_thing_model(interface: &Interface, href: impl Fn(&InterfaceId) -> String) -> ThingModel {
    let mut left = BTreeSet::new();
    let mut model = Map::new();
    let dtmi = dtmi_of(interface.id.as_str());
    model.insert("@context".into(), json!([THING_CONTEXT]));
    model.insert("@type".into(), json!("tm:ThingModel"));
    let title = interface.display_name.as_deref();
    model.insert(
        "title".into(),
        json!(title.unwrap_or(interface.id.as_str())),
    );
    if let Some(text) = &interface.description {
        model.insert("description".into(), json!(**text));
    }
    let version = Dtmi::parse(interface.id.as_str()).ok();
    if let Some(version) = version.and_then(|dtmi| dtmi.version) {
        model.insert("version".into(), json!({"model": version.to_string()}));
    }
    model.insert("links".into(), links(interface, &dtmi, href));
    for (kind, affordances) in [
        ("properties", properties(&interface.properties, &mut left)),
        ("actions", actions(&interface.commands, &mut left)),
        ("events", events(&interface.telemetry, &mut left)),
    ] {
        if !affordances.is_empty() {
            model.insert(kind.into(), Json::Object(affordances));
        }
    }
    left.extend(unsaid(interface).map(str::to_owned));
    ThingModel {
        document: Value::from(&Json::Object(model)),
        left_out: left,
    }
}

/// What the interface has and no Thing Model.
fn unsaid(interface: &Interface) -> impl Iterator<Item = &'static str> {
    let unlike = Interface::default();
    let all = [
        (!interface.relationships.is_empty(), "relationships"),
        (!interface.tables.is_empty(), "tables"),
        (interface.fidelity.is_some(), "fidelity"),
        (interface.service.is_some(), "service settings"),
        (interface.routing != unlike.routing, "routing"),
        (interface.time != unlike.time, "the clock"),
        (
            interface.properties.iter().any(|p| p.derived.is_some()),
            "how derived properties are computed",
        ),
        (
            interface.open || interface.ignore_case,
            "open and ignoreCase",
        ),
        (
            interface.telemetry.iter().any(|t| !t.last || !t.history),
            "whether telemetry is kept",
        ),
    ];
    all.into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, what)| what)
}

fn links(interface: &Interface, dtmi: &str, href: impl Fn(&InterfaceId) -> String) -> Json {
    let mut links = vec![json!({"rel": "describedby", "href": dtmi})];
    for parent in &interface.extends {
        links.push(json!({"rel": "tm:extends", "href": href(parent), "type": THING_MEDIA_TYPE}));
    }
    for component in &interface.components {
        links.push(json!({
            "rel": "tm:submodel",
            "href": href(&component.interface),
            "type": THING_MEDIA_TYPE,
            "instanceName": *component.name,
        }));
    }
    Json::Array(links)
}

fn properties(all: &[Property], left: &mut BTreeSet<String>) -> Map<String, Json> {
    let affordance = |property: &Property| {
        let mut node = data(&property.schema, left);
        labels(&mut node, &property.display_name, &property.description);
        unit(&mut node, &property.unit);
        if !property.writable {
            node.insert("readOnly".into(), json!(true));
        }
        node.insert("observable".into(), json!(true));
        (property.name.to_string(), Json::Object(node))
    };
    all.iter().map(affordance).collect()
}

fn actions(all: &[Command], left: &mut BTreeSet<String>) -> Map<String, Json> {
    let affordance = |command: &Command| {
        let mut node = Map::new();
        labels(&mut node, &command.display_name, &command.description);
        for (part, schema, name) in [
            ("input", &command.request, &command.request_name),
            ("output", &command.response, &command.response_name),
        ] {
            if let Some(schema) = schema {
                let mut data = data(schema, left);
                labels(&mut data, name, &None);
                node.insert(part.into(), Json::Object(data));
            }
        }
        (command.name.to_string(), Json::Object(node))
    };
    all.iter().map(affordance).collect()
}

fn events(all: &[Telemetry], left: &mut BTreeSet<String>) -> Map<String, Json> {
    let affordance = |telemetry: &Telemetry| {
        let mut node = Map::new();
        labels(&mut node, &telemetry.display_name, &telemetry.description);
        let mut data = data(&telemetry.schema, left);
        unit(&mut data, &telemetry.unit);
        node.insert("data".into(), Json::Object(data));
        (telemetry.name.to_string(), Json::Object(node))
    };
    all.iter().map(affordance).collect()
}

fn labels(node: &mut Map<String, Json>, title: &Option<Arc<str>>, text: &Option<Arc<str>>) {
    for (name, text) in [("title", title), ("description", text)] {
        if let Some(text) = text {
            node.insert(name.into(), json!(**text));
        }
    }
}

fn unit(node: &mut Map<String, Json>, unit: &Option<Arc<str>>) {
    if let Some(unit) = unit {
        node.insert("unit".into(), json!(**unit));
    }
}

/// A data schema.
fn data(schema: &Schema, left: &mut BTreeSet<String>) -> Map<String, Json> {
    let written = match schema {
        Schema::Boolean => json!({"type": "boolean"}),
        Schema::Byte => whole(i8::MIN.into(), i8::MAX.into()),
        Schema::Short => whole(i16::MIN.into(), i16::MAX.into()),
        Schema::Integer => whole(i32::MIN.into(), i32::MAX.into()),
        Schema::Long => whole(i64::MIN, i64::MAX),
        Schema::UnsignedByte => whole(0, u8::MAX.into()),
        Schema::UnsignedShort => whole(0, u16::MAX.into()),
        Schema::UnsignedInteger => whole(0, u32::MAX.into()),
        Schema::UnsignedLong => json!({"type": "integer", "minimum": 0}),
        Schema::Float | Schema::Double => json!({"type": "number"}),
        Schema::String | Schema::Decimal => json!({"type": "string"}),
        Schema::Date => json!({"type": "string", "format": "date"}),
        Schema::Time => json!({"type": "string", "format": "time"}),
        Schema::DateTime => json!({"type": "string", "format": "date-time"}),
        Schema::Duration => json!({"type": "string", "format": "duration"}),
        Schema::Uuid => json!({"type": "string", "format": "uuid"}),
        Schema::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Schema::Enum(members) => {
            let values = || members.values.iter().map(|member| &member.value);
            let integers = values().all(|value| matches!(value, Value::Int(_)));
            let kind = if integers && values().len() > 0 {
                "integer"
            } else {
                "string"
            };
            let list: Vec<Json> = values()
                .filter_map(|v| serde_json::to_value(v).ok())
                .collect();
            match list.is_empty() {
                true => {
                    left.insert("enumerations without a value".into());
                    json!({"type": kind})
                }
                false => json!({"type": kind, "enum": list}),
            }
        }
        Schema::Object(object) => {
            let fields = object.fields.iter();
            let fields = fields.map(|f| (f.name.to_string(), Json::Object(data(&f.schema, left))));
            let fields: Map<String, Json> = fields.collect();
            json!({"type": "object", "properties": fields})
        }
        Schema::Array(of) => json!({"type": "array", "items": data(of, left)}),
        Schema::Map(_) => {
            left.insert("the schema of a map's values".into());
            json!({"type": "object"})
        }
        Schema::Any => json!({}),
        Schema::Recursive(_) | Schema::Ref(_) => {
            left.insert("schemas that contain themselves".into());
            json!({})
        }
    };
    match written {
        Json::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn whole(least: i64, most: i64) -> Json {
    json!({"type": "integer", "minimum": least, "maximum": most})
}
