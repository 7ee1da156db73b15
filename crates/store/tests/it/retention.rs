//! What may go goes, what is needed stays.

use crate::scene::{Source, append, dir, filled, options};
use gemelli_store::{Kept, LogWriter, Options, SnapshotKind, Store, disk::sim::Sim};

const HOUR_MS: i64 = 3_600_000;

fn open(options: Options) -> (Store, LogWriter) {
    let (store, recovery) = Store::open(&dir(), options).unwrap();
    let mut writer = store.writer().unwrap();
    let mut source = Source::resume(recovery.next_seq, recovery.offsets);
    for _ in 0..60 {
        append(&mut writer, &source.batch(9)).unwrap();
    }
    (store, writer)
}

fn snapshot(store: &Store) {
    let writer = store
        .begin_snapshot(store.next_seq(), SnapshotKind::Full)
        .unwrap();
    writer.finish().unwrap();
}

fn house(store: &Store) -> Kept {
    store.keep_house(i64::MAX).unwrap()
}

#[test]
fn without_a_snapshot_nothing_goes() {
    let disk = Sim::new();
    let (store, _writer) = open(Options {
        quota_bytes: 1,
        ..options(&disk)
    });
    let kept = house(&store);
    assert_eq!((kept.dropped_segments, store.first_seq()), (0, 0));
    assert!(kept.wants_snapshot);
    snapshot(&store);
    let kept = house(&store);
    assert!(
        kept.dropped_segments > 2 && !kept.wants_snapshot,
        "{kept:?}"
    );
    assert_eq!(store.metrics().segments, 1, "the last one always stays");
}

#[test]
fn the_snapshot_before_the_newest_stays_usable() {
    let disk = Sim::new();
    let (store, mut writer) = open(options(&disk));
    snapshot(&store);
    let before = store.next_seq();
    let mut source = Source::resume(before, [10_000; 64]);
    for _ in 0..60 {
        append(&mut writer, &source.batch(9)).unwrap();
    }
    snapshot(&store);
    house(&store);
    assert!(store.first_seq() <= before && before < store.next_seq());
}

#[test]
fn young_segments_stay_unless_there_are_plenty() {
    let disk = Sim::new();
    let (store, _writer) = open(Options {
        keep_hours: 24,
        keep_bytes: u64::MAX,
        ..options(&disk)
    });
    snapshot(&store);
    let now = crate::scene::BASE_MS;
    assert_eq!(
        store
            .keep_house(now + 23 * HOUR_MS)
            .unwrap()
            .dropped_segments,
        0
    );
    assert!(
        store
            .keep_house(now + 25 * HOUR_MS)
            .unwrap()
            .dropped_segments
            > 2
    );
    let disk = Sim::new();
    let (store, _writer) = open(Options {
        keep_hours: 24,
        keep_bytes: 20_000,
        ..options(&disk)
    });
    snapshot(&store);
    assert!(store.keep_house(now).unwrap().dropped_segments > 0);
    assert!(store.metrics().log_bytes + 8 * 1024 >= 20_000);
}

#[test]
fn a_cursor_holds_the_log_up_to_its_quota() {
    let disk = Sim::new();
    let (store, mut writer) = open(options(&disk));
    snapshot(&store);
    store.set_cursor("session", 100, 60_000);
    let kept = house(&store);
    assert!(store.first_seq() <= 100 && kept.dropped_cursors.is_empty());
    let from = store.first_seq();
    store.frames(100).unwrap().next_frame().unwrap().unwrap();
    let mut source = Source::resume(store.next_seq(), [10_000; 64]);
    while store.metrics().log_bytes < 90_000 {
        append(&mut writer, &source.batch(9)).unwrap();
    }
    snapshot(&store);
    let kept = house(&store);
    assert_eq!(kept.dropped_cursors, ["session"]);
    assert_eq!(store.metrics().dropped_cursors, 1);
    assert!(store.first_seq() > from);
}

#[test]
fn a_reader_keeps_reading_what_is_removed_under_it() {
    let disk = Sim::new();
    let (store, _writer, all) = filled(&disk, 60, 9);
    let mut frames = store.frames(0).unwrap();
    let first = frames.next_frame().unwrap().unwrap();
    snapshot(&store);
    assert!(house(&store).dropped_segments > 2);
    let mut records = first.records;
    let end = loop {
        match frames.next_frame() {
            Ok(Some(frame)) => records.extend(frame.records),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert_eq!(
        records,
        all[..records.len()],
        "never a wrong or a missing record"
    );
    assert!(
        end.is_none_or(|error| error.code() == "not-kept"),
        "a gap is said"
    );
}
