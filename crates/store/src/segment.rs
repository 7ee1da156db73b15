//! Segments: the files that the log consists of, and what memory keeps about each.
//!
//! A segment is `log/<first seq>-<first frame>.seg`, both in hex: a header of [`HEADER_BYTES`] bytes, then frames, then zeros up
//! to the size that was allocated when it was made. The header is synced before the file gets its name, so it is
//! never torn; it repeats what came before the segment (position, offsets of all partitions), so that a missing or
//! cut file before it is known.

use crate::{
    disk::{DiskFile, read_exact},
    frame::{Fields, Mark, Reader, Spans, salted_crc},
};
use gemelli_event::{Seq, record::PARTITIONS};
use parking_lot::RwLock;
use std::{
    io,
    path::PathBuf,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
};

/// Bytes of a segment's header.
pub(crate) const HEADER_BYTES: usize = 1024;

/// The newest version of a segment's header.
pub(crate) const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"GMLSEG\r\n";

/// A frame is noted in the sparse index when so many bytes passed since the last that was.
const SPARSE_BYTES: u64 = 64 * 1024;

/// A segment's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes that the file has.
    pub allocated: u64,
    pub first_seq: Seq,
    pub first_frame: u64,
    /// The log position of the first frame: bytes of all frames before.
    pub position: u64,
    /// The accepted time of the last record before.
    pub accepted_ms: i64,
    pub definitions: u64,
    /// The offset of each partition's next record.
    pub offsets: [u64; PARTITIONS],
}

/// Why bytes are not a segment's header.
pub(crate) enum NoHeader {
    Damaged,
    Newer(u32),
}

impl Header {
    pub fn encode(&self, salt: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut fields = Fields(&mut bytes);
        fields.put(&MAGIC);
        fields.put(&VERSION.to_le_bytes());
        fields.put(&[0; 4]);
        fields.put(&self.allocated.to_le_bytes());
        fields.put(&self.first_seq.to_le_bytes());
        fields.put(&self.first_frame.to_le_bytes());
        fields.put(&self.position.to_le_bytes());
        fields.put(&self.accepted_ms.to_le_bytes());
        fields.put(&self.definitions.to_le_bytes());
        for offset in &self.offsets {
            fields.put(&offset.to_le_bytes());
        }
        let crc = salted_crc(salt, bytes.split_at(HEADER_BYTES - 4).0);
        Fields(bytes.split_at_mut(HEADER_BYTES - 4).1).put(&crc.to_le_bytes());
        bytes
    }

    pub fn read(
        file: &dyn DiskFile,
        salt: u64,
        checked: bool,
    ) -> io::Result<Result<Self, NoHeader>> {
        let mut bytes = [0; HEADER_BYTES];
        match read_exact(file, &mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Ok(Err(NoHeader::Damaged));
            }
            other => other?,
        }
        let (content, crc) = bytes.split_at(HEADER_BYTES - 4);
        let mut reader = Reader(content);
        let magic = reader.take::<8>();
        let version = u32::from_le_bytes(reader.take());
        let crc = u32::from_le_bytes(Reader(crc).take());
        if magic != MAGIC || (checked && crc != salted_crc(salt, content)) {
            return Ok(Err(NoHeader::Damaged));
        }
        if version != VERSION {
            return Ok(Err(NoHeader::Newer(version)));
        }
        reader.take::<4>();
        let mut number = || u64::from_le_bytes(reader.take());
        Ok(Ok(Self {
            allocated: number(),
            first_seq: number(),
            first_frame: number(),
            position: number(),
            accepted_ms: number() as i64,
            definitions: number(),
            offsets: std::array::from_fn(|_| number()),
        }))
    }
}

impl Header {
    /// The name of the file. The frame's number is in it because a mark of a clean stop holds no record.
    pub fn file_name(&self) -> String {
        format!("{:016x}-{:010x}.seg", self.first_seq, self.first_frame)
    }
}

/// A segment that is open for reading.
pub(crate) struct Segment {
    pub path: PathBuf,
    pub file: Arc<dyn DiskFile>,
    pub header: Header,
    /// Where synced frames end in the file.
    end: AtomicU64,
    pub index: RwLock<Index>,
}

/// What memory knows of a segment's frames.
pub(crate) struct Index {
    pub next_seq: Seq,
    /// Accepted time of its last record.
    pub accepted_ms: i64,
    pub frames: u64,
    /// Some frames: first record and place in the file, both rising.
    pub sparse: Vec<(Seq, u64)>,
    pub spans: Spans,
    /// Where twins' records stand, in order. Given back once the segment is history.
    pub marks: Vec<Mark>,
}

impl Segment {
    pub fn new(path: PathBuf, file: Arc<dyn DiskFile>, header: Header) -> Self {
        let index = Index {
            next_seq: header.first_seq,
            accepted_ms: header.accepted_ms,
            frames: 0,
            sparse: Vec::new(),
            spans: Spans::default(),
            marks: Vec::new(),
        };
        Self {
            path,
            file,
            header,
            end: AtomicU64::new(HEADER_BYTES as u64),
            index: RwLock::new(index),
        }
    }

    /// Where synced frames end.
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The record after its last synced one.
    pub fn next_seq(&self) -> Seq {
        self.index.read().next_seq
    }

    /// The log position of its end.
    pub fn end_position(&self) -> u64 {
        self.header.position + self.end() - HEADER_BYTES as u64
    }

    /// Lets readers see a frame: call it once the frame is synced.
    pub fn admit(&self, frame: &crate::frame::Header, last_ms: i64, spans: &Spans, marks: &[Mark]) {
        let at = self.end();
        let mut index = self.index.write();
        if index
            .sparse
            .last()
            .is_none_or(|(_, last)| at - last >= SPARSE_BYTES)
        {
            index.sparse.push((frame.first_seq, at));
        }
        index.next_seq = frame.next_seq();
        index.accepted_ms = index.accepted_ms.max(last_ms);
        index.frames += 1;
        index.spans.merge(spans);
        let body = at as u32 + crate::frame::HEADER_BYTES as u32;
        index.marks.extend(marks.iter().map(|mark| Mark {
            place: mark.place + body,
            ..*mark
        }));
        self.end.store(at + frame.total(), Ordering::Release);
    }

    /// A frame's place at or before the one that holds a record.
    pub fn before_seq(&self, seq: Seq) -> u64 {
        let index = self.index.read();
        let after = index.sparse.partition_point(|(first, _)| *first <= seq);
        index
            .sparse
            .get(after.wrapping_sub(1))
            .map_or(HEADER_BYTES as u64, |(_, at)| *at)
    }

    /// A frame's place at or before a place in the file.
    pub fn before_place(&self, place: u64) -> u64 {
        let index = self.index.read();
        let after = index.sparse.partition_point(|(_, at)| *at <= place);
        index
            .sparse
            .get(after.wrapping_sub(1))
            .map_or(HEADER_BYTES as u64, |(_, at)| *at)
    }
}
