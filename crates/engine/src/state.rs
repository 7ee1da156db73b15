//! All twins and definitions, in maps that a view shares.

use crate::{Definitions, Lifecycle, Rejection, hashing::Hashing, index::Index, twin::Twin};
use gemelli_event::{Partition, record::PARTITIONS};
use gemelli_model::{InterfaceId, TwinId};
use imbl::{GenericHashMap, OrdSet, shared_ptr::DefaultSharedPtr};
use std::{collections::BTreeMap, sync::Arc};

/// The twins of a partition; never iterated.
type Part = GenericHashMap<TwinId, Arc<Twin>, Hashing, DefaultSharedPtr>;

/// All twins and definitions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct State {
    parts: Vec<Part>,
    ids: OrdSet<TwinId>,
    /// Ids with capital letters of twins whose interface ignores case, by their lower-case spelling.
    folded: GenericHashMap<Arc<str>, TwinId, Hashing, DefaultSharedPtr>,
    pub definitions: Arc<Definitions>,
    pub index: Index,
    per_interface: Arc<BTreeMap<InterfaceId, usize>>,
    lifecycle: [usize; Lifecycle::ALL.len()],
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            parts: (0..PARTITIONS)
                .map(|_| Part::with_hasher(Hashing))
                .collect(),
            ids: OrdSet::new(),
            folded: GenericHashMap::with_hasher(Hashing),
            definitions: Arc::default(),
            index: Index::default(),
            per_interface: Arc::default(),
            lifecycle: [0; Lifecycle::ALL.len()],
        }
    }

    /// The twin of exactly this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<Twin>> {
        self.parts.get(Partition::of(id).index())?.get(id)
    }

    /// Whether the partition has a twin of exactly this id.
    pub(crate) fn has(&self, partition: Partition, id: &str) -> bool {
        self.parts
            .get(partition.index())
            .is_some_and(|part| part.contains_key(id))
    }

    /// The twin of exactly this id, to change it; its partition may be known already.
    pub(crate) fn get_mut(
        &mut self,
        partition: Option<Partition>,
        id: &str,
    ) -> Option<&mut Arc<Twin>> {
        let partition = partition.unwrap_or_else(|| Partition::of(id));
        self.parts.get_mut(partition.index())?.get_mut(id)
    }

    /// The twin that is meant, without case where its interface ignores case.
    pub(crate) fn meant(&self, id: &str) -> Option<&Arc<Twin>> {
        self.get(id).or_else(|| {
            let lower: Arc<str> = id.to_ascii_lowercase().into();
            let found = match self.get(&lower) {
                Some(twin) => twin,
                None => self.get(self.folded.get(&lower)?.as_str())?,
            };
            found.interface.resolved().ignore_case.then_some(found)
        })
    }

    /// As [`State::meant`], or the rejection that says so.
    pub(crate) fn find(&self, id: &str) -> Result<&Arc<Twin>, Rejection> {
        self.meant(id).ok_or_else(|| unknown_twin(id))
    }

    /// The ids from one on, or after it, in order.
    pub(crate) fn ids(&self) -> &OrdSet<TwinId> {
        &self.ids
    }

    /// Every twin, in no particular order.
    pub(crate) fn unordered(&self) -> impl Iterator<Item = &Arc<Twin>> {
        self.parts.iter().flat_map(|part| part.values())
    }

    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn insert(&mut self, twin: Twin) {
        let id = twin.id.clone();
        self.ids.insert(id.clone());
        if twin.interface.resolved().ignore_case {
            let lower = id.as_str().to_ascii_lowercase();
            if lower != id.as_str() {
                self.folded.insert(lower.into(), id.clone());
            }
        }
        self.index
            .insert(twin.interface.id(), &id, twin.out().count());
        self.count_interface(twin.interface.id(), 1);
        self.count_lifecycle(twin.lifecycle, 1);
        if let Some(part) = self.parts.get_mut(Partition::of(id.as_str()).index()) {
            part.insert(id, Arc::new(twin));
        }
    }

    pub(crate) fn remove(&mut self, id: &TwinId) -> Option<Arc<Twin>> {
        let part = self.parts.get_mut(Partition::of(id.as_str()).index())?;
        let twin = part.remove(id)?;
        self.ids.remove(id);
        let lower: Arc<str> = id.as_str().to_ascii_lowercase().into();
        if self.folded.get(&lower) == Some(id) {
            self.folded.remove(&lower);
        }
        self.index
            .remove(twin.interface.id(), id, twin.out().count());
        self.count_interface(twin.interface.id(), -1);
        self.count_lifecycle(twin.lifecycle, -1);
        Some(twin)
    }

    /// Notes that a twin is of another interface now.
    pub(crate) fn moved(&mut self, from: &InterfaceId, to: &InterfaceId, twin: &TwinId) {
        if from != to {
            self.index.moved(from, to, twin);
            self.count_interface(from, -1);
            self.count_interface(to, 1);
        }
    }

    pub(crate) fn count_lifecycle(&mut self, state: Lifecycle, by: isize) {
        if let Some(count) = self.lifecycle.get_mut(state as usize) {
            *count = count.saturating_add_signed(by);
        }
    }

    fn count_interface(&mut self, id: &InterfaceId, by: isize) {
        let counts = Arc::make_mut(&mut self.per_interface);
        let count = counts.entry(id.clone()).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            counts.remove(id);
        }
    }

    pub(crate) fn per_interface(&self) -> &BTreeMap<InterfaceId, usize> {
        &self.per_interface
    }

    pub(crate) fn lifecycle(&self) -> impl Iterator<Item = (Lifecycle, usize)> {
        Lifecycle::ALL.into_iter().zip(self.lifecycle)
    }
}

pub(crate) fn unknown_twin(id: &str) -> Rejection {
    Rejection::new(
        "unknown-twin",
        format!("twin {id} does not exist"),
        "create it, or mend the id",
    )
}
