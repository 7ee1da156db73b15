//! Ingest: the durable whole path and the raw broker path beside Mosquitto.

use super::{Bound, Goal, median, server::Server};
use crate::step::{self, Done, Failed};
use std::{fmt::Write, process::Command, time::Duration};

/// How much is measured.
pub struct Plan {
    /// Interleaved pairs.
    pub pairs: usize,
    /// Seconds of each run.
    pub seconds: usize,
}

/// The bench twin: one expression and one roll-up.
const MODEL: &str = "\
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: bench-group }
spec:
  properties:
    - name: hottest
      schema: double
      derived: { aggregate: { op: max, over: group, direction: incoming, interface: bench-twin, of: fahrenheit } }
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: bench-twin }
spec:
  properties:
    - { name: n, schema: long }
    - { name: temperature, schema: double }
    - { name: pad, schema: string }
    - name: fahrenheit
      schema: double
      derived: { expression: 'temperature * 1.8 + 32.0' }
  relationships:
    - { name: group, target: bench-group, maxMultiplicity: 1 }
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: { name: bench-all }
spec: { interface: bench-group }
";

struct Case {
    name: &'static str,
    connections: usize,
    in_flight: usize,
    payload: usize,
}

const CASES: &[Case] = &[
    Case {
        name: "100 connections, 100 B",
        connections: 100,
        in_flight: 100,
        payload: 100,
    },
    Case {
        name: "100 connections, 200 B",
        connections: 100,
        in_flight: 100,
        payload: 200,
    },
    Case {
        name: "1 connection, 100 in flight",
        connections: 1,
        in_flight: 100,
        payload: 100,
    },
];

#[derive(Clone, Copy)]
struct Sample {
    rate: f64,
    cpu_us: f64,
    p50_ms: f64,
    p99_ms: f64,
    rss_mb: f64,
}

fn model(twins: usize) -> String {
    let mut text = MODEL.to_owned();
    for n in 0..twins {
        // Writing to a text cannot fail.
        let _ = write!(
            text,
            "---\napiVersion: gemelli.dev/v1\nkind: Twin\nmetadata: {{ name: bench-{n} }}\n\
             spec: {{ interface: bench-twin, relationships: [{{ name: group, target: bench-all }}] }}\n"
        );
    }
    text
}

fn publish(server: &Server, case: &Case, seconds: usize, topic: &str) -> Done<(Sample, u64)> {
    let before = server.usage()?;
    let output = Command::new(step::gemelli())
        .args([
            "load",
            "publish",
            "--mqtt",
            &format!("127.0.0.1:{}", server.mqtt),
        ])
        .args([
            "--connections",
            &case.connections.to_string(),
            "--in-flight",
            &case.in_flight.to_string(),
        ])
        .args([
            "--payload",
            &case.payload.to_string(),
            "--qos",
            "1",
            "--seconds",
            &seconds.to_string(),
        ])
        .args(["--topic", topic])
        .output()?;
    if !output.status.success() {
        return Err(Failed(format!(
            "gemelli load publish: {}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    let after = server.usage()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).map_err(|e| {
        Failed(format!(
            "gemelli load publish: {e}: {}",
            String::from_utf8_lossy(&output.stdout)
        ))
    })?;
    let number = |name: &str| said[name].as_f64().unwrap_or(f64::NAN);
    let acknowledged = number("acknowledged");
    let sample = Sample {
        rate: acknowledged / number("seconds"),
        cpu_us: (after.cpu_s - before.cpu_s) / acknowledged * 1e6,
        p50_ms: number("p50Ms"),
        p99_ms: number("p99Ms"),
        rss_mb: after.rss_mb,
    };
    Ok((sample, acknowledged as u64))
}

/// Measures all cases; the report and the goals.
pub fn run(plan: &Plan) -> Done<(String, Vec<Goal>)> {
    let mut report = String::from(
        "| case | server | events/s | CPU µs/event | p50 ms | p99 ms | RSS MB |\n|---|---|---|---|---|---|---|\n",
    );
    let mut goals = Vec::new();
    for case in CASES {
        let (mut whole, mut raw, mut peer) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..plan.pairs {
            eprintln!("── {} · pair {} of {}", case.name, pair + 1, plan.pairs);
            let ours = Server::gemelli()?;
            ours.gemelli_cli(&[
                "apply",
                "-f",
                &ours.file("bench.yaml", &model(case.connections))?,
            ])?;
            let (sample, acknowledged) = publish(
                &ours,
                case,
                plan.seconds,
                "ktwin/real/bench-twin/bench-{connection}",
            )?;
            let kept =
                ours.count_history(&["\"interface\":\"bench-twin\"", "\"category\":\"real\""])?;
            if kept < acknowledged {
                return Err(Failed(format!(
                    "{acknowledged} events acknowledged, {kept} read back: a broken promise"
                )));
            }
            whole.push(sample);
            drop(ours);
            let ours = Server::gemelli()?;
            raw.push(publish(&ours, case, plan.seconds, "raw/{connection}")?.0);
            drop(ours);
            let mosquitto = Server::mosquitto()?;
            peer.push(publish(&mosquitto, case, plan.seconds, "raw/{connection}")?.0);
        }
        for (server, samples) in [
            ("gemelli, whole path, durable", &whole),
            ("gemelli, raw topic, durable", &raw),
            ("Mosquitto, not durable", &peer),
        ] {
            let middle =
                |of: fn(&Sample) -> f64| median(&samples.iter().map(of).collect::<Vec<_>>());
            let _ = writeln!(
                report,
                "| {} | {server} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} |",
                case.name,
                middle(|s| s.rate),
                middle(|s| s.cpu_us),
                middle(|s| s.p50_ms),
                middle(|s| s.p99_ms),
                middle(|s| s.rss_mb)
            );
        }
        goals.extend(case_goals(case, &whole, &raw, &peer));
    }
    goals.extend(memory()?);
    Ok((report, goals))
}

fn case_goals(case: &Case, whole: &[Sample], raw: &[Sample], peer: &[Sample]) -> Vec<Goal> {
    let ratios = |ours: &[Sample], of: fn(&Sample) -> f64| -> Vec<f64> {
        ours.iter().zip(peer).map(|(a, b)| of(a) / of(b)).collect()
    };
    let mut goals = vec![
        Goal {
            what: format!("{}: whole path, rate over Mosquitto's", case.name),
            bound: Bound::AtLeast(1.0),
            samples: ratios(whole, |s| s.rate),
            unit: "×",
        },
        Goal {
            what: format!("{}: whole path, CPU per event over Mosquitto's", case.name),
            bound: Bound::AtMost(1.0),
            samples: ratios(whole, |s| s.cpu_us),
            unit: "×",
        },
        Goal {
            what: format!("{}: raw path, rate over Mosquitto's", case.name),
            bound: if case.connections > 1 {
                Bound::AtLeast(5.0)
            } else {
                Bound::None
            },
            samples: ratios(raw, |s| s.rate),
            unit: "×",
        },
    ];
    if case.connections > 1 {
        goals.push(Goal {
            what: format!("{}: whole path", case.name),
            bound: Bound::AtLeast(100.0),
            samples: whole.iter().map(|s| s.rate / 1000.0).collect(),
            unit: "k events/s",
        });
    }
    goals
}

/// Memory of an idle server, with the city's twins, and per idle connection.
fn memory() -> Done<Vec<Goal>> {
    eprintln!("── memory");
    let server = Server::gemelli()?;
    let settle = || std::thread::sleep(Duration::from_millis(1500));
    settle();
    let idle = server.usage()?.rss_mb;
    let count = 5_000;
    let held = server.gemelli_cli(&[
        "load",
        "hold",
        "--mqtt",
        &format!("127.0.0.1:{}", server.mqtt),
        "--connections",
        &count.to_string(),
        "--watch-pid",
        &server.pid().to_string(),
    ])?;
    let said: serde_json::Value = serde_json::from_str(&held)
        .map_err(|e| Failed(format!("gemelli load hold: {e}: {held}")))?;
    let per_connection = said["rssBytes"].as_f64().map_or(f64::NAN, |b| {
        (b / 1024.0 - idle * 1024.0) / f64::from(count)
    });
    drop(server);
    let server = Server::gemelli()?;
    server.gemelli_cli(&["load", "city", "--neighborhoods", "20"])?;
    settle();
    let city = server.usage()?.rss_mb;
    let one = |what: &str, bound: f64, figure: f64, unit: &'static str| Goal {
        what: what.to_owned(),
        bound: Bound::AtMost(bound),
        samples: vec![figure],
        unit,
    };
    Ok(vec![
        one("memory, idle", 40.0, idle, "MB"),
        one(
            "memory, 11,860 city twins, no connections",
            100.0,
            city,
            "MB",
        ),
        one("memory, an idle connection", 8.0, per_connection, "KiB"),
    ])
}
