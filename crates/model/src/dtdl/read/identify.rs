//! Identifiers of elements: written ones, and those made for elements without.

use super::{Place, Reader};
use crate::dtdl::context::Scope;
use crate::dtdl::dtmi;
use crate::dtdl::json::Node;

/// An identifier is there and cannot be used; the fault is told.
pub(super) struct Unsound;

/// Characters of an identifier in a document.
pub(super) fn longest(scope: &Scope) -> usize {
    match scope.limits.is_empty() {
        true => dtmi::USER_LENGTH,
        false => dtmi::LIMITED_USER_LENGTH,
    }
}

impl Reader<'_> {
    /// The `@id` of an element, if it is sound.
    pub(super) fn written_id<'n>(
        &mut self,
        node: &'n Node,
        scope: &Scope,
        place: Option<&Place<'_>>,
    ) -> Result<Option<&'n str>, Unsound> {
        let Some(id) = node.get("@id") else {
            return Ok(None);
        };
        let text = id.as_str().filter(|text| !text.is_empty());
        let (kind, message) = match text.map(|text| self.unsound(text, scope)) {
            Some(None) => return Ok(text),
            Some(Some(fault)) => fault,
            None => (
                "idNotString",
                "an @id is a DTMI in a string; write it so or remove it".to_owned(),
            ),
        };
        let parent = place.map(|place| place.parent);
        let property = place.map(|place| place.property);
        self.fault(kind, id.pos, parent, property, text, message);
        Err(Unsound)
    }

    /// Why an identifier cannot be defined here.
    fn unsound(&self, text: &str, scope: &Scope) -> Option<(&'static str, String)> {
        let limit = longest(scope);
        match dtmi::user(text, scope.version, limit) {
            Err(fault @ dtmi::Fault::Length { .. }) => {
                return Some(("idTooLong", format!("{fault}; shorten it")));
            }
            Err(fault) => return Some(("invalidId", format!("{fault}; mend the @id"))),
            Ok(_) => {}
        }
        let contexts = scope.contexts.iter().map(String::as_str);
        let reserved = dtmi::reserved(text, contexts)?;
        // The slip that is let pass was one in the identifiers of Interfaces of version 2.
        let slip = reserved == "dtmi:standard:" && scope.version == 2;
        if slip && self.tolerant() {
            return None;
        }
        let message = format!(
            "identifiers that begin with {reserved} are not yours to define; choose another beginning"
        );
        Some(("reservedId", message))
    }

    /// The identifier of an Interface is shorter than that of others.
    pub(super) fn interface_id(&mut self, node: &Node, scope: &Scope, id: &str) {
        let limit = match scope.limits.is_empty() {
            true => dtmi::INTERFACE_LENGTH,
            false => dtmi::LIMITED_INTERFACE_LENGTH,
        };
        if id.len() > limit {
            let message = format!(
                "the identifier of an Interface has at most {limit} characters; shorten it"
            );
            self.fault(
                "idTooLongForType",
                node.pos,
                Some(id),
                None,
                Some(id),
                message,
            );
        }
    }

    /// An element has an identifier that another has.
    pub(super) fn again(
        &mut self,
        node: &Node,
        place: Option<&Place<'_>>,
        id: &str,
        written: bool,
    ) {
        match place.filter(|_| !written) {
            Some(place) => self.fault(
                "nonUniquePropertyValue",
                node.pos,
                Some(place.parent),
                Some(place.property),
                None,
                "another element here has the same name; change one".into(),
            ),
            None => self.fault(
                "duplicateDefinition",
                node.pos,
                Some(id),
                None,
                Some(id),
                "this identifier is defined already; give one of the two another".into(),
            ),
        }
    }

    /// An identifier for an element without one; refuses where one has to be written.
    pub(super) fn named(
        &mut self,
        node: &Node,
        place: Option<&Place<'_>>,
        class: &str,
        version: u8,
    ) -> Option<String> {
        let Some(place) = place else {
            let message = "an element at the top has an @id; add it".into();
            self.fault("missingTopLevelId", node.pos, None, None, None, message);
            return None;
        };
        let of = self.tables.classes.get(class);
        let needs = of.is_some_and(|of| of.needs_id(version, place.parent_class, place.property));
        if needs || place.facet.id_required {
            let message = "an element in this place has an @id; add it".into();
            self.misplaced("missingRequiredId", node, place, message);
            return None;
        }
        let name = match place.plural_segment {
            None => None,
            Some(segment) => Some(self.segment(node, place, segment, version)?),
        };
        Some(dtmi::generated(place.parent, place.property, name))
    }

    /// The text from which an identifier is made.
    fn segment<'n>(
        &mut self,
        node: &'n Node,
        place: &Place<'_>,
        segment: &str,
        version: u8,
    ) -> Option<&'n str> {
        let full = || node.get(&format!("dtmi:dtdl:property:{segment};{version}"));
        let Some(found) = node.get(segment).or_else(full) else {
            let message = format!(
                "an element without @id needs a {segment}, from which its identifier is made; add one of them"
            );
            self.misplaced("missingDtmiSegPropertyValue", node, place, message);
            return None;
        };
        let single = match found.as_array() {
            Some([one]) => one,
            _ => found,
        };
        let single = single.get("@value").unwrap_or(single);
        let number = single.as_number().map(|number| &*number.text);
        if let Some(text) = single.as_str().or(number) {
            return Some(text);
        }
        let message =
            format!("the identifier of this element is made from its {segment}; write a string");
        self.misplaced("dtmiSegPropertyNotStringOrNumber", found, place, message);
        None
    }

    fn misplaced(&mut self, kind: &'static str, node: &Node, place: &Place<'_>, message: String) {
        let (parent, property) = (Some(place.parent), Some(place.property));
        self.fault(kind, node.pos, parent, property, None, message);
    }
}
