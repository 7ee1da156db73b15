//! Snapshots: the state at a place of the log, as a full file and the changes after it.
//!
//! `snapshots/<seq>-full.snap` holds everything; `<seq>-delta.snap` what changed since the file before it in the
//! chain. A snapshot *at* a record holds what all records before that one made; replay starts with it.
//!
//! ```text
//! header   64 bytes: magic "GMLSNAP1", version, kind, incarnation, seq, base, parent, CRC-32C
//! block    length u32 (not 0), CRC-32C of number and payload u32, payload: entries
//! entry    op (0 put, 1 deleted, 2 meta), kind, partition, varint key, key, varint value, value
//! end      length 0, CRC-32C of number and count u32, entries u64; the file ends here
//! ```
//! A file gets its name after it is synced, so an unfinished one is never read. A damaged file is renamed
//! `*.damaged` and the chain before it is used, if the log still reaches back to it.

mod load;
mod write;

pub(crate) use load::load;
pub use load::{Entry, Loaded};
pub use write::SnapshotWriter;

use crate::{
    Error,
    disk::{Disk, DiskFile, read_exact},
    frame::{Fields, Reader},
};
use gemelli_event::Seq;
use std::{io, path::Path, path::PathBuf};

/// The newest version of a snapshot file.
const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"GMLSNAP1";
const HEADER_BYTES: usize = 64;

/// Chains that are kept: the newest and the one before it.
const CHAINS: usize = 2;

const PUT: u8 = 0;
const DELETED: u8 = 1;
const META: u8 = 2;

/// What a snapshot file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Everything.
    Full,
    /// What changed since the snapshot before it.
    Delta,
}

/// A snapshot file's header.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    kind: Kind,
    incarnation: u64,
    seq: Seq,
    /// The place of the chain's full snapshot.
    base: Seq,
    /// The place of the snapshot before this in the chain; of a full one its own.
    parent: Seq,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut fields = Fields(&mut bytes);
        fields.put(&MAGIC);
        fields.put(&VERSION.to_le_bytes());
        fields.put(&u32::from(self.kind == Kind::Delta).to_le_bytes());
        for number in [self.incarnation, self.seq, self.base, self.parent] {
            fields.put(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(bytes.split_at(HEADER_BYTES - 4).0);
        Fields(bytes.split_at_mut(HEADER_BYTES - 4).1).put(&crc.to_le_bytes());
        bytes
    }

    fn read(file: &dyn DiskFile, checked: bool) -> io::Result<Result<Self, String>> {
        let mut bytes = [0; HEADER_BYTES];
        match read_exact(file, &mut bytes, 0) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Err("cut short".into()));
            }
            other => other?,
        }
        let (content, crc) = bytes.split_at(HEADER_BYTES - 4);
        let mut reader = Reader(content);
        let magic = reader.take::<8>();
        let version = u32::from_le_bytes(reader.take());
        let kind = if u32::from_le_bytes(reader.take()) == 0 {
            Kind::Full
        } else {
            Kind::Delta
        };
        if magic != MAGIC
            || (checked && u32::from_le_bytes(Reader(crc).take()) != crc32c::crc32c(content))
        {
            return Ok(Err("the header fails its checksum".into()));
        }
        if version != VERSION {
            return Ok(Err(format!("format {version} of a newer release")));
        }
        let mut number = || u64::from_le_bytes(reader.take());
        Ok(Ok(Self {
            kind,
            incarnation: number(),
            seq: number(),
            base: number(),
            parent: number(),
        }))
    }
}

/// The checksum of a block.
fn block_crc(number: u64, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), payload)
}

/// A snapshot file that is there.
#[derive(Clone, Debug)]
struct Snapshot {
    path: PathBuf,
    header: Header,
    bytes: u64,
}

/// A file whose header cannot be read.
#[derive(Clone, Debug)]
struct Unreadable {
    path: PathBuf,
    what: String,
}

/// The snapshot files of a folder, by place.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    files: Vec<Snapshot>,
    unreadable: Vec<Unreadable>,
}

impl Snapshots {
    /// Looks at the headers of all files.
    pub fn open(
        disk: &dyn Disk,
        dir: &Path,
        incarnation: u64,
        checked: bool,
    ) -> Result<Self, Error> {
        let mut all = Self::default();
        for name in disk.names(dir).map_err(|e| Error::io("list", dir, e))? {
            if !name.ends_with(".snap") {
                continue;
            }
            let path = dir.join(name);
            let file = disk.open(&path).map_err(|e| Error::io("open", &path, e))?;
            let header = Header::read(&*file, checked).map_err(|e| Error::io("read", &path, e))?;
            let bytes = file.length().map_err(|e| Error::io("read", &path, e))?;
            match header {
                Ok(header) if header.incarnation == incarnation => all.files.push(Snapshot {
                    path,
                    header,
                    bytes,
                }),
                Ok(_) => all.unreadable.push(Unreadable {
                    path,
                    what: "it belongs to another folder".into(),
                }),
                Err(what) => all.unreadable.push(Unreadable { path, what }),
            }
        }
        all.sort();
        Ok(all)
    }

    fn sort(&mut self) {
        // A full snapshot and a delta at the same place: the full one is as good, and starts a new chain.
        self.files
            .sort_by_key(|file| (file.header.seq, file.header.kind == Kind::Full));
    }

    /// The place of the newest one.
    pub fn newest(&self) -> Option<Seq> {
        self.files.last().map(|file| file.header.seq)
    }

    /// The log from here on must stay, so that the newest snapshot can be used, and, if its file is damaged, the one
    /// before it.
    pub fn needed(&self) -> Seq {
        let before = self
            .files
            .len()
            .checked_sub(2)
            .and_then(|i| self.files.get(i));
        before
            .or(self.files.last())
            .map_or(0, |file| file.header.seq)
    }

    /// The newest full snapshot and the deltas after it.
    fn chain(&self) -> Vec<&Snapshot> {
        let base = self
            .files
            .iter()
            .rposition(|file| file.header.kind == Kind::Full);
        let files = base
            .and_then(|base| self.files.get(base..))
            .unwrap_or_default();
        files.iter().collect()
    }

    /// What the next snapshot should be: full if there is none, or once the deltas outgrew it.
    pub fn advice(&self) -> Kind {
        let chain = self.chain();
        let deltas: u64 = chain.iter().skip(1).map(|file| file.bytes).sum();
        match chain.first() {
            Some(base) if deltas <= base.bytes => Kind::Delta,
            _ => Kind::Full,
        }
    }

    /// Files of chains that are no longer kept.
    fn outdated(&self) -> Vec<PathBuf> {
        let fulls = self
            .files
            .iter()
            .enumerate()
            .filter(|(_, file)| file.header.kind == Kind::Full);
        let fulls: Vec<usize> = fulls.map(|(i, _)| i).collect();
        let keep_from = fulls
            .len()
            .checked_sub(CHAINS)
            .and_then(|i| fulls.get(i))
            .copied()
            .unwrap_or(0);
        self.files
            .iter()
            .take(keep_from)
            .map(|file| file.path.clone())
            .collect()
    }
}
