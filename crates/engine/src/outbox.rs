//! What the steps make necessary and no record says yet.
//!
//! The log holds what was emitted, so a replay must not emit it again: stepping a record takes what
//! it says out of the outbox, by what it is and by the contributor's position that it follows from.
//! Live, [`crate::Engine::flush`] has taken it out before; after a crash in between, what is left is
//! emitted by the first flush.

use crate::{state::State, twin::Twin};
use gemelli_event::{
    Partition, Position, Seq,
    record::{Command, Edge},
};
use gemelli_model::{TwinId, Value};
use std::{collections::BTreeMap, sync::Arc};

/// Edges up to which all contributions of a twin surely come in one flush.
pub(crate) const TOGETHER: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Commands of an apply, and halves of edges, in the order in which they must be stepped.
    pub commands: BTreeMap<Key, (Command, Seq)>,
    /// Twins whose contributions changed.
    pub contributors: Listed<Contributor>,
    /// Edges along which contributions may have begun, by source and id.
    pub edges: BTreeMap<(TwinId, Arc<str>), Seq>,
    /// Events to send, by twin and slot.
    pub emits: BTreeMap<(TwinId, u16), Emit>,
    /// Twins whose derived values changed since the last settle.
    pub settles: Listed<Settle>,
}

/// What a waiting command is about. The order of the variants is the order of stepping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Defined(Partition),
    Twin(TwinId),
    Edge(TwinId, Arc<str>),
    /// Target, source, id, and the relationship's name: under another name an edge is noted apart.
    Incoming(TwinId, TwinId, Arc<str>, Arc<str>),
}

impl Key {
    /// The key of what an edge's target is to be told.
    pub(crate) fn incoming(edge: &Edge) -> Self {
        let Edge {
            id,
            name,
            source,
            target,
            ..
        } = edge;
        Self::Incoming(target.clone(), source.clone(), id.clone(), name.clone())
    }
}

/// A twin whose contributions changed.
#[derive(Clone, Debug)]
pub(crate) struct Contributor {
    pub twin: TwinId,
    /// Which of its interface's watches.
    pub watches: Places,
    /// Offset of the record that changed it.
    pub stamp: u64,
    pub cause: Seq,
}

/// A set of places among an interface's watches: a bit each, the last one for all from there on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places(pub u64);

impl Places {
    /// All places.
    pub(crate) const ALL: Self = Self(u64::MAX);

    /// The set with one more.
    pub(crate) fn with(self, place: u16) -> Self {
        Self(self.0 | 1 << place.min(63))
    }

    /// Whether a place is one of them, or shares its bit with one.
    pub(crate) fn has(self, place: usize) -> bool {
        self.0 >> place.min(63) & 1 == 1
    }
}

/// An event to send.
#[derive(Clone, Debug)]
pub(crate) struct Emit {
    pub before: Value,
    pub stamp: u64,
    pub cause: Seq,
}

/// A twin whose derived values changed: what they were.
#[derive(Clone, Debug)]
pub(crate) struct Settle {
    pub twin: TwinId,
    pub before: (u16, Value),
    /// As `before`, when it is more than one.
    pub more: Vec<(u16, Value)>,
    pub cause: Seq,
}

/// A list in which a twin finds its own entry by the place that it keeps.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    entries: Vec<Option<T>>,
    live: usize,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            live: 0,
        }
    }
}

/// Something that belongs to a twin.
pub(crate) trait Owned {
    fn owner(&self) -> &TwinId;
}

impl Owned for Contributor {
    fn owner(&self) -> &TwinId {
        &self.twin
    }
}

impl Owned for Settle {
    fn owner(&self) -> &TwinId {
        &self.twin
    }
}

impl<T: Owned> Listed<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// The owner's entry; `place` is where the owner remembers it, kept up to date.
    pub(crate) fn of(
        &mut self,
        owner: &TwinId,
        place: &mut u32,
        make: impl FnOnce() -> T,
    ) -> Option<&mut T> {
        let at = (*place as usize).wrapping_sub(1);
        let known = self
            .entries
            .get(at)
            .and_then(Option::as_ref)
            .is_some_and(|e| e.owner() == owner);
        let at = if known {
            at
        } else {
            self.entries.push(Some(make()));
            self.live += 1;
            *place = u32::try_from(self.entries.len()).unwrap_or(0);
            self.entries.len() - 1
        };
        self.entries.get_mut(at).and_then(Option::as_mut)
    }

    /// Takes the entry out if it is the owner's and meets the condition.
    pub(crate) fn clear(&mut self, owner: &TwinId, place: u32, condition: impl FnOnce(&T) -> bool) {
        let Some(entry) = self.entries.get_mut((place as usize).wrapping_sub(1)) else {
            return;
        };
        if entry
            .as_ref()
            .is_some_and(|e| e.owner() == owner && condition(e))
        {
            *entry = None;
            self.live -= 1;
            if self.live == 0 {
                self.entries.clear();
            }
        }
    }

    /// Everything, in order of first mention; the list is empty after it.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.live = 0;
        std::mem::take(&mut self.entries).into_iter().flatten()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            commands,
            contributors,
            edges,
            emits,
            settles,
        } = self;
        commands.is_empty()
            && contributors.is_empty()
            && edges.is_empty()
            && emits.is_empty()
            && settles.is_empty()
    }

    /// Notes that a twin's contributions to these watches changed.
    pub(crate) fn contribute(
        &mut self,
        twin: &mut Twin,
        watches: Places,
        stamp: Position,
        cause: Seq,
    ) {
        if watches == Places::default() {
            return;
        }
        let Twin { id, noted, .. } = twin;
        let make = || Contributor {
            twin: id.clone(),
            watches,
            stamp: 0,
            cause,
        };
        if let Some(entry) = self.contributors.of(id, &mut noted.contributes, make) {
            entry.watches.0 |= watches.0;
            entry.stamp = stamp.offset;
            entry.cause = cause;
        }
    }

    /// Notes that a derived value was another one before.
    pub(crate) fn settle(&mut self, twin: &mut Twin, slot: u16, before: &Value, cause: Seq) {
        let Twin { id, noted, .. } = twin;
        let make = || Settle {
            twin: id.clone(),
            before: (slot, before.clone()),
            more: Vec::new(),
            cause,
        };
        if let Some(entry) = self.settles.of(id, &mut noted.settles, make) {
            entry.cause = cause;
            if entry.before.0 != slot && !entry.more.iter().any(|(s, _)| *s == slot) {
                entry.more.push((slot, before.clone()));
            }
        }
    }

    /// Has a contributor with too many readers for one flush contribute edge by edge.
    pub(crate) fn spill(&mut self, state: &State, contributor: &Contributor) {
        let Some(twin) = state.get(contributor.twin.as_str()) else {
            return;
        };
        let out = twin.out().map(|(id, _)| (twin.id.clone(), id.clone()));
        let incoming = twin.incoming().map(|e| (e.source.clone(), e.id.clone()));
        for edge in out.chain(incoming) {
            self.edges.insert(edge, contributor.cause);
        }
    }

    /// A contribution is in the log. One that follows from the contributor's last change says that
    /// its others are there too, unless it has so many readers that they may come in several frames.
    pub(crate) fn contributed(&mut self, twin: &Twin, stamp: u64, fan_out: usize) {
        let links = twin.links.as_deref();
        let readers = links.map_or(0, |l| l.out.len() + l.incoming.len());
        if readers <= TOGETHER.min(fan_out) {
            let place = twin.noted.contributes;
            self.contributors
                .clear(&twin.id, place, |entry| entry.stamp <= stamp);
        }
    }

    /// Queues a command.
    pub(crate) fn command(&mut self, key: Key, command: Command, cause: Seq) {
        self.commands.insert(key, (command, cause));
    }

    /// A command is in the log: it need not be emitted again.
    pub(crate) fn said(&mut self, key: &Key, command: &Command) {
        if self
            .commands
            .get(key)
            .is_some_and(|(waiting, _)| waiting == command)
        {
            self.commands.remove(key);
        }
    }

    /// Whether an edge to this twin waits to be noted there.
    pub(crate) fn reserves(&self, target: &TwinId) -> bool {
        let first = Key::Incoming(target.clone(), "".into(), "".into(), "".into());
        self.commands
            .range(first..)
            .take_while(|(key, _)| matches!(key, Key::Incoming(t, ..) if t == target))
            .any(|(_, (command, _))| matches!(command, Command::Incoming { gone: false, .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_past_the_last_bit_share_it() {
        let places = Places::default().with(3).with(200);
        let held: Vec<_> = [0, 3, 4, 62, 63, 64, 200, 4_000]
            .into_iter()
            .filter(|p| places.has(*p))
            .collect();
        assert_eq!(held, [3, 63, 64, 200, 4_000]);
        assert!((0..100).all(|place| Places::ALL.has(place)));
    }
}
