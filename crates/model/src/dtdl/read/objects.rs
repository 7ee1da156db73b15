//! The elements of a property: written out, or referred to by identifier or term.

use super::identify::longest;
use super::{Bearer, Place, Reader};
use crate::dtdl::dtmi;
use crate::dtdl::json::{Kind, Node};
use crate::dtdl::model::Value;
use crate::dtdl::tables::Facet;
use std::sync::Arc;

/// What a property asks of its elements.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub plural: bool,
    /// The property from which identifiers are made, where the property holds many.
    pub segment: Option<&'a str>,
    /// The class.
    pub target: &'a str,
    pub facet: &'a Facet,
}

impl Reader<'_> {
    pub(super) fn objects(
        &mut self,
        bearer: &Bearer<'_>,
        class: &str,
        ask: Ask<'_>,
        node: &Node,
    ) -> Option<Vec<Value>> {
        let items = node.as_array().unwrap_or(std::slice::from_ref(node));
        let least = ask.facet.min_count.unwrap_or(0);
        if items.len() < least {
            let message = format!("at least {least} belong here; add one");
            self.refuse("objectCountBelowMin", bearer, node, message);
            return None;
        }
        if !ask.plural && items.len() > 1 {
            let message = "only one element belongs here; remove the others".into();
            self.refuse("objectMultipleValues", bearer, node, message);
            return None;
        }
        let most = ask.facet.max_count.filter(|most| items.len() > *most);
        if let Some(most) = most.filter(|_| ask.plural) {
            let message = format!("at most {most} belong here; remove some");
            self.refuse("objectCountAboveMax", bearer, node, message);
        }
        let before = self.faults.len();
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let value = match &item.kind {
                Kind::String(text) => self.reference(bearer, item, text, ask.facet),
                Kind::Object(_) => self.nested(bearer, class, ask, item),
                Kind::Null => {
                    let message = "null is no value; remove the property or give it one".into();
                    self.refuse("propertyValueNull", bearer, item, message);
                    None
                }
                _ => {
                    let message = format!(
                        "an element, or the identifier of one, belongs here, not {}",
                        item.describe()
                    );
                    self.refuse("refNotStringOrObject", bearer, item, message);
                    None
                }
            };
            values.extend(value);
        }
        (self.faults.len() == before || !values.is_empty()).then_some(values)
    }

    /// An element by its identifier or a term for it.
    fn reference(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        text: &str,
        facet: &Facet,
    ) -> Option<Value> {
        let term = match text.contains(':') {
            true => None,
            false => bearer.scope.term(self, text),
        };
        let id = term
            .as_deref()
            .or(Some(text).filter(|text| text.contains(':')));
        // What an extension brings is not for documents to define.
        let definable = !bearer.property.starts_with("dtmi:");
        let longest = longest(bearer.scope);
        let user = |id: &str| dtmi::user(id, bearer.scope.version, longest).is_ok();
        let sound = |id: &&str| self.tables.elements.contains_key(*id) || definable && user(id);
        let Some(id) = id.filter(sound) else {
            let message =
                format!("{text:?} is neither an identifier nor a term of the contexts; write one");
            self.refuse("badDtmiOrTerm", bearer, node, message);
            return None;
        };
        if !facet.value_uris.is_empty() && !facet.value_uris.iter().any(|uri| uri == id) {
            let message = format!(
                "{text:?} is not allowed here; expected: {}",
                facet.value_uris.join(", ")
            );
            self.refuse("badType", bearer, node, message);
            return None;
        }
        let id: Arc<str> = match self.tables.standard(id) {
            Some((id, _)) => id.into(),
            None => {
                let id: Arc<str> = id.into();
                self.referred.push(id.clone());
                id
            }
        };
        Some(Value::Element(id))
    }

    fn nested(
        &mut self,
        bearer: &Bearer<'_>,
        class: &str,
        ask: Ask<'_>,
        node: &Node,
    ) -> Option<Value> {
        if let Some([only]) = node.as_object()
            && only.key == "@id"
        {
            return self.bare(bearer, &only.value, ask.facet);
        }
        if bearer.property.starts_with("dtmi:") {
            let message = "refer to an element of the extension by its name".into();
            self.refuse("refObjectNotAllowed", bearer, node, message);
            return None;
        }
        let scope = self.enter(node, Some(bearer.scope))?;
        if !ask.facet.value_uris.is_empty() {
            let message = format!(
                "an element of one's own is not allowed here; expected: {}",
                ask.facet.value_uris.join(", ")
            );
            self.refuse("badType", bearer, node, message);
            return None;
        }
        let interface = self.elements.get(bearer.id)?.interface.clone();
        let place = Place {
            parent: bearer.id,
            parent_class: class,
            interface: &interface,
            property: bearer.property,
            class: ask.target,
            plural_segment: ask.segment,
            facet: ask.facet,
        };
        self.element(node, &scope, Some(&place)).map(Value::Element)
    }

    /// `{"@id": ...}` with nothing else: a reference to those who tolerate it.
    fn bare(&mut self, bearer: &Bearer<'_>, id: &Node, facet: &Facet) -> Option<Value> {
        let (kind, message) = match id.as_str() {
            Some(text) if self.tolerant() => return self.reference(bearer, id, text, facet),
            Some(_) => (
                "idReference",
                "refer to an element by its identifier alone, without an object around it",
            ),
            None => ("idNotString", "an @id is a DTMI in a string"),
        };
        self.refuse(kind, bearer, id, message.into());
        None
    }
}
