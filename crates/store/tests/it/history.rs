//! History reads the same before, during and after segments become Parquet files.

use crate::scene::{BASE_MS, dir, filled, options};
use gemelli_event::{Body, Category, Record};
use gemelli_store::{Counts, Error, Kind, Options, Page, Query, Row, Store, disk::sim::Sim};
use std::{path::PathBuf, sync::Arc};

fn twins() -> impl Iterator<Item = String> {
    (0..6).map(|n| format!("twin-{n}"))
}

/// What history must hold, straight from the records.
fn expected(all: &[Record], twin: &str) -> Vec<Row> {
    let rows = (0..)
        .zip(all)
        .filter_map(|(seq, record)| Row::of(seq, record));
    rows.filter(|row| row.twin.as_str() == twin).collect()
}

fn pages(store: &Store, query: Query) -> Vec<Row> {
    let mut query = query;
    let mut rows = Vec::new();
    loop {
        let Page { rows: some, next } = store.history(&query).unwrap();
        assert!(some.len() <= query.limit);
        rows.extend(some);
        match next {
            Some(next) => query.after = Some(next),
            None => return rows,
        }
    }
}

pub fn check(store: &Store, all: &[Record]) {
    for twin in twins() {
        let wanted = expected(all, &twin);
        for limit in [1, 7, 10_000] {
            assert_eq!(
                pages(store, Query::of(twin.as_str().into(), limit)),
                wanted,
                "{twin} by {limit}"
            );
        }
        let (from_ms, to_ms) = (BASE_MS + 50_000, BASE_MS + 300_000);
        let some = Query {
            from_ms,
            to_ms,
            ..Query::of(twin.as_str().into(), 5)
        };
        let within = |row: &&Row| (from_ms..to_ms).contains(&row.when_ms());
        assert_eq!(
            pages(store, some),
            wanted.iter().filter(within).cloned().collect::<Vec<_>>()
        );
        let kinds = vec![Kind::Derived, Kind::Patch];
        let some = Query {
            kinds: Some(kinds.clone()),
            ..Query::of(twin.as_str().into(), 3)
        };
        let of_kind = |row: &&Row| kinds.contains(&row.kind);
        assert_eq!(
            pages(store, some),
            wanted.iter().filter(of_kind).cloned().collect::<Vec<_>>()
        );
    }
    let mut streamed = Vec::new();
    store
        .scan_history(0, |row| {
            streamed.push(row.clone());
            true
        })
        .unwrap();
    let rows: Vec<Row> = (0..)
        .zip(all)
        .filter_map(|(seq, record)| Row::of(seq, record))
        .collect();
    assert_eq!(streamed, rows);
    let mut counts = Counts::new();
    for row in &rows {
        *counts
            .entry((row.interface.as_ref().map(|i| i.to_string()), row.kind))
            .or_default() += 1;
    }
    assert_eq!(store.history_counts().unwrap(), counts);
    let half = all.len() as u64 / 2;
    let mut from_half = 0;
    store
        .scan_history(half, |row| {
            assert!(row.seq >= half);
            from_half += 1;
            true
        })
        .unwrap();
    assert_eq!(from_half, rows.iter().filter(|row| row.seq >= half).count());
}

pub fn history_files(disk: &Sim) -> Vec<PathBuf> {
    disk.paths()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
        .collect()
}

#[test]
fn history_is_the_same_from_the_log_and_from_files_and_after_a_restart() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 60, 9);
    check(&store, &all);
    let kept = store.keep_house(0).unwrap();
    assert!(kept.converted > 2 && kept.rows > 100, "{kept:?}");
    assert_eq!(history_files(&disk).len(), kept.converted);
    check(&store, &all);
    assert_eq!(store.keep_house(0).unwrap().converted, 0, "once is enough");
    drop((store, writer));
    let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
    check(&store, &all);
}

#[test]
fn history_outlives_the_log() {
    let disk = Sim::new();
    let (store, _writer, all) = filled(&disk, 60, 9);
    let snapshot = store
        .begin_snapshot(all.len() as u64, gemelli_store::SnapshotKind::Full)
        .unwrap();
    snapshot.finish().unwrap();
    let kept = store.keep_house(i64::MAX).unwrap();
    assert!(kept.dropped_segments > 2);
    assert!(matches!(
        store.frames(0),
        Err(Error::NotKept { from: 0, .. })
    ));
    check(&store, &all);
}

#[test]
fn a_conversion_that_was_killed_is_repeated() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 60, 9);
    drop((store, writer));
    for seed in 0..12 {
        let disk = disk.copy();
        let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
        disk.fail(gemelli_store::disk::sim::Fault::Write, seed as usize * 3);
        let _ = store.keep_house(0);
        let disk = disk.crash(seed);
        drop(store);
        let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
        check(&store, &all);
        store.keep_house(0).unwrap();
        check(&store, &all);
    }
}

#[test]
fn only_what_is_kept_becomes_history() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 60, 9);
    drop((store, writer));
    let keep = |record: &Record| matches!(&record.body, Body::Derived(_));
    let options = Options {
        keep: Arc::new(keep),
        ..options(&disk)
    };
    let (store, _) = Store::open(&dir(), options).unwrap();
    let wanted: Vec<Row> = expected(&all, "twin-1")
        .into_iter()
        .filter(|row| row.kind == Kind::Derived)
        .collect();
    assert!(wanted.len() > 3);
    assert_eq!(pages(&store, Query::of("twin-1".into(), 4)), wanted);
    store.keep_house(0).unwrap();
    assert_eq!(pages(&store, Query::of("twin-1".into(), 4)), wanted);
}

#[test]
fn damage_in_a_file_is_an_error_that_names_it_never_a_wrong_row() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 30, 9);
    store.keep_house(0).unwrap();
    drop((store, writer));
    let file = history_files(&disk).remove(0);
    let mut length = 0;
    disk.damage(&file, |bytes| length = bytes.len());
    let mut refused = 0;
    for at in (0..length).step_by(13) {
        let damaged = disk.copy();
        damaged.damage(&file, |bytes| bytes[at] ^= 1);
        let (store, _) = Store::open(&dir(), options(&damaged)).unwrap();
        for twin in twins() {
            match store.history(&Query::of(twin.as_str().into(), 10_000)) {
                Ok(page) => assert_eq!(page.rows, expected(&all, &twin), "byte {at}"),
                Err(error) => {
                    assert_eq!(error.code(), "damaged-history");
                    assert!(
                        error.to_string().contains(file.to_str().unwrap()),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
    disk.damage(&file, |bytes| bytes.truncate(length - 1));
    let Err(error) = Store::open(&dir(), options(&disk)) else {
        panic!("the cut was not seen")
    };
    assert_eq!(error.code(), "damaged-history");
}

#[test]
fn the_oldest_files_go_beyond_the_quota_and_are_counted() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 60, 9);
    store.keep_house(0).unwrap();
    let before = store.metrics();
    drop((store, writer));
    let options = || Options {
        history_quota_bytes: before.history_bytes / 2,
        ..options(&disk)
    };
    let (store, _) = Store::open(&dir(), options()).unwrap();
    let kept = store.keep_house(0).unwrap();
    let after = store.metrics();
    assert!(kept.dropped_rows > 50);
    assert!(after.history_bytes <= before.history_bytes / 2 && after.history_files > 0);
    assert_eq!(after.dropped_rows, kept.dropped_rows);
    let mut left = 0;
    store
        .scan_history(0, |_| {
            left += 1;
            true
        })
        .unwrap();
    let total = (0..)
        .zip(&all)
        .filter(|(seq, record)| Row::of(*seq, record).is_some())
        .count() as u64;
    assert_eq!(left + kept.dropped_rows, total);
    drop(store);
    let (store, _) = Store::open(&dir(), options()).unwrap();
    assert_eq!(
        store.metrics().dropped_rows,
        kept.dropped_rows,
        "the count outlives the process"
    );
}

#[test]
fn payloads_that_are_not_text_come_back_as_they_were() {
    let disk = Sim::new();
    let (store, mut writer, all) = filled(&disk, 1, 1);
    let mut source = crate::scene::Source::resume(all.len() as u64, [10; 64]);
    let mut wanted = Vec::new();
    while store.metrics().segments < 3 {
        let mut record = source.event("odd");
        if let Body::Event(event) = &mut record.body {
            event.category = Category::Store;
            event.time_ms = None;
            event.payload = vec![0xff, record.accepted_ms as u8].into();
        }
        wanted.extend(Row::of(source.seq - 1, &record));
        crate::scene::append(&mut writer, &[record]).unwrap();
    }
    assert!(store.keep_house(0).unwrap().converted >= 1);
    assert_eq!(pages(&store, Query::of("odd".into(), 50)), wanted);
}
