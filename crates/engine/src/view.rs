//! The view: an immutable picture of all twins at the end of a batch.

use crate::{Definitions, Lifecycle};
use gemelli_event::record::Edge;
use gemelli_model::{InterfaceId, TwinId, Value};
use std::{collections::BTreeMap, sync::Arc};

/// An immutable picture of all twins and definitions. Cheap to clone, from any thread.
#[derive(Clone, Debug)]
pub struct View {
    definitions: Arc<Definitions>,
}

impl View {
    /// The twin of this id, spelt as at its creation.
    pub fn twin(&self, id: &str) -> Option<TwinRef> {
        let _ = id;
        None
    }

    /// All twins in the order of their ids.
    pub fn twins(&self) -> impl Iterator<Item = TwinRef> {
        self.twins_after(None)
    }

    /// The twins whose ids come after this one, in the order of their ids: pages of a list.
    pub fn twins_after(&self, after: Option<&str>) -> impl Iterator<Item = TwinRef> {
        let _ = after;
        std::iter::empty()
    }

    /// How many twins there are.
    pub fn count(&self) -> usize {
        0
    }

    /// The id as the twin was created with, for a spelling that may differ in case where the
    /// twin's interface ignores case.
    pub fn canonical(&self, id: &str) -> Option<TwinId> {
        let _ = id;
        None
    }

    /// The definitions.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    /// A twin's whole state for a snapshot; none if it is gone.
    pub fn encode_twin(&self, id: &TwinId) -> Option<Vec<u8>> {
        let _ = id;
        None
    }

    /// How many twins each interface has.
    pub fn per_interface(&self) -> BTreeMap<InterfaceId, usize> {
        BTreeMap::new()
    }

    /// How many twins are in each state.
    pub fn lifecycle(&self) -> BTreeMap<Lifecycle, usize> {
        BTreeMap::new()
    }

    pub(crate) fn new(definitions: Arc<Definitions>) -> Self {
        Self { definitions }
    }
}

/// A twin in a view.
#[derive(Clone, Debug)]
pub struct TwinRef {
    id: TwinId,
    interface: InterfaceId,
}

/// A member of a twin: a property or the last value of a telemetry.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: Arc<str>,
    /// Its value, never null.
    pub value: Value,
    /// When it was last written, milliseconds since 1970 of the interface's clock.
    pub updated_ms: i64,
    /// It is computed.
    pub derived: bool,
    /// It is a telemetry, not a property.
    pub telemetry: bool,
}

/// A relationship that ends at a twin.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeRef {
    /// Its id, unique among the edges of its source.
    pub id: Arc<str>,
    /// The relationship's name.
    pub name: Arc<str>,
    /// The twin that it starts from.
    pub source: TwinId,
}

impl TwinRef {
    /// Its id.
    pub fn id(&self) -> &TwinId {
        &self.id
    }

    /// Its interface.
    pub fn interface(&self) -> &InterfaceId {
        &self.interface
    }

    /// The value of a property or telemetry; none if it is absent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let _ = name;
        None
    }

    /// The members that are present, in the interface's order.
    pub fn members(&self) -> Vec<Member> {
        Vec::new()
    }

    /// Its weak ETag, quotes included: `W/"…"`. Changes with every record that changes the twin.
    pub fn etag(&self) -> String {
        String::new()
    }

    /// Its state of life.
    pub fn lifecycle(&self) -> Lifecycle {
        Lifecycle::Unbound
    }

    /// When it last changed, milliseconds since 1970, time of acceptance.
    pub fn last_update_ms(&self) -> i64 {
        0
    }

    /// When it last reported, milliseconds since 1970 of the interface's clock.
    pub fn last_report_ms(&self) -> Option<i64> {
        None
    }

    /// Relationships that start here, by id.
    pub fn relationships(&self) -> Vec<Edge> {
        Vec::new()
    }

    /// The relationship of this id that starts here.
    pub fn relationship(&self, id: &str) -> Option<Edge> {
        let _ = id;
        None
    }

    /// Relationships that end here, by name, source and id.
    pub fn incoming(&self) -> Vec<EdgeRef> {
        Vec::new()
    }

    /// The twin as the Azure Digital Twins data plane shows it: `$dtId`, `$etag`, `$metadata`, properties.
    pub fn to_adt(&self) -> Value {
        Value::Null
    }

    /// Everything: interface, lifecycle, properties, telemetry, derived values, relationships both ways.
    pub fn to_full(&self) -> Value {
        Value::Null
    }
}
