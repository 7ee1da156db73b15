//! The owner of all twins.
//!
//! [`Engine::step`] folds records, [`Engine::flush`] and [`Engine::settle`] say which records follow
//! from them. What a step may read of other twins (does the target exist, is there a relationship)
//! it reads from the one state of all partitions, in the one order of the log; what it changes in
//! other partitions it changes through records of theirs.

use crate::{
    Limits, Rejection, Verdict, View,
    aggregate::Tally,
    clock::EventClock,
    command,
    derive::Moment,
    hashing::Hashing,
    outbox::{Outbox, Places},
    state::State,
    timers::Timers,
    tombstones::Tombstones,
    twin::{NEVER, Twin},
};
use gemelli_event::{Body, Partition, Record, Seq, record::Command};
use gemelli_model::{TwinId, Value};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Single-threaded owner of all twins and definitions.
pub struct Engine {
    pub(crate) state: State,
    pub(crate) side: Side,
}

/// What the engine keeps beside the twins themselves.
pub(crate) struct Side {
    pub limits: Limits,
    pub clock: EventClock,
    pub timers: Timers,
    /// What roll-ups come to, by twin; rebuilt from shares. Never iterated.
    pub tallies: HashMap<TwinId, Box<[Tally]>, Hashing>,
    pub outbox: Outbox,
    pub tombstones: Tombstones,
    /// Twins that take their new form when the change of definitions reaches their partition.
    pub stale: BTreeMap<Partition, Vec<TwinId>>,
    /// Edges whose target does not exist, by target: source and id.
    pub dangling: BTreeMap<TwinId, BTreeSet<(TwinId, Arc<str>)>>,
    /// Contributors of a snapshot, until their twins are loaded.
    pub loaded: Vec<(TwinId, Places, u64, Seq)>,
    pub counters: Counters,
    /// Whether the record at hand may still be refused.
    pub judged: Judged,
    pub dirty: Vec<TwinId>,
    /// Twins noted under this number are in `dirty`.
    pub dirty_round: u32,
    /// Expressions to compute for the twin at hand.
    pub wake: Vec<u16>,
    /// Members of the payload at hand.
    pub members: Vec<(u16, Value)>,
}

/// Whether a record may still be refused. What only refuses is asked while the record is new; what
/// is in the log was accepted, by the checks and limits of its day, and is folded whatever today's say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It is new.
    Now,
    /// It is in the log.
    Before,
}

impl Judged {
    /// The outcome of a check that only refuses.
    pub(crate) fn by<E>(self, check: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Now => check(),
            Self::Before => Ok(()),
        }
    }
}

/// A record that the steps so far make necessary.
#[derive(Clone, Debug, PartialEq)]
pub struct Emission {
    /// Where it belongs.
    pub partition: Partition,
    /// What it says.
    pub body: Body,
    /// The record that it follows from, if known; it may stand in an earlier frame.
    pub cause_seq: Option<Seq>,
}

impl Emission {
    /// What its record takes, about, bytes.
    pub fn bytes(&self) -> usize {
        /// Ids, names and times.
        const REST: usize = 64;
        REST + match &self.body {
            Body::Event(event) => event.payload.len(),
            Body::Contribution(contribution) => size(&contribution.value),
            Body::Derived(derived) => derived.values.iter().map(|(_, v)| 16 + size(v)).sum(),
            Body::DeadLetter(letter) => letter.payload.len() + letter.reason.len(),
            // Commands are bounded by the input that asks for them.
            Body::Command(_)
            | Body::Message(_)
            | Body::Presence(_)
            | Body::Session(_)
            | Body::Timer(_) => 0,
        }
    }
}

/// What a value takes, about, bytes.
fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Array(values) => values.iter().map(|v| 2 + size(v)).sum(),
        Value::Object(fields) => fields.iter().map(|(n, v)| 2 + n.len() + size(v)).sum(),
        _ => 8,
    }
}

/// What happened that is no record, counted since the start. Not part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Device times too far ahead of the event clock.
    pub wild_times: u64,
    /// Values that became absent because their chain of roll-ups was too deep (`derived-cycle`).
    pub cycles: u64,
    /// Expressions that failed.
    pub failed_expressions: u64,
    /// Contributions that came after their edge had gone, or after a newer one.
    pub late_contributions: u64,
}

impl Engine {
    /// An engine without twins.
    pub fn new(limits: Limits) -> Self {
        let side = Side {
            limits,
            clock: EventClock::default(),
            timers: Timers::default(),
            tallies: HashMap::default(),
            outbox: Outbox::default(),
            tombstones: Tombstones::default(),
            stale: BTreeMap::new(),
            dangling: BTreeMap::new(),
            loaded: Vec::new(),
            counters: Counters::default(),
            judged: Judged::Now,
            dirty: Vec::new(),
            dirty_round: 1,
            wake: Vec::new(),
            members: Vec::new(),
        };
        Self {
            state: State::new(),
            side,
        }
    }

    /// What stepping the command now would say: server-side validation and dry run. The answer is
    /// the one of [`Verdict::Answer`], null where there is none.
    ///
    /// # Errors
    /// The rejection that the step would give.
    pub fn check(&self, command: &Command) -> Result<Value, Rejection> {
        command::check(&self.state, &self.side, command)
    }

    /// The present state. Cheap.
    pub fn view(&self) -> View {
        View::new(self.state.clone(), self.side.clock.now_ms)
    }

    /// Version of the definitions.
    pub fn definitions_version(&self) -> u64 {
        self.state.definitions.version()
    }

    /// What happened that is no record.
    pub fn counters(&self) -> Counters {
        self.side.counters
    }

    /// The event clock, milliseconds since 1970; none before the first device time.
    pub fn event_clock_ms(&self) -> Option<i64> {
        self.side.clock.now_ms
    }

    /// The twins that changed or went since the last call.
    pub fn take_dirty(&mut self) -> Vec<TwinId> {
        self.side.dirty_round = self.side.dirty_round.wrapping_add(1).max(1);
        std::mem::take(&mut self.side.dirty)
    }

    /// Timers that are due: at most `limit` emissions to step as inputs of the next batch.
    pub fn due(&mut self, now_ms: i64, limit: usize, out: &mut Vec<Emission>) {
        let most = out.len().saturating_add(limit);
        crate::timers::due(&mut self.state, &mut self.side, now_ms, most, out);
    }

    /// When [`Engine::due`] has something next, milliseconds since 1970 of accepted time; it may be
    /// early, never late. `now_ms` itself if something is due already.
    pub fn next_due_ms(&self, now_ms: i64) -> Option<i64> {
        crate::timers::next_due_ms(&self.side, now_ms)
    }

    /// A twin's copy to change, with what is needed for that.
    pub(crate) fn twin_mut(&mut self, id: &TwinId) -> Option<(&mut Twin, &mut Side)> {
        let twin = self.state.get_mut(None, id.as_str())?;
        Some((Arc::make_mut(twin), &mut self.side))
    }
}

impl Side {
    /// Notes that a snapshot must take the twin anew.
    pub(crate) fn note_dirty(&mut self, twin: &mut Twin) {
        if twin.noted.dirty != self.dirty_round {
            twin.noted.dirty = self.dirty_round;
            self.dirty.push(twin.id.clone());
        }
    }

    /// Where a record stands, with the time by the twin's clock when the record is not its own report.
    pub(crate) fn moment(&self, seq: Seq, record: &Record, twin: &Twin) -> Moment {
        let now_ms = if !twin.interface.event_time() {
            record.accepted_ms
        } else if twin.report_ms != NEVER {
            twin.clock_ms
        } else {
            twin.clock_ms
                .max(self.clock.now_ms.unwrap_or(record.accepted_ms))
        };
        Moment {
            seq,
            position: record.position,
            accepted_ms: record.accepted_ms,
            now_ms,
        }
    }
}

impl Engine {
    /// Folds a record of the log: one that [`Engine::step`] accepted, of this program or an older one.
    /// It gives the state that it gave then: checks that only refuse, and limits, are not asked again.
    /// A rejection says that the record cannot be read any more; it changes nothing then.
    pub fn fold(&mut self, seq: Seq, record: &Record) -> Verdict {
        self.side.judged = Judged::Before;
        let verdict = self.step(seq, record);
        self.side.judged = Judged::Now;
        verdict
    }

    /// Judges a new record, and folds it if nothing speaks against it. `seq` is its global place. A
    /// rejected or repeated record leaves no trace and must not enter the log: what is in the log goes
    /// through [`Engine::fold`]. The same records in the same order give the same state.
    pub fn step(&mut self, seq: Seq, record: &Record) -> Verdict {
        let done = match &record.body {
            Body::Event(event) => return self.event(seq, record, event),
            Body::Contribution(contribution) => {
                return self.contribution(seq, record, contribution);
            }
            Body::Derived(derived) => return self.derived(derived),
            Body::Command(command) => command::step(self, seq, record, command),
            Body::Presence(presence) => self.presence(seq, record, presence),
            Body::Timer(timer) => {
                self.timer(seq, record, timer);
                Ok(Verdict::Accepted)
            }
            Body::Message(_) | Body::DeadLetter(_) | Body::Session(_) => Ok(Verdict::Accepted),
        };
        done.unwrap_or_else(Verdict::Rejected)
    }
}
