//! `bench model`: reading DTDL, the whole of a synthetic ontology and texts that mean harm.
//!
//! Each figure is of a process of its own (an example of the model crate), so that its memory is
//! that of one set. Hostile shapes run at n and 2n: the ratio tells growth.

use super::{Bound, Goal};
use crate::step::{self, Done, Failed};
use std::process::Command;

/// Interfaces of the synthetic set.
const INTERFACES: usize = 2_000;
/// Interfaces of the largest public building ontology, for a figure of its size.
const BUILDINGS: usize = 1_364;
/// What growth may be where the input doubles; a little above two for the sorting of keys.
const GROWTH: f64 = 2.6;

/// Hostile shapes and how many parts they have.
const HOSTILE: &[(&str, usize, &str)] = &[
    ("nested", 1_000_000, "arrays within one another"),
    ("circle", 50_000, "Interfaces in a circle of inheritance"),
    ("diamonds", 50_000, "Interfaces in a ladder of diamonds"),
    ("heirs", 20_000, "Interfaces that inherit from many"),
    ("contents", 50_000, "contents of one Interface"),
    ("annotations", 50_000, "contents that name each other"),
    ("keys", 200_000, "keys of one object, each twice"),
    ("digits", 4_000_000, "digits of one number"),
    ("missing", 50_000, "references to nothing"),
];

/// What the measuring program says.
struct Figures {
    seconds: f64,
    megabytes: f64,
    text: f64,
    elements: f64,
    faults: String,
}

/// The report and the goals.
pub fn run(runs: usize) -> Done<(String, Vec<Goal>)> {
    step::build(
        "measuring program",
        step::cargo().args([
            "build",
            "--release",
            "--quiet",
            "-p",
            "gemelli-model",
            "--example",
            "measure",
        ]),
    )?;
    let mut report = String::from(
        "| set | text | time | peak memory | elements | faults |\n|---|---|---|---|---|---|\n",
    );
    let mut goals = Vec::new();
    for (what, n) in [
        ("Interfaces with six levels of inheritance", INTERFACES),
        ("Interfaces, as many as in RealEstateCore", BUILDINGS),
    ] {
        let figures = (0..runs.max(1))
            .map(|_| measure("ontology", n))
            .collect::<Done<Vec<_>>>()?;
        if let Some(figure) = figures.first() {
            report.push_str(&figure.line(&format!("{n} {what}")));
        }
        let samples = |of: &dyn Fn(&Figures) -> f64| figures.iter().map(of).collect();
        goals.push(Goal {
            what: format!("{n} {what}, time"),
            bound: Bound::AtMost(1_000.0),
            samples: samples(&|figures| figures.seconds * 1e3),
            unit: "ms",
        });
        goals.push(Goal {
            what: format!("{n} {what}, peak memory"),
            bound: Bound::AtMost(200.0),
            samples: samples(&|figures| figures.megabytes),
            unit: "MB",
        });
        goals.push(Goal {
            what: format!("{n} {what}, per Interface"),
            bound: Bound::None,
            samples: samples(&|figures| figures.seconds * 1e6 / n as f64),
            unit: "µs",
        });
    }
    for (shape, n, what) in HOSTILE {
        let mut ratios = Vec::new();
        for run in 0..runs.max(1) {
            let once = measure(shape, *n)?;
            let twice = measure(shape, n * 2)?;
            if run == 0 {
                report.push_str(&once.line(&format!("{n} {what}")));
                report.push_str(&twice.line(&format!("{} {what}", n * 2)));
            }
            ratios.push(twice.seconds / once.seconds.max(1e-6));
        }
        goals.push(Goal {
            what: format!("{n} {what}: time at twice as many"),
            bound: Bound::AtMost(GROWTH),
            samples: ratios,
            unit: "times",
        });
    }
    Ok((report, goals))
}

impl Figures {
    fn line(&self, what: &str) -> String {
        format!(
            "| {what} | {:.1} MB | {:.1} ms | {:.1} MB | {} | {} |\n",
            self.text,
            self.seconds * 1e3,
            self.megabytes,
            self.elements,
            self.faults
        )
    }
}

fn measure(shape: &str, n: usize) -> Done<Figures> {
    let failed = |why: String| Failed(format!("measuring {shape} {n}: {why}"));
    let program = step::target().join("release/examples/measure");
    let output = Command::new(program)
        .args([shape, &n.to_string()])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let line: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    let number = |key: &str| line[key].as_f64().unwrap_or(f64::NAN);
    let faults = line["faults"].as_array().cloned().unwrap_or_default();
    let faults: Vec<&str> = faults.iter().filter_map(|fault| fault.as_str()).collect();
    Ok(Figures {
        seconds: number("seconds"),
        megabytes: number("peak_bytes") / 1e6,
        text: number("bytes") / 1e6,
        elements: number("elements"),
        faults: faults.join(", "),
    })
}
