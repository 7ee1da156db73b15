//! The view: an immutable picture of all twins at the end of a batch.
//!
//! It shares its parts with the engine's state, which copies what it changes afterwards.

mod graph;
mod shape;

pub use graph::{Inward, Outward};

use crate::{
    Compiled, Definitions, Entanglement, Lifecycle, command,
    definitions::SlotKind,
    snapshot,
    state::State,
    twin::{NEVER, Twin},
};
use gemelli_event::record::Edge;
use gemelli_model::{InterfaceId, TwinId, Value};
use std::{collections::BTreeMap, fmt, ops::Bound, sync::Arc};

/// An immutable picture of all twins and definitions. Cheap to clone, from any thread.
#[derive(Clone)]
pub struct View {
    state: Arc<State>,
    /// The event clock.
    event_ms: Option<i64>,
}

impl View {
    /// The twin of this id; where its interface ignores case, of any spelling.
    pub fn twin(&self, id: &str) -> Option<TwinRef> {
        self.state.meant(id).cloned().map(TwinRef)
    }

    /// All twins in the order of their ids.
    pub fn twins(&self) -> impl Iterator<Item = TwinRef> {
        self.twins_after(None)
    }

    /// The twins whose ids come after this one, in the order of their ids: pages of a list.
    pub fn twins_after(&self, after: Option<&str>) -> impl Iterator<Item = TwinRef> {
        let first = after.map_or(Bound::Unbounded, |id| Bound::Excluded(TwinId::from(id)));
        let ids = self.state.ids().range((first, Bound::Unbounded));
        ids.filter_map(|id| self.state.get(id.as_str()).cloned().map(TwinRef))
    }

    /// How many twins there are.
    pub fn count(&self) -> usize {
        self.state.count()
    }

    /// The id as the twin was created with, for a spelling that may differ in case where the
    /// twin's interface ignores case. Records should name twins by it.
    pub fn canonical(&self, id: &str) -> Option<TwinId> {
        self.state.meant(id).map(|twin| twin.id.clone())
    }

    /// The definitions.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.state.definitions
    }

    /// A twin's whole state for a snapshot; none if it is gone.
    pub fn encode_twin(&self, id: &TwinId) -> Option<Vec<u8>> {
        self.state
            .get(id.as_str())
            .map(|twin| snapshot::encode_twin(twin))
    }

    /// How many twins each interface has; interfaces without twins are left out.
    pub fn per_interface(&self) -> BTreeMap<InterfaceId, usize> {
        self.state.per_interface().clone()
    }

    /// How many twins are in each state.
    pub fn lifecycle(&self) -> BTreeMap<Lifecycle, usize> {
        self.state.lifecycle().collect()
    }

    /// How faithfully a twin of this view follows its asset at this time, milliseconds since 1970;
    /// where its interface runs on event time, at that of the event clock.
    pub fn entanglement(&self, twin: &TwinRef, now_ms: i64) -> Entanglement {
        let now_ms = match (twin.0.interface.event_time(), self.event_ms) {
            (true, Some(event_ms)) => event_ms,
            _ => now_ms,
        };
        twin.0.entanglement(now_ms.max(twin.0.clock_ms))
    }

    /// As [`TwinRef::to_full`], with `entanglement` at this time and the `fidelity` that it is the
    /// product of: `timeliness`, `reliability`, `availability`.
    pub fn full(&self, twin: &TwinRef, now_ms: i64) -> Value {
        shape::entangled(twin, self.entanglement(twin, now_ms))
    }

    pub(crate) fn new(state: State, event_ms: Option<i64>) -> Self {
        Self {
            state: Arc::new(state),
            event_ms,
        }
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "View({} twins, definitions {})",
            self.count(),
            self.definitions().version()
        )
    }
}

/// A twin in a view.
#[derive(Clone, Debug)]
pub struct TwinRef(Arc<Twin>);

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
        &self.0.id
    }

    /// Its interface's id.
    pub fn interface(&self) -> &InterfaceId {
        self.0.interface.id()
    }

    /// The value of a property, telemetry or component; none if it is absent.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let value = self.0.value(self.0.interface.slot_of(name)?);
        (!value.is_null()).then_some(value)
    }

    /// The members that are present, in the interface's order.
    pub fn members(&self) -> Vec<Member> {
        let twin = &self.0;
        let slots = twin.interface.slots().iter().zip(&twin.cells);
        slots
            .filter(|(_, cell)| !cell.value.is_null())
            .map(|(slot, cell)| Member {
                name: slot.name.clone(),
                value: cell.value.clone(),
                updated_ms: if cell.time_ms == NEVER {
                    twin.accepted_ms
                } else {
                    cell.time_ms
                },
                derived: slot.derived(),
                telemetry: matches!(slot.kind, SlotKind::Telemetry { .. }),
            })
            .collect()
    }

    /// Its weak ETag, quotes included: `W/"…"`. Changes with every record that changes the twin.
    pub fn etag(&self) -> String {
        command::etag(&self.0)
    }

    /// Its state of life.
    pub fn lifecycle(&self) -> Lifecycle {
        self.0.lifecycle
    }

    /// Whether a connection that publishes for it is open.
    pub fn connected(&self) -> bool {
        self.0.connected
    }

    /// When it last changed, milliseconds since 1970, time of acceptance.
    pub fn last_update_ms(&self) -> i64 {
        self.0.accepted_ms
    }

    /// When it last reported, milliseconds since 1970 of the interface's clock.
    pub fn last_report_ms(&self) -> Option<i64> {
        (self.0.report_ms != NEVER).then_some(self.0.report_ms)
    }

    /// Relationships that start here, by id.
    pub fn relationships(&self) -> Vec<Edge> {
        self.0.out().map(|(id, edge)| self.edge(id, edge)).collect()
    }

    /// Relationships that start here with an id after this one, by id: pages of a list.
    pub fn relationships_after(&self, after: Option<&str>) -> impl Iterator<Item = Edge> {
        let first = after.map(str::to_owned);
        let edges = self.0.out();
        edges
            .filter(move |(id, _)| first.as_ref().is_none_or(|first| ***id > **first))
            .map(|(id, edge)| self.edge(id, edge))
    }

    /// Relationships that end here and come after this one, by name, source and id.
    pub fn incoming_after(&self, after: Option<&EdgeRef>) -> impl Iterator<Item = EdgeRef> {
        let first = after.map(|e| crate::twin::Incoming {
            name: e.name.clone(),
            source: e.source.clone(),
            id: e.id.clone(),
        });
        let edges = self.0.incoming();
        edges
            .filter(move |e| first.as_ref().is_none_or(|first| *e > first))
            .map(|e| EdgeRef {
                id: e.id.clone(),
                name: e.name.clone(),
                source: e.source.clone(),
            })
    }

    /// The relationship of this id that starts here.
    pub fn relationship(&self, id: &str) -> Option<Edge> {
        let id: Arc<str> = id.into();
        self.0.edge(&id).map(|edge| self.edge(&id, edge))
    }

    /// The ETag of the relationship of this id that starts here.
    pub fn relationship_etag(&self, id: &str) -> Option<String> {
        let id: Arc<str> = id.into();
        let edge = self.0.edge(&id)?;
        Some(command::edge_etag(&id, edge))
    }

    /// The twin's compiled interface, in the version that the twin is of.
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.0.interface
    }

    /// A component as the Azure Digital Twins data plane shows it; none if its interface has none of
    /// this name.
    pub fn component_to_adt(&self, name: &str) -> Option<Value> {
        shape::component(self, name)
    }

    fn edge(&self, id: &Arc<str>, edge: &crate::twin::Outgoing) -> Edge {
        Edge {
            id: id.clone(),
            name: edge.name.clone(),
            source: self.0.id.clone(),
            target: edge.target.clone(),
            properties: edge.properties.clone(),
        }
    }

    /// Relationships that end here, by name, source and id.
    pub fn incoming(&self) -> Vec<EdgeRef> {
        let edges = self.0.incoming();
        edges
            .map(|e| EdgeRef {
                id: e.id.clone(),
                name: e.name.clone(),
                source: e.source.clone(),
            })
            .collect()
    }

    /// The twin as the Azure Digital Twins data plane shows it: `$dtId`, `$etag`, `$metadata` with
    /// `$model`, `$lastUpdateTime` and per property `lastUpdateTime`, then the properties. Telemetry
    /// is no part of it.
    pub fn to_adt(&self) -> Value {
        shape::adt(self)
    }

    /// Everything: `id`, `interface`, `etag`, `lifecycle`, `connected`, `lastUpdateTime`,
    /// `lastReportTime`, `properties`, `telemetry`, `derived` (each member `{value, updated}`),
    /// `relationships`, `incoming`.
    pub fn to_full(&self) -> Value {
        shape::full(self)
    }
}
