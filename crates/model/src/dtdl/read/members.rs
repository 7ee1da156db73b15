//! The members of an element: properties of its class and of the types beside it, keywords, and
//! what nothing defines.

use super::objects::Ask;
use super::{Bearer, Reader};
use crate::dtdl::context::Scope;
use crate::dtdl::dtmi;
use crate::dtdl::json::{Node, Pos};
use crate::dtdl::literal::Datatype;
use crate::dtdl::model::Value;
use crate::dtdl::runtime;
use crate::dtdl::tables::{CotypeProperty, Facet, Shape, Tolerance, class_name};
use std::sync::Arc;

impl Reader<'_> {
    pub(super) fn members(&mut self, node: &Node, scope: &Scope, id: &Arc<str>) {
        let Some(element) = self.elements.get(id) else {
            return;
        };
        let (class, cotypes) = (element.class.clone(), element.cotypes.clone());
        let version = scope.version;
        let tables = self.tables;
        for member in node.as_object().unwrap_or_default() {
            let key = member.key.as_str();
            if key.starts_with('@') {
                self.keyword(key, member.key_pos, scope, id);
                continue;
            }
            let full = match key.contains(':') {
                true => Some(key.to_owned()),
                false => scope.term(self, key),
            };
            let own = full
                .as_deref()
                .and_then(|full| property_name(full, version));
            let own = own.and_then(|name| {
                let (shape, facet) = tables.property(&class, name, version)?;
                Some((name, shape, facet))
            });
            let extra = full.as_deref().and_then(|full| {
                let mut cotypes = cotypes.iter();
                let found = cotypes.find_map(|cotype| tables.supplemental(cotype, full))?;
                Some((full, found))
            });
            let (name, values) = match (own, extra) {
                (Some((name, ..)), _) | (None, Some((name, _))) if self.has(id, name) => {
                    let message =
                        "the property is there already, perhaps by its other name; remove one";
                    self.fault(
                        "duplicatePropertyName",
                        member.key_pos,
                        Some(id),
                        Some(name),
                        None,
                        message.into(),
                    );
                    continue;
                }
                (Some((name, shape, facet)), _) => {
                    let values =
                        self.property((id, &class), scope, (name, shape, facet), &member.value);
                    (name, values)
                }
                (None, Some((name, property))) => {
                    let values = self.extra((id, &class), scope, (name, property), &member.value);
                    (name, values)
                }
                (None, None) => {
                    let inferred = node.get("@type").is_none();
                    self.stray(key, full.as_deref(), member.key_pos, scope, id, inferred);
                    continue;
                }
            };
            if let Some(element) = self.elements.get_mut(id) {
                element.places.insert(name.to_owned(), member.value.pos);
                if let Some(values) = values {
                    element.properties.insert(name.to_owned(), values);
                }
            }
        }
    }

    fn has(&self, id: &str, name: &str) -> bool {
        let element = self.elements.get(id);
        element.is_some_and(|element| element.places.contains_key(name))
    }

    fn keyword(&mut self, key: &str, pos: Pos, scope: &Scope, id: &str) {
        let top = self
            .elements
            .get(id)
            .is_some_and(|element| element.parent.is_none());
        let (kind, message) = match key {
            "@context" | "@id" | "@type" => return,
            "@graph" => (
                if top {
                    "topLevelGraphDisallowed"
                } else {
                    "graphDisallowed"
                },
                "@graph stands alone at the top of a document; remove it".to_owned(),
            ),
            _ if !scope.strict() => return,
            _ => (
                if top {
                    "topLevelKeywordDisallowed"
                } else {
                    "keywordDisallowed"
                },
                format!("{key} has no meaning here; remove it"),
            ),
        };
        self.fault(kind, pos, Some(id), None, Some(key), message);
    }

    /// A property that neither the class nor a type beside it brings.
    fn stray(
        &mut self,
        key: &str,
        full: Option<&str>,
        pos: Pos,
        scope: &Scope,
        id: &str,
        inferred: bool,
    ) {
        let (kind, rule) = match full.map(dtmi::Dtmi::parse) {
            None => ("propertyUndefinedTerm", "undefinedTermAsProperty"),
            Some(Ok(_)) => (
                "propertyIrrelevantDtmiOrTerm",
                "irrelevantDtmiOrTermAsProperty",
            ),
            Some(Err(dtmi::Fault::Scheme)) => {
                ("propertyNotDtmiNorTerm", "notDtmiNorTermAsProperty")
            }
            Some(Err(_)) => ("propertyInvalidDtmi", "invalidDtmiAsProperty"),
        };
        let open_types = self
            .elements
            .get(id)
            .is_some_and(|element| element.open_types);
        let kind = match self.tables.tolerance(scope.version, rule) {
            Tolerance::Invalid => kind,
            // A type that is itself not defined may bring the property; it is told already.
            _ if open_types => return,
            Tolerance::Tenable if !scope.open => kind,
            _ if inferred => "inferredTypeDoesNotAllow",
            _ => "noTypeThatAllows",
        };
        let message = format!(
            "{key} is no property of this element; remove it or add the type that brings it"
        );
        self.fault(kind, pos, Some(id), Some(key), None, message);
    }

    /// A property of the class.
    fn property(
        &mut self,
        (id, class): (&Arc<str>, &str),
        scope: &Scope,
        (name, shape, facet): (&str, &Shape, &Facet),
        node: &Node,
    ) -> Option<Vec<Value>> {
        let bearer = Bearer {
            id,
            scope,
            property: name,
        };
        if shape.is_literal(facet) {
            let datatype = Datatype::named(shape.datatype.as_deref(), name);
            return self.literal(&bearer, node, datatype, facet);
        }
        let ask = Ask {
            plural: shape.plural,
            segment: shape.dtmi_segment.as_deref(),
            target: shape.target(facet)?,
            facet,
        };
        self.objects(&bearer, class, ask, node)
    }

    /// A property of a type beside the class.
    fn extra(
        &mut self,
        (id, class): (&Arc<str>, &str),
        scope: &Scope,
        (full, property): (&str, &CotypeProperty),
        node: &Node,
    ) -> Option<Vec<Value>> {
        let bearer = Bearer {
            id,
            scope,
            property: full,
        };
        let facet = &property.facet;
        let Some(kind) = property.kind.as_deref() else {
            return self.literal(&bearer, node, Datatype::Iri, facet);
        };
        if kind == runtime::JSON {
            return runtime::literal(self, &bearer, node);
        }
        if property.is_literal() {
            let datatype = Datatype::named(Some(kind), full);
            return self.literal(&bearer, node, datatype, facet);
        }
        let ask = Ask {
            plural: property.plural,
            segment: None,
            target: class_name(kind).map_or(kind, |(name, _)| name),
            facet,
        };
        self.objects(&bearer, class, ask, node)
    }
}

/// The name within the identifier of a property of the language, in a version.
fn property_name(id: &str, version: u8) -> Option<&str> {
    let rest = id.strip_prefix("dtmi:dtdl:property:")?;
    let (name, of) = rest.split_once(';')?;
    (of.parse() == Ok(version)).then_some(name)
}
