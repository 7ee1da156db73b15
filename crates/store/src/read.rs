//! Reading the log's frames in order, while the writer appends.

use crate::{
    Error,
    frame::{self, Frame, STOP},
    scan::{Found, Window, body_at, header_at},
    segment::{HEADER_BYTES, Segment},
    shared::Shared,
};
use gemelli_event::{Record, Seq, codec::Decoder};
use std::sync::Arc;

/// Frames from a record on, only those that are synced. At the end of the log it answers none, and goes on when
/// it is asked again after more was written. The first frame may start before the record that was asked for.
pub struct Frames {
    shared: Arc<Shared>,
    segment: Option<Arc<Segment>>,
    place: u64,
    window: Window,
    failed: bool,
}

impl Frames {
    pub(crate) fn new(shared: Arc<Shared>, from: Seq) -> Result<Self, Error> {
        let first = shared.log.first_seq();
        if from < first {
            return Err(Error::NotKept { from, first });
        }
        let segment = shared.log.holding(from);
        let place = segment
            .as_ref()
            .map_or(HEADER_BYTES as u64, |s| s.before_seq(from));
        let mut frames = Self {
            shared,
            segment,
            place,
            window: Window::default(),
            failed: false,
        };
        while let Some(header) = frames.peek()? {
            if header.next_seq() > from {
                break;
            }
            frames.place += header.total();
        }
        Ok(frames)
    }

    /// The next frame, decoded; none at the end of what is synced.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            let Some(header) = self.peek()? else {
                return Ok(None);
            };
            let records = if header.kind == STOP {
                Vec::new()
            } else {
                self.records(&header)?
            };
            self.place += header.total();
            if header.kind == STOP {
                continue;
            }
            return Ok(Some(Frame {
                number: header.number,
                first_seq: header.first_seq,
                accepted_ms: header.base_ms,
                definitions: header.definitions,
                engine: header.engine,
                records,
            }));
        }
    }

    /// The header of the next frame, in this segment or the one after it.
    fn peek(&mut self) -> Result<Option<frame::Header>, Error> {
        loop {
            let Some(segment) = self.segment.clone() else {
                self.segment = self.shared.log.first();
                if self.segment.is_none() {
                    return Ok(None);
                }
                continue;
            };
            // Asked before the end is read: a segment that has a successor grows no more.
            let successor = self.shared.log.after(&segment);
            let end = segment.end();
            if self.place < end {
                return header_of(&self.shared, &mut self.window, &segment, self.place, end)
                    .map(Some);
            }
            let Some(successor) = successor else {
                return Ok(None);
            };
            if successor.header.first_seq != segment.next_seq() {
                let first = self.shared.log.first_seq();
                return Err(Error::NotKept {
                    from: segment.next_seq(),
                    first,
                });
            }
            self.window.clear();
            self.place = HEADER_BYTES as u64;
            self.segment = Some(successor);
        }
    }

    fn records(&mut self, header: &frame::Header) -> Result<Vec<Record>, Error> {
        let Some(segment) = self.segment.clone() else {
            return Ok(Vec::new());
        };
        let body = body_of(&self.shared, &mut self.window, &segment, self.place, header)?;
        let wrong =
            |e: gemelli_event::codec::Damaged| damaged(&segment, self.place, &e.to_string());
        let mut decoder = Decoder::new(body, header.base_ms).map_err(wrong)?;
        // A record takes at least five bytes: the header cannot make us reserve more than the body justifies.
        let mut records = Vec::with_capacity((header.records as usize).min(body.len() / 5));
        while let Some(record) = decoder.next().map_err(wrong)? {
            records.push(record);
        }
        if records.len() != header.records as usize {
            return Err(damaged(
                &segment,
                self.place,
                "the frame's header and its body disagree",
            ));
        }
        Ok(records)
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, Error>;

    /// Ends for good after an error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.next_frame();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// The header of a frame that is known to be there.
pub(crate) fn header_of(
    shared: &Shared,
    window: &mut Window,
    segment: &Segment,
    place: u64,
    end: u64,
) -> Result<frame::Header, Error> {
    let (salt, checked) = (shared.folder.identity.salt, shared.options.checks());
    let found = header_at(window, &*segment.file, place, end, salt, checked);
    match found.map_err(|e| Error::io("read", &segment.path, e))? {
        Found::Frame(header) => Ok(header),
        Found::Blank => Err(damaged(segment, place, "a frame is missing")),
        Found::Newer(_) => Err(damaged(
            segment,
            place,
            "the frame's header changed since the start",
        )),
        Found::Damaged(what) => Err(damaged(segment, place, what)),
    }
}

/// The checked body of a frame.
pub(crate) fn body_of<'a>(
    shared: &Shared,
    window: &'a mut Window,
    segment: &Segment,
    place: u64,
    header: &frame::Header,
) -> Result<&'a [u8], Error> {
    let body = body_at(
        window,
        &*segment.file,
        place,
        segment.end(),
        header,
        shared.options.checks(),
    );
    let body = body.map_err(|e| Error::io("read", &segment.path, e))?;
    body.ok_or_else(|| damaged(segment, place, "the frame's body fails its checksum"))
}

pub(crate) fn damaged(segment: &Segment, offset: u64, what: &str) -> Error {
    Error::DamagedLog {
        file: segment.path.clone(),
        offset,
        what: what.into(),
    }
}
