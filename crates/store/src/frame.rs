//! Frames: what is written, synced and lost as one.
//!
//! ```text
//! 0  magic "GMLF"      16 frame number     40 accepted time of the first record, ms
//! 4  version           24 first seq        48 definitions version
//! 5  kind              32 proof            56 CRC-32C of the body
//! 6  engine version    8  body bytes       60 CRC-32C of salt and bytes 0..60
//! 12 records           64 body (see gemelli_event::codec), zeros up to a multiple of 8
//! ```
//! Integers are little-endian. The *proof* is the log position (bytes of all frames before) that was synced when the
//! frame was written. The header's own checksum is salted per folder, so that a header inside somebody's payload is
//! never taken for one.

use gemelli_event::{
    Body, Record, Seq,
    codec::{Encoder, TooDeep},
    record::{Command, PARTITIONS},
};
use gemelli_model::TwinId;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a frame's header.
pub(crate) const HEADER_BYTES: usize = 64;

/// Frames start at multiples of this, counted from the segment's header.
pub(crate) const ALIGN: usize = 8;

/// The newest version of the frame's header.
pub(crate) const VERSION: u8 = 1;

/// First bytes of a frame.
pub(crate) const MAGIC: [u8; 4] = *b"GMLF";

/// A frame that holds records.
pub(crate) const RECORDS: u8 = 1;

/// The mark of a clean stop: no records, proves all before it.
pub(crate) const STOP: u8 = 2;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: u8,
    pub engine: u16,
    pub body_bytes: u32,
    pub records: u32,
    pub number: u64,
    pub first_seq: Seq,
    pub proof: u64,
    pub base_ms: i64,
    pub definitions: u64,
    pub body_crc: u32,
}

/// Why 64 bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// Zeros: nothing was written here.
    Blank,
    /// Not what this program writes.
    Damaged,
    /// A newer release wrote it.
    Newer(u8),
}

impl Header {
    /// Bytes of the whole frame.
    pub fn total(&self) -> u64 {
        (HEADER_BYTES + (self.body_bytes as usize).next_multiple_of(ALIGN)) as u64
    }

    /// The record after the frame.
    pub fn next_seq(&self) -> Seq {
        self.first_seq.saturating_add(u64::from(self.records))
    }

    pub fn encode(&self, salt: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut fields = Fields(&mut bytes);
        fields.put(&MAGIC);
        fields.put(&[VERSION, self.kind]);
        fields.put(&self.engine.to_le_bytes());
        fields.put(&self.body_bytes.to_le_bytes());
        fields.put(&self.records.to_le_bytes());
        fields.put(&self.number.to_le_bytes());
        fields.put(&self.first_seq.to_le_bytes());
        fields.put(&self.proof.to_le_bytes());
        fields.put(&self.base_ms.to_le_bytes());
        fields.put(&self.definitions.to_le_bytes());
        fields.put(&self.body_crc.to_le_bytes());
        let crc = salted_crc(salt, bytes.split_at(HEADER_BYTES - 4).0);
        Fields(bytes.split_at_mut(HEADER_BYTES - 4).1).put(&crc.to_le_bytes());
        bytes
    }

    /// `checked` false believes what the checksum does not.
    pub fn decode(bytes: &[u8; HEADER_BYTES], salt: u64, checked: bool) -> Result<Self, NoHeader> {
        if bytes.iter().all(|b| *b == 0) {
            return Err(NoHeader::Blank);
        }
        let mut reader = Reader(bytes);
        let (magic, [version, kind]) = (reader.take::<4>(), reader.take::<2>());
        if magic != MAGIC {
            return Err(NoHeader::Damaged);
        }
        let header = Self {
            kind,
            engine: u16::from_le_bytes(reader.take()),
            body_bytes: u32::from_le_bytes(reader.take()),
            records: u32::from_le_bytes(reader.take()),
            number: u64::from_le_bytes(reader.take()),
            first_seq: u64::from_le_bytes(reader.take()),
            proof: u64::from_le_bytes(reader.take()),
            base_ms: i64::from_le_bytes(reader.take()),
            definitions: u64::from_le_bytes(reader.take()),
            body_crc: u32::from_le_bytes(reader.take()),
        };
        let crc = u32::from_le_bytes(reader.take());
        if checked && crc != salted_crc(salt, bytes.split_at(HEADER_BYTES - 4).0) {
            return Err(NoHeader::Damaged);
        }
        match (version, kind) {
            (VERSION, RECORDS | STOP) => Ok(header),
            (VERSION, _) => Err(NoHeader::Damaged),
            (newer, _) => Err(NoHeader::Newer(newer)),
        }
    }
}

/// The checksum of header bytes, which only who knows the folder's salt can make.
pub(crate) fn salted_crc(salt: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_le_bytes()), bytes)
}

/// Puts fields one after the other into bytes that are long enough.
pub(crate) struct Fields<'a>(pub &'a mut [u8]);

impl Fields<'_> {
    pub fn put(&mut self, field: &[u8]) {
        let (slot, rest) = std::mem::take(&mut self.0).split_at_mut(field.len());
        slot.copy_from_slice(field);
        self.0 = rest;
    }
}

/// Takes fields one after the other; zeros beyond the end.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.0.split_first_chunk() {
            Some((field, rest)) => {
                self.0 = rest;
                *field
            }
            None => [0; N],
        }
    }
}

/// First and next offsets of the partitions that records were in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spans {
    /// A bit per partition that has records.
    present: u64,
    first: [u64; PARTITIONS],
    next: [u64; PARTITIONS],
}

impl Default for Spans {
    fn default() -> Self {
        Self {
            present: 0,
            first: [0; PARTITIONS],
            next: [0; PARTITIONS],
        }
    }
}

impl Spans {
    pub fn note(&mut self, partition: usize, offset: u64) {
        let (Some(first), Some(next)) =
            (self.first.get_mut(partition), self.next.get_mut(partition))
        else {
            return;
        };
        if self.present & 1 << partition == 0 {
            self.present |= 1 << partition;
            (*first, *next) = (offset, offset);
        }
        *first = (*first).min(offset);
        *next = (*next).max(offset.saturating_add(1));
    }

    pub fn merge(&mut self, other: &Self) {
        for (partition, range) in other.iter() {
            self.note(partition, range.start);
            self.note(partition, range.end.saturating_sub(1));
        }
    }

    pub fn get(&self, partition: usize) -> Option<std::ops::Range<u64>> {
        let present = partition < PARTITIONS && self.present & 1 << partition != 0;
        present.then_some(*self.first.get(partition)?..*self.next.get(partition)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, std::ops::Range<u64>)> + '_ {
        (0..PARTITIONS).filter_map(|p| Some((p, self.get(p)?)))
    }

    pub fn clear(&mut self) {
        self.present = 0;
    }
}

/// Where a record of a twin's history stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Upper half of the hash of the twin's id.
    pub twin: u32,
    /// Its place in the frame's body, or, in a segment's index, in the file.
    pub place: u32,
    /// Its index in the frame.
    pub index: u32,
}

/// The part of a twin's id that [`Mark`]s carry.
pub(crate) fn mark_of(twin: &str) -> u32 {
    (xxh3_64(twin.as_bytes()) >> 32) as u32
}

/// The twin whose history a record belongs to.
pub(crate) fn subject(record: &Record) -> Option<&TwinId> {
    match &record.body {
        Body::Event(event) => Some(&event.twin),
        Body::Derived(derived) => Some(&derived.twin),
        Body::Command(
            Command::Put { twin, .. }
            | Command::Patch { twin, .. }
            | Command::Delete { twin, .. }
            | Command::Telemetry { twin, .. },
        ) => Some(twin),
        _ => None,
    }
}

/// What a frame says besides its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameStart {
    /// The place of its first record.
    pub first_seq: Seq,
    /// The accepted time that its records' times are written relative to, milliseconds since 1970.
    pub accepted_ms: i64,
    /// The version of the definitions that its records were stepped under.
    pub definitions: u64,
    /// The version of the engine that stepped its records.
    pub engine: u16,
}

/// Builds frames; allocates only until its buffers have grown. Push before you step: a record may be refused.
#[derive(Debug, Default)]
pub struct FrameBuilder {
    encoder: Encoder,
    pub(crate) start: FrameStart,
    pub(crate) records: u32,
    pub(crate) spans: Spans,
    pub(crate) marks: Vec<Mark>,
    pub(crate) last_ms: i64,
    pub(crate) body_bytes: usize,
    pub(crate) body_crc: u32,
}

impl FrameBuilder {
    /// A builder without a frame: [`FrameBuilder::begin`] first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a frame; what was pushed before is forgotten.
    pub fn begin(&mut self, start: FrameStart) {
        self.start = start;
        self.records = 0;
        self.spans.clear();
        self.marks.clear();
        self.last_ms = i64::MIN;
        self.encoder.begin(0, start.accepted_ms);
    }

    /// Adds a record. The answer is the frame's bytes so far. A record that is refused leaves the frame as it was.
    pub fn push(&mut self, record: &Record) -> Result<usize, TooDeep> {
        let place = self.encoder.push(record)?;
        self.spans
            .note(record.position.partition.index(), record.position.offset);
        self.last_ms = self.last_ms.max(record.accepted_ms);
        if let Some(twin) = subject(record) {
            self.marks.push(Mark {
                twin: mark_of(twin.as_str()),
                place: place as u32,
                index: self.records,
            });
        }
        self.records += 1;
        Ok(self.bytes())
    }

    /// Records pushed since the beginning.
    pub fn records(&self) -> usize {
        self.records as usize
    }

    /// Bytes that the frame takes so far.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.encoder.body_len()
    }

    /// Closes the frame: checksums it, on the caller's thread.
    pub fn finish(mut self) -> EncodedFrame {
        self.body_bytes = self.encoder.body_len();
        self.body_crc = crc32c::crc32c(self.encoder.buffer());
        let padded = self.body_bytes.next_multiple_of(ALIGN);
        self.encoder.buffer_mut().resize(padded, 0);
        EncodedFrame(self)
    }
}

/// A frame ready to be written.
#[derive(Debug)]
pub struct EncodedFrame(pub(crate) FrameBuilder);

impl EncodedFrame {
    /// The place of its first record.
    pub fn first_seq(&self) -> Seq {
        self.0.start.first_seq
    }

    /// The place of the record after it.
    pub fn next_seq(&self) -> Seq {
        self.0.start.first_seq + u64::from(self.0.records)
    }

    /// Its records.
    pub fn records(&self) -> usize {
        self.0.records()
    }

    /// Bytes that it takes in the log.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.body().len()
    }

    /// Its buffers, for the next frame.
    pub fn recycle(self) -> FrameBuilder {
        self.0
    }

    /// The body, padded.
    pub(crate) fn body(&self) -> &[u8] {
        self.0.encoder.buffer()
    }

    pub(crate) fn header(&self, number: u64, proof: u64) -> Header {
        let frame = &self.0;
        Header {
            kind: RECORDS,
            engine: frame.start.engine,
            body_bytes: frame.body_bytes as u32,
            records: frame.records,
            number,
            first_seq: frame.start.first_seq,
            proof,
            base_ms: frame.start.accepted_ms,
            definitions: frame.start.definitions,
            body_crc: frame.body_crc,
        }
    }
}

/// A frame read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Counts the frames of the folder from 0.
    pub number: u64,
    /// The place of its first record; the others follow.
    pub first_seq: Seq,
    /// The accepted time of its start, milliseconds since 1970.
    pub accepted_ms: i64,
    /// The version of the definitions that its records were stepped under.
    pub definitions: u64,
    /// The version of the engine that stepped its records.
    pub engine: u16,
    /// Its records, inputs and emissions in the order of stepping.
    pub records: Vec<Record>,
}
