//! Numbers about the store, counted as it works and read at any time.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the buckets of the sync histogram, in microseconds; one more bucket takes the rest.
pub const SYNC_BUCKETS_US: [u64; 14] = [
    50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400, 204_800,
    1_000_000,
];

/// Counters, since the folder was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub frames: AtomicU64,
    pub records: AtomicU64,
    pub bytes: AtomicU64,
    pub sync_us: AtomicU64,
    pub sync_buckets: [AtomicU64; SYNC_BUCKETS_US.len() + 1],
    pub stopped: AtomicBool,
    pub truncated_bytes: AtomicU64,
    pub history_rows: AtomicU64,
    pub history_merged: AtomicU64,
    pub dropped_cursors: AtomicU64,
    pub dropped_segments: AtomicU64,
}

impl Counters {
    pub fn frame(&self, bytes: u64, took: Duration) {
        let us = took.as_micros().min(u64::MAX.into()) as u64;
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.sync_us.fetch_add(us, Ordering::Relaxed);
        let bucket = SYNC_BUCKETS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.sync_buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The numbers at one moment. Counts are since the folder was opened, sizes are of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Frames written.
    pub frames: u64,
    /// Records written.
    pub records: u64,
    /// Bytes written to the log.
    pub bytes: u64,
    /// Time of all writes and syncs, microseconds.
    pub sync_us: u64,
    /// Writes and syncs by how long they took: see [`SYNC_BUCKETS_US`].
    pub sync_buckets: [u64; SYNC_BUCKETS_US.len() + 1],
    /// A write or sync failed: the log takes nothing more.
    pub stopped: bool,
    /// Bytes that were cut from the log's end when the folder was opened.
    pub truncated_bytes: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Bytes of their frames.
    pub log_bytes: u64,
    /// Records before this one are durable.
    pub next_seq: u64,
    /// The oldest record in the log.
    pub first_seq: u64,
    /// History files.
    pub history_files: u64,
    /// Their bytes.
    pub history_bytes: u64,
    /// Rows that became history.
    pub history_rows: u64,
    /// History files that became part of larger ones.
    pub history_merged: u64,
    /// Rows of history that were dropped by the quota, ever.
    pub dropped_rows: u64,
    /// Cursors that were dropped by their quota.
    pub dropped_cursors: u64,
    /// Segments of the log that retention removed.
    pub dropped_segments: u64,
    /// Bytes of memory that the index of the log's history takes.
    pub index_bytes: u64,
}

impl Metrics {
    /// A bound below which that share (0 to 1) of the syncs took, in microseconds.
    pub fn sync_quantile_us(&self, share: f64) -> u64 {
        let total: u64 = self.sync_buckets.iter().sum();
        let wanted = (total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (count, bound) in self.sync_buckets.iter().zip(SYNC_BUCKETS_US) {
            seen += count;
            if seen >= wanted {
                return bound;
            }
        }
        u64::MAX
    }
}
