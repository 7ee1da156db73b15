//! Writing and reading the log, on a disk that is well.

use crate::scene::{Scratch, Source, append, dir, filled, options, read_all};
use gemelli_event::Partition;
use gemelli_store::{
    Error, FORMAT, FrameBuilder, FrameStart, Options, Space, Store, disk::sim::Sim,
};

#[test]
fn what_was_appended_is_read_back_from_any_record() {
    let disk = Sim::new();
    let (store, _writer, all) = filled(&disk, 60, 9);
    assert!(store.metrics().segments > 3, "several segments are met");
    assert_eq!(read_all(&store, 0), all);
    for from in 0..=all.len() as u64 {
        let mut seen = Vec::new();
        let next = store.scan(from, |seq, record| {
            seen.push((seq, record.clone()));
            true
        });
        assert_eq!(next.unwrap(), all.len() as u64);
        let wanted: Vec<_> = (from..).zip(all[from as usize..].iter().cloned()).collect();
        assert_eq!(seen, wanted);
    }
}

#[test]
fn a_scan_stops_where_it_is_told_and_goes_on_from_there() {
    let disk = Sim::new();
    let (store, _writer, all) = filled(&disk, 10, 7);
    let mut seen = Vec::new();
    let mut from = 0;
    while from < all.len() as u64 {
        let mut budget = 4;
        from = store
            .scan(from, |_, record| {
                if budget == 0 {
                    return false;
                }
                budget -= 1;
                seen.push(record.clone());
                true
            })
            .unwrap();
    }
    assert_eq!(seen, all);
}

#[test]
fn a_reader_at_the_end_goes_on_when_more_is_written() {
    let disk = Sim::new();
    let (store, mut writer, all) = filled(&disk, 2, 3);
    let mut frames = store.frames(0).unwrap();
    let mut source = Source::resume(all.len() as u64, [1_000; 64]);
    let mut seen = 0;
    for _ in 0..80 {
        while let Some(frame) = frames.next_frame().unwrap() {
            assert_eq!(frame.first_seq, seen);
            seen += frame.records.len() as u64;
        }
        append(&mut writer, &source.batch(4)).unwrap();
    }
    assert!(store.metrics().segments > 2);
    assert_eq!(seen, 6 + 79 * 4);
}

#[test]
fn a_clean_stop_and_a_restart_go_on_where_the_log_ended() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 30, 8);
    writer.close().unwrap();
    drop(store);
    let (store, recovery) = Store::open(&dir(), options(&disk)).unwrap();
    assert!(recovery.clean);
    assert_eq!(
        (recovery.first_seq, recovery.next_seq),
        (0, all.len() as u64)
    );
    assert_eq!((recovery.truncated_bytes, recovery.definitions), (0, 3));
    assert_eq!(recovery.accepted_ms, all.last().unwrap().accepted_ms);
    for partition in Partition::all() {
        let held = all
            .iter()
            .filter(|r| r.position.partition == partition)
            .count() as u64;
        assert_eq!(recovery.offsets[partition.index()], held);
    }
    let mut writer = store.writer().unwrap();
    let mut source = Source::resume(recovery.next_seq, recovery.offsets);
    let more = source.batch(5);
    append(&mut writer, &more).unwrap();
    drop((writer, store));
    let (store, recovery) = Store::open(&dir(), options(&disk)).unwrap();
    assert!(!recovery.clean, "nobody said goodbye");
    assert_eq!(read_all(&store, 0), [all, more].concat());
}

#[test]
fn the_partition_index_says_which_offsets_a_segment_holds() {
    let disk = Sim::new();
    let (store, writer, all) = filled(&disk, 60, 9);
    drop((store, writer));
    let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
    for partition in Partition::all() {
        let index = store.partition_index(partition);
        let starts = index.iter().map(|(first, _)| *first);
        let ends = starts.skip(1).chain([all.len() as u64]);
        for ((first, offsets), end) in index.iter().zip(ends) {
            let inside = &all[*first as usize..end as usize];
            let mut held = inside.iter().filter(|r| r.position.partition == partition);
            let first = held.next().map(|r| r.position.offset);
            let last = held.next_back().map(|r| r.position.offset).or(first);
            assert_eq!(
                *offsets,
                first.zip(last).map(|(first, last)| first..last + 1)
            );
        }
    }
}

#[test]
fn a_frame_larger_than_a_segment_gets_one_of_its_own() {
    let disk = Sim::new();
    let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
    let mut writer = store.writer().unwrap();
    let mut source = Source::new();
    let big = source.batch(2_000);
    append(&mut writer, &big).unwrap();
    let small = source.batch(2);
    append(&mut writer, &small).unwrap();
    drop((writer, store));
    let (store, _) = Store::open(&dir(), options(&disk)).unwrap();
    assert_eq!(read_all(&store, 0), [big, small].concat());
}

#[test]
fn frames_must_follow_each_other() {
    let disk = Sim::new();
    let (_store, mut writer, all) = filled(&disk, 1, 3);
    let mut builder = FrameBuilder::new();
    builder.begin(FrameStart {
        first_seq: 7,
        ..FrameStart::default()
    });
    builder.push(&all[0]).unwrap();
    let error = writer.append(&builder.finish()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::OutOfOrder {
                expected: 3,
                found: 7
            }
        ),
        "{error}"
    );
}

#[test]
fn there_is_one_writer() {
    let disk = Sim::new();
    let (store, _writer, _) = filled(&disk, 1, 1);
    assert!(matches!(store.writer(), Err(Error::WriterTaken)));
}

#[test]
fn a_folder_is_open_once_and_the_error_names_who_has_it() {
    let scratch = Scratch::new("locked");
    let small = || Options {
        segment_bytes: 64 * 1024,
        ..Options::default()
    };
    let first = Store::open(scratch.path(), small()).unwrap();
    let Err(error) = Store::open(scratch.path(), small()) else {
        panic!("it was opened twice")
    };
    assert_eq!(error.code(), "folder-locked");
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    drop(first);
    Store::open(scratch.path(), small()).unwrap();
}

#[test]
fn a_folder_of_a_newer_release_is_left_alone() {
    let scratch = Scratch::new("newer");
    std::fs::create_dir_all(scratch.path()).unwrap();
    let file = scratch.path().join("format");
    std::fs::write(
        &file,
        format!("gemelli data folder\nformat {}\n", FORMAT + 1),
    )
    .unwrap();
    let Err(error) = Store::open(scratch.path(), Options::default()) else {
        panic!("it was opened")
    };
    assert_eq!(error.code(), "newer-format");
    let names: Vec<_> = std::fs::read_dir(scratch.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["format"]);
}

#[test]
fn the_real_disk_keeps_what_was_written() {
    let scratch = Scratch::new("real");
    let small = || Options {
        segment_bytes: 64 * 1024,
        ..Options::default()
    };
    let (store, recovery) = Store::open(scratch.path(), small()).unwrap();
    assert_eq!(recovery.next_seq, 0);
    let mut writer = store.writer().unwrap();
    assert_eq!(store.space(), Space::Open);
    let mut source = Source::new();
    let mut all = Vec::new();
    for _ in 0..40 {
        let records = source.batch(50);
        append(&mut writer, &records).unwrap();
        all.extend(records);
    }
    assert!(store.metrics().segments > 1);
    writer.close().unwrap();
    drop(store);
    let (store, recovery) = Store::open(scratch.path(), small()).unwrap();
    assert!(recovery.clean);
    assert_eq!(read_all(&store, 0), all);
    assert_eq!(
        store.metrics().sync_buckets.iter().sum::<u64>(),
        0,
        "counts are since the start"
    );
}
