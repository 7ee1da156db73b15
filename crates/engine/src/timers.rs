//! Timers: when which twin's which timer is due.
//!
//! The truth is in the twins (`deadlines`); this queue only says where to look, is rebuilt on load,
//! and may be early: a timer that was moved to later keeps its old place until that is reached. So
//! a report that only moves a timer costs nothing here.

use crate::{Emission, engine::Side, state::State, twin::Twin};
use gemelli_event::{Body, Partition};
use gemelli_model::TwinId;
use std::collections::BTreeSet;

/// The timer of the fidelity's greatest age. A derived property's expiry is its slot's number plus 1.
pub(crate) const MAX_AGE: u32 = 0;

/// The timer of the fidelity's rate of reports.
pub(crate) const RATE: u32 = u32::MAX;

/// The timer of a slot's expiry.
pub(crate) fn expiry(slot: u16) -> u32 {
    u32::from(slot) + 1
}

/// The slot whose value a timer ends, if it is such a one.
pub(crate) fn slot(timer: u32) -> Option<u16> {
    u16::try_from(timer.checked_sub(1)?).ok()
}

/// Places to look, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// By time of acceptance.
    pub accepted: BTreeSet<(i64, TwinId, u32)>,
    /// By the event clock.
    pub event: BTreeSet<(i64, TwinId, u32)>,
}

impl Timers {
    /// Arms or moves a twin's timer, or stops it.
    pub(crate) fn set(&mut self, twin: &mut Twin, timer: u32, due: Option<i64>) {
        let former = twin.set_deadline(timer, due);
        if let Some(due) = due
            && former.is_none_or(|former| due < former)
        {
            self.look(twin, timer, due);
        }
    }

    /// Notes where to look.
    pub(crate) fn look(&mut self, twin: &Twin, timer: u32, due: i64) {
        let queue = if twin.interface.event_time() {
            &mut self.event
        } else {
            &mut self.accepted
        };
        queue.insert((due, twin.id.clone(), timer));
    }
}

/// Takes timers that are due out of the queue, until `out` holds `most`.
pub(crate) fn due(
    state: &mut State,
    side: &mut Side,
    now_ms: i64,
    most: usize,
    out: &mut Vec<Emission>,
) {
    fire(state, &mut side.timers.accepted, now_ms, most, out);
    if let Some(event_ms) = side.clock.now_ms {
        fire(state, &mut side.timers.event, event_ms, most, out);
    }
}

fn fire(
    state: &State,
    queue: &mut BTreeSet<(i64, TwinId, u32)>,
    now_ms: i64,
    most: usize,
    out: &mut Vec<Emission>,
) {
    while out.len() < most && queue.first().is_some_and(|(due, ..)| *due <= now_ms) {
        let Some((due_ms, twin, timer)) = queue.pop_first() else {
            return;
        };
        match state.get(twin.as_str()).and_then(|t| t.deadline(timer)) {
            Some(later) if later > due_ms => {
                queue.insert((later, twin, timer));
            }
            Some(due) if due == due_ms => out.push(Emission {
                partition: Partition::of(twin.as_str()),
                body: Body::Timer(gemelli_event::record::Timer {
                    twin,
                    timer,
                    due_ms,
                }),
                cause_seq: None,
            }),
            _ => {}
        }
    }
}

/// When [`due`] has something next, by accepted time.
pub(crate) fn next_due_ms(side: &Side, now_ms: i64) -> Option<i64> {
    let by_event = side.timers.event.first().zip(side.clock.now_ms);
    if by_event.is_some_and(|((due, ..), clock)| *due <= clock) {
        return Some(now_ms);
    }
    side.timers.accepted.first().map(|(due, ..)| *due)
}
