//! The one writer of the log.
//!
//! One write and one `fdatasync` per frame, into space that was allocated before. A write or sync that fails stops
//! the writer for good: nobody knows what reached the disk, and asking again may be answered wrongly.

use crate::{
    Error,
    frame::{EncodedFrame, HEADER_BYTES as FRAME_HEADER, Header, STOP, Spans},
    recover::Tail,
    segment::{HEADER_BYTES, Segment},
    shared::{Shared, Spare},
};
use gemelli_event::Seq;
use std::{sync::Arc, sync::atomic::Ordering, time::Duration, time::Instant};

/// Most bytes of a frame. Places within a segment are 32 bits, and a frame is read as a whole.
pub const MAX_FRAME_BYTES: usize = 512 << 20;

/// Writes frames. Owned by the log thread.
pub struct LogWriter {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    tail: Tail,
    stopped: Option<String>,
}

/// A frame that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The record after it: all before are durable.
    pub next_seq: Seq,
    /// How long write and sync took.
    pub took: Duration,
}

impl LogWriter {
    pub(crate) fn new(shared: Arc<Shared>, tail: Tail) -> Result<Self, Error> {
        let segment = match shared.log.last() {
            Some(segment) => segment,
            None => {
                let segment = start_segment(&shared, &tail, 0)?;
                shared.log.push(segment.clone());
                segment
            }
        };
        shared.note_left(&segment);
        Ok(Self {
            shared,
            segment,
            tail,
            stopped: None,
        })
    }

    /// The place of the next frame's first record.
    pub fn next_seq(&self) -> Seq {
        self.tail.next_seq
    }

    /// Writes a frame and returns when it is on disk. After [`Error::DiskFull`] for want of a new segment nothing
    /// was written, and the frame may be given again; after any other failure everything is [`Error::Stopped`].
    pub fn append(&mut self, frame: &EncodedFrame) -> Result<Synced, Error> {
        if frame.first_seq() != self.tail.next_seq {
            return Err(Error::OutOfOrder {
                expected: self.tail.next_seq,
                found: frame.first_seq(),
            });
        }
        if frame.bytes() > MAX_FRAME_BYTES {
            return Err(Error::FrameTooLarge {
                bytes: frame.bytes(),
            });
        }
        let header = frame.header(self.tail.number, self.tail.position);
        let took = self.write(
            &header,
            frame.body(),
            frame.0.last_ms,
            &frame.0.spans,
            &frame.0.marks,
        )?;
        let metrics = &self.shared.metrics;
        metrics
            .records
            .fetch_add(frame.records() as u64, Ordering::Relaxed);
        Ok(Synced {
            next_seq: self.tail.next_seq,
            took,
        })
    }

    /// Marks a clean stop: all before it is proven to be on disk.
    pub fn close(mut self) -> Result<(), Error> {
        let header = Header {
            kind: STOP,
            engine: 0,
            body_bytes: 0,
            records: 0,
            number: self.tail.number,
            first_seq: self.tail.next_seq,
            proof: self.tail.position,
            base_ms: self.tail.accepted_ms,
            definitions: self.tail.definitions,
            body_crc: crc32c::crc32c(&[]),
        };
        self.write(&header, &[], self.tail.accepted_ms, &Spans::default(), &[])
            .map(drop)
    }

    fn write(
        &mut self,
        header: &Header,
        body: &[u8],
        last_ms: i64,
        spans: &Spans,
        marks: &[crate::frame::Mark],
    ) -> Result<Duration, Error> {
        if let Some(why) = &self.stopped {
            return Err(Error::Stopped { why: why.clone() });
        }
        let mut at = self.segment.end();
        if at + header.total() > self.segment.header.allocated {
            self.roll(header.total())?;
            at = self.segment.end();
        }
        let started = Instant::now();
        let head = header.encode(self.shared.folder.identity.salt);
        let file = &self.segment.file;
        let write = || file.write_at(&[&head, body], at).map_err(|e| ("write", e));
        let sync = || match self.shared.options.syncs() {
            true => file.sync().map_err(|e| ("sync", e)),
            false => Ok(()),
        };
        if let Err((doing, error)) = write().and_then(|()| sync()) {
            let error = Error::io(doing, &self.segment.path, error);
            return Err(self.stop(error));
        }
        let took = started.elapsed();
        self.tail.pass(header, last_ms, spans);
        self.segment.admit(header, last_ms, spans, marks);
        self.shared.note_left(&self.segment);
        self.shared
            .metrics
            .frame(FRAME_HEADER as u64 + body.len() as u64, took);
        Ok(took)
    }

    /// Goes on in the next segment, at least this big, and has another one allocated behind it.
    fn roll(&mut self, frame_bytes: u64) -> Result<(), Error> {
        let next = match start_segment(&self.shared, &self.tail, frame_bytes) {
            Ok(next) => next,
            Err(error @ Error::DiskFull { .. }) => return Err(error),
            Err(error) => return Err(self.stop(error)),
        };
        // Readers find where the old segment ends in the new one's header, so its blank rest is worth nothing.
        let old = std::mem::replace(&mut self.segment, next);
        let _ = old.file.cut(old.end());
        self.shared.log.push(self.segment.clone());
        self.shared.make_room();
        Ok(())
    }

    fn stop(&mut self, error: Error) -> Error {
        self.stopped = Some(error.to_string());
        self.shared.metrics.stopped.store(true, Ordering::Relaxed);
        error
    }
}

/// Makes the segment in which the log goes on, from the spare one if that is big enough.
fn start_segment(shared: &Shared, tail: &Tail, frame_bytes: u64) -> Result<Arc<Segment>, Error> {
    let needs = shared
        .options
        .segment_bytes
        .max(HEADER_BYTES as u64 + frame_bytes);
    let spare = match shared.take_spare() {
        Some(spare) if spare.bytes >= needs => spare,
        other => {
            if let Some(small) = other {
                shared.put_spare(small);
            }
            Spare::make(shared, needs)?
        }
    };
    let dir = shared.folder.log();
    let header = tail.header(spare.bytes);
    let path = dir.join(header.file_name());
    let disk = &*shared.options.disk;
    let bytes = header.encode(shared.folder.identity.salt);
    spare
        .file
        .write_at(&[&bytes], 0)
        .map_err(|e| Error::io("write", &spare.path, e))?;
    spare
        .file
        .sync()
        .map_err(|e| Error::io("sync", &spare.path, e))?;
    disk.rename(&spare.path, &path)
        .map_err(|e| Error::io("rename", &spare.path, e))?;
    disk.sync_dir(&dir)
        .map_err(|e| Error::io("sync", &dir, e))?;
    Ok(Arc::new(Segment::new(path, spare.file, header)))
}
