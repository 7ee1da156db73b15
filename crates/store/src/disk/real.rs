//! The real disk.

use super::{Disk, DiskFile, NoLock};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use std::{
    any::Any,
    fs::{self, File},
    io::{self, IoSlice, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

/// Zeros that are written at once where a file system cannot reserve space.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

impl Disk for Real {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::options().read(true).write(true).open(path)?))
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(dir)?
            .map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
        names.collect()
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>, NoLock> {
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let mut file = options.map_err(NoLock::Io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let _ = file.take(32).read_to_string(&mut text);
                return Err(NoLock::Held(text.trim().parse().ok()));
            }
            Err(error) => return Err(NoLock::Io(error.into())),
        }
        file.set_len(0).map_err(NoLock::Io)?;
        writeln!(file, "{}", std::process::id()).map_err(NoLock::Io)?;
        Ok(Box::new(file))
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, parts: &[&[u8]], mut offset: u64) -> io::Result<()> {
        let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        // One system call in the ordinary case; what it left over goes part by part.
        let mut written = match rustix::io::pwritev(self, &slices, offset) {
            Ok(written) => written,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for part in parts {
            let done = written.min(part.len());
            let rest = part.get(done..).unwrap_or_default();
            if !rest.is_empty() {
                self.write_all_at(rest, offset + done as u64)?;
            }
            written -= done;
            offset += part.len() as u64;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match fallocate(self, FallocateFlags::empty(), 0, length) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                let mut at = self.metadata()?.len();
                while at < length {
                    let count = (length - at).min(ZEROS.len() as u64);
                    self.write_all_at(ZEROS.get(..count as usize).unwrap_or_default(), at)?;
                    at += count;
                }
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}
