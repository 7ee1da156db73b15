//! The states of a twin's life, and what moves it from one to another.
//!
//! A twin is bound while a connection that publishes for it is open. A report makes it synchronized,
//! by whatever way it came; a report that is older than the interface's fidelity allows, or too few of
//! those that were due, end that. A stopped twin stays so until a person starts it.

use crate::{
    Engine, Rejection, Verdict,
    derive::Change,
    state::unknown_twin,
    timers::{self, MAX_AGE, RATE, Timers},
    twin::{NEVER, Twin},
};
use gemelli_event::{
    Record, Seq,
    record::{Presence, Timer},
};
use gemelli_model::Value;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a twin stands to its asset.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Lifecycle {
    /// No asset is connected.
    #[default]
    Unbound,
    /// An asset is connected but has not reported yet.
    Bound,
    /// The last report is within the interface's threshold.
    Synchronized,
    /// The last report is too old.
    OutOfSync,
    /// Halted by a person.
    Stopped,
}

impl Lifecycle {
    /// All states, in the order of their numbers in snapshots.
    pub const ALL: [Self; 5] = [
        Self::Unbound,
        Self::Bound,
        Self::Synchronized,
        Self::OutOfSync,
        Self::Stopped,
    ];

    /// The word for people and for JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unbound => "unbound",
            Self::Bound => "bound",
            Self::Synchronized => "synchronized",
            Self::OutOfSync => "out-of-sync",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The asset reported: the twin is as it says.
pub(crate) fn reported(twin: &mut Twin, timers: &mut Timers, now_ms: i64) {
    twin.arrived(now_ms);
    twin.report_ms = now_ms;
    if let Some(age) = twin.interface.max_age_ms() {
        timers.set(
            twin,
            MAX_AGE,
            Some(now_ms.saturating_add(age).saturating_add(1)),
        );
    }
    twin.watch_rate(timers, now_ms);
    twin.lifecycle = if twin.available(now_ms) {
        Lifecycle::Synchronized
    } else {
        Lifecycle::OutOfSync
    };
}

/// How a twin in touch with its asset stands by its reports.
fn standing(twin: &Twin, now_ms: i64) -> Lifecycle {
    let aged = twin
        .interface
        .max_age_ms()
        .is_some_and(|age| now_ms > twin.report_ms.saturating_add(age));
    match twin.report_ms {
        NEVER => Lifecycle::Bound,
        _ if aged || !twin.available(now_ms) => Lifecycle::OutOfSync,
        _ => Lifecycle::Synchronized,
    }
}

/// What silence makes of a twin. Without a connection its reports alone showed that an asset is there.
fn silent(twin: &mut Twin, timers: &mut Timers, timer: u32, now_ms: i64) {
    if timer == RATE {
        twin.watch_rate(timers, now_ms);
    }
    let lost = !twin.connected && (timer == MAX_AGE || !twin.heard_of(now_ms));
    twin.lifecycle = match twin.lifecycle {
        Lifecycle::Synchronized | Lifecycle::OutOfSync if lost => Lifecycle::Unbound,
        Lifecycle::Synchronized | Lifecycle::OutOfSync => standing(twin, now_ms),
        other => other,
    };
}

impl Engine {
    /// Folds the opening or closing of the twin's connection.
    pub(crate) fn presence(
        &mut self,
        seq: Seq,
        record: &Record,
        presence: &Presence,
    ) -> Result<Verdict, Rejection> {
        let id = self.state.find(presence.twin.as_str())?.id.clone();
        let Some((twin, side)) = self.twin_mut(&id) else {
            return Err(unknown_twin(id.as_str()));
        };
        if twin.connected == presence.connected {
            return Ok(Verdict::Accepted);
        }
        let at = side.moment(seq, record, twin);
        Change { twin, side, at }.begin();
        twin.connected = presence.connected;
        let before = twin.lifecycle;
        twin.lifecycle = match (twin.lifecycle, presence.connected) {
            (Lifecycle::Stopped, _) => Lifecycle::Stopped,
            (_, false) => Lifecycle::Unbound,
            (_, true) => standing(twin, at.now_ms),
        };
        let after = twin.lifecycle;
        self.state.count_lifecycle(before, -1);
        self.state.count_lifecycle(after, 1);
        Ok(Verdict::Accepted)
    }

    /// Folds the firing of a timer; one with another due time than the twin's is stale.
    pub(crate) fn timer(&mut self, seq: Seq, record: &Record, timer: &Timer) {
        let Some((twin, side)) = self.twin_mut(&timer.twin) else {
            return;
        };
        match twin.deadline(timer.timer) {
            Some(due) if due == timer.due_ms => {}
            // It was moved while the firing was on its way: the queue must know of the new time.
            Some(due) => return side.timers.look(twin, timer.timer, due),
            None => return,
        }
        let mut at = side.moment(seq, record, twin);
        at.now_ms = at.now_ms.max(timer.due_ms);
        side.timers.set(twin, timer.timer, None);
        let before = twin.lifecycle;
        let mut change = Change { twin, side, at };
        change.begin();
        match timers::slot(timer.timer) {
            Some(slot) => {
                change.set(slot, Value::Null);
                change.compute();
            }
            None => silent(twin, &mut side.timers, timer.timer, at.now_ms),
        }
        let after = twin.lifecycle;
        self.state.count_lifecycle(before, -1);
        self.state.count_lifecycle(after, 1);
    }
}
