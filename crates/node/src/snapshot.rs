//! Snapshots: the state at a place of the log, so that a start replays only the tail.
//!
//! The driver notes what changed and asks (`Requests`); the release thread adds the view of exactly that
//! place; a thread of its own (`Snapshotter`) writes while the node goes on. A snapshot that fails costs
//! nothing but its time: what it should have held is part of the next one.

use crate::{driver::Driver, options::Snapshots, state::Core};
use gemelli_broker::Broker;
use gemelli_engine::View;
use gemelli_event::{Partition, Seq};
use gemelli_model::TwinId;
use gemelli_store::{SnapshotKind as Kind, Store};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Whose an entry of a snapshot is: a twin's.
pub const TWIN: u8 = 1;
/// Whose an entry of a snapshot is: the broker's.
pub const BROKER: u8 = 2;

/// What the driver knows of a snapshot that is to be taken.
pub struct Start {
    seq: Seq,
    dirty: Vec<TwinId>,
    meta: Vec<u8>,
}

/// Decides, on the driver's thread, when a snapshot is due.
pub struct Requests {
    policy: Snapshots,
    busy: Arc<AtomicBool>,
    last_ms: i64,
    bytes: u64,
}

impl Requests {
    /// So many bytes were logged.
    pub fn logged(&mut self, bytes: u64, now_ms: i64) {
        if self.bytes == 0 {
            self.last_ms = self.last_ms.max(now_ms);
        }
        self.bytes += bytes;
    }

    /// When the driver should look again, milliseconds since 1970.
    pub fn due_ms(&self) -> Option<i64> {
        let interval = i64::try_from(self.policy.interval_ms).unwrap_or(i64::MAX);
        let due = self.last_ms.saturating_add(interval);
        (self.bytes > 0 && !self.busy.load(Ordering::Acquire)).then_some(due)
    }

    /// What is to be snapshot after the batch that was just stepped, if it is time;
    /// `wanted`: the log cannot be shortened without one; `last`: at a clean stop.
    pub fn start(
        &mut self,
        driver: &mut Driver,
        now_ms: i64,
        wanted: bool,
        last: bool,
    ) -> Option<Start> {
        let due = wanted
            || self.due_ms().is_some_and(|due| now_ms >= due)
            || self.bytes >= self.policy.log_bytes;
        if self.bytes == 0 || !(due || last) {
            return None;
        }
        // At a stop the snapshot waits for the one that is being written.
        if self.busy.swap(true, Ordering::AcqRel) && !last {
            return None;
        }
        self.bytes = 0;
        self.last_ms = now_ms;
        let seq = driver.tail().next_seq;
        let engine = driver.engine_mut();
        Some(Start {
            seq,
            dirty: engine.take_dirty(),
            meta: engine.encode_meta(),
        })
    }
}

/// Writes snapshots, one after the other.
pub struct Snapshotter {
    policy: Snapshots,
    busy: Arc<AtomicBool>,
    /// What snapshots that failed should have held.
    owed: Arc<Mutex<Owed>>,
    running: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Owed {
    twins: BTreeSet<TwinId>,
    broker: BTreeMap<String, Option<Vec<u8>>>,
}

/// Everything that one snapshot holds.
struct Work {
    start: Start,
    view: View,
    broker: Vec<gemelli_broker::Entry>,
}

impl Snapshotter {
    /// One that has written nothing yet.
    pub fn new(policy: Snapshots) -> Self {
        Self {
            policy,
            busy: Arc::default(),
            owed: Arc::default(),
            running: None,
        }
    }

    /// The driver's side.
    pub fn requests(&self) -> Requests {
        Requests {
            policy: self.policy,
            busy: self.busy.clone(),
            last_ms: 0,
            bytes: 0,
        }
    }

    /// Starts writing: `view` and the broker's state are those at the place of `start`.
    pub fn take(&mut self, core: &Arc<Core>, broker: &Broker<Core>, start: Start, view: View) {
        self.finish();
        let work = Work {
            start,
            view,
            broker: broker.take_dirty(),
        };
        // Before anything can fail: what was marked as changed is not marked again.
        self.owed.lock().add(&work);
        let idle = Idle {
            core: core.clone(),
            busy: self.busy.clone(),
        };
        let owed = self.owed.clone();
        let seq = work.start.seq;
        let written = thread::Builder::new().name("snapshot".into()).spawn(move || {
            let core = &idle.core;
            let mut owed = owed.lock();
            match write(&core.store, &work, &owed) {
                Ok(bytes) => {
                    *owed = Owed::default();
                    core.metrics.snapshots.inc();
                    tracing::debug!(seq, bytes, "snapshot written");
                }
                Err(error) => {
                    core.metrics.snapshots_failed.inc();
                    tracing::warn!(seq, %error, "the snapshot could not be written, the next one will hold more");
                }
            }
        });
        match written {
            Ok(running) => self.running = Some(running),
            Err(error) => {
                tracing::warn!(seq, %error, "no thread for a snapshot, the next one will hold more");
            }
        }
    }

    /// Waits for the one that is being written.
    pub fn finish(&mut self) {
        if let Some(running) = self.running.take()
            && running.join().is_err()
        {
            tracing::error!("a snapshot ended by a fault of the program");
        }
    }
}

/// Says at the end of a snapshot, however it ends, that the next one may begin.
struct Idle {
    core: Arc<Core>,
    busy: Arc<AtomicBool>,
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.busy.store(false, Ordering::Release);
        // The driver has to look when the next one is due.
        self.core.admission.nudge();
    }
}

impl Owed {
    fn add(&mut self, work: &Work) {
        self.twins.extend(work.start.dirty.iter().cloned());
        let entries = work
            .broker
            .iter()
            .map(|e| (key(&e.key), e.state.as_ref().map(|s| s.to_vec())));
        self.broker.extend(entries);
    }
}

fn write(store: &Store, work: &Work, owed: &Owed) -> Result<u64, gemelli_store::Error> {
    let kind = store.snapshot_advice();
    let mut writer = store.begin_snapshot(work.start.seq, kind)?;
    let broker = match kind {
        Kind::Delta => {
            for id in &owed.twins {
                let state = work.view.encode_twin(id);
                writer.put(
                    TWIN,
                    Partition::of(id.as_str()),
                    id.as_str(),
                    state.as_deref(),
                )?;
            }
            owed.broker.clone()
        }
        Kind::Full => {
            for twin in work.view.twins() {
                let state = work.view.encode_twin(twin.id());
                writer.put(
                    TWIN,
                    Partition::of(twin.id().as_str()),
                    twin.id().as_str(),
                    state.as_deref(),
                )?;
            }
            whole_broker(store, owed)?
        }
    };
    for (key, state) in &broker {
        if kind == Kind::Delta || state.is_some() {
            writer.put(BROKER, Partition::default(), key, state.as_deref())?;
        }
    }
    writer.meta(&work.start.meta)?;
    writer.finish()
}

/// All of the broker's entries: those of the last chain, and over them what changed since.
fn whole_broker(
    store: &Store,
    owed: &Owed,
) -> Result<BTreeMap<String, Option<Vec<u8>>>, gemelli_store::Error> {
    let mut all = BTreeMap::new();
    store.load_snapshot(|entry| {
        if entry.kind == BROKER {
            all.insert(entry.key.to_owned(), Some(entry.value.to_vec()));
        }
    })?;
    all.extend(owed.broker.iter().map(|(k, v)| (k.clone(), v.clone())));
    Ok(all)
}

/// The broker's keys are bytes, a snapshot's are text.
fn key(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    out
}

/// The broker's key of a snapshot's; none if it is no such key.
pub fn broker_key(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{driver::Tail, letters::Allowance, metrics::Metrics};
    use gemelli_engine::{Engine, Limits};

    #[test]
    fn while_one_is_written_no_other_begins_but_the_last() {
        let engine = Engine::new(Limits::default());
        let tail = Tail::default();
        let mut driver = Driver::new(
            engine,
            tail,
            16,
            Allowance::new(100),
            Arc::new(Metrics::default()),
        );
        let snapshots = Snapshotter::new(Snapshots {
            interval_ms: 1_000,
            log_bytes: 100,
        });
        let mut requests = snapshots.requests();
        let start = |requests: &mut Requests, driver: &mut Driver, last| {
            requests.start(driver, 0, false, last).is_some()
        };
        assert!(!start(&mut requests, &mut driver, true), "nothing to hold");
        requests.logged(100, 0);
        assert!(start(&mut requests, &mut driver, false));
        requests.logged(100, 0);
        assert_eq!(requests.due_ms(), None, "nothing to wake up for");
        assert!(!start(&mut requests, &mut driver, false), "one is written");
        assert!(start(&mut requests, &mut driver, true), "a stop waits");
        requests.logged(100, 0);
        snapshots.busy.store(false, Ordering::Release);
        assert!(start(&mut requests, &mut driver, false), "it was written");
    }

    #[test]
    fn keys_go_through_text() {
        for bytes in [&b""[..], b"a", &[0, 255, 16]] {
            assert_eq!(broker_key(&key(bytes)).as_deref(), Some(bytes));
        }
        assert_eq!(broker_key("abc"), None);
        assert_eq!(broker_key("zz"), None);
    }
}
