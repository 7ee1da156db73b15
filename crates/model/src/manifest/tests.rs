#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

/// Every problem as `code line:column pointer: message; remedy`.
fn problems(text: &str) -> String {
    let lines: Vec<_> = parse(text)
        .problems
        .iter()
        .map(|p| {
            format!(
                "{} {}:{} {}: {}; {}",
                p.code, p.line, p.column, p.pointer, p.message, p.remedy
            )
        })
        .collect();
    lines.join("\n")
}

const CITY: &str = r#"
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: pole }
spec:
  displayName: Pole
  extends: [thing]
  time: event
  properties:
    - { name: co, schema: double, unit: ppm }
    - name: state
      schema: { enum: [free, occupied] }
      writable: true
    - name: category
      schema: string
      derived: { expression: "classify(co, epa)", on: [co], expiresMs: 3600000, emit: virtual }
    - name: worst
      schema: { object: { fields: [ { name: level, schema: integer } ] } }
      derived:
        aggregate: { op: max, over: refPole, direction: incoming, interface: sensor, of: level, where: "edge.active" }
        emit: { command: { name: update, relationship: refNeighborhood } }
  telemetry:
    - { name: temperature, schema: double, history: false }
  commands:
    - { name: update, request: { map: string }, response: { array: long } }
  relationships:
    - { name: refNeighborhood, target: neighborhood, maxMultiplicity: 1 }
  components:
    - { name: lamp, interface: lamp }
  tables:
    epa: { source: EPA, edition: "2024", above: extend, rows: [ { from: 0, to: 4.4, low: 0, high: 50, class: GOOD }, { from: 4.5 } ] }
  fidelity: { maxAgeMs: 60000, ratePerHour: 6, minAvailability: 0.9 }
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: { name: pole-1 }
spec:
  interface: pole
  properties: { co: 8 }
  relationships:
    - { name: refNeighborhood, target: nb-1 }
    - { name: near, target: pole-2 }
    - { name: near, target: pole-3, properties: { metres: 30 } }
---
apiVersion: gemelli.dev/v1
kind: Connection
metadata: { name: beijing }
spec:
  topics:
    - pattern: sensors/{id}/aq
      interface: station
      twin: "{id}"
      payload: { co: "payload.CO / 1000.0", reliability: 1 }
      time: payload.ts
  presence: { pattern: "sensors/{id}/online", connected: "payload == 'yes'" }
"#;

#[test]
fn manifests_are_read_and_written_without_loss() {
    let manifests = parse(CITY).into_result().unwrap();
    let kinds: Vec<_> = manifests
        .iter()
        .map(|m| format!("{} {}", m.kind.as_str(), m.name))
        .collect();
    assert_eq!(
        kinds,
        ["Interface pole", "Twin pole-1", "Connection beijing"]
    );
    for manifest in &manifests {
        let value = to_value(manifest);
        assert_eq!(&from_value(&value).unwrap(), manifest, "{value}");
    }
    assert_eq!(
        parse(&to_yaml(&manifests)).into_result().unwrap(),
        manifests
    );
    let json = serde_json::to_string(&manifests.iter().map(to_value).collect::<Vec<_>>()).unwrap();
    assert_eq!(parse(&json).into_result().unwrap(), manifests);
}

#[test]
fn edges_get_ids() {
    let manifests = parse(CITY).into_result().unwrap();
    let Kind::Twin(twin) = &manifests[1].kind else {
        panic!()
    };
    let ids: Vec<_> = twin.relationships.iter().map(|r| &*r.id).collect();
    assert_eq!(ids, ["refNeighborhood", "near-pole-2", "near-pole-3"]);
}

#[test]
fn the_canonical_form_is_json() {
    let twin = "apiVersion: gemelli.dev/v1\nkind: Twin\nmetadata: {name: t}\nspec: {interface: i, properties: {a: 1}}";
    assert_eq!(
        to_value(&parse(twin).into_result().unwrap()[0]).to_string(),
        r#"{"apiVersion":"gemelli.dev/v1","kind":"Twin","metadata":{"name":"t"},"spec":{"interface":"i","properties":{"a":1}}}"#
    );
}

#[test]
fn all_problems_of_a_text_come_at_once_with_their_places() {
    let text = r#"apiVersion: gemelli.dev/v1
kind: Interface
metadata: { nmae: pole }
spec:
  propertys: []
  properties:
    - { name: co, schema: duble }
    - { name: co2 }
    - { name: a, schema: double, derived: {} }
    - { name: b, schema: double, derived: { aggregate: { op: max, over: r, direction: incoming } } }
    - { name: c, schema: double }
    - { name: c, schema: string }
    - { name: 7, schema: string }
---
apiVersion: gemelli.dev/v1
kind: Link
metadata: { name: l }
spec: {}
---
kind: Twn
metadata: { name: t }
spec: {}
---
apiVersion: gemelli.dev/v2
kind: Twin
"#;
    assert_eq!(
        problems(text),
        "\
unknown-field 3:13 /metadata/nmae: metadata has no field nmae; did you mean name?
missing-field 3:11 /metadata: metadata needs the field name; add name
unknown-field 5:3 /spec/propertys: the spec of an interface has no field propertys; did you mean properties?
wrong-type 7:27 /spec/properties/0/schema: duble is none of boolean, integer, long, float, double, string, date, time, dateTime, duration, byte, short, unsignedByte, unsignedShort, unsignedInteger, unsignedLong, bytes, decimal, uuid, any; did you mean double?
missing-field 8:7 /spec/properties/1: a property needs the field schema; add schema
missing-field 9:43 /spec/properties/2/derived: a derived property has exactly one of expression and aggregate; add one of the two
missing-field 10:56 /spec/properties/3/derived/aggregate: this aggregate needs of: what of the related twins it is computed from; add of
duplicate-id 12:7 /spec/properties/5: the name c is given twice in this interface; rename one of the two
wrong-type 13:15 /spec/properties/6/name: expected text, found integer 7; put it in quotes
unknown-kind 16:7 /kind: the kind Link belongs to a later version of Gemelli; leave it out for now; this version has Interface, Twin, Connection
missing-field 20:1 : a manifest needs the field apiVersion; add apiVersion
unknown-kind 20:7 /kind: there is no kind Twn; did you mean Twin?
unknown-kind 24:13 /apiVersion: apiVersion gemelli.dev/v2 is not known here; write gemelli.dev/v1"
    );
}

#[test]
fn objects_of_one_name_and_kind_come_once() {
    let twin =
        "apiVersion: gemelli.dev/v1\nkind: Twin\nmetadata: {name: t}\nspec: {interface: i}\n---\n";
    assert_eq!(
        problems(&twin.repeat(2)),
        "duplicate-id 6:1 : Twin t comes twice; keep one of the two; the first is at line 1"
    );
}

#[test]
fn connections_say_what_is_wrong_with_patterns() {
    for (pattern, wanted) in [
        ("a/{id}/b", ""),
        ("a/station-{id}/+/#", ""),
        ("", "is empty"),
        ("a/#/b", "has # before its end"),
        ("a/b+", "has # or + inside of the level b+"),
        ("a/{id}/{id}", "captures id twice"),
        (
            "a/{payload}",
            "captures payload, which means something else in expressions",
        ),
        (
            "a/{i d}",
            "has braces that name no capture in the level {i d}",
        ),
        ("a/{id", "has braces that name no capture in the level {id"),
    ] {
        let text = format!(
            "apiVersion: gemelli.dev/v1\nkind: Connection\nmetadata: {{name: c}}\nspec:\n  topics:\n  - {{pattern: \"{pattern}\", interface: i, twin: t}}"
        );
        let found = parse(&text).problems;
        let message = found.first().map(|p| p.message.clone()).unwrap_or_default();
        let wanted = if wanted.is_empty() {
            String::new()
        } else {
            format!("the pattern {pattern} {wanted}")
        };
        assert_eq!(message, wanted);
    }
}

#[test]
fn problems_are_bounded() {
    let many: String = (0..2 * MAX_PROBLEMS)
        .map(|n| format!("x{n}: 1\n"))
        .collect();
    assert_eq!(parse(&many).problems.len(), MAX_PROBLEMS);
}

#[test]
fn a_bare_command_is_told_the_form_of_emit() {
    let text = "apiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: {name: a}\nspec:\n  properties:\n    - {name: b, schema: boolean, derived: {expression: \"true\", emit: command}}";
    assert_eq!(
        problems(text),
        "missing-field 6:70 /spec/properties/0/derived/emit: emit: command names no command; write emit: { command: { name: …, relationship: … } }"
    );
}

#[test]
fn pointers_lead_to_places_in_the_text() {
    let text = "kind: x\n---\n- spec:\n    topics:\n      - a/b: 1\n      - twin: \"{id}\"\n        pattern: p\n";
    let begin = Place { line: 3, column: 3 };
    for (pointer, wanted) in [
        ("", (3, 3)),
        ("/spec/topics/1/twin", (6, 15)),
        ("/spec/topics/1/pattern", (7, 18)),
        ("/spec/topics/0/a~1b", (5, 14)),
        ("/spec/topics/1/absent", (6, 9)),
    ] {
        let place = place_of(text, begin, pointer).unwrap();
        assert_eq!((place.line, place.column), wanted, "{pointer}");
    }
    assert_eq!(place_of(text, Place::default(), ""), None);
}
