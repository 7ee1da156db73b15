//! The view as a graph: twins by interface, relationships in both directions, each in a fixed order
//! and from a place on, for queries that are read page by page.

use super::{TwinRef, View};
use crate::{
    Compiled,
    twin::{Incoming, Outgoing, Twin},
};
use gemelli_event::record::Edge;
use gemelli_model::{InterfaceId, TwinId};
use std::{ops::Bound, sync::Arc};

/// A relationship that starts at a twin.
#[derive(Clone, Copy, Debug)]
pub struct Outward<'a> {
    /// Its id, unique among the relationships of its source.
    pub id: &'a Arc<str>,
    source: &'a TwinId,
    edge: &'a Outgoing,
}

/// A relationship that ends at a twin.
#[derive(Clone, Copy, Debug)]
pub struct Inward<'a>(&'a Incoming);

impl<'a> Outward<'a> {
    /// The relationship's name.
    pub fn name(&self) -> &'a Arc<str> {
        &self.edge.name
    }

    /// The twin that it ends at.
    pub fn target(&self) -> &'a TwinId {
        &self.edge.target
    }

    /// All of it.
    pub fn whole(&self) -> Edge {
        Edge {
            id: self.id.clone(),
            name: self.edge.name.clone(),
            source: self.source.clone(),
            target: self.edge.target.clone(),
            properties: self.edge.properties.clone(),
        }
    }
}

impl<'a> Inward<'a> {
    /// Its id, unique among the relationships of its source.
    pub fn id(&self) -> &'a Arc<str> {
        &self.0.id
    }

    /// The relationship's name.
    pub fn name(&self) -> &'a Arc<str> {
        &self.0.name
    }

    /// The twin that it starts from.
    pub fn source(&self) -> &'a TwinId {
        &self.0.source
    }
}

impl View {
    /// The twin of exactly this id, case included.
    pub fn exact(&self, id: &str) -> Option<TwinRef> {
        self.state.get(id).cloned().map(TwinRef)
    }

    /// Every twin, in no particular order, without a look-up for each.
    pub fn unordered(&self) -> impl Iterator<Item = TwinRef> {
        self.state.unordered().cloned().map(TwinRef)
    }

    /// The interfaces that have twins, each with how many it has and as the twins know it: an
    /// interface that was deleted since is among them.
    pub fn kinds(&self) -> impl Iterator<Item = (&InterfaceId, usize, Option<Arc<Compiled>>)> {
        self.state.index.kinds().map(|(id, twins)| {
            let first = twins.get_min().and_then(|id| self.state.get(id.as_str()));
            (id, twins.len(), first.map(|twin| twin.interface.clone()))
        })
    }

    /// The ids of the twins of exactly this interface from an id on, or after it, in order.
    pub fn of_kind<'a>(
        &'a self,
        interface: &str,
        from: Bound<&str>,
    ) -> impl Iterator<Item = &'a TwinId> + use<'a> {
        let from = from.map(TwinId::from);
        let twins = self.state.index.kind(interface);
        twins
            .into_iter()
            .flat_map(move |twins| twins.range((from.clone(), Bound::Unbounded)))
    }

    /// The ids of all twins from an id on, or after it, in order.
    pub fn ids_from<'a>(&'a self, from: Bound<&str>) -> impl Iterator<Item = &'a TwinId> + use<'a> {
        let from = from.map(TwinId::from);
        self.state.ids().range((from, Bound::Unbounded))
    }

    /// How many relationships there are.
    pub fn relationship_count(&self) -> usize {
        self.state.index.relationships()
    }
}

impl TwinRef {
    /// Its interface as the twin knows it.
    pub fn definition(&self) -> &Arc<Compiled> {
        &self.0.interface
    }

    /// Whether both are the same picture of the same twin.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Relationships that start here, by id, from an id on.
    pub fn outward(&self, from: Option<&str>) -> impl Iterator<Item = Outward<'_>> {
        let twin: &Twin = &self.0;
        let first: Arc<str> = from.unwrap_or_default().into();
        let links = twin.links.as_deref().into_iter();
        links.flat_map(move |links| {
            let edges = links.out.from(&first);
            edges.map(|(id, edge)| Outward {
                id,
                source: &twin.id,
                edge,
            })
        })
    }

    /// The relationship of this id that starts here.
    pub fn outward_of(&self, id: &Arc<str>) -> Option<Outward<'_>> {
        let (id, edge) = self.0.links.as_deref()?.out.entry(id)?;
        Some(Outward {
            id,
            source: &self.0.id,
            edge,
        })
    }

    /// Relationships that end here, by name, source and id, from such a triple on.
    pub fn inward(&self, from: Option<(&str, &str, &str)>) -> impl Iterator<Item = Inward<'_>> {
        let (name, source, id) = from.unwrap_or_default();
        let first = Incoming {
            name: name.into(),
            source: source.into(),
            id: id.into(),
        };
        let links = self.0.links.as_deref().into_iter();
        links.flat_map(move |links| links.incoming.from(&first).map(|(edge, ())| Inward(edge)))
    }
}
