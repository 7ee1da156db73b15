//! What is remembered of deleted twins: so that an event sent twice around a deletion and a new
//! creation still counts once, and nothing takes the new twin for the old.

use crate::marks::Marks;
use gemelli_model::TwinId;
use std::collections::{BTreeMap, VecDeque};

/// Deleted twins that are remembered; the oldest is forgotten first.
pub(crate) const MOST: usize = 4_096;

/// Deleted twins, the last [`MOST`] of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tombstones {
    by_id: BTreeMap<TwinId, Tombstone>,
    order: VecDeque<(TwinId, u32)>,
}

/// What is remembered of a deleted twin.
#[derive(Clone, Debug)]
pub(crate) struct Tombstone {
    /// The epoch of the twin that is gone.
    pub epoch: u32,
    pub marks: Marks,
}

impl Tombstones {
    /// Notes that a twin is gone.
    pub(crate) fn put(&mut self, id: TwinId, tombstone: Tombstone) {
        self.order.push_back((id.clone(), tombstone.epoch));
        self.by_id.insert(id, tombstone);
        while self.order.len() > MOST {
            let Some((id, epoch)) = self.order.pop_front() else {
                return;
            };
            if self.by_id.get(&id).is_some_and(|t| t.epoch == epoch) {
                self.by_id.remove(&id);
            }
        }
    }

    /// Takes what is remembered of a twin that comes again.
    pub(crate) fn take(&mut self, id: &TwinId) -> Option<Tombstone> {
        let found = self.by_id.remove(id)?;
        self.order.retain(|(other, _)| other != id);
        Some(found)
    }

    /// All, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TwinId, &Tombstone)> {
        self.order
            .iter()
            .filter_map(|(id, _)| self.by_id.get_key_value(id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_last_are_remembered() {
        let mut tombstones = Tombstones::default();
        for n in 0..=MOST {
            let id = TwinId::from(format!("twin-{n}").as_str());
            tombstones.put(
                id,
                Tombstone {
                    epoch: 1,
                    marks: Marks::default(),
                },
            );
        }
        assert_eq!(tombstones.iter().count(), MOST);
        assert!(tombstones.take(&"twin-0".into()).is_none());
        assert_eq!(tombstones.take(&"twin-1".into()).unwrap().epoch, 1);
    }
}
