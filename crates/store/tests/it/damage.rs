//! Rot and clumsy hands: every byte of a small log is damaged in turn. The answer is the right records, a prefix
//! that lost only what no later write proves, or a refusal that names the file. Never a wrong value, never a panic.

use crate::scene::{append, dir, filled, options, read_all};
use gemelli_event::Record;
use gemelli_store::{Error, Store, disk::sim::Sim};
use std::path::{Path, PathBuf};

const SEGMENT_HEADER: usize = 1_024;

fn log_files(disk: &Sim) -> Vec<PathBuf> {
    disk.paths()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect()
}

fn length(disk: &Sim, path: &Path) -> usize {
    let mut length = 0;
    disk.damage(path, |bytes| length = bytes.len());
    length
}

/// Where the frames of the last segment end.
fn used(disk: &Sim, path: &Path) -> usize {
    let mut used = 0;
    disk.damage(path, |bytes| {
        used = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1)
    });
    used
}

enum Outcome {
    Records {
        records: Vec<Record>,
        truncated: u64,
    },
    Refused(Error),
}

fn open(disk: &Sim, skip_checksums: bool) -> Outcome {
    let options = gemelli_store::Options {
        skip_checksums,
        ..options(disk)
    };
    match Store::open(&dir(), options) {
        Err(error) => Outcome::Refused(error),
        Ok((store, recovery)) => {
            let mut records = Vec::new();
            for frame in store.frames(recovery.first_seq).unwrap() {
                match frame {
                    Ok(frame) => records.extend(frame.records),
                    Err(error) => return Outcome::Refused(error),
                }
            }
            Outcome::Records {
                records,
                truncated: recovery.truncated_bytes,
            }
        }
    }
}

/// Three frames in one segment; the last is not proven by anything after it.
fn small_log() -> (Sim, Vec<Record>, usize) {
    let disk = Sim::new();
    let (store, mut writer, mut all) = filled(&disk, 2, 3);
    let proven = all.len();
    let mut source = crate::scene::Source::resume(proven as u64, [100; 64]);
    let last = source.batch(3);
    append(&mut writer, &last).unwrap();
    all.extend(last);
    drop((store, writer));
    (disk, all, proven)
}

#[test]
fn a_flipped_bit_anywhere_is_refused_or_costs_only_the_last_frame() {
    let (disk, all, proven) = small_log();
    let file = &log_files(&disk)[0];
    let (mut refused, mut cut) = (0, 0);
    for at in 0..used(&disk, file) + 70 {
        for bit in [0, 3, 7] {
            let damaged = disk.copy();
            damaged.damage(file, |bytes| bytes[at] ^= 1 << bit);
            match open(&damaged, false) {
                Outcome::Refused(error) => {
                    assert!(
                        error.to_string().contains(file.to_str().unwrap()),
                        "{error}"
                    );
                    refused += 1;
                }
                Outcome::Records { records, truncated } => {
                    assert!(
                        records == all || records == all[..proven],
                        "byte {at}: a wrong value"
                    );
                    assert!(
                        records == all || truncated > 0,
                        "byte {at}: a cut must be reported"
                    );
                    cut += usize::from(records != all);
                }
            }
        }
    }
    assert!(
        refused > SEGMENT_HEADER && cut > 100,
        "{refused} refused, {cut} cut"
    );
}

#[test]
fn after_a_clean_stop_every_frame_is_proven() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 2, 3);
    writer.close().unwrap();
    drop(store);
    let file = &log_files(&disk)[0];
    let mark = used(&disk, file) - 64;
    for at in 0..mark {
        let damaged = disk.copy();
        damaged.damage(file, |bytes| bytes[at] ^= 16);
        match open(&damaged, false) {
            Outcome::Refused(error) => assert_eq!(error.code(), "damaged-log"),
            // Only padding between frames has no checksum, and no meaning.
            Outcome::Records { records, .. } => assert_eq!(records, all, "byte {at}"),
        }
    }
}

#[test]
fn a_file_that_was_cut_short_is_refused_at_any_length() {
    let disk = Sim::new();
    let (store, writer, _) = filled(&disk, 60, 9);
    drop((store, writer));
    let files = log_files(&disk);
    assert!(files.len() > 2);
    for file in [&files[0], &files[1], files.last().unwrap()] {
        let full = length(&disk, file);
        for keep in (0..full).step_by(if cfg!(debug_assertions) { 97 } else { 7 }) {
            let damaged = disk.copy();
            damaged.damage(file, |bytes| bytes.truncate(keep));
            let Outcome::Refused(error) = open(&damaged, false) else {
                panic!("{} at {keep}", file.display())
            };
            assert_eq!(error.code(), "damaged-log");
            assert!(
                error.to_string().contains(file.to_str().unwrap()),
                "{error}"
            );
        }
    }
}

#[test]
fn zeroed_and_swapped_pages_before_the_last_frame_are_refused() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 9, 9);
    writer.close().unwrap();
    drop(store);
    let file = &log_files(&disk)[0];
    let pages = used(&disk, file) / 512;
    assert!(pages > 4);
    for page in 0..pages {
        let zeroed = disk.copy();
        zeroed.damage(file, |bytes| bytes[page * 512..(page + 1) * 512].fill(0));
        assert!(
            matches!(open(&zeroed, false), Outcome::Refused(_)),
            "zeroed page {page}"
        );
        let swapped = disk.copy();
        let other = (page + 1) % pages;
        swapped.damage(file, |bytes| {
            for i in 0..512 {
                bytes.swap(page * 512 + i, other * 512 + i);
            }
        });
        match open(&swapped, false) {
            Outcome::Refused(_) => {}
            Outcome::Records { records, .. } => assert_eq!(records, all),
        }
    }
}

#[test]
fn a_missing_segment_is_refused() {
    let disk = Sim::new();
    let (store, mut writer, all) = filled(&disk, 60, 9);
    let mut snapshot = store
        .begin_snapshot(all.len() as u64, gemelli_store::SnapshotKind::Full)
        .unwrap();
    snapshot.meta(b"").unwrap();
    snapshot.finish().unwrap();
    append(&mut writer, &all[..1]).unwrap();
    drop((store, writer));
    let files = log_files(&disk);
    for missing in files.iter().skip(1) {
        let damaged = disk.copy();
        gemelli_store::disk::Disk::remove(&damaged, missing).unwrap();
        let Outcome::Refused(error) = open(&damaged, false) else {
            panic!("{} is missing", missing.display())
        };
        assert_eq!(error.code(), "damaged-log");
    }
    // The first may be gone, because the snapshot holds what it made; nothing wrong is read then.
    let damaged = disk.copy();
    gemelli_store::disk::Disk::remove(&damaged, &files[0]).unwrap();
    let Outcome::Records { records, .. } = open(&damaged, false) else {
        panic!("it is not needed")
    };
    assert!(
        all.windows(records.len() - 1)
            .any(|part| part == &records[..records.len() - 1])
    );
}

#[test]
fn the_format_file_is_checked() {
    let (disk, all, _) = small_log();
    let file = dir().join("format");
    for at in 0..length(&disk, &file) {
        let damaged = disk.copy();
        damaged.damage(&file, |bytes| bytes[at] ^= 4);
        match open(&damaged, false) {
            Outcome::Refused(error) => {
                assert!(["damaged-log", "newer-format"].contains(&error.code()))
            }
            Outcome::Records { records, .. } => assert_eq!(records, all),
        }
    }
    gemelli_store::disk::Disk::remove(&disk, &file).unwrap();
    assert!(matches!(
        open(&disk, false),
        Outcome::Refused(Error::DamagedLog { .. })
    ));
}

/// Negative control: with the checksums skipped, the tests above must see wrong values, or they prove nothing.
#[test]
fn without_checksums_wrong_values_are_served() {
    let (disk, all, proven) = small_log();
    let file = &log_files(&disk)[0];
    let mut wrong = 0;
    for at in SEGMENT_HEADER..used(&disk, file) {
        let damaged = disk.copy();
        damaged.damage(file, |bytes| bytes[at] ^= 1);
        if let Outcome::Records { records, .. } = open(&damaged, true) {
            wrong += usize::from(records != all && records != all[..proven]);
        }
    }
    assert!(
        wrong > 100,
        "only {wrong} wrong values were seen without checksums"
    );
    let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
    assert_eq!(read_all(&store, 0), all);
}
