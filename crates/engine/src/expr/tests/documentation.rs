//! The examples of docs/expressions.md, run: lines `expression // result` in its blocks, after an
//! optional line `given { … }` with the members' values.

use super::*;

#[test]
fn every_example_of_the_documentation_gives_what_it_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/expressions.md");
    let text = std::fs::read_to_string(path).expect("docs/expressions.md is there");
    let mut ran = 0;
    let mut given = Twin::default();
    let mut inside = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = language == "cel";
            given = Twin::default();
        } else if inside && let Some(json) = line.strip_prefix("given ") {
            given = twin(json);
        } else if inside && let Some((source, expected)) = line.split_once(" // ") {
            let found = eval(source.trim(), &given);
            let expected: Value = serde_json::from_str(expected.trim()).expect(line);
            assert_eq!(found, expected.to_string(), "{line}");
            ran += 1;
        }
    }
    for (name, ..) in functions::FUNCTIONS {
        assert!(text.contains(&format!("{name}(")), "{name} has no example");
    }
    assert!(ran >= 60, "only {ran} examples");
}

/// Members; those under `prev` and `since` are what these functions give.
fn twin(json: &str) -> Twin {
    let all: BTreeMap<String, Value> = serde_json::from_str(json).expect(json);
    let mut twin = Twin {
        now: all.clone(),
        ..Twin::default()
    };
    if let Some(Value::Object(fields)) = all.get("prev") {
        twin.before = fields
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
    }
    if let Some(Value::Object(fields)) = all.get("since") {
        let ms = |value: &Value| value.as_f64().map_or(0, |ms| ms as i64);
        twin.since = fields
            .iter()
            .map(|(name, value)| (name.to_string(), ms(value)))
            .collect();
    }
    twin
}
