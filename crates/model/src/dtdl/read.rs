//! From JSON to elements: identifiers, types and properties, each by what the tables say.
//!
//! A [`Reader`] takes one document after another and collects elements and every fault. Promises:
//! time linear in the text; recursion no deeper than the nesting of the JSON, which
//! [`json`](super::json) bounds. Does not: look from one element at another (that is
//! [`check`](super::check)'s).

mod identify;
mod members;
mod objects;
mod types;

use super::Options;
use super::context::Scope;
use super::fault::Fault;
use super::json::{Kind, Node, Pos};
use super::model::Element;
use super::tables::{Facet, Tables};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads documents into elements, collecting every fault.
pub(super) struct Reader<'t> {
    pub tables: &'static Tables,
    pub options: &'t Options,
    pub faults: Vec<Fault>,
    pub elements: BTreeMap<Arc<str>, Element>,
    /// What is referred to and perhaps not defined, in the order of reading.
    pub referred: Vec<Arc<str>>,
    pub source: usize,
    /// Whether what is read was asked for, not submitted.
    pub resolving: bool,
}

/// Whose property is read.
pub(super) struct Bearer<'a> {
    pub id: &'a str,
    pub scope: &'a Scope,
    pub property: &'a str,
}

/// Where an element stands within another.
struct Place<'a> {
    parent: &'a str,
    parent_class: &'a str,
    interface: &'a str,
    property: &'a str,
    class: &'a str,
    plural_segment: Option<&'a str>,
    facet: &'a Facet,
}

impl<'t> Reader<'t> {
    pub fn new(tables: &'static Tables, options: &'t Options) -> Self {
        Self {
            tables,
            options,
            faults: Vec::new(),
            elements: BTreeMap::new(),
            referred: Vec::new(),
            source: 0,
            resolving: false,
        }
    }

    pub fn fault(
        &mut self,
        kind: &'static str,
        pos: Pos,
        element: Option<&str>,
        property: Option<&str>,
        value: Option<&str>,
        message: String,
    ) {
        self.faults.push(Fault {
            kind,
            source: self.source,
            pos,
            element: element.map(str::to_owned),
            property: property.map(str::to_owned),
            value: value.map(str::to_owned),
            message,
        });
    }

    /// A fault of a value of a property.
    pub fn refuse(
        &mut self,
        kind: &'static str,
        bearer: &Bearer<'_>,
        node: &Node,
        message: String,
    ) {
        let value = node.as_str().map(str::to_owned);
        self.fault(
            kind,
            node.pos,
            Some(bearer.id),
            Some(bearer.property),
            value.as_deref(),
            message,
        );
    }

    /// Whether what the reference parser once let pass is let pass.
    fn tolerant(&self) -> bool {
        if self.resolving {
            self.options.tolerate_in_resolved
        } else {
            self.options.tolerate_in_submitted
        }
    }

    /// A document: an object, an array of them, or `@graph` with them.
    pub fn document(&mut self, node: &Node) {
        match &node.kind {
            Kind::Object(members) => {
                let lone =
                    members.len() == 1 || node.get("@context").is_some() && members.len() == 2;
                match node.get("@graph").filter(|_| lone) {
                    Some(graph) => self.documents(graph),
                    None => self.top(node),
                }
            }
            _ => self.documents(node),
        }
    }

    fn documents(&mut self, node: &Node) {
        for item in node.as_array().unwrap_or(std::slice::from_ref(node)) {
            match item.kind {
                Kind::Object(_) => self.top(item),
                _ => {
                    let found = item.describe();
                    let message =
                        format!("a document is an object or an array of them, not {found}");
                    self.fault("notJsonObject", item.pos, None, None, None, message);
                }
            }
        }
    }

    fn top(&mut self, node: &Node) {
        if let Some(scope) = self.enter(node, None) {
            self.element(node, &scope, None);
        }
    }

    /// An element that is written out.
    fn element(
        &mut self,
        node: &Node,
        scope: &Scope,
        place: Option<&Place<'_>>,
    ) -> Option<Arc<str>> {
        let written = self.written_id(node, scope, place).ok()?;
        let types = self.types(node, scope, place, written.unwrap_or_default())?;
        let id: Arc<str> = match written {
            Some(id) => id.into(),
            None => self.named(node, place, &types.class, scope.version)?.into(),
        };
        let is_interface = types.class == "Interface";
        if is_interface {
            self.interface_id(node, scope, &id);
        }
        if self.elements.contains_key(&id) {
            self.again(node, place, &id, written.is_some());
            return None;
        }
        let interface = match place {
            Some(place) if !is_interface => place.interface.into(),
            _ => id.clone(),
        };
        if let Some(place) = place.filter(|_| is_interface)
            && let Some(around) = self.elements.get_mut(place.interface)
        {
            around.bytes = around.bytes.saturating_sub(node.len());
        }
        let element = Element {
            id: id.clone(),
            class: types.class,
            version: scope.version,
            cotypes: types.cotypes,
            parent: place.map(|place| place.parent.into()),
            interface,
            properties: BTreeMap::new(),
            source: self.source,
            pos: node.pos,
            bytes: node.len(),
            places: BTreeMap::new(),
            limits: scope.limits.clone(),
            open_types: types.open,
        };
        self.elements.insert(id.clone(), element);
        self.members(node, scope, &id);
        Some(id)
    }
}
