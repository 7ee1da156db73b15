//! The state of a twin as JSON Schema, draft 2020-12.
//!
//! The schema of an object with a member for each property and telemetry, inherited ones included;
//! nothing is required, as a twin may lack any value. A whole number may have a fraction of zero in
//! JSON Schema as here. Formats (`date-time`, `duration`, `uuid`) are named; whether they are checked
//! is the validator's business. Relationships, commands and components are no part of the state.

use crate::{
    Schema, Value,
    resolve::{MemberKind, Resolved},
    schema::Recursive,
};
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// The dialect that is written.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The JSON Schema of what a twin of an interface holds.
///
/// ```
/// use gemelli_model::{Interface, convert, resolve};
/// let lamp = Interface { id: "dtmi:city:lamp;1".into(), ..Interface::default() };
/// let resolved = resolve::one(&lamp, |_| None).unwrap();
/// let schema = convert::to_json_schema(&resolved);
/// assert_eq!(schema.get("$id").unwrap().as_str(), Some("dtmi:city:lamp;1"));
/// ```
pub fn to_json_schema(interface: &Resolved) -> Value {
    let mut write = Write::default();
    let mut properties = Map::new();
    for member in &interface.members {
        let mut schema = write.schema(member.schema());
        let (title, text, unit, computed) = match &member.kind {
            MemberKind::Property(p) => (
                &p.display_name,
                &p.description,
                &p.unit,
                p.derived.is_some(),
            ),
            MemberKind::Telemetry(t) => (&t.display_name, &t.description, &t.unit, false),
        };
        for (name, text) in [("title", title), ("description", text)] {
            if let (Some(text), Json::Object(fields)) = (text, &mut schema) {
                fields.insert(name.into(), json!(**text));
            }
        }
        if let Json::Object(fields) = &mut schema {
            if computed {
                fields.insert("readOnly".into(), json!(true));
            }
            if let Some(unit) = unit {
                fields.insert("$comment".into(), json!(format!("unit: {unit}")));
            }
        }
        properties.insert(member.name().to_string(), schema);
    }
    let mut whole = Map::new();
    whole.insert("$schema".into(), json!(DIALECT));
    if interface.id.as_str().starts_with("dtmi:") {
        whole.insert("$id".into(), json!(interface.id.as_str()));
    }
    whole.insert("title".into(), json!(interface.id.as_str()));
    whole.insert("type".into(), json!("object"));
    whole.insert("properties".into(), Json::Object(properties));
    whole.insert("additionalProperties".into(), json!(interface.open));
    if !write.definitions.is_empty() {
        whole.insert("$defs".into(), Json::Object(write.definitions));
    }
    Value::from(&Json::Object(whole))
}

#[derive(Default)]
struct Write {
    definitions: Map<String, Json>,
    /// Parts of the recursive schema around, by their place among the definitions.
    parts: Vec<(Arc<str>, String)>,
    count: usize,
}

impl Write {
    fn schema(&mut self, schema: &Schema) -> Json {
        let whole =
            |least: i64, most: i64| json!({"type": "integer", "minimum": least, "maximum": most});
        let form = |format: &str| json!({"type": "string", "format": format});
        match schema {
            Schema::Boolean => json!({"type": "boolean"}),
            Schema::Byte => whole(i8::MIN.into(), i8::MAX.into()),
            Schema::Short => whole(i16::MIN.into(), i16::MAX.into()),
            Schema::Integer => whole(i32::MIN.into(), i32::MAX.into()),
            Schema::Long => whole(i64::MIN, i64::MAX),
            Schema::UnsignedByte => whole(0, u8::MAX.into()),
            Schema::UnsignedShort => whole(0, u16::MAX.into()),
            Schema::UnsignedInteger => whole(0, u32::MAX.into()),
            Schema::UnsignedLong => json!({"type": "integer", "minimum": 0, "maximum": u64::MAX}),
            Schema::Float | Schema::Double => json!({"type": "number"}),
            Schema::String => json!({"type": "string"}),
            Schema::Date => form("date"),
            Schema::Time => form("time"),
            Schema::DateTime => form("date-time"),
            Schema::Duration => form("duration"),
            Schema::Uuid => form("uuid"),
            Schema::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Schema::Decimal => {
                json!({"type": "string", "pattern": r"^[+-]?(0|[1-9][0-9]*)(\.[0-9]*)?$"})
            }
            Schema::Enum(members) => {
                let values = members.values.iter().map(|member| &member.value);
                let values: Vec<Json> = values
                    .filter_map(|v| serde_json::to_value(v).ok())
                    .collect();
                match values.is_empty() {
                    true => json!({"not": {}}),
                    false => json!({"enum": values}),
                }
            }
            Schema::Object(object) => {
                let fields = object.fields.iter();
                let fields: Map<String, Json> = fields
                    .map(|field| (field.name.to_string(), self.schema(&field.schema)))
                    .collect();
                json!({"type": "object", "properties": fields, "additionalProperties": false})
            }
            Schema::Array(of) => json!({"type": "array", "items": self.schema(of)}),
            Schema::Map(of) => json!({"type": "object", "additionalProperties": self.schema(of)}),
            Schema::Any => json!({}),
            Schema::Recursive(whole) => self.recursive(whole),
            Schema::Ref(name) => match self.parts.iter().find(|(known, _)| known == name) {
                Some((_, key)) => json!({"$ref": format!("#/$defs/{key}")}),
                None => json!({"not": {}}),
            },
        }
    }

    fn recursive(&mut self, whole: &Recursive) -> Json {
        let mut parts = Vec::new();
        for name in whole.schemas.keys() {
            self.count += 1;
            parts.push((name.clone(), format!("part{}", self.count)));
        }
        let around = std::mem::replace(&mut self.parts, parts.clone());
        for ((_, key), schema) in parts.into_iter().zip(whole.schemas.values()) {
            let schema = self.schema(schema);
            self.definitions.insert(key, schema);
        }
        let of = self.schema(&whole.of);
        self.parts = around;
        of
    }
}
#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::{convert, resolve};

    #[test]
    fn the_state_of_a_twin_has_a_json_schema() {
        let document = r#"{"@context":"dtmi:dtdl:context;4","@id":"dtmi:t:tree;1","@type":"Interface",
          "contents":[
            {"@type":"Property","name":"root","displayName":"Root","schema":"dtmi:t:node;1"},
            {"@type":"Property","name":"code","schema":"unsignedByte"},
            {"@type":"Telemetry","name":"state","schema":{"@type":"Enum","valueSchema":"integer","enumValues":[{"name":"on","enumValue":1}]}},
            {"@type":"Relationship","name":"near"}],
          "schemas":[{"@id":"dtmi:t:node;1","@type":"Object","fields":[
            {"name":"at","schema":"dateTime"},
            {"name":"children","schema":{"@type":"Array","elementSchema":"dtmi:t:node;1"}}]}]}"#;
        let interface = convert::from_document(&serde_json::from_str(document).unwrap()).unwrap();
        let resolved = resolve::one(&interface, |_| None).unwrap();
        let wanted = json!({
            "$schema": DIALECT,
            "$id": "dtmi:t:tree;1",
            "title": "dtmi:t:tree;1",
            "type": "object",
            "properties": {
                "root": {"$ref": "#/$defs/part1", "title": "Root"},
                "code": {"type": "integer", "minimum": 0, "maximum": 255},
                "state": {"enum": [1]},
            },
            "additionalProperties": false,
            "$defs": {"part1": {"type": "object", "additionalProperties": false, "properties": {
                "at": {"type": "string", "format": "date-time"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/part1"}},
            }}},
        });
        assert_eq!(to_json_schema(&resolved), Value::from(&wanted));
    }
}
