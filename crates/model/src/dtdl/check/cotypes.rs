//! What types beside the class ask of what their bearers hold, and of what stands around them.

use super::graph::{Child, Graph};
use super::{Elements, names, short};
use crate::dtdl::model::Element;
use crate::dtdl::read::Reader;
use crate::dtdl::tables::{Constraint, class_name};
use std::collections::BTreeMap;

impl Reader<'_> {
    /// What types beside the class ask of the values of properties.
    pub(super) fn cotype_rules(&mut self, element: &Element, elements: &Elements) {
        let tables = self.tables;
        for cotype in &element.cotypes {
            if !self.stands(element, cotype) {
                continue;
            }
            let rules = tables.lineage(cotype).flat_map(|of| &of.constraints);
            for rule in rules.filter(|rule| !rule.inverse) {
                self.required_value(element, cotype, rule);
                self.required_type(element, cotype, rule, elements);
            }
        }
    }

    /// Whether a type may stand where it does; if not, that is fault enough.
    fn stands(&self, element: &Element, cotype: &str) -> bool {
        self.tables.types.get(cotype).is_some_and(|of| {
            of.cotypes.contains(&element.class)
                || of.altcotypes.iter().any(|id| element.cotypes.contains(id))
        })
    }

    fn required_value(&mut self, element: &Element, cotype: &str, rule: &Constraint) {
        let wanted = &rule.required_values;
        let fits = |id: &str| wanted.iter().any(|value| value == id);
        if !wanted.is_empty() && element.refs(&rule.property).any(|id| !fits(id)) {
            let message = format!(
                "with {} the {} is one of {}",
                short(cotype),
                rule.property,
                names(wanted)
            );
            self.tell(
                "notRequiredValue",
                element,
                &rule.property,
                Some(cotype),
                message,
            );
        }
    }

    fn required_type(
        &mut self,
        element: &Element,
        cotype: &str,
        rule: &Constraint,
        elements: &Elements,
    ) {
        let wanted = &rule.required_types;
        if wanted.is_empty() {
            return;
        }
        for id in element.refs(&rule.property) {
            let fits = match elements.get(id) {
                Some(other) => self.is_one_of(other, wanted),
                None => self.brought_is_one_of(id, wanted),
            };
            if !fits {
                let message = format!(
                    "with {} the {} is a {}",
                    short(cotype),
                    rule.property,
                    names(wanted)
                );
                self.tell(
                    "notRequiredType",
                    element,
                    &rule.property,
                    Some(id),
                    message,
                );
            }
        }
    }

    /// As `is_one_of`, for an element of the language; one that is undefined is.
    fn brought_is_one_of(&self, id: &str, wanted: &[String]) -> bool {
        let Some((_, standard)) = self.tables.standard(id) else {
            return true;
        };
        let class = standard.class();
        wanted.iter().any(|wanted| match class_name(wanted) {
            Some((target, version)) => {
                class.is_some_and(|class| self.tables.covers(target, class, version))
            }
            None => standard.types.contains(wanted),
        })
    }

    /// What types ask of the element around their bearer, and of those beside it.
    pub(super) fn neighbours(&mut self, graph: &Graph<'_>) {
        for (number, parent) in graph.elements.iter().enumerate() {
            let mut held: BTreeMap<&str, Vec<&Element>> = BTreeMap::new();
            for edge in graph.edges(number) {
                if let Child::Written(child) = edge.child
                    && let Some(child) = graph.at(child).filter(|child| !child.cotypes.is_empty())
                {
                    held.entry(edge.property).or_default().push(child);
                }
            }
            for (property, children) in held {
                let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
                for cotype in children.iter().flat_map(|child| &child.cotypes) {
                    *counts.entry(cotype).or_default() += 1;
                }
                for child in children {
                    self.beside(parent, child, property, &counts);
                }
            }
        }
    }

    fn beside(
        &mut self,
        parent: &Element,
        child: &Element,
        property: &str,
        counts: &BTreeMap<&str, usize>,
    ) {
        let tables = self.tables;
        let count = |id: &String| counts.get(id.as_str()).copied().unwrap_or(0);
        for cotype in &child.cotypes {
            if !self.stands(child, cotype) {
                continue;
            }
            let rules = tables.lineage(cotype).flat_map(|of| &of.constraints);
            for rule in rules.filter(|rule| rule.inverse && rule.property == property) {
                if !rule.required_types.is_empty() && !self.is_one_of(parent, &rule.required_types)
                {
                    let message = format!(
                        "{} stands within {}; add that type to the element around",
                        short(cotype),
                        names(&rule.required_types)
                    );
                    self.tell(
                        "parentMissingCotype",
                        child,
                        property,
                        Some(cotype),
                        message,
                    );
                }
                let others = |id: &String| count(id) - usize::from(child.cotypes.contains(id));
                if rule
                    .none_other_type
                    .as_ref()
                    .is_some_and(|id| others(id) > 0)
                {
                    let message = format!(
                        "of the {property} only one is {}; remove the type from the others",
                        short(cotype)
                    );
                    self.tell(
                        "siblingDuplicatesCotype",
                        child,
                        property,
                        Some(cotype),
                        message,
                    );
                }
                if let Some(wanted) = rule.some_other_type.as_ref().filter(|id| others(id) == 0) {
                    let message =
                        format!("beside {} stands {}; add it", short(cotype), short(wanted));
                    self.tell(
                        "siblingMissingCotype",
                        child,
                        property,
                        Some(cotype),
                        message,
                    );
                }
            }
        }
    }
}
