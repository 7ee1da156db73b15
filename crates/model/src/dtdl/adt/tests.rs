//! What a set for Azure Digital Twins may hold.
#![allow(clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::dtdl::{self, Options, Outcome, Source};

fn model(text: &str) -> Model {
    let source = Source {
        name: "set.json".into(),
        text: text.into(),
    };
    match dtdl::parse(&[source], &Options::default(), &mut |_| None) {
        Outcome::Valid(model) => model,
        other => panic!("{other:?}"),
    }
}

fn interface(id: &str, contents: &str) -> String {
    format!(
        r#"{{"@context":"dtmi:dtdl:context;3","@id":"dtmi:t:{id};1","@type":"Interface","contents":[{contents}]}}"#
    )
}

fn told(text: &str) -> Vec<(String, u32, String)> {
    let all = breaches(&model(text)).into_iter().map(|breach| {
        let first: Vec<&str> = breach.message.split(' ').take(4).collect();
        let element = breach.element.as_deref().unwrap_or_default().to_owned();
        (element, breach.pos.line, first.join(" "))
    });
    all.collect()
}

#[test]
fn what_the_service_takes_has_no_breach() {
    let lamp = interface(
        "lamp",
        r#"{"@type":"Property","name":"p","schema":{"@type":"Array","elementSchema":"long"}},
           {"@type":"Component","name":"c","schema":"dtmi:t:part;1"},
           {"@type":"Relationship","name":"r"}"#,
    );
    let part = interface(
        "part",
        r#"{"@type":"Telemetry","name":"t","schema":"long"}"#,
    );
    assert_eq!(told(&format!("[{lamp},{part}]")), []);
}

#[test]
fn commands_are_refused_where_they_are_declared() {
    let lamp = interface("lamp", "\n{\"@type\":\"Command\",\"name\":\"dim\"}");
    let smart = lamp.replace("t:lamp", "t:smart").replace(
        "\"contents\":[\n{\"@type\":\"Command\",\"name\":\"dim\"}]",
        "\"extends\":\"dtmi:t:lamp;1\"",
    );
    let found = told(&format!("[{lamp},{smart}]"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].1, found[0].2.as_str()), (2, "the command dim is"));
}

#[test]
fn components_go_one_level_deep_in_every_version_of_the_language() {
    let whole = interface(
        "whole",
        r#"{"@type":"Component","name":"half","schema":"dtmi:t:half;1"}"#,
    );
    let half = interface(
        "half",
        r#"{"@type":"Component","name":"piece","schema":"dtmi:t:piece;1"}"#,
    );
    let piece = interface("piece", "");
    for version in [2, 3, 4] {
        let text = format!("[{whole},{half},{piece}]");
        let source = Source {
            name: "set.json".into(),
            text: text.replace("context;3", &format!("context;{version}")),
        };
        let outcome = dtdl::parse(&[source], &Options::default(), &mut |_| None);
        let refused =
            matches!(&outcome, Outcome::Invalid(faults) if faults[0].kind == "excludedType");
        assert!(refused, "{version}: {outcome:?}");
    }
}

#[test]
fn an_interface_within_another_and_version_four_are_refused() {
    let inner = r#"{"@id":"dtmi:t:inner;1","@type":"Interface"}"#;
    let outer = interface(
        "outer",
        &format!(r#"{{"@type":"Component","name":"c","schema":{inner}}}"#),
    );
    let outer = outer.replace("context;3", "context;2");
    let found = told(&outer);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "dtmi:t:inner;1");
    let four = interface("four", "").replace("context;3", "context;4");
    assert_eq!(told(&four)[0].2, "version 4 of the");
}

#[test]
fn an_instance_holds_so_many_models() {
    let set = format!("[{},{}]", interface("a", ""), interface("b", ""));
    let model = model(&set);
    assert!(breaches_within(&model, 2).is_empty());
    let found = breaches_within(&model, 1);
    assert_eq!(found[0].element, None);
}
