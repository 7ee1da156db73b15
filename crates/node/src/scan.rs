//! The log by topic, for sessions that were away: one reading serves all of them.
//!
//! After a restart thousands of sessions look for their messages at once. The log is therefore read in
//! stretches; of each stretch a table of topics is made once and kept for a while, so that a session costs a
//! look at the stretch's topics, not at its records. Bounded: two stretches are read at a time,
//! [`STRETCHES`] tables are kept, each with at most [`KEPT_BYTES`] of messages in it.

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
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Records of one stretch of the log.
pub const STRETCH: u64 = 65_536;
/// Tables that are kept.
pub const STRETCHES: usize = 32;
/// Bytes of messages that a table holds, so that they need not be read again.
pub const KEPT_BYTES: usize = 1 << 20;
/// Tables nobody asked for during this time are dropped.
const IDLE: Duration = Duration::from_secs(30);
/// Stretches that are read at a time.
const READERS: usize = 2;

/// The topics of one stretch of the log.
struct Table {
    first: Seq,
    next: Seq,
    /// Each topic once, with the places of its messages counted from `first`.
    topics: Vec<(Arc<str>, Vec<u32>)>,
    /// Messages by place: all that are not reports of devices, as far as they fit.
    kept: HashMap<u32, Delivery>,
}

/// The tables of the last stretches that somebody asked for.
pub struct Scans {
    tables: Mutex<VecDeque<Arc<Table>>>,
    asked: Mutex<Instant>,
    /// Whoever builds a table holds it, so that the others find it built.
    building: tokio::sync::Mutex<()>,
    readers: Arc<Semaphore>,
}

impl Default for Scans {
    fn default() -> Self {
        Self {
            tables: Mutex::default(),
            asked: Mutex::new(Instant::now()),
            building: tokio::sync::Mutex::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }
}

impl Scans {
    /// Drops the tables if nobody asked for a while.
    pub fn rest(&self) {
        if self.asked.lock().elapsed() > IDLE {
            self.tables.lock().clear();
        }
    }

    fn find(&self, from: Seq) -> Option<Arc<Table>> {
        self.tables.lock().iter().find(|t| (t.first..t.next).contains(&from)).cloned()
    }

    /// Where the stretch that holds `from` has to be read from: after what is known of it.
    fn start(&self, from: Seq) -> Seq {
        let border = from - from % STRETCH;
        let tables = self.tables.lock();
        let known = tables.iter().map(|t| t.next).filter(|next| (border..=from).contains(next));
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
    /// Messages on wanted topics from `from` on, at most `limit`, nothing that is not released.
    pub(crate) async fn scan_topics(&self, from: Seq, limit: usize, wanted: Wanted<'_>) -> Scanned {
        let until = self.published().next_seq;
        let oldest = self.store.first_seq();
        let lost = oldest.saturating_sub(from);
        let mut scanned = Scanned { found: Vec::new(), next: from.max(oldest.min(until)), lost };
        while scanned.next < until && scanned.found.len() < limit {
            let Some(table) = self.table(scanned.next, until).await else { break };
            let room = limit - scanned.found.len();
            let (places, next) = table.places(scanned.next, until, room, wanted);
            scanned.found.extend(self.messages(&table, &places).await);
            scanned.next = next;
            // Others have their turn too.
            tokio::task::yield_now().await;
        }
        scanned
    }

    async fn table(&self, from: Seq, until: Seq) -> Option<Arc<Table>> {
        let scans = &self.scans;
        *scans.asked.lock() = Instant::now();
        if let Some(table) = scans.find(from) {
            return Some(table);
        }
        let _building = scans.building.lock().await;
        if let Some(table) = scans.find(from) {
            return Some(table);
        }
        let start = scans.start(from).max(self.store.first_seq());
        let end = (from - from % STRETCH + STRETCH).min(until);
        let table = Arc::new(self.on_disk(move |store| Table::read(store, start, end)).await?);
        if table.next <= from {
            return None;
        }
        scans.keep(table.clone());
        Some(table)
    }

    /// The messages at these places: those of the table, the others out of the log.
    async fn messages(&self, table: &Table, places: &[u32]) -> Vec<Delivery> {
        let absent: HashSet<u32> = places.iter().filter(|p| !table.kept.contains_key(p)).copied().collect();
        let mut read = HashMap::new();
        if let (Some(least), Some(most)) = (absent.iter().min(), absent.iter().max()) {
            let (first, from, to) = (table.first, table.first + u64::from(*least), table.first + u64::from(*most));
            let messages = self.on_disk(move |store| {
                let mut read = HashMap::new();
                store.scan(from, |seq, record| {
                    let place = u32::try_from(seq - first).unwrap_or(u32::MAX);
                    if absent.contains(&place) {
                        read.extend(pipeline::delivery(seq, record).map(|delivery| (place, delivery)));
                    }
                    seq < to
                })?;
                Ok(read)
            });
            read = messages.await.unwrap_or_default();
        }
        places.iter().filter_map(|p| table.kept.get(p).cloned().or_else(|| read.remove(p))).collect()
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
    fn read(store: &Store, first: Seq, end: Seq) -> Result<Self, Error> {
        let mut table = Self { first, next: first, topics: Vec::new(), kept: HashMap::new() };
        let mut numbers: HashMap<Arc<str>, usize> = HashMap::new();
        let mut bytes = 0;
        table.next = store.scan(first, |seq, record| {
            if seq >= end {
                return false;
            }
            let Some(delivery) = pipeline::delivery(seq, record) else { return true };
            let place = u32::try_from(seq - first).unwrap_or(u32::MAX);
            let topic = &delivery.message.topic;
            let number = match numbers.get(topic) {
                Some(number) => *number,
                None => {
                    table.topics.push((topic.clone(), Vec::new()));
                    numbers.insert(topic.clone(), table.topics.len() - 1);
                    table.topics.len() - 1
                }
            };
            if let Some((_, places)) = table.topics.get_mut(number) {
                places.push(place);
            }
            let size = delivery.message.payload.len() + delivery.message.properties.len() + topic.len();
            if !is_report(record) && bytes + size <= KEPT_BYTES {
                bytes += size;
                table.kept.insert(place, delivery);
            }
            true
        })?;
        Ok(table)
    }

    /// The places of wanted messages, at most `limit`, and where to go on.
    fn places(&self, from: Seq, until: Seq, limit: usize, wanted: Wanted<'_>) -> (Vec<u32>, Seq) {
        let least = u32::try_from(from.saturating_sub(self.first)).unwrap_or(u32::MAX);
        let mut found: Vec<u32> = Vec::new();
        for (topic, places) in &self.topics {
            // Most topics of a stretch have nothing new for a session near its end: look at the places first.
            if places.last().is_some_and(|last| *last >= least) && wanted(topic) {
                found.extend(places.iter().filter(|place| **place >= least));
            }
        }
        found.sort_unstable();
        let next = match found.len() > limit {
            true => {
                found.truncate(limit);
                found.last().map_or(from, |last| self.first + u64::from(*last) + 1)
            }
            false => self.next,
        };
        (found, next.min(until.max(from)))
    }
}

/// Devices' reports are most of a log, and few sessions want them.
fn is_report(record: &Record) -> bool {
    matches!(&record.body, Body::Event(event) if event.category == Category::Real)
}
