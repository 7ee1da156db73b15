//! A twin's state: values packed in its interface's order, and what the fold must remember of it.
//!
//! Views share twins with the engine: a twin is copied when it changes for the first time after a
//! view was taken. So what is large and changes rarely stands behind pointers of its own.

use crate::{Compiled, Lifecycle, fidelity::Arrivals, marks::Marks, packed::Packed};
use gemelli_model::{TwinId, Value};
use std::sync::Arc;

/// Marks a time that never was.
pub(crate) const NEVER: i64 = i64::MIN;

/// A twin.
#[derive(Clone, Debug)]
pub(crate) struct Twin {
    pub id: TwinId,
    pub interface: Arc<Compiled>,
    /// One per slot, in the interface's order.
    pub cells: Box<[Cell]>,
    /// Values before the last write, for the slots that an expression reads through `prev`.
    pub before: Box<[Value]>,
    /// When the value last changed, for the slots that an expression reads through `since`.
    pub changed: Box<[i64]>,
    /// Counts how often a twin of this id was created.
    pub epoch: u32,
    /// Offset, in its partition, of the record that changed it last.
    pub offset: u64,
    /// Accepted time of that record.
    pub accepted_ms: i64,
    /// The interface's clock as this twin knows it; never falls.
    pub clock_ms: i64,
    /// When it last reported, by the interface's clock, or [`NEVER`].
    pub report_ms: i64,
    /// Reports that came, where the interface expects a rate.
    pub arrivals: Arrivals,
    pub lifecycle: Lifecycle,
    pub connected: bool,
    /// How many roll-ups, one on another, led to its present derived values.
    pub depth: u8,
    /// Armed timers: number and due time.
    pub deadlines: Box<[(u32, i64)]>,
    /// Ids of accepted events.
    pub marks: Marks,
    pub links: Option<Arc<Links>>,
    /// What related twins contribute, one per roll-up of the interface.
    pub shares: Option<Arc<[Shares]>>,
    /// Not state: places in the engine's lists of what is to be done, 0 for none.
    pub noted: Noted,
}

/// What a slot holds.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Null is absent.
    pub value: Value,
    /// When it was last written, by the interface's clock, or [`NEVER`].
    pub time_ms: i64,
}

/// A slot that was never written.
pub(crate) const EMPTY: Cell = Cell {
    value: Value::Null,
    time_ms: NEVER,
};

/// Places, counted from 1, in the engine's lists.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noted {
    pub dirty: u32,
    pub contributes: u32,
    pub settles: u32,
}

/// Edges that touch a twin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    /// Edges that start here, by id.
    pub out: Packed<Arc<str>, Outgoing>,
    /// Edges that end here.
    pub incoming: Packed<Incoming, ()>,
}

/// An edge that starts at a twin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outgoing {
    pub name: Arc<str>,
    pub target: TwinId,
    pub properties: Value,
}

/// An edge that ends at a twin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Incoming {
    pub name: Arc<str>,
    pub source: TwinId,
    pub id: Arc<str>,
}

/// What related twins contribute to one roll-up.
pub(crate) type Shares = Packed<ShareKey, Share>;

/// By which related twin, by which edge. The edge's source is the related twin or this one, as the
/// roll-up's direction says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShareKey {
    pub from: TwinId,
    pub edge: Arc<str>,
}

/// A contribution.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub value: Value,
    /// Offset of the contributor's record that it follows from.
    pub stamp: u64,
}

impl Twin {
    /// A twin without values, as at its creation.
    pub(crate) fn new(id: TwinId, interface: Arc<Compiled>) -> Self {
        let slots = interface.slots().len();
        Self {
            id,
            cells: vec![EMPTY; slots].into(),
            before: vec![Value::Null; interface.before_slots].into(),
            changed: vec![NEVER; interface.changed_slots].into(),
            shares: interface.no_shares(),
            interface,
            epoch: 0,
            offset: 0,
            accepted_ms: 0,
            clock_ms: NEVER,
            report_ms: NEVER,
            arrivals: Arrivals::default(),
            lifecycle: Lifecycle::Unbound,
            connected: false,
            depth: 0,
            deadlines: Box::default(),
            marks: Marks::default(),
            links: None,
            noted: Noted::default(),
        }
    }

    /// The value in a slot; null if it is absent.
    pub(crate) fn value(&self, slot: u16) -> &Value {
        const ABSENT: &Value = &Value::Null;
        self.cells
            .get(usize::from(slot))
            .map_or(ABSENT, |cell| &cell.value)
    }

    /// Writes a slot; true if the value is another one.
    pub(crate) fn write(&mut self, slot: u16, value: Value, now_ms: i64) -> bool {
        let at = usize::from(slot);
        let Some(cell) = self.cells.get_mut(at) else {
            return false;
        };
        let old = std::mem::replace(&mut cell.value, value);
        let other = old != cell.value;
        cell.time_ms = now_ms;
        if let Some(info) = self.interface.slots().get(at) {
            if other
                && let Some(index) = info.changed
                && let Some(time) = self.changed.get_mut(usize::from(index))
            {
                *time = now_ms;
            }
            if let Some(index) = info.before
                && let Some(before) = self.before.get_mut(usize::from(index))
            {
                *before = old;
            }
        }
        other
    }

    /// The due time of an armed timer.
    pub(crate) fn deadline(&self, timer: u32) -> Option<i64> {
        self.deadlines
            .iter()
            .find(|(t, _)| *t == timer)
            .map(|(_, due)| *due)
    }

    /// Arms, moves or, with none, stops a timer; gives the former due time.
    pub(crate) fn set_deadline(&mut self, timer: u32, due: Option<i64>) -> Option<i64> {
        let at = self.deadlines.iter().position(|(t, _)| *t == timer);
        match (at, due) {
            (Some(at), Some(due)) => self
                .deadlines
                .get_mut(at)
                .map(|(_, place)| std::mem::replace(place, due)),
            (Some(at), None) => {
                let mut rest = std::mem::take(&mut self.deadlines).into_vec();
                let (_, former) = rest.remove(at);
                self.deadlines = rest.into_boxed_slice();
                Some(former)
            }
            (None, Some(due)) => {
                let mut all = std::mem::take(&mut self.deadlines).into_vec();
                let place = all.partition_point(|(t, _)| *t < timer);
                all.reserve_exact(1);
                all.insert(place, (timer, due));
                self.deadlines = all.into_boxed_slice();
                None
            }
            (None, None) => None,
        }
    }

    /// Edges that start here, by id.
    pub(crate) fn out(&self) -> impl Iterator<Item = (&Arc<str>, &Outgoing)> {
        self.links.iter().flat_map(|links| links.out.iter())
    }

    /// The edge of this id that starts here.
    pub(crate) fn edge(&self, id: &Arc<str>) -> Option<&Outgoing> {
        self.links.as_ref()?.out.get(id)
    }

    /// Edges of this name that end here.
    pub(crate) fn incoming_named(&self, name: &Arc<str>) -> Vec<Incoming> {
        let Some(links) = &self.links else {
            return Vec::new();
        };
        let first = Incoming {
            name: name.clone(),
            source: "".into(),
            id: "".into(),
        };
        let edges = links.incoming.from(&first).map(|(edge, ())| edge);
        edges.take_while(|e| e.name == *name).cloned().collect()
    }

    /// Edges that end here, by name.
    pub(crate) fn incoming(&self) -> impl Iterator<Item = &Incoming> {
        self.links
            .iter()
            .flat_map(|links| links.incoming.iter().map(|(edge, ())| edge))
    }

    /// Whether an edge of this name from this twin ends here.
    pub(crate) fn has_incoming(&self, edge: &Incoming) -> bool {
        self.links
            .as_ref()
            .is_some_and(|links| links.incoming.get(edge).is_some())
    }

    /// Its edges, to change them.
    pub(crate) fn links_mut(&mut self) -> &mut Links {
        Arc::make_mut(self.links.get_or_insert_default())
    }

    /// Lets go of the list of edges when there are none.
    pub(crate) fn trim_links(&mut self) {
        if self
            .links
            .as_ref()
            .is_some_and(|l| l.out.is_empty() && l.incoming.is_empty())
        {
            self.links = None;
        }
    }
}
