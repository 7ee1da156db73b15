//! What a type asks of the element that its bearer names among those beside it, the inherited
//! ones included.

use super::graph::{Graph, Marks};
use super::{names, short};
use crate::dtdl::model::{Element, Value};
use crate::dtdl::read::Reader;
use crate::dtdl::tables::{Constraint, CotypeProperty, Sibling};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The elements beside each other.
struct Group<'e> {
    parent: &'e Element,
    property: &'e str,
    members: Vec<&'e Element>,
}

impl Reader<'_> {
    pub(super) fn siblings(&mut self, graph: &mut Graph<'_>) {
        let tables = self.tables;
        let asks = |element: &Element| {
            let cotypes = element.cotypes.iter();
            let mut types = cotypes.filter_map(|cotype| tables.types.get(cotype));
            types.any(|of| !of.siblings.is_empty())
        };
        let askers: BTreeSet<usize> = (0..graph.elements.len())
            .filter(|number| graph.at(*number).is_some_and(asks))
            .collect();
        if askers.is_empty() {
            return;
        }
        let mut told: BTreeSet<(Arc<str>, &'static str)> = BTreeSet::new();
        let mut marks = Marks::new(graph.elements.len());
        for number in 0..graph.elements.len() {
            let Some(group) = group(graph, number, &askers, &mut marks) else {
                continue;
            };
            let before = self.faults.len();
            self.group(&group);
            // An heir repeats what is told of those that it inherits from.
            let mut at = before;
            while let Some(fault) = self.faults.get(at) {
                let element = fault.element.as_deref().unwrap_or_default();
                match told.insert((element.into(), fault.kind)) {
                    true => at += 1,
                    false => drop(self.faults.remove(at)),
                }
            }
        }
    }

    fn group(&mut self, group: &Group<'_>) {
        let tables = self.tables;
        let mut keyed: BTreeMap<(&str, &str), &Element> = BTreeMap::new();
        let mut keys: BTreeSet<&str> = BTreeSet::new();
        let mut referred: BTreeMap<(&str, String, String), &Element> = BTreeMap::new();
        for asker in &group.members {
            for cotype in &asker.cotypes {
                let Some(of) = tables.types.get(cotype) else {
                    continue;
                };
                for rule in &of.siblings {
                    let Some(wanted) = text(asker, &rule.keyref) else {
                        continue;
                    };
                    if keys.insert(&rule.key) {
                        for member in &group.members {
                            if let Some(name) = text(member, &rule.key) {
                                keyed.entry((&rule.key, name)).or_insert(member);
                            }
                        }
                    }
                    let Some(sibling) = keyed.get(&(rule.key.as_str(), wanted)).copied() else {
                        continue;
                    };
                    self.sibling(asker, cotype, rule, (wanted, sibling));
                    self.governed(asker, &of.constraints, rule, sibling);
                    let Some(unique) = &rule.unique_reference else {
                        continue;
                    };
                    let Some(value) = text(asker, unique) else {
                        continue;
                    };
                    let pair = (cotype.as_str(), wanted.to_owned(), value.to_owned());
                    if let Some(other) = referred.insert(pair, asker) {
                        let message = format!(
                            "{} and {} both override {value} of {wanted}; remove one",
                            other.text("name").unwrap_or(&other.id),
                            asker.text("name").unwrap_or(&asker.id)
                        );
                        self.tell(
                            "multipleReference",
                            group.parent,
                            group.property,
                            Some(wanted),
                            message,
                        );
                    }
                }
            }
        }
    }

    /// The type of the named element, and the property of it that is named.
    fn sibling(
        &mut self,
        asker: &Element,
        cotype: &str,
        rule: &Sibling,
        (wanted, sibling): (&str, &Element),
    ) {
        if !rule.required_types.is_empty() && !self.is_one_of(sibling, &rule.required_types) {
            let message = format!(
                "{wanted} is a {}; expected: {}",
                sibling.class,
                names(&rule.required_types)
            );
            self.tell(
                "notSiblingRequiredType",
                asker,
                &rule.keyref,
                Some(wanted),
                message,
            );
        }
        let disallowed = rule.disallowed_type.as_ref();
        if disallowed.is_some_and(|id| sibling.cotypes.contains(id)) {
            let message = format!("{wanted} cannot itself be {}", short(cotype));
            self.tell("disallowedType", asker, &rule.keyref, Some(wanted), message);
        }
        let Some(property) = &rule.supplemental_property else {
            return;
        };
        let Some(named) = text(asker, property) else {
            return;
        };
        if self.brought_by(sibling, named).is_some() {
            return;
        }
        let name = short(named);
        if self
            .tables
            .property(&sibling.class, name, sibling.version)
            .is_some()
        {
            let message = format!(
                "{name} belongs to every {}; only a property of a type beside it can be overridden",
                sibling.class
            );
            self.tell(
                "matchingPropertyNotSupplemental",
                asker,
                property,
                Some(named),
                message,
            );
        } else {
            let message = format!("{wanted} has no property {name}; name one that it has");
            self.tell(
                "noMatchingSupplementalProperty",
                asker,
                property,
                Some(named),
                message,
            );
        }
    }

    /// A property of an asker has what the named property of the named element is among.
    fn governed(
        &mut self,
        asker: &Element,
        rules: &[Constraint],
        sibling_rule: &Sibling,
        sibling: &Element,
    ) {
        for rule in rules {
            let Some(path) = rule
                .sibling_parent_of
                .as_ref()
                .filter(|path| sibling_rule.supplemental_property.as_ref() == Some(path))
            else {
                continue;
            };
            let Some(property) =
                text(asker, path).and_then(|named| self.brought_by(sibling, named))
            else {
                continue;
            };
            let Some(expected) = &property.child_of else {
                continue;
            };
            let tables = self.tables;
            let expected = tables
                .standard(expected)
                .map_or(expected.as_str(), |(id, _)| id);
            if let Some(found) = asker.refs(&rule.property).find(|id| ***id != *expected) {
                let message = format!(
                    "what overrides {} has the {} {}",
                    property.property_name,
                    rule.property,
                    short(expected)
                );
                self.tell(
                    "siblingPropertyMismatch",
                    asker,
                    &rule.property,
                    Some(found),
                    message,
                );
            }
        }
    }

    /// The property of one of an element's types that has an identifier.
    fn brought_by(&self, element: &Element, named: &str) -> Option<&'static CotypeProperty> {
        let tables = self.tables;
        let mut cotypes = element.cotypes.iter();
        cotypes.find_map(|cotype| tables.supplemental(cotype, named))
    }
}

/// A text or an identifier that an element has.
fn text<'e>(element: &'e Element, property: &str) -> Option<&'e str> {
    match element.properties.get(property)?.first()? {
        Value::Text(text) => Some(text),
        Value::Dtmi(id) => Some(id),
        _ => None,
    }
}

/// The elements beside each other in an element, if one of them asks something of others: for an
/// Interface its contents with those that it inherits, for others their properties or fields.
fn group<'e>(
    graph: &mut Graph<'e>,
    number: usize,
    askers: &BTreeSet<usize>,
    marks: &mut Marks,
) -> Option<Group<'e>> {
    let parent = graph.at(number)?;
    let property = ["contents", "properties", "fields"]
        .into_iter()
        .find(|property| {
            parent.properties.contains_key(*property)
                || (*property == "contents" && parent.class == "Interface")
        })?;
    marks.clear();
    marks.set(number);
    let (mut next, mut members) = (vec![number], Vec::new());
    while let Some(holder) = next.pop() {
        if !graph.take(1 + graph.edges(holder).len()) {
            return None;
        }
        members.extend(graph.held(holder, property));
        next.extend(
            graph
                .held(holder, "extends")
                .filter(|extended| marks.set(*extended)),
        );
    }
    members
        .iter()
        .any(|member| askers.contains(member))
        .then(|| Group {
            parent,
            property,
            members: members
                .iter()
                .filter_map(|member| graph.at(*member))
                .collect(),
        })
}
