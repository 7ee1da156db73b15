//! How much a data folder may hold, and where it is.

use crate::disk::{Disk, Real};
use gemelli_event::Record;
use std::{fmt, sync::Arc};

/// Which records become history.
pub type Keep = Arc<dyn Fn(&Record) -> bool + Send + Sync>;

/// Limits of a data folder. Bytes count what files take.
#[derive(Clone)]
pub struct Options {
    /// Size of a segment of the log. One segment beyond the current one is always allocated: it is the reserve that
    /// control and internal records use when the disk is full.
    pub segment_bytes: u64,
    /// Segments younger than this stay, unless [`Options::keep_bytes`] of younger ones are there.
    pub keep_hours: u32,
    /// As many bytes of the log stay, unless they are older than [`Options::keep_hours`].
    pub keep_bytes: u64,
    /// Most bytes of the log. Only what snapshots and unfinished history need is kept beyond it.
    pub quota_bytes: u64,
    /// Most bytes of history files; the oldest go first, counted.
    pub history_quota_bytes: u64,
    /// Small history files are merged until they have up to so many bytes: bounds the work of one merge. At most a
    /// sixteenth of [`Options::history_quota_bytes`].
    pub history_file_bytes: u64,
    /// Bytes of the log that are sorted at once when they become history: bounds the memory that this takes.
    pub slice_bytes: u64,
    /// Which of the events, derived values and changes of properties become history.
    pub keep: Keep,
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// Accepts bytes whose checksum is wrong: the negative control of the damage tests.
    #[cfg(any(test, feature = "sim"))]
    pub skip_checksums: bool,
    /// Acknowledges frames that are not on disk: the negative control of the crash tests.
    #[cfg(any(test, feature = "sim"))]
    pub skip_sync: bool,
}

const MIB: u64 = 1 << 20;

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 * MIB,
            keep_hours: 24,
            keep_bytes: 1024 * MIB,
            quota_bytes: 4 * 1024 * MIB,
            history_quota_bytes: 16 * 1024 * MIB,
            history_file_bytes: 128 * MIB,
            slice_bytes: 8 * MIB,
            keep: Arc::new(|_| true),
            disk: Arc::new(Real::default()),
            #[cfg(any(test, feature = "sim"))]
            skip_checksums: false,
            #[cfg(any(test, feature = "sim"))]
            skip_sync: false,
        }
    }
}

impl Options {
    /// For small machines: segments of 8 MiB, an eighth of everything else.
    pub fn edge() -> Self {
        let full = Self::default();
        Self {
            segment_bytes: full.segment_bytes / 8,
            keep_bytes: full.keep_bytes / 8,
            quota_bytes: full.quota_bytes / 8,
            history_quota_bytes: full.history_quota_bytes / 8,
            history_file_bytes: full.history_file_bytes / 8,
            slice_bytes: full.slice_bytes / 4,
            ..full
        }
    }

    /// Whether frames are synced.
    pub(crate) fn syncs(&self) -> bool {
        #[cfg(any(test, feature = "sim"))]
        return !self.skip_sync;
        #[cfg(not(any(test, feature = "sim")))]
        true
    }

    /// Whether checksums are to be believed.
    pub(crate) fn checks(&self) -> bool {
        #[cfg(any(test, feature = "sim"))]
        return !self.skip_checksums;
        #[cfg(not(any(test, feature = "sim")))]
        true
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("keep_hours", &self.keep_hours)
            .field("keep_bytes", &self.keep_bytes)
            .field("quota_bytes", &self.quota_bytes)
            .field("history_quota_bytes", &self.history_quota_bytes)
            .finish_non_exhaustive()
    }
}
