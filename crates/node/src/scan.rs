//! The log by topic, for sessions that were away: one reading serves all of them.
//!
//! After a restart thousands of sessions look for their messages at once. The log is therefore read in
//! stretches; of each stretch a table of topics is made once and kept for a while, so that a session costs a
//! look at the stretch's topics, not at its records. The last released frames are noted the same way while
//! somebody catches up. Bounded: two stretches are read at a time, [`STRETCHES`] tables and [`RECENT`] frames are
//! kept, each with at most [`KEPT_BYTES`] of messages in it.

use crate::{pipeline, state::Core};
use gemelli_broker::{
    Delivery,
    host::{Scanned, Wanted},
};
use gemelli_event::{Body, Category, Record, Seq};
use gemelli_store::{Error, Store};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Records of one stretch of the log.
pub const STRETCH: u64 = 65_536;
/// Tables that are kept.
pub const STRETCHES: usize = 32;
/// Bytes of messages that a table holds, so that they need not be read again.
pub const KEPT_BYTES: usize = 1 << 20;
/// Released frames that are kept by topic while sessions catch up.
pub const RECENT: usize = 64;
/// Tables nobody asked for during this time are dropped.
const IDLE: Duration = Duration::from_secs(30);
/// Pause of a session whose reading of the log failed.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// Stretches that are read at a time.
const READERS: usize = 2;

/// The topics of one stretch of the log.
struct Table {
    first: Seq,
    next: Seq,
    /// The places of each topic's messages, counted from `first`, rising.
    topics: HashMap<Arc<str>, Vec<u32>>,
    /// Messages by place: all that are not reports of devices, as far as they fit.
    kept: HashMap<u32, Delivery>,
    bytes: usize,
}

/// What a session wants.
#[derive(Clone, Copy)]
pub(crate) enum Wish<'a> {
    /// Whatever the function says yes to.
    Matching(Wanted<'a>),
    /// Exactly these topics.
    Topics(&'a [Arc<str>]),
}

/// The last released frames, by topic: where sessions that catch up join the live ones. They must not wait
/// for the disk there, or the log would have grown when they are done, for ever.
#[derive(Default)]
struct Recent {
    tables: VecDeque<Arc<Table>>,
}

/// The tables of the last stretches that somebody asked for.
pub struct Scans {
    tables: Mutex<VecDeque<Arc<Table>>>,
    recent: Mutex<Recent>,
    asked: Mutex<Instant>,
    active: AtomicBool,
    /// Whoever builds a table holds it, so that the others find it built.
    building: tokio::sync::Mutex<()>,
    readers: Arc<Semaphore>,
}

impl Default for Scans {
    fn default() -> Self {
        Self {
            tables: Mutex::default(),
            recent: Mutex::default(),
            asked: Mutex::new(Instant::now()),
            active: AtomicBool::new(false),
            building: tokio::sync::Mutex::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }
}

/// What the last released frames say about a place.
enum Latest {
    /// It is older than they are.
    Older,
    /// It is in this frame.
    In(Arc<Table>),
    /// It comes after the last of them.
    End,
}

impl Scans {
    /// Somebody asks.
    fn ask(&self) {
        *self.asked.lock() = Instant::now();
        self.active.store(true, Ordering::Release);
    }

    /// Drops the tables if nobody asked for a while.
    pub fn rest(&self) {
        if self.active.load(Ordering::Acquire) && self.asked.lock().elapsed() > IDLE {
            self.active.store(false, Ordering::Release);
            self.tables.lock().clear();
            self.recent.lock().tables.clear();
        }
    }

    /// Whether released frames are to be noted.
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// Notes a released frame.
    pub fn note(&self, first: Seq, next: Seq, deliveries: &[Delivery]) {
        let mut table = Table::new(first);
        table.next = next;
        for delivery in deliveries {
            table.add(delivery.clone(), true);
        }
        let mut recent = self.recent.lock();
        if recent.tables.back().is_some_and(|last| last.next != first) {
            recent.tables.clear();
        }
        if recent.tables.len() >= RECENT {
            recent.tables.pop_front();
        }
        recent.tables.push_back(Arc::new(table));
    }

    fn latest(&self, from: Seq) -> Latest {
        let recent = self.recent.lock();
        match (recent.tables.front(), recent.tables.back()) {
            (Some(_), Some(last)) if from >= last.next => Latest::End,
            (Some(first), _) if from >= first.first => {
                let at = recent.tables.partition_point(|table| table.next <= from);
                recent
                    .tables
                    .get(at)
                    .cloned()
                    .map_or(Latest::Older, Latest::In)
            }
            _ => Latest::Older,
        }
    }

    fn find(&self, from: Seq) -> Option<Arc<Table>> {
        self.tables
            .lock()
            .iter()
            .find(|t| (t.first..t.next).contains(&from))
            .cloned()
    }

    /// Where the stretch that holds `from` has to be read from: after what is known of it.
    fn start(&self, from: Seq) -> Seq {
        let border = from - from % STRETCH;
        let tables = self.tables.lock();
        let known = tables
            .iter()
            .map(|t| t.next)
            .filter(|next| (border..=from).contains(next));
        known.max().unwrap_or(border)
    }

    fn keep(&self, table: Arc<Table>) {
        let mut tables = self.tables.lock();
        if tables.len() >= STRETCHES {
            tables.pop_front();
        }
        tables.push_back(table);
    }
}

impl Core {
    /// Wanted messages from `from` on, at most `limit`, nothing that is not released.
    pub(crate) async fn scan_topics(&self, from: Seq, limit: usize, wish: Wish<'_>) -> Scanned {
        self.scans.ask();
        let oldest = self.store.first_seq();
        let lost = oldest.saturating_sub(from);
        let mut scanned = Scanned {
            found: Vec::new(),
            next: from.max(oldest.min(self.published().next_seq)),
            lost,
            failed: false,
        };
        while scanned.found.len() < limit {
            let table = match self.scans.latest(scanned.next) {
                Latest::In(table) => table,
                Latest::End => break,
                Latest::Older => {
                    let until = self.published().next_seq;
                    if scanned.next >= until {
                        break;
                    }
                    let Some(table) = self.table(scanned.next, until).await else {
                        scanned.failed = true;
                        break;
                    };
                    table
                }
            };
            let (places, next) = table.places(scanned.next, limit - scanned.found.len(), wish);
            if !places.is_empty() {
                let Some(messages) = self.messages(&table, &places).await else {
                    scanned.failed = true;
                    break;
                };
                scanned.found.extend(messages);
            }
            scanned.next = next;
        }
        if scanned.failed {
            tokio::time::sleep(FAILED_PAUSE).await;
        }
        scanned
    }

    async fn table(&self, from: Seq, until: Seq) -> Option<Arc<Table>> {
        let scans = &self.scans;
        if let Some(table) = scans.find(from) {
            return Some(table);
        }
        let _building = scans.building.lock().await;
        if let Some(table) = scans.find(from) {
            return Some(table);
        }
        let start = scans.start(from).max(self.store.first_seq());
        let end = (from - from % STRETCH + STRETCH).min(until);
        let table = Arc::new(
            self.on_disk(move |store| Table::read(store, start, end))
                .await?,
        );
        if table.next <= from {
            return None;
        }
        scans.keep(table.clone());
        Some(table)
    }

    /// The messages at these places: those of the table, the others out of the log. `None`: it cannot be read.
    async fn messages(&self, table: &Table, places: &[u32]) -> Option<Vec<Delivery>> {
        let absent: HashSet<u32> = places
            .iter()
            .filter(|p| !table.kept.contains_key(p))
            .copied()
            .collect();
        let mut read = HashMap::new();
        if let (Some(least), Some(most)) = (absent.iter().min(), absent.iter().max()) {
            let (first, from, to) = (
                table.first,
                table.first + u64::from(*least),
                table.first + u64::from(*most),
            );
            let messages = self.on_disk(move |store| {
                let mut read = HashMap::new();
                store.scan(from, |seq, record| {
                    let place = u32::try_from(seq - first).unwrap_or(u32::MAX);
                    if absent.contains(&place) {
                        read.extend(
                            pipeline::delivery(seq, record).map(|delivery| (place, delivery)),
                        );
                    }
                    seq < to
                })?;
                Ok(read)
            });
            read = messages.await?;
        }
        let message = |p| table.kept.get(p).cloned().or_else(|| read.remove(p));
        Some(places.iter().filter_map(message).collect())
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    ) -> Option<T> {
        let permit = self.scans.readers.clone().acquire_owned().await.ok()?;
        let store = self.store.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            read(&store)
        });
        match read.await {
            Ok(Ok(read)) => Some(read),
            Ok(Err(error)) => {
                tracing::error!(%error, "the log cannot be read for a session");
                None
            }
            Err(_) => None,
        }
    }
}

impl Table {
    fn new(first: Seq) -> Self {
        Self {
            first,
            next: first,
            topics: HashMap::new(),
            kept: HashMap::new(),
            bytes: 0,
        }
    }

    fn add(&mut self, delivery: Delivery, keep: bool) {
        let place = u32::try_from(delivery.seq - self.first).unwrap_or(u32::MAX);
        let message = &delivery.message;
        match self.topics.get_mut(&message.topic) {
            Some(places) => places.push(place),
            None => {
                self.topics.insert(message.topic.clone(), vec![place]);
            }
        }
        let size = message.payload.len() + message.properties.len() + message.topic.len();
        if keep && self.bytes + size <= KEPT_BYTES {
            self.bytes += size;
            self.kept.insert(place, delivery);
        }
    }

    fn read(store: &Store, first: Seq, end: Seq) -> Result<Self, Error> {
        let mut table = Self::new(first);
        table.next = store.scan(first, |seq, record| {
            if seq >= end {
                return false;
            }
            if let Some(delivery) = pipeline::delivery(seq, record) {
                table.add(delivery, !is_report(record));
            }
            true
        })?;
        Ok(table)
    }

    /// The places of wanted messages from `from` on, at most `limit`, and where to go on.
    fn places(&self, from: Seq, limit: usize, wish: Wish<'_>) -> (Vec<u32>, Seq) {
        let least = u32::try_from(from.saturating_sub(self.first)).unwrap_or(u32::MAX);
        let later = |places: &Vec<u32>| places.last().is_some_and(|last| *last >= least);
        let mut found: Vec<u32> = Vec::new();
        let mut take =
            |places: &Vec<u32>| found.extend(places.iter().filter(|place| **place >= least));
        match wish {
            Wish::Topics(topics) => topics
                .iter()
                .filter_map(|t| self.topics.get(t))
                .filter(|p| later(p))
                .for_each(&mut take),
            // Most topics of a stretch have nothing new for a session near its end: look at the places first.
            Wish::Matching(wanted) => {
                let all = self.topics.iter().filter(|(_, places)| later(places));
                all.filter(|(topic, _)| wanted(topic))
                    .for_each(|(_, places)| take(places));
            }
        }
        found.sort_unstable();
        found.dedup();
        let next = match found.len() > limit {
            true => {
                found.truncate(limit);
                found
                    .last()
                    .map_or(from, |last| self.first + u64::from(*last) + 1)
            }
            false => self.next,
        };
        (found, next)
    }
}

/// Devices' reports are most of a log, and few sessions want them.
fn is_report(record: &Record) -> bool {
    matches!(&record.body, Body::Event(event) if event.category == Category::Real)
}
