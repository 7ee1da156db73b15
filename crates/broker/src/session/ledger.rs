//! What became of a shared subscription's messages: each is given to one member, is done once that member
//! acknowledged it, or comes back and is given to another.
//!
//! Messages go to members as they are released ([`Flow::Live`]); while no member has room the ledger falls
//! behind, and one member at a time reads the log for it. So every place in the log is given once, whoever
//! comes and goes. What stands here is written to the log each second ([`Ledger::standing`]) and taken up from
//! there after a restart. No IO, no clock.

use crate::{image, session::outbound::Flow};
use gemelli_event::Seq;
use parking_lot::Mutex;
use std::{collections::BTreeSet, sync::Arc};

/// The messages of one shared subscription.
#[derive(Debug)]
pub struct Ledger {
    /// The subscription as clients write it: `$share/<name>/<filter>`.
    pub filter: Arc<str>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    flow: Flow,
    /// Members have them, and have not acknowledged them. Bounded by the members' queues.
    given: BTreeSet<Seq>,
    /// They came back, or nobody has them since a restart.
    returned: BTreeSet<Seq>,
    /// Places that are still to be read, and are done all the same.
    done: BTreeSet<Seq>,
    reading: bool,
    changed: bool,
}

/// Where a released message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the next one to be given.
    Next,
    /// It is read from the log later.
    Later,
    /// It was read from the log.
    Read,
}

/// What a member reads from the log for all of them. Dropped: what was not given comes back.
#[derive(Debug)]
pub struct Reading {
    ledger: Arc<Ledger>,
    /// What it reads.
    pub work: Work,
}

/// What is to be read.
#[derive(Debug)]
pub enum Work {
    /// Exactly these places.
    These(BTreeSet<Seq>),
    /// Everything from this place on.
    From(Seq),
}

impl Ledger {
    /// Of a subscription that is new.
    pub fn new(filter: Arc<str>) -> Self {
        Self {
            filter,
            state: Mutex::new(State {
                flow: Flow::Live { from: 0 },
                given: BTreeSet::new(),
                returned: BTreeSet::new(),
                done: BTreeSet::new(),
                reading: false,
                changed: false,
            }),
        }
    }

    /// As it stood in the log; `since` is used where the log does not say.
    pub fn restore(&self, image: &image::Group, since: Seq) {
        let mut state = self.state.lock();
        let from = image.reached.unwrap_or(since);
        state.flow = Flow::Behind { from };
        state.returned.clone_from(&image.open);
        state.done = image.given.range(from..).copied().collect();
    }

    /// Where a released message stands.
    pub fn place(&self, seq: Seq) -> Place {
        match self.state.lock().flow {
            Flow::Live { from } if seq < from => Place::Read,
            Flow::Live { .. } => Place::Next,
            Flow::Behind { .. } => Place::Later,
        }
    }

    /// Nobody takes the message at `seq`: it and what follows is read from the log later.
    pub fn fall_behind(&self, seq: Seq) {
        self.state.lock().flow = Flow::Behind { from: seq };
    }

    /// A member has it.
    pub fn give(&self, seq: Seq) {
        self.state.lock().given.insert(seq);
    }

    /// It needs nobody any more.
    pub fn done(&self, seq: Seq) {
        let mut state = self.state.lock();
        state.given.remove(&seq);
        state.changed = true;
    }

    /// The member that had it has gone: it is for another.
    pub fn give_back(&self, seq: Seq) {
        let mut state = self.state.lock();
        if state.given.remove(&seq) {
            state.returned.insert(seq);
        }
    }

    /// Whether a member should read the log.
    pub fn has_work(&self) -> bool {
        let state = self.state.lock();
        let behind = matches!(state.flow, Flow::Behind { .. });
        !state.reading && (behind || !state.returned.is_empty())
    }

    /// Makes the caller the one that reads, if there is something to read: of what came back at most `limit`.
    pub fn read(self: &Arc<Self>, limit: usize) -> Option<Reading> {
        let mut state = self.state.lock();
        if state.reading {
            return None;
        }
        let work = if state.returned.is_empty() {
            let Flow::Behind { from } = state.flow else {
                return None;
            };
            Work::From(from)
        } else {
            let these: BTreeSet<Seq> = state.returned.iter().take(limit).copied().collect();
            state.returned = state
                .returned
                .split_off(&these.last().map_or(0, |last| last + 1));
            state.given.extend(&these);
            Work::These(these)
        };
        state.reading = true;
        Some(Reading {
            ledger: self.clone(),
            work,
        })
    }

    /// Whether anything is done since the last call.
    pub fn take_changed(&self) -> bool {
        std::mem::take(&mut self.state.lock().changed)
    }

    /// For the log: everything before the first place is done, except what stands in the second part.
    /// `delivered` is what was offered to all live sessions, read before this is called.
    pub fn standing(&self, delivered: Seq) -> (Seq, Vec<Seq>) {
        let state = self.state.lock();
        let reached = state.reached(delivered);
        let mut open: BTreeSet<Seq> = state.given.range(..reached).copied().collect();
        open.extend(state.returned.range(..reached));
        (reached, open.into_iter().collect())
    }

    /// The oldest place in the log that is still needed.
    pub fn oldest(&self, delivered: Seq) -> Seq {
        let state = self.state.lock();
        let open = [state.given.first(), state.returned.first()];
        open.into_iter()
            .flatten()
            .fold(state.reached(delivered), |least, seq| least.min(*seq))
    }
}

impl State {
    fn reached(&self, delivered: Seq) -> Seq {
        match self.flow {
            Flow::Live { from } => from.max(delivered),
            Flow::Behind { from } => from,
        }
    }
}

impl Reading {
    /// The subscription.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Where the log is read from.
    pub fn from(&self) -> Seq {
        match &self.work {
            Work::These(places) => places.first().copied().unwrap_or(0),
            Work::From(from) => *from,
        }
    }

    /// Whether the message found at `seq` is wanted.
    pub fn wants(&self, seq: Seq) -> bool {
        match &self.work {
            Work::These(places) => places.contains(&seq),
            Work::From(from) => seq >= *from && !self.ledger.state.lock().done.contains(&seq),
        }
    }

    /// The message at `seq` is given to the reader.
    pub fn give(&mut self, seq: Seq) {
        match &mut self.work {
            Work::These(places) => drop(places.remove(&seq)),
            Work::From(_) => self.ledger.give(seq),
        }
    }

    /// Ends it: everything before `next` was looked at. `live`: nothing follows that is not delivered as it comes.
    pub fn end(mut self, next: Seq, live: bool) {
        let mut state = self.ledger.state.lock();
        match &mut self.work {
            Work::These(places) => {
                // What was looked at and not found is gone from the log.
                for gone in places.range(..next) {
                    state.given.remove(gone);
                }
                *places = places.split_off(&next);
            }
            Work::From(_) => {
                state.flow = match live {
                    true => Flow::Live { from: next },
                    false => Flow::Behind { from: next },
                };
                state.done = state.done.split_off(&next);
            }
        }
        state.changed = true;
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut state = self.ledger.state.lock();
        state.reading = false;
        if let Work::These(places) = &self.work {
            for seq in places {
                if state.given.remove(seq) {
                    state.returned.insert(*seq);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ledger() -> Arc<Ledger> {
        Arc::new(Ledger::new("$share/g/a".into()))
    }

    #[test]
    fn what_comes_back_is_read_once_by_one_member() {
        let ledger = ledger();
        for seq in [3, 5, 9] {
            ledger.give(seq);
        }
        ledger.done(5);
        assert!(!ledger.has_work());
        ledger.give_back(3);
        ledger.give_back(9);
        ledger.give_back(5);
        assert_eq!(ledger.standing(10), (10, vec![3, 9]));
        let mut reading = ledger.read(9).unwrap();
        assert!(ledger.read(9).is_none() && !ledger.has_work());
        assert!(reading.wants(3) && !reading.wants(5) && reading.wants(9));
        reading.give(3);
        // The log ended before 9: it comes back.
        reading.end(6, false);
        assert_eq!(ledger.oldest(10), 3);
        ledger.done(3);
        let reading = ledger.read(9).unwrap();
        assert_eq!(reading.from(), 9);
        drop(reading);
        assert_eq!(ledger.standing(10), (10, vec![9]));
        // Looked at and not found: the log no longer has it.
        ledger.read(9).unwrap().end(10, false);
        assert_eq!(ledger.standing(10), (10, vec![]));
        assert!(!ledger.has_work());
    }

    #[test]
    fn a_ledger_falls_behind_and_joins_again() {
        let ledger = ledger();
        assert_eq!(ledger.place(4), Place::Next);
        ledger.fall_behind(4);
        assert_eq!(ledger.place(6), Place::Later);
        let mut reading = ledger.read(9).unwrap();
        assert_eq!((reading.from(), reading.wants(3)), (4, false));
        reading.give(4);
        reading.end(7, true);
        assert_eq!(ledger.place(6), Place::Read);
        assert_eq!(ledger.place(7), Place::Next);
        assert_eq!(ledger.standing(7), (7, vec![4]));
    }

    #[test]
    fn after_a_restart_nothing_done_is_read_again() {
        let ledger = ledger();
        let image = image::Group {
            reached: Some(10),
            open: [4, 7].into(),
            given: [2, 12].into(),
            ..image::Group::default()
        };
        ledger.restore(&image, 0);
        assert_eq!(ledger.standing(20), (10, vec![4, 7]));
        let mut reading = ledger.read(1).unwrap();
        assert_eq!((reading.from(), reading.wants(7)), (4, false));
        reading.give(4);
        reading.end(5, false);
        ledger.read(9).unwrap().end(8, false);
        let reading = ledger.read(9).unwrap();
        assert_eq!(reading.from(), 10);
        assert!(reading.wants(11) && !reading.wants(12) && reading.wants(13));
        reading.end(13, true);
        assert_eq!(ledger.standing(13), (13, vec![4]));
    }
}
