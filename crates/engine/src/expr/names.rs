//! What the author of an expression may name.

use super::Table;
use gemelli_model::{Interface, Schema};
use std::{collections::BTreeMap, sync::Arc};

/// The members and tables that an expression may name.
#[derive(Clone, Debug, Default)]
pub struct Names {
    members: BTreeMap<Arc<str>, Numbers>,
    tables: BTreeMap<Arc<str>, Arc<Table>>,
}

/// How a member's JSON numbers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    /// As doubles: CEL's own rule for JSON.
    Double,
    /// As whole numbers where they are.
    Whole,
}

impl Names {
    /// No names at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Properties, telemetry, relationships' absence, and tables of one interface; call it for each
    /// interface that a twin's own one extends, the most general first, then for its own.
    #[must_use]
    pub fn interface(mut self, interface: &Interface) -> Self {
        for property in &interface.properties {
            self = self.member(property.name.clone(), &property.schema);
        }
        for telemetry in &interface.telemetry {
            self = self.member(telemetry.name.clone(), &telemetry.schema);
        }
        for (name, table) in &interface.tables {
            self = self.table(name.clone(), table);
        }
        self
    }

    /// A member with its schema.
    #[must_use]
    pub fn member(mut self, name: impl Into<Arc<str>>, schema: &Schema) -> Self {
        let numbers = match schema {
            Schema::Integer | Schema::Long => Numbers::Whole,
            _ => Numbers::Double,
        };
        self.members.insert(name.into(), numbers);
        self
    }

    /// Something of any kind, e.g. `payload`, `edge`, or a capture of a topic.
    #[must_use]
    pub fn variable(self, name: impl Into<Arc<str>>) -> Self {
        self.member(name, &Schema::Any)
    }

    /// A named table.
    #[must_use]
    pub fn table(
        mut self,
        name: impl Into<Arc<str>>,
        table: &gemelli_model::interface::Table,
    ) -> Self {
        self.tables
            .insert(name.into(), Arc::new(Table::from(table)));
        self
    }

    pub(super) fn numbers(&self, name: &str) -> Option<Numbers> {
        self.members.get(name).copied()
    }

    pub(super) fn find_table(&self, name: &str) -> Option<&Arc<Table>> {
        self.tables.get(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<str>> {
        self.members.keys().chain(self.tables.keys())
    }
}
