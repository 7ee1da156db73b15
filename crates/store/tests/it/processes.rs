//! Real processes on the real disk: SIGKILL at any moment, readers and housekeeping beside the writer.

use crate::scene::{Scratch, Source, append, read_all};
use gemelli_event::Record;
use gemelli_store::{
    Options, Query, SnapshotKind, Store,
    disk::{Disk, DiskFile, Real},
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Tells the test binary that it is to be the process that gets killed.
const FOLDER: &str = "GEMELLI_STORE_TEST_FOLDER";

/// Tells it to use the calls that every system has.
const PORTABLE: &str = "GEMELLI_STORE_TEST_PORTABLE";

fn small() -> Options {
    Options {
        segment_bytes: 64 * 1024,
        keep_hours: 0,
        keep_bytes: 200_000,
        slice_bytes: 20_000,
        ..Options::default()
    }
}

/// The same records for the same places, whichever process makes them.
fn all_records(count: usize) -> Vec<Record> {
    Source::new().batch(count)
}

/// Not a test of its own: appends, keeps house, takes snapshots and says what is durable, until it is killed.
#[test]
fn appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut options = small();
    if std::env::var_os(PORTABLE).is_some() {
        options.disk = Arc::new(Real::portable());
    }
    let (store, recovery) = Store::open(Path::new(&folder), options).unwrap();
    let loaded = store.load_snapshot(|_| {}).unwrap();
    assert!(loaded.seq <= recovery.next_seq && loaded.seq >= store.first_seq());
    println!("open {} {}", recovery.next_seq, recovery.truncated_bytes);
    let mut writer = store.writer().unwrap();
    let house = store.clone();
    thread::spawn(move || {
        loop {
            house.keep_house(i64::MAX).unwrap();
            let seq = house.next_seq();
            let kind = house.snapshot_advice();
            if let Ok(mut snapshot) = house.begin_snapshot(seq, kind) {
                snapshot.meta(&seq.to_le_bytes()).unwrap();
                snapshot.finish().unwrap();
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    let mut source = Source::resume(recovery.next_seq, recovery.offsets);
    // Bounded, so that nothing runs on if the parent is gone.
    for _ in 0..20_000 {
        append(&mut writer, &source.batch(7)).unwrap();
        println!("durable {}", writer.next_seq());
    }
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    let scratch = Scratch::new("killed");
    let mut acknowledged = 0;
    for round in 0..12u32 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        // By turns, so that each reads what the other one left.
        if round % 2 == 1 {
            command.env(PORTABLE, "1");
        }
        let mut child = command
            .args([
                "--exact",
                "processes::appends_until_it_is_killed",
                "--nocapture",
            ])
            .env(FOLDER, scratch.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let budget = 40 + round * 37 % 300;
        for line in lines.map_while(Result::ok) {
            let mut words = line.split(' ');
            match (
                words.next(),
                words.next().and_then(|n| n.parse::<u64>().ok()),
            ) {
                (Some("open"), Some(next)) => {
                    assert!(next >= acknowledged, "{next} of {acknowledged} are there")
                }
                (Some("durable"), Some(next)) => {
                    if acknowledged / 7 % 1_000 >= u64::from(budget) {
                        let _ = child.kill();
                    }
                    acknowledged = next;
                }
                _ => {}
            }
            if acknowledged / 7 % 1_000 >= u64::from(budget) {
                let _ = child.kill();
            }
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(acknowledged > 500, "{acknowledged}");
    let (store, recovery) = Store::open(scratch.path(), small()).unwrap();
    assert!(recovery.next_seq >= acknowledged);
    let all = all_records(recovery.next_seq as usize);
    let first = store.first_seq();
    assert_eq!(read_all(&store, first), all[first as usize..]);
    let mut next = 0;
    let rows = (0..)
        .zip(&all)
        .filter_map(|(seq, record)| gemelli_store::Row::of(seq, record));
    let rows: Vec<_> = rows.collect();
    store
        .scan_history(0, |row| {
            assert_eq!(*row, rows[next]);
            next += 1;
            true
        })
        .unwrap();
    assert_eq!(
        next,
        rows.len(),
        "history is complete, in order, each row once"
    );
}

#[test]
fn both_disks_write_reserve_cut_and_lock_alike() {
    for real in [Real::default(), Real::portable()] {
        let scratch = Scratch::new("alike");
        let path = scratch.path().join("file");
        std::fs::create_dir_all(scratch.path()).unwrap();
        let file: Arc<dyn DiskFile> = real.create(&path).unwrap();
        file.write_at(&[b"one", b"", b"two"], 2).unwrap();
        file.allocate(200_000).unwrap();
        // Never shorter.
        file.allocate(10).unwrap();
        file.sync().unwrap();
        let mut bytes = vec![1; 200_001];
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 200_000);
        assert_eq!(&bytes[..9], b"\0\0onetwo\0");
        assert!(bytes[9..200_000].iter().all(|b| *b == 0));
        file.cut(5).unwrap();
        assert_eq!(file.length().unwrap(), 5);
        real.rename(&path, &scratch.path().join("other")).unwrap();
        real.sync_dir(scratch.path()).unwrap();
        assert_eq!(real.names(scratch.path()).unwrap(), ["other"]);
        let lock = scratch.path().join("lock");
        let held = real.lock(&lock).unwrap();
        assert!(matches!(
            real.lock(&lock),
            Err(gemelli_store::disk::NoLock::Held(Some(pid))) if pid == std::process::id()
        ));
        drop(held);
        assert!(real.lock(&lock).is_ok());
    }
}

/// Ends the other threads of a test, however it ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn readers_and_housekeeping_beside_the_writer_see_only_what_is_right() {
    let scratch = Scratch::new("beside");
    let (store, _) = Store::open(scratch.path(), small()).unwrap();
    let mut writer = store.writer().unwrap();
    let all = all_records(30_000);
    let rows: Vec<_> = (0..)
        .zip(&all)
        .filter_map(|(seq, r)| gemelli_store::Row::of(seq, r))
        .collect();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.keep_house(i64::MAX).unwrap();
                let seq = store.next_seq();
                if let Ok(snapshot) = store.begin_snapshot(seq, SnapshotKind::Full) {
                    snapshot.finish().unwrap();
                }
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let from = store.first_seq();
                let seen = store.scan(from, |seq, record| {
                    assert_eq!(*record, all[seq as usize]);
                    true
                });
                assert!(seen.is_ok_and(|_| true) || store.first_seq() > from);
            }
        });
        scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                let durable = store.next_seq();
                let page = store
                    .history(&Query::of("twin-2".into(), usize::MAX))
                    .unwrap();
                let wanted = rows.iter().filter(|row| row.twin.as_str() == "twin-2");
                let count = page.rows.len();
                assert!(
                    page.rows.iter().eq(wanted.clone().take(count)),
                    "a row is missing or comes twice"
                );
                assert!(count >= most && wanted.filter(|row| row.seq < durable).count() <= count);
                most = count;
            }
        });
        let _ends = Ends(&done);
        for records in all.chunks(50) {
            append(&mut writer, records).unwrap();
        }
    });
    assert!(store.metrics().dropped_segments > 3);
}
