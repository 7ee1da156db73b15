//! The API's commands: what they change, what they refuse, what a dry run says.

use crate::world::{World, code, edge, json};
use gemelli_engine::Verdict;
use gemelli_event::{Body, record::Command};

const HOUSE: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: room}
spec:
  properties:
    - {name: temperature, schema: double}
    - {name: place, schema: {object: {fields: [{name: floor, schema: integer}, {name: side, schema: string}]}}}
    - name: warm
      schema: boolean
      derived: {expression: temperature > 20.0}
  relationships:
    - {name: door, target: room, maxMultiplicity: 2}
    - {name: heater, target: heater}
---
{apiVersion: gemelli.dev/v1, kind: Interface, metadata: {name: heater}, spec: {}}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: hall}, spec: {interface: room, properties: {temperature: 20}}}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: oven}, spec: {interface: heater}}
";

fn put(twin: &str, interface: &str, properties: &str, only_new: bool) -> Command {
    Command::Put {
        twin: twin.into(),
        interface: interface.into(),
        properties: json(properties),
        only_new,
    }
}

fn patch(twin: &str, patch: &str) -> Command {
    Command::Patch {
        twin: twin.into(),
        patch: json(patch),
        if_match: None,
        strict: false,
    }
}

#[test]
fn commands_answer_as_their_dry_run() {
    let mut world = World::of(HOUSE);
    for (command, wanted) in [
        (
            put("kitchen", "room", r#"{"temperature": 21}"#, true),
            "answer",
        ),
        (put("kitchen", "room", "{}", true), "already-exists"),
        (put("kitchen", "romo", "{}", false), "unknown-interface"),
        (
            put("kitchen", "room", r#"{"temperture": 1}"#, false),
            "unknown-field",
        ),
        (
            put("kitchen", "room", r#"{"warm": true}"#, false),
            "computed-member",
        ),
        (
            put("kitchen", "room", r#"{"temperature": "x"}"#, false),
            "wrong-type",
        ),
        (put("kitchen", "room", "[]", false), "wrong-type"),
        (put("", "room", "{}", false), "malformed-id"),
        (
            patch(
                "kitchen",
                r#"[{"op":"replace","path":"/temperature","value":18}]"#,
            ),
            "answer",
        ),
        (
            patch(
                "kitchen",
                r#"[{"op":"add","path":"/place","value":{"floor":1}}]"#,
            ),
            "answer",
        ),
        (
            patch(
                "kitchen",
                r#"[{"op":"add","path":"/place/side","value":"north"}]"#,
            ),
            "answer",
        ),
        (
            patch(
                "kitchen",
                r#"[{"op":"test","path":"/place/side","value":"north"}]"#,
            ),
            "answer",
        ),
        (
            patch(
                "kitchen",
                r#"[{"op":"test","path":"/place/side","value":"south"}]"#,
            ),
            "precondition-failed",
        ),
        (
            patch(
                "kitchen",
                r#"[{"op":"add","path":"/place/roof","value":1}]"#,
            ),
            "unknown-field",
        ),
        (
            patch("kitchen", r#"[{"op":"move","path":"/place"}]"#),
            "malformed-patch",
        ),
        (
            patch(
                "kitchen",
                r#"[{"op":"replace","path":"/warm","value":true}]"#,
            ),
            "computed-member",
        ),
        (patch("nowhere", "[]"), "unknown-twin"),
        (
            Command::Relate {
                edge: edge("hall", "door", "kitchen"),
                only_new: false,
            },
            "answer",
        ),
        (
            Command::Relate {
                edge: edge("hall", "heater", "kitchen"),
                only_new: false,
            },
            "wrong-type",
        ),
        (
            Command::Relate {
                edge: edge("hall", "dor", "kitchen"),
                only_new: false,
            },
            "unknown-field",
        ),
        (
            Command::Relate {
                edge: edge("hall", "door", "nowhere"),
                only_new: false,
            },
            "unknown-twin",
        ),
        (
            Command::Delete {
                twin: "kitchen".into(),
                if_match: None,
            },
            "has-relationships",
        ),
        (
            Command::Delete {
                twin: "hall".into(),
                if_match: None,
            },
            "has-relationships",
        ),
        (
            Command::Unrelate {
                source: "hall".into(),
                id: "nothing".into(),
                if_match: None,
            },
            "not-found",
        ),
        (
            Command::Unrelate {
                source: "hall".into(),
                id: "door-kitchen".into(),
                if_match: None,
            },
            "accepted",
        ),
        (
            Command::Delete {
                twin: "kitchen".into(),
                if_match: Some("W/\"9\"".into()),
            },
            "precondition-failed",
        ),
        (
            Command::Delete {
                twin: "kitchen".into(),
                if_match: Some("*".into()),
            },
            "accepted",
        ),
        (
            Command::Remove {
                kind: "Interface".into(),
                name: "room".into(),
            },
            "in-use",
        ),
        (
            Command::Remove {
                kind: "Interface".into(),
                name: "none".into(),
            },
            "unknown-interface",
        ),
        (
            Command::Remove {
                kind: "Connection".into(),
                name: "none".into(),
            },
            "not-found",
        ),
        (
            Command::Remove {
                kind: "Cat".into(),
                name: "none".into(),
            },
            "unknown-kind",
        ),
        (
            Command::Delete {
                twin: "oven".into(),
                if_match: None,
            },
            "accepted",
        ),
    ] {
        let before = world.engine.state_hash();
        let dry = world.engine.check(&command);
        assert_eq!(
            world.engine.state_hash(),
            before,
            "a dry run changes nothing: {command:?}"
        );
        let verdict = world.command(command.clone());
        assert_eq!(code(&verdict), wanted, "{command:?}: {verdict:?}");
        match (dry, verdict) {
            (Err(dry), Verdict::Rejected(real)) => {
                assert_eq!(dry, real);
                assert_eq!(
                    world.engine.state_hash(),
                    before,
                    "a refused command leaves no trace: {command:?}"
                );
            }
            (Ok(_), Verdict::Accepted | Verdict::Answer(_)) => {}
            (dry, verdict) => panic!("dry run {dry:?}, then {verdict:?}"),
        }
    }
    world.check_hashes(75);
}

#[test]
fn apply_is_all_or_nothing_and_repeatable() {
    let mut world = World::of(HOUSE);
    let answer = |verdict: Verdict| match verdict {
        Verdict::Answer(answer) => answer.to_string(),
        other => format!("{other:?}"),
    };
    let again = answer(world.apply(HOUSE));
    assert_eq!(again.matches("unchanged").count(), 4, "{again}");
    let records = world.log.len();
    let before = world.engine.state_hash();
    let faulty = format!(
        "{HOUSE}\n---\n{}",
        "{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: attic}, spec: {interface: room, relationships: [{name: door, target: nowhere}]}}"
    );
    assert_eq!(code(&world.apply(&faulty)), "unknown-twin");
    assert_eq!(
        (world.engine.state_hash(), world.log.len()),
        (before, records)
    );
    let two = "
apiVersion: gemelli.dev/v1
kind: Twin
metadata: {name: attic}
spec: {interface: room, relationships: [{name: door, target: loft}]}
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: {name: loft}
spec: {interface: room, relationships: [{name: door, target: attic}, {name: heater, target: oven}]}
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: {name: hall}
spec: {interface: room, properties: {temperature: 25}}
";
    let done = answer(world.apply(two));
    let changes: Vec<_> = done
        .match_indices("\"change\":\"")
        .map(|(at, m)| &done[at + m.len()..at + m.len() + 7])
        .collect();
    assert_eq!(changes, ["created", "created", "configu"]);
    assert_eq!(world.get("hall", "warm"), "true");
    assert_eq!(world.twin("oven").incoming().len(), 1);
    assert_eq!(world.twin("attic").incoming().len(), 1);
    world.check_hashes(100);
}

#[test]
fn multiplicity_holds_across_commands_and_manifests() {
    let mut world = World::of(HOUSE);
    for name in ["a", "b", "c"] {
        world.command(put(name, "room", "{}", true));
    }
    assert_eq!(code(&world.relate("hall", "door", "a")), "answer");
    assert_eq!(code(&world.relate("hall", "door", "b")), "answer");
    assert_eq!(code(&world.relate("hall", "door", "c")), "limit-reached");
    assert_eq!(
        code(&world.relate("hall", "door", "a")),
        "answer",
        "the same edge again"
    );
    let manifest = "{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: a}, spec: {interface: room, relationships: [{name: door, target: a}, {name: door, target: b}, {name: door, target: c}]}}";
    assert_eq!(code(&world.apply(manifest)), "limit-reached");
}

#[test]
fn a_relationship_on_its_way_protects_its_target() {
    let mut world = World::of(HOUSE);
    world.command(put("kitchen", "room", "{}", true));
    // Both in one wave: the target does not know of the edge yet.
    let relate = Body::Command(Command::Relate {
        edge: edge("hall", "door", "kitchen"),
        only_new: false,
    });
    let delete = Body::Command(Command::Delete {
        twin: "kitchen".into(),
        if_match: None,
    });
    let verdicts = world.batch(vec![relate, delete]);
    assert_eq!(
        verdicts.iter().map(code).collect::<Vec<_>>(),
        ["answer", "has-relationships"]
    );
    // And back in one wave: the last word counts.
    let unrelate = Body::Command(Command::Unrelate {
        source: "hall".into(),
        id: "door-kitchen".into(),
        if_match: None,
    });
    let relate = Body::Command(Command::Relate {
        edge: edge("hall", "door", "kitchen"),
        only_new: false,
    });
    world.batch(vec![unrelate, relate]);
    assert_eq!(world.twin("kitchen").incoming().len(), 1);
    world.check_hashes(75);
}

#[test]
fn a_deleted_twin_is_remembered() {
    let mut world = World::of(HOUSE);
    world.command(put("kitchen", "room", "{}", true));
    world.report_id("kitchen", "kitchen#1", r#"{"temperature": 30}"#);
    world.command(Command::Delete {
        twin: "kitchen".into(),
        if_match: None,
    });
    assert_eq!(
        code(&world.report_id("kitchen", "kitchen#1", "{}")),
        "unknown-twin"
    );
    world.command(put("kitchen", "room", "{}", true));
    assert_eq!(
        code(&world.report_id("kitchen", "kitchen#1", r#"{"temperature": 30}"#)),
        "duplicate"
    );
    assert_eq!(world.get("kitchen", "temperature"), "null");
    assert!(
        world.twin("kitchen").etag().starts_with("W/\"2-"),
        "a new epoch"
    );
    world.check_hashes(78);
}

#[test]
fn ids_that_differ_by_case_alone_are_refused_where_case_is_ignored() {
    let mut world = World::of(
        "{apiVersion: gemelli.dev/v1, kind: Interface, metadata: {name: Loose}, spec: {ignoreCase: true}}
---
{apiVersion: gemelli.dev/v1, kind: Interface, metadata: {name: strict}, spec: {}}",
    );
    for (twin, interface, wanted) in [
        ("Pole-1", "loose", "answer"),
        ("pole-1", "Loose", "duplicate-id"),
        ("POLE-1", "Loose", "duplicate-id"),
        ("lamp-1", "Loose", "answer"),
        ("Lamp-1", "Loose", "duplicate-id"),
        ("box", "strict", "answer"),
        ("Box", "strict", "answer"),
        ("BOX", "STRICT", "unknown-interface"),
    ] {
        assert_eq!(
            code(&world.command(put(twin, interface, "{}", false))),
            wanted,
            "{twin}"
        );
    }
    let view = world.engine.view();
    assert_eq!(view.canonical("pOLE-1").unwrap().as_str(), "Pole-1");
    assert_eq!(view.canonical("LAMP-1").unwrap().as_str(), "lamp-1");
    assert_eq!(view.canonical("bOX"), None);
    assert_eq!(
        view.twins().map(|t| t.id().to_string()).collect::<Vec<_>>(),
        ["Box", "Pole-1", "box", "lamp-1"]
    );
    let page: Vec<_> = view
        .twins_after(Some("Pole-1"))
        .map(|t| t.id().to_string())
        .collect();
    assert_eq!(page, ["box", "lamp-1"]);
}

#[test]
fn a_twin_is_shown_in_two_forms() {
    let mut world = World::of(HOUSE);
    world.relate("hall", "heater", "oven");
    world.report("hall", r#"{"temperature": 22.5}"#);
    let adt = world.twin("hall").to_adt();
    assert_eq!(adt.get("$dtId"), Some(&json("\"hall\"")));
    assert_eq!(adt.get("temperature"), Some(&json("22.5")));
    assert_eq!(adt.get("warm"), Some(&json("true")));
    let metadata = adt.get("$metadata").unwrap();
    assert_eq!(metadata.get("$model"), Some(&json("\"room\"")));
    let updated = metadata
        .get("temperature")
        .unwrap()
        .get("lastUpdateTime")
        .unwrap();
    assert!(
        updated.as_str().unwrap().starts_with("2023-11-14T22:13:20"),
        "{updated}"
    );
    let full = world.twin("hall").to_full();
    assert_eq!(full.get("lifecycle"), Some(&json("\"synchronized\"")));
    assert_eq!(
        full.get("derived")
            .unwrap()
            .get("warm")
            .unwrap()
            .get("value"),
        Some(&json("true"))
    );
    assert_eq!(
        full.get("relationships"),
        Some(&json(
            r#"[{"id":"heater-oven","name":"heater","target":"oven","properties":null}]"#
        ))
    );
    let etag = world.twin("hall").etag();
    world.report("hall", r#"{"temperature": 22.5}"#);
    assert_ne!(world.twin("hall").etag(), etag);
}

const ROOM: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: room}
spec:
  properties:
    - {name: temperature, schema: double}
    - {name: place, schema: string}
  telemetry:
    - {name: noise, schema: double}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: hall}, spec: {interface: room}}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: attic}, spec: {interface: room}}
";

fn room(members: &str) -> String {
    format!(
        "apiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: {{name: room}}\nspec:\n{members}"
    )
}

#[test]
fn an_interface_never_takes_values_from_its_twins_in_silence() {
    let mut world = World::of(ROOM);
    // Members that hold nothing may change as they like.
    let unheld = room(
        "  properties: [{name: temperature, schema: double}, {name: place, schema: boolean}]\n  telemetry: [{name: noise, schema: double}]\n",
    );
    assert!(matches!(world.apply(&unheld), Verdict::Answer(_)));
    world.report("hall", r#"{"temperature": 21.5, "noise": 40}"#);
    world.report("attic", r#"{"temperature": 7}"#);
    for (members, reason, pointer) in [
        (
            "  properties: [{name: temperature, schema: string}]\n  telemetry: [{name: noise, schema: double}]\n",
            "temperature",
            "/spec/properties/0/schema",
        ),
        (
            "  properties: [{name: temperature, schema: integer}]\n  telemetry: [{name: noise, schema: double}]\n",
            "the new form of member temperature does not accept what 1 twin holds (hall: 21.5)",
            "/spec/properties/0/schema",
        ),
        (
            "  telemetry: [{name: noise, schema: double}]\n",
            "member temperature goes while 2 twins hold a value (attic: 7.0)",
            "/spec",
        ),
        (
            "  properties: [{name: temperature, schema: double}]\n",
            "member noise goes while 1 twin holds a value (hall: 40.0)",
            "/spec",
        ),
    ] {
        let before = world.engine.state_hash();
        let Verdict::Rejected(refused) = world.apply(&room(members)) else {
            panic!("{members}")
        };
        assert_eq!(refused.code, "in-use", "{refused}");
        assert!(refused.reason.contains(reason), "{refused}");
        assert_eq!(refused.detail.unwrap().pointer, pointer);
        assert_eq!(world.engine.state_hash(), before);
    }
    for members in [
        "  properties: [{name: temperature, schema: any}]\n  telemetry: [{name: noise, schema: float}, {name: more, schema: string}]\n",
        "  properties: [{name: temperature, schema: double}, {name: warm, schema: boolean, derived: {expression: temperature > 20.0}}]\n  telemetry: [{name: noise, schema: double}]\n",
        "  properties: [{name: temperature, schema: double}]\n  telemetry: [{name: noise, schema: double}]\n",
    ] {
        let verdict = world.apply(&room(members));
        assert!(
            matches!(verdict, Verdict::Answer(_)),
            "{members}{verdict:?}"
        );
        assert_eq!(world.get("hall", "temperature"), "21.5");
    }
    world.check_hashes(100);
}

#[test]
fn every_fault_of_expressions_has_its_place() {
    let mut world = World::of(ROOM);
    let members = "  properties: [{name: temperature, schema: double}, {name: a, schema: double, derived: {expression: temperatur + 1.0}}, {name: b, schema: double, derived: {expression: 1 +}}]\n";
    let Verdict::Rejected(refused) = world.apply(&room(members)) else {
        panic!()
    };
    let first = refused.detail.clone().unwrap();
    assert_eq!((first.kind, &*first.name), ("Interface", "room"));
    assert_eq!(first.pointer, "/spec/properties/1/derived/expression");
    let others: Vec<_> = first
        .others
        .iter()
        .map(|o| &*o.detail.as_ref().unwrap().pointer)
        .collect();
    assert_eq!(others, ["/spec/properties/2/derived/expression"]);
}

#[test]
fn connections_name_what_there_is_and_no_pattern_twice() {
    let mut world = World::of(ROOM);
    let connection = |name: &str, topic: &str| {
        format!(
            "apiVersion: gemelli.dev/v1\nkind: Connection\nmetadata: {{name: {name}}}\nspec: {{topics: [{{{topic}}}]}}\n"
        )
    };
    for (topic, wanted, pointer, remedy) in [
        (
            r#"pattern: "a/{id}", interface: rom, twin: "{id}""#,
            "unknown-interface",
            "/spec/topics/0/interface",
            "did you mean room?",
        ),
        (
            r#"pattern: "a/{id}", interface: room, twin: "{id}", payload: {temprature: payload.t}"#,
            "unknown-field",
            "/spec/topics/0/payload/temprature",
            "did you mean temperature?",
        ),
    ] {
        let Verdict::Rejected(refused) = world.apply(&connection("one", topic)) else {
            panic!("{topic}")
        };
        assert_eq!((refused.code, &*refused.remedy), (wanted, remedy));
        assert_eq!(refused.detail.unwrap().pointer, pointer);
    }
    let good = r#"pattern: "a/{id}", interface: room, twin: "{id}", payload: {temperature: payload.t, timestamp: payload.at}"#;
    assert!(matches!(
        world.apply(&connection("one", good)),
        Verdict::Answer(_)
    ));
    let any = r#"pattern: "b/{kind}/{id}", interface: "{kind}", twin: "{id}""#;
    assert!(matches!(
        world.apply(&connection("two", any)),
        Verdict::Answer(_)
    ));
    let Verdict::Rejected(refused) =
        world.apply(&connection("three", &good.replace("{id}", "{key}")))
    else {
        panic!()
    };
    assert_eq!(refused.code, "already-exists");
    assert!(refused.reason.contains("connection one"), "{refused}");
    let changed = good.replace("payload.t,", "payload.temp,");
    assert!(
        matches!(
            world.apply(&connection("one", &changed)),
            Verdict::Answer(_)
        ),
        "its own pattern is no other's"
    );
}

const DOORS: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: room}
spec:
  properties: [{name: open, schema: boolean}]
  relationships: [{name: door, target: room}, {name: gate, target: room}]
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: here}, spec: {interface: room}}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: there}, spec: {interface: room}}
";

/// The edges that end at a twin, and that a snapshot with them can be loaded.
fn incoming(world: &World, twin: &str) -> Vec<String> {
    world.check_hashes(world.log.len() / 2);
    crate::world::reload(world.limits.clone(), &world.engine);
    let edges = world.twin(twin).incoming();
    edges
        .iter()
        .map(|e| format!("{} {}", e.name, e.id))
        .collect()
}

#[test]
fn an_edge_of_another_name_leaves_nothing_at_its_target() {
    let named = |name: &str| {
        let mut edge = edge("here", name, "there");
        edge.id = "e".into();
        Command::Relate {
            edge,
            only_new: false,
        }
    };
    let gone = || Command::Unrelate {
        source: "here".into(),
        id: "e".into(),
        if_match: None,
    };
    for (first, second) in [("door", "gate"), ("gate", "door")] {
        let mut world = World::of(DOORS);
        world.command(named(first));
        world.command(named(second));
        assert_eq!(incoming(&world, "there"), [format!("{second} e")]);
        world.command(gone());
        assert_eq!(incoming(&world, "there"), [""; 0]);
        // The same in one batch, and with the edge deleted in between.
        world.batch([named(first), named(second)].map(Body::Command).into());
        assert_eq!(incoming(&world, "there"), [format!("{second} e")]);
        world.batch([gone(), named(first)].map(Body::Command).into());
        assert_eq!(incoming(&world, "there"), [format!("{first} e")]);
        let manifest = format!(
            "{{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {{name: here}}, spec: {{interface: room, \
             relationships: [{{id: e, name: {second}, target: there}}]}}}}"
        );
        world.apply(&manifest);
        assert_eq!(incoming(&world, "there"), [format!("{second} e")]);
        world.command(gone());
        assert_eq!(incoming(&world, "there"), [""; 0]);
    }
}

#[test]
fn an_edge_that_only_its_target_knows_of_is_left_out_of_a_snapshot() {
    let mut world = World::of(DOORS);
    world.relate("here", "door", "there");
    world.relate("here", "gate", "there");
    let before = world.engine.view();
    world.unrelate("here", "door-there");
    let after = world.engine.view();
    let mut loaded = gemelli_engine::Engine::new(world.limits.clone());
    loaded.load_meta(&world.engine.encode_meta()).unwrap();
    for (id, view) in [("here", &after), ("there", &before)] {
        let bytes = view.encode_twin(&id.into()).unwrap();
        loaded.load_twin(&id.into(), &bytes).unwrap();
    }
    assert_eq!(loaded.finish_load(), 1);
    let there = loaded.view().twin("there").unwrap();
    assert_eq!(there.incoming().len(), 1);
    assert_eq!(loaded.take_dirty(), ["there".into()]);
}
