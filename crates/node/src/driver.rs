//! The heart of a node: inputs become records, records are stepped, a frame comes out.
//!
//! [`Driver::batch`] takes what was admitted and gives one [`Batch`]: the frame to make durable and
//! what to release afterwards. It is the production code of the simulator too: no IO, no thread, no
//! clock of its own. Promises: records follow the order of admission numbers, internal records come
//! before new input, positions and times never fall, and whatever the engine refuses leaves no trace
//! but a dead letter.

use crate::{
    admission::{Entry, Input, Published},
    answer::{Answer, Outcome},
    depth,
    letters::Allowance,
    metrics::Metrics,
    pace::Pace,
    presence::Clients,
};
use bytes::Bytes;
use gemelli_engine::{Emission, Engine, Rejection, Verdict, View};
use gemelli_event::{
    Body, Partition, Position, Record, Seq,
    record::{Command, DeadLetter, PARTITIONS, Presence},
};
use gemelli_model::TwinId;
use std::sync::Arc;

/// Timers that fire in one batch; the rest fires in the next one.
pub const DUE_LIMIT: usize = 4_096;

/// The version of the engine that is written into frames.
pub const ENGINE_VERSION: u16 = 1;

/// Mark beside the engine's version in a frame after which something was left to be emitted.
pub const UNFINISHED: u16 = 1 << 15;

/// About so many bytes of records end a frame: what follows from them comes with the next one. Far
/// below what a frame can hold, as one more flush and the final values still join it.
pub const FRAME_BYTES: usize = 64 << 20;

/// Where the log ends: what the driver goes on from.
#[derive(Clone, Debug)]
pub struct Tail {
    /// The next record's place.
    pub next_seq: Seq,
    /// The next record's offset in each partition.
    pub offsets: [u64; PARTITIONS],
    /// Accepted time of the last record, milliseconds since 1970.
    pub last_ms: i64,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            next_seq: 0,
            offsets: [0; PARTITIONS],
            last_ms: 0,
        }
    }
}

impl Tail {
    /// Moves past a record that was read from the log.
    pub fn pass(&mut self, seq: Seq, record: &Record) {
        self.next_seq = seq + 1;
        if let Some(offset) = self.offsets.get_mut(record.position.partition.index()) {
            *offset = record.position.offset + 1;
        }
        self.last_ms = self.last_ms.max(record.accepted_ms);
    }
}

/// Owns the engine and gives every record its place.
pub struct Driver {
    engine: Engine,
    tail: Tail,
    allowance: Allowance,
    clients: Clients,
    pace: Pace,
    waves: usize,
    metrics: Arc<Metrics>,
    emitted: Vec<Emission>,
}

/// Records that become durable together.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The place of the first record.
    pub first_seq: Seq,
    /// The accepted time of all records, milliseconds since 1970.
    pub accepted_ms: i64,
    /// The version of the definitions after the frame.
    pub definitions: u64,
    /// The records, inputs and emissions in the order of stepping.
    pub records: Vec<Record>,
    /// Nothing was left to be emitted after it.
    pub finished: bool,
}

impl Frame {
    /// The place of the record after it.
    pub fn next_seq(&self) -> Seq {
        self.first_seq + self.records.len() as u64
    }

    /// The records with their places.
    pub fn placed(&self) -> impl Iterator<Item = (Seq, &Record)> {
        (self.first_seq..).zip(&self.records)
    }
}

/// What one turn of the driver made.
pub struct Batch {
    /// What is to be written; without records there is nothing to write, only to release.
    pub frame: Frame,
    /// The verdicts that somebody waits for, in the order of admission.
    pub answers: Vec<Settled>,
    /// The highest admission number of the batch; 0 if it has no input.
    pub upto: u64,
    /// The state after the batch.
    pub view: View,
    /// There is more to do at once: emissions past a limit, or timers past theirs.
    pub more: bool,
}

/// A verdict for somebody who waits.
pub struct Settled {
    /// The input's admission number.
    pub number: u64,
    /// Who waits.
    pub answer: Answer,
    /// What became of the input.
    pub outcome: Outcome,
}

impl Driver {
    /// Goes on with an engine that has been brought to the log's tail.
    pub fn new(
        engine: Engine,
        tail: Tail,
        waves: usize,
        allowance: Allowance,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            engine,
            tail,
            allowance,
            clients: Clients::default(),
            pace: Pace::default(),
            waves,
            metrics,
            emitted: Vec::new(),
        }
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, for snapshots.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Where the log will end when everything stepped so far is written.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Twins that were bound when the node stopped: unbound at `until_ms` unless a client publishes for them.
    pub fn expect(&mut self, twins: impl Iterator<Item = TwinId>, until_ms: i64) {
        self.clients.expect(twins, until_ms);
    }

    /// When there is something to do without input, milliseconds since 1970.
    pub fn next_due_ms(&self, now_ms: i64) -> Option<i64> {
        let ahead_ms = self.pace.ahead_ms(now_ms);
        let timers = self.engine.next_due_ms(now_ms.saturating_add(ahead_ms));
        let timers = timers.map(|due_ms| due_ms.saturating_sub(ahead_ms));
        timers.into_iter().chain(self.clients.due_ms()).min()
    }

    /// Steps timers that are due, then the inputs, then what follows from them.
    pub fn batch(&mut self, inputs: &mut Vec<Input>, now_ms: i64) -> Batch {
        let wall_ms = now_ms;
        let now_ms = self.pace.accepted_ms(wall_ms, self.tail.last_ms);
        let upto = inputs.last().map_or(0, |input| input.number);
        let mut turn = Turn {
            first_seq: self.tail.next_seq,
            now_ms,
            wall_ms,
            bytes: 0,
            records: Vec::with_capacity(inputs.len() * 2),
            answers: Vec::new(),
        };
        self.step_following(&mut turn);
        self.engine.due(now_ms, DUE_LIMIT, &mut self.emitted);
        let mut more = self.emitted.len() >= DUE_LIMIT;
        self.step_emitted(&mut turn);
        let overdue = self.clients.overdue(wall_ms, DUE_LIMIT);
        more |= overdue.len() >= DUE_LIMIT;
        for twin in overdue {
            self.step_presence(&mut turn, twin, false);
        }
        for input in inputs.drain(..) {
            turn.bytes += input.cost as usize;
            self.step_input(&mut turn, input);
            self.step_following(&mut turn);
        }
        let mut wave = 0;
        loop {
            self.emitted.clear();
            if wave == self.waves || turn.bytes > FRAME_BYTES {
                break;
            }
            self.engine.flush(&mut self.emitted);
            if self.emitted.is_empty() {
                break;
            }
            self.step_emitted(&mut turn);
            wave += 1;
        }
        self.engine.settle(&mut self.emitted);
        self.step_emitted(&mut turn);
        let finished = self.engine.at_rest();
        let frame = Frame {
            first_seq: turn.first_seq,
            accepted_ms: now_ms,
            definitions: self.engine.definitions_version(),
            records: turn.records,
            finished,
        };
        Batch {
            frame,
            answers: turn.answers,
            upto,
            view: self.engine.view(),
            more: more || !finished,
        }
    }

    fn step_input(&mut self, turn: &mut Turn, input: Input) {
        let Input {
            number,
            entry,
            answer,
            ..
        } = input;
        let mut retained = Bytes::new();
        let body = match entry {
            Entry::Record(body) => body,
            Entry::Check(command) => {
                let verdict = match self.engine.check(&command) {
                    Ok(value) => Verdict::Answer(value),
                    Err(rejection) => Verdict::Rejected(rejection),
                };
                turn.answers.push(Settled {
                    number,
                    answer,
                    outcome: Outcome { verdict, seq: None },
                });
                return;
            }
            Entry::Published(mut published) => {
                retained = std::mem::take(&mut published.retained);
                self.step_published(turn, *published)
            }
            Entry::Client(presence) => {
                if !presence.connected {
                    for twin in self.clients.gone(&presence.client) {
                        self.step_presence(turn, twin, false);
                    }
                }
                return;
            }
        };
        let body = match body {
            Body::DeadLetter(letter) => match self.allow(letter, turn.wall_ms) {
                Some(letter) => Body::DeadLetter(letter),
                None => return,
            },
            body => body,
        };
        let (verdict, seq) = match depth::check(&body) {
            Ok(()) => self.step(turn, partition(&body), body, None),
            Err(rejection) => self.refuse(turn, partition(&body), body, rejection),
        };
        match &verdict {
            Verdict::Rejected(rejection) => self.metrics.reject(rejection.code),
            Verdict::Duplicate => {
                self.metrics.duplicates.inc();
            }
            Verdict::Accepted | Verdict::Answer(_) => self.step_retained(turn, retained),
        }
        if !matches!(answer, Answer::None) {
            turn.answers.push(Settled {
                number,
                answer,
                outcome: Outcome { verdict, seq },
            });
        }
    }

    /// What goes before a publication: the broker's journal, and the twin's binding.
    fn step_published(&mut self, turn: &mut Turn, published: Published) -> Body {
        let Published {
            client,
            journal,
            also,
            body,
            binds,
            ..
        } = published;
        if !journal.is_empty() {
            let journal = Body::Session(journal);
            self.step(turn, partition(&journal), journal, None);
        }
        if let Some(also) = also {
            self.step(turn, partition(&also), also, None);
        }
        if let Body::Event(event) = &body
            && binds
            && self.clients.published(&client, &event.twin)
            && !self.step_presence(turn, event.twin.clone(), true)
        {
            self.clients.forget(&event.twin);
        }
        body
    }

    /// What goes after a publication that was accepted: the broker's record that it is retained.
    fn step_retained(&mut self, turn: &mut Turn, retained: Bytes) {
        if !retained.is_empty() {
            let retained = Body::Session(retained);
            self.step(turn, partition(&retained), retained, None);
        }
    }

    fn step_presence(&mut self, turn: &mut Turn, twin: TwinId, connected: bool) -> bool {
        let body = Body::Presence(Presence { twin, connected });
        let (verdict, _) = self.step(turn, partition(&body), body, None);
        matches!(verdict, Verdict::Accepted | Verdict::Answer(_))
    }

    /// Steps the commands that the last input makes necessary: the next one finds them done.
    fn step_following(&mut self, turn: &mut Turn) {
        loop {
            self.emitted.clear();
            self.engine.follow(&mut self.emitted);
            if self.emitted.is_empty() {
                return;
            }
            self.step_emitted(turn);
        }
    }

    fn step_emitted(&mut self, turn: &mut Turn) {
        let mut emitted = std::mem::take(&mut self.emitted);
        for emission in emitted.drain(..) {
            turn.bytes += emission.bytes();
            let Emission {
                partition,
                body,
                cause_seq,
            } = emission;
            let body = match body {
                Body::DeadLetter(letter) => match self.allow(letter, turn.wall_ms) {
                    Some(letter) => Body::DeadLetter(letter),
                    None => continue,
                },
                body => body,
            };
            let cause = cause_seq
                .and_then(|seq| seq.checked_sub(turn.first_seq))
                .and_then(|index| u32::try_from(index).ok());
            let (verdict, _) = self.step(turn, partition, body, cause);
            if let Verdict::Rejected(rejection) = verdict {
                self.metrics.reject(rejection.code);
            }
        }
        self.emitted = emitted;
    }

    /// Steps one record. What is refused or repeated leaves the frame again; a refused event is
    /// replaced by its dead letter.
    fn step(
        &mut self,
        turn: &mut Turn,
        partition: Partition,
        body: Body,
        cause: Option<u32>,
    ) -> (Verdict, Option<Seq>) {
        let seq = self.tail.next_seq;
        let offset = self
            .tail
            .offsets
            .get(partition.index())
            .copied()
            .unwrap_or_default();
        let position = Position { partition, offset };
        let record = Record {
            position,
            accepted_ms: turn.now_ms,
            cause,
            body,
        };
        let verdict = self.engine.step(seq, &record);
        match &verdict {
            Verdict::Accepted | Verdict::Answer(_) => {
                if let Body::Command(Command::Delete { twin, .. }) = &record.body {
                    self.clients.forget(twin);
                }
                self.tail.pass(seq, &record);
                turn.records.push(record);
                (verdict, Some(seq))
            }
            Verdict::Duplicate => (verdict, None),
            Verdict::Rejected(rejection) => {
                let rejection = rejection.clone();
                self.refuse(turn, partition, record.body, rejection)
            }
        }
    }

    /// Puts the dead letter of a refused record in its place, if there is to be one.
    fn refuse(
        &mut self,
        turn: &mut Turn,
        partition: Partition,
        body: Body,
        why: Rejection,
    ) -> (Verdict, Option<Seq>) {
        let letter = letter(&body, &why).and_then(|letter| self.allow(letter, turn.wall_ms));
        if let Some(letter) = letter {
            self.step(turn, partition, Body::DeadLetter(letter), None);
        }
        (Verdict::Rejected(why), None)
    }

    fn allow(&mut self, letter: DeadLetter, now_ms: i64) -> Option<DeadLetter> {
        let allowed = self.allowance.admit(letter, now_ms);
        if allowed.is_none() {
            self.metrics.dead_letters_dropped.inc();
        }
        allowed
    }
}

/// What grows during a batch.
struct Turn {
    first_seq: Seq,
    /// The accepted time.
    now_ms: i64,
    /// The clock's time.
    wall_ms: i64,
    /// What the records take, about.
    bytes: usize,
    records: Vec<Record>,
    answers: Vec<Settled>,
}

/// The partition that an input belongs to.
pub fn partition(body: &Body) -> Partition {
    match body {
        Body::Event(event) => Partition::of(event.twin.as_str()),
        Body::Message(message) => Partition::of(&message.topic),
        Body::Presence(presence) => Partition::of(presence.twin.as_str()),
        Body::Timer(timer) => Partition::of(timer.twin.as_str()),
        Body::Contribution(contribution) => Partition::of(contribution.twin.as_str()),
        Body::Derived(derived) => Partition::of(derived.twin.as_str()),
        Body::DeadLetter(letter) => Partition::of(&letter.origin),
        // The sessions of one broker fold in their common order.
        Body::Session(_) => Partition::default(),
        Body::Command(command) => match command {
            Command::Put { twin, .. }
            | Command::Patch { twin, .. }
            | Command::Delete { twin, .. }
            | Command::Stop { twin }
            | Command::Start { twin }
            | Command::Telemetry { twin, .. } => Partition::of(twin.as_str()),
            Command::Relate { edge, .. } => Partition::of(edge.source.as_str()),
            Command::Amend { source, .. } | Command::Unrelate { source, .. } => {
                Partition::of(source.as_str())
            }
            Command::Incoming { edge, .. } => Partition::of(edge.target.as_str()),
            Command::Apply { .. }
            | Command::Remove { .. }
            | Command::Retire { .. }
            | Command::Withdraw { .. }
            | Command::Defined { .. } => Partition::default(),
        },
    }
}

/// The dead letter of a refused record. Refused commands have a caller who is told: they leave none.
fn letter(body: &Body, rejection: &Rejection) -> Option<DeadLetter> {
    let (origin, payload) = match body {
        Body::Event(event) => {
            let origin = format!(
                "ktwin/{}/{}/{}",
                event.category, event.interface, event.twin
            );
            (origin, event.payload.clone())
        }
        Body::Contribution(contribution) => (
            format!("contribution/{}", contribution.twin),
            bytes::Bytes::new(),
        ),
        _ => return None,
    };
    let reason = match rejection.remedy.as_str() {
        "" => rejection.reason.clone(),
        remedy => format!("{}: {remedy}", rejection.reason),
    };
    Some(DeadLetter {
        code: rejection.code.into(),
        reason: reason.into(),
        origin: origin.into(),
        payload,
        dropped: 0,
    })
}
