//! A history file and the file of its checksums.
//!
//! ```text
//! magic "GMLCRC1\n" · length u64 · rows u64 · earliest time i64 · latest time i64
//! · a CRC-32C per block of 16 KiB · CRC-32C of all before
//! ```

use super::blocks::{BLOCK_BYTES, Checked};
use crate::{
    Error,
    disk::{Disk, read_file},
    frame::Reader,
};
use gemelli_event::Seq;
use std::{
    cmp::Reverse,
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

const MAGIC: [u8; 8] = *b"GMLCRC1\n";
const HEADER_BYTES: usize = 40;

/// A history file.
pub(crate) struct HistoryFile {
    pub path: PathBuf,
    pub checksums: PathBuf,
    /// It covers the records from here …
    pub first: Seq,
    /// … up to here.
    pub next: Seq,
    pub rows: u64,
    /// Times of its rows, as queries see them; the first is above the second if there are no rows.
    pub times: (i64, i64),
    pub bytes: u64,
    pub(super) content: Checked,
}

/// The name of the file that covers these records.
pub(super) fn name_of(first: Seq, next: Seq) -> String {
    format!("{first:016x}-{next:016x}.parquet")
}

/// The records that the file of this name covers.
pub(super) fn range_of(name: &str) -> Option<(Seq, Seq)> {
    let (first, next) = name.strip_suffix(".parquet")?.split_once('-')?;
    Some((
        Seq::from_str_radix(first, 16).ok()?,
        Seq::from_str_radix(next, 16).ok()?,
    ))
}

/// Opens the files of a folder, in the order of the log, and removes what is left of work that was killed: files
/// that were merged into a larger one, checksums of files that are not there.
pub(super) fn open_all(disk: &dyn Disk, dir: &Path) -> Result<Vec<Arc<HistoryFile>>, Error> {
    let names = disk.names(dir).map_err(|e| Error::io("list", dir, e))?;
    let mut ranges: Vec<(Seq, Seq)> = names.iter().filter_map(|name| range_of(name)).collect();
    ranges.sort_by_key(|(first, next)| (*first, Reverse(*next)));
    let (mut files, mut rest, mut covered) = (Vec::<Arc<HistoryFile>>::new(), Vec::new(), 0);
    for (first, next) in ranges {
        let path = dir.join(name_of(first, next));
        if next <= covered && !files.is_empty() {
            rest.push((path.clone(), path.with_extension("crc")));
        } else if first < covered {
            return Err(Error::DamagedHistory {
                file: path,
                what: format!("records {first} to {covered} are in another file too"),
            });
        } else {
            files.push(Arc::new(HistoryFile::open(disk, path, first, next)?));
            covered = next;
        }
    }
    remove(disk, dir, &rest)?;
    let wanted: BTreeSet<_> = files.iter().map(|file| file.checksums.clone()).collect();
    let gone: BTreeSet<_> = rest.into_iter().map(|(_, checksums)| checksums).collect();
    for name in names.iter().filter(|name| name.ends_with(".crc")) {
        let path = dir.join(name);
        if !wanted.contains(&path) && !gone.contains(&path) {
            disk.remove(&path)
                .map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(files)
}

/// Removes files, each with its checksums. Checksums go only when it is durable that their files are gone: a file
/// without them could not be opened. They may be gone already.
pub(super) fn remove(
    disk: &dyn Disk,
    dir: &Path,
    files: &[(PathBuf, PathBuf)],
) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    for (path, _) in files {
        disk.remove(path)
            .map_err(|e| Error::io("remove", path, e))?;
    }
    disk.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
    for (_, path) in files {
        match disk.remove(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

impl HistoryFile {
    /// Opens a file and reads its checksums, not its content.
    pub fn open(disk: &dyn Disk, path: PathBuf, first: Seq, next: Seq) -> Result<Self, Error> {
        let checksums = path.with_extension("crc");
        let bytes = read_file(disk, &checksums).map_err(|e| Error::io("read", &checksums, e))?;
        let wrong = |what: &str| Error::DamagedHistory {
            file: checksums.clone(),
            what: what.into(),
        };
        let at = bytes
            .len()
            .checked_sub(4)
            .filter(|at| *at >= HEADER_BYTES && at % 4 == 0);
        let (content, crc) = at
            .map(|at| bytes.split_at(at))
            .ok_or_else(|| wrong("it was cut short"))?;
        if u32::from_le_bytes(Reader(crc).take()) != crc32c::crc32c(content) {
            return Err(wrong("it fails its checksum"));
        }
        let mut reader = Reader(content);
        if reader.take::<8>() != MAGIC {
            return Err(wrong("it is of another kind"));
        }
        let mut number = || u64::from_le_bytes(reader.take());
        let (length, rows, earliest, latest) =
            (number(), number(), number() as i64, number() as i64);
        let blocks = content
            .get(HEADER_BYTES..)
            .unwrap_or_default()
            .chunks_exact(4);
        let sums = blocks
            .map(|block| u32::from_le_bytes(Reader(block).take()))
            .collect();
        let file = disk.open(&path).map_err(|e| Error::io("open", &path, e))?;
        if file.length().map_err(|e| Error::io("read", &path, e))? != length {
            return Err(Error::DamagedHistory {
                file: path,
                what: "its length is not what was written".into(),
            });
        }
        let content = Checked {
            file,
            length,
            checksums: sums,
        };
        let bytes = length + bytes.len() as u64;
        Ok(Self {
            path,
            checksums,
            first,
            next,
            rows,
            times: (earliest, latest),
            bytes,
            content,
        })
    }
}

/// The checksums of bytes that come one after the other.
#[derive(Default)]
pub(super) struct Checksums {
    sums: Vec<u32>,
    current: u32,
    filled: usize,
    length: u64,
}

impl Checksums {
    pub fn add(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.filled));
            self.current = crc32c::crc32c_append(self.current, part);
            self.filled += part.len();
            if self.filled == BLOCK_BYTES {
                self.sums.push(std::mem::take(&mut self.current));
                self.filled = 0;
            }
            bytes = rest;
        }
    }

    /// The bytes of the file of checksums.
    pub fn encode(mut self, rows: u64, times: (i64, i64)) -> Vec<u8> {
        if self.filled > 0 {
            self.sums.push(self.current);
        }
        let mut bytes = MAGIC.to_vec();
        for number in [self.length, rows, times.0 as u64, times.1 as u64] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for sum in &self.sums {
            bytes.extend_from_slice(&sum.to_le_bytes());
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }
}
