//! Roll-ups: values computed over related twins, one contribution at a time.
//!
//! A twin keeps what each related twin contributes, under the edge by which it does; the last
//! contribution wins, by the contributor's position. What comes without the edge being there, or
//! after a newer one, is dropped.

use crate::{
    Engine, Verdict,
    aggregate::Tally,
    derive::Change,
    engine::Side,
    twin::{Incoming, NEVER, Share, ShareKey, Shares, Twin},
};
use gemelli_event::{
    Record, Seq,
    record::{self, Contribution},
};
use gemelli_model::{
    Value,
    interface::{Aggregate, Direction},
};
use std::sync::Arc;

impl Engine {
    /// Folds a related twin's contribution.
    pub(crate) fn contribution(
        &mut self,
        seq: Seq,
        record: &Record,
        contribution: &Contribution,
    ) -> Verdict {
        let mut depth = 0;
        if let Some(from) = self.state.get(contribution.from.as_str()) {
            depth = from.depth.saturating_add(1);
            let fan_out = self.side.limits.fan_out;
            self.side
                .outbox
                .contributed(from, contribution.stamp.offset, fan_out);
        }
        if !self.side.outbox.edges.is_empty() {
            self.side.outbox.edges.remove(&contribution.edge);
        }
        let Some((twin, side)) = self.twin_mut(&contribution.twin) else {
            return Verdict::Accepted;
        };
        let interface = twin.interface.clone();
        let slot = interface.slot_of(&contribution.property);
        let Some((slot, (place, aggregate))) = slot.and_then(|s| Some((s, interface.rollup(s)?)))
        else {
            side.counters.late_contributions += 1;
            return Verdict::Accepted;
        };
        let key = ShareKey {
            from: contribution.from.clone(),
            edge: contribution.edge.1.clone(),
        };
        let share = (!contribution.gone && !contribution.value.is_null()).then(|| Share {
            value: contribution.value.clone(),
            stamp: contribution.stamp.offset,
        });
        if !stands(twin, aggregate, contribution)
            || !side.put_share(twin, place, key, share, contribution.stamp.offset)
        {
            side.counters.late_contributions += 1;
            return Verdict::Accepted;
        }
        let mut at = side.moment(seq, record, twin);
        if interface.event_time() && twin.report_ms != NEVER {
            // Its own reports do not date what others contribute, nor the other way round.
            let now_ms = side.clock.now_ms.unwrap_or(record.accepted_ms);
            at.now_ms = at.now_ms.max(now_ms);
        } else if !interface.event_time() || side.clock.now_ms.is_some() {
            // Before the first device time, event time has not begun: acceptance must not stand in for it.
            twin.clock_ms = twin.clock_ms.max(at.now_ms);
        }
        let mut change = Change { twin, side, at };
        change.begin();
        change.roll_up(slot, place, depth);
        change.compute();
        Verdict::Accepted
    }

    /// Folds final values: they are in the log, and need not be told again.
    pub(crate) fn derived(&mut self, derived: &record::Derived) -> Verdict {
        if !self.side.outbox.settles.is_empty()
            && let Some(twin) = self.state.get(derived.twin.as_str())
        {
            self.side
                .outbox
                .settles
                .clear(&twin.id, twin.noted.settles, |_| true);
        }
        Verdict::Accepted
    }
}

/// Whether the edge is there by which the contribution comes.
fn stands(twin: &Twin, aggregate: &Aggregate, contribution: &Contribution) -> bool {
    let (source, id) = &contribution.edge;
    match aggregate.direction {
        Direction::Outgoing => {
            *source == twin.id && twin.edge(id).is_some_and(|e| e.target == contribution.from)
        }
        Direction::Incoming => {
            let edge = Incoming {
                name: aggregate.over.clone(),
                source: source.clone(),
                id: id.clone(),
            };
            // Interfaces that ignore case may spell the relationship otherwise than the roll-up does.
            twin.has_incoming(&edge)
                || twin.incoming().any(|e| {
                    e.source == *source
                        && e.id == *id
                        && e.name.eq_ignore_ascii_case(&aggregate.over)
                })
        }
    }
}

impl Side {
    /// Puts a contribution in place of the former one; false if that is newer.
    fn put_share(
        &mut self,
        twin: &mut Twin,
        place: u16,
        key: ShareKey,
        share: Option<Share>,
        stamp: u64,
    ) -> bool {
        let tally = self
            .tallies
            .entry(twin.id.clone())
            .or_insert_with(|| tallies(twin));
        let (Some(shares), Some(tally)) = (
            twin.shares
                .as_mut()
                .and_then(|all| Arc::make_mut(all).get_mut(usize::from(place))),
            tally.get_mut(usize::from(place)),
        ) else {
            return false;
        };
        if shares.get(&key).is_some_and(|known| known.stamp > stamp) {
            return false;
        }
        let former = match share.clone() {
            Some(share) => shares.insert(key, share),
            None => shares.remove(&key),
        };
        tally.replace(
            former.as_ref().map(|s| &s.value),
            share.as_ref().map(|s| &s.value),
        );
        true
    }

    /// What a twin's roll-up comes to.
    pub(crate) fn tally(&mut self, twin: &Twin, place: u16) -> Option<Value> {
        let tallies = self
            .tallies
            .entry(twin.id.clone())
            .or_insert_with(|| tallies(twin));
        tallies.get(usize::from(place))?.value()
    }
}

/// The tallies of a twin's roll-ups, from its shares.
pub(crate) fn tallies(twin: &Twin) -> Box<[Tally]> {
    let shares: &[Shares] = twin.shares.as_deref().unwrap_or_default();
    let rollups = twin
        .interface
        .rollups()
        .iter()
        .filter_map(|slot| twin.interface.rollup(*slot));
    rollups
        .map(|(place, aggregate)| {
            let mut tally = Tally::new(aggregate.op);
            for (_, share) in shares
                .get(usize::from(place))
                .into_iter()
                .flat_map(Shares::iter)
            {
                tally.replace(None, Some(&share.value));
            }
            tally
        })
        .collect()
}

impl Change<'_> {
    /// Writes what a roll-up comes to now. Too long a chain of roll-ups on roll-ups is a circle:
    /// its value is absent.
    pub(crate) fn roll_up(&mut self, slot: u16, place: u16, depth: u8) {
        let value = if depth > self.side.limits.depth {
            self.side.counters.cycles += 1;
            None
        } else {
            self.side.tally(self.twin, place)
        };
        let interface = self.twin.interface.clone();
        let fitted = value
            .and_then(|v| interface.fit(interface.slot(slot)?, v).ok())
            .unwrap_or_default();
        if *self.twin.value(slot) != fitted {
            self.twin.depth = depth.min(self.side.limits.depth.saturating_add(1));
        }
        self.set(slot, fitted);
    }

    /// Writes what all roll-ups come to, e.g. of a new twin.
    pub(crate) fn roll_up_all(&mut self) {
        let interface = self.twin.interface.clone();
        for slot in interface.rollups() {
            if let Some((place, _)) = interface.rollup(*slot) {
                self.roll_up(*slot, place, 0);
            }
        }
    }

    /// Takes away what an edge contributed.
    pub(crate) fn unwatch(
        &mut self,
        direction: Direction,
        from: &gemelli_model::TwinId,
        edge: &Arc<str>,
    ) {
        let interface = self.twin.interface.clone();
        for slot in interface.rollups() {
            let Some((place, aggregate)) = interface.rollup(*slot) else {
                continue;
            };
            let key = ShareKey {
                from: from.clone(),
                edge: edge.clone(),
            };
            let held = self
                .twin
                .shares
                .as_ref()
                .and_then(|all| all.get(usize::from(place))?.get(&key));
            if aggregate.direction == direction && held.is_some() {
                self.side.put_share(self.twin, place, key, None, u64::MAX);
                self.roll_up(*slot, place, 0);
            }
        }
    }
}
