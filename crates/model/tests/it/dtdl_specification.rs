//! What the specification says and the public sample does not show, one small document each.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod contexts;
mod extensions;
mod literals;
mod structure;

use gemelli_model::dtdl::{self, Extensions, Options, Outcome, Source};
use std::sync::Arc;

fn parse(text: &str, options: &Options) -> Outcome {
    let source = Source {
        name: "test".into(),
        text: text.into(),
    };
    dtdl::parse(&[source], options, &mut |_| None)
}

/// The kinds of fault of a text, in order; `["valid"]` or `["incomplete"]` where there is none.
fn kinds(text: &str) -> Vec<&'static str> {
    kinds_with(text, &Options::default())
}

fn kinds_with(text: &str, options: &Options) -> Vec<&'static str> {
    match parse(text, options) {
        Outcome::Valid(_) => vec!["valid"],
        Outcome::Incomplete(_) => vec!["incomplete"],
        Outcome::Invalid(faults) => {
            let mut kinds: Vec<&str> = faults.iter().map(|fault| fault.kind).collect();
            kinds.dedup();
            kinds
        }
    }
}

/// An Interface with more members, in contexts that are given as JSON.
fn interface(contexts: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"@context": [{contexts}], "@id": "dtmi:t:i;1", "@type": "Interface"{comma} {members}}}"#
    )
}

fn core(version: u8) -> String {
    format!(r#""dtmi:dtdl:context;{version}""#)
}

fn contents(contexts: &str, contents: &str) -> String {
    interface(contexts, &format!(r#""contents": [{contents}]"#))
}

#[track_caller]
fn all(version: u8, cases: &[(&str, &str)]) {
    for (members, expected) in cases {
        let found = kinds(&interface(&core(version), members));
        assert_eq!(found, [*expected], "version {version}: {members}");
    }
}

#[track_caller]
fn all_contents(contexts: &str, cases: &[(&str, &str)]) {
    for (content, expected) in cases {
        let found = kinds(&contents(contexts, content));
        assert_eq!(found, [*expected], "{contexts}: {content}");
    }
}
