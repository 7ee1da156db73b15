#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::dtdl::{self, Options, Outcome, Source};

fn objects(text: &str) -> Objects {
    let source = Source {
        name: "test.json".into(),
        text: text.into(),
    };
    match dtdl::parse(&[source], &Options::default(), &mut |_| None) {
        Outcome::Valid(model) => Objects::of(&model).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn contents_are_inherited_once_in_the_order_of_extends() {
    let objects = objects(
        r#"[
        {"@context":"dtmi:dtdl:context;3","@id":"dtmi:t:top;1","@type":"Interface","contents":[
          {"@type":"Property","name":"a","schema":"double","writable":true}]},
        {"@context":"dtmi:dtdl:context;3","@id":"dtmi:t:left;1","@type":"Interface","extends":"dtmi:t:top;1","contents":[
          {"@type":"Telemetry","name":"l","schema":"long"}]},
        {"@context":"dtmi:dtdl:context;3","@id":"dtmi:t:right;1","@type":"Interface","extends":"dtmi:t:top;1","contents":[
          {"@type":"Component","name":"r","schema":"dtmi:t:part;1"}]},
        {"@context":"dtmi:dtdl:context;3","@id":"dtmi:t:part;1","@type":"Interface"},
        {"@context":"dtmi:dtdl:context;3","@id":"dtmi:t:both;1","@type":"Interface","extends":["dtmi:t:left;1","dtmi:t:right;1"],"contents":[
          {"@type":"Property","name":"own","schema":"string"}]}]"#,
    );
    let both = objects.get("dtmi:t:both;1").unwrap();
    let names: Vec<&str> = both.contents.iter().map(|c| &*c.name).collect();
    assert_eq!(names, ["a", "l", "r", "own"]);
    assert_eq!(both.own().count(), 1);
    assert!(objects.is_a("dtmi:t:both;1", "dtmi:t:top;1"));
    assert!(!objects.is_a("dtmi:t:top;1", "dtmi:t:both;1"));
    let (here, there) = (
        both.content("a").unwrap(),
        objects.content("dtmi:t:top;1", "a").unwrap(),
    );
    assert!(Arc::ptr_eq(here, there), "an inherited content is shared");
}

#[test]
fn extensions_say_what_the_product_asks_for() {
    let objects = objects(
        r#"{"@context":["dtmi:dtdl:context;4","dtmi:dtdl:extension:mqtt;3","dtmi:dtdl:extension:annotation;2","dtmi:dtdl:extension:overriding;2","dtmi:dtdl:extension:historization;2","dtmi:dtdl:extension:quantitativeTypes;2"],
        "@id":"dtmi:t:m;1","@type":["Interface","Mqtt"],"payloadFormat":"Json/ecma/404","telemetryTopic":"plant/{modelId}/telemetry",
        "displayName":{"en":"Mill","it":"Mulino"},"comment":"kept",
        "contents":[
          {"@type":["Property","Historized","Temperature"],"name":"heat","schema":"double","unit":"kelvin"},
          {"@type":["Property","ValueAnnotation","Override"],"name":"heatUnit","annotates":"heat","overrides":"unit","schema":"TemperatureUnit"},
          {"@type":"Command","name":"stop","request":{"name":"why","schema":"string","nullable":true}}]}"#,
    );
    let mill = objects.get("dtmi:t:m;1").unwrap();
    let mqtt = mill.mqtt.as_ref().unwrap();
    assert_eq!(
        mqtt.telemetry_topic.as_deref(),
        Some("plant/{modelId}/telemetry")
    );
    assert_eq!(shown(&mill.labels.display_name), Some("Mill"));
    assert_eq!(mill.labels.display_name.get("it").unwrap(), "Mulino");
    assert_eq!(mill.labels.comment.as_deref(), Some("kept"));
    let kept: Vec<&str> = mill.historized().map(|c| &*c.name).collect();
    assert_eq!(kept, ["heat"]);
    let annotation = mill.content("heatUnit").unwrap();
    assert_eq!(annotation.annotates.as_deref(), Some("heat"));
    assert_eq!(annotation.overrides.as_deref(), Some("unit"));
    let ContentKind::Command { request, response } = &mill.content("stop").unwrap().kind else {
        panic!("a command")
    };
    assert!(request.as_ref().unwrap().nullable && response.is_none());
}

#[test]
fn schemas_that_contain_themselves_check_values_of_any_depth() {
    let objects = objects(
        r#"{"@context":"dtmi:dtdl:context;4","@id":"dtmi:t:tree;1","@type":"Interface",
        "contents":[{"@type":"Property","name":"root","schema":"dtmi:t:node;1"}],
        "schemas":[{"@id":"dtmi:t:node;1","@type":"Object","fields":[
          {"name":"label","schema":"string"},
          {"name":"children","schema":{"@type":"Array","elementSchema":"dtmi:t:node;1"}}]}]}"#,
    );
    let root = objects.content("dtmi:t:tree;1", "root").unwrap();
    let schema = root.schema().unwrap();
    assert!(matches!(schema, Schema::Recursive(_)), "{schema:?}");
    let value = |text| serde_json::from_str::<crate::Value>(text).unwrap();
    let deep = r#"{"label":"a","children":[{"label":"b","children":[{"label":"c"}]}]}"#;
    assert!(schema.check(&value(deep)).is_ok());
    let wrong = r#"{"label":"a","children":[{"children":[{"label":5}]}]}"#;
    let mismatch = schema.check(&value(wrong)).unwrap_err();
    assert_eq!(mismatch.path, "/children/0/children/0/label");
}

#[test]
fn a_schema_that_multiplies_is_refused() {
    let mut schemas = String::new();
    for level in 0..7 {
        let inner = match level {
            6 => "\"string\"".to_owned(),
            _ => format!("\"dtmi:t:s{};1\"", level + 1),
        };
        let fields: Vec<String> = (0..12)
            .map(|n| format!(r#"{{"name":"f{n}","schema":{inner}}}"#))
            .collect();
        let fields = fields.join(",");
        schemas += &format!(
            r#"{}{{"@id":"dtmi:t:s{level};1","@type":"Object","fields":[{fields}]}}"#,
            if level == 0 { "" } else { "," }
        );
    }
    let text = format!(
        r#"{{"@context":"dtmi:dtdl:context;4","@id":"dtmi:t:i;1","@type":"Interface","contents":[{{"@type":"Property","name":"p","schema":"dtmi:t:s0;1"}}],"schemas":[{schemas}]}}"#
    );
    let source = Source {
        name: "test.json".into(),
        text,
    };
    let Outcome::Valid(model) = dtdl::parse(&[source], &Options::default(), &mut |_| None) else {
        panic!("valid DTDL")
    };
    assert!(Objects::of(&model).is_err());
}
