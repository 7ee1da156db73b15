//! Snapshots: chains, damage, unfinished files.

use crate::scene::{append, dir, filled, options};
use gemelli_event::Partition;
use gemelli_store::{
    Error, Loaded, SnapshotKind, Store,
    disk::sim::{Fault, Sim},
};
use std::{collections::BTreeMap, path::PathBuf};

type Entries = BTreeMap<(u8, String), Vec<u8>>;

fn write(store: &Store, seq: u64, kind: SnapshotKind, entries: &[(u8, &str, Option<&str>)]) {
    let mut writer = store.begin_snapshot(seq, kind).unwrap();
    for (kind, key, value) in entries {
        writer
            .put(*kind, Partition::of(key), key, value.map(str::as_bytes))
            .unwrap();
    }
    writer.meta(format!("meta-{seq}").as_bytes()).unwrap();
    writer.finish().unwrap();
}

fn load(store: &Store) -> Result<(Entries, Loaded), Error> {
    let mut entries = Entries::new();
    let loaded = store.load_snapshot(|entry| {
        assert_eq!(entry.partition, Partition::of(entry.key));
        let old = entries.insert((entry.kind, entry.key.into()), entry.value.to_vec());
        assert_eq!(old, None, "each key comes once");
    })?;
    Ok((entries, loaded))
}

fn entries(of: &[(u8, &str, &str)]) -> Entries {
    of.iter()
        .map(|(kind, key, value)| ((*kind, key.to_string()), value.as_bytes().to_vec()))
        .collect()
}

fn snapshot_files(disk: &Sim) -> Vec<PathBuf> {
    disk.paths()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "snap"))
        .collect()
}

/// A log of 20 records, a full snapshot at 5, deltas at 10 and 15.
fn chain() -> (Sim, Store) {
    let disk = Sim::new();
    let (store, writer, _) = filled(&disk, 20, 1);
    writer.close().unwrap();
    write(
        &store,
        5,
        SnapshotKind::Full,
        &[
            (1, "a", Some("a5")),
            (1, "b", Some("b5")),
            (2, "a", Some("x5")),
        ],
    );
    write(
        &store,
        10,
        SnapshotKind::Delta,
        &[(1, "a", Some("a10")), (1, "c", Some("c10"))],
    );
    write(
        &store,
        15,
        SnapshotKind::Delta,
        &[(1, "b", None), (1, "a", Some("a15"))],
    );
    (disk, store)
}

#[test]
fn without_a_snapshot_replay_starts_at_the_beginning() {
    let disk = Sim::new();
    let (store, _writer, _) = filled(&disk, 3, 1);
    assert_eq!(store.snapshot_advice(), SnapshotKind::Full);
    let (entries, loaded) = load(&store).unwrap();
    assert!(entries.is_empty());
    assert_eq!((loaded.seq, loaded.meta, loaded.files), (0, None, 0));
}

#[test]
fn a_chain_is_folded_and_the_newest_meta_counts() {
    let (disk, store) = chain();
    drop(store);
    let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
    let (found, loaded) = load(&store).unwrap();
    assert_eq!(
        found,
        entries(&[(1, "a", "a15"), (1, "c", "c10"), (2, "a", "x5")])
    );
    assert_eq!(
        (loaded.seq, loaded.meta.as_deref(), loaded.files),
        (15, Some(&b"meta-15"[..]), 3)
    );
    assert!(loaded.damaged.is_empty());
}

#[test]
fn a_new_full_snapshot_starts_a_chain_and_the_one_before_it_stays() {
    let (disk, store) = chain();
    assert_eq!(
        store.snapshot_advice(),
        SnapshotKind::Full,
        "the deltas outgrew the base"
    );
    write(&store, 20, SnapshotKind::Full, &[(1, "z", Some("z20"))]);
    assert_eq!(snapshot_files(&disk).len(), 4);
    let (found, loaded) = load(&store).unwrap();
    assert_eq!((found, loaded.seq), (entries(&[(1, "z", "z20")]), 20));
    let error = store.begin_snapshot(20, SnapshotKind::Delta).err().unwrap();
    assert_eq!(error.code(), "no-snapshot-before");
    // A third chain removes the first.
    let error = store.begin_snapshot(19, SnapshotKind::Full).err().unwrap();
    assert_eq!(error.code(), "no-snapshot-before");
    write(&store, 20, SnapshotKind::Full, &[(1, "z", Some("again"))]);
    assert_eq!(snapshot_files(&disk).len(), 4, "the same place is replaced");
}

#[test]
fn a_damaged_file_falls_back_to_what_is_before_it_in_the_chain() {
    let (disk, store) = chain();
    drop(store);
    let files = snapshot_files(&disk);
    let expected = [
        (0, Entries::new()),
        (
            5,
            entries(&[(1, "a", "a5"), (1, "b", "b5"), (2, "a", "x5")]),
        ),
        (
            10,
            entries(&[
                (1, "a", "a10"),
                (1, "b", "b5"),
                (1, "c", "c10"),
                (2, "a", "x5"),
            ]),
        ),
    ];
    for (file, (seq, wanted)) in files.iter().zip(expected) {
        let mut length = 0;
        disk.damage(file, |bytes| length = bytes.len());
        for at in 0..length {
            for cut in [false, true] {
                let damaged = disk.copy();
                damaged.damage(file, |bytes| {
                    if cut {
                        bytes.truncate(at)
                    } else {
                        bytes[at] ^= 32
                    }
                });
                let (store, _) = Store::open(&dir(), options(&damaged)).unwrap();
                let (found, loaded) = load(&store).unwrap();
                assert_eq!(
                    (loaded.seq, &found),
                    (seq, &wanted),
                    "{} at {at}",
                    file.display()
                );
                assert_eq!(loaded.damaged[0].0, *file);
                // What is written next does not lean on the damaged file.
                drop(store);
                let (store, _) = Store::open(&dir(), options(&damaged)).unwrap();
                let (found, loaded) = load(&store).unwrap();
                assert_eq!((loaded.seq, found), (seq, wanted.clone()));
                assert!(loaded.damaged.is_empty());
            }
        }
    }
}

#[test]
fn a_damaged_snapshot_is_refused_by_name_if_the_log_does_not_reach_back() {
    let disk = Sim::new();
    let (store, mut writer, all) = filled(&disk, 80, 9);
    let seq = all.len() as u64;
    write(&store, seq, SnapshotKind::Full, &[(1, "a", Some("1"))]);
    let kept = store.keep_house(i64::MAX).unwrap();
    assert!(kept.dropped_segments > 2);
    assert!(store.first_seq() > 0);
    append(&mut writer, &all[..1]).unwrap();
    drop((store, writer));
    let file = snapshot_files(&disk).remove(0);
    disk.damage(&file, |bytes| bytes[70] ^= 1);
    let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
    let error = load(&store).unwrap_err();
    assert_eq!(error.code(), "damaged-snapshot");
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );
    assert!(disk.paths().contains(&file), "a refusal touches nothing");
}

#[test]
fn an_unfinished_snapshot_leaves_nothing() {
    let (disk, store) = chain();
    let mut writer = store.begin_snapshot(20, SnapshotKind::Delta).unwrap();
    writer
        .put(1, Partition::of("a"), "a", Some(&vec![7; 300_000]))
        .unwrap();
    drop(writer);
    let snapshots = dir().join("snapshots");
    let unfinished = |path: &PathBuf| {
        path.starts_with(&snapshots) && path.extension().is_some_and(|e| e == "tmp")
    };
    assert!(!disk.paths().iter().any(unfinished));
    // Killed instead of dropped:
    let mut writer = store.begin_snapshot(20, SnapshotKind::Delta).unwrap();
    writer
        .put(1, Partition::of("a"), "a", Some(&vec![7; 300_000]))
        .unwrap();
    let killed = disk.copy();
    let (store, _) = Store::open(&dir(), options(&killed)).unwrap();
    assert_eq!(load(&store).unwrap().1.seq, 15);
    assert_eq!(snapshot_files(&killed).len(), 3);
}

#[test]
fn a_power_cut_while_a_snapshot_is_written_leaves_the_old_or_the_new_one() {
    for seed in 0..60 {
        let (disk, store) = chain();
        if seed % 2 == 0 {
            write(&store, 20, SnapshotKind::Delta, &[(1, "a", Some("a20"))]);
        } else {
            let mut writer = store.begin_snapshot(20, SnapshotKind::Delta).unwrap();
            writer
                .put(1, Partition::of("a"), "a", Some(b"a20"))
                .unwrap();
            std::mem::forget(writer);
        }
        let after = disk.crash(seed);
        drop(store);
        let (store, _) = Store::open(&dir(), options(&after)).unwrap();
        let (found, loaded) = load(&store).unwrap();
        assert!(loaded.damaged.is_empty());
        assert_eq!(
            loaded.seq,
            if seed % 2 == 0 { 20 } else { 15 },
            "seed {seed}"
        );
        assert_eq!(
            found[&(1, "a".to_string())],
            format!("a{}", loaded.seq).as_bytes()
        );
    }
}

#[test]
fn a_snapshot_whose_name_may_not_last_does_not_count_and_does_not_stay() {
    let disk = Sim::new();
    let (store, _writer, _) = filled(&disk, 3, 4);
    write(&store, 4, SnapshotKind::Full, &[(1, "a", Some("1"))]);
    let before = snapshot_files(&disk);
    let writer = store.begin_snapshot(8, SnapshotKind::Full).unwrap();
    disk.fail(Fault::SyncDir, 0);
    assert_eq!(writer.finish().unwrap_err().code(), "disk-failed");
    assert_eq!(snapshot_files(&disk), before);
    assert_eq!(load(&store).unwrap().0, entries(&[(1, "a", "1")]));
    write(&store, 8, SnapshotKind::Delta, &[(1, "b", Some("2"))]);
    assert_eq!(
        load(&store).unwrap().0,
        entries(&[(1, "a", "1"), (1, "b", "2")])
    );
}
