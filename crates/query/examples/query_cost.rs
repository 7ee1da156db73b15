//! What queries cost in the view alone: ten models, some properties, three relationships a twin.
//!
//! `cargo run --release -p gemelli-query --example query_cost -- [twins]` prints `name value` lines for
//! `cargo xtask bench query`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

use gemelli_engine::{Emission, Engine, Limits as Bounds, TwinRef, Verdict, View};
use gemelli_event::{
    Body, Partition, Position, Record, Seq,
    record::{Command, Edge, PARTITIONS},
};
use gemelli_model::{Value, manifest};
use gemelli_query::{Limits, Page, Query, Render, plan, run};
use std::time::Instant;

const MODELS: usize = 10;
const RELATIONSHIPS: usize = 3;
/// Commands between two rounds of what follows from them.
const BATCH: usize = 4_096;

struct Adt;

impl Render for Adt {
    fn twin(&self, twin: &TwinRef) -> Value {
        twin.to_adt()
    }

    fn relationship(&self, edge: &Edge) -> Value {
        edge.properties.clone()
    }
}

struct Driver {
    engine: Engine,
    seq: Seq,
    offsets: [u64; PARTITIONS],
    emitted: Vec<Emission>,
}

impl Driver {
    fn step(&mut self, partition: Partition, body: Body) {
        let offset = &mut self.offsets[partition.index()];
        let position = Position {
            partition,
            offset: *offset,
        };
        *offset += 1;
        let record = Record {
            position,
            accepted_ms: 1_700_000_000_000,
            cause: None,
            body,
        };
        let verdict = self.engine.step(self.seq, &record);
        assert!(
            matches!(verdict, Verdict::Accepted | Verdict::Answer(_)),
            "{verdict:?}"
        );
        self.seq += 1;
    }

    fn settle(&mut self) {
        let mut emitted = std::mem::take(&mut self.emitted);
        loop {
            self.engine.flush(&mut emitted);
            if emitted.is_empty() {
                break;
            }
            for emission in emitted.drain(..) {
                self.step(emission.partition, emission.body);
            }
        }
        self.engine.settle(&mut emitted);
        for emission in emitted.drain(..) {
            self.step(emission.partition, emission.body);
        }
        self.emitted = emitted;
        self.engine.take_dirty();
    }
}

fn main() {
    let twins = std::env::args()
        .nth(1)
        .map_or(1_000_000, |n| n.parse().unwrap());
    let before = resident();
    let view = world(twins);
    println!("bytes-per-twin {:.1}", (resident() - before) / twins as f64);
    let mut chance = 1_u64;
    let mut next = || {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) as usize % twins
    };
    let mut reads: Vec<f64> = (0..20_000)
        .map(|_| {
            let id = format!("twin-{:07}", next());
            let query = format!("SELECT * FROM DIGITALTWINS WHERE $dtId = '{id}'");
            timed(|| assert_eq!(ask(&view, &query).rows.len(), 1))
        })
        .collect();
    println!("point-p50-ms {:.4}", quantile(&mut reads, 0.5));
    println!("point-p99-ms {:.4}", quantile(&mut reads, 0.99));
    for (name, query, rows) in [
        (
            "filter-ms",
            "SELECT * FROM DIGITALTWINS WHERE IS_OF_MODEL('dtmi:bench:Kind4;1') AND serial = 500004",
            Some(usize::from(twins > 500_004)),
        ),
        (
            "filter-page-ms",
            "SELECT * FROM DIGITALTWINS WHERE IS_OF_MODEL('dtmi:bench:Kind4;1') AND temperature > 21",
            Some(100),
        ),
        (
            "filter-count-ms",
            "SELECT COUNT() FROM DIGITALTWINS WHERE IS_OF_MODEL('dtmi:bench:Kind4;1') AND temperature > 21",
            None,
        ),
        (
            "scan-count-ms",
            "SELECT COUNT() FROM DIGITALTWINS WHERE temperature > 21",
            None,
        ),
        ("count-ms", "SELECT COUNT(*) FROM DIGITALTWINS", None),
        (
            "count-model-ms",
            "SELECT COUNT() FROM DIGITALTWINS WHERE IS_OF_MODEL('dtmi:bench:Thing;1')",
            None,
        ),
        (
            "group-ms",
            "SELECT $metadata.$model AS m, AVG(temperature) FROM DIGITALTWINS GROUP BY $metadata.$model",
            None,
        ),
    ] {
        let mut times: Vec<f64> = (0..7)
            .map(|_| {
                timed(|| {
                    let page = ask(&view, query);
                    if let Some(rows) = rows {
                        assert_eq!(page.rows.len(), rows, "{query}");
                    }
                })
            })
            .collect();
        println!("{name} {:.4}", quantile(&mut times, 0.5));
    }
    let mut hops: Vec<f64> = (0..500)
        .map(|_| {
            let query = format!(
                "SELECT d.$dtId FROM DIGITALTWINS MATCH (a)-[:next]->(b)-[:next]->(c)-[:next]->(d) WHERE a.$dtId = 'twin-{:07}'",
                next()
            );
            timed(|| drop(ask(&view, &query)))
        })
        .collect();
    println!("match-p50-ms {:.4}", quantile(&mut hops, 0.5));
    println!("match-p99-ms {:.4}", quantile(&mut hops, 0.99));
}

fn ask(view: &View, text: &str) -> Page {
    let query = Query::parse(text).unwrap();
    run(&plan(&query, view), view, &Limits::default(), &Adt, None).unwrap()
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1_000.0
}

fn quantile(samples: &mut [f64], at: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[((samples.len() - 1) as f64 * at) as usize]
}

fn world(twins: usize) -> View {
    let mut driver = Driver {
        engine: Engine::new(Bounds {
            twins: twins.max(Bounds::default().twins),
            ..Bounds::default()
        }),
        seq: 0,
        offsets: [0; PARTITIONS],
        emitted: Vec::new(),
    };
    let mut models = String::from(
        "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: 'dtmi:bench:Thing;1'}
spec:
  properties:
    - {name: temperature, schema: double}
    - {name: serial, schema: long}
    - {name: label, schema: string}
    - {name: active, schema: boolean}
  relationships: [{name: next}]
",
    );
    for n in 0..MODELS {
        models += &format!(
            "---\napiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: {{name: 'dtmi:bench:Kind{n};1'}}\nspec: {{extends: ['dtmi:bench:Thing;1']}}\n"
        );
    }
    let manifests = manifest::parse(&models).into_result().unwrap();
    let manifests = manifests.iter().map(manifest::to_value).collect();
    driver.step(
        Partition::default(),
        Body::Command(Command::Apply { manifests }),
    );
    driver.settle();
    for n in 0..twins {
        let id = format!("twin-{n:07}");
        let properties = [
            (
                "temperature".into(),
                Value::Double(15.0 + (n % 97) as f64 / 10.0),
            ),
            ("serial".into(), Value::Int(n as i64)),
            ("label".into(), Value::text(format!("place {}", n % 1_000))),
            ("active".into(), Value::Bool(n % 3 == 0)),
        ];
        let put = Command::Put {
            twin: id.as_str().into(),
            interface: format!("dtmi:bench:Kind{};1", n % MODELS).as_str().into(),
            properties: Value::Object(properties.into()),
            only_new: false,
        };
        driver.step(Partition::of(&id), Body::Command(put));
        if n % BATCH == 0 {
            driver.settle();
        }
    }
    driver.settle();
    for n in 0..twins {
        let source = format!("twin-{n:07}");
        for (edge, far) in [1, 7, 1_009].into_iter().take(RELATIONSHIPS).enumerate() {
            let relate = Command::Relate {
                edge: Edge {
                    id: format!("e{edge}").into(),
                    name: "next".into(),
                    source: source.as_str().into(),
                    target: format!("twin-{:07}", (n + far) % twins).as_str().into(),
                    properties: Value::Null,
                },
                only_new: false,
            };
            driver.step(Partition::of(&source), Body::Command(relate));
        }
        if n % BATCH == 0 {
            driver.settle();
        }
    }
    driver.settle();
    driver.engine.view()
}

/// Resident memory, bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) * 1_024.0
}
