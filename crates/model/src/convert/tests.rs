#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use super::*;
use crate::{
    Schema,
    manifest::{self, Kind, Manifest},
};

const MILL: &str = r#"{"@context":["dtmi:dtdl:context;4","dtmi:dtdl:extension:quantitativeTypes;2"],"@id":"dtmi:t:mill;2","@type":"Interface",
  "displayName":{"en":"Mill","it":"Mulino"},"extends":["dtmi:t:machine;1"],
  "contents":[
    {"@type":["Property","Velocity"],"name":"speed","schema":"double","unit":"metrePerSecond","writable":true},
    {"@type":"Property","name":"code","schema":"unsignedByte"},
    {"@type":"Property","name":"none","schema":{"@type":"Enum","valueSchema":"string","enumValues":[]}},
    {"@type":"Telemetry","name":"at","schema":"point"},
    {"@type":"Command","name":"set","request":{"name":"to","schema":{"@type":"Map","mapKey":{"name":"k","schema":"string"},"mapValue":{"name":"v","schema":"dtmi:t:state;1"}}},"response":{"name":"ok","schema":"boolean"}},
    {"@type":"Relationship","name":"feeds","target":"dtmi:t:mill;2","maxMultiplicity":3,"properties":[{"@type":"Property","name":"share","schema":"float"}]},
    {"@type":"Component","name":"motor","schema":"dtmi:t:motor;1"}],
  "schemas":[{"@id":"dtmi:t:state;1","@type":"Enum","valueSchema":"integer","enumValues":[{"name":"off","enumValue":0},{"name":"on","enumValue":1}]}]}"#;

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_kind_of_content_becomes_a_member() {
    let mill = from_document(&value(MILL)).unwrap();
    assert_eq!(mill.display_name.as_deref(), Some("Mill"));
    assert_eq!(mill.extends[0].as_str(), "dtmi:t:machine;1");
    assert_eq!(mill.properties[0].unit.as_deref(), Some("metrePerSecond"));
    assert!(mill.properties[0].writable);
    assert_eq!(mill.properties[1].schema, Schema::UnsignedByte);
    let point = value(r#"{"type":"Point","coordinates":[1.5,2]}"#);
    assert!(mill.telemetry[0].schema.check(&point).is_ok());
    let wrong = value(r#"{"type":"Polygon","coordinates":[1.5,2]}"#);
    assert!(mill.telemetry[0].schema.check(&wrong).is_err());
    let request = mill.commands[0].request.as_ref().unwrap();
    assert!(request.check(&value(r#"{"a":1}"#)).is_ok());
    assert!(request.check(&value(r#"{"a":2}"#)).is_err());
    assert_eq!(mill.commands[0].request_name.as_deref(), Some("to"));
    assert_eq!(mill.relationships[0].max_multiplicity, Some(3));
    assert_eq!(mill.relationships[0].properties[0].schema, Schema::Float);
    assert_eq!(mill.components[0].interface.as_str(), "dtmi:t:motor;1");
}

#[test]
fn the_document_is_kept_as_it_was_written() {
    let text = format!(
        r#"[{MILL},
      {{"@context":"dtmi:dtdl:context;4","@id":"dtmi:t:machine;1","@type":"Interface"}},
      {{"@context":"dtmi:dtdl:context;4","@id":"dtmi:t:motor;1","@type":"Interface"}}]"#
    );
    let source = Source {
        name: "all.json".into(),
        text,
    };
    let read = read(&[source], &Options::default(), &mut |_| None).unwrap();
    assert_eq!(read.interfaces.len(), 3);
    let mill = read
        .interfaces
        .iter()
        .find(|i| i.id.as_str() == "dtmi:t:mill;2")
        .unwrap();
    assert_eq!(
        mill.dtdl.as_ref().unwrap().to_string(),
        value(MILL).to_string()
    );
    // The canonical form, in which a log keeps it, gives the same interface again.
    let manifest = Manifest::of_interface(mill.clone());
    let again = manifest::from_value(&manifest::to_value(&manifest)).unwrap();
    assert_eq!(again, manifest);
    assert_eq!(from_document(&value(MILL)).unwrap(), *mill);
}

#[test]
fn a_manifest_may_hold_nothing_but_the_document() {
    let manifest = format!(
        r#"{{"apiVersion":"gemelli.dev/v1","kind":"Interface","metadata":{{"name":"dtmi:t:mill;2"}},"spec":{{"dtdl":{MILL}}}}}"#
    );
    let manifests = manifest::parse(&manifest).into_result().unwrap();
    let Kind::Interface(mill) = &manifests[0].kind else {
        panic!("an interface")
    };
    assert_eq!(*mill, from_document(&value(MILL)).unwrap());
}

#[test]
fn a_document_in_a_manifest_is_checked_and_named_alike() {
    let faults = |name: &str, document: &str| -> Vec<(&'static str, String)> {
        let text = format!(
            r#"{{"apiVersion":"gemelli.dev/v1","kind":"Interface","metadata":{{"name":"{name}"}},"spec":{{"dtdl":{document}}}}}"#
        );
        let problems = manifest::parse(&text).problems;
        problems.into_iter().map(|p| (p.code, p.message)).collect()
    };
    let other = faults("dtmi:t:other;1", MILL);
    assert_eq!(other[0].0, "malformed-id", "{other:?}");
    let broken = faults("dtmi:t:mill;2", &MILL.replace("\"double\"", "\"number\""));
    assert!(
        broken[0].0 == "invalid-model" && broken[0].1.contains("number"),
        "{broken:?}"
    );
    let lacking = faults(
        "dtmi:t:mill;2",
        &MILL.replace("dtmi:t:state;1\"}}}", "dtmi:t:states;1\"}}}"),
    );
    assert_eq!(lacking[0].0, "invalid-model", "{lacking:?}");
}

#[test]
fn an_interface_within_another_gets_a_document_of_its_own() {
    let text = r#"{"@context":"dtmi:dtdl:context;2","@id":"dtmi:t:outer;1","@type":"Interface","contents":[
      {"@type":"Component","name":"in","schema":{"@id":"dtmi:t:inner;1","@type":"Interface","contents":[{"@type":"Property","name":"p","schema":"long"}]}}]}"#;
    let source = Source {
        name: "outer.json".into(),
        text: text.into(),
    };
    let read = read(&[source], &Options::default(), &mut |_| None).unwrap();
    let inner = read
        .interfaces
        .iter()
        .find(|i| i.id.as_str() == "dtmi:t:inner;1")
        .unwrap();
    let alone = from_document(inner.dtdl.as_ref().unwrap()).unwrap();
    assert_eq!(alone, *inner);
}
