//! What the store's parts see in common: the folder, the list of segments, the spare segment.

use crate::{
    Error, Options, disk::DiskFile, folder::Folder, history::History, metrics::Counters,
    retention::Cursors, segment::Segment, snapshot::Snapshots,
};
use gemelli_event::Seq;
use parking_lot::{Mutex, RwLock};
use std::{
    io,
    path::PathBuf,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

/// An open data folder.
pub(crate) struct Shared {
    pub folder: Folder,
    pub options: Options,
    pub log: Log,
    pub history: History,
    pub snapshots: Mutex<Snapshots>,
    pub cursors: Mutex<Cursors>,
    pub metrics: Counters,
    /// Held by who allocates, so that two never do it at once.
    pub spare: Mutex<Option<Spare>>,
    /// Spare segments that were made so far.
    pub spares: AtomicU64,
    /// Bytes left in the current segment.
    pub left: AtomicU64,
    /// Held while housekeeping runs.
    pub housekeeping: Mutex<()>,
}

/// Whether there is room for what comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// There is: the reserve is whole.
    Open,
    /// There is none: only control and internal records may be written, into the reserve.
    Reserve {
        /// Bytes that are left in it.
        left: u64,
    },
}

impl Shared {
    pub fn take_spare(&self) -> Option<Spare> {
        self.spare.lock().take()
    }

    pub fn put_spare(&self, spare: Spare) {
        *self.spare.lock() = Some(spare);
    }

    /// Allocates the spare segment if it is missing; the answer is whether it is there.
    pub fn make_room(&self) -> bool {
        let mut spare = self.spare.lock();
        if spare.is_none() {
            *spare = Spare::make(self, self.options.segment_bytes).ok();
        }
        spare.is_some()
    }

    pub fn space(&self) -> Space {
        match *self.spare.lock() {
            Some(_) => Space::Open,
            None => Space::Reserve {
                left: self.left.load(Ordering::Relaxed),
            },
        }
    }

    pub fn note_left(&self, segment: &Segment) {
        self.left.store(
            segment.header.allocated.saturating_sub(segment.end()),
            Ordering::Relaxed,
        );
    }
}

/// A segment that has its space and no content yet.
pub(crate) struct Spare {
    pub path: PathBuf,
    pub file: Arc<dyn DiskFile>,
    pub bytes: u64,
}

impl Spare {
    /// Allocates a segment. Its name is its own: the writer may still be busy with the one that it took before.
    pub fn make(shared: &Shared, bytes: u64) -> Result<Self, Error> {
        let number = shared.spares.fetch_add(1, Ordering::Relaxed);
        let path = shared.folder.log().join(format!("spare-{number}.tmp"));
        let disk = &*shared.options.disk;
        let make = || -> io::Result<_> {
            let file = disk.create(&path)?;
            file.allocate(bytes)?;
            Ok(file)
        };
        match make() {
            Ok(file) => Ok(Self { path, file, bytes }),
            Err(error) => {
                // What was allocated before space ran out is given back.
                let _ = disk.remove(&path);
                Err(Error::io("allocate", &path, error))
            }
        }
    }
}

/// The segments in order of their records.
#[derive(Default)]
pub(crate) struct Log(RwLock<Vec<Arc<Segment>>>);

impl Log {
    pub fn new(segments: Vec<Arc<Segment>>) -> Self {
        Self(RwLock::new(segments))
    }

    /// Adds a segment; it takes the place of one without any frame.
    pub fn push(&self, segment: Arc<Segment>) {
        let mut segments = self.0.write();
        let replaced = |last: &Arc<Segment>| last.header.first_frame == segment.header.first_frame;
        if segments.last().is_some_and(replaced) {
            segments.pop();
        }
        segments.push(segment);
    }

    pub fn all(&self) -> Vec<Arc<Segment>> {
        self.0.read().clone()
    }

    pub fn first(&self) -> Option<Arc<Segment>> {
        self.0.read().first().cloned()
    }

    pub fn last(&self) -> Option<Arc<Segment>> {
        self.0.read().last().cloned()
    }

    /// The segment that holds a record, or would.
    pub fn holding(&self, seq: Seq) -> Option<Arc<Segment>> {
        let segments = self.0.read();
        let after = segments.partition_point(|s| s.header.first_seq <= seq);
        segments.get(after.wrapping_sub(1)).cloned()
    }

    /// The segment after one.
    pub fn after(&self, segment: &Segment) -> Option<Arc<Segment>> {
        let segments = self.0.read();
        let after =
            segments.partition_point(|s| s.header.first_frame <= segment.header.first_frame);
        segments.get(after).cloned()
    }

    /// Forgets the oldest segment, unless it is the last.
    pub fn forget_first(&self) -> Option<Arc<Segment>> {
        let mut segments = self.0.write();
        (segments.len() > 1).then(|| segments.remove(0))
    }

    /// The oldest record.
    pub fn first_seq(&self) -> Seq {
        self.first().map_or(0, |s| s.header.first_seq)
    }

    /// The record after the last durable one.
    pub fn next_seq(&self) -> Seq {
        self.last().map_or(0, |s| s.next_seq())
    }

    /// The log position of a record's segment, and of the end: how many bytes a reader lags behind.
    pub fn bytes_since(&self, seq: Seq) -> u64 {
        let (Some(holding), Some(last)) = (self.holding(seq).or_else(|| self.first()), self.last())
        else {
            return 0;
        };
        let from =
            holding.header.position + holding.before_seq(seq) - crate::segment::HEADER_BYTES as u64;
        last.end_position().saturating_sub(from)
    }
}
