//! The real disk.

use super::{Disk, DiskFile, NoLock};
use std::{
    any::Any,
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

#[cfg(target_os = "linux")]
mod linux;
mod portable;

/// The file system of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Real {
    calls: &'static Calls,
}

/// What systems do each in their way.
#[derive(Debug)]
struct Calls {
    allocate: fn(&File, u64) -> io::Result<()>,
    write_at: fn(&File, &[&[u8]], u64) -> io::Result<()>,
}

/// A file and the calls by which it is written.
struct RealFile {
    file: File,
    calls: &'static Calls,
}

impl Default for Real {
    /// By the calls of this system.
    fn default() -> Self {
        #[cfg(target_os = "linux")]
        let calls = &linux::CALLS;
        #[cfg(not(target_os = "linux"))]
        let calls = &portable::CALLS;
        Self { calls }
    }
}

impl Real {
    /// By the calls of the standard library alone.
    pub fn portable() -> Self {
        Self {
            calls: &portable::CALLS,
        }
    }

    fn file(&self, file: File) -> Arc<dyn DiskFile> {
        Arc::new(RealFile {
            file,
            calls: self.calls,
        })
    }
}

impl Disk for Real {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        Ok(self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(File::options().read(true).write(true).open(path)?))
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
        portable::sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>, NoLock> {
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let mut file = options.map_err(NoLock::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Some systems let nobody read what is locked.
                let _ = file.take(32).read_to_string(&mut text);
                return Err(NoLock::Held(text.trim().parse().ok()));
            }
            Err(TryLockError::Error(error)) => return Err(NoLock::Io(error)),
        }
        file.set_len(0).map_err(NoLock::Io)?;
        writeln!(file, "{}", std::process::id()).map_err(NoLock::Io)?;
        Ok(Box::new(file))
    }
}

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match portable::read_once(&self.file, rest, offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        (self.calls.write_at)(&self.file, parts, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        (self.calls.allocate)(&self.file, length)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}
