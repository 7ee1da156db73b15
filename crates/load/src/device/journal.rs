//! What was sent and what was acknowledged, as an append-only file.
//!
//! Records of nine bytes: `S` or `A`, the device's number, the report's number (both 32 bits, little
//! endian). `S` is written before the report goes to the network the first time, `A` after its
//! acknowledgement was read. A record cut at the end of the file is ignored by the reader: the
//! writer was stopped there.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

/// Bytes of a record.
const RECORD_BYTES: usize = 9;
const SENT: u8 = b'S';
const ACKNOWLEDGED: u8 = b'A';

/// The writer.
#[derive(Debug)]
pub struct Journal {
    file: Option<BufWriter<File>>,
}

impl Journal {
    /// A journal in this file, which is created or emptied; without a file nothing is written.
    pub fn create(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(File::create).transpose()?;
        Ok(Self {
            file: file.map(BufWriter::new),
        })
    }

    /// Notes that a report is about to be sent.
    pub fn sent(&mut self, device: u32, n: u32) -> io::Result<()> {
        self.write(SENT, device, n)
    }

    /// Notes that a report was acknowledged.
    pub fn acknowledged(&mut self, device: u32, n: u32) -> io::Result<()> {
        self.write(ACKNOWLEDGED, device, n)
    }

    /// Makes all notes visible to readers.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }

    fn write(&mut self, kind: u8, device: u32, n: u32) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut record = [kind; RECORD_BYTES];
        for (slot, byte) in record
            .iter_mut()
            .skip(1)
            .zip(device.to_le_bytes().into_iter().chain(n.to_le_bytes()))
        {
            *slot = byte;
        }
        file.write_all(&record)
    }
}

/// What a journal says of a device: the highest number that was sent, and that was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Sent, and all below.
    pub sent: u32,
    /// Acknowledged, and all below.
    pub acknowledged: u32,
    /// Records of acknowledgements.
    pub acknowledgements: u32,
}

/// Reads a journal: marks by device number.
pub fn read(path: &Path, devices: usize) -> io::Result<Vec<Marks>> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    let mut marks = vec![Marks::default(); devices];
    for record in bytes.chunks_exact(RECORD_BYTES) {
        let [kind, d0, d1, d2, d3, n0, n1, n2, n3] = record else {
            continue;
        };
        let device = u32::from_le_bytes([*d0, *d1, *d2, *d3]);
        let n = u32::from_le_bytes([*n0, *n1, *n2, *n3]);
        let unknown =
            || io::Error::other(format!("a journal of other devices: {device} of {devices}"));
        let mark = marks.get_mut(device as usize).ok_or_else(unknown)?;
        match *kind {
            SENT => mark.sent = mark.sent.max(n),
            ACKNOWLEDGED => {
                mark.acknowledged = mark.acknowledged.max(n);
                mark.acknowledgements += 1;
            }
            _ => return Err(io::Error::other("not a journal of devices")),
        }
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_reader_sees_what_was_flushed_and_ignores_a_cut_record() {
        let path = std::env::temp_dir().join(format!("gemelli-journal-{}", std::process::id()));
        let mut journal = Journal::create(Some(&path)).unwrap();
        journal.sent(0, 1).unwrap();
        journal.sent(1, 1).unwrap();
        journal.acknowledged(1, 1).unwrap();
        journal.sent(1, 2).unwrap();
        journal.flush().unwrap();
        let expected = [
            Marks {
                sent: 1,
                acknowledged: 0,
                acknowledgements: 0,
            },
            Marks {
                sent: 2,
                acknowledged: 1,
                acknowledgements: 1,
            },
        ];
        assert_eq!(read(&path, 2).unwrap(), expected);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"A12")
            .unwrap();
        assert_eq!(read(&path, 2).unwrap(), expected);
        assert!(read(&path, 1).is_err());
        std::fs::write(&path, b"notajour").unwrap();
        assert!(
            read(&path, 1)
                .unwrap()
                .iter()
                .all(|mark| *mark == Marks::default())
        );
        std::fs::write(&path, b"xnotajour").unwrap();
        assert!(read(&path, usize::MAX >> 40).is_err());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn without_a_file_nothing_is_written() {
        let mut journal = Journal::create(None).unwrap();
        journal.sent(0, 1).unwrap();
        journal.flush().unwrap();
    }
}
