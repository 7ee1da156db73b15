//! Linux: space by `fallocate`, one `pwritev` per write.

use super::{Calls, portable};
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::{Errno, pwritev},
};
use std::{
    fs::File,
    io::{self, IoSlice},
};

pub(super) static CALLS: Calls = Calls { allocate, write_at };

fn allocate(file: &File, length: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        // Not every file system can.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => portable::allocate(file, length),
        other => Ok(other?),
    }
}

fn write_at(file: &File, parts: &[&[u8]], offset: u64) -> io::Result<()> {
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    // One system call in the ordinary case; what it left over goes part by part.
    let written = match pwritev(file, &slices, offset) {
        Ok(written) => written,
        Err(Errno::INTR) => 0,
        Err(error) => return Err(error.into()),
    };
    portable::write_rest(file, parts, offset, written)
}
