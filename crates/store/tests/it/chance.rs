//! Anything in any order, by a seed: appends, housekeeping, snapshots, reads, faults, crashes, restarts. After each
//! step the folder holds what was acknowledged, and what it hands out is right. A failing seed is in the message.

use crate::scene::{Source, append, dir, options, read_all};
use gemelli_event::{Partition, Record, Seq};
use gemelli_store::{
    Error, LogWriter, Options, Query, Row, SnapshotKind, Store,
    disk::sim::{Fault, Sim},
};

/// Seeds per run: a few seconds. `GEMELLI_SEEDS=first..last` runs others.
const SEEDS: u64 = 100;

const STEPS: usize = 60;

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n
    }
}

struct World {
    seed: u64,
    disk: Sim,
    store: Store,
    writer: Option<LogWriter>,
    /// What was acknowledged.
    all: Vec<Record>,
    rows: Vec<Row>,
    chance: Chance,
    crashes: u64,
}

fn small(disk: &Sim) -> Options {
    Options {
        keep_bytes: 20_000,
        slice_bytes: 2_000,
        ..options(disk)
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let disk = Sim::new();
        let (store, _) = Store::open(&dir(), small(&disk)).unwrap();
        let writer = Some(store.writer().unwrap());
        let chance = Chance((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self {
            seed,
            disk,
            store,
            writer,
            all: Vec::new(),
            rows: Vec::new(),
            chance,
            crashes: 0,
        }
    }

    fn source(&self) -> Source {
        let mut offsets = [0; 64];
        for record in &self.all {
            offsets[record.position.partition.index()] = record.position.offset + 1;
        }
        Source::resume(self.all.len() as Seq, offsets)
    }

    fn acknowledge(&mut self, records: Vec<Record>) {
        let first = self.all.len() as Seq;
        self.rows.extend(
            (first..)
                .zip(&records)
                .filter_map(|(seq, record)| Row::of(seq, record)),
        );
        self.all.extend(records);
    }

    fn step(&mut self) {
        match self.chance.below(20) {
            0..=9 => self.append(),
            10..=11 => {
                self.store.keep_house(i64::MAX).unwrap();
                self.store.merge_history(|| true).unwrap();
            }
            12..=13 => self.snapshot(),
            14 => self.restart(),
            15..=16 => self.crash(),
            17 => self.fault_in_the_background(),
            18 => self.read_history(),
            _ => self.read_log(),
        }
    }

    fn append(&mut self) {
        let count = 1 + self.chance.below(60) as usize;
        let records = self.source().batch(count);
        let writer = self.writer.as_mut().unwrap();
        append(writer, &records).unwrap();
        self.acknowledge(records);
    }

    /// The snapshot says how many records it has folded.
    fn snapshot(&mut self) {
        let seq = self.store.next_seq();
        match self.store.begin_snapshot(seq, self.store.snapshot_advice()) {
            Ok(mut writer) => {
                writer
                    .put(0, Partition::default(), "folded", Some(&seq.to_le_bytes()))
                    .unwrap();
                writer.meta(&seq.to_le_bytes()).unwrap();
                writer.finish().unwrap();
            }
            Err(error) => assert!(
                matches!(error, Error::NoSnapshotBefore { .. }),
                "seed {}: {error}",
                self.seed
            ),
        }
    }

    fn restart(&mut self) {
        self.writer.take().unwrap().close().unwrap();
        let disk = self.disk.copy();
        self.reopen(disk, &[], true);
    }

    /// Kills the process or the power, perhaps in the middle of an append.
    fn crash(&mut self) {
        self.crashes += 1;
        let mut pending = Vec::new();
        match self.chance.below(3) {
            0 => {}
            n => {
                pending = self.source().batch(1 + self.chance.below(40) as usize);
                self.disk
                    .fail(if n == 1 { Fault::Write } else { Fault::Power }, 0);
                let error = append(self.writer.as_mut().unwrap(), &pending).unwrap_err();
                assert!(
                    matches!(error.code(), "disk-failed"),
                    "seed {}: {error}",
                    self.seed
                );
            }
        }
        let disk = self.disk.crash(self.seed ^ self.chance.0);
        self.reopen(disk, &pending, false);
    }

    /// Housekeeping or a snapshot fails half-way, then the power goes.
    fn fault_in_the_background(&mut self) {
        let after = self.chance.below(40) as usize;
        let faults = [
            Fault::Write,
            Fault::Full,
            Fault::Sync,
            Fault::SyncDir,
            Fault::Power,
            Fault::Off,
        ];
        let fault = faults[self.chance.below(faults.len() as u64) as usize];
        self.disk.fail(fault, after);
        let _ = self.store.keep_house(i64::MAX);
        let _ = self.store.merge_history(|| true);
        if let Ok(mut writer) = self
            .store
            .begin_snapshot(self.store.next_seq(), SnapshotKind::Full)
        {
            let seq = self.store.next_seq().to_le_bytes();
            let _ = writer.put(0, Partition::default(), "folded", Some(&seq));
            let _ = writer.meta(&seq).and_then(|()| writer.finish());
        }
        let disk = self.disk.crash(self.seed ^ self.chance.0);
        self.reopen(disk, &[], false);
    }

    /// Opens the folder again; `pending` was written, and nobody knows how much of it is there.
    fn reopen(&mut self, disk: Sim, pending: &[Record], clean: bool) {
        let seed = self.seed;
        self.writer = None;
        let (store, recovery) =
            Store::open(&dir(), small(&disk)).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(recovery.clean || !clean, "seed {seed}");
        let next = recovery.next_seq as usize;
        assert!(
            next >= self.all.len(),
            "seed {seed}: {next} of {} acknowledged are there",
            self.all.len()
        );
        if next > self.all.len() {
            assert_eq!(
                next,
                self.all.len() + pending.len(),
                "seed {seed}: a frame is whole or not there"
            );
            self.acknowledge(pending.to_vec());
        }
        let offsets = self.source();
        let loaded = store.load_snapshot(|entry| {
            assert_eq!((entry.kind, entry.key), (0, "folded"), "seed {seed}");
        });
        let loaded = loaded.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert!(loaded.damaged.is_empty(), "seed {seed}");
        assert_eq!(
            loaded.meta.unwrap_or(vec![0; 8]),
            loaded.seq.to_le_bytes(),
            "seed {seed}"
        );
        assert!(
            loaded.seq >= store.first_seq() && loaded.seq <= recovery.next_seq,
            "seed {seed}"
        );
        self.disk = disk;
        self.writer = Some(store.writer().unwrap());
        self.store = store;
        for partition in Partition::all() {
            let mut source = offsets.clone();
            let wanted = source.record("", gemelli_event::Body::Session(Default::default()));
            if wanted.position.partition == partition {
                assert_eq!(
                    recovery.offsets[partition.index()],
                    wanted.position.offset,
                    "seed {seed}"
                );
            }
        }
        self.read_log();
        self.read_history();
    }

    fn read_log(&mut self) {
        let first = self.store.first_seq();
        let from = first + self.chance.below(self.all.len() as u64 - first + 1);
        let mut seen = Vec::new();
        self.store
            .scan(from, |seq, record| {
                seen.push((seq, record.clone()));
                true
            })
            .unwrap();
        let wanted: Vec<_> = (from..)
            .zip(self.all[from as usize..].iter().cloned())
            .collect();
        assert_eq!(seen, wanted, "seed {}", self.seed);
        assert_eq!(
            read_all(&self.store, first),
            self.all[first as usize..],
            "seed {}",
            self.seed
        );
    }

    fn read_history(&mut self) {
        let twin = format!("twin-{}", self.chance.below(5));
        let page = self
            .store
            .history(&Query::of(twin.as_str().into(), usize::MAX))
            .unwrap();
        let wanted = self.rows.iter().filter(|row| row.twin.as_str() == twin);
        assert!(
            page.rows.iter().eq(wanted),
            "seed {}: history of {twin}",
            self.seed
        );
        let mut rows = self.rows.iter();
        self.store
            .scan_history(0, |row| {
                assert_eq!(Some(row), rows.next());
                true
            })
            .unwrap();
        assert_eq!(
            rows.next(),
            None,
            "seed {}: history ends too early",
            self.seed
        );
    }
}

#[test]
fn nothing_that_happens_loses_doubles_or_changes_a_record() {
    let (mut crashes, mut dropped) = (0, 0);
    let given = std::env::var("GEMELLI_SEEDS").ok();
    let given = given.as_deref().and_then(|range| range.split_once(".."));
    let range = given.map_or(0..SEEDS, |(first, last)| {
        first.parse().unwrap()..last.parse().unwrap()
    });
    let seeds = range.end - range.start;
    for seed in range {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        crashes += world.crashes;
        dropped += world.store.first_seq();
    }
    assert!(
        crashes > seeds && dropped > seeds,
        "{crashes} crashes, {dropped} records were removed from logs"
    );
}
