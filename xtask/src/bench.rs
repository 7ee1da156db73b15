//! `cargo xtask bench`: figures beside a peer in the same run, or beside a goal.
//!
//! The generator is a process of its own and the same for every server; pairs are interleaved, so
//! that a machine that slows down slows both. Medians and ranges are printed, and what else ran.

mod ingest;
mod model;
mod query;
mod server;

use crate::step::{self, Done, Failed};

/// A figure with the goal it has to reach.
pub struct Goal {
    /// What is measured.
    pub what: String,
    /// What it should be.
    pub bound: Bound,
    /// The samples, one a pair.
    pub samples: Vec<f64>,
    /// Their unit.
    pub unit: &'static str,
}

/// Which side of the bound is good.
#[derive(Clone, Copy)]
pub enum Bound {
    /// At least this much.
    AtLeast(f64),
    /// At most this much.
    AtMost(f64),
    /// Only reported.
    None,
}

impl Goal {
    fn line(&self) -> String {
        let middle = median(&self.samples);
        let (goal, verdict) = match self.bound {
            Bound::AtLeast(bound) => (
                format!("≥ {bound:.1}"),
                if middle >= bound { "reached" } else { "MISSED" },
            ),
            Bound::AtMost(bound) => (
                format!("≤ {bound:.1}"),
                if middle <= bound { "reached" } else { "MISSED" },
            ),
            Bound::None => ("—".to_owned(), "reported"),
        };
        let low = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self
            .samples
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        format!(
            "| {} | {goal} {unit} | {middle:.2} {unit} | {low:.2} to {high:.2} | {verdict} |",
            self.what,
            unit = self.unit
        )
    }
}

/// The middle sample.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs a benchmark by name.
pub fn run(args: &[String]) -> Done {
    let Some((name, options)) = args.split_first() else {
        return Err(Failed("bench takes a name: ingest, model, query".into()));
    };
    let number = |flag: &str, default: usize| -> Done<usize> {
        match options.iter().position(|o| o == flag) {
            None => Ok(default),
            Some(at) => options
                .get(at + 1)
                .and_then(|n| n.parse().ok())
                .ok_or_else(|| Failed(format!("{flag} takes a number"))),
        }
    };
    let goals_only = options.iter().any(|o| o == "--goals");
    let (report, goals) = match name.as_str() {
        "ingest" => {
            let plan = ingest::Plan {
                pairs: number("--pairs", 5)?,
                seconds: number("--seconds", 4)?,
            };
            step::build_gemelli()?;
            ingest::run(&plan)?
        }
        "model" => model::run(number("--runs", 3)?)?,
        "query" => (
            String::new(),
            query::run(number("--runs", 1)?, number("--twins", 1_000_000)?)?,
        ),
        other => {
            return Err(Failed(format!(
                "there is no benchmark {other:?}: ingest, model, query"
            )));
        }
    };
    if !goals_only {
        println!("{report}");
    }
    println!("| what | goal | figure | noise (lowest to highest) | |\n|---|---|---|---|---|");
    for goal in &goals {
        println!("{}", goal.line());
    }
    Ok(())
}
