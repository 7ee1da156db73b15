//! Interfaces in other languages: JSON Schema by the verdicts of a validator, Thing Models by their rules.

use gemelli_model::{
    Interface, InterfaceId, Value, convert,
    dtdl::{Options, Source},
    manifest::{self, Kind},
    resolve,
};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The interfaces of all examples.
fn examples() -> Vec<Interface> {
    let mut folders = vec![PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples"
    ))];
    let mut found: BTreeMap<InterfaceId, Interface> = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml") {
                for manifest in manifest::parse(&fs::read_to_string(path).unwrap()).manifests {
                    if let Kind::Interface(interface) = manifest.kind {
                        found.insert(interface.id.clone(), interface);
                    }
                }
            }
        }
    }
    assert!(found.len() > 5, "{}", found.len());
    found.into_values().collect()
}

fn schemas(interfaces: &[Interface]) -> Vec<Json> {
    let lookup = |id: &InterfaceId| interfaces.iter().find(|i| i.id == *id);
    let resolved = interfaces.iter().map(|i| resolve::one(i, lookup).unwrap());
    let schemas = resolved.map(|interface| convert::to_json_schema(&interface));
    schemas.map(|s| serde_json::to_value(s).unwrap()).collect()
}

/// A Python with the validator.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python");
    let has = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", "import jsonschema"]);
        command.output().is_ok_and(|output| output.status.success())
    };
    [venv, PathBuf::from("python3")].into_iter().find(has)
}

/// The validator's verdicts on the values of each schema.
fn verdicts(python: &Path, cases: &[Json]) -> Vec<Vec<bool>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/json_schema.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = json!(cases).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the validator refuses a schema");
    serde_json::from_slice(&output.stdout).unwrap()
}

const EVERY: &str = r#"
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: "dtmi:test:every;1" }
spec:
  properties:
    - { name: boolean, schema: boolean }
    - { name: byte, schema: byte }
    - { name: short, schema: short }
    - { name: integer, schema: integer }
    - { name: long, schema: long }
    - { name: unsignedByte, schema: unsignedByte }
    - { name: unsignedLong, schema: unsignedLong }
    - { name: double, schema: double }
    - { name: string, schema: string }
    - { name: date, schema: date }
    - { name: decimal, schema: decimal }
    - { name: uuid, schema: uuid }
    - { name: any, schema: any }
    - { name: enum, schema: { enum: [on, off] } }
    - { name: object, schema: { object: { fields: [{ name: at, schema: long }] } } }
    - { name: array, schema: { array: boolean } }
    - { name: map, schema: { map: long } }
    - name: tree
      schema: { recursive: { of: { ref: n }, schemas: { n: { object: { fields: [{ name: value, schema: long }, { name: children, schema: { array: { ref: n } } }] } } } } }
"#;

#[test]
fn a_validator_and_the_product_agree_on_values() {
    let Some(python) = python() else {
        println!("skipped: jsonschema: no Python has the package, see target/venv");
        return;
    };
    let parsed = manifest::parse(EVERY).into_result().unwrap().remove(0);
    let Kind::Interface(every) = parsed.kind else {
        panic!("an interface")
    };
    let values = [
        json!(true),
        json!(null),
        json!(0),
        json!(8.0),
        json!(8.5),
        json!(-1),
        json!(127),
        json!(128),
        json!(255),
        json!(256),
        json!(40_000),
        json!(3_000_000_000_u64),
        json!(i64::MAX),
        json!("on"),
        json!("off"),
        json!("2026-02-28"),
        json!("2026-02-30"),
        json!("12.50"),
        json!("c56a4180-65aa-42ec-a945-5fd21dec0538"),
        json!([]),
        json!([true]),
        json!([1]),
        json!({}),
        json!({"at": 1}),
        json!({"at": "x"}),
        json!({"value": 1, "children": [{"value": 2, "children": []}]}),
        json!({"value": 1, "children": [{"value": "2"}]}),
    ];
    let state = schemas(std::slice::from_ref(&every)).remove(0);
    let names: Vec<&str> = every.properties.iter().map(|p| &*p.name).collect();
    let under = |name: &str| {
        values
            .iter()
            .map(|v| json!({ name: v }))
            .collect::<Vec<_>>()
    };
    let cases = names
        .iter()
        .map(|name| json!({"schema": state, "values": under(name)}));
    let verdicts = verdicts(&python, &cases.collect::<Vec<_>>());
    let (mut taken, mut refused) = (0, 0);
    for (property, verdicts) in every.properties.iter().zip(verdicts) {
        for (value, verdict) in values.iter().zip(verdicts) {
            let ours = property.schema.check(&Value::from(value)).is_ok();
            assert_eq!(ours, verdict, "{} {value}", property.name);
            match verdict {
                true => taken += 1,
                false => refused += 1,
            }
        }
    }
    assert!(taken > 60 && refused > 200, "{taken} {refused}");
}

#[test]
fn the_schemas_of_all_examples_are_schemas() {
    let Some(python) = python() else {
        println!("skipped: jsonschema: no Python has the package, see target/venv");
        return;
    };
    let all = schemas(&examples());
    let cases = all
        .iter()
        .map(|schema| json!({"schema": schema, "values": [{}, [], {"%": 1}]}));
    let verdicts = verdicts(&python, &cases.collect::<Vec<_>>());
    for (schema, verdict) in all.iter().zip(verdicts) {
        let open = schema["additionalProperties"] == true;
        assert_eq!(verdict, [true, false, open], "{schema}");
    }
}

const POLE: &str = r#"{"@context":["dtmi:dtdl:context;3","dtmi:dtdl:extension:quantitativeTypes;1"],
 "@id":"dtmi:city:pole;3","@type":"Interface","displayName":"Pole","description":"A pole.",
 "extends":["dtmi:city:thing;1","dtmi:city:placed;1"],
 "contents":[
  {"@type":["Property","Temperature"],"name":"heat","schema":"double","unit":"degreeCelsius","writable":true},
  {"@type":"Property","name":"code","schema":"integer","displayName":"Code"},
  {"@type":"Property","name":"hours","schema":{"@type":"Map","mapKey":{"name":"k","schema":"string"},"mapValue":{"name":"v","schema":"boolean"}}},
  {"@type":"Telemetry","name":"state","schema":{"@type":"Enum","valueSchema":"string","enumValues":[{"name":"on","enumValue":"ON"}]}},
  {"@type":"Command","name":"dim","request":{"name":"to","schema":{"@type":"Object","fields":[{"name":"level","schema":"float"}]}},"response":{"name":"done","schema":"dateTime"}},
  {"@type":"Relationship","name":"near"},
  {"@type":"Component","name":"lamp","schema":"dtmi:city:lamp;1"}]}"#;

#[test]
fn a_thing_model_has_affordances_and_links() {
    let pole = convert::from_document(&serde_json::from_str(POLE).unwrap()).unwrap();
    let model = convert::to_thing_model(&pole, |id| format!("./{id}.tm.jsonld"));
    let wanted = json!({
        "@context": ["https://www.w3.org/2022/wot/td/v1.1"],
        "@type": "tm:ThingModel",
        "title": "Pole",
        "description": "A pole.",
        "version": {"model": "3"},
        "links": [
            {"rel": "describedby", "href": "dtmi:city:pole;3"},
            {"rel": "tm:extends", "href": "./dtmi:city:thing;1.tm.jsonld", "type": "application/tm+json"},
            {"rel": "tm:extends", "href": "./dtmi:city:placed;1.tm.jsonld", "type": "application/tm+json"},
            {"rel": "tm:submodel", "href": "./dtmi:city:lamp;1.tm.jsonld", "type": "application/tm+json", "instanceName": "lamp"},
        ],
        "properties": {
            "heat": {"type": "number", "unit": "degreeCelsius", "observable": true},
            "code": {"type": "integer", "minimum": -2147483648_i64, "maximum": 2147483647, "title": "Code", "readOnly": true, "observable": true},
            "hours": {"type": "object", "readOnly": true, "observable": true},
        },
        "actions": {"dim": {
            "input": {"type": "object", "properties": {"level": {"type": "number"}}, "title": "to"},
            "output": {"type": "string", "format": "date-time", "title": "done"},
        }},
        "events": {"state": {"data": {"type": "string", "enum": ["ON"]}}},
    });
    assert_eq!(serde_json::to_value(&model.document).unwrap(), wanted);
    let left: Vec<_> = model.left_out.iter().map(String::as_str).collect();
    assert_eq!(left, ["relationships", "the schema of a map's values"]);
}

/// The rules of the specification for what is written here: section 10 (Thing Model) and 5.3 (vocabulary).
fn rules(model: &Json) {
    let types = [
        "boolean", "integer", "number", "string", "object", "array", "null",
    ];
    fn data(schema: &Json, types: &[&str], seen: &mut usize) {
        *seen += 1;
        assert!(schema.is_object(), "{schema}");
        if let Some(kind) = schema.get("type") {
            assert!(types.contains(&kind.as_str().unwrap()), "{schema}");
        }
        if let Some(list) = schema.get("enum") {
            assert!(!list.as_array().unwrap().is_empty(), "{schema}");
        }
        let fields = schema.get("properties").and_then(Json::as_object);
        for field in fields.into_iter().flat_map(|fields| fields.values()) {
            data(field, types, seen);
        }
        if let Some(items) = schema.get("items") {
            data(items, types, seen);
        }
    }
    assert_eq!(model["@context"][0], "https://www.w3.org/2022/wot/td/v1.1");
    assert_eq!(model["@type"], "tm:ThingModel");
    for absent in ["forms", "security", "securityDefinitions", "base", "id"] {
        assert!(model.get(absent).is_none(), "{absent} belongs to instances");
    }
    assert!(model["title"].is_string());
    for link in model["links"].as_array().unwrap() {
        let relation = link["rel"].as_str().unwrap();
        assert!(["describedby", "tm:extends", "tm:submodel"].contains(&relation));
        assert!(link["href"].is_string());
        assert_eq!(
            link.get("instanceName").is_some(),
            relation == "tm:submodel"
        );
    }
    let mut seen = 0;
    let part = |name: &str| {
        model
            .get(name)
            .and_then(Json::as_object)
            .cloned()
            .unwrap_or_default()
    };
    for (_, property) in part("properties") {
        data(&property, &types, &mut seen);
    }
    for (_, action) in part("actions") {
        for part in ["input", "output"]
            .iter()
            .filter_map(|part| action.get(part))
        {
            data(part, &types, &mut seen);
        }
    }
    for (_, event) in part("events") {
        data(&event["data"], &types, &mut seen);
    }
    assert!(seen > 0 || part("properties").is_empty());
}

#[test]
fn thing_models_of_all_examples_keep_the_rules_and_their_links_lead_somewhere() {
    let all = examples();
    let names = convert::file_names(all.iter().map(|i| &i.id));
    for interface in &all {
        let href = |id: &InterfaceId| format!("./{}.tm.jsonld", names[id]);
        rules(&serde_json::to_value(convert::to_thing_model(interface, href).document).unwrap());
    }
}

#[test]
fn what_an_import_without_its_document_loses_is_named() {
    let text = r#"{"@context":["dtmi:dtdl:context;3","dtmi:dtdl:extension:historization;1"],"@id":"dtmi:t:a;1","@type":"Interface",
      "displayName":{"en":"a","it":"A"},"contents":[
        {"@type":["Property","Historized"],"name":"p","@id":"dtmi:t:a:p;1","schema":{"@type":"Object","fields":[{"name":"f","displayName":"F","schema":"long"}]}},
        {"@type":"Relationship","name":"r","writable":true,"comment":"c"}]}"#;
    let source = Source {
        name: "a.json".into(),
        text: text.into(),
    };
    let read = convert::read(&[source], &Options::default(), &mut |_| None).unwrap();
    let lost: Vec<_> = convert::lost(&read).into_keys().collect();
    let wanted = [
        "comments",
        "identifiers within interfaces",
        "texts for people of Fields",
        "texts in further languages",
        "that relationships are writable",
        "the type Historized",
    ];
    assert_eq!(lost, wanted);
}

#[test]
fn a_document_stands_where_a_manifest_may_stand() {
    let lamp = r#"{"@context":"dtmi:dtdl:context;3","@id":"dtmi:city:lamp;1","@type":"Interface"}"#;
    let parsed = manifest::parse(&format!("[{POLE},{lamp}]"));
    let manifests = parsed.into_result().unwrap();
    let names: Vec<_> = manifests.iter().map(|m| &*m.name).collect();
    assert_eq!(names, ["dtmi:city:pole;3", "dtmi:city:lamp;1"]);
    let Kind::Interface(pole) = &manifests[0].kind else {
        panic!("an interface")
    };
    let document: Value = serde_json::from_str(POLE).unwrap();
    assert_eq!(*pole, convert::from_document(&document).unwrap());
    // What is given out is taken again, and what is wrong is told as in a manifest.
    let again = manifest::parse(&manifest::to_yaml(&manifests));
    assert_eq!(again.into_result().unwrap(), manifests);
    let broken = manifest::parse(&lamp.replace("\"Interface\"", "\"Interfase\"")).problems;
    assert_eq!(broken[0].code, "invalid-model", "{broken:?}");
}

#[test]
fn an_interface_within_a_document_comes_with_it() {
    let text = r#"{"@context":"dtmi:dtdl:context;2","@id":"dtmi:t:outer;1","@type":"Interface","contents":[
      {"@type":"Component","name":"in","schema":{"@id":"dtmi:t:inner;1","@type":"Interface","contents":[{"@type":"Property","name":"p","schema":"long"}]}}]}"#;
    let manifests = manifest::parse(text).into_result().unwrap();
    let mut names: Vec<_> = manifests.iter().map(|m| &*m.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["dtmi:t:inner;1", "dtmi:t:outer;1"]);
}

#[test]
fn members_that_contradict_the_document_beside_them_are_refused() {
    let document: Value = serde_json::from_str(POLE).unwrap();
    let pole = manifest::Manifest::of_interface(convert::from_document(&document).unwrap());
    let same = manifest::to_yaml(std::slice::from_ref(&pole));
    assert_eq!(manifest::parse(&same).into_result().unwrap(), [pole]);
    for (from, to, part) in [
        ("degreeCelsius", "kelvin", "heat"),
        ("name: code", "name: codes", "code"),
        ("persistReal: true", "persistReal: false", "routing"),
    ] {
        // The document stands last, so the first of the text is a member.
        let changed = same.replacen(from, to, 1);
        assert_ne!(changed, same, "{from}");
        let problems = manifest::parse(&changed).problems;
        assert_eq!(problems[0].code, "contradictory-model", "{problems:?}");
        assert!(problems[0].message.contains(part), "{problems:?}");
        assert!(problems[0].pointer.ends_with("/spec/dtdl"), "{problems:?}");
    }
    let beside = format!(
        r#"{{"apiVersion":"gemelli.dev/v1","kind":"Interface","metadata":{{"name":"dtmi:city:pole;3"}},"spec":{{"open":true,"dtdl":{POLE}}}}}"#
    );
    assert_eq!(
        manifest::parse(&beside).problems[0].code,
        "contradictory-model"
    );
    // A log keeps what the document meant when it was applied, and is never compared.
    let kept: Value = serde_json::from_str(&beside).unwrap();
    assert!(manifest::from_value(&kept).is_ok());
}
