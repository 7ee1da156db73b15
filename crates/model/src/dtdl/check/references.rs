//! Whether what is referred to is of the right class, version and Interface.

use super::{Elements, short};
use crate::dtdl::model::{Element, Value};
use crate::dtdl::read::Reader;
use crate::dtdl::tables::{CotypeProperty, Facet, class_name};

/// What a property asks of the elements that it refers to.
struct Wanted<'t> {
    /// A class, or the identifier of a class or of a type.
    target: &'t str,
    facet: Option<&'t Facet>,
    extra: Option<&'t CotypeProperty>,
}

impl Reader<'_> {
    pub(super) fn references(&mut self, element: &Element, elements: &Elements) {
        for (name, values) in &element.properties {
            let mut wanted = None;
            for value in values {
                let Value::Element(id) = value else { continue };
                if wanted.is_none() {
                    wanted = self.wanted(element, name);
                }
                let Some(wanted) = &wanted else { break };
                match elements.get(id) {
                    Some(other) => self.written(element, name, wanted, other),
                    None => self.brought(element, name, wanted, id),
                }
            }
        }
    }

    fn wanted(&self, element: &Element, name: &str) -> Option<Wanted<'static>> {
        let tables = self.tables;
        if let Some((shape, facet)) = tables.property(&element.class, name, element.version) {
            return Some(Wanted {
                target: shape.target(facet)?,
                facet: Some(facet),
                extra: None,
            });
        }
        let mut cotypes = element.cotypes.iter();
        let extra = cotypes.find_map(|cotype| tables.supplemental(cotype, name))?;
        Some(Wanted {
            target: extra.kind.as_deref()?,
            facet: None,
            extra: Some(extra),
        })
    }

    /// A reference to an element of the set.
    fn written(&mut self, element: &Element, name: &str, wanted: &Wanted<'_>, other: &Element) {
        let target = class_name(wanted.target).map_or(wanted.target, |(target, _)| target);
        let version = element.version.max(other.version);
        if !self.tables.covers(target, &other.class, version) {
            let message = format!(
                "{} is a {}, and a {} belongs here",
                other.id,
                other.class,
                short(target)
            );
            self.tell("badType", element, name, Some(&other.id), message);
            return;
        }
        let versions = wanted.facet.map_or(&[][..], |facet| &facet.versions);
        if !versions.is_empty() && !versions.contains(&other.version) {
            let inline = other.parent.as_deref() == Some(&*element.id);
            let kind = match inline {
                true => "disallowedVersionDefinition",
                false => "disallowedVersionReference",
            };
            let message = format!(
                "{} is in version {} of the language, which cannot be used here",
                other.id, other.version
            );
            self.tell(kind, element, name, Some(&other.id), message);
        }
        if other.class != "Interface" && other.interface != element.interface {
            let message = format!(
                "{} belongs to {}; define it in this Interface",
                other.id, other.interface
            );
            self.tell(
                "crossPartitionReference",
                element,
                name,
                Some(&other.id),
                message,
            );
        }
    }

    /// A reference to an element of the language.
    fn brought(&mut self, element: &Element, name: &str, wanted: &Wanted<'_>, id: &str) {
        let tables = self.tables;
        let Some((_, standard)) = tables.standard(id) else {
            return;
        };
        let class = standard.class();
        let covers = |target: &str, version: u8| {
            class.is_some_and(|class| tables.covers(target, class, version))
        };
        let is_type = tables.types.contains_key(wanted.target);
        let fits = match class_name(wanted.target) {
            Some((target, version)) => covers(target, version),
            None if is_type => standard.types.iter().any(|id| id == wanted.target),
            None => covers(wanted.target, element.version),
        };
        if !fits {
            // A type asks as a constraint does, a class as a property does.
            let kind = match is_type && class_name(wanted.target).is_none() {
                true => "notRequiredType",
                false => "badType",
            };
            let message = format!("{id} is no {}; name one", short(wanted.target));
            self.tell(kind, element, name, Some(id), message);
        }
        let parent = wanted.extra.and_then(|extra| extra.child_of.as_deref());
        if let Some(parent) = parent.filter(|parent| standard.within.as_deref() != Some(parent)) {
            let message = format!(
                "{id} is not among those of {}; name one that is",
                short(parent)
            );
            self.tell("wrongParent", element, name, Some(id), message);
        }
    }
}
