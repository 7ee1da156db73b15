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
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// All definitions of one version. Immutable: a change makes a new set.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    version: u64,
    interfaces: BTreeMap<InterfaceId, Arc<Compiled>>,
    folded: BTreeMap<String, InterfaceId>,
    connections: BTreeMap<Arc<str>, Value>,
    status: BTreeMap<InterfaceId, Status>,
    /// Some interface is withdrawn: the rare case that writes have to look at.
    withdrawals: bool,
}

/// What is known of an interface besides what its author wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// When it was applied, milliseconds since 1970; 0 if that was before this was noted.
    pub uploaded_ms: i64,
    /// No new twin may be of it.
    pub retired: bool,
    /// It was deleted while twins were of it: they can be read and moved, not changed.
    pub withdrawn: bool,
}

impl Definitions {
    /// What is known of an interface besides what its author wrote.
    pub fn status(&self, interface: &InterfaceId) -> Status {
        self.status.get(interface).copied().unwrap_or_default()
    }

    /// Itself, if some interface is withdrawn.
    pub(crate) fn withdrawals(self: &Arc<Self>) -> Option<Arc<Self>> {
        self.withdrawals.then(|| self.clone())
    }

    /// Fails if twins of this interface cannot be changed.
    pub(crate) fn check_writable(&self, interface: &InterfaceId) -> Result<(), Rejection> {
        if !self.withdrawals || !self.status(interface).withdrawn {
            return Ok(());
        }
        Err(Rejection::new(
            "unknown-interface",
            format!("interface {interface} was deleted: its twins can be read, not changed"),
            "move the twin to another interface, or apply the interface again",
        ))
    }

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

    /// As [`Definitions::interface`] for those not withdrawn, or the rejection that says so.
    pub(crate) fn find(&self, id: &str) -> Result<&Arc<Compiled>, Rejection> {
        let found = self.interface(id);
        let found = found.filter(|c| !self.withdrawals || !self.status(c.id()).withdrawn);
        found.ok_or_else(|| {
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
        let mut status = self.status.clone();
        for interface in change.interfaces {
            status.remove(&interface.id);
            sources.insert(interface.id.clone(), interface);
        }
        for id in &change.without_interfaces {
            status.remove(id);
            sources.remove(id);
        }
        status.extend(change.status);
        connections.extend(change.connections);
        for name in &change.without_connections {
            connections.remove(name);
        }
        let mut next = Self::of(self.version + 1, &sources, connections, Some(self), judged)?;
        next.set_status(status);
        Ok(next)
    }

    /// Puts what is known of the interfaces in place.
    pub(crate) fn set_status(&mut self, status: BTreeMap<InterfaceId, Status>) {
        self.withdrawals = status.values().any(|s| s.withdrawn);
        self.status = status;
    }

    /// Notes when interfaces were applied.
    pub(crate) fn uploaded(&mut self, interfaces: &[InterfaceId], at_ms: i64) {
        for id in interfaces {
            self.status.entry(id.clone()).or_default().uploaded_ms = at_ms;
        }
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
            status: BTreeMap::new(),
            withdrawals: false,
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
    pub status: Vec<(InterfaceId, Status)>,
}
