//! Definitions: interfaces with inheritance applied and expressions compiled, and connections.
//!
//! A set of definitions never changes: applying manifests makes a new set of the next version, or
//! says why that cannot be.

mod compile;
mod compiled;
mod connections;
mod held;

pub use compiled::{Compiled, Part};
pub(crate) use compiled::{Local, SlotKind, Watch};

use crate::{Rejection, engine::Judged};
use gemelli_model::{Interface, InterfaceId, Value, nearest};
use std::{collections::BTreeMap, sync::Arc};

/// All definitions of one version. Immutable: a change makes a new set.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    version: u64,
    interfaces: BTreeMap<InterfaceId, Arc<Compiled>>,
    folded: BTreeMap<String, InterfaceId>,
    connections: BTreeMap<Arc<str>, Value>,
}

impl Definitions {
    /// Counts the changes from 0.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The interface of this id; without case if there is none and the one meant ignores case.
    pub fn interface(&self, id: &str) -> Option<&Arc<Compiled>> {
        self.interfaces.get(id).or_else(|| {
            let folded = self.folded.get(&id.to_ascii_lowercase())?;
            self.interfaces.get(folded)
        })
    }

    /// All interfaces by id.
    pub fn interfaces(&self) -> impl Iterator<Item = &Arc<Compiled>> {
        self.interfaces.values()
    }

    /// A connection's whole manifest.
    pub fn connection(&self, name: &str) -> Option<&Value> {
        self.connections.get(name)
    }

    /// All connections by name, as whole manifests.
    pub fn connections(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.connections.iter()
    }

    /// As [`Definitions::interface`], or the rejection that says so.
    pub(crate) fn find(&self, id: &str) -> Result<&Arc<Compiled>, Rejection> {
        self.interface(id).ok_or_else(|| {
            let known = self.interfaces.keys().map(InterfaceId::as_str);
            let remedy = match nearest::name(id, known) {
                Some(near) => format!("did you mean {near}?"),
                None => "apply its manifest first".into(),
            };
            Rejection::new(
                "unknown-interface",
                format!("interface {id} does not exist"),
                remedy,
            )
        })
    }

    /// The next version with these interfaces and connections put in place, and those names taken out.
    pub(crate) fn changed(&self, change: Change, judged: Judged) -> Result<Self, Rejection> {
        let mut sources: BTreeMap<InterfaceId, Arc<Interface>> = self
            .interfaces
            .iter()
            .map(|(id, c)| (id.clone(), c.source().clone()))
            .collect();
        let mut connections = self.connections.clone();
        for interface in change.interfaces {
            sources.insert(interface.id.clone(), interface);
        }
        for id in &change.without_interfaces {
            sources.remove(id);
        }
        connections.extend(change.connections);
        for name in &change.without_connections {
            connections.remove(name);
        }
        Self::of(self.version + 1, &sources, connections, Some(self), judged)
    }

    /// The set of these interfaces; those that come out as in `former` stay the same object. Of those
    /// that were accepted before, a derived property that would be refused today has no value.
    pub(crate) fn of(
        version: u64,
        sources: &BTreeMap<InterfaceId, Arc<Interface>>,
        connections: BTreeMap<Arc<str>, Value>,
        former: Option<&Self>,
        judged: Judged,
    ) -> Result<Self, Rejection> {
        let mut interfaces = compile::all(sources, judged)?;
        for (id, compiled) in &mut interfaces {
            if let Some(known) = former.and_then(|f| f.interfaces.get(id))
                && known.same(compiled)
            {
                *compiled = known.clone();
            }
        }
        let folded = interfaces
            .values()
            .filter(|c| c.resolved().ignore_case)
            .map(|c| (c.id().as_str().to_ascii_lowercase(), c.id().clone()))
            .collect();
        Ok(Self {
            version,
            interfaces,
            folded,
            connections,
        })
    }
}

/// A change of definitions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub interfaces: Vec<Arc<Interface>>,
    pub connections: Vec<(Arc<str>, Value)>,
    pub without_interfaces: Vec<InterfaceId>,
    pub without_connections: Vec<Arc<str>>,
}
