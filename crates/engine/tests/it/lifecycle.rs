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

const METERS: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: meter}
spec:
  fidelity: {ratePerHour: 360, minAvailability: 0.8}
  properties: [{name: kwh, schema: double}]
---
{apiVersion: gemelli.dev/v1, kind: Twin, metadata: {name: meter}, spec: {interface: meter}}
";

/// A report is due each ten seconds; four fifths of them must come.
const DUE: i64 = 10_000;

fn hundredths(world: &World, twin: &str) -> (i64, i64) {
    let view = world.engine.view();
    let seen = view.entanglement(&world.twin(twin), world.now_ms);
    let whole = |part: f64| (part * 100.0).round() as i64;
    (whole(seen.availability), whole(seen.value()))
}

#[test]
fn a_twin_is_out_of_sync_while_too_few_of_its_reports_come() {
    let mut world = World::of(METERS);
    // Somewhere in a window.
    world.now_ms = 1_700_000_000_000 / (10 * DUE) * (10 * DUE) + 6 * DUE + 5_000;
    assert_eq!(hundredths(&world, "meter"), (0, 0), "it never reported");
    world.presence("meter", true);
    for _ in 0..12 {
        world.report("meter", r#"{"kwh": 1}"#);
        assert_eq!(hundredths(&world, "meter"), (100, 100));
        world.wait(DUE);
    }
    // The world stands in the middle of the thirteenth: a report is missing once its ten are over.
    world.wait(DUE);
    assert_eq!(hundredths(&world, "meter"), (90, 90));
    world.wait(DUE);
    assert_eq!(hundredths(&world, "meter"), (80, 80));
    assert_eq!(world.twin("meter").lifecycle(), Lifecycle::Synchronized);
    // The crossing is a timer, known before.
    let due = world.engine.next_due_ms(world.now_ms).unwrap();
    assert_eq!(due, world.now_ms + 5_000);
    world.wait(4_999);
    assert_eq!(world.twin("meter").lifecycle(), Lifecycle::Synchronized);
    world.wait(1);
    assert_eq!(world.twin("meter").lifecycle(), Lifecycle::OutOfSync);
    world.check_hashes(70);
    // One report does not mend it, enough do.
    let mut reports = 0;
    while world.twin("meter").lifecycle() == Lifecycle::OutOfSync {
        world.report("meter", r#"{"kwh": 1}"#);
        world.wait(DUE);
        reports += 1;
    }
    assert_eq!(reports, 4, "until the gap weighs little enough");
    world.check_hashes(75);
    // Connected and silent it stays out of sync; a new connection after that begins anew.
    world.wait(50 * DUE);
    assert_eq!(world.twin("meter").lifecycle(), Lifecycle::OutOfSync);
    assert_eq!(hundredths(&world, "meter"), (0, 0));
    world.presence("meter", false);
    world.presence("meter", true);
    assert_eq!(world.twin("meter").lifecycle(), Lifecycle::OutOfSync);
    world.presence("meter", false);
    world.report("meter", r#"{"kwh": 1}"#);
    assert_eq!(world.twin("meter").lifecycle(), Lifecycle::Synchronized);
    world.check_hashes(85);
}

#[test]
fn a_twin_that_reports_without_a_connection_is_in_sync_while_it_reports() {
    let mut world = World::of(&format!("{METERS}---\n{LAMPS}"));
    for twin in ["lamp", "meter"] {
        assert_eq!(world.twin(twin).lifecycle(), Lifecycle::Unbound);
        world.report(twin, "{}");
        assert_eq!(world.twin(twin).lifecycle(), Lifecycle::Synchronized);
        assert!(!world.twin(twin).connected());
    }
    // No longer than its greatest age.
    world.wait(1_001);
    assert_eq!(world.twin("lamp").lifecycle(), Lifecycle::Unbound);
    // Too few reports are fewer than none.
    let mut states = Vec::new();
    for _ in 0..25 {
        states.push(world.twin("meter").lifecycle());
        world.wait(DUE);
    }
    states.dedup();
    assert_eq!(
        states,
        [
            Lifecycle::Synchronized,
            Lifecycle::OutOfSync,
            Lifecycle::Unbound
        ]
    );
    assert_eq!(hundredths(&world, "meter"), (0, 0));
    world.check_hashes(75);
}

#[test]
fn another_rate_is_counted_from_its_beginning() {
    let mut world = World::of(METERS);
    world.presence("meter", true);
    for _ in 0..30 {
        world.report("meter", r#"{"kwh": 1}"#);
        world.wait(DUE * 2);
    }
    assert_eq!(world.twin("meter").lifecycle(), Lifecycle::OutOfSync);
    let (available, _) = hundredths(&world, "meter");
    assert!((45..=60).contains(&available), "{available}");
    world.apply(&METERS.replace("360", "180"));
    world.report("meter", r#"{"kwh": 1}"#);
    assert_eq!(world.twin("meter").lifecycle(), Lifecycle::Synchronized);
    for _ in 0..30 {
        world.wait(DUE * 2);
        assert_eq!(world.twin("meter").lifecycle(), Lifecycle::Synchronized);
        world.report("meter", r#"{"kwh": 1}"#);
    }
    world.check_hashes(80);
}

#[test]
fn a_stopped_twin_takes_no_events_and_goes_on_as_its_connections_are() {
    use gemelli_event::record::Command;
    let stop = || Command::Stop {
        twin: "lamp".into(),
    };
    let start = || Command::Start {
        twin: "lamp".into(),
    };
    let mut world = World::of(LAMPS);
    let state = |world: &World| world.twin("lamp").lifecycle();
    for (connected, after) in [(true, Lifecycle::Bound), (false, Lifecycle::Unbound)] {
        world.presence("lamp", true);
        world.report("lamp", r#"{"power": 7}"#);
        assert_eq!(code(&world.command(stop())), "accepted");
        let records = world.log.len();
        assert_eq!(code(&world.command(stop())), "accepted", "it is already");
        assert_eq!(
            code(&world.report("lamp", r#"{"power": 1}"#)),
            "twin-stopped"
        );
        assert_eq!(world.log.len(), records + 1);
        assert_eq!(world.get("lamp", "power"), "7.0");
        assert_eq!(hundredths(&world, "lamp").1, 0);
        // Neither its age nor its connections move it.
        world.wait(1_001);
        world.presence("lamp", !connected);
        world.presence("lamp", connected);
        assert_eq!(state(&world), Lifecycle::Stopped);
        // A value that expires meanwhile tells nobody.
        world.wait(3_000);
        assert_eq!(world.get("lamp", "level"), "null");
        world.check_hashes(70);
        assert_eq!(world.replayed().view().lifecycle()[&Lifecycle::Stopped], 1);
        assert_eq!(code(&world.command(start())), "accepted");
        assert_eq!(state(&world), after);
        assert_eq!(world.engine.view().lifecycle()[&Lifecycle::Stopped], 0);
        assert_eq!(code(&world.command(start())), "accepted");
        assert_eq!(state(&world), after, "starting what runs changes nothing");
        world.report("lamp", r#"{"power": 1}"#);
        assert_eq!(state(&world), Lifecycle::Synchronized);
    }
    let unknown = Command::Stop {
        twin: "lump".into(),
    };
    assert_eq!(code(&world.command(unknown)), "unknown-twin");
    world.check_hashes(80);
}
