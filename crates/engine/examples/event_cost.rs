//! What an event costs in the engine alone: the bench twin (100-byte payload, one expression, one
//! roll-up), batches as a driver makes them, a view taken after each.
//!
//! `cargo run --release -p gemelli-engine --example event_cost -- [devices] [events] [parents]`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use bytes::Bytes;
use gemelli_engine::{Emission, Engine, Limits, Verdict};
use gemelli_event::{
    Body, Category, Partition, Position, Record, Seq,
    record::{Command, Edge, Event, PARTITIONS},
};
use gemelli_model::{Value, manifest};
use std::time::{Duration, Instant};

const MODEL: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: sensor}
spec:
  properties:
    - {name: temperature, schema: double}
    - {name: humidity, schema: double}
    - {name: status, schema: string}
    - name: dewPoint
      schema: double
      derived: {expression: \"temperature - (100 - humidity) / 5\"}
  relationships: [{name: room, target: room}]
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: room}
spec:
  properties:
    - name: dampest
      schema: double
      derived: {aggregate: {op: avg, over: room, direction: incoming, of: dewPoint}}
";

/// Inputs of a batch.
const BATCH: usize = 4_096;

struct Driver {
    engine: Engine,
    seq: Seq,
    offsets: [u64; PARTITIONS],
    emitted: Vec<Emission>,
    emissions: usize,
}

impl Driver {
    fn step(&mut self, partition: Partition, body: Body) -> Record {
        let offset = &mut self.offsets[partition.index()];
        let position = Position {
            partition,
            offset: *offset,
        };
        *offset += 1;
        let record = Record {
            position,
            accepted_ms: 1_700_000_000_000 + self.seq as i64,
            cause: None,
            body,
        };
        let verdict = self.engine.step(self.seq, &record);
        assert!(
            matches!(verdict, Verdict::Accepted | Verdict::Answer(_)),
            "{verdict:?}"
        );
        self.seq += 1;
        record
    }

    fn settle(&mut self, frame: &mut Vec<Record>) {
        loop {
            let mut emitted = std::mem::take(&mut self.emitted);
            self.engine.flush(&mut emitted);
            if emitted.is_empty() {
                break;
            }
            self.emissions += emitted.len();
            for emission in emitted.drain(..) {
                frame.push(self.step(emission.partition, emission.body));
            }
            self.emitted = emitted;
        }
        let mut emitted = std::mem::take(&mut self.emitted);
        self.engine.settle(&mut emitted);
        self.emissions += emitted.len();
        for emission in emitted.drain(..) {
            frame.push(self.step(emission.partition, emission.body));
        }
        self.emitted = emitted;
    }
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|n| n.parse::<usize>().unwrap());
    let devices = numbers.next().unwrap_or(100);
    let events = numbers.next().unwrap_or(2_000_000);
    let parents = numbers.next().unwrap_or(1);
    let mut driver = Driver {
        engine: Engine::new(Limits::default()),
        seq: 0,
        offsets: [0; PARTITIONS],
        emitted: Vec::new(),
        emissions: 0,
    };
    let manifests = manifest::parse(MODEL).into_result().unwrap();
    let manifests = manifests.iter().map(manifest::to_value).collect();
    let mut frame = Vec::new();
    driver.step(
        Partition::default(),
        Body::Command(Command::Apply { manifests }),
    );
    let before = resident();
    for n in 0..parents {
        put(&mut driver, &format!("room-{n}"), "room");
    }
    let ids: Vec<String> = (0..devices)
        .map(|n| format!("ngsi-ld-city-sensor-nb001-p{n:06}"))
        .collect();
    for (n, id) in ids.iter().enumerate() {
        put(&mut driver, id, "sensor");
        let edge = Edge {
            id: "room".into(),
            name: "room".into(),
            source: id.as_str().into(),
            target: format!("room-{}", n % parents).as_str().into(),
            properties: Value::Null,
        };
        driver.step(
            Partition::of(id),
            Body::Command(Command::Relate {
                edge,
                only_new: false,
            }),
        );
    }
    driver.settle(&mut frame);
    frame.clear();
    let mut view = driver.engine.view();
    println!(
        "{:.0} bytes a twin before the first event",
        (resident() - before) as f64 / view.count() as f64
    );
    let (mut stepping, mut following, mut viewing) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    driver.emissions = 0;
    let mut done = 0;
    while done < events {
        let records: Vec<(Partition, Body)> = (done..done + BATCH.min(events - done))
            .map(|n| {
                let id = &ids[n * 7_919 % devices];
                let payload = format!(
                    r#"{{"temperature":{}.{},"humidity":{}.5,"status":"running normally","timestamp":"2026-03-29T12:00:00Z"}}"#,
                    n % 40,
                    n % 10,
                    n % 90
                );
                let event = Event {
                    category: Category::Real,
                    interface: "sensor".into(),
                    twin: id.as_str().into(),
                    command: None,
                    source: None,
                    id: Some(format!("{id}#{n}").into()),
                    time_ms: None,
                    payload: Bytes::from(payload),
                };
                (Partition::of(id), Body::Event(event))
            })
            .collect();
        done += records.len();
        let start = Instant::now();
        for (partition, body) in records {
            frame.push(driver.step(partition, body));
        }
        stepping += start.elapsed();
        let start = Instant::now();
        driver.settle(&mut frame);
        following += start.elapsed();
        frame.clear();
        let start = Instant::now();
        view = driver.engine.view();
        viewing += start.elapsed();
    }
    let each = |time: Duration| time.as_nanos() as f64 / events as f64;
    println!(
        "{devices} devices, {parents} parents, {events} events, {} emissions",
        driver.emissions
    );
    println!(
        "step {:.0} ns, waves and final values {:.0} ns, view {:.0} ns an event",
        each(stepping),
        each(following),
        each(viewing)
    );
    println!(
        "{:.0} bytes a twin after them, marks and the last view included",
        (resident() - before) as f64 / view.count() as f64
    );
}

fn put(driver: &mut Driver, id: &str, interface: &str) {
    let twin = id.into();
    let put = Command::Put {
        twin,
        interface: interface.into(),
        properties: Value::Null,
        only_new: true,
    };
    driver.step(Partition::of(id), Body::Command(put));
}

/// Resident memory, bytes; 0 where the system does not say.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    pages
        .and_then(|text| text.split(' ').nth(1)?.parse::<usize>().ok())
        .unwrap_or_default()
        * 4_096
}
