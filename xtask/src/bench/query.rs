//! Queries in the view alone: `crates/query/examples/query_cost.rs`, run so often as is asked.

use super::{Bound, Goal};
use crate::step::{self, Done, Failed};

/// Figures of the program with what they should be.
const FIGURES: &[(&str, &str, Bound, &str)] = &[
    (
        "point-p99-ms",
        "point read by $dtId, p99",
        Bound::AtMost(1.0),
        "ms",
    ),
    (
        "filter-ms",
        "model of 10 % and a property, one row",
        Bound::AtMost(50.0),
        "ms",
    ),
    (
        "filter-page-ms",
        "model and a property, first page",
        Bound::AtMost(50.0),
        "ms",
    ),
    (
        "filter-count-ms",
        "model and a property, counted",
        Bound::AtMost(50.0),
        "ms",
    ),
    (
        "match-p99-ms",
        "MATCH of three hops from one twin, p99",
        Bound::AtMost(5.0),
        "ms",
    ),
    ("count-ms", "COUNT(*)", Bound::AtMost(1.0), "ms"),
    (
        "count-model-ms",
        "COUNT() of a model with inheritance",
        Bound::AtMost(1.0),
        "ms",
    ),
    (
        "scan-count-ms",
        "a property of all twins, counted",
        Bound::None,
        "ms",
    ),
    ("group-ms", "AVG by model over all twins", Bound::None, "ms"),
    (
        "bytes-per-twin",
        "memory per twin with three relationships",
        Bound::None,
        "B",
    ),
];

/// Runs the program `runs` times over so many twins.
pub fn run(runs: usize, twins: usize) -> Done<Vec<Goal>> {
    step::build(
        "query_cost",
        step::cargo().args([
            "build",
            "--release",
            "--quiet",
            "-p",
            "gemelli-query",
            "--example",
            "query_cost",
        ]),
    )?;
    let program = step::root().join("target/release/examples/query_cost");
    let program = program.to_string_lossy().into_owned();
    let mut samples = vec![Vec::new(); FIGURES.len()];
    for run in 0..runs {
        eprintln!("── query · run {} of {runs} · {twins} twins", run + 1);
        let text = step::output(&program, &[&twins.to_string()])
            .ok_or_else(|| Failed(format!("{program} failed")))?;
        for ((name, ..), samples) in FIGURES.iter().zip(&mut samples) {
            let figure = text.lines().find_map(|line| {
                let (n, value) = line.split_once(' ')?;
                (n == *name).then(|| value.parse::<f64>().ok()).flatten()
            });
            samples
                .push(figure.ok_or_else(|| Failed(format!("{program} says nothing of {name}")))?);
        }
    }
    let goals = FIGURES.iter().zip(samples);
    Ok(goals
        .map(|((_, what, bound, unit), samples)| Goal {
            what: (*what).to_owned(),
            bound: *bound,
            samples,
            unit,
        })
        .collect())
}
