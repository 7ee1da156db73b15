//! Values computed over related twins.

use crate::world::{World, code, edge, json};
use gemelli_engine::{Limits, Verdict};
use gemelli_event::{Body, record::Command};
use gemelli_model::Value;

const STREET: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: lamp}
spec:
  properties:
    - {name: power, schema: double}
    - {name: broken, schema: boolean}
  relationships:
    - name: street
      target: street
      maxMultiplicity: 1
      properties: [{name: weight, schema: double}]
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: street}
spec:
  properties:
    - {name: limit, schema: double}
    - name: power
      schema: double
      derived: {aggregate: {op: sum, over: street, direction: incoming, of: power}}
    - name: strongest
      schema: double
      derived: {aggregate: {op: max, over: street, direction: incoming, of: power}}
    - name: lamps
      schema: integer
      derived: {aggregate: {op: count, over: street, direction: incoming}}
    - name: broken
      schema: integer
      derived: {aggregate: {op: count, over: street, direction: incoming, where: broken}}
    - name: heavy
      schema: integer
      derived: {aggregate: {op: count, over: street, direction: incoming, where: edge.weight > 2.0}}
    - name: anyBroken
      schema: boolean
      derived: {aggregate: {op: any, over: street, direction: incoming, where: broken}}
    - name: tooMuch
      schema: boolean
      derived: {expression: power > limit, emit: virtual}
  relationships:
    - {name: town, target: town}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: town}
spec:
  properties:
    - name: power
      schema: double
      derived: {aggregate: {op: sum, over: town, direction: incoming, of: power}}
    - name: watched
      schema: double
      derived: {aggregate: {op: min, over: watches, direction: outgoing, of: power}}
  relationships:
    - {name: watches}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: town}, spec: {interface: town}}
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: {name: high}
spec:
  interface: street
  properties: {limit: 100}
  relationships: [{name: town, target: town}]
";

fn street() -> World {
    let mut world = World::of(STREET);
    for n in 1..=3 {
        let put = Command::Put {
            twin: format!("lamp-{n}").as_str().into(),
            interface: "lamp".into(),
            properties: json(r#"{"power": 10}"#),
            only_new: true,
        };
        assert_eq!(code(&world.command(put)), "answer");
        assert_eq!(
            code(&world.relate(&format!("lamp-{n}"), "street", "high")),
            "answer"
        );
    }
    world
}

#[test]
fn roll_ups_follow_every_change() {
    let mut world = street();
    let seen = |world: &World| {
        [
            "power",
            "strongest",
            "lamps",
            "broken",
            "heavy",
            "anyBroken",
        ]
        .map(|m| world.get("high", m))
        .join(" ")
    };
    assert_eq!(seen(&world), "30.0 10.0 3 0 0 false");
    world.report("lamp-1", r#"{"power": 25.5, "broken": true}"#);
    assert_eq!(seen(&world), "45.5 25.5 3 1 0 true");
    assert_eq!(
        world.get("town", "power"),
        "45.5",
        "roll-ups on roll-ups, in the same batch"
    );
    world.report("lamp-1", r#"{"power": null, "broken": false}"#);
    assert_eq!(seen(&world), "20.0 10.0 3 0 0 false");
    let mut heavy = edge("lamp-2", "street", "high");
    heavy.properties = json(r#"{"weight": 3}"#);
    world.command(Command::Relate {
        edge: heavy,
        only_new: false,
    });
    assert_eq!(seen(&world), "20.0 10.0 3 0 1 false");
    world.unrelate("lamp-2", "street-high");
    assert_eq!(seen(&world), "10.0 10.0 2 0 0 false");
    world.unrelate("lamp-1", "street-high");
    world.unrelate("lamp-3", "street-high");
    assert_eq!(seen(&world), "0.0 null 0 0 0 false", "of nothing");
    world.check_hashes(70);
}

#[test]
fn roll_ups_look_along_edges_too() {
    let mut world = street();
    for n in 1..=3 {
        world.relate("town", "watches", &format!("lamp-{n}"));
    }
    world.relate("town", "watches", "high");
    assert_eq!(world.get("town", "watched"), "10.0");
    world.report("lamp-2", r#"{"power": 4}"#);
    assert_eq!(world.get("town", "watched"), "4.0");
    world.unrelate("town", "watches-lamp-2");
    assert_eq!(world.get("town", "watched"), "10.0");
    world.report("lamp-2", r#"{"power": 1}"#);
    assert_eq!(
        world.get("town", "watched"),
        "10.0",
        "it is watched no longer"
    );
    world.check_hashes(80);
}

#[test]
fn a_batch_contributes_once_per_child_and_tells_final_values_once() {
    let mut world = street();
    let reports = (0..300).map(|n| {
        let lamp = format!("lamp-{}", n % 3 + 1);
        gemelli_event::Body::Event(crate::world::real(
            &world.engine,
            &lamp,
            &format!(r#"{{"power": {n}}}"#),
        ))
    });
    let reports = reports.collect();
    world.batch(reports);
    // Three lamps to two roll-ups of the street, and the street to the town.
    assert_eq!(world.contributions(), 3 * 2 + 1);
    assert_eq!(
        world.sent(),
        [
            "virtual high {\"tooMuch\":true}",
            "derived high power=894.0 strongest=299.0 tooMuch=true",
            "derived town power=894.0"
        ]
    );
    // There and back within a batch: nothing to tell.
    let report = |power: f64| {
        gemelli_event::Body::Event(crate::world::real(
            &world.engine,
            "lamp-1",
            &format!(r#"{{"power": {power}}}"#),
        ))
    };
    let batch = vec![report(1.0), report(297.0)];
    world.batch(batch);
    assert_eq!(world.sent(), Vec::<String>::new());
    world.check_hashes(30);
}

#[test]
fn applying_an_interface_anew_keeps_values_and_computes_the_rest() {
    let mut world = street();
    let before = world.get("high", "power");
    let verdict = world.apply(
        "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: street}
spec:
  properties:
    - {name: extra, schema: string}
    - {name: limit, schema: double}
    - name: average
      schema: double
      derived: {aggregate: {op: avg, over: street, direction: incoming, of: power}}
    - name: power
      schema: double
      derived: {aggregate: {op: sum, over: street, direction: incoming, of: power}}
  relationships:
    - {name: town, target: town}
",
    );
    let Verdict::Answer(answer) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        answer.to_string(),
        r#"{"version":2,"objects":[{"kind":"Interface","name":"street","change":"configured"}]}"#
    );
    assert_eq!(world.get("high", "power"), before);
    assert_eq!(world.get("high", "average"), "10.0");
    assert_eq!(world.get("high", "limit"), "100.0");
    assert_eq!(world.get("town", "power"), "30.0");
    world.report("lamp-3", r#"{"power": 40}"#);
    assert_eq!(world.get("high", "average"), "20.0");
    world.check_hashes(100);
}

const RING: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: node}
spec:
  properties:
    - {name: own, schema: double}
    - name: sum
      schema: double
      derived: {aggregate: {op: sum, over: next, direction: incoming, of: total}}
    - name: total
      schema: double
      derived: {expression: own + sum}
  relationships:
    - {name: next, target: node}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: a}, spec: {interface: node, properties: {own: 1}}}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: b}, spec: {interface: node, properties: {own: 1}}}
";

#[test]
fn a_chain_adds_up_and_a_circle_ends() {
    let mut world = World::of(RING);
    world.relate("a", "next", "b");
    assert_eq!(world.get("b", "total"), "2.0");
    assert_eq!(world.engine.counters().cycles, 0);
    world.relate("b", "next", "a");
    for _ in 0..8 {
        world.wait(1);
    }
    assert!(world.engine.counters().cycles > 0);
    let records = world.log.len();
    world.wait(1);
    assert_eq!(world.log.len(), records, "it has come to rest");
    world.check_hashes(90);
}

#[test]
fn what_one_flush_cannot_hold_comes_with_the_next() {
    let limits = Limits {
        fan_out: 7,
        ..Limits::default()
    };
    let mut world = World::with(limits);
    world.waves = 2;
    world.apply(STREET);
    for _ in 0..60 {
        world.wait(1);
    }
    for n in 0..40 {
        let twin = format!("lamp-{n}");
        let put = Command::Put {
            twin: twin.as_str().into(),
            interface: "lamp".into(),
            properties: json(r#"{"power": 1}"#),
            only_new: true,
        };
        world.command(put);
        world.relate(&twin, "street", "high");
    }
    // A crash here: the log has less than what is still to come.
    let left = world.replayed();
    for _ in 0..100 {
        world.wait(1);
    }
    assert_eq!(world.get("high", "power"), "40.0");
    let mut crashed = World::with(world.limits.clone());
    crashed.engine = left;
    assert_ne!(
        crashed.engine.state_hash(),
        world.engine.state_hash(),
        "something was still to come"
    );
    world.check_hashes(200);
}

#[test]
fn a_roll_up_shows_when_it_was_computed_last() {
    // The clock of the room, that of its sensors, whether the room itself reported first, the
    // device times of two reports of its sensor, and when the average says it was updated.
    let (made, first) = (World::default().now_ms, 1_600_000_000_000);
    for (room, sensor, reported, times, updated) in [
        (
            "accepted",
            "accepted",
            false,
            [None, None],
            [made + 1_000, made + 2_000],
        ),
        (
            "accepted",
            "event",
            false,
            [Some(first), Some(first + 5)],
            [made + 1_000, made + 2_000],
        ),
        (
            "event",
            "event",
            false,
            [Some(first), Some(first + 5)],
            [first, first + 5],
        ),
        (
            "event",
            "event",
            false,
            [None, None],
            [made + 1_000, made + 2_000],
        ),
        (
            "event",
            "accepted",
            false,
            [None, None],
            [made + 1_000, made + 2_000],
        ),
        (
            "event",
            "event",
            true,
            [Some(first), Some(first + 5)],
            [first, first + 5],
        ),
        (
            "accepted",
            "event",
            true,
            [Some(first), Some(first + 5)],
            [made + 1_000, made + 2_000],
        ),
    ] {
        let about = format!("{room} {sensor} {reported} {times:?}");
        let mut world = World::of(&format!(
            "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {{name: sensor}}
spec:
  time: {sensor}
  properties: [{{name: t, schema: double}}]
  relationships: [{{name: room, target: room}}]
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {{name: room}}
spec:
  time: {room}
  properties:
    - {{name: note, schema: string}}
    - name: avg
      schema: double
      derived: {{aggregate: {{op: avg, over: room, direction: incoming, of: t}}}}
---
{{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {{name: r}}, spec: {{interface: room}}}}
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: {{name: s}}
spec: {{interface: sensor, relationships: [{{name: room, target: r}}]}}
"
        ));
        if reported {
            world.report_at("r", first - 1_000, r#"{"note": "here"}"#);
        }
        for ((time, updated), value) in times.into_iter().zip(updated).zip([20, 21]) {
            world.now_ms += 1_000;
            let payload = format!(r#"{{"t": {value}}}"#);
            match time {
                Some(time_ms) => world.report_at("s", time_ms, &payload),
                None => world.report("s", &payload),
            };
            let members = world.twin("r").members();
            let avg = members.iter().find(|m| &*m.name == "avg").unwrap();
            assert_eq!(avg.value, Value::Double(f64::from(value)), "{about}");
            assert_eq!(avg.updated_ms, updated, "{about}");
        }
        world.check_hashes(world.log.len() / 2);
    }
}

#[test]
fn a_command_that_no_target_knows_is_refused() {
    for (target, known, verdict, remedy) in [
        ("{name: lamps, target: lamp}", "dim", "answer", ""),
        // A lamp of another kind knows it.
        ("{name: lamps, target: lamp}", "flash", "answer", ""),
        ("{name: lamps}", "boil", "answer", ""),
        (
            "{name: lamps, target: lamp}",
            "dimm",
            "unknown-command",
            "did you mean dim?",
        ),
        (
            "{name: lamps, target: lamp}",
            "boil",
            "unknown-command",
            "declare the command in interface lamp",
        ),
    ] {
        let verdict_of = World::default().apply(&format!(
            "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {{name: switch}}
spec:
  properties:
    - {{name: on, schema: boolean}}
    - name: level
      schema: boolean
      derived: {{expression: '!on', emit: {{command: {{name: {known}, relationship: lamps}}}}}}
  relationships: [{target}]
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {{name: lamp}}
spec: {{commands: [{{name: dim}}]}}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {{name: beacon}}
spec: {{extends: [lamp], commands: [{{name: flash}}]}}
"
        ));
        assert_eq!(code(&verdict_of), verdict, "{known}: {verdict_of:?}");
        if let Verdict::Rejected(rejection) = verdict_of {
            assert_eq!(rejection.remedy, remedy);
        }
    }
}

#[test]
fn one_contributor_with_many_readers_keeps_to_the_fan_out() {
    const READERS: usize = 25;
    let limits = Limits {
        fan_out: 10,
        ..Limits::default()
    };
    let mut world = World::with(limits);
    world.waves = 100;
    world.apply(STREET);
    let put = |twin: &str, interface: &str| Command::Put {
        twin: twin.into(),
        interface: interface.into(),
        properties: Value::Null,
        only_new: true,
    };
    world.command(put("shared", "street"));
    for n in 0..READERS {
        let town = format!("town-{n}");
        world.command(put(&town, "town"));
        world.relate("shared", "town", &town);
    }
    world.command(put("lamp", "lamp"));
    world.relate("lamp", "street", "shared");
    // One wave carries the lamp's contribution, the next ones at most ten each of the street's.
    world.waves = 3;
    world.report("lamp", r#"{"power": 7}"#);
    let reached = |world: &World| {
        let towns = (0..READERS).map(|n| world.get(&format!("town-{n}"), "power"));
        towns.filter(|power| power == "7.0").count()
    };
    assert!(
        (1..READERS).contains(&reached(&world)),
        "{} readers in three waves",
        reached(&world)
    );
    // A restart in between loses nothing, nor does going on.
    let resumed = world.replayed();
    let mut restarted = World::with(world.limits.clone());
    restarted.resume(resumed, &world);
    for world in [&mut world, &mut restarted] {
        world.waves = 100;
        world.wait(1);
        assert_eq!(reached(world), READERS);
        world.check_hashes(80);
    }
    // The street has two roll-ups: what it tells its readers is dated by the last record that changed
    // it, whichever way the rest is sent, so that the restart cannot be told from the state.
    assert_eq!(world.engine.state_hash(), restarted.engine.state_hash());
}

#[test]
fn one_change_sends_no_more_bytes_than_a_flush_may_hold() {
    let hub = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: leaf}
spec: {commands: [{name: show}]}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: hub}
spec:
  properties:
    - {name: t, schema: string}
    - name: d
      schema: string
      derived: {expression: t + '!', emit: {command: {name: show, relationship: to}}}
  relationships: [{name: to, target: leaf}]
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: hub}, spec: {interface: hub}}
";
    let mut world = World::with(Limits {
        flush_bytes: 1_000,
        ..Limits::default()
    });
    world.apply(hub);
    for n in 0..5 {
        let leaf = format!("leaf-{n}");
        world.apply(&format!(
            "{{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {{name: {leaf}}}, spec: {{interface: leaf}}}}"
        ));
        world.relate("hub", "to", &leaf);
    }
    // A flush of its own each: what is sent fits, then what does not.
    for (length, sent, letters) in [(50, 5, 0), (200, 0, 1), (60, 5, 0)] {
        world.report("hub", &format!(r#"{{"t": "{}"}}"#, "z".repeat(length)));
        let commands = world
            .sent()
            .iter()
            .filter(|s| s.starts_with("command"))
            .count();
        let codes = world.frame.iter().filter_map(|r| match &r.body {
            Body::DeadLetter(letter) => Some(&*letter.code),
            _ => None,
        });
        let codes: Vec<_> = codes.collect();
        assert_eq!(
            (commands, codes),
            (sent, vec!["limit-reached"; letters]),
            "{length}"
        );
        assert_eq!(world.get("hub", "d").len(), length + 3);
    }
    assert!(world.engine.at_rest());
}

#[test]
fn what_a_replay_leaves_behind_is_done_with_when_the_frame_was() {
    let mut world = World::of(STREET);
    world.report("lamp-a", r#"{"power": 1}"#);
    world.report("lamp-a", r#"{"power": 1}"#);
    assert!(world.engine.at_rest());
    let mut replayed = world.replayed();
    replayed.rest();
    assert!(replayed.at_rest());
    assert_eq!(replayed.state_hash(), world.engine.state_hash());
}
