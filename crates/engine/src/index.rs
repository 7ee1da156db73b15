//! What queries find twins by besides their ids: the twins of each interface, and how many
//! relationships there are.
//!
//! Kept up when a twin is created, deleted or moved to another interface and when a relationship
//! comes or goes; an event never touches it.

use gemelli_model::{InterfaceId, TwinId};
use imbl::{OrdMap, OrdSet};

/// Persistent indexes that a view shares with the state.
#[derive(Clone, Default)]
pub(crate) struct Index {
    kinds: OrdMap<InterfaceId, OrdSet<TwinId>>,
    relationships: usize,
}

impl Index {
    /// Notes a twin and how many relationships start at it.
    pub(crate) fn insert(&mut self, interface: &InterfaceId, twin: &TwinId, relationships: usize) {
        self.put(interface, twin);
        self.relationships += relationships;
    }

    /// Forgets what [`Index::insert`] noted.
    pub(crate) fn remove(&mut self, interface: &InterfaceId, twin: &TwinId, relationships: usize) {
        self.take(interface, twin);
        self.relationships = self.relationships.saturating_sub(relationships);
    }

    /// Notes that a twin is of another interface now.
    pub(crate) fn moved(&mut self, from: &InterfaceId, to: &InterfaceId, twin: &TwinId) {
        self.take(from, twin);
        self.put(to, twin);
    }

    /// Notes relationships that came or went.
    pub(crate) fn count_relationships(&mut self, by: isize) {
        self.relationships = self.relationships.saturating_add_signed(by);
    }

    /// How many relationships there are.
    pub(crate) fn relationships(&self) -> usize {
        self.relationships
    }

    /// The twins of exactly this interface.
    pub(crate) fn kind(&self, interface: &str) -> Option<&OrdSet<TwinId>> {
        self.kinds.get(interface)
    }

    /// Every interface that has twins, with its twins.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&InterfaceId, &OrdSet<TwinId>)> {
        self.kinds.iter()
    }

    fn put(&mut self, interface: &InterfaceId, twin: &TwinId) {
        match self.kinds.get_mut(interface) {
            Some(twins) => drop(twins.insert(twin.clone())),
            None => drop(
                self.kinds
                    .insert(interface.clone(), OrdSet::unit(twin.clone())),
            ),
        }
    }

    fn take(&mut self, interface: &InterfaceId, twin: &TwinId) {
        let Some(twins) = self.kinds.get_mut(interface) else {
            return;
        };
        twins.remove(twin);
        if twins.is_empty() {
            self.kinds.remove(interface);
        }
    }
}
