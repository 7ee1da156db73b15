//! Lifecycle, clocks and timers.

use crate::world::{World, code};
use gemelli_engine::Lifecycle;

const LAMPS: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: lamp}
spec:
  fidelity: {maxAgeMs: 1000}
  properties:
    - {name: power, schema: double}
    - name: rising
      schema: boolean
      derived: {expression: power > prev(power)}
    - name: level
      schema: string
      derived: {expression: \"power > 5.0 ? 'high' : 'low'\", expiresMs: 3000, emit: virtual}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: clocked}
spec:
  time: event
  fidelity: {maxAgeMs: 3600000}
  properties:
    - {name: state, schema: string}
    - name: stuck
      schema: boolean
      derived: {expression: since(state) > 48 * 3600 * 1000, on: [state]}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: lamp}, spec: {interface: lamp}}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: one}, spec: {interface: clocked}}
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: two}, spec: {interface: clocked}}
";

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

#[test]
fn a_twin_lives_by_its_connection_and_its_reports() {
    let mut world = World::of(LAMPS);
    let states = |world: &World, wanted: Lifecycle| {
        assert_eq!(world.twin("lamp").lifecycle(), wanted);
        assert_eq!(
            world.engine.view().lifecycle()[&wanted],
            1 + usize::from(wanted == Lifecycle::Unbound) * 2
        );
    };
    states(&world, Lifecycle::Unbound);
    world.presence("lamp", true);
    states(&world, Lifecycle::Bound);
    world.report("lamp", r#"{"power": 1}"#);
    states(&world, Lifecycle::Synchronized);
    world.wait(600);
    world.report("lamp", r#"{"power": 1}"#);
    world.wait(600);
    states(&world, Lifecycle::Synchronized);
    assert_eq!(
        world.engine.next_due_ms(world.now_ms),
        Some(world.now_ms + 401)
    );
    world.wait(401);
    states(&world, Lifecycle::OutOfSync);
    world.presence("lamp", false);
    states(&world, Lifecycle::Unbound);
    world.presence("lamp", true);
    states(&world, Lifecycle::OutOfSync);
    world.report("lamp", r#"{"power": 1}"#);
    world.presence("lamp", false);
    world.presence("lamp", true);
    states(&world, Lifecycle::Synchronized);
    world.check_hashes(75);
}

#[test]
fn derived_values_expire_and_emit() {
    let mut world = World::of(LAMPS);
    world.report("lamp", r#"{"power": 7}"#);
    assert_eq!(
        world.sent(),
        [
            "virtual lamp {\"level\":\"high\"}",
            "derived lamp level=\"high\""
        ]
    );
    world.report("lamp", r#"{"power": 8}"#);
    assert_eq!(world.get("lamp", "rising"), "true");
    assert_eq!(world.sent(), ["derived lamp rising=true"]);
    world.wait(2_000);
    world.report("lamp", r#"{"power": 8}"#);
    assert_eq!(world.get("lamp", "rising"), "false");
    world.wait(2_999);
    assert_eq!(world.get("lamp", "level"), "\"high\"");
    world.wait(1);
    assert_eq!(world.get("lamp", "level"), "null");
    assert_eq!(world.sent(), ["derived lamp level=null"]);
    world.check_hashes(80);
}

#[test]
fn ages_follow_the_devices_time() {
    let mut world = World::of(LAMPS);
    let start = 400 * DAY;
    for (hours, state, stuck) in [
        (0, "on", "null"),
        (24, "on", "false"),
        (48, "on", "false"),
        (49, "on", "true"),
        (50, "off", "false"),
    ] {
        world.report_at(
            "one",
            start + hours * HOUR,
            &format!(r#"{{"state": "{state}"}}"#),
        );
        let seen = world.get("one", "stuck");
        // The first report is the first change: 0 hours ago.
        assert_eq!(
            seen.replace("false", "no"),
            stuck.replace("false", "no").replace("null", "no"),
            "{hours}"
        );
    }
    world.check_hashes(75);
}

#[test]
fn the_event_clock_fires_timers() {
    let mut world = World::of(LAMPS);
    let start = 400 * DAY;
    world.report_at("one", start, r#"{"state": "on"}"#);
    assert_eq!(world.twin("one").lifecycle(), Lifecycle::Synchronized);
    // Accepted time alone changes nothing.
    world.wait(10 * DAY);
    assert_eq!(world.twin("one").lifecycle(), Lifecycle::Synchronized);
    world.report_at("two", start + 2 * HOUR, r#"{"state": "on"}"#);
    assert_eq!(world.engine.next_due_ms(world.now_ms), Some(world.now_ms));
    world.wait(0);
    assert_eq!(world.twin("one").lifecycle(), Lifecycle::Unbound);
    assert_eq!(world.twin("two").lifecycle(), Lifecycle::Synchronized);
    world.check_hashes(75);
}

#[test]
fn one_wild_clock_does_not_poison_the_others() {
    let mut world = World::of(LAMPS);
    let start = 400 * DAY;
    world.report_at("one", start, r#"{"state": "on"}"#);
    assert_eq!(
        code(&world.report_at("two", start + 1_000 * DAY, r#"{"state": "on"}"#)),
        "accepted"
    );
    assert_eq!(world.engine.event_clock_ms(), Some(start));
    assert_eq!(world.engine.counters().wild_times, 1);
    assert_eq!(
        world.twin("two").last_report_ms(),
        Some(start),
        "the event keeps the clock's time"
    );
    world.report_at("one", start + HOUR, "{}");
    assert_eq!(world.engine.event_clock_ms(), Some(start + HOUR));
    // A clock that was never set says 1970: it counts as none.
    world.report_at("two", 5, "{}");
    assert_eq!(world.twin("two").last_report_ms(), Some(start + HOUR));
    world.check_hashes(75);
}
