//! The store: one handle on everything in a data folder.

use crate::{
    Error, Options,
    folder::Folder,
    frame::Frame,
    history::{self, Counts, History, Page, Query, Row},
    metrics::{Counters, Metrics},
    read::Frames,
    recover::{Recovered, Recovery, Tail, recover},
    retention::{Cursor, Kept, keep_house},
    shared::{Log, Shared, Space},
    snapshot::{self, Entry, Kind, Loaded, SnapshotWriter, Snapshots},
    writer::LogWriter,
};
use gemelli_event::{Partition, Record, Seq};
use parking_lot::Mutex;
use std::{
    ops::{Range, RangeInclusive},
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

/// Sizes that a segment may have; an option outside is brought inside.
const SEGMENT_BYTES: RangeInclusive<u64> = 4 << 10..=1 << 30;

/// An open data folder. Clones share it; the folder's lock goes with the last of them.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    /// Where the log goes on, until the writer is taken.
    tail: Arc<Mutex<Option<Tail>>>,
}

impl Store {
    /// Opens a folder, makes one where there is none, checks the whole log.
    pub fn open(dir: &Path, mut options: Options) -> Result<(Self, Recovery), Error> {
        options.segment_bytes = options
            .segment_bytes
            .clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
        let disk = options.disk.clone();
        let folder = Folder::open(&*disk, dir)?;
        let history = History::open(&*disk, &folder.history())?;
        let Recovered {
            segments,
            tail,
            recovery,
        } = recover(&folder, &options, history.next_seq())?;
        let (incarnation, checks) = (folder.identity.incarnation, options.checks());
        let snapshots = Snapshots::open(&*disk, &folder.snapshots(), incarnation, checks)?;
        let beyond = snapshots.newest().unwrap_or(0).max(history.next_seq());
        if beyond > tail.next_seq {
            let what = format!(
                "the log ends at record {}, though others knew records up to {beyond}",
                tail.next_seq
            );
            return Err(Error::DamagedLog {
                file: folder.log(),
                offset: 0,
                what,
            });
        }
        let metrics = Counters::default();
        metrics
            .truncated_bytes
            .store(recovery.truncated_bytes, Ordering::Relaxed);
        let shared = Arc::new(Shared {
            folder,
            options,
            log: Log::new(segments),
            history,
            snapshots: Mutex::new(snapshots),
            cursors: Mutex::default(),
            metrics,
            spare: Mutex::default(),
            spares: AtomicU64::new(0),
            left: AtomicU64::new(0),
            housekeeping: Mutex::new(()),
        });
        Ok((
            Self {
                shared,
                tail: Arc::new(Mutex::new(Some(tail))),
            },
            recovery,
        ))
    }

    /// The log's writer, once. Allocates the current segment and the spare one.
    pub fn writer(&self) -> Result<LogWriter, Error> {
        let tail = self.tail.lock().take().ok_or(Error::WriterTaken)?;
        let writer = LogWriter::new(self.shared.clone(), tail)?;
        self.shared.make_room();
        Ok(writer)
    }

    /// A number that tells this folder from every other.
    pub fn incarnation(&self) -> u64 {
        self.shared.folder.identity.incarnation
    }

    /// The record after the last durable one.
    pub fn next_seq(&self) -> Seq {
        self.shared.log.next_seq()
    }

    /// The oldest record that the log holds.
    pub fn first_seq(&self) -> Seq {
        self.shared.log.first_seq()
    }

    /// Frames from the one that holds a record on.
    pub fn frames(&self, from: Seq) -> Result<Frames, Error> {
        Frames::new(self.shared.clone(), from)
    }

    /// Calls `each` with the records from `from` on, until it answers false or the log ends. The answer is the first
    /// record that it was not called with.
    pub fn scan(
        &self,
        from: Seq,
        mut each: impl FnMut(Seq, &Record) -> bool,
    ) -> Result<Seq, Error> {
        let mut next = from;
        let mut frames = self.frames(from)?;
        while let Some(Frame {
            first_seq, records, ..
        }) = frames.next_frame()?
        {
            for (seq, record) in (first_seq..).zip(&records) {
                if seq < next {
                    continue;
                }
                if !each(seq, record) {
                    return Ok(seq);
                }
                next = seq + 1;
            }
        }
        Ok(next)
    }

    /// The segments' first records, and which offsets of a partition each holds.
    pub fn partition_index(&self, partition: Partition) -> Vec<(Seq, Option<Range<u64>>)> {
        let segments = self.shared.log.all();
        let spans = segments.iter().map(|s| {
            (
                s.header.first_seq,
                s.index.read().spans.get(partition.index()),
            )
        });
        spans.collect()
    }

    /// Whether there is room for what comes from outside. Cheap.
    pub fn space(&self) -> Space {
        self.shared.space()
    }

    /// Tries to get the reserve back. Call it every second or so while [`Store::space`] is not open.
    pub fn make_room(&self) -> Space {
        self.shared.make_room();
        self.shared.space()
    }

    /// Keeps the log from a record on for a reader that comes back, until it lags more bytes than its quota.
    pub fn set_cursor(&self, name: &str, seq: Seq, quota_bytes: u64) {
        self.shared
            .cursors
            .lock()
            .insert(name.into(), Cursor { seq, quota_bytes });
    }

    /// Forgets a reader.
    pub fn remove_cursor(&self, name: &str) {
        self.shared.cursors.lock().remove(name);
    }

    /// Housekeeping: sealed segments become history, what retention allows is removed. Call it from a thread of its
    /// own every few seconds; it may take seconds. It can be killed anywhere and repeated.
    pub fn keep_house(&self, now_ms: i64) -> Result<Kept, Error> {
        keep_house(&self.shared, now_ms)
    }

    /// Makes one larger file of history of a run of small ones, if there is one, and answers how many there were. It
    /// may take seconds; `go_on` is asked often, and its no ends the work without trace. It can be killed anywhere and
    /// repeated.
    pub fn merge_history(&self, go_on: impl Fn() -> bool) -> Result<usize, Error> {
        history::merge(&self.shared, &go_on)
    }

    /// Starts a snapshot of what all records before `seq` made. They must be durable.
    pub fn begin_snapshot(&self, seq: Seq, kind: Kind) -> Result<SnapshotWriter, Error> {
        SnapshotWriter::begin(self.shared.clone(), seq, kind)
    }

    /// What the next snapshot should be: full if there is none, or once the deltas outgrew it.
    pub fn snapshot_advice(&self) -> Kind {
        self.shared.snapshots.lock().advice()
    }

    /// Hands out what the newest whole chain of snapshots holds, each key once, in no order.
    pub fn load_snapshot(&self, mut each: impl FnMut(Entry<'_>)) -> Result<Loaded, Error> {
        snapshot::load(&self.shared, &mut each)
    }

    /// One twin's history, oldest first.
    pub fn history(&self, query: &Query) -> Result<Page, Error> {
        history::query(&self.shared, query)
    }

    /// All history from a record on, in order, until `each` answers false.
    pub fn scan_history(&self, from: Seq, mut each: impl FnMut(&Row) -> bool) -> Result<(), Error> {
        history::scan(&self.shared, from, &mut each)
    }

    /// Rows of history by interface and kind.
    pub fn history_counts(&self) -> Result<Counts, Error> {
        history::counts(&self.shared)
    }

    /// The numbers of now.
    pub fn metrics(&self) -> Metrics {
        let counters = &self.shared.metrics;
        let segments = self.shared.log.all();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let marks: usize = segments
            .iter()
            .map(|s| s.index.read().marks.capacity())
            .sum();
        let (history_files, history_bytes) = self.shared.history.size();
        Metrics {
            frames: read(&counters.frames),
            records: read(&counters.records),
            bytes: read(&counters.bytes),
            sync_us: read(&counters.sync_us),
            sync_buckets: std::array::from_fn(|i| counters.sync_buckets.get(i).map_or(0, read)),
            stopped: counters.stopped.load(Ordering::Relaxed),
            truncated_bytes: read(&counters.truncated_bytes),
            segments: segments.len() as u64,
            log_bytes: segments.iter().map(|s| s.end()).sum(),
            next_seq: self.next_seq(),
            first_seq: self.first_seq(),
            history_files,
            history_bytes,
            history_rows: read(&counters.history_rows),
            history_merged: read(&counters.history_merged),
            dropped_rows: self.shared.history.dropped_rows(),
            dropped_cursors: read(&counters.dropped_cursors),
            dropped_segments: read(&counters.dropped_segments),
            index_bytes: (marks * size_of::<crate::frame::Mark>()) as u64,
        }
    }
}
