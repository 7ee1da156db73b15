//! A file whose every block has a checksum in another: what is read from it is what was written.

use crate::disk::{DiskFile, read_exact};
use ::parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};
use bytes::Bytes;
use std::{
    io::{self, Read},
    sync::Arc,
};

/// Bytes that share a checksum.
pub(super) const BLOCK_BYTES: usize = 16 * 1024;

/// A file and the checksums of its blocks. Clones share them.
#[derive(Clone)]
pub(super) struct Checked {
    pub file: Arc<dyn DiskFile>,
    pub length: u64,
    pub checksums: Arc<[u32]>,
}

impl Checked {
    /// Reads bytes, and checks every block that they touch.
    fn read(&self, start: u64, length: usize) -> io::Result<Bytes> {
        let end = start
            .checked_add(length as u64)
            .filter(|end| *end <= self.length);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let block = BLOCK_BYTES as u64;
        let from = start / block * block;
        let to = end.next_multiple_of(block).min(self.length);
        let mut bytes = vec![0; (to - from) as usize];
        read_exact(&*self.file, &mut bytes, from)?;
        let first = (from / block) as usize;
        for (i, part) in bytes.chunks(BLOCK_BYTES).enumerate() {
            if self.checksums.get(first + i) != Some(&crc32c::crc32c(part)) {
                let at = from + (i * BLOCK_BYTES) as u64;
                let what = format!("the block at byte {at} fails its checksum");
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
        Ok(Bytes::from(bytes).slice((start - from) as usize..(end - from) as usize))
    }
}

impl Length for Checked {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Checked {
    type T = Sequential;

    fn get_read(&self, start: u64) -> Result<Sequential> {
        Ok(Sequential {
            file: self.clone(),
            place: start,
            held: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.read(start, length)
            .map_err(|e| ParquetError::External(Box::new(e)))
    }
}

/// Reads on from a place.
pub(super) struct Sequential {
    file: Checked,
    place: u64,
    held: Bytes,
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.held.is_empty() {
            let left = self.file.length.saturating_sub(self.place);
            let count = left.min(BLOCK_BYTES as u64) as usize;
            self.held = self.file.read(self.place, count)?;
            self.place += count as u64;
        }
        let count = self.held.len().min(buffer.len());
        let part = self.held.split_to(count);
        if let Some(slot) = buffer.get_mut(..count) {
            slot.copy_from_slice(&part);
        }
        Ok(count)
    }
}
