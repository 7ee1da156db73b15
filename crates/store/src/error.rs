//! What can go wrong with a data folder.

use gemelli_event::Seq;
use std::{io, path::Path, path::PathBuf};

/// Why an operation on the data folder failed. [`Error::code`] is stable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the folder open.
    #[error("the data folder {} is in use by {}", dir.display(), holder(*pid))]
    FolderLocked {
        /// The folder.
        dir: PathBuf,
        /// The process that holds the lock, where it could be read.
        pid: Option<u32>,
    },
    /// A newer release wrote the file. Nothing was touched.
    #[error("{} has format {found}, this release knows formats up to {known}", file.display())]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest version that this release reads.
        known: u32,
    },
    /// The log is damaged at a place that was proven to be on disk.
    #[error("the log is damaged in {} at byte {offset}: {what}", file.display())]
    DamagedLog {
        /// The file.
        file: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What was met there.
        what: String,
    },
    /// No snapshot can be loaded from which the log leads to the present.
    #[error("the snapshot {} is damaged at byte {offset}: {what}, and the log no longer reaches back to an earlier one", file.display())]
    DamagedSnapshot {
        /// The file.
        file: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What was met there.
        what: String,
    },
    /// A history file cannot be read.
    #[error("the history file {} cannot be read: {what}", file.display())]
    DamagedHistory {
        /// The file.
        file: PathBuf,
        /// What was met there.
        what: String,
    },
    /// No space is left. Where the log's writer says so before it has written anything, the same frame may be given
    /// to it again later.
    #[error("no space is left for {}", path.display())]
    DiskFull {
        /// What could not be written.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A write or sync of the log failed before: nothing is written any more until the process starts again.
    #[error("the log takes no more records since {why}")]
    Stopped {
        /// What failed.
        why: String,
    },
    /// A frame does not follow the one before it.
    #[error("the log continues at record {expected}, this frame starts at {found}")]
    OutOfOrder {
        /// The log's next record.
        expected: Seq,
        /// The frame's first record.
        found: Seq,
    },
    /// A frame is larger than any may be. Nothing was written.
    #[error(
        "a frame of {bytes} bytes is too large, end frames below {} bytes",
        crate::MAX_FRAME_BYTES
    )]
    FrameTooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// The log no longer holds records that far back.
    #[error("the log holds records from {first} on, {from} is no longer kept")]
    NotKept {
        /// The record asked for.
        from: Seq,
        /// The oldest record in the log.
        first: Seq,
    },
    /// A snapshot would not follow the newest one.
    #[error("a snapshot at record {seq} cannot follow the newest one, which is {}", newest_at(*newest))]
    NoSnapshotBefore {
        /// Where it was to be.
        seq: Seq,
        /// Where the newest one is.
        newest: Option<Seq>,
    },
    /// The log's writer was taken before.
    #[error("the log has one writer and it is in use")]
    WriterTaken,
}

impl Error {
    /// The error's stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::FolderLocked { .. } => "folder-locked",
            Self::NewerFormat { .. } => "newer-format",
            Self::DamagedLog { .. } => "damaged-log",
            Self::DamagedSnapshot { .. } => "damaged-snapshot",
            Self::DamagedHistory { .. } => "damaged-history",
            Self::DiskFull { .. } => "disk-full",
            Self::Io { .. } => "disk-failed",
            Self::Stopped { .. } | Self::WriterTaken | Self::OutOfOrder { .. } => "log-stopped",
            Self::FrameTooLarge { .. } => "too-large",
            Self::NotKept { .. } => "not-kept",
            Self::NoSnapshotBefore { .. } => "no-snapshot-before",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::FolderLocked { .. } => "stop that one, or name another folder with --data",
            Self::NewerFormat { .. } => "start the release that wrote it, or a newer one",
            Self::DamagedLog { .. } | Self::DamagedSnapshot { .. } => {
                "keep a copy, then restore the folder from a backup or start with an empty one"
            }
            Self::DamagedHistory { .. } => {
                "restore it from a backup, or move it away to go on without its rows"
            }
            Self::DiskFull { .. } => "free some, or lower the quotas",
            Self::Io { .. } => "check the disk, and who owns the data folder",
            Self::Stopped { .. } | Self::WriterTaken | Self::OutOfOrder { .. } => {
                "restart once the disk is well"
            }
            Self::FrameTooLarge { .. } => "send less at once",
            Self::NotKept { .. } => "read the history, or keep more of the log",
            Self::NoSnapshotBefore { .. } => "write a full one at a later record",
        }
    }

    /// Wraps what the operating system said.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path: path.into() }
            }
            _ => Self::Io {
                doing,
                path: path.into(),
                source,
            },
        }
    }
}

fn newest_at(newest: Option<Seq>) -> String {
    newest.map_or_else(|| "none".into(), |seq| format!("at record {seq}"))
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}
