//! Reading the frames of one segment in order, through a window of its bytes.

use crate::{
    disk::{DiskFile, read_exact},
    frame::{HEADER_BYTES, Header, NoHeader},
};
use std::io;

/// Bytes that are read at once.
const WINDOW_BYTES: usize = 256 * 1024;

/// Bytes of a file around the place that is being read.
#[derive(Default)]
pub(crate) struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// These bytes of the file; reads ahead, but not beyond `end`.
    pub fn get(
        &mut self,
        file: &dyn DiskFile,
        place: u64,
        length: usize,
        end: u64,
    ) -> io::Result<&[u8]> {
        let held = self.start..self.start + self.bytes.len() as u64;
        if place < held.start || place + length as u64 > held.end {
            let ahead = end.saturating_sub(place).min(WINDOW_BYTES as u64) as usize;
            self.bytes.resize(ahead.max(length), 0);
            self.start = place;
            if let Err(error) = read_exact(file, &mut self.bytes, place) {
                self.bytes.clear();
                return Err(error);
            }
        }
        let from = (place - self.start) as usize;
        self.bytes
            .get(from..from + length)
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Forgets what was read.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}

/// What stands where a frame may start.
pub(crate) enum Found {
    Frame(Header),
    /// Nothing was ever written here, or the file ends.
    Blank,
    Newer(u8),
    Damaged(&'static str),
}

/// Looks at the header at a place of a segment.
pub(crate) fn header_at(
    window: &mut Window,
    file: &dyn DiskFile,
    place: u64,
    end: u64,
    salt: u64,
    checked: bool,
) -> io::Result<Found> {
    if place + HEADER_BYTES as u64 > end {
        return Ok(Found::Blank);
    }
    let bytes = window.get(file, place, HEADER_BYTES, end)?;
    let Some(bytes) = bytes.first_chunk() else {
        return Ok(Found::Blank);
    };
    Ok(match Header::decode(bytes, salt, checked) {
        Ok(header) if place + header.total() > end => {
            Found::Damaged("the frame is longer than the file")
        }
        Ok(header) => Found::Frame(header),
        Err(NoHeader::Blank) => Found::Blank,
        Err(NoHeader::Newer(version)) => Found::Newer(version),
        Err(NoHeader::Damaged) => Found::Damaged("the frame's header fails its checksum"),
    })
}

/// The body of the frame at a place; none if its checksum is wrong.
pub(crate) fn body_at<'a>(
    window: &'a mut Window,
    file: &dyn DiskFile,
    place: u64,
    end: u64,
    header: &Header,
    checked: bool,
) -> io::Result<Option<&'a [u8]>> {
    let body = window.get(
        file,
        place + HEADER_BYTES as u64,
        header.body_bytes as usize,
        end,
    )?;
    Ok((!checked || crc32c::crc32c(body) == header.body_crc).then_some(body))
}
