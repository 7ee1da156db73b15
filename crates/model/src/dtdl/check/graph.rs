//! A set of elements with numbers for identifiers, and a budget of steps for walks over it.

use super::{Elements, STEPS, STEPS_EACH};
use crate::dtdl::model::{Element, Value};

/// What a reference leads to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Child<'e> {
    /// An element of the set, by its number.
    Written(usize),
    /// An element of the language.
    Brought(&'e str),
}

/// A reference from an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge<'e> {
    pub property: &'e str,
    pub child: Child<'e>,
}

/// Elements, by number in the order of their identifiers, and their references.
#[derive(Debug)]
pub(super) struct Graph<'e> {
    pub elements: Vec<&'e Element>,
    pub edges: Vec<Vec<Edge<'e>>>,
    left: u64,
    exhausted: bool,
}

impl<'e> Graph<'e> {
    pub fn new(set: &'e Elements) -> Self {
        let elements: Vec<&Element> = set.values().collect();
        let numbered = |id: &str| elements.binary_search_by(|element| (*element.id).cmp(id));
        let edges: Vec<Vec<Edge<'e>>> = elements
            .iter()
            .map(|element| {
                let properties = element.properties.iter();
                let all = properties.flat_map(|(property, values)| {
                    values.iter().filter_map(move |value| match value {
                        Value::Element(id) => Some((property.as_str(), &**id)),
                        _ => None,
                    })
                });
                let edge = |(property, id)| Edge {
                    property,
                    child: numbered(id).map_or(Child::Brought(id), Child::Written),
                };
                all.map(edge).collect()
            })
            .collect();
        let size = elements.len() + edges.iter().map(Vec::len).sum::<usize>();
        Self {
            elements,
            edges,
            left: STEPS.saturating_add(STEPS_EACH.saturating_mul(size as u64)),
            exhausted: false,
        }
    }

    /// Takes steps from the budget; false when it is used up.
    pub fn take(&mut self, steps: usize) -> bool {
        match self.left.checked_sub(steps as u64) {
            Some(left) => self.left = left,
            None => self.exhausted = true,
        }
        !self.exhausted
    }

    /// Whether the budget was not enough.
    pub fn exhausted(&self) -> bool {
        self.exhausted
    }

    /// Steps that are left, for tests of what a walk takes.
    #[cfg(test)]
    pub fn left(&self) -> u64 {
        self.left
    }

    pub fn at(&self, number: usize) -> Option<&'e Element> {
        self.elements.get(number).copied()
    }

    pub fn edges(&self, number: usize) -> &[Edge<'e>] {
        self.edges.get(number).map_or(&[], Vec::as_slice)
    }

    /// The elements of the set that a property of an element refers to.
    pub fn held<'a>(
        &'a self,
        number: usize,
        property: &'a str,
    ) -> impl Iterator<Item = usize> + 'a {
        let edges = self.edges(number).iter();
        edges.filter_map(move |edge| match edge.child {
            Child::Written(child) if edge.property == property => Some(child),
            _ => None,
        })
    }
}

/// Marks that are cleared in one step: each walk has a number of its own.
#[derive(Debug)]
pub(super) struct Marks {
    marks: Vec<u32>,
    walk: u32,
}

impl Marks {
    pub fn new(size: usize) -> Self {
        Self {
            marks: vec![0; size],
            walk: 0,
        }
    }

    /// Begins another walk, nothing marked.
    pub fn clear(&mut self) {
        self.walk += 1;
    }

    /// Marks something; whether it was not marked in this walk.
    pub fn set(&mut self, at: usize) -> bool {
        let Some(mark) = self.marks.get_mut(at) else {
            return false;
        };
        std::mem::replace(mark, self.walk) != self.walk
    }
}
