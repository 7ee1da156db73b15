//! The few file operations that the store is made of, so that a simulated disk can stand in for the real one.
//!
//! Promises of [`Real`]: [`DiskFile::sync`] is `fdatasync`, [`Disk::sync_dir`] is `fsync` of the directory where
//! directories can be synced, [`DiskFile::allocate`] reserves blocks that later writes cannot fail to get. Nothing
//! is retried but an interrupted call. On Linux its own calls are used, elsewhere those of the standard library;
//! [`Real::portable`] takes the latter everywhere.

use std::{any::Any, io, path::Path, sync::Arc};

mod real;
#[cfg(any(test, feature = "sim"))]
pub mod sim;

pub use real::Real;

/// A place where files are.
pub trait Disk: Send + Sync {
    /// Creates a file, empty, for reading and writing; replaces one that exists.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// The names in a directory, in any order.
    fn names(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates a directory and its parents where they are missing.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames within a directory; replaces a file that exists.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in the directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock that a file stands for, until the answer is dropped.
    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>, NoLock>;
}

/// An open file. It stays readable after it was removed.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes the parts one after the other, all of them.
    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()>;
    /// Returns when what was written is on the medium.
    fn sync(&self) -> io::Result<()>;
    /// Makes the file this long, with zeros, and reserves the space.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Cuts the file to this length.
    fn cut(&self, length: u64) -> io::Result<()>;
}

/// Why a lock was not given.
#[derive(Debug)]
pub enum NoLock {
    /// Somebody has it: their process id, where known.
    Held(Option<u32>),
    /// The file could not be opened or written.
    Io(io::Error),
}

/// Reads exactly these bytes.
pub(crate) fn read_exact(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match file.read_at(buffer, offset)? {
        n if n == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Writes a whole small file so that it is there completely or not at all.
pub(crate) fn write_file(disk: &dyn Disk, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.tmp"));
    let file = disk.create(&temporary)?;
    file.write_at(&[bytes], 0)?;
    file.sync()?;
    disk.rename(&temporary, &dir.join(name))?;
    disk.sync_dir(dir)
}

/// Reads a whole small file.
pub(crate) fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let length = usize::try_from(file.length()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; length];
    read_exact(&*file, &mut bytes, 0)?;
    Ok(bytes)
}
