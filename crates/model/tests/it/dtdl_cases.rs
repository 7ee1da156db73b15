//! The language against the public sample of the reference parser's cases: floors that only rise.
//!
//! `GEMELLI_SCORE=1` prints the scores by version and suite, and the failing cases.

#![allow(clippy::unwrap_used)]

use gemelli_model::dtdl::{self, Extensions, Options, Outcome, Source};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const CASES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/dtdl/cases"
);

/// Right cases of all cases, by version.
///
/// Three of version 4 expect a model of a chain of arrays or maps to have fewer elements than are
/// listed for a shorter chain of the same form; those counts are taken for lower bounds.
const FLOORS: [(u8, usize); 3] = [(2, 1786), (3, 1880), (4, 2045)];

#[derive(Default)]
struct Score {
    right: usize,
    total: usize,
}

#[test]
fn sample_cases_are_judged_as_listed() {
    for (version, floor) in FLOORS {
        let path = format!("{CASES}/models-v{version}.jsonl");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: shared-data: {path} is not there");
            continue;
        };
        let mut scores: BTreeMap<String, Score> = BTreeMap::new();
        let mut count = |name: String, right: bool| {
            let score = scores.entry(name).or_default();
            score.right += usize::from(right);
            score.total += 1;
        };
        let mut right = 0;
        for line in text.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let suite = case["suite"].as_str().unwrap();
            let complaints = judge(&case, &mut |aspect, right| {
                count(format!("{suite} {aspect}"), right)
            });
            right += usize::from(complaints.is_empty());
            if std::env::var_os("GEMELLI_SCORE").is_some() && !complaints.is_empty() {
                println!(
                    "WRONG {} {}",
                    case["name"].as_str().unwrap(),
                    complaints.join(" | ")
                );
            }
        }
        for (name, score) in &scores {
            println!("v{version} {name}: {}/{}", score.right, score.total);
        }
        println!("v{version} all: {right}/{}", text.lines().count());
        assert!(
            right >= floor,
            "version {version}: {right} right, floor {floor}"
        );
    }
}

/// What is wrong about the verdict on a case.
fn judge(case: &Value, count: &mut dyn FnMut(&str, bool)) -> Vec<String> {
    let mut complaints = Vec::new();
    let outcome = run(case);
    let valid = matches!(outcome, Outcome::Valid(_));
    let wanted = case["valid"].as_bool().unwrap();
    count(
        if wanted {
            "verdict valid"
        } else {
            "verdict invalid"
        },
        valid == wanted,
    );
    let expect = &case["expect"];
    let list = |name: &str| -> Option<BTreeSet<String>> {
        let items = expect[name].as_array()?;
        Some(
            items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
        )
    };
    if valid != wanted {
        let detail = match &outcome {
            Outcome::Invalid(faults) => faults
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
            Outcome::Incomplete(ids) => format!("undefined {ids:?}"),
            Outcome::Valid(_) => format!("valid, expected {:?}", list("errorIds")),
        };
        complaints.push(format!("VERDICT {detail}"));
    }
    match &outcome {
        Outcome::Valid(model) => {
            if let Some(elements) = expect["elementCount"].as_u64() {
                let right = elements == model.element_count() as u64;
                count("element count", right);
                if !right {
                    complaints.push(format!("COUNT {} not {elements}", model.element_count()));
                }
            }
            for element in expect["elements"].as_array().into_iter().flatten() {
                let id = element["id"].as_str().unwrap_or_default();
                let known = model.get(id).is_some() || model.standard().any(|known| known == id);
                count("element ids", known);
                if !known {
                    complaints.push(format!("ELEMENT {id} is not there"));
                }
            }
        }
        Outcome::Invalid(faults) => {
            if let Some(listed) = list("errorIds") {
                let reported: BTreeSet<String> =
                    faults.iter().map(|fault| fault.kind.to_owned()).collect();
                let right = reported.is_subset(&listed);
                count("error kinds", right);
                if !right {
                    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
                    complaints.push(format!("KINDS {} not of {listed:?}", told.join("; ")));
                }
            } else if list("unresolved").is_some() {
                count("unresolved", false);
                complaints.push(format!(
                    "UNRESOLVED but faults {:?}",
                    faults.iter().map(ToString::to_string).collect::<Vec<_>>()
                ));
            }
        }
        Outcome::Incomplete(ids) => {
            let ids: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
            let right = list("unresolved") == Some(ids.clone());
            count("unresolved", right);
            if !right && !wanted {
                complaints.push(format!(
                    "UNRESOLVED {ids:?} not {:?}, kinds {:?}",
                    list("unresolved"),
                    list("errorIds")
                ));
            }
        }
    }
    complaints
}

fn run(case: &Value) -> Outcome {
    let named = &case["options"];
    let mut options = Options {
        undefined_extensions: match named["undefinedExtensions"].as_str() {
            Some("always") => Extensions::Always,
            Some("never") => Extensions::Never,
            _ => Extensions::ByVersion,
        },
        ..Options::default()
    };
    if let Some(version) = named["maxDtdlVersion"].as_u64() {
        options.max_version = u8::try_from(version).unwrap();
    }
    let limits = named["acceptableLimits"].as_array().into_iter().flatten();
    let limits = limits.filter_map(|limit| limit.as_str().map(str::to_owned));
    options.limits = Some(limits.collect());
    let quirk = |name: &str| {
        named["quirks"]
            .as_array()
            .is_some_and(|quirks| quirks.iter().any(|quirk| quirk == name))
    };
    options.tolerate_in_submitted = quirk("TolerateSolecismsInParse");
    options.tolerate_in_resolved = quirk("TolerateSolecismsInResolve");
    let source = |value: &Value| Source {
        name: "case".into(),
        text: serde_json::to_string_pretty(value).unwrap(),
    };
    let sources: Vec<Source> = case["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(source)
        .collect();
    let mut rounds = case["resolution"].as_array().into_iter().flatten();
    dtdl::parse(&sources, &options, &mut |_| {
        let response = rounds.next()?["response"]
            .as_array()?
            .iter()
            .map(source)
            .collect();
        Some(response)
    })
}
