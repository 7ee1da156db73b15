//! What the threads, the broker and the callers of a node share.

use crate::{
    admission::{Admission, Closed},
    clock::Clock,
    connections::Connections,
    driver::Frame,
    keeping::Keeping,
    letters::Letters,
    metrics::Metrics,
    options::Options,
    rate::Rate,
    scan::Scans,
};
use gemelli_engine::View;
use gemelli_event::Seq;
use gemelli_store::Store;
use parking_lot::{Mutex, RwLock};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::{broadcast, watch};

/// What readers see: the state after the last released frame.
#[derive(Clone, Debug)]
pub struct Published {
    /// All twins and definitions.
    pub view: View,
    /// The place after the last released record.
    pub next_seq: Seq,
}

/// A released frame, as live readers are told of it.
#[derive(Clone, Debug)]
pub struct Live {
    /// The place of its first record.
    pub first_seq: Seq,
    /// The place after its last record.
    pub next_seq: Seq,
    /// The frame itself; none if it is large: the log has it.
    pub frame: Option<Arc<Frame>>,
}

/// How the node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It reads and writes.
    #[default]
    Well,
    /// The disk is full: reads go on, writes are refused until there is space.
    DiskFull(String),
    /// The log failed: reads of the last durable state go on, writes end until a restart.
    ReadOnly(String),
}

/// Shared by all parts of a node.
pub struct Core {
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) admission: Admission,
    pub(crate) connections: Connections,
    pub(crate) keeping: Keeping,
    pub(crate) scans: Scans,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) rate: Rate,
    pub(crate) letters: Mutex<Letters>,
    pub(crate) store: Store,
    pub(crate) access: crate::access::Access,
    pub(crate) released: watch::Sender<u64>,
    /// The highest admission number that relaxed connections may acknowledge.
    pub(crate) judged: watch::Sender<u64>,
    pub(crate) stream: broadcast::Sender<Live>,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) failed: watch::Sender<bool>,
    /// A frame waits for room on the disk.
    pub(crate) stalled: AtomicBool,
    /// The log cannot be shortened without a new snapshot.
    pub(crate) wants_snapshot: AtomicBool,
    published: RwLock<Arc<Published>>,
    health: Mutex<Health>,
    abandoned: AtomicBool,
}

/// What a core is made of.
pub(crate) struct Parts {
    pub options: Options,
    pub clock: Arc<dyn Clock>,
    pub store: Store,
    pub access: crate::access::Access,
    pub view: View,
    pub next_seq: Seq,
    pub letters: Letters,
    pub metrics: Arc<Metrics>,
    pub keeping: Keeping,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            options,
            clock,
            store,
            access,
            view,
            next_seq,
            letters,
            metrics,
            keeping,
        } = parts;
        let limits = &options.limits;
        Self {
            admission: Admission::new(limits.backlog_bytes),
            connections: Connections::default(),
            keeping,
            scans: Scans::default(),
            rate: Rate::default(),
            released: watch::Sender::new(0),
            judged: watch::Sender::new(0),
            stream: broadcast::Sender::new(limits.stream_frames.max(1)),
            stopping: watch::Sender::new(false),
            failed: watch::Sender::new(false),
            stalled: AtomicBool::new(false),
            wants_snapshot: AtomicBool::new(false),
            published: RwLock::new(Arc::new(Published { view, next_seq })),
            health: Mutex::default(),
            abandoned: AtomicBool::new(false),
            letters: Mutex::new(letters),
            metrics,
            options,
            clock,
            store,
            access,
        }
    }

    /// What readers see now.
    pub fn published(&self) -> Arc<Published> {
        self.published.read().clone()
    }

    pub(crate) fn publish(&self, published: Published) {
        self.connections.follow(published.view.definitions());
        self.keeping.follow(published.view.definitions());
        let published = Arc::new(published);
        let before = std::mem::replace(&mut *self.published.write(), published);
        // The last reader frees what only the old view holds: not under the lock.
        drop(before);
    }

    /// How the node is.
    pub fn health(&self) -> Health {
        self.health.lock().clone()
    }

    /// The log failed for good: nothing is admitted any more, the last durable view stays.
    pub(crate) fn fail(&self, reason: &str) {
        tracing::error!(
            reason,
            "the log failed: the node only reads until it is restarted"
        );
        *self.health.lock() = Health::ReadOnly(reason.into());
        self.admission.close(Closed::ReadOnly(reason.into()));
        self.failed.send_replace(true);
    }

    /// Something that may pass.
    pub(crate) fn degrade(&self, health: Health) {
        tracing::warn!(?health, "the node takes no writes");
        *self.health.lock() = health;
    }

    /// It has passed.
    pub(crate) fn heal(&self) {
        let mut health = self.health.lock();
        if !matches!(*health, Health::ReadOnly(_)) {
            *health = Health::Well;
            tracing::info!("the node takes writes again");
        }
    }

    /// The node is dropped without a stop: its threads end where they stand.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.admission.close(Closed::Stopping);
        self.stopping.send_replace(true);
    }

    pub(crate) fn abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }
}
