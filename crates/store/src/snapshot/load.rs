//! Loading the newest chain of snapshots that is whole.

use super::{DELETED, HEADER_BYTES, Kind, META, PUT, Snapshot, Snapshots, Unreadable, block_crc};
use crate::{
    Error,
    disk::{DiskFile, read_exact},
    frame::Reader,
    shared::Shared,
};
use gemelli_event::{Partition, Seq};
use std::{collections::HashSet, io, path::PathBuf};

/// An entry as it was put last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose it is: the caller's own number.
    pub kind: u8,
    /// Its partition.
    pub partition: Partition,
    /// Its key.
    pub key: &'a str,
    /// Its value.
    pub value: &'a [u8],
}

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Replay starts with this record; 0 without a snapshot.
    pub seq: Seq,
    /// The newest file's meta; none without a snapshot.
    pub meta: Option<Vec<u8>>,
    /// Entries that were handed out.
    pub entries: u64,
    /// Files that the chain consists of.
    pub files: usize,
    /// Files that could not be used, and why. They were renamed `*.damaged`.
    pub damaged: Vec<(PathBuf, String)>,
}

/// Why a file cannot be used.
struct Damage {
    offset: u64,
    what: &'static str,
}

/// Finds the newest whole chain and hands out its entries, each key once.
pub(crate) fn load(shared: &Shared, each: &mut dyn FnMut(Entry<'_>)) -> Result<Loaded, Error> {
    let mut snapshots = shared.snapshots.lock();
    let log_first = shared.log.first_seq();
    let mut loaded = Loaded::default();
    let mut worst: Option<Error> = None;
    for Unreadable { path, what } in std::mem::take(&mut snapshots.unreadable) {
        worst.get_or_insert_with(|| Error::DamagedSnapshot {
            file: path.clone(),
            offset: 0,
            what: what.clone(),
        });
        loaded.damaged.push((path, what));
    }
    let chain = loop {
        let (chain, broken) = whole_chain(&snapshots, shared)?;
        if let Some((file, damage)) = broken {
            let Damage { offset, what } = damage;
            worst.get_or_insert_with(|| Error::DamagedSnapshot {
                file: file.clone(),
                offset,
                what: what.into(),
            });
            // What follows it in its chain is of no use without it.
            let from = snapshots
                .files
                .iter()
                .position(|f| f.path == file)
                .unwrap_or(snapshots.files.len());
            for (i, lost) in snapshots.files.drain(from..).enumerate() {
                let why = if i == 0 {
                    format!("{what}, at byte {offset}")
                } else {
                    "it follows a damaged one".into()
                };
                loaded.damaged.push((lost.path, why));
            }
            continue;
        }
        break chain;
    };
    let seq = chain.last().map_or(0, |file| file.header.seq);
    if seq < log_first {
        return Err(worst.unwrap_or_else(|| Error::DamagedLog {
            file: shared.folder.log(),
            offset: 0,
            what: format!(
                "records before {log_first} are gone and no snapshot holds what they made"
            ),
        }));
    }
    let disk = &*shared.options.disk;
    for (path, _) in &loaded.damaged {
        let aside = path.with_extension("snap.damaged");
        disk.rename(path, &aside)
            .map_err(|e| Error::io("rename", path, e))?;
    }
    loaded.seq = seq;
    loaded.files = chain.len();
    hand_out(shared, &chain, &mut loaded, each)?;
    Ok(loaded)
}

type Broken = Option<(PathBuf, Damage)>;

/// The newest full snapshot and its deltas, and the first of them that is broken.
fn whole_chain(snapshots: &Snapshots, shared: &Shared) -> Result<(Vec<Snapshot>, Broken), Error> {
    let mut chain: Vec<Snapshot> = Vec::new();
    let files = snapshots.chain();
    if files.is_empty()
        && let Some(orphan) = snapshots.files.first()
    {
        let what = "the full snapshot that it follows is missing";
        return Ok((
            chain,
            Some((orphan.path.clone(), Damage { offset: 0, what })),
        ));
    }
    for file in files {
        let follows = match chain.last() {
            Some(last) => {
                file.header.parent == last.header.seq && file.header.base == chain_base(&chain)
            }
            None => true,
        };
        let damage = match follows {
            true => read(shared, file, &mut |_, _| {})?,
            false => Err(Damage {
                offset: 0,
                what: "the snapshot that it follows is missing",
            }),
        };
        match damage {
            Ok(()) => chain.push(file.clone()),
            Err(damage) => return Ok((chain, Some((file.path.clone(), damage)))),
        }
    }
    Ok((chain, None))
}

fn chain_base(chain: &[Snapshot]) -> Seq {
    chain.first().map_or(0, |file| file.header.seq)
}

/// From the newest file to the oldest, so that what is seen first counts.
fn hand_out(
    shared: &Shared,
    chain: &[Snapshot],
    loaded: &mut Loaded,
    each: &mut dyn FnMut(Entry<'_>),
) -> Result<(), Error> {
    let mut seen: HashSet<(u8, Box<str>)> = HashSet::new();
    for (i, file) in chain.iter().enumerate().rev() {
        let result = read(shared, file, &mut |op, entry| {
            if op == META {
                loaded.meta.get_or_insert_with(|| entry.value.to_vec());
                return;
            }
            // Nothing comes after the base, so its keys need not be remembered.
            let fresh = match (i, seen.is_empty()) {
                (0, true) => true,
                (0, false) => !seen.contains(&(entry.kind, Box::from(entry.key))),
                _ => seen.insert((entry.kind, Box::from(entry.key))),
            };
            if fresh && op == PUT {
                loaded.entries += 1;
                each(entry);
            }
        })?;
        result.map_err(|damage| Error::DamagedSnapshot {
            file: file.path.clone(),
            offset: damage.offset,
            what: damage.what.into(),
        })?;
    }
    Ok(())
}

/// Reads a file to its end, checking everything.
fn read(
    shared: &Shared,
    snapshot: &Snapshot,
    each: &mut dyn FnMut(u8, Entry<'_>),
) -> Result<Result<(), Damage>, Error> {
    let io = |e: io::Error| Error::io("read", &snapshot.path, e);
    let file = shared.options.disk.open(&snapshot.path).map_err(io)?;
    let length = file.length().map_err(io)?;
    match blocks(&*file, length, shared.options.checks(), each) {
        Err(Trouble::Io(error)) => Err(io(error)),
        Err(Trouble::Damage(damage)) => Ok(Err(damage)),
        Ok(())
            if snapshot.header.kind == Kind::Full
                && snapshot.header.base != snapshot.header.seq =>
        {
            Ok(Err(Damage {
                offset: 0,
                what: "a full snapshot that follows another",
            }))
        }
        Ok(()) => Ok(Ok(())),
    }
}

enum Trouble {
    Io(io::Error),
    Damage(Damage),
}

fn blocks(
    file: &dyn DiskFile,
    length: u64,
    checked: bool,
    each: &mut dyn FnMut(u8, Entry<'_>),
) -> Result<(), Trouble> {
    let (mut place, mut number, mut entries) = (HEADER_BYTES as u64, 0u64, 0u64);
    let mut payload = Vec::new();
    loop {
        let damage = |what| {
            Err(Trouble::Damage(Damage {
                offset: place,
                what,
            }))
        };
        if place + 8 > length {
            return damage("the file ends without its end mark");
        }
        let mut head = [0; 8];
        read_exact(file, &mut head, place).map_err(Trouble::Io)?;
        let mut reader = Reader(&head);
        let size = u32::from_le_bytes(reader.take());
        let crc = u32::from_le_bytes(reader.take());
        let bytes = if size == 0 { 8 } else { u64::from(size) };
        if place + 8 + bytes > length {
            return damage("a block is longer than the file");
        }
        payload.resize(bytes as usize, 0);
        read_exact(file, &mut payload, place + 8).map_err(Trouble::Io)?;
        if checked && crc != block_crc(number, &payload) {
            return damage("a block fails its checksum");
        }
        if size == 0 {
            let count = u64::from_le_bytes(Reader(&payload).take());
            return match (count == entries, place + 16 == length) {
                (false, _) => damage("entries are missing"),
                (_, false) => damage("the file goes on after its end mark"),
                _ => Ok(()),
            };
        }
        let mut rest = payload.as_slice();
        while !rest.is_empty() {
            let Some((op, entry)) = take_entry(&mut rest) else {
                return damage("an entry is malformed");
            };
            entries += 1;
            each(op, entry);
        }
        place += 8 + bytes;
        number += 1;
    }
}

fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<(u8, Entry<'a>)> {
    let ([op, kind, partition], after) = rest.split_first_chunk()?;
    *rest = after;
    let key = std::str::from_utf8(take_part(rest)?).ok()?;
    let value = take_part(rest)?;
    let partition = Partition::new(*partition)?;
    matches!(*op, PUT | DELETED | META).then_some((
        *op,
        Entry {
            kind: *kind,
            partition,
            key,
            value,
        },
    ))
}

fn take_part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (mut n, mut shift) = (0u64, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        n |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if *byte < 0x80 {
            break;
        }
        shift += 7;
    }
    let (part, after) = rest.split_at_checked(usize::try_from(n).ok()?)?;
    *rest = after;
    Some(part)
}
