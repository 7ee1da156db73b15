//! The disk fails, the power goes: what was acknowledged is there afterwards, and nothing else is made up.

use crate::scene::{Source, append, dir, filled, options, read_all};
use gemelli_store::{
    Error, Options, Space, Store,
    disk::sim::{Fault, Sim},
};

#[test]
fn what_was_acknowledged_survives_the_power_going_at_any_moment() {
    let (mut torn, mut whole) = (0, 0);
    for seed in 0..400u64 {
        let disk = Sim::new();
        let (store, mut writer, mut all) = filled(&disk, (seed % 40) as usize, 5);
        let acknowledged = all.len();
        let mut source = Source::resume(all.len() as u64, [1_000; 64]);
        // The last frame is written and its sync fails with the power: nobody was told that it is there.
        let last = source.batch(30);
        disk.fail(
            if seed % 2 == 0 {
                Fault::Write
            } else {
                Fault::Power
            },
            0,
        );
        assert!(append(&mut writer, &last).is_err());
        all.extend(last);
        drop((store, writer));
        let after = disk.crash(seed);
        let (store, recovery) = Store::open(&dir(), options(&after)).unwrap();
        let records = read_all(&store, 0);
        assert!(
            records.len() >= acknowledged,
            "seed {seed}: an acknowledged record is gone"
        );
        assert_eq!(records, all[..records.len()], "seed {seed}");
        torn += usize::from(recovery.truncated_bytes > 0);
        whole += usize::from(records.len() == all.len());
        // The log goes on, and what was cut never comes back.
        let mut writer = store.writer().unwrap();
        let mut source = Source::resume(recovery.next_seq, [5_000; 64]);
        let more = source.batch(3);
        append(&mut writer, &more).unwrap();
        drop((store, writer));
        let (store, again) = Store::open(&dir(), options(&after)).unwrap();
        assert_eq!(again.truncated_bytes, 0, "seed {seed}");
        assert_eq!(
            read_all(&store, 0),
            [&records[..], &more[..]].concat(),
            "seed {seed}"
        );
    }
    assert!(
        torn > 100 && whole > 0,
        "of 400 crashes {torn} tore the frame, {whole} left it whole"
    );
}

/// Negative control: the same with the sync skipped loses what was acknowledged.
#[test]
fn without_the_sync_acknowledged_records_are_lost() {
    let mut lost = 0;
    for seed in 0..40 {
        let disk = Sim::new();
        let unsafe_options = || Options {
            skip_sync: true,
            ..options(&disk)
        };
        let (store, _) = Store::open(&dir(), unsafe_options()).unwrap();
        let mut writer = store.writer().unwrap();
        let mut source = Source::new();
        for _ in 0..5 {
            append(&mut writer, &source.batch(5)).unwrap();
        }
        drop((store, writer));
        let after = disk.crash(seed);
        lost += match Store::open(&dir(), options(&after)) {
            Ok((_, recovery)) => usize::from(recovery.next_seq < 25),
            Err(_) => 1,
        };
    }
    assert!(
        lost > 20,
        "only {lost} of 40 crashes lost acknowledged records"
    );
}

/// The simulated disk forgets what was not synced, or the tests above prove nothing.
#[test]
fn a_write_that_is_not_synced_is_lost_by_the_simulated_disk() {
    use gemelli_store::disk::Disk;
    let lost = (0..20u64).filter(|seed| {
        let disk = Sim::new();
        disk.create_dir(&dir()).unwrap();
        let path = dir().join("file");
        disk.create(&path)
            .unwrap()
            .write_at(&[b"content"], 0)
            .unwrap();
        disk.sync_dir(&dir()).unwrap();
        let after = disk.crash(*seed);
        after.open(&path).unwrap().length().unwrap() == 0
    });
    assert!(lost.count() > 3);
}

#[test]
fn a_failed_write_or_sync_stops_the_writer_for_good() {
    for fault in [Fault::Write, Fault::Full, Fault::Sync] {
        let disk = Sim::new();
        let (store, mut writer, all) = filled(&disk, 3, 4);
        disk.fail(fault, 0);
        let mut source = Source::resume(all.len() as u64, [100; 64]);
        let records = source.batch(4);
        let error = append(&mut writer, &records).unwrap_err();
        let code = if fault == Fault::Full {
            "disk-full"
        } else {
            "disk-failed"
        };
        assert_eq!(error.code(), code, "{error}");
        let syncs = disk.syncs();
        let again = append(&mut writer, &records).unwrap_err();
        assert!(matches!(again, Error::Stopped { .. }), "{again}");
        assert_eq!(disk.syncs(), syncs, "a sync is never tried again");
        assert!(store.metrics().stopped);
        assert_eq!(
            read_all(&store, 0),
            all,
            "the last durable view is still served"
        );
        assert!(writer.close().is_err());
        drop(store);
        let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
        let records = read_all(&store, 0);
        assert_eq!(records[..all.len()], all);
    }
}

#[test]
fn admission_stops_before_the_reserve_is_touched_and_starts_again_without_hands() {
    let disk = Sim::new();
    // Room for four segments and little else.
    disk.limit(Some(4 * 8 * 1024 + 2_000));
    let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
    let mut writer = store.writer().unwrap();
    let mut source = Source::new();
    let mut all = Vec::new();
    while store.space() == Space::Open {
        let records = source.batch(4);
        append(&mut writer, &records).unwrap();
        all.extend(records);
        assert!(all.len() < 10_000, "the disk never fills");
    }
    let Space::Reserve { left } = store.space() else {
        panic!()
    };
    assert!(
        left >= 8 * 1024 - 2_000,
        "the reserve is nearly whole: {left}"
    );
    assert_eq!(store.make_room(), Space::Reserve { left });
    // Internal records still find room, until the reserve is used up; then nothing is written, and said.
    let error = loop {
        let records = source.clone().batch(4);
        match append(&mut writer, &records) {
            Ok(_) => {
                source.batch(4);
                all.extend(records);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "disk-full");
    assert!(all.len() as u64 * 30 > left, "the reserve was used");
    assert_eq!(read_all(&store, 0), all);
    assert!(!store.metrics().stopped);
    // Space returns: the same frame goes through.
    disk.limit(None);
    assert_eq!(store.make_room(), Space::Open);
    let records = source.batch(4);
    append(&mut writer, &records).unwrap();
    all.extend(records);
    assert_eq!(read_all(&store, 0), all);
    writer.close().unwrap();
    drop(store);
    let (store, recovery) = Store::open(&dir(), options(&disk)).unwrap();
    assert!(recovery.clean);
    assert_eq!(read_all(&store, 0), all);
}
