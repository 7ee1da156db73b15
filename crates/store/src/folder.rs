//! The data folder: its lock, its `format` file, its sub-folders.
//!
//! ```text
//! format      version, partitions, incarnation and salt, as text with a checksum; written once
//! lock        held with flock while the folder is open; names the process
//! log/        segments, and the spare one        snapshots/  snapshots
//! history/    Parquet files                      *.tmp       unfinished, removed at start
//! ```

use crate::{
    Error,
    disk::{Disk, NoLock, read_file, write_file},
};
use gemelli_event::record::PARTITIONS;
use std::{
    any::Any,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::{Path, PathBuf},
};

/// The newest format of a data folder.
pub const FORMAT: u32 = 1;

const FORMAT_FILE: &str = "format";
const TITLE: &str = "gemelli data folder";

/// An open folder.
pub(crate) struct Folder {
    pub dir: PathBuf,
    pub identity: Identity,
    /// Given back when it is dropped.
    _lock: Box<dyn Any + Send + Sync>,
}

/// What a folder was given at its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Tells this folder from every other, and from its own copies that were restored.
    pub incarnation: u64,
    /// Known to nobody outside: makes the checksums of headers.
    pub salt: u64,
}

impl Folder {
    /// Locks the folder and reads its format; makes an empty one where there is none.
    pub fn open(disk: &dyn Disk, dir: &Path) -> Result<Self, Error> {
        // A folder of a newer release is left exactly as it is, lock file included.
        let known = read_format(disk, dir)?;
        disk.create_dir(dir)
            .map_err(|e| Error::io("create", dir, e))?;
        let lock_file = dir.join("lock");
        let lock = disk.lock(&lock_file).map_err(|error| match error {
            NoLock::Held(pid) => Error::FolderLocked {
                dir: dir.into(),
                pid,
            },
            NoLock::Io(error) => Error::io("lock", &lock_file, error),
        })?;
        let identity = match known {
            Some(identity) => identity,
            None => match read_format(disk, dir)? {
                Some(identity) => identity,
                None => found(disk, dir)?,
            },
        };
        let folder = Self {
            dir: dir.into(),
            identity,
            _lock: lock,
        };
        for sub in [folder.log(), folder.snapshots(), folder.history()] {
            disk.create_dir(&sub)
                .map_err(|e| Error::io("create", &sub, e))?;
            for name in disk.names(&sub).map_err(|e| Error::io("list", &sub, e))? {
                let path = sub.join(&name);
                if name.ends_with(".tmp") {
                    disk.remove(&path)
                        .map_err(|e| Error::io("remove", &path, e))?;
                }
            }
        }
        disk.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
        Ok(folder)
    }

    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub fn snapshots(&self) -> PathBuf {
        self.dir.join("snapshots")
    }

    pub fn history(&self) -> PathBuf {
        self.dir.join("history")
    }
}

/// Writes the format file of a new folder.
fn found(disk: &dyn Disk, dir: &Path) -> Result<Identity, Error> {
    let file = dir.join(FORMAT_FILE);
    let log = dir.join("log");
    if disk.names(&log).is_ok_and(|names| !names.is_empty()) {
        let what = "the file is missing beside a log".into();
        return Err(Error::DamagedLog {
            file,
            offset: 0,
            what,
        });
    }
    let identity = Identity {
        incarnation: random(),
        salt: random(),
    };
    let Identity { incarnation, salt } = identity;
    let text = format!(
        "{TITLE}\nformat {FORMAT}\npartitions {PARTITIONS}\nincarnation {incarnation:016x}\nsalt {salt:016x}\n"
    );
    let text = format!("{text}check {:08x}\n", crc32c::crc32c(text.as_bytes()));
    write_file(disk, dir, FORMAT_FILE, text.as_bytes())
        .map_err(|e| Error::io("write", &file, e))?;
    Ok(identity)
}

fn read_format(disk: &dyn Disk, dir: &Path) -> Result<Option<Identity>, Error> {
    let file = dir.join(FORMAT_FILE);
    let bytes = match read_file(disk, &file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| Error::io("read", &file, e))?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    };
    let damaged = |what: &str| Error::DamagedLog {
        file: file.clone(),
        offset: 0,
        what: what.into(),
    };
    let version = field("format").and_then(|v| v.parse::<u32>().ok());
    let version = version
        .filter(|_| text.starts_with(TITLE))
        .ok_or_else(|| damaged("not a format file"))?;
    if version > FORMAT {
        return Err(Error::NewerFormat {
            file,
            found: version,
            known: FORMAT,
        });
    }
    let hex = |name: &str| field(name).and_then(|v| u64::from_str_radix(v, 16).ok());
    let content = text
        .find("check ")
        .and_then(|at| text.get(..at))
        .unwrap_or_default();
    let checks = hex("check") == Some(crc32c::crc32c(content.as_bytes()).into());
    match (checks, hex("incarnation"), hex("salt")) {
        (true, Some(incarnation), Some(salt)) => Ok(Some(Identity { incarnation, salt })),
        _ => Err(damaged("the checksum of the format file is wrong")),
    }
}

/// From the keys that the operating system gives the standard library's hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
