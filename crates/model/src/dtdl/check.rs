//! What only the whole set shows: references, counts, uniqueness, depth, cycles, neighbours.
//!
//! Every rule comes from the tables. Promises: work linear in the set for all that real sets
//! contain; whatever could take longer (counts and names over inheritance) draws on a budget of
//! steps that grows with the set, and a set that exhausts it is refused as too intricate. No
//! recursion on the shape of the input. Does not: read text.

mod cotypes;
mod descents;
mod graph;
mod imports;
mod references;
mod required;
mod siblings;
#[cfg(test)]
mod tests;

use super::model::{Element, Value};
use super::read::Reader;
use super::tables::class_name;
use graph::Graph;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Steps that every set may take beyond those for its size.
pub(super) const STEPS: u64 = 4_000_000;
/// Steps that a set may take for each of its elements and references.
pub(super) const STEPS_EACH: u64 = 400;

/// The elements of a set, by identifier.
type Elements = BTreeMap<Arc<str>, Element>;

impl Reader<'_> {
    /// Identifiers that are referred to and not defined, in the order in which they are met.
    pub fn undefined(&mut self) -> Vec<Arc<str>> {
        let mut seen = BTreeSet::new();
        self.referred
            .retain(|id| !self.elements.contains_key(id) && seen.insert(id.clone()));
        self.referred.clone()
    }

    /// Checks every element against its neighbours.
    pub fn check(&mut self) {
        let elements = std::mem::take(&mut self.elements);
        for element in elements.values() {
            self.required(element);
            self.references(element, &elements);
            self.unique(element, &elements);
            self.cotype_rules(element, &elements);
            self.values(element, &elements);
            self.size(element);
        }
        let mut graph = Graph::new(&elements);
        self.neighbours(&graph);
        self.descents(&mut graph);
        self.imports(&mut graph);
        self.siblings(&mut graph);
        if graph.exhausted() {
            self.fault(
                "setTooIntricate",
                super::json::Pos::START,
                None,
                None,
                None,
                "inheritance crosses itself so often that the set cannot be checked in reasonable time; extend fewer Interfaces or split the set".into(),
            );
        }
        self.elements = elements;
    }

    /// Tells a fault at the place of a property, or of the element where it lacks the property.
    fn tell(
        &mut self,
        kind: &'static str,
        element: &Element,
        property: &str,
        value: Option<&str>,
        message: String,
    ) {
        self.source = element.source;
        let pos = element.places.get(property).copied().unwrap_or(element.pos);
        self.fault(kind, pos, Some(&element.id), Some(property), value, message);
    }

    /// Whether the text of an Interface is too long.
    fn size(&mut self, element: &Element) {
        let limits = self.tables.partitions.get(element.version);
        let most = limits.and_then(|limits| limits.max_bytes.get(&*element.limits));
        if let Some(most) = most
            && element.class == "Interface"
            && element.bytes > *most
        {
            self.source = element.source;
            self.fault(
                "partitionTooLarge",
                element.pos,
                Some(&element.id),
                None,
                None,
                format!(
                    "the text of the Interface has {} bytes, and {most} are allowed; move some of it to an Interface that this one extends",
                    element.bytes
                ),
            );
        }
    }

    /// Whether an element is of one of some classes or types, given by identifiers.
    fn is_one_of(&self, element: &Element, wanted: &[String]) -> bool {
        wanted.iter().any(|id| match class_name(id) {
            Some((class, version)) => self.tables.covers(class, &element.class, version),
            None => element.cotypes.contains(id),
        })
    }
}

/// The last part of an identifier, without its version.
fn short(id: &str) -> &str {
    let name = id.rsplit(':').next().unwrap_or(id);
    name.split(';').next().unwrap_or(name)
}

fn names(ids: &[String]) -> String {
    let names: BTreeSet<&str> = ids.iter().map(|id| short(id)).collect();
    names.into_iter().collect::<Vec<_>>().join(" or ")
}

/// A text by which values are compared.
fn key(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("t{text}"),
        Value::Integer(number) => format!("n{number}"),
        other => format!("{other:?}"),
    }
}
