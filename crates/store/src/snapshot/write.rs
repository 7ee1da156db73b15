//! Writing a snapshot file, from whichever thread.

use super::{DELETED, HEADER_BYTES, Header, Kind, META, PUT, Snapshot, block_crc};
use crate::{Error, disk::DiskFile, shared::Shared};
use gemelli_event::{Partition, Seq};
use std::{path::PathBuf, sync::Arc};

/// Entries are gathered up to this size before a block is written.
const BLOCK_BYTES: usize = 128 * 1024;

/// Writes one snapshot. Dropped before [`SnapshotWriter::finish`], it leaves nothing.
pub struct SnapshotWriter {
    shared: Arc<Shared>,
    header: Header,
    temporary: PathBuf,
    file: Arc<dyn DiskFile>,
    block: Vec<u8>,
    number: u64,
    entries: u64,
    written: u64,
    finished: bool,
}

impl SnapshotWriter {
    pub(crate) fn begin(shared: Arc<Shared>, seq: Seq, kind: Kind) -> Result<Self, Error> {
        let (base, parent) = {
            let snapshots = shared.snapshots.lock();
            let chain = snapshots.chain();
            match (kind, chain.first(), chain.last()) {
                (Kind::Full, _, last) if last.is_none_or(|last| last.header.seq <= seq) => {
                    (seq, seq)
                }
                (Kind::Delta, Some(base), Some(last)) if last.header.seq < seq => {
                    (base.header.seq, last.header.seq)
                }
                (_, _, last) => {
                    return Err(Error::NoSnapshotBefore {
                        seq,
                        newest: last.map(|f| f.header.seq),
                    });
                }
            }
        };
        let header = Header {
            kind,
            incarnation: shared.folder.identity.incarnation,
            seq,
            base,
            parent,
        };
        let temporary = shared.folder.snapshots().join(format!("{seq:016x}.tmp"));
        let file = shared
            .options
            .disk
            .create(&temporary)
            .map_err(|e| Error::io("create", &temporary, e))?;
        file.write_at(&[&header.encode()], 0)
            .map_err(|e| Error::io("write", &temporary, e))?;
        Ok(Self {
            shared,
            header,
            temporary,
            file,
            block: Vec::new(),
            number: 0,
            entries: 0,
            written: HEADER_BYTES as u64,
            finished: false,
        })
    }

    /// Adds an entry; without a value: that it was deleted. A key may come once per file.
    pub fn put(
        &mut self,
        kind: u8,
        partition: Partition,
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(), Error> {
        let op = if value.is_some() { PUT } else { DELETED };
        self.entry(
            [op, kind, partition.number()],
            key,
            value.unwrap_or_default(),
        )
    }

    /// Adds what belongs to the whole: clocks, definitions. The newest file's is what counts.
    pub fn meta(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.entry([META, 0, 0], "", bytes)
    }

    /// Makes the snapshot count: synced, named, the folder synced. The answer is its size in bytes.
    pub fn finish(mut self) -> Result<u64, Error> {
        self.flush()?;
        let count = self.entries.to_le_bytes();
        let crc = block_crc(self.number, &count).to_le_bytes();
        self.write(&[&[0; 4], &crc, &count])?;
        self.file
            .sync()
            .map_err(|e| Error::io("sync", &self.temporary, e))?;
        let dir = self.shared.folder.snapshots();
        let word = if self.header.kind == Kind::Full {
            "full"
        } else {
            "delta"
        };
        let path = dir.join(format!("{:016x}-{word}.snap", self.header.seq));
        let disk = &*self.shared.options.disk;
        disk.rename(&self.temporary, &path)
            .map_err(|e| Error::io("rename", &self.temporary, e))?;
        self.finished = true;
        let synced = disk.sync_dir(&dir);
        let mut snapshots = self.shared.snapshots.lock();
        snapshots.files.retain(|file| file.path != path);
        if let Err(e) = synced {
            // Its name may not last, so the log must not be cut for it: it does not count, and must not stay.
            let _ = disk.remove(&path);
            return Err(Error::io("sync", &dir, e));
        }
        snapshots.files.push(Snapshot {
            path,
            header: self.header.clone(),
            bytes: self.written,
        });
        snapshots.sort();
        for old in snapshots.outdated() {
            disk.remove(&old)
                .map_err(|e| Error::io("remove", &old, e))?;
            snapshots.files.retain(|file| file.path != old);
        }
        Ok(self.written)
    }

    fn entry(&mut self, head: [u8; 3], key: &str, value: &[u8]) -> Result<(), Error> {
        self.block.extend_from_slice(&head);
        for part in [key.as_bytes(), value] {
            put_varint(&mut self.block, part.len() as u64);
            self.block.extend_from_slice(part);
        }
        self.entries += 1;
        if self.block.len() >= BLOCK_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::take(&mut self.block);
        let crc = block_crc(self.number, &block).to_le_bytes();
        self.write(&[&(block.len() as u32).to_le_bytes(), &crc, &block])?;
        self.number += 1;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    fn write(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        self.file
            .write_at(parts, self.written)
            .map_err(|e| Error::io("write", &self.temporary, e))?;
        self.written += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished {
            // What stays behind is removed at the next start.
            let _ = self.shared.options.disk.remove(&self.temporary);
        }
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}
