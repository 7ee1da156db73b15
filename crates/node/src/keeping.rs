//! Which events become history: those whose interface says so.

use gemelli_engine::Definitions;
use gemelli_event::{Body, Category, Record};
use parking_lot::RwLock;
use std::sync::Arc;

/// The definitions by which the store decides what it keeps.
#[derive(Clone, Default)]
pub struct Keeping(Arc<RwLock<Arc<Definitions>>>);

impl Keeping {
    /// Takes up new definitions.
    pub fn follow(&self, definitions: &Arc<Definitions>) {
        if !Arc::ptr_eq(&self.0.read(), definitions) {
            *self.0.write() = definitions.clone();
        }
    }

    /// Whether a record becomes history.
    pub fn keeps(&self, record: &Record) -> bool {
        let Body::Event(event) = &record.body else {
            return true;
        };
        let definitions = self.0.read();
        let Some(interface) = definitions.interface(event.interface.as_str()) else {
            return true;
        };
        let routing = &interface.resolved().routing;
        match event.category {
            Category::Real => routing.persist_real,
            Category::Virtual => routing.persist_virtual,
            Category::Command | Category::Store => true,
        }
    }
}
