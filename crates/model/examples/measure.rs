//! Measures reading: one shape of a set a process, so that memory is that of the shape alone.
//!
//! `measure SHAPE N` prints seconds, peak resident memory in bytes, bytes of text, elements and the
//! kinds of fault, as one line of JSON. `cargo xtask bench model` runs it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use gemelli_model::dtdl::{self, Options, Outcome, Source};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Instant;

fn main() {
    let mut args = std::env::args().skip(1);
    let shape = args.next().unwrap_or_else(|| "ontology".into());
    let n: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let documents = shaped(&shape, n);
    let bytes: usize = documents.iter().map(|document| document.text.len()).sum();
    let began = Instant::now();
    let outcome = dtdl::parse(&documents, &Options::default(), &mut |_| None);
    let seconds = began.elapsed().as_secs_f64();
    let (elements, faults) = match &outcome {
        Outcome::Valid(model) => (model.element_count(), BTreeSet::new()),
        Outcome::Invalid(faults) => (0, faults.iter().map(|fault| fault.kind).collect()),
        Outcome::Incomplete(_) => (0, BTreeSet::from(["incomplete"])),
    };
    let line = serde_json::json!({
        "seconds": seconds, "peak_bytes": peak(), "bytes": bytes, "elements": elements,
        "faults": faults,
    });
    println!("{line}");
}

/// The most memory that was ever resident, where the system tells.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1_024
}

const CONTEXT: &str = r#""@context": "dtmi:dtdl:context;4""#;

fn shaped(shape: &str, n: usize) -> Vec<Source> {
    match shape {
        "ontology" => (0..n).map(|at| source(&ontology(at))).collect(),
        other => vec![source(&hostile(other, n))],
    }
}

fn source(text: &str) -> Source {
    Source {
        name: "set".into(),
        text: text.to_owned(),
    }
}

/// An Interface of an ontology: six levels of inheritance, and a Map in every other one.
fn ontology(at: usize) -> String {
    let mut contents = String::new();
    for content in 0..4 {
        let _ = write!(
            contents,
            r#"{{"@type": "Property", "name": "p{at}_{content}", "schema": "double", "writable": true,
                "displayName": {{"en": "Property {content}", "de": "Eigenschaft {content}"}}}},"#
        );
    }
    let map = r#"{"@type": "Map", "mapKey": {"name": "key", "schema": "string"}, "mapValue": {"name": "value", "schema": "double"}}"#;
    let schema = match at % 2 {
        0 => map,
        _ => {
            r#"{"@type": "Object", "fields": [{"name": "a", "schema": "double"}, {"name": "b", "schema": "string"}]}"#
        }
    };
    let extends = match at % 7 {
        0 => String::new(),
        _ => format!(r#""extends": "dtmi:bench:i{};1","#, at - 1),
    };
    format!(
        r#"{{{CONTEXT}, "@id": "dtmi:bench:i{at};1", "@type": "Interface", {extends} "displayName": "Interface {at}",
        "contents": [{contents}
            {{"@type": "Telemetry", "name": "t{at}", "schema": {schema}}},
            {{"@type": "Relationship", "name": "r{at}", "target": "dtmi:bench:i0;1"}}]}}"#
    )
}

/// A text that means harm.
fn hostile(shape: &str, n: usize) -> String {
    let interface = |at: usize, rest: &str| {
        format!(r#"{{{CONTEXT}, "@id": "dtmi:t:i{at};1", "@type": "Interface"{rest}}}"#)
    };
    let set = |of: &dyn Fn(usize) -> String| {
        let all: Vec<String> = (0..n).map(of).collect();
        format!("[{}]", all.join(","))
    };
    match shape {
        "nested" => "[".repeat(n),
        "circle" => {
            set(&|at| interface(at, &format!(r#", "extends": "dtmi:t:i{};1""#, (at + 1) % n)))
        }
        "diamonds" => set(&|at| match at {
            0 | 1 => interface(at, ""),
            _ => interface(
                at,
                &format!(
                    r#", "extends": ["dtmi:t:i{};1", "dtmi:t:i{};1"]"#,
                    at - 2 + at % 2,
                    at - 1 - at % 2
                ),
            ),
        }),
        "contents" => {
            let contents: Vec<String> = (0..n)
                .map(|at| {
                    format!(r#"{{"@type": "Telemetry", "name": "t{at}", "schema": "double"}}"#)
                })
                .collect();
            interface(0, &format!(r#", "contents": [{}]"#, contents.join(",")))
        }
        "keys" => {
            let keys: Vec<String> = (0..n).map(|at| format!(r#""x{}": 1"#, at / 2)).collect();
            interface(0, &format!(", {}", keys.join(",")))
        }
        "digits" => interface(0, &format!(r#", "comment": {}"#, "9".repeat(n))),
        "missing" => set(&|at| interface(at, &format!(r#", "extends": "dtmi:gone:i{at};1""#))),
        "heirs" => {
            // Each inherits from many that inherit from many.
            set(&|at| {
                let below: Vec<String> = (1..=4)
                    .filter_map(|step| at.checked_sub(step * 7))
                    .map(|below| format!(r#""dtmi:t:i{below};1""#))
                    .collect();
                let contents = format!(r#"{{"@type": "Relationship", "name": "r{}"}}"#, at % 50);
                interface(
                    at,
                    &format!(
                        r#", "extends": [{}], "contents": [{contents}]"#,
                        below.join(",")
                    ),
                )
            })
        }
        "annotations" => {
            let contents: Vec<String> = (0..n)
                .map(|at| {
                    format!(
                        r#"{{"@type": ["Property", "ValueAnnotation"], "name": "a{at}", "schema": "double", "annotates": "a{}"}}"#,
                        n - at - 1
                    )
                })
                .collect();
            format!(
                r#"{{"@context": ["dtmi:dtdl:context;4", "dtmi:dtdl:extension:annotation;2"], "@id": "dtmi:t:i;1", "@type": "Interface", "contents": [{}]}}"#,
                contents.join(",")
            )
        }
        other => unreachable!("there is no shape {other:?}"),
    }
}
