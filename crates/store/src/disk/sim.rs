//! A disk in memory that fails as real ones do. For tests; never shipped.
//!
//! What was written and not synced is lost or torn at [`Sim::crash`], by a seed: each such write survives
//! wholly, in part (up to a sector's border), or not; names that were not synced may be the old or the new ones.
//! [`Sim::fail`] makes the operation after the next `n` fail; [`Sim::limit`] makes the disk small.

use super::{Disk, DiskFile, NoLock};
use parking_lot::Mutex;
use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Writes of several sectors may be torn between them.
const SECTOR: usize = 512;

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A write fails with an input/output error, half of it done.
    Write,
    /// A write finds no space.
    Full,
    /// A sync fails and what was to be synced is dropped.
    Sync,
    /// A sync of a folder fails: its names stay as they were on the platter.
    SyncDir,
    /// The power fails during a sync: nobody is told what was written.
    Power,
    /// The power fails before any operation that changes something, of whatever kind.
    Off,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Sim(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    locked: BTreeSet<PathBuf>,
    fault: Option<(Fault, usize)>,
    limit: Option<u64>,
    syncs: u64,
    dead: bool,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

impl Sim {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an operation of that kind fail, after `after` more of them have worked. Once.
    pub fn fail(&self, fault: Fault, after: usize) {
        self.0.lock().fault = Some((fault, after));
    }

    /// Lets all files together hold this many bytes; none: no limit.
    pub fn limit(&self, bytes: Option<u64>) {
        self.0.lock().limit = bytes;
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// How many times a file was synced.
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// The power goes: what the disk holds afterwards. This disk answers nothing but errors from now on.
    pub fn crash(&self, seed: u64) -> Self {
        let mut state = self.0.lock();
        state.dead = true;
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let names = if chance.below(2) == 0 {
            state.durable_names.clone()
        } else {
            state.names.clone()
        };
        let files = state
            .files
            .iter()
            .map(|file| file.after_crash(&mut chance))
            .collect();
        let durable_names = names.clone();
        let dirs = state.dirs.clone();
        Self(Arc::new(Mutex::new(State {
            files,
            names,
            durable_names,
            dirs,
            ..State::default()
        })))
    }

    /// A copy that shares nothing, as if all of it were synced and the lock were free.
    pub fn copy(&self) -> Self {
        let state = self.0.lock();
        let files = state
            .files
            .iter()
            .map(|f| Content::settled(f.now.clone()))
            .collect();
        Self(Arc::new(Mutex::new(State {
            files,
            names: state.names.clone(),
            durable_names: state.names.clone(),
            dirs: state.dirs.clone(),
            ..State::default()
        })))
    }

    /// Paths of all files.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.0.lock().names.keys().cloned().collect()
    }

    /// Changes the bytes of a file, as rot and clumsy hands do.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        let id = state.names.get(path).copied();
        if let Some(file) = id.and_then(|id| state.files.get_mut(id)) {
            change(&mut file.now);
            *file = Content::settled(std::mem::take(&mut file.now));
        }
    }
}

/// A small generator of pseudo-random numbers.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % n.max(1)
    }
}

impl Content {
    fn settled(bytes: Vec<u8>) -> Self {
        Self {
            now: bytes.clone(),
            durable: bytes,
            pending: Vec::new(),
        }
    }

    fn after_crash(&self, chance: &mut Chance) -> Self {
        let mut bytes = self.durable.clone();
        for (offset, part) in &self.pending {
            for (i, sector) in part.chunks(SECTOR).enumerate() {
                // Sectors reach the medium in any order.
                if chance.below(2) == 0 {
                    lay(&mut bytes, offset + i * SECTOR, sector);
                }
            }
        }
        Self::settled(bytes)
    }
}

fn lay(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) {
    if bytes.len() < offset + part.len() {
        bytes.resize(offset + part.len(), 0);
    }
    if let Some(slot) = bytes.get_mut(offset..offset + part.len()) {
        slot.copy_from_slice(part);
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|id| self.files.get(*id))
            .map(|f| f.now.len() as u64)
            .sum()
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead {
            Err(io::Error::other("the power is off"))
        } else {
            Ok(())
        }
    }

    /// Whether a change may be made: the power is on, and does not fail just now.
    fn may_change(&mut self) -> io::Result<()> {
        if self.meets(Fault::Off) {
            self.dead = true;
        }
        self.alive()
    }

    fn meets(&mut self, fault: Fault) -> bool {
        match &mut self.fault {
            Some((kind, 0)) if *kind == fault => {
                self.fault = None;
                true
            }
            Some((kind, after)) if *kind == fault => {
                *after -= 1;
                false
            }
            _ => false,
        }
    }

    fn room(&self, grows_by: u64) -> io::Result<()> {
        match self.limit {
            Some(limit) if grows_by > 0 && self.used() + grows_by > limit => {
                Err(io::ErrorKind::StorageFull.into())
            }
            _ => Ok(()),
        }
    }
}

struct SimFile {
    disk: Sim,
    id: usize,
}

impl SimFile {
    fn with<T>(&self, act: impl FnOnce(&mut State, usize) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.0.lock();
        state.alive()?;
        act(&mut state, self.id)
    }
}

fn content(state: &mut State, id: usize) -> io::Result<&mut Content> {
    state
        .files
        .get_mut(id)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        self.with(|state, id| Ok(content(state, id)?.now.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|state, id| {
            let bytes = &content(state, id)?.now;
            let start = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            let end = start.saturating_add(buffer.len()).min(bytes.len());
            let part = bytes.get(start..end).unwrap_or_default();
            if let Some(slot) = buffer.get_mut(..part.len()) {
                slot.copy_from_slice(part);
            }
            Ok(part.len())
        })
    }

    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        let mut bytes = parts.concat();
        self.with(|state, id| {
            state.may_change()?;
            let offset = offset as usize;
            let length = content(state, id)?.now.len();
            state.room((offset + bytes.len()).saturating_sub(length) as u64)?;
            if state.meets(Fault::Full) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let fails = state.meets(Fault::Write);
            if fails {
                bytes.truncate(bytes.len() / 2);
            }
            let file = content(state, id)?;
            lay(&mut file.now, offset, &bytes);
            file.pending.push((offset, bytes));
            if fails {
                Err(io::Error::other("input/output error"))
            } else {
                Ok(())
            }
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|state, id| {
            state.may_change()?;
            state.syncs += 1;
            if state.meets(Fault::Power) {
                return Err(io::Error::other("the power is off"));
            }
            let fails = state.meets(Fault::Sync);
            let file = content(state, id)?;
            file.pending.clear();
            if fails {
                file.now = file.durable.clone();
                return Err(io::Error::other("input/output error"));
            }
            file.durable = file.now.clone();
            Ok(())
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.with(|state, id| {
            state.may_change()?;
            let now = content(state, id)?.now.len() as u64;
            state.room(length.saturating_sub(now))?;
            let file = content(state, id)?;
            if length > now {
                file.now.resize(length as usize, 0);
            }
            Ok(())
        })
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.with(|state, id| {
            state.may_change()?;
            let file = content(state, id)?;
            file.now.truncate(length as usize);
            file.durable.truncate(length as usize);
            Ok(())
        })
    }
}

impl Disk for Sim {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.may_change()?;
        let id = state.files.len();
        state.files.push(Content::default());
        state.names.insert(path.into(), id);
        Ok(Arc::new(SimFile {
            disk: self.clone(),
            id,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.0.lock();
        state.alive()?;
        match state.names.get(path) {
            Some(id) => Ok(Arc::new(SimFile {
                disk: self.clone(),
                id: *id,
            })),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        state.alive()?;
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.alive()?;
        state.dirs.extend(dir.ancestors().map(PathBuf::from));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.may_change()?;
        let id = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.into(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.may_change()?;
        state
            .names
            .remove(path)
            .map(drop)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.may_change()?;
        if state.meets(Fault::SyncDir) {
            return Err(io::Error::other("the folder's sync failed"));
        }
        let State {
            names,
            durable_names,
            ..
        } = &mut *state;
        durable_names.retain(|path, _| path.parent() != Some(dir));
        let inside = names.iter().filter(|(path, _)| path.parent() == Some(dir));
        durable_names.extend(inside.map(|(path, id)| (path.clone(), *id)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>, NoLock> {
        let mut state = self.0.lock();
        state.alive().map_err(NoLock::Io)?;
        if !state.locked.insert(path.into()) {
            return Err(NoLock::Held(Some(std::process::id())));
        }
        Ok(Box::new(SimLock {
            disk: self.clone(),
            path: path.into(),
        }))
    }
}

struct SimLock {
    disk: Sim,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.0.lock().locked.remove(&self.path);
    }
}
