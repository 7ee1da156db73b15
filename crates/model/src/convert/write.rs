//! From interfaces to DTDL documents.
//!
//! What the language can say is said in its own words; what it cannot is said with the product's
//! extension. Where even that has no word (a name that DTDL does not take, a schema of any JSON),
//! the member carries its exact form beside an approximation, so that nothing is lost.

use super::name::{dtmi_of, is_sound, sound};
use crate::{
    Interface, Schema, Value,
    dtdl::runtime,
    interface::{Clock, Property, Relationship, Routing},
    schema::Enum,
};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

/// Longest text for people.
const MAX_TEXT: usize = 512;

/// Most arrays, maps and objects within one another that a document of version 3 may have.
const MAX_NESTING: usize = 5;

/// The DTDL document of an interface: the one that it was made of, or one in the lowest version of
/// the language, from 3 on, that has its schemas.
///
/// ```
/// use gemelli_model::{Interface, convert};
/// let lamp = Interface { id: "lamp".into(), open: true, ..Interface::default() };
/// let document = convert::to_dtdl(&lamp);
/// assert_eq!(document.get("@id").unwrap().as_str(), Some("dtmi:gemelli:interface:lamp;1"));
/// assert_eq!(convert::from_document(&document).unwrap().open, true);
/// ```
pub fn to_dtdl(interface: &Interface) -> Value {
    let version = if needs_four(interface) { 4 } else { 3 };
    write(interface, version)
}

/// The DTDL documents of interfaces that belong together: all in one version of the language.
pub fn to_dtdl_set(interfaces: &[Interface]) -> Vec<Value> {
    let four = interfaces.iter().any(needs_four);
    let version = if four { 4 } else { 3 };
    interfaces.iter().map(|i| write(i, version)).collect()
}

fn write(interface: &Interface, version: u8) -> Value {
    match &interface.dtdl {
        Some(document) => document.clone(),
        None => Value::from(&Json::Object(document(interface, version))),
    }
}

/// Whether it has a schema that version 3 has not.
fn needs_four(interface: &Interface) -> bool {
    if let Some(document) = &interface.dtdl {
        return super::document::core_context(document).ends_with(";4");
    }
    schemas(interface).any(late)
}

fn schemas(interface: &Interface) -> impl Iterator<Item = &Schema> {
    let properties = interface.properties.iter().map(|p| &p.schema);
    let telemetry = interface.telemetry.iter().map(|t| &t.schema);
    let edges = interface.relationships.iter();
    let edges = edges.flat_map(|r| r.properties.iter().map(|p| &p.schema));
    let commands = interface.commands.iter();
    let commands = commands.flat_map(|c| c.request.iter().chain(&c.response));
    properties.chain(telemetry).chain(edges).chain(commands)
}

fn late(schema: &Schema) -> bool {
    match schema {
        Schema::Byte
        | Schema::Short
        | Schema::UnsignedByte
        | Schema::UnsignedShort
        | Schema::UnsignedInteger
        | Schema::UnsignedLong
        | Schema::Bytes
        | Schema::Decimal
        | Schema::Uuid => true,
        Schema::Array(of) | Schema::Map(of) => late(of),
        Schema::Object(object) => object.fields.iter().any(|field| late(&field.schema)),
        _ => false,
    }
}

fn document(interface: &Interface, version: u8) -> Map<String, Json> {
    let mut types = vec!["Interface"];
    let mut rest = Map::new();
    let exact = labels(&mut rest, [&interface.display_name, &interface.description]);
    if !exact {
        types.push("Exact");
        let texts =
            json!({"displayName": interface.display_name, "description": interface.description});
        rest.insert("exact".into(), texts);
    }
    runtime(interface, &mut types, &mut rest);
    let ids = |id: &crate::InterfaceId| dtmi_of(id.as_str());
    if !interface.extends.is_empty() {
        let extends: Vec<String> = interface.extends.iter().map(ids).collect();
        rest.insert("extends".into(), json!(extends));
    }
    let contents = contents(interface);
    if !contents.is_empty() {
        rest.insert("contents".into(), Json::Array(contents));
    }
    let mut document = Map::new();
    let context = format!("dtmi:dtdl:context;{version}");
    let extended = types.len() > 1 || uses_extension(rest.get("contents"));
    let context = match extended {
        true => json!([context, runtime::CONTEXT]),
        false => json!(context),
    };
    document.insert("@context".into(), context);
    document.insert("@id".into(), json!(ids(&interface.id)));
    document.insert("@type".into(), one_or_many(&types));
    document.extend(rest);
    document
}

/// What only the product's extension says of the interface itself.
fn runtime(interface: &Interface, types: &mut Vec<&'static str>, rest: &mut Map<String, Json>) {
    let mut own = Map::new();
    if interface.time != Clock::default() {
        own.insert("clock".into(), plain(&interface.time));
    }
    if interface.routing != Routing::default() {
        own.insert("routing".into(), plain(&interface.routing));
    }
    if let Some(fidelity) = &interface.fidelity {
        own.insert("fidelity".into(), plain(fidelity));
    }
    if !interface.tables.is_empty() {
        own.insert("tables".into(), plain(&interface.tables));
    }
    if let Some(service) = &interface.service {
        own.insert("service".into(), plain(service));
    }
    for (name, on) in [
        ("ignoreCase", interface.ignore_case),
        ("open", interface.open),
    ] {
        if on {
            own.insert(name.into(), json!(true));
        }
    }
    if !own.is_empty() {
        types.push("Runtime");
        rest.extend(own);
    }
}

fn uses_extension(contents: Option<&Json>) -> bool {
    let ours = |types: &Json| {
        types.as_array().is_some_and(|types| {
            let known = ["Derived", "Kept", "Aggregating", "Measured", "Exact"];
            types
                .iter()
                .any(|t| t.as_str().is_some_and(|t| known.contains(&t)))
        })
    };
    let all = contents.and_then(Json::as_array).into_iter().flatten();
    all.flat_map(|content| {
        let inner = content.get("properties").and_then(Json::as_array);
        std::iter::once(content).chain(inner.into_iter().flatten())
    })
    .any(|content| content.get("@type").is_some_and(ours))
}

fn contents(interface: &Interface) -> Vec<Json> {
    let mut taken = Vec::new();
    let mut all = Vec::new();
    for property in &interface.properties {
        all.push(self::property(property, &mut taken));
    }
    for telemetry in &interface.telemetry {
        let mut member = Member::new("Telemetry", &telemetry.name, &mut taken);
        member.labels([&telemetry.display_name, &telemetry.description]);
        member.schema("schema", &telemetry.schema);
        member.unit(telemetry.unit.as_deref());
        let kept = [("last", telemetry.last), ("history", telemetry.history)];
        for (name, on) in kept.into_iter().filter(|(_, on)| !on) {
            member.with("Kept", name, json!(on));
        }
        all.push(member.finish(telemetry));
    }
    for command in &interface.commands {
        let mut member = Member::new("Command", &command.name, &mut taken);
        member.labels([&command.display_name, &command.description]);
        member.payload(
            "request",
            command.request.as_ref(),
            command.request_name.as_deref(),
        );
        member.payload(
            "response",
            command.response.as_ref(),
            command.response_name.as_deref(),
        );
        all.push(member.finish(command));
    }
    for relationship in &interface.relationships {
        all.push(self::relationship(relationship, &mut taken));
    }
    for component in &interface.components {
        let mut member = Member::new("Component", &component.name, &mut taken);
        member.labels([&component.display_name, &component.description]);
        let of = dtmi_of(component.interface.as_str());
        member.fields.insert("schema".into(), json!(of));
        all.push(member.finish(component));
    }
    all
}

fn property(property: &Property, taken: &mut Vec<String>) -> Json {
    let mut member = Member::new("Property", &property.name, taken);
    member.labels([&property.display_name, &property.description]);
    member.schema("schema", &property.schema);
    member.unit(property.unit.as_deref());
    if property.writable {
        member.fields.insert("writable".into(), json!(true));
    }
    if let Some(derived) = &property.derived {
        member.with("Derived", "derived", plain(derived));
    }
    member.finish(property)
}

fn relationship(relationship: &Relationship, taken: &mut Vec<String>) -> Json {
    let mut member = Member::new("Relationship", &relationship.name, taken);
    member.labels([&relationship.display_name, &relationship.description]);
    if let Some(target) = &relationship.target {
        let target = dtmi_of(target.as_str());
        member.fields.insert("target".into(), json!(target));
    }
    match relationship.min_multiplicity {
        None => {}
        Some(0) => {
            member.fields.insert("minMultiplicity".into(), json!(0));
        }
        Some(_) => member.exact = false,
    }
    match relationship.max_multiplicity {
        None => {}
        Some(most) if most > 0 && i32::try_from(most).is_ok() => {
            member.fields.insert("maxMultiplicity".into(), json!(most));
        }
        Some(_) => member.exact = false,
    }
    if relationship.aggregate_data {
        member.with("Aggregating", "aggregateData", json!(true));
    }
    if !relationship.properties.is_empty() {
        let mut names = Vec::new();
        let properties = relationship.properties.iter();
        let properties: Vec<Json> = properties.map(|p| property(p, &mut names)).collect();
        member.fields.insert("properties".into(), json!(properties));
    }
    member.finish(relationship)
}

/// A content in the making.
struct Member {
    types: Vec<&'static str>,
    name: String,
    fields: Map<String, Json>,
    /// Whether the language and the extension's words say all of it.
    exact: bool,
}

impl Member {
    fn new(class: &'static str, name: &str, taken: &mut Vec<String>) -> Self {
        let exact = is_sound(name) && !taken.iter().any(|other| other == name);
        let name = match exact {
            true => name.to_owned(),
            false => sound(name, taken),
        };
        taken.push(name.clone());
        Self {
            types: vec![class],
            name,
            fields: Map::new(),
            exact,
        }
    }

    fn with(&mut self, cotype: &'static str, name: &str, value: Json) {
        if !self.types.contains(&cotype) {
            self.types.push(cotype);
        }
        self.fields.insert(name.into(), value);
    }

    fn labels(&mut self, texts: [&Option<std::sync::Arc<str>>; 2]) {
        self.exact &= labels(&mut self.fields, texts);
    }

    fn unit(&mut self, unit: Option<&str>) {
        if let Some(unit) = unit {
            self.with("Measured", "unitText", json!(unit));
        }
    }

    fn schema(&mut self, name: &str, schema: &Schema) {
        let (written, exact) = shape(schema, 0);
        self.exact &= exact;
        self.fields.insert(name.into(), written);
    }

    fn payload(&mut self, part: &str, schema: Option<&Schema>, name: Option<&str>) {
        let Some(schema) = schema else {
            self.exact &= name.is_none();
            return;
        };
        let (written, exact) = shape(schema, 0);
        let sound = name.is_none_or(|name| is_sound(name) && name != part);
        self.exact &= exact && sound;
        let name = name.filter(|_| sound).unwrap_or(part);
        let payload = json!({"name": name, "schema": written});
        self.fields.insert(part.into(), payload);
    }

    fn finish(mut self, whole: &impl Serialize) -> Json {
        if !self.exact {
            self.with("Exact", "exact", plain(whole));
        }
        let mut content = Map::new();
        content.insert("@type".into(), one_or_many(&self.types));
        content.insert("name".into(), json!(self.name));
        content.extend(self.fields);
        Json::Object(content)
    }
}

/// Writes name and text for people; false where they are too long for the language.
fn labels(fields: &mut Map<String, Json>, texts: [&Option<std::sync::Arc<str>>; 2]) -> bool {
    let mut exact = true;
    for (name, text) in ["displayName", "description"].into_iter().zip(texts) {
        match text {
            Some(text) if text.chars().count() <= MAX_TEXT && !text.is_empty() => {
                fields.insert(name.into(), json!(**text));
            }
            Some(_) => exact = false,
            None => {}
        }
    }
    exact
}

/// A schema in DTDL, and whether that says all of it; text stands for what cannot be said.
fn shape(schema: &Schema, depth: usize) -> (Json, bool) {
    if let Some(word) = schema.word() {
        return (json!(word), true);
    }
    if depth >= MAX_NESTING {
        return (json!("string"), false);
    }
    match schema {
        Schema::Array(of) => {
            let (of, exact) = shape(of, depth + 1);
            (json!({"@type": "Array", "elementSchema": of}), exact)
        }
        Schema::Map(of) => {
            let (of, exact) = shape(of, depth + 1);
            let key = json!({"name": "key", "schema": "string"});
            let value = json!({"name": "value", "schema": of});
            (
                json!({"@type": "Map", "mapKey": key, "mapValue": value}),
                exact,
            )
        }
        Schema::Object(object) => {
            let mut all = true;
            // Names that stay as they are come first: none that is made may be one of them.
            let sound_ones = object.fields.iter().filter(|field| is_sound(&field.name));
            let mut taken: Vec<String> = sound_ones.map(|field| field.name.to_string()).collect();
            let fields: Vec<Json> = object
                .fields
                .iter()
                .map(|field| {
                    let (of, exact) = shape(&field.schema, depth + 1);
                    all &= exact && is_sound(&field.name);
                    let name = match is_sound(&field.name) {
                        true => field.name.to_string(),
                        false => {
                            let made = sound(&field.name, &taken);
                            taken.push(made.clone());
                            made
                        }
                    };
                    json!({"name": name, "schema": of})
                })
                .collect();
            (json!({"@type": "Object", "fields": fields}), all)
        }
        Schema::Enum(members) => enumeration(members),
        _ => (json!("string"), false),
    }
}

fn enumeration(members: &Enum) -> (Json, bool) {
    let whole = |value: &Value| matches!(value, Value::Int(n) if i32::try_from(*n).is_ok());
    let text = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.chars().count() <= MAX_TEXT)
    };
    let values = || members.values.iter().map(|member| &member.value);
    let kind = match members.values.is_empty() {
        false if values().all(whole) => "integer",
        _ => "string",
    };
    if kind == "string" && !values().all(text) {
        return (json!("string"), false);
    }
    let mut taken: Vec<String> = Vec::new();
    let mut exact = true;
    let mut list = Vec::new();
    for member in members.values.iter() {
        let name = match is_sound(&member.name) && !taken.contains(&member.name.to_string()) {
            true => member.name.to_string(),
            false => {
                exact = false;
                sound(&member.name, &taken)
            }
        };
        taken.push(name.clone());
        list.push(json!({"name": name, "enumValue": plain(&member.value)}));
    }
    let written = json!({"@type": "Enum", "valueSchema": kind, "enumValues": list});
    (written, exact)
}

fn one_or_many(types: &[&str]) -> Json {
    match types {
        [one] => json!(one),
        many => json!(many),
    }
}

/// Values have text keys and finite depth, the only things that can fail to be written.
fn plain(value: &impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
