//! Reports, store events, commands: what they change, and what is refused.

use crate::world::{World, code, command, real};
use gemelli_event::{Body, Category, record::Event};

const ROOM: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: room}
spec:
  properties:
    - {name: temperature, schema: double}
    - {name: humidity, schema: double}
    - {name: state, schema: string}
    - name: dewPoint
      schema: double
      derived: {expression: \"temperature - (100 - humidity) / 5\"}
  telemetry:
    - {name: level, schema: integer}
    - {name: noise, schema: double, last: false}
  commands:
    - {name: setLevel, request: integer}
  relationships:
    - {name: next, target: room}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: Legacy}
spec:
  ignoreCase: true
  open: true
  properties:
    - {name: windSpeed, schema: double}
    - {name: box, schema: any}
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: {name: attic}
spec: {interface: room}
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: {name: cellar}
spec:
  interface: room
  relationships: [{name: next, target: attic}]
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: {name: legacy-A}
spec: {interface: Legacy}
";

#[test]
fn reports_change_members_and_what_is_computed_from_them() {
    let mut world = World::of(ROOM);
    for (payload, verdict, dew_point) in [
        (r#"{"temperature": 20}"#, "accepted", "null"),
        (r#"{"humidity": 50, "state": "dry"}"#, "accepted", "10.0"),
        (
            r#"{"temperature": 21.5, "ceId": "x", "timestamp": "2026-01-01T00:00:00Z"}"#,
            "accepted",
            "11.5",
        ),
        (
            r#"{"dewPoint": 99, "level": 3, "noise": 1.5}"#,
            "accepted",
            "11.5",
        ),
        (r#"{"temperature": null}"#, "accepted", "null"),
        (
            r#"{"temperature": 1, "temperature": 2}"#,
            "accepted",
            "-8.0",
        ),
        (
            r#"{"temperature": 30, "humidty": 1}"#,
            "unknown-field",
            "-8.0",
        ),
        (r#"{"temperature": "warm"}"#, "wrong-type", "-8.0"),
        (r#"{"temperature": 30"#, "malformed-json", "-8.0"),
        (r#"{"temperature": 30} x"#, "malformed-json", "-8.0"),
        ("", "malformed-json", "-8.0"),
        ("[1]", "wrong-type", "-8.0"),
        (r#"{"level": 1.5}"#, "wrong-type", "-8.0"),
    ] {
        assert_eq!(code(&world.report("attic", payload)), verdict, "{payload}");
        assert_eq!(world.get("attic", "dewPoint"), dew_point, "{payload}");
    }
    assert_eq!(world.get("attic", "level"), "3");
    assert_eq!(world.get("attic", "noise"), "null", "only passed on");
    assert_eq!(world.get("attic", "state"), "\"dry\"");
    world.check_hashes(5);
}

#[test]
fn events_that_cannot_be_are_refused_with_a_remedy() {
    let mut world = World::of(ROOM);
    let before = world.engine.state_hash();
    let records = world.log.len();
    let mut stranger = real(&world.engine, "attic", "{}");
    stranger.interface = "Legacy".into();
    for (event, wanted) in [
        (
            real(&world.engine, "nobody", "{}"),
            "unknown-twin: twin nobody does not exist; create it, or mend the id",
        ),
        (
            stranger,
            "unknown-interface: twin attic is of interface room, not Legacy; send it to interface room",
        ),
        (
            real(&world.engine, "attic", r#"{"temprature": 1}"#),
            "unknown-field: interface room has no member temprature; did you mean temperature?",
        ),
    ] {
        let verdict = world.batch(vec![Body::Event(event)]).remove(0);
        let gemelli_engine::Verdict::Rejected(rejection) = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(rejection.to_string(), wanted);
    }
    assert_eq!(
        world.engine.state_hash(),
        before,
        "a refused event leaves no trace"
    );
    assert_eq!(world.log.len(), records);
}

#[test]
fn an_id_counts_once_within_the_window_of_its_source() {
    let mut world = World::of(ROOM);
    assert_eq!(
        code(&world.report_id("attic", "attic#1", r#"{"temperature": 1}"#)),
        "accepted"
    );
    assert_eq!(
        code(&world.report_id("attic", "attic#1", r#"{"temperature": 2}"#)),
        "duplicate"
    );
    assert_eq!(world.get("attic", "temperature"), "1.0");
    // A refused event does not use its id up.
    assert_eq!(
        code(&world.report_id("attic", "attic#2", "{")),
        "malformed-json"
    );
    assert_eq!(
        code(&world.report_id("attic", "attic#2", r#"{"temperature": 2}"#)),
        "accepted"
    );
    // Other twins, other sources and events without an id are not concerned.
    assert_eq!(
        code(&world.report_id("cellar", "attic#1", "{}")),
        "accepted"
    );
    let gateway = Event {
        id: Some("attic#1".into()),
        source: Some("gateway".into()),
        ..real(&world.engine, "attic", "{}")
    };
    assert_eq!(
        code(&world.batch(vec![Body::Event(gateway)])[0]),
        "accepted"
    );
    assert_eq!(code(&world.report("attic", "{}")), "accepted");
    assert_eq!(code(&world.report("attic", "{}")), "accepted");
    // The window holds the last 32.
    for n in 3..=33 {
        assert_eq!(
            code(&world.report_id("attic", &format!("attic#{n}"), "{}")),
            "accepted"
        );
    }
    assert_eq!(
        code(&world.report_id("attic", "attic#2", "{}")),
        "duplicate"
    );
    assert_eq!(
        code(&world.report_id("attic", "attic#1", "{}")),
        "accepted",
        "older than the window"
    );
    world.check_hashes(20);
}

#[test]
fn store_events_merge_and_are_never_taken_for_duplicates() {
    let mut world = World::of(ROOM);
    let store = |payload: &str| Event {
        category: Category::Store,
        interface: "legacy".into(),
        twin: "LEGACY-a".into(),
        id: Some("same".into()),
        ..real(&World::default().engine, "legacy-A", payload)
    };
    for payload in [
        r#"{"WINDSPEED": 3.5, "Box": {"a": 1, "b": {"c": true}}, "unknown": 1}"#,
        r#"{"box": {"A": 0, "b": {"d": false}}, "msg_count": 7}"#,
    ] {
        assert_eq!(
            code(&world.batch(vec![Body::Event(store(payload))])[0]),
            "accepted"
        );
    }
    assert_eq!(world.get("legacy-A", "windSpeed"), "3.5");
    assert_eq!(
        world.get("legacy-a", "box"),
        r#"{"a":0,"b":{"c":true,"d":false}}"#
    );
    assert_eq!(
        world.twin("legacy-A").last_report_ms(),
        None,
        "the device said nothing"
    );
}

#[test]
fn commands_reach_related_twins_only() {
    let mut world = World::of(ROOM);
    for (sender, receiver, name, payload, wanted) in [
        (Some("cellar"), "attic", "setLevel", "3", "accepted"),
        (Some("cellar"), "attic", "setlevel", "3", "accepted"),
        (None, "attic", "setLevel", "3", "accepted"),
        (Some("attic"), "cellar", "setLevel", "3", "no-relationship"),
        (Some("nobody"), "attic", "setLevel", "3", "unknown-twin"),
        (Some("cellar"), "nobody", "setLevel", "3", "unknown-twin"),
        (Some("cellar"), "attic", "setLevle", "3", "unknown-command"),
        (Some("cellar"), "attic", "setLevel", "true", "wrong-type"),
        (Some("cellar"), "attic", "setLevel", "{", "malformed-json"),
    ] {
        let body = command(&world.engine, sender, receiver, name, payload);
        assert_eq!(
            code(&world.batch(vec![body])[0]),
            wanted,
            "{sender:?} {name} {payload}"
        );
    }
}
