//! What the standard library offers on every system.
//!
//! Space is reserved by writing zeros, which holds on file systems that write in place; one that compresses or
//! copies on write may still run full later, which stops the log in good order.

use super::Calls;
use std::{fs::File, io, path::Path};

/// Zeros that are written at once.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

pub(super) static CALLS: Calls = Calls { allocate, write_at };

pub(super) fn allocate(file: &File, length: u64) -> io::Result<()> {
    let mut at = file.metadata()?.len();
    while at < length {
        let count = (length - at).min(ZEROS.len() as u64);
        write_all(file, ZEROS.get(..count as usize).unwrap_or_default(), at)?;
        at += count;
    }
    Ok(())
}

fn write_at(file: &File, parts: &[&[u8]], offset: u64) -> io::Result<()> {
    write_rest(file, parts, offset, 0)
}

/// Writes what is left of the parts after their first `written` bytes.
pub(super) fn write_rest(
    file: &File,
    parts: &[&[u8]],
    mut offset: u64,
    mut written: usize,
) -> io::Result<()> {
    for part in parts {
        let done = written.min(part.len());
        let rest = part.get(done..).unwrap_or_default();
        if !rest.is_empty() {
            write_all(file, rest, offset + done as u64)?;
        }
        written -= done;
        offset += part.len() as u64;
    }
    Ok(())
}

#[cfg(unix)]
fn write_all(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_all(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = bytes.get(n..).unwrap_or_default();
                offset += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One read; it may be short.
#[cfg(unix)]
pub(super) fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

/// One read; it may be short.
#[cfg(windows)]
pub(super) fn read_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

#[cfg(unix)]
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Directories cannot be synced there: the file system keeps a journal of their names.
#[cfg(windows)]
pub(super) fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}
