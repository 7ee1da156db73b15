//! Opening the log: every frame is checked, what may be torn is cut, damage elsewhere refuses the start.
//!
//! Frames are read in order. Where one is missing or wrong, the rest of the last segment is searched: a later header
//! that proves this place to have been synced, or a later segment, means damage; otherwise it is the write that the
//! crash interrupted, and is zeroed and reported. A segment that is shorter than its header says was cut by other
//! hands, and is damage too.

use crate::{
    Error, Options,
    disk::Disk,
    folder::Folder,
    frame::{self, MAGIC, Mark, STOP, Spans, mark_of, subject},
    scan::{Found, Window, body_at, header_at},
    segment::{self, HEADER_BYTES, NoHeader, Segment},
};
use gemelli_event::{Seq, codec::Decoder, record::PARTITIONS};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bytes that are looked at or zeroed at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What was found when the folder was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest record in the log.
    pub first_seq: Seq,
    /// The record after the last one: the first that will be written.
    pub next_seq: Seq,
    /// The offset of each partition's next record.
    pub offsets: [u64; PARTITIONS],
    /// The accepted time of the last record, milliseconds since 1970; 0 in an empty log.
    pub accepted_ms: i64,
    /// The version of the definitions of the last frame.
    pub definitions: u64,
    /// Segments of the log.
    pub segments: usize,
    /// Frames that were checked.
    pub frames: u64,
    /// The log was closed in good order.
    pub clean: bool,
    /// Bytes of an interrupted write that were cut from the end.
    pub truncated_bytes: u64,
    /// Where they were cut: file and offset.
    pub truncated_at: Option<(PathBuf, u64)>,
}

/// Where the log goes on.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub number: u64,
    pub next_seq: Seq,
    /// Bytes of all frames so far.
    pub position: u64,
    pub accepted_ms: i64,
    pub definitions: u64,
    pub offsets: [u64; PARTITIONS],
    /// The last frame was the mark of a clean stop.
    pub clean: bool,
}

impl Tail {
    /// The header of a segment that starts here.
    pub fn header(&self, allocated: u64) -> segment::Header {
        segment::Header {
            allocated,
            first_seq: self.next_seq,
            first_frame: self.number,
            position: self.position,
            accepted_ms: self.accepted_ms,
            definitions: self.definitions,
            offsets: self.offsets,
        }
    }

    /// Goes past a frame.
    pub fn pass(&mut self, header: &frame::Header, last_ms: i64, spans: &Spans) {
        self.number = header.number + 1;
        self.next_seq = header.next_seq();
        self.position += header.total();
        self.clean = header.kind == STOP;
        if header.kind != STOP {
            self.definitions = header.definitions;
            self.accepted_ms = self.accepted_ms.max(last_ms);
        }
        for (partition, range) in spans.iter() {
            if let Some(offset) = self.offsets.get_mut(partition) {
                *offset = (*offset).max(range.end);
            }
        }
    }
}

/// The log as it was found.
pub(crate) struct Recovered {
    pub segments: Vec<Arc<Segment>>,
    pub tail: Tail,
    pub recovery: Recovery,
}

/// Reads the whole log. Records before `history_from` are history already: only their checksums are looked at.
pub(crate) fn recover(
    folder: &Folder,
    options: &Options,
    history_from: Seq,
) -> Result<Recovered, Error> {
    let disk = &*options.disk;
    let mut segments = open_segments(folder, options)?;
    segments.sort_by_key(|segment| segment.header.first_frame);
    let mut scan = Scan {
        options,
        salt: folder.identity.salt,
        window: Window::default(),
        tail: None,
        frames: 0,
    };
    let mut truncated_at = None;
    let mut truncated_bytes = 0;
    for (i, segment) in segments.iter().enumerate() {
        let next = segments.get(i + 1);
        let decode = next.is_none_or(|next| next.header.first_seq > history_from);
        let stopped = scan.segment(segment, next.map(|n| &n.header), decode)?;
        if next.is_none() {
            let rest = scan.rest(segment, stopped)?;
            if let Some(bytes) = rest {
                truncated_bytes = bytes;
                truncated_at = Some((segment.path.clone(), segment.end()));
            }
            // What the last process wrote and did not sync is served from now on: it must be on disk.
            segment
                .file
                .sync()
                .map_err(|e| Error::io("sync", &segment.path, e))?;
        }
    }
    let tail = scan.tail.unwrap_or(Tail {
        number: 0,
        next_seq: 0,
        position: 0,
        accepted_ms: 0,
        definitions: 0,
        offsets: [0; PARTITIONS],
        clean: true,
    });
    disk.sync_dir(&folder.log())
        .map_err(|e| Error::io("sync", &folder.log(), e))?;
    let recovery = Recovery {
        first_seq: segments.first().map_or(0, |s| s.header.first_seq),
        next_seq: tail.next_seq,
        offsets: tail.offsets,
        accepted_ms: tail.accepted_ms,
        definitions: tail.definitions,
        segments: segments.len(),
        frames: scan.frames,
        clean: tail.clean && truncated_bytes == 0,
        truncated_bytes,
        truncated_at,
    };
    Ok(Recovered {
        segments,
        tail,
        recovery,
    })
}

fn open_segments(folder: &Folder, options: &Options) -> Result<Vec<Arc<Segment>>, Error> {
    let dir = folder.log();
    let disk: &dyn Disk = &*options.disk;
    let mut segments = Vec::new();
    for name in disk.names(&dir).map_err(|e| Error::io("list", &dir, e))? {
        if !name.ends_with(".seg") {
            continue;
        }
        let path = dir.join(&name);
        let file = disk.open(&path).map_err(|e| Error::io("open", &path, e))?;
        let header = segment::Header::read(&*file, folder.identity.salt, options.checks());
        let header = match header.map_err(|e| Error::io("read", &path, e))? {
            Ok(header) if header.file_name() == name => header,
            Ok(_) => return Err(damaged(&path, 0, "the file's name and its header disagree")),
            Err(NoHeader::Damaged) => {
                return Err(damaged(&path, 0, "the segment's header fails its checksum"));
            }
            Err(NoHeader::Newer(found)) => {
                return Err(Error::NewerFormat {
                    file: path,
                    found,
                    known: segment::VERSION,
                });
            }
        };
        segments.push(Arc::new(Segment::new(path, file, header)));
    }
    Ok(segments)
}

fn damaged(file: &Path, offset: u64, what: &str) -> Error {
    Error::DamagedLog {
        file: file.into(),
        offset,
        what: what.into(),
    }
}

struct Scan<'a> {
    options: &'a Options,
    salt: u64,
    window: Window,
    tail: Option<Tail>,
    frames: u64,
}

/// Why reading a segment stopped.
type Stopped = &'static str;

impl Scan<'_> {
    /// Reads a segment to the end of its frames; one that has a successor must lead up to it exactly.
    fn segment(
        &mut self,
        segment: &Segment,
        next: Option<&segment::Header>,
        decode: bool,
    ) -> Result<Stopped, Error> {
        let header = &segment.header;
        let tail = self.tail.get_or_insert(Tail {
            number: header.first_frame,
            next_seq: header.first_seq,
            position: header.position,
            accepted_ms: header.accepted_ms,
            definitions: header.definitions,
            offsets: header.offsets,
            clean: false,
        });
        if (tail.number, tail.next_seq, tail.position)
            != (header.first_frame, header.first_seq, header.position)
        {
            return Err(damaged(
                &segment.path,
                0,
                "the segment before it is missing or ends too early",
            ));
        }
        let length = segment
            .file
            .length()
            .map_err(|e| Error::io("read", &segment.path, e))?;
        // The writer cuts a segment that has a successor to its frames; nobody else cuts.
        let expected = match next {
            Some(next) => next
                .position
                .wrapping_sub(header.position)
                .wrapping_add(HEADER_BYTES as u64),
            None => header.allocated,
        };
        if length < expected {
            return Err(damaged(&segment.path, length, "the file was cut short"));
        }
        let end = if next.is_some() { expected } else { length };
        self.window.clear();
        let stopped = loop {
            match self.frame(segment, end, decode)? {
                Ok(()) => {}
                Err(stopped) => break stopped,
            }
        };
        if let Some(next) = next {
            if segment.end() != end {
                return Err(damaged(&segment.path, segment.end(), stopped));
            }
            if !decode {
                let mut index = segment.index.write();
                for (partition, (from, to)) in header.offsets.iter().zip(&next.offsets).enumerate()
                {
                    if to > from {
                        index.spans.note(partition, *from);
                        index.spans.note(partition, to - 1);
                    }
                }
                index.accepted_ms = next.accepted_ms;
                drop(index);
                if let Some(tail) = &mut self.tail {
                    tail.offsets = next.offsets;
                    tail.accepted_ms = next.accepted_ms;
                }
            }
        }
        Ok(stopped)
    }

    /// Reads the frame at the segment's end and admits it, or says why there is none.
    fn frame(
        &mut self,
        segment: &Segment,
        end: u64,
        decode: bool,
    ) -> Result<Result<(), Stopped>, Error> {
        let checked = self.options.checks();
        let io = |e| Error::io("read", &segment.path, e);
        let place = segment.end();
        let Some(tail) = &mut self.tail else {
            return Ok(Err("no segment"));
        };
        let header = match header_at(
            &mut self.window,
            &*segment.file,
            place,
            end,
            self.salt,
            checked,
        )
        .map_err(io)?
        {
            Found::Frame(header) => header,
            Found::Blank => return Ok(Err("a frame is missing")),
            Found::Damaged(what) => return Ok(Err(what)),
            Found::Newer(found) => {
                let known = frame::VERSION.into();
                return Err(Error::NewerFormat {
                    file: segment.path.clone(),
                    found: found.into(),
                    known,
                });
            }
        };
        if header.number != tail.number
            || header.first_seq != tail.next_seq
            || header.proof > tail.position
        {
            return Ok(Err("the frame does not follow the one before it"));
        }
        let body = body_at(
            &mut self.window,
            &*segment.file,
            place,
            end,
            &header,
            checked,
        )
        .map_err(io)?;
        let Some(body) = body else {
            return Ok(Err("the frame's body fails its checksum"));
        };
        let mut spans = Spans::default();
        let mut marks = Vec::new();
        let mut last_ms = i64::MIN;
        if decode && header.kind != STOP {
            let wrong = |error: String| Error::DamagedLog {
                file: segment.path.clone(),
                offset: place,
                what: error,
            };
            let mut decoder =
                Decoder::new(body, header.base_ms).map_err(|e| wrong(e.to_string()))?;
            let mut records = 0u32;
            loop {
                let at = decoder.place() as u32;
                let Some(record) = decoder.next().map_err(|e| wrong(e.to_string()))? else {
                    break;
                };
                spans.note(record.position.partition.index(), record.position.offset);
                last_ms = last_ms.max(record.accepted_ms);
                if let Some(twin) = subject(&record) {
                    marks.push(Mark {
                        twin: mark_of(twin.as_str()),
                        place: at,
                        index: records,
                    });
                }
                records += 1;
            }
            if records != header.records {
                return Err(wrong(
                    "the frame's header and its body disagree on the number of records".into(),
                ));
            }
        }
        tail.pass(&header, last_ms, &spans);
        segment.admit(&header, last_ms, &spans, &marks);
        self.frames += 1;
        Ok(Ok(()))
    }

    /// What stands behind the last good frame: nothing, an interrupted write (zeroed; its bytes), or damage.
    fn rest(&mut self, segment: &Segment, stopped: Stopped) -> Result<Option<u64>, Error> {
        let io = |e| Error::io("read", &segment.path, e);
        let Some(tail) = &self.tail else {
            return Ok(None);
        };
        let start = segment.end();
        let length = segment.file.length().map_err(io)?;
        let mut last_byte = None;
        let mut place = start;
        self.window.clear();
        while place < length {
            let count = (length - place).min(CHUNK_BYTES as u64);
            // Headers may stand across the border of two chunks.
            let with = (length - place).min(count + frame::HEADER_BYTES as u64) as usize;
            let bytes = self
                .window
                .get(&*segment.file, place, with, length)
                .map_err(io)?;
            let chunk = bytes.get(..count as usize).unwrap_or_default();
            if let Some(last) = last_nonzero(chunk) {
                last_byte = Some(place + last as u64);
                for at in (0..chunk.len()).step_by(frame::ALIGN) {
                    let Some(candidate) = bytes.get(at..).and_then(|b| b.first_chunk()) else {
                        break;
                    };
                    if !candidate.starts_with(&MAGIC) {
                        continue;
                    }
                    let header = frame::Header::decode(candidate, self.salt, self.options.checks());
                    if header.is_ok_and(|h| h.number > tail.number && h.proof > tail.position) {
                        return Err(damaged(&segment.path, start, stopped));
                    }
                }
            }
            place += count;
        }
        let Some(last_byte) = last_byte else {
            return Ok(None);
        };
        let bytes = last_byte + 1 - start;
        let zeros = vec![0; CHUNK_BYTES.min(bytes as usize)];
        let mut at = start;
        while at <= last_byte {
            let count = (last_byte + 1 - at).min(zeros.len() as u64) as usize;
            let part = zeros.get(..count).unwrap_or_default();
            segment
                .file
                .write_at(&[part], at)
                .map_err(|e| Error::io("write", &segment.path, e))?;
            at += count as u64;
        }
        Ok(Some(bytes))
    }
}

/// The place of the last byte that is not zero.
fn last_nonzero(bytes: &[u8]) -> Option<usize> {
    const STEP: usize = 4096;
    let blocks = bytes.chunks(STEP).enumerate().rev();
    let (i, block) = blocks
        .into_iter()
        .find(|(_, block)| block.iter().fold(0, |all, b| all | b) != 0)?;
    block.iter().rposition(|b| *b != 0).map(|at| i * STEP + at)
}
