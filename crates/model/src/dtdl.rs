//! DTDL, versions 2, 3 and 4: the modelling language of the product.
//!
//! [`parse`] reads documents into a [`Model`], or tells every fault, or which identifiers stay
//! undefined. One engine, driven by tables that are derived from the public metamodel; kinds of
//! fault have the names of the reference parser. Pure: other documents come through a callback.
//!
//! Layers (fragments in identifiers) are no part of these versions and are refused.

pub mod adt;
mod check;
mod context;
pub mod dtmi;
mod fault;
pub mod json;
mod literal;
mod model;
pub mod object;
mod read;
pub mod runtime;
mod tables;
pub mod value;
pub mod verdict;

pub use fault::Fault;
pub use model::{Element, Model, Value};

use read::Reader;
use std::collections::BTreeSet;
use std::sync::Arc;
use tables::Tables;

/// Times that undefined identifiers are asked for before they are reported.
pub const ROUNDS: usize = 1_024;

/// A text to read, under a name for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// A file or another place.
    pub name: String,
    /// JSON: an Interface or an array of them.
    pub text: String,
}

/// Whether extensions that are not known are tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Extensions {
    /// In version 2 and not in later ones.
    #[default]
    ByVersion,
    /// In every version.
    Always,
    /// In no version.
    Never,
}

/// How documents are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether extensions that are not known are tolerated.
    pub undefined_extensions: Extensions,
    /// The highest version of the language that is accepted.
    pub max_version: u8,
    /// Contexts with limits that are accepted, each with its version or, for all of them, without;
    /// all known ones when there is no list.
    pub limits: Option<Vec<String>>,
    /// Whether old slips are let pass in submitted documents: identifiers that begin with
    /// dtmi:standard:, references in an object of their own.
    pub tolerate_in_submitted: bool,
    /// As above, in documents that were asked for.
    pub tolerate_in_resolved: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            undefined_extensions: Extensions::default(),
            max_version: 4,
            limits: None,
            tolerate_in_submitted: false,
            tolerate_in_resolved: false,
        }
    }
}

/// What came of reading.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// No fault, nothing undefined.
    Valid(Model),
    /// Every fault, in the order of the documents.
    Invalid(Vec<Fault>),
    /// Identifiers that are referred to, not defined and not resolved.
    Incomplete(Vec<Arc<str>>),
}

/// Asked for undefined identifiers; may give documents that define them.
pub type Resolve<'a> = dyn FnMut(&[Arc<str>]) -> Option<Vec<Source>> + 'a;

/// Reads documents. `resolve` is asked for undefined identifiers, and may give documents that
/// define them.
///
/// ```
/// use gemelli_model::dtdl::{self, Options, Outcome, Source};
/// let text = r#"{"@context": "dtmi:dtdl:context;3", "@id": "dtmi:city:lamp;1", "@type": "Interface"}"#;
/// let source = Source { name: "lamp.json".into(), text: text.into() };
/// let outcome = dtdl::parse(&[source], &Options::default(), &mut |_| None);
/// assert!(matches!(outcome, Outcome::Valid(model) if model.element_count() == 1));
/// ```
pub fn parse(documents: &[Source], options: &Options, resolve: &mut Resolve<'_>) -> Outcome {
    let mut reader = Reader::new(Tables::get(), options);
    for source in documents {
        read_source(&mut reader, source);
    }
    if let Some(missing) = complete(&mut reader, resolve) {
        return Outcome::Incomplete(missing);
    }
    reader.check();
    if !reader.faults.is_empty() {
        reader.faults.sort_by_key(|fault| (fault.source, fault.pos));
        return Outcome::Invalid(reader.faults);
    }
    let mut model = Model::default();
    let mut standard = BTreeSet::new();
    for element in reader.elements.values() {
        for value in element.properties.values().flatten() {
            if let Value::Element(id) = value
                && !reader.elements.contains_key(id)
            {
                include(Tables::get(), id, &mut standard);
            }
        }
    }
    model.standard = standard;
    model.elements = reader
        .elements
        .into_iter()
        .map(|(id, element)| (id, Arc::new(element)))
        .collect();
    Outcome::Valid(model)
}

/// Beginnings of identifiers that only the language and its extensions define.
const RESERVED: [&str; 4] = [
    "dtmi:dtdl:",
    "dtmi:standard:",
    "dtmi:iotcentral:",
    "dtmi:iotoperations:",
];

/// Asks for what is undefined until nothing is, or nothing new comes; then what is missing.
/// Stops at the first fault.
fn complete(reader: &mut Reader<'_>, resolve: &mut Resolve<'_>) -> Option<Vec<Arc<str>>> {
    let mut asked: BTreeSet<Arc<str>> = BTreeSet::new();
    for _ in 0..ROUNDS {
        if !reader.faults.is_empty() {
            return None;
        }
        let missing = reader.undefined();
        let reserved = missing
            .iter()
            .find(|id| RESERVED.iter().any(|prefix| id.starts_with(prefix)));
        if let Some(id) = reserved {
            let message = format!("the language defines no {id}; name an element that is there");
            let start = json::Pos::START;
            reader.fault("undefinedReservedId", start, None, None, Some(id), message);
            return None;
        }
        if missing.is_empty() {
            return None;
        }
        if missing.iter().any(|id| !asked.insert(id.clone())) {
            return Some(missing);
        }
        let Some(found) = resolve(&missing) else {
            return Some(missing);
        };
        reader.resolving = true;
        for source in &found {
            read_source(reader, source);
        }
    }
    let missing = reader.undefined();
    (!missing.is_empty() && reader.faults.is_empty()).then_some(missing)
}

/// An element of the language and those that it needs.
fn include(tables: &Tables, id: &str, found: &mut BTreeSet<Arc<str>>) {
    let Some((id, element)) = tables.standard(id) else {
        return;
    };
    if !found.insert(id.into()) {
        return;
    }
    let around = element.within.as_deref();
    for next in element.children().map(|(_, id)| id).chain(around) {
        include(tables, next, found);
    }
}

fn read_source(reader: &mut Reader<'_>, source: &Source) {
    match json::parse(source.text.as_bytes()) {
        Ok(document) => {
            for duplicate in &document.duplicates {
                reader.fault(
                    "duplicatePropertyName",
                    duplicate.pos,
                    None,
                    Some(&duplicate.key),
                    None,
                    format!("{:?} stands twice in its object; remove one", duplicate.key),
                );
            }
            reader.document(&document.root);
        }
        Err(error) => reader.fault("notJson", error.pos, None, None, None, error.to_string()),
    }
    reader.source += 1;
}
