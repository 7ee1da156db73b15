//! Verdicts on the sample of public cases, where it is at hand: they are decided from what is
//! submitted alone, and every value check is right.

use gemelli_model::dtdl::{json, verdict};
use serde_json::{Value, json};

const CASES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/dtdl/cases"
);

/// The lines of a version; nothing, said so, where the folder is absent.
fn lines(test: &str, version: u8) -> Vec<String> {
    let path = format!("{CASES}/models-v{version}.jsonl");
    match std::fs::read_to_string(&path) {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(_) => {
            println!("skipped: {test}: {path} is not there");
            Vec::new()
        }
    }
}

fn decided(line: &str) -> Value {
    serde_json::from_str(&verdict::line(line).unwrap()).unwrap()
}

fn instances(case: &Value) -> &[Value] {
    case["instances"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn value_checks_through_the_parser() {
    for version in [2, 3, 4] {
        let mut checked = 0;
        for line in lines("dtdl-value-checks", version) {
            let case: Value = serde_json::from_str(&line).unwrap();
            let verdict = decided(&line);
            for (at, instance) in instances(&case).iter().enumerate() {
                let found = &verdict["instances"][at];
                assert_eq!(*found, instance["outcome"], "{} {instance}", case["name"]);
                checked += 1;
            }
        }
        println!("version {version}: {checked} value checks right through the parser");
    }
}

/// A case with what it expects removed, or turned round; what it submits stays to the letter.
fn disguised(line: &str, turned: bool) -> String {
    let case: Value = serde_json::from_str(line).unwrap();
    let document = json::parse(line.as_bytes()).unwrap();
    let mut parts: Vec<String> = ["name", "input", "options", "resolution"]
        .iter()
        .filter_map(|key| Some((key, document.root.get(key)?)))
        .map(|(key, node)| {
            let text = &line[node.start as usize..node.end as usize];
            format!("{}:{text}", json!(key))
        })
        .collect();
    let told: Vec<Value> = instances(&case)
        .iter()
        .map(|instance| {
            let mut told = json!({"subject": instance["subject"], "submit": instance["submit"]});
            if turned {
                let conforms = instance["outcome"] == "conforms";
                told["outcome"] = json!(if conforms { "violates" } else { "conforms" });
            }
            told
        })
        .collect();
    parts.push(format!("\"instances\":{}", json!(told)));
    if turned {
        let expect = json!({"errorIds": ["turned"], "unresolved": ["dtmi:x;1"], "elementCount": 1});
        parts.push(format!("\"valid\":{}", case["valid"] != json!(true)));
        parts.push(format!(
            "\"expect\":{expect},\"dtdlVersion\":9,\"suite\":\"turned\""
        ));
    }
    format!("{{{}}}", parts.join(","))
}

#[test]
fn expectations_do_not_reach_the_verdict() {
    for version in [2, 3, 4] {
        for line in lines("dtdl-expectations", version) {
            let verdict = decided(&line);
            for turned in [false, true] {
                assert_eq!(decided(&disguised(&line, turned)), verdict, "{line}");
            }
        }
    }
}

#[test]
fn a_line_that_is_no_case_says_why() {
    let faults = [
        ("", "not JSON"),
        ("[1]", "a case has input"),
        ("{\"input\": 1}", "a case has input"),
        (
            "{\"input\": [], \"instances\": [{\"subject\": \"x\"}]}",
            "a case has subject",
        ),
    ];
    for (line, expected) in faults {
        let fault = verdict::line(line).unwrap_err().to_string();
        assert!(fault.starts_with(expected), "{fault}");
    }
}

/// A document of version 4 with a schema for each case below, each under its own Property.
fn version_4(schema: &str) -> String {
    format!(
        "[{{\"@context\": \"dtmi:dtdl:context;4\", \"@id\": \"dtmi:t:i;1\", \"@type\": \"Interface\", \
         \"contents\": [{{\"@type\": \"Telemetry\", \"name\": \"x\", \"schema\": {schema}}}]}}]"
    )
}

#[test]
fn schemas_of_the_language_itself_take_values() {
    let cases = [
        (
            "\"point\"",
            "dtmi:standard:schema:geospatial:point;4",
            "{\"type\": \"Point\", \"coordinates\": [1, 2.5]}",
            "{\"type\": \"Pint\", \"coordinates\": [1, 2.5]}",
        ),
        (
            "\"multiPolygon\"",
            "dtmi:standard:schema:geospatial:multiPolygon;4",
            "{\"type\": \"MultiPolygon\", \"coordinates\": [[[[1, 2], [3, 4]]]]}",
            "{\"type\": \"MultiPolygon\", \"coordinates\": [[[1, 2], [3, 4]]]}",
        ),
        (
            "\"scaledDecimal\"",
            "dtmi:standard:schema:scaledDecimal;4",
            "{\"scale\": 7, \"value\": \"1234.56\"}",
            "{\"scale\": 7, \"value\": 1234.56}",
        ),
        (
            "\"unsignedLong\"",
            "dtmi:dtdl:instance:Schema:unsignedLong;4",
            "18446744073709551615",
            "-0",
        ),
        (
            "{\"@id\": \"dtmi:t:tree;1\", \"@type\": \"Array\", \"elementSchema\": \"dtmi:t:tree;1\"}",
            "dtmi:t:tree;1",
            "[[], [[[]]]]",
            "[[], [[[0]]]]",
        ),
    ];
    for (schema, subject, sound, broken) in cases {
        let instances = json!([
            {"subject": subject, "submit": sound},
            {"subject": subject, "submit": broken},
            {"subject": "dtmi:t:i;1", "submit": sound},
        ]);
        let input = version_4(schema);
        let line = format!("{{\"input\": {input}, \"instances\": {instances}}}");
        let verdict = decided(&line);
        assert_eq!(verdict["valid"], json!(true), "{schema}: {verdict}");
        let expected = json!(["conforms", "violates", "throws"]);
        assert_eq!(verdict["instances"], expected, "{schema}");
    }
}
