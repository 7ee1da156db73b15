//! The driver alone: no thread, no disk, no clock.

use crate::rig::{event, manifests};
use gemelli_engine::{Engine, Limits};
use gemelli_event::{
    Body, Record,
    record::{Command, Message, PARTITIONS},
};
use gemelli_node::{
    admission::{Admission, Offer},
    driver::{Batch, Driver, FRAME_BYTES, Frame, Tail},
    letters::Allowance,
    metrics::Metrics,
};
use std::sync::Arc;

struct Bench {
    driver: Driver,
    admission: Admission,
    frames: Vec<Frame>,
}

impl Bench {
    fn new() -> Self {
        let engine = Engine::new(Limits::default());
        let driver = Driver::new(
            engine,
            Tail::default(),
            16,
            Allowance::new(100),
            Arc::new(Metrics::default()),
        );
        Self {
            driver,
            admission: Admission::new(1 << 30),
            frames: Vec::new(),
        }
    }

    fn batch(&mut self, now_ms: i64, bodies: Vec<Body>) -> Batch {
        self.admission
            .admit_now(bodies.into_iter().map(Offer::new).collect())
            .unwrap();
        let mut inputs = Vec::new();
        let now = Some(std::time::Instant::now());
        self.admission.take(4_096, 1 << 30, now, &mut inputs);
        let batch = self.driver.batch(&mut inputs, now_ms);
        self.frames.push(batch.frame.clone());
        batch
    }
}

fn rooms() -> Body {
    Body::Command(manifests(crate::rig::ROOMS))
}

fn story() -> Bench {
    let mut bench = Bench::new();
    bench.batch(1_000, vec![rooms()]);
    for n in 0..30_i64 {
        let twin = if n % 3 == 0 { "kitchen" } else { "office" };
        let payload = format!(r#"{{"temperature":{}}}"#, 10 + n);
        bench.batch(
            1_000 + n * 7 % 50,
            vec![
                Body::Event(event(twin, &format!("{twin}#{n}"), &payload)),
                Body::Event(event("nobody", "x#1", "{}")),
                Body::Event(event(twin, &format!("{twin}#{n}"), &payload)),
            ],
        );
    }
    bench
}

#[test]
fn places_and_times_never_fall_and_have_no_gap() {
    let bench = story();
    let mut next = 0;
    let mut offsets = [0; PARTITIONS];
    let mut last_ms = 0;
    for frame in &bench.frames {
        assert_eq!(frame.first_seq, next);
        next = frame.next_seq();
        for record in &frame.records {
            let offset = &mut offsets[record.position.partition.index()];
            assert_eq!(record.position.offset, *offset);
            *offset += 1;
            assert!(record.accepted_ms >= last_ms);
            last_ms = record.accepted_ms;
            assert!(
                record
                    .cause
                    .is_none_or(|cause| (cause as usize) < frame.records.len())
            );
        }
    }
}

#[test]
fn replay_of_the_frames_gives_the_same_state() {
    let bench = story();
    let mut engine = Engine::new(Limits::default());
    for frame in &bench.frames {
        for (seq, record) in frame.placed() {
            engine.fold(seq, record);
        }
    }
    assert_eq!(engine.state_hash(), bench.driver.engine().state_hash());
    // Negative control: with one record left out the states differ.
    let mut other = Engine::new(Limits::default());
    let records: Vec<(u64, &Record)> = bench.frames.iter().flat_map(|f| f.placed()).collect();
    let left_out = records
        .iter()
        .rposition(|(_, r)| matches!(r.body, Body::Event(_)))
        .unwrap();
    for (n, (seq, record)) in records.iter().enumerate() {
        if n != left_out {
            other.step(*seq, record);
        }
    }
    assert_ne!(other.state_hash(), bench.driver.engine().state_hash());
}

#[test]
fn the_refused_becomes_a_dead_letter_and_the_repeated_nothing() {
    let mut bench = Bench::new();
    bench.batch(0, vec![rooms()]);
    let batch = bench.batch(
        5,
        vec![
            Body::Event(event("office", "office#1", r#"{"temperature":1}"#)),
            Body::Event(event("office", "office#1", r#"{"temperature":2}"#)),
            Body::Event(event("nobody", "nobody#1", "{}")),
        ],
    );
    let kinds: Vec<_> = batch
        .frame
        .records
        .iter()
        .map(|r| match &r.body {
            Body::Event(e) => e.category.as_str(),
            Body::DeadLetter(l) => &l.code,
            Body::Contribution(_) => "contribution",
            Body::Derived(_) => "derived",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds[..2], ["real", "unknown-twin"], "{kinds:?}");
    assert_eq!(kinds.iter().filter(|k| **k == "real").count(), 1);
    assert!(kinds.contains(&"derived"), "{kinds:?}");
    assert_eq!(batch.upto, 4);
}

#[test]
fn what_nests_too_deep_to_be_written_is_refused() {
    let mut bench = Bench::new();
    bench.batch(0, vec![rooms()]);
    let deep = format!(
        r#"{{"temperature":{}1{}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    let batch = bench.batch(1, vec![Body::Event(event("office", "office#1", &deep))]);
    let [
        Record {
            body: Body::DeadLetter(letter),
            ..
        },
    ] = &batch.frame.records[..]
    else {
        panic!("{:?}", batch.frame.records)
    };
    assert_eq!(&*letter.code, "too-large");
}

#[test]
fn an_idle_batch_has_nothing_to_write() {
    let mut bench = Bench::new();
    let batch = bench.batch(0, Vec::new());
    assert!(batch.frame.records.is_empty() && !batch.more && batch.upto == 0);
}

fn patch(twin: &str, path: &str, value: f64) -> Body {
    let patch = format!(r#"[{{"op": "add", "path": "{path}", "value": {value:?}}}]"#);
    Body::Command(Command::Patch {
        twin: twin.into(),
        patch: serde_json::from_str(&patch).unwrap(),
        if_match: None,
        strict: false,
    })
}

fn reading(bench: &Bench, twin: &str, member: &str) -> Option<f64> {
    let twin = bench.driver.engine().view().twin(twin)?;
    twin.get(member)?.as_f64()
}

#[test]
fn each_input_finds_the_commands_of_the_ones_before_done() {
    let mut bench = Bench::new();
    bench.batch(
        0,
        vec![Body::Command(manifests(
            "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: point }
spec: { properties: [ { name: x, schema: double }, { name: y, schema: double } ] }
---
{ apiVersion: gemelli.dev/v1, kind: Twin, metadata: { name: p }, spec: { interface: point } }
",
        ))],
    );
    let apply = |member: &str, value: u8| {
        Body::Command(manifests(&format!(
            "{{ apiVersion: gemelli.dev/v1, kind: Twin, metadata: {{ name: p }}, \
             spec: {{ interface: point, properties: {{ {member}: {value} }} }} }}"
        )))
    };
    bench.batch(1, vec![apply("x", 7), apply("y", 8)]);
    assert_eq!(reading(&bench, "p", "x"), Some(7.0));
    assert_eq!(reading(&bench, "p", "y"), Some(8.0));
    bench.batch(2, vec![apply("x", 1), patch("p", "/x", 2.0)]);
    assert_eq!(reading(&bench, "p", "x"), Some(2.0));
}

#[test]
fn a_large_frame_ends_and_what_follows_comes_with_the_next() {
    let mut bench = Bench::new();
    bench.batch(0, vec![rooms()]);
    let message = |n: usize| {
        Body::Message(Message {
            topic: format!("big/{n}").into(),
            payload: vec![0; 1 << 20].into(),
            qos: 0,
            properties: Vec::new().into(),
            expires_ms: None,
        })
    };
    let mut bodies: Vec<_> = (0..FRAME_BYTES >> 20).map(message).collect();
    bodies.push(Body::Event(event(
        "office",
        "office#1",
        r#"{"temperature":5}"#,
    )));
    let large = bench.batch(1, bodies);
    assert!(large.more && !large.frame.finished);
    assert_eq!(reading(&bench, "home", "warmest"), None);
    let next = bench.batch(2, Vec::new());
    assert!(!next.more && next.frame.finished);
    assert_eq!(reading(&bench, "home", "warmest"), Some(5.0));
}

#[test]
fn a_clock_set_back_stops_neither_time_nor_dead_letters() {
    let mut bench = Bench::new();
    bench.batch(50_000, vec![rooms()]);
    let mut last_ms = 0;
    for n in 0..10_i64 {
        let nobody = (0..60).map(|_| Body::Event(event("nobody", "x#1", "{}")));
        let batch = bench.batch(1_000 + n * 1_000, nobody.collect());
        assert_eq!(batch.frame.records.len(), 60);
        assert!(batch.frame.accepted_ms > last_ms && batch.frame.accepted_ms >= 50_000);
        last_ms = batch.frame.accepted_ms;
    }
}
