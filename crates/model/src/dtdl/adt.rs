//! What Azure Digital Twins refuses of a valid set of documents, so that a model can move there.
//!
//! The service takes less than the language: no commands, no Interface written within another element,
//! versions 2 and 3, and so many models. That components go one level deep is a rule of the language
//! itself. Does not: know which extensions the service has learnt since.

use super::{Element, Model, json::Pos};
use std::sync::Arc;

/// Most models of one instance of the service.
pub const MAX_MODELS: usize = 10_000;

/// Most models of one upload.
pub const MAX_UPLOAD: usize = 250;

/// The highest version of the language that the service reads.
pub const MAX_VERSION: u8 = 3;

/// One thing that the service refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The element; none for the set itself.
    pub element: Option<Arc<str>>,
    /// Which of the sources.
    pub source: usize,
    /// Where in its text.
    pub pos: Pos,
    /// What is refused, and how to mend it.
    pub message: String,
}

/// Everything that the service refuses, in the order of the documents.
///
/// ```
/// use gemelli_model::dtdl::{self, Options, Outcome, Source, adt};
/// let text = r#"{"@context": "dtmi:dtdl:context;3", "@id": "dtmi:city:lamp;1", "@type": "Interface",
///   "contents": [{"@type": "Command", "name": "dim"}]}"#;
/// let source = Source { name: "lamp.json".into(), text: text.into() };
/// let Outcome::Valid(model) = dtdl::parse(&[source], &Options::default(), &mut |_| None) else { panic!() };
/// assert!(adt::breaches(&model)[0].message.starts_with("the command dim"));
/// ```
pub fn breaches(model: &Model) -> Vec<Breach> {
    breaches_within(model, MAX_MODELS)
}

/// As [`breaches`], for an instance of the service that holds another number of models.
pub fn breaches_within(model: &Model, max_models: usize) -> Vec<Breach> {
    let mut found = Vec::new();
    let count = model.interfaces().count();
    if count > max_models {
        found.push(Breach {
            element: None,
            source: 0,
            pos: Pos::START,
            message: format!(
                "{count} models are more than the {max_models} that one instance holds; split the set"
            ),
        });
    }
    for interface in model.interfaces() {
        let mut refuse = |element: &Element, message: String| {
            found.push(Breach {
                element: Some(element.id.clone()),
                source: element.source,
                pos: element.pos,
                message,
            });
        };
        if interface.version > MAX_VERSION {
            let message = format!(
                "version {} of the language is not read; write version {MAX_VERSION}",
                interface.version
            );
            refuse(interface, message);
        }
        if interface.parent.is_some() {
            let message = "an Interface within another element is not read; give it a document of its own, and its identifier here".to_owned();
            refuse(interface, message);
        }
        for content in interface.refs("contents").filter_map(|id| model.get(id)) {
            let name = content.text("name").unwrap_or_default();
            if content.class == "Command" {
                let message = format!(
                    "the command {name} is not taken; leave it out, or make it a writable property"
                );
                refuse(content, message);
            }
        }
    }
    found.sort_by_key(|breach| (breach.source, breach.pos));
    found
}

#[cfg(test)]
mod tests;
