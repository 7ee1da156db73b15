//! Small files of history become larger ones, and nobody who reads notices, whatever happens meanwhile.

use crate::{
    history::{check, history_files},
    scene::{dir, filled, options},
};
use gemelli_event::Record;
use gemelli_store::{
    Error, Options, Row, Space, Store,
    disk::sim::{Fault, Sim},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// A folder with many small history files, and what was written to its log.
fn many_files() -> (Sim, Vec<Record>) {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 300, 9);
    assert!(store.keep_house(0).unwrap().converted >= 9);
    writer.close().unwrap();
    (disk, all)
}

fn open(disk: &Sim) -> Store {
    open_with(options(disk))
}

fn open_with(options: Options) -> Store {
    let (store, _) = Store::open(&dir(), options).unwrap();
    assert_eq!(store.make_room(), Space::Open);
    store
}

fn merge_all(store: &Store) -> usize {
    let mut merges = 0;
    while store.merge_history(|| true).unwrap() > 0 {
        merges += 1;
    }
    merges
}

fn rows(all: &[Record]) -> Vec<Row> {
    let row = |(seq, record): (u64, &Record)| Row::of(seq, record);
    (0..).zip(all).filter_map(row).collect()
}

/// Every row that there should be, once and in order.
fn whole(store: &Store, wanted: &[Row], when: &str) {
    let mut rows = Vec::new();
    let each = |row: &Row| {
        rows.push(row.clone());
        true
    };
    store.scan_history(0, each).unwrap();
    assert!(
        rows == wanted,
        "{when}: {} rows of {}",
        rows.len(),
        wanted.len()
    );
}

#[test]
fn many_small_files_become_few_and_read_the_same_also_after_a_restart() {
    let (disk, all) = many_files();
    let store = open(&disk);
    let before = history_files(&disk).len();
    assert_eq!(merge_all(&store), 1);
    let after = history_files(&disk).len();
    assert!(after + 5 < before, "{before} files became {after}");
    let metrics = store.metrics();
    assert_eq!(metrics.history_files, after as u64);
    assert_eq!(metrics.history_merged, (before - after + 1) as u64);
    check(&store, &all);
    drop(store);
    check(&open(&disk), &all);
    let rest = |path: &&std::path::PathBuf| path.extension().is_some_and(|e| e == "crc");
    assert_eq!(disk.paths().iter().filter(rest).count(), after);
}

#[test]
fn a_merge_takes_no_more_than_a_file_may_hold() {
    let (disk, all) = many_files();
    let before = open(&disk).metrics();
    let history_file_bytes = before.history_bytes / 2;
    let options = Options {
        history_file_bytes,
        ..options(&disk)
    };
    let store = open_with(options);
    assert!(merge_all(&store) > 0);
    let after = store.metrics();
    assert!(after.history_files > 1 && after.history_files < before.history_files);
    for file in history_files(&disk) {
        let mut bytes = 0;
        disk.damage(&file, |content| bytes = content.len() as u64);
        assert!(bytes <= history_file_bytes, "{bytes}");
    }
    check(&store, &all);
}

#[test]
fn the_power_may_go_at_any_step_of_a_merge() {
    let (disk, all) = many_files();
    let (before, wanted) = (history_files(&disk).len(), rows(&all));
    let (mut steps, mut undone, mut twice) = (0, 0, 0);
    loop {
        let disk = disk.copy();
        // One row group: fewer steps.
        let store = open_with(Options {
            slice_bytes: 1 << 20,
            ..options(&disk)
        });
        disk.fail(Fault::Off, steps);
        let merged = store.merge_history(|| true);
        drop(store);
        if merged.is_ok() {
            break;
        }
        for seed in 0..4 {
            let disk = disk.crash(seed);
            let found = history_files(&disk).len();
            let store = open(&disk);
            whole(&store, &wanted, &format!("step {steps}, seed {seed}"));
            let left = history_files(&disk).len();
            undone += usize::from(left == before);
            twice += usize::from(found > left);
            merge_all(&store);
            whole(&store, &wanted, &format!("after step {steps}, seed {seed}"));
            assert!(history_files(&disk).len() < before);
            assert!(
                disk.paths()
                    .iter()
                    .all(|path| !path.starts_with("/data/history")
                        || path.extension().is_none_or(|e| e != "tmp"))
            );
        }
        steps += 1;
    }
    assert!(
        steps > 30 && undone > 20 && twice > 10,
        "{steps} steps, {undone} merges were undone, {twice} times both were there"
    );
}

#[test]
fn a_merge_that_fails_leaves_everything_as_it_was_and_is_not_tried_again_at_once() {
    let (disk, all) = many_files();
    let wanted = rows(&all);
    for fault in [Fault::Write, Fault::Full, Fault::Sync, Fault::SyncDir] {
        for after in 0..3 {
            let disk = disk.copy();
            let store = open(&disk);
            let before = disk.paths();
            disk.fail(fault, after);
            let failed = store.merge_history(|| true);
            disk.fail(fault, usize::MAX);
            whole(&store, &wanted, &format!("{fault:?} {after}"));
            match failed {
                Err(_) if (fault, after) != (Fault::SyncDir, 2) => {
                    let parquet = |paths: Vec<std::path::PathBuf>| {
                        let mut names = paths;
                        names.retain(|path| path.extension().is_some_and(|e| e == "parquet"));
                        names
                    };
                    assert_eq!(parquet(disk.paths()), parquet(before), "{fault:?} {after}");
                    assert_eq!(store.merge_history(|| true).unwrap(), 0);
                }
                // The sync after the old files went: the new one is in use.
                Err(_) => assert_eq!(history_files(&disk).len(), 8),
                Ok(merged) => assert!(merged > 0, "{fault:?} {after}"),
            }
            drop(store);
            let store = open(&disk);
            whole(&store, &wanted, &format!("{fault:?} {after}"));
            merge_all(&store);
            whole(&store, &wanted, &format!("{fault:?} {after}"));
        }
    }
}

#[test]
fn a_merge_that_is_told_to_stop_leaves_no_trace() {
    let (disk, all) = many_files();
    let store = open(&disk);
    let before = disk.paths();
    assert_eq!(store.merge_history(|| false).unwrap(), 0);
    assert_eq!(disk.paths(), before);
    check(&store, &all);
    assert!(
        store.merge_history(|| true).unwrap() > 0,
        "later it goes on"
    );
}

#[test]
fn readers_see_every_row_once_while_files_are_merged() {
    let (disk, all) = many_files();
    let wanted = rows(&all);
    let options = Options {
        history_file_bytes: open(&disk).metrics().history_bytes / 3,
        ..options(&disk)
    };
    let store = open_with(options);
    let done = AtomicBool::new(false);
    let scans = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut scans = 0;
            while !done.load(Ordering::Relaxed) || scans == 0 {
                whole(&store, &wanted, "meanwhile");
                scans += 1;
            }
            scans
        });
        let merges = merge_all(&store);
        done.store(true, Ordering::Relaxed);
        assert!(merges > 0);
        reader.join().unwrap()
    });
    assert!(scans > 0);
    whole(&store, &wanted, "afterwards");
}

#[test]
fn a_damaged_file_is_named_and_never_merged() {
    let (disk, _) = many_files();
    let copy = disk.copy();
    assert!(open(&copy).merge_history(|| true).unwrap() > 0);
    let (mut merged, left) = (history_files(&disk), history_files(&copy));
    merged.retain(|path| !left.contains(path));
    let file = merged.remove(3);
    disk.damage(&file, |bytes| bytes[100] ^= 1);
    let store = open(&disk);
    let error = store.merge_history(|| true).unwrap_err();
    assert!(matches!(&error, Error::DamagedHistory { file: named, .. } if *named == file));
    assert!(history_files(&disk).contains(&file));
}

#[test]
fn two_files_that_hold_the_same_records_in_part_are_refused() {
    let (disk, _) = many_files();
    let files = history_files(&disk);
    let mut content = Vec::new();
    disk.damage(&files[1], |bytes| content.clone_from(bytes));
    let name = |path: &std::path::Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let (first, second) = (name(&files[0]), name(&files[1]));
    let (middle, end) = second.split_once('-').unwrap();
    let begin = u64::from_str_radix(first.split_once('-').unwrap().0, 16).unwrap();
    let overlapping = format!("{:016x}-{end}", begin + 1);
    assert!(u64::from_str_radix(middle, 16).unwrap() > begin + 1);
    {
        use gemelli_store::disk::Disk;
        for extension in ["parquet", "crc"] {
            let from = files[1].with_extension(extension);
            disk.rename(
                &from,
                &from.with_file_name(format!("{overlapping}.{extension}")),
            )
            .unwrap();
        }
    }
    let Err(error) = Store::open(&dir(), options(&disk)) else {
        panic!("the overlap was not seen")
    };
    assert_eq!(error.code(), "damaged-history");
    assert!(error.to_string().contains(&overlapping), "{error}");
}
