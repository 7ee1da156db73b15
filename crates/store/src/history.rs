//! History: what happened to twins, in Parquet files for sealed segments and in the log for the others.
//!
//! `history/<first>-<next>.parquet` holds the rows of one segment, `….crc` beside it the checksums of its blocks.
//! A row group covers a slice of the log and is sorted by twin, then by place, so that one twin's rows are together
//! and row groups follow each other in the log's order. A file counts once it has its name; the rest of a conversion
//! that was killed is removed at the next start. Small files are merged into larger ones: a file within the range of
//! a larger one is the rest of a merge that was killed, and goes at the next start.
//!
//! Readers see files and unsealed segments as one, each row once: files serve what they cover, the log the rest.

mod blocks;
mod file;
mod merge;
mod parquet;
mod query;
mod row;

pub use query::{Counts, Page, Query};
pub use row::{Kind, Row};

pub(crate) use merge::merge;
pub(crate) use query::{counts, query, scan};

use crate::{
    Error,
    disk::{Disk, read_file, write_file},
    frame::subject,
    read::{body_of, damaged, header_of},
    scan::Window,
    segment::{HEADER_BYTES, Segment},
    shared::Shared,
};
use file::HistoryFile;
use gemelli_event::{Seq, codec::Decoder};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where the number of dropped rows is written down.
const DROPPED_FILE: &str = "dropped";

/// The history files of a folder.
pub(crate) struct History {
    dir: PathBuf,
    files: RwLock<Vec<Arc<HistoryFile>>>,
    dropped: Mutex<u64>,
    /// Parsed footers of the files that were read last.
    footers: parquet::Footers,
    /// Files, by their first record, that could not be merged: they are left alone until the next start.
    spared: Mutex<BTreeSet<Seq>>,
}

impl History {
    pub fn open(disk: &dyn Disk, dir: &Path) -> Result<Self, Error> {
        let files = file::open_all(disk, dir)?;
        let dropped = match read_file(disk, &dir.join(DROPPED_FILE)) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim().parse().unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(Error::io("read", &dir.join(DROPPED_FILE), error)),
        };
        Ok(Self {
            dir: dir.into(),
            files: RwLock::new(files),
            dropped: Mutex::new(dropped),
            footers: parquet::Footers::default(),
            spared: Mutex::default(),
        })
    }

    /// A file takes the place of those that it was made of.
    fn replace(&self, merged: HistoryFile) {
        let mut files = self.files.write();
        files.retain(|file| file.next <= merged.first || file.first >= merged.next);
        let at = files.partition_point(|file| file.first < merged.first);
        files.insert(at, Arc::new(merged));
    }

    /// Records before this one are in the files.
    pub fn next_seq(&self) -> Seq {
        self.files.read().last().map_or(0, |file| file.next)
    }

    pub fn files(&self) -> Vec<Arc<HistoryFile>> {
        self.files.read().clone()
    }

    /// Number and bytes of the files.
    pub fn size(&self) -> (u64, u64) {
        let files = self.files.read();
        (
            files.len() as u64,
            files.iter().map(|file| file.bytes).sum(),
        )
    }

    /// Rows that the quota dropped, ever.
    pub fn dropped_rows(&self) -> u64 {
        *self.dropped.lock()
    }

    /// Removes the oldest files beyond the quota, never the newest. The answer is the rows that went.
    pub fn enforce_quota(&self, shared: &Shared) -> Result<u64, Error> {
        let disk = &*shared.options.disk;
        let mut rows = 0;
        loop {
            let (count, bytes) = self.size();
            if count <= 1 || bytes <= shared.options.history_quota_bytes {
                return Ok(rows);
            }
            let oldest = self.files.write().remove(0);
            let total = {
                let mut dropped = self.dropped.lock();
                *dropped += oldest.rows;
                *dropped
            };
            rows += oldest.rows;
            // Counted before it is gone: a kill between the two removes it again, and counts it twice at worst.
            write_file(
                disk,
                &self.dir,
                DROPPED_FILE,
                format!("{total}\n").as_bytes(),
            )
            .map_err(|e| Error::io("write", &self.dir.join(DROPPED_FILE), e))?;
            let old = (oldest.path.clone(), oldest.checksums.clone());
            file::remove(disk, &self.dir, &[old])?;
        }
    }
}

/// Makes a sealed segment a history file. The answer is the number of rows. Repeating it does no harm.
pub(crate) fn convert(shared: &Shared, segment: &Segment) -> Result<u64, Error> {
    let (first, next) = (segment.header.first_seq, segment.next_seq());
    let disk = &*shared.options.disk;
    let dir = &shared.history.dir;
    let mut writer = parquet::Writer::create(disk, dir, first, next)?;
    let mut slice = Vec::new();
    let mut slice_start = HEADER_BYTES as u64;
    let mut reader = Walk::new(segment, HEADER_BYTES as u64);
    while let Some((place, header, records)) = reader.next(shared)? {
        for (seq, record) in (header.first_seq..).zip(&records) {
            if subject(record).is_some()
                && (shared.options.keep)(record)
                && let Some(row) = Row::of(seq, record)
            {
                slice.push(row);
            }
        }
        if place - slice_start >= shared.options.slice_bytes {
            writer.slice(&mut slice)?;
            slice_start = place;
        }
    }
    writer.slice(&mut slice)?;
    let file = writer.finish(disk)?;
    let rows = file.rows;
    shared.history.files.write().push(Arc::new(file));
    // Readers that still use the index took what they need before they looked at the files.
    let mut index = segment.index.write();
    index.marks = Vec::new();
    Ok(rows)
}

/// Walks over the frames of one segment.
pub(crate) struct Walk<'a> {
    segment: &'a Segment,
    place: u64,
    window: Window,
}

impl<'a> Walk<'a> {
    pub fn new(segment: &'a Segment, place: u64) -> Self {
        Self {
            segment,
            place,
            window: Window::default(),
        }
    }

    /// The next frame with records: its end, header and records.
    pub fn next(
        &mut self,
        shared: &Shared,
    ) -> Result<Option<(u64, crate::frame::Header, Vec<gemelli_event::Record>)>, Error> {
        loop {
            let end = self.segment.end();
            if self.place >= end {
                return Ok(None);
            }
            let header = header_of(shared, &mut self.window, self.segment, self.place, end)?;
            let place = self.place;
            self.place += header.total();
            if header.kind == crate::frame::STOP {
                continue;
            }
            let body = body_of(shared, &mut self.window, self.segment, place, &header)?;
            let wrong =
                |e: gemelli_event::codec::Damaged| damaged(self.segment, place, &e.to_string());
            let mut decoder = Decoder::new(body, header.base_ms).map_err(wrong)?;
            let mut records = Vec::new();
            while let Some(record) = decoder.next().map_err(wrong)? {
                records.push(record);
            }
            return Ok(Some((self.place, header, records)));
        }
    }
}
