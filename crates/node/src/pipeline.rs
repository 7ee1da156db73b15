//! The threads around the driver: step, write, release.
//!
//! ```text
//! admission ─▶ driver thread ─▶ log thread ─▶ release thread ─▶ readers, subscribers, callers
//!              step, encode     write, sync    view, verdicts, deliveries, streams, answers
//! ```
//! Promises: frames are released in order and only when durable (except relaxed); one frame is
//! written while the next one is stepped, and no more. After a failed write or sync nothing is
//! written or released any more: readers keep the last durable view.

use crate::{
    admission::Taken,
    answer::Answer,
    driver::{Batch, Driver, ENGINE_VERSION, Frame, Settled, UNFINISHED},
    letters::Letter,
    metrics::{Stage, Tally},
    options::Durability,
    snapshot::{self, Snapshotter},
    state::{Core, Live, Published},
};
use gemelli_broker::{Broker, Delivery, Reason};
use gemelli_engine::Verdict;
use gemelli_event::{Body, Category, Record, Seq, codec::TooDeep, record::Message};
use gemelli_store::{EncodedFrame, FrameBuilder, FrameStart, LogWriter};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often a full disk is tried again.
const DISK_FULL_PAUSE: Duration = Duration::from_millis(500);

/// How long a node that stops waits for room on a full disk; then the last frame, of which nobody was told,
/// is given up.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Largest frame that is kept for live streams, bytes; they read larger ones from the log.
pub const LIVE_BYTES: usize = 64 << 10;

/// Ends the node's writing if the thread that holds it panics: its inputs would never be answered.
struct Alive<'a>(&'a Core);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0
                .fail("a thread of the node ended by a fault of the program");
            self.0.admission.clear();
        }
    }
}

/// Between the driver and the log.
struct Stepped {
    encoded: Option<EncodedFrame>,
    batch: Batch,
    snapshot: Option<snapshot::Start>,
}

/// Between the log and the release.
enum Durable {
    /// A frame to release, and what it takes of the log, bytes.
    Frame(Batch, usize),
    /// A snapshot of the state after the last frame, which is in the log.
    Snapshot(snapshot::Start),
}

/// The threads of a node.
pub struct Threads {
    driver: JoinHandle<()>,
    log: JoinHandle<()>,
    release: JoinHandle<()>,
}

impl Threads {
    /// Starts them.
    pub fn start(
        core: &Arc<Core>,
        broker: &Broker<Core>,
        driver: Driver,
        writer: LogWriter,
        snapshots: Snapshotter,
    ) -> std::io::Result<Self> {
        // Rendezvous: the driver may step one batch while the log writes the one before.
        let (to_log, from_driver) = sync_channel(0);
        let (to_release, from_log) = sync_channel(0);
        let named = |name: &str| thread::Builder::new().name(name.into());
        let requests = snapshots.requests();
        let driver = {
            let core = core.clone();
            named("driver").spawn(move || drive(&core, driver, &to_log, requests))?
        };
        let log = {
            let core = core.clone();
            named("log").spawn(move || write(&core, writer, &from_driver, &to_release))?
        };
        let release = {
            let release = Release {
                core: core.clone(),
                broker: broker.clone(),
                snapshots,
            };
            named("release").spawn(move || release.run(&from_log))?
        };
        Ok(Self {
            driver,
            log,
            release,
        })
    }

    /// Waits for their end: admission has to be closed before.
    pub fn join(self) {
        for thread in [self.driver, self.log, self.release] {
            if thread.join().is_err() {
                tracing::error!("a thread of the node ended by a fault of the program");
            }
        }
    }
}

/// The driver's loop: until admission is closed and empty, or the log is gone.
fn drive(
    core: &Core,
    mut driver: Driver,
    to_log: &SyncSender<Stepped>,
    mut snapshots: snapshot::Requests,
) {
    let _alive = Alive(core);
    let limits = &core.options.limits;
    let mut inputs = Vec::new();
    let mut builder = Some(FrameBuilder::new());
    let mut early = Early::new(Duration::from_millis(limits.relaxed_ms));
    // The log may end with something left to be emitted.
    let mut more = true;
    loop {
        let now_ms = core.clock.now_ms();
        let wake_ms = driver
            .next_due_ms(now_ms)
            .into_iter()
            .chain(snapshots.due_ms())
            .min();
        let deadline = match (more, wake_ms) {
            (true, _) => Some(Instant::now()),
            (false, Some(due)) => Some(
                Instant::now() + Duration::from_millis(due.saturating_sub(now_ms).max(0) as u64),
            ),
            (false, None) => None,
        };
        let ended = core.admission.take(
            limits.frame_inputs,
            limits.frame_bytes,
            deadline,
            &mut inputs,
        ) == Taken::Ended;
        if ended && core.abandoned() {
            return;
        }
        if let Some(oldest) = inputs.first() {
            core.metrics.stage(Stage::Admit, oldest.admitted.elapsed());
        }
        let (waiting, bytes) = core.admission.depth();
        core.metrics.waiting.set(waiting as u64);
        core.metrics.waiting_bytes.set(bytes as u64);
        let started = Instant::now();
        let now_ms = core.clock.now_ms();
        let batch = driver.batch(&mut inputs, now_ms);
        more = batch.more;
        let encoded = match encode(&batch.frame, builder.take().unwrap_or_default()) {
            Ok(encoded) => encoded,
            Err(error) => {
                // The engine is ahead of what can be written: nothing of it may be released.
                core.fail(&format!("a record cannot be written: {error}"));
                core.admission.clear();
                return;
            }
        };
        refuse(&batch.answers);
        early.tell(core, batch.upto);
        if let Some(encoded) = &encoded {
            core.metrics.stage(Stage::Step, started.elapsed());
            snapshots.logged(encoded.bytes() as u64, now_ms);
        }
        let wanted = core.wants_snapshot.swap(false, Ordering::AcqRel);
        let snapshot = snapshots.start(&mut driver, now_ms, wanted, ended);
        if encoded.is_some() || snapshot.is_some() || batch.upto > 0 {
            let stepped = Stepped {
                encoded,
                batch,
                snapshot,
            };
            if to_log.send(stepped).is_err() {
                // The log stopped for good: what waits will never be served.
                core.admission.clear();
                return;
            }
        }
        if ended {
            return;
        }
    }
}

/// Tells connections what was refused: they pass it on once the message's number is judged or released.
fn refuse(answers: &[Settled]) {
    for settled in answers {
        if let (Answer::Connection(reply), Verdict::Rejected(why)) =
            (&settled.answer, &settled.outcome.verdict)
        {
            reply.refuse(reason(why.code), why.to_string());
        }
    }
}

/// What relaxed connections may acknowledge before it is durable: batches, as long as the oldest one that is not
/// durable is younger than the bound. So what a crash takes was accepted within the bound.
struct Early {
    bound: Duration,
    waiting: VecDeque<(u64, Instant)>,
}

impl Early {
    fn new(bound: Duration) -> Self {
        Self {
            bound,
            waiting: VecDeque::new(),
        }
    }

    /// A batch with inputs up to this number was judged.
    fn tell(&mut self, core: &Core, upto: u64) {
        if upto == 0 {
            return;
        }
        let released = *core.released.borrow();
        while self.waiting.front().is_some_and(|(n, _)| *n <= released) {
            self.waiting.pop_front();
        }
        self.waiting.push_back((upto, Instant::now()));
        let oldest = self.waiting.front();
        if oldest.is_some_and(|(_, since)| since.elapsed() < self.bound) {
            core.judged.send_replace(upto);
        }
    }
}

/// The frame as bytes, on the driver's thread; none if there is nothing to write.
fn encode(frame: &Frame, mut builder: FrameBuilder) -> Result<Option<EncodedFrame>, TooDeep> {
    if frame.records.is_empty() {
        return Ok(None);
    }
    builder.begin(FrameStart {
        first_seq: frame.first_seq,
        accepted_ms: frame.accepted_ms,
        definitions: frame.definitions,
        engine: ENGINE_VERSION | if frame.finished { 0 } else { UNFINISHED },
    });
    for record in &frame.records {
        builder.push(record)?;
    }
    Ok(Some(builder.finish()))
}

/// The log thread: one write and sync per frame, until the driver is gone.
fn write(
    core: &Core,
    mut writer: LogWriter,
    from_driver: &Receiver<Stepped>,
    to_release: &SyncSender<Durable>,
) {
    let _alive = Alive(core);
    while let Ok(Stepped {
        encoded,
        batch,
        snapshot,
    }) = from_driver.recv()
    {
        let bytes = encoded.as_ref().map_or(0, EncodedFrame::bytes);
        let frame = Durable::Frame(batch, bytes);
        let went_on = match core.options.durability {
            Durability::Synced => {
                append(core, &mut writer, encoded) && to_release.send(frame).is_ok()
            }
            Durability::Relaxed => {
                to_release.send(frame).is_ok() && append(core, &mut writer, encoded)
            }
        };
        // In either mode after the append: a snapshot must not be ahead of the log.
        if !went_on
            || snapshot.is_some_and(|start| to_release.send(Durable::Snapshot(start)).is_err())
        {
            return;
        }
    }
    if core.abandoned() {
        return;
    }
    if let Err(error) = writer.close() {
        tracing::error!(%error, "the log could not be closed in good order");
    }
}

/// Writes one frame: false if the log is gone for good.
fn append(core: &Core, writer: &mut LogWriter, encoded: Option<EncodedFrame>) -> bool {
    let Some(encoded) = encoded else { return true };
    match append_when_there_is_room(core, writer, &encoded) {
        Ok(()) => true,
        Err(error) => {
            core.fail(&error.to_string());
            false
        }
    }
}

/// A full disk is waited for; any other failure is final.
fn append_when_there_is_room(
    core: &Core,
    writer: &mut LogWriter,
    encoded: &EncodedFrame,
) -> Result<(), gemelli_store::Error> {
    let mut last = None;
    loop {
        if last.is_none() && *core.stopping.borrow() {
            last = Some(Instant::now());
        }
        let patient = !core.abandoned() && last.is_none_or(|since| since.elapsed() < LAST_WAIT);
        let appended = writer.append(encoded);
        let full = matches!(appended, Err(gemelli_store::Error::DiskFull { .. }));
        core.stalled.store(full, Ordering::Release);
        match appended {
            Ok(synced) => {
                core.metrics.stage(Stage::Sync, synced.took);
                core.metrics.frames.inc();
                core.metrics.bytes.inc_by(encoded.bytes() as u64);
                core.metrics.records.inc_by(encoded.records() as u64);
                return Ok(());
            }
            // Nothing was written: the supervisor holds admission and tries to make room meanwhile.
            Err(gemelli_store::Error::DiskFull { .. }) if patient => thread::sleep(DISK_FULL_PAUSE),
            Err(error) => return Err(error),
        }
    }
}

/// The release thread: everything that the world learns of a frame.
struct Release {
    core: Arc<Core>,
    broker: Broker<Core>,
    snapshots: Snapshotter,
}

impl Release {
    fn run(mut self, from_log: &Receiver<Durable>) {
        let core = self.core.clone();
        let _alive = Alive(&core);
        while let Ok(durable) = from_log.recv() {
            match durable {
                Durable::Frame(batch, bytes) => {
                    let started = Instant::now();
                    self.release(batch, bytes);
                    core.metrics.stage(Stage::Release, started.elapsed());
                }
                Durable::Snapshot(start) => {
                    let view = core.published().view.clone();
                    self.snapshots.take(&core, &self.broker, start, view);
                }
            }
        }
        self.snapshots.finish();
    }

    /// In this order: the view, sessions, deliveries, acknowledgements, streams, answers.
    fn release(&mut self, batch: Batch, bytes: usize) {
        let Batch {
            frame,
            answers,
            upto,
            view,
            ..
        } = batch;
        let core = &self.core;
        let tally = self.look_through(&frame);
        core.metrics.twins.set(view.count() as u64);
        core.publish(Published {
            view,
            next_seq: frame.next_seq(),
        });
        let mut callers = Vec::new();
        for settled in answers {
            if let Answer::Caller(caller) = settled.answer {
                callers.push((caller, settled.outcome));
            }
        }
        self.route(&frame);
        if upto > 0 {
            core.released.send_replace(upto);
        }
        core.rate.add(
            u32::try_from(tally).unwrap_or(u32::MAX),
            core.clock.now_ms(),
        );
        if core.stream.receiver_count() > 0 && !frame.records.is_empty() {
            // Nobody listening any more is no fault.
            let _ = core.stream.send(Live {
                first_seq: frame.first_seq,
                next_seq: frame.next_seq(),
                frame: (bytes <= LIVE_BYTES).then(|| Arc::new(frame)),
            });
        }
        for (caller, outcome) in callers {
            // A caller that went away needs no answer.
            let _ = caller.send(outcome);
        }
    }

    /// Counts events and dead letters and gives sessions to the broker; the answer is the number of events.
    fn look_through(&self, frame: &Frame) -> u64 {
        let core = &self.core;
        let mut tally = Tally::default();
        for (seq, record) in frame.placed() {
            match &record.body {
                Body::Event(event) => tally.add(event.category, &event.interface),
                Body::Session(bytes) => {
                    if let Err(error) = self.broker.fold(seq, bytes) {
                        tracing::error!(seq, %error, "the broker cannot read its own record");
                    }
                }
                Body::DeadLetter(letter) => {
                    core.metrics.dead_letters.inc();
                    let letter = Letter {
                        seq,
                        accepted_ms: record.accepted_ms,
                        letter: letter.clone(),
                    };
                    core.letters.lock().push(letter);
                }
                _ => {}
            }
        }
        core.metrics.count(&tally);
        tally.total()
    }

    /// Offers events and messages to subscribers.
    fn route(&self, frame: &Frame) {
        let mut deliveries = Vec::new();
        let catching_up = self.core.scans.is_active();
        if catching_up || self.broker.listening() {
            deliveries.extend(
                frame
                    .placed()
                    .filter_map(|(seq, record)| delivery(seq, record)),
            );
        }
        if catching_up && !frame.records.is_empty() {
            // Before the live sessions get it: whoever has read up to here joins them.
            self.core
                .scans
                .note(frame.first_seq, frame.next_seq(), &deliveries);
        }
        self.broker.deliver(&deliveries, frame.next_seq());
    }
}

/// A record in the form in which subscribers get it; none if it is not routed.
pub(crate) fn delivery(seq: Seq, record: &Record) -> Option<Delivery> {
    let message = match &record.body {
        Body::Message(message) => message.clone(),
        // Store events are merged and kept, never routed.
        Body::Event(event) if event.category != Category::Store => {
            let time = event.time_ms.map(gemelli_model::time::format_ms);
            let source = event.source.as_deref().or_else(|| {
                let command = event.command.as_ref()?;
                command.sender.as_ref().map(|sender| sender.as_str())
            });
            Message {
                topic: gemelli_event::topic::Topic::of(event).to_string().into(),
                payload: event.payload.clone(),
                qos: 2,
                properties: gemelli_broker::host::event_properties(
                    event.id.as_deref(),
                    source,
                    time.as_deref(),
                ),
                expires_ms: None,
            }
        }
        _ => return None,
    };
    Some(Delivery { seq, message })
}

/// The MQTT reason of a refusal.
pub(crate) fn reason(code: &str) -> Reason {
    match code {
        "backlog-full" | "limit-reached" => Reason::QUOTA_EXCEEDED,
        "unauthorized" => Reason::NOT_AUTHORIZED,
        "malformed-topic" | "unknown-twin" | "unknown-interface" => Reason::TOPIC_NAME_INVALID,
        "malformed-json" | "wrong-type" | "missing-field" | "unknown-field" => {
            Reason::PAYLOAD_FORMAT_INVALID
        }
        _ => Reason::IMPLEMENTATION_SPECIFIC,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gemelli_event::{Partition, Position, record::Derived};
    use gemelli_model::Value;

    fn frame(value: Value) -> Frame {
        let derived = Derived {
            twin: "t".into(),
            interface: "i".into(),
            time_ms: 0,
            values: vec![("v".into(), value)],
        };
        Frame {
            first_seq: 0,
            accepted_ms: 0,
            definitions: 0,
            records: vec![Record {
                position: Position {
                    partition: Partition::default(),
                    offset: 0,
                },
                accepted_ms: 0,
                cause: None,
                body: Body::Derived(derived),
            }],
            finished: true,
        }
    }

    #[test]
    fn a_frame_with_a_record_that_cannot_be_written_is_not_made() {
        let written = encode(&frame(Value::Int(1)), FrameBuilder::new()).unwrap();
        assert_eq!(written.unwrap().records(), 1);
        let deep = (0..1_000).fold(Value::Null, |inner, _| Value::Array([inner].into()));
        assert!(encode(&frame(deep), FrameBuilder::new()).is_err());
    }
}
