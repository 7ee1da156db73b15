//! Verdicts on files of cases: JSON lines in, JSON lines out.
//!
//! A case submits documents, options, a resolver's answers and value checks; the verdict says
//! whether the documents are valid, which kinds of error they have, which identifiers stay
//! undefined, how many elements the model has and how each value fares. Promises: decided from
//! `input`, `options`, `resolution`, `instances[].subject` and `instances[].submit` alone; `name`
//! is repeated. Does not: read files.

mod case;

use super::{Outcome, Source, json, parse, value};
use case::Case;
use serde::Serialize;
use std::{collections::BTreeSet, sync::Arc};

/// Why a line is no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not JSON.
    #[error(transparent)]
    Json(#[from] json::Error),
    /// Something that a case has is absent, or of another kind.
    #[error("a case has {0}, and this line has not")]
    Missing(&'static str),
    /// The verdict cannot be written.
    #[error("the verdict cannot be written: {0}")]
    Unwritable(String),
}

/// The verdict on a case, as its line says it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    name: String,
    valid: bool,
    error_ids: Vec<String>,
    unresolved: Vec<String>,
    element_count: usize,
    instances: Vec<&'static str>,
}

/// The verdict on one case, both as a line of JSON without its end.
///
/// ```
/// let verdict = gemelli_model::dtdl::verdict::line(r#"{"name": "a", "input": [7]}"#).unwrap();
/// assert!(verdict.starts_with(r#"{"name":"a","valid":false,"#));
/// ```
///
/// # Errors
/// Why the line is no case.
pub fn line(line: &str) -> Result<String, Fault> {
    let verdict = decide(Case::read(line)?);
    serde_json::to_string(&verdict).map_err(|error| Fault::Unwritable(error.to_string()))
}

fn decide(case: Case<'_>) -> Verdict {
    let mut dialogue = case.dialogue;
    let mut resolve = |asked: &[Arc<str>]| {
        let texts = dialogue.answer(asked);
        (!texts.is_empty()).then(|| sources("resolution", &texts))
    };
    let documents = sources("input", &case.texts);
    let outcome = parse(&documents, &case.options, &mut resolve);
    let mut verdict = Verdict {
        name: case.name,
        valid: false,
        error_ids: Vec::new(),
        unresolved: Vec::new(),
        element_count: 0,
        instances: vec![value::Outcome::Throws.name(); case.instances.len()],
    };
    match outcome {
        Outcome::Valid(model) => {
            verdict.valid = true;
            verdict.element_count = model.element_count();
            let fates = case.instances.iter().map(|instance| {
                let subject = model.subject(&instance.subject);
                value::outcome(&&model, subject, &instance.text).name()
            });
            verdict.instances = fates.collect();
        }
        Outcome::Invalid(faults) => {
            let kinds: BTreeSet<&str> = faults.iter().map(|fault| fault.kind).collect();
            verdict.error_ids = kinds.into_iter().map(str::to_owned).collect();
        }
        Outcome::Incomplete(ids) => {
            verdict.unresolved = ids.iter().map(ToString::to_string).collect();
        }
    }
    verdict
}

fn sources(name: &str, texts: &[&str]) -> Vec<Source> {
    let texts = texts.iter().enumerate();
    texts
        .map(|(at, text)| Source {
            name: format!("{name}[{at}]"),
            text: (*text).to_owned(),
        })
        .collect()
}
