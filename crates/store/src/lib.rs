//! The durable log, snapshots and history of one data folder.
//!
//! ```text
//! format                                 version, identity            folder.rs
//! lock                                   held while open              folder.rs
//! log/<first seq>-<first frame>.seg      frames of records            segment.rs, frame.rs
//! snapshots/<seq>-full|delta.snap        state at a place of the log  snapshot.rs
//! history/<first>-<next>.parquet, .crc   what happened, for ever      history.rs
//! ```
//!
//! [`Store::open`] locks the folder and checks every frame of the log. The one [`LogWriter`] lives on the log
//! thread; the driver's thread encodes with a [`FrameBuilder`]. Everything else of the [`Store`] may be called from
//! any thread, beside the writer.
//!
//! Promises: what [`LogWriter::append`] answered is on disk. What is read is what was written: every byte that
//! matters has a checksum, and damage is an error that names file and place. Only what an interrupted write left
//! behind is cut, and its bytes are reported. A failed write or sync is never retried. Nothing is removed but by a
//! stated retention, and that is counted. Every file is either complete under its name or `*.tmp`.
//!
//! Does not: fold records, know the time, start threads, use an async runtime.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod disk;

mod error;
mod folder;
mod frame;
mod history;
mod metrics;
mod options;
mod read;
mod recover;
mod retention;
mod scan;
mod segment;
mod shared;
mod snapshot;
mod store;
mod writer;

pub use error::Error;
pub use folder::FORMAT;
pub use frame::{EncodedFrame, Frame, FrameBuilder, FrameStart};
pub use history::{Counts, Kind, Page, Query, Row};
pub use metrics::{Metrics, SYNC_BUCKETS_US};
pub use options::{Keep, Options};
pub use read::Frames;
pub use recover::Recovery;
pub use retention::Kept;
pub use shared::Space;
pub use snapshot::{Entry, Kind as SnapshotKind, Loaded, SnapshotWriter};
pub use store::Store;
pub use writer::{LogWriter, MAX_FRAME_BYTES, Synced};
