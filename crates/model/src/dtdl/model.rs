//! Elements and how they refer to each other: what a valid set of documents means.

use super::json::Pos;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A value of a property.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// Texts by language.
    Texts(BTreeMap<String, String>),
    /// A whole number.
    Integer(i64),
    /// Any other number, as it is written.
    Number(String),
    /// A truth value.
    Bool(bool),
    /// An identifier that need not be defined.
    Dtmi(Arc<str>),
    /// An element.
    Element(Arc<str>),
}

/// One element.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// Its identifier, written or generated.
    pub id: Arc<str>,
    /// Its class: `Interface`, `Property`, `Map`.
    pub class: String,
    /// The version of the language that it is written in.
    pub version: u8,
    /// Identifiers of the types beside its class, in the order of the text.
    pub cotypes: Vec<String>,
    /// The element that it is written in.
    pub parent: Option<Arc<str>>,
    /// The Interface that it belongs to; itself for an Interface.
    pub interface: Arc<str>,
    /// Values by the name of the property, or its identifier for those of other types.
    pub properties: BTreeMap<String, Vec<Value>>,
    /// Which of the sources it is written in.
    pub source: usize,
    /// Where.
    pub pos: Pos,

    /// Bytes of its text, without those of Interfaces within it.
    pub(super) bytes: usize,
    pub(super) places: BTreeMap<String, Pos>,
    pub(super) limits: Arc<str>,
    pub(super) open_types: bool,
}

impl Element {
    /// The elements that a property refers to.
    pub fn refs(&self, property: &str) -> impl Iterator<Item = &Arc<str>> {
        let values = self.properties.get(property).map_or(&[][..], Vec::as_slice);
        values.iter().filter_map(|value| match value {
            Value::Element(id) => Some(id),
            _ => None,
        })
    }

    /// The first text of a property.
    pub fn text(&self, property: &str) -> Option<&str> {
        match self.properties.get(property)?.first()? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A set of elements without fault.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub(super) elements: BTreeMap<Arc<str>, Arc<Element>>,
    pub(super) standard: BTreeSet<Arc<str>>,
}

impl Model {
    /// An element by its identifier.
    pub fn get(&self, id: &str) -> Option<&Arc<Element>> {
        self.elements.get(id)
    }

    /// All elements that documents define, by identifier.
    pub fn elements(&self) -> impl Iterator<Item = &Arc<Element>> {
        self.elements.values()
    }

    /// The Interfaces, by identifier.
    pub fn interfaces(&self) -> impl Iterator<Item = &Arc<Element>> {
        self.elements()
            .filter(|element| element.class == "Interface")
    }

    /// How many elements there are, those of the language that are referred to included.
    pub fn element_count(&self) -> usize {
        self.elements.len() + self.standard.len()
    }

    /// Elements of the language that are referred to, such as primitive schemas and units.
    pub fn standard(&self) -> impl Iterator<Item = &str> {
        self.standard.iter().map(AsRef::as_ref)
    }

    /// The contents of an Interface by name, inherited ones included.
    pub fn contents(&self, interface: &str) -> BTreeMap<&str, &Arc<Element>> {
        let mut found = BTreeMap::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut next: Vec<&Arc<Element>> = self.get(interface).into_iter().collect();
        while let Some(element) = next.pop() {
            if !seen.insert(&element.id) {
                continue;
            }
            for content in element.refs("contents").filter_map(|id| self.get(id)) {
                if let Some(name) = content.text("name") {
                    found.entry(name).or_insert(content);
                }
            }
            next.extend(element.refs("extends").filter_map(|id| self.get(id)));
        }
        found
    }
}
