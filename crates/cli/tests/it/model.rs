//! Models on disk: checked, shown, drawn, compared, converted, applied, and verdicts on cases.

use super::fixture::{Home, Server, root};

const LAMP: &str = r#"{
  "@context": "dtmi:dtdl:context;3",
  "@id": "dtmi:test:lamp;1",
  "@type": "Interface",
  "displayName": "Lamp",
  "contents": [
    { "@type": "Property", "name": "power", "schema": "double", "writable": true },
    { "@type": "Telemetry", "name": "states", "schema": { "@type": "Map",
      "mapKey": { "name": "hour", "schema": "string" },
      "mapValue": { "name": "on", "schema": "boolean" } } },
    { "@type": "Relationship", "name": "near", "target": "dtmi:test:lamp;1" }
  ]
}
"#;

const SMART: &str = r#"{
  "@context": "dtmi:dtdl:context;3",
  "@id": "dtmi:test:smartLamp;1",
  "@type": "Interface",
  "extends": "dtmi:test:lamp;1",
  "contents": [{ "@type": "Command", "name": "dim", "request": { "name": "to", "schema": "integer" } }]
}
"#;

fn home() -> (Home, String) {
    let home = Home::new();
    home.file("models/lamp.json", LAMP);
    home.file("models/deeper/smart.json", SMART);
    let models = home.path.join("models").display().to_string();
    (home, models)
}

#[test]
fn a_valid_set_is_a_tree_with_counts() {
    let (home, models) = home();
    let ran = home.run(&["model", "check", &models]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let rows: Vec<Vec<&str>> = ran
        .out
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(rows[1], ["dtmi:test:lamp;1", "1", "1", "0", "1", "0"]);
    assert_eq!(rows[2], ["dtmi:test:smartLamp;1", "1", "1", "1", "1", "0"]);
    assert!(ran.out.contains("\n  dtmi:test:smartLamp;1"), "{}", ran.out);
    assert!(ran.err.contains("valid: 2 interfaces"), "{}", ran.err);
}

#[test]
fn every_error_is_told_with_its_place() {
    let (home, models) = home();
    home.file(
        "models/bad.json",
        &SMART
            .replace("smartLamp", "bad")
            .replace("integer", "intger"),
    );
    home.file("models/worse.json", "{\n  \"@id\": [1,,2]\n}\n");
    let ran = home.run(&["model", "check", &models]);
    assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("error[invalid-model]: "), "{}", ran.err);
    assert!(ran.err.contains("worse.json:2:13"), "{}", ran.err);
}

#[test]
fn what_no_document_defines_is_named() {
    let (home, models) = home();
    let ran = home.run(&["model", "check", &format!("{models}/deeper")]);
    assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("error[incomplete-model]: "), "{}", ran.err);
    assert!(ran.err.contains("dtmi:test:lamp;1"), "{}", ran.err);
}

#[test]
fn what_cannot_be_read_is_said() {
    let (home, models) = home();
    assert_eq!(home.run(&["model", "check", "/nowhere"]).code, 4);
    let empty = home.path.join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(
        home.run(&["model", "check", &empty.display().to_string()])
            .code,
        4
    );
    assert_eq!(
        home.run(&["model", "show", "dtmi:test:gone;1", &models])
            .code,
        4
    );
}

#[test]
fn an_interface_is_shown_with_what_it_inherits() {
    let (home, models) = home();
    let ran = home.run(&[
        "model",
        "show",
        "dtmi:test:smartLamp;1",
        &models,
        "-o",
        "json",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let rows: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let shown: Vec<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row["name"], row["kind"], row["schema"], row["from"]
            )
        })
        .map(|row| row.replace('"', ""))
        .collect();
    assert_eq!(
        shown,
        [
            "dim Command (integer) dtmi:test:smartLamp;1",
            "near Relationship dtmi:test:lamp;1 dtmi:test:lamp;1",
            "power Property double dtmi:test:lamp;1",
            "states Telemetry {*: boolean} dtmi:test:lamp;1",
        ]
    );
}

#[test]
fn a_set_is_drawn_in_two_languages() {
    let (home, models) = home();
    let dot = home.run(&["model", "graph", &models]);
    assert_eq!(dot.code, 0, "{}", dot.err);
    assert!(
        dot.out.contains("\"dtmi:test:lamp;1\" [label=\"Lamp\"];"),
        "{}",
        dot.out
    );
    assert!(
        dot.out.contains("[label=\"extends\", arrowhead=empty]"),
        "{}",
        dot.out
    );
    let mermaid = home.run(&["model", "graph", &models, "--to", "mermaid"]);
    assert!(mermaid.out.starts_with("flowchart LR\n"), "{}", mermaid.out);
    assert!(mermaid.out.contains("-->|\"near\"|"), "{}", mermaid.out);
}

#[test]
fn another_service_takes_less_and_a_fork_is_mended_only_by_name() {
    let (home, models) = home();
    let ran = home.run(&["model", "check", &models, "--strict", "adt"]);
    assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("error[not-portable]: the command dim"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("smart.json:6:"), "{}", ran.err);
    let lamp = format!("{models}/lamp.json");
    assert_eq!(
        home.run(&["model", "check", &lamp, "--strict", "adt"]).code,
        0
    );
    let fork = LAMP.replace("\"dtmi:test:lamp;1\"", "\"test:Lamp\"");
    let fork = home.file("fork.json", &fork);
    assert_eq!(home.run(&["model", "check", &fork]).code, 5);
    let ran = home.run(&["model", "check", &fork, "--lenient", "ktwin", "-o", "name"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out, "interface/dtmi:test:Lamp;1\n");
    assert!(ran.err.contains("warning: "), "{}", ran.err);
}

#[test]
fn versions_are_compared_and_what_breaks_ends_with_one() {
    let (home, models) = home();
    let wider = LAMP.replace("lamp;1", "lamp;2");
    let wider = home.file("wider.json", &wider);
    let lamp = format!("{models}/lamp.json");
    let ran = home.run(&["model", "diff", &lamp, &wider]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let narrower = LAMP.replace("\"double\"", "\"integer\"");
    let narrower = home.file("narrower.json", &narrower);
    let ran = home.run(&["model", "diff", &lamp, &narrower, "-o", "json"]);
    assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
    let rows: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(rows[0]["impact"], "breaking");
    assert_eq!(rows[0]["member"], "power");
}

#[test]
fn models_go_out_and_come_back() {
    let (home, models) = home();
    for (language, wanted) in [
        ("dtdl", "\"@context\": \"dtmi:dtdl:context;3\""),
        ("ktwin", "kind: TwinInterface"),
        ("jsonschema", "draft/2020-12"),
        ("td", "tm:extends"),
    ] {
        let ran = home.run(&["model", "export", &models, "--to", language]);
        assert_eq!(ran.code, 0, "{language}: {}", ran.err);
        assert!(ran.out.contains(wanted), "{language}: {}", ran.out);
        let lacks = ["ktwin", "td"].contains(&language);
        assert_eq!(
            ran.err.contains("left out"),
            lacks,
            "{language}: {}",
            ran.err
        );
    }
    let things = home.path.join("things").display().to_string();
    let ran = home.run(&["model", "export", &models, "--to", "td", "--dir", &things]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let smart = home.path.join("things/test-smartlamp-1.tm.jsonld");
    let smart = std::fs::read_to_string(smart).unwrap();
    assert!(smart.contains("./test-lamp-1.tm.jsonld"), "{smart}");
    let ran = home.run(&["model", "import", &models]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let imported = home.file("imported.yaml", &ran.out);
    let ran = home.run(&["model", "diff", &models, &imported]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
}

#[test]
fn documents_are_applied_as_they_are() {
    let server = Server::start(&[]);
    let home = &server.home;
    let set = home.file("set.json", &format!("[{LAMP},{SMART}]"));
    let ran = home.run(&["apply", "-f", &set]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.out.contains("interface/dtmi:test:smartLamp;1 created"),
        "{}",
        ran.out
    );
    let ran = home.run(&["get", "interfaces", "dtmi:test:lamp;1", "-o", "json"]);
    let held: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        held["spec"]["dtdl"]["@id"], "dtmi:test:lamp;1",
        "{}",
        ran.out
    );
    let again = home.run(&["apply", "-f", &set]);
    assert!(again.out.contains("unchanged"), "{}", again.out);
}

#[test]
fn cases_get_verdicts_in_their_order() {
    let home = Home::new();
    let case = format!(
        r#"{{"name":"a","input":[{}],"instances":[{{"subject":"dtmi:dtdl:instance:Schema:double;2","submit":"1"}},{{"subject":"dtmi:test:lamp;1","submit":"1"}}]}}"#,
        LAMP.replace('\n', " ")
    );
    let bad = r#"{"name":"b","input":[1],"valid":true}"#;
    let cases = home.file("cases.jsonl", &format!("{case}\n{bad}\n"));
    let ran = home.run(&["model", "verdict", &cases]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lines: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["name"], &lines[1]["name"]),
        (&"a".into(), &"b".into())
    );
    assert_eq!(
        (&lines[0]["valid"], &lines[1]["valid"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        lines[0]["instances"],
        serde_json::json!(["conforms", "throws"])
    );
    let broken = home.file("broken.jsonl", "{}\n");
    assert_eq!(home.run(&["model", "verdict", &broken]).code, 5);
}

#[test]
fn the_smart_city_ontology_is_one_valid_set() {
    let ontology = root().join("../shared/data/opendigitaltwins-smartcities");
    if !ontology.is_dir() {
        println!("skipped: smart-cities: {} is not there", ontology.display());
        return;
    }
    let home = Home::new();
    let ran = home.run(&[
        "model",
        "check",
        &ontology.display().to_string(),
        "-o",
        "name",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 63, "{}", ran.out);
}
