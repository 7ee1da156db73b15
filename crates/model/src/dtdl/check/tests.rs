//! What walks over hostile sets take: counted in steps, never in time.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::graph::Graph;
use crate::dtdl::tables::Tables;
use crate::dtdl::{Fault, Options, Outcome, Source, json, parse, read::Reader};

fn reader<'t>(text: &str, options: &'t Options) -> Reader<'t> {
    let mut reader = Reader::new(Tables::get(), options);
    reader.document(&json::parse(text.as_bytes()).unwrap().root);
    reader
}

/// Steps that the checks take on a set, and the kinds of fault.
fn checked(text: &str) -> (u64, Vec<&'static str>) {
    let options = Options::default();
    let mut reader = reader(text, &options);
    let elements = std::mem::take(&mut reader.elements);
    let mut graph = Graph::new(&elements);
    let before = graph.left();
    reader.descents(&mut graph);
    reader.imports(&mut graph);
    reader.siblings(&mut graph);
    let kinds = reader.faults.iter().map(|fault| fault.kind).collect();
    (before - graph.left(), kinds)
}

fn faults(text: &str) -> Vec<Fault> {
    let source = Source {
        name: "test".into(),
        text: text.into(),
    };
    match parse(&[source], &Options::default(), &mut |_| None) {
        Outcome::Invalid(faults) => faults,
        other => panic!("{other:?}"),
    }
}

/// `levels` of two Interfaces each, every one extending both of the level below: a chain of
/// diamonds, with two to the power of `levels` ways to its bottom.
fn diamonds(levels: usize) -> String {
    let mut all = Vec::new();
    for level in 0..levels {
        for side in ["a", "b"] {
            let extends = match level {
                0 => String::new(),
                _ => format!(
                    r#", "extends": ["dtmi:t:a{0};1", "dtmi:t:b{0};1"]"#,
                    level - 1
                ),
            };
            all.push(format!(
                r#"{{"@context": "dtmi:dtdl:context;4", "@id": "dtmi:t:{side}{level};1", "@type": "Interface"{extends},
                "contents": [{{"@type": "Telemetry", "name": "{side}{level}", "schema": "double"}}]}}"#
            ));
        }
    }
    format!("[{}]", all.join(","))
}

#[test]
fn diamonds_cost_no_more_than_their_interfaces() {
    let (steps, kinds) = checked(&diamonds(12));
    assert!(kinds.is_empty(), "{kinds:?}");
    let (twice, kinds) = checked(&diamonds(24));
    assert!(kinds.contains(&"excessiveDepthNarrow"), "{kinds:?}");
    assert!(twice < steps * 5, "{steps} then {twice}");
}

#[test]
fn a_long_chain_is_told_once_and_walked_without_recursion() {
    let interfaces: Vec<String> = (0..20_000)
        .map(|at| {
            format!(
                r#"{{"@context": "dtmi:dtdl:context;3", "@id": "dtmi:t:i{at};1", "@type": "Interface", "extends": "dtmi:t:i{};1"}}"#,
                (at + 1) % 20_000
            )
        })
        .collect();
    let circle = format!("[{}]", interfaces.join(","));
    let faults = faults(&circle);
    let told = faults
        .iter()
        .filter(|fault| fault.kind == "recursiveStructureNarrow");
    assert_eq!(told.count(), 1);
    let deep = faults
        .iter()
        .filter(|fault| fault.kind == "excessiveDepthNarrow");
    assert_eq!(deep.count(), 1);
}

#[test]
fn a_set_that_would_take_too_long_is_refused_as_too_intricate() {
    // Every heir looks through all the names of all bases, which no two share but one.
    let bases = 200;
    let mut all: Vec<String> = (0..bases)
        .map(|base| {
            let contents: Vec<String> = (0..40)
                .map(|at| format!(r#"{{"@type": "Relationship", "name": "n{}"}}"#, base / 2 * 40 + at))
                .collect();
            format!(
                r#"{{"@context": "dtmi:dtdl:context;4", "@id": "dtmi:t:base{base};1", "@type": "Interface", "contents": [{}]}}"#,
                contents.join(",")
            )
        })
        .collect();
    let extended: Vec<String> = (0..bases / 2)
        .map(|base| format!(r#""dtmi:t:base{};1""#, base * 2))
        .collect();
    let own = format!(
        r#""@context": "dtmi:dtdl:context;4", "@type": "Interface", "extends": [{}]"#,
        extended.join(",")
    );
    all.push(format!(r#"{{"@id": "dtmi:t:all;1", {own}}}"#));
    for heir in 0..4_000 {
        all.push(format!(
            r#"{{"@context": "dtmi:dtdl:context;4", "@id": "dtmi:t:heir{heir};1", "@type": "Interface", "extends": "dtmi:t:all;1"}}"#
        ));
    }
    let faults = faults(&format!("[{}]", all.join(",")));
    assert_eq!(faults.len(), 1);
    assert_eq!(faults.first().unwrap().kind, "setTooIntricate");
}
