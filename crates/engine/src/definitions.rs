//! Definitions: interfaces with inheritance applied, and connections.

use gemelli_model::{Interface, InterfaceId, Value};
use std::{collections::BTreeMap, sync::Arc};

/// All definitions of one version. Immutable: a change makes a new set.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    version: u64,
    interfaces: BTreeMap<InterfaceId, Arc<Compiled>>,
    connections: BTreeMap<Arc<str>, Value>,
}

/// An interface, its inherited members included.
#[derive(Clone, Debug)]
pub struct Compiled {
    source: Arc<Interface>,
}

impl Definitions {
    /// Counts the changes from 0.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The interface of this id; without case if there is none and the one meant ignores case.
    pub fn interface(&self, id: &str) -> Option<&Arc<Compiled>> {
        self.interfaces.get(id)
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
}

impl Compiled {
    /// Its id.
    pub fn id(&self) -> &InterfaceId {
        &self.source.id
    }

    /// As its author wrote it.
    pub fn source(&self) -> &Arc<Interface> {
        &self.source
    }
}
