//! A small world for the tests: records, frames, folders.

use bytes::Bytes;
use gemelli_event::{
    Body, Category, Partition, Position, Record, Seq,
    record::{Command, Derived, Event, PARTITIONS},
};
use gemelli_model::{TwinId, Value};
use gemelli_store::{
    Frame, FrameBuilder, FrameStart, LogWriter, Options, Store,
    disk::{Disk, sim::Sim},
};
use std::{path::Path, path::PathBuf, sync::Arc};

pub const BASE_MS: i64 = 1_700_000_000_000;

/// Where the simulated folder is.
pub fn dir() -> PathBuf {
    PathBuf::from("/data")
}

/// Small limits, on a simulated disk.
pub fn options(disk: &Sim) -> Options {
    Options {
        segment_bytes: 8 * 1024,
        keep_hours: 0,
        keep_bytes: 0,
        quota_bytes: u64::MAX,
        history_quota_bytes: u64::MAX,
        slice_bytes: 3_000,
        disk: Arc::new(disk.clone()) as Arc<dyn Disk>,
        ..Options::default()
    }
}

/// A folder on the real disk, removed when it is dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("gemelli-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes records as the driver would: places, offsets and rising times.
#[derive(Clone)]
pub struct Source {
    pub seq: Seq,
    offsets: [u64; PARTITIONS],
}

impl Source {
    pub fn new() -> Self {
        Self {
            seq: 0,
            offsets: [0; PARTITIONS],
        }
    }

    pub fn resume(seq: Seq, offsets: [u64; PARTITIONS]) -> Self {
        Self { seq, offsets }
    }

    pub fn record(&mut self, key: &str, body: Body) -> Record {
        let partition = Partition::of(key);
        let offset = self.offsets[partition.index()];
        self.offsets[partition.index()] += 1;
        let accepted_ms = BASE_MS + self.seq as i64;
        self.seq += 1;
        Record {
            position: Position { partition, offset },
            accepted_ms,
            cause: None,
            body,
        }
    }

    pub fn event(&mut self, twin: &str) -> Record {
        let n = self.seq;
        let body = Body::Event(Event {
            category: Category::Real,
            interface: "pole".into(),
            twin: twin.into(),
            command: None,
            source: None,
            id: Some(format!("{twin}#{n}").into()),
            time_ms: Some(BASE_MS + n as i64 * 1_000),
            payload: Bytes::from(format!("{{\"n\":{n}}}")),
        });
        self.record(twin, body)
    }

    /// One record of the many kinds, by its place.
    pub fn mixed(&mut self) -> Record {
        let n = self.seq;
        let twin = format!("twin-{}", n % 5);
        match n % 7 {
            3 => {
                let body = Body::Derived(Derived {
                    twin: TwinId::new(twin.as_str()),
                    interface: "pole".into(),
                    time_ms: BASE_MS + n as i64 * 1_000,
                    values: vec![("index".into(), Value::Int(n as i64))],
                });
                self.record(&twin, body)
            }
            5 => {
                let patch =
                    serde_json::from_str(r#"[{"op":"replace","path":"/a","value":1.5}]"#).unwrap();
                let twin_id = TwinId::new(twin.as_str());
                self.record(
                    &twin,
                    Body::Command(Command::Patch {
                        twin: twin_id,
                        patch,
                        if_match: None,
                        strict: false,
                    }),
                )
            }
            6 => self.record("client", Body::Session(Bytes::from_static(b"opaque"))),
            _ => self.event(&twin),
        }
    }

    pub fn batch(&mut self, count: usize) -> Vec<Record> {
        (0..count).map(|_| self.mixed()).collect()
    }
}

/// Writes records as one frame.
pub fn append(writer: &mut LogWriter, records: &[Record]) -> Result<Seq, gemelli_store::Error> {
    let mut builder = FrameBuilder::new();
    builder.begin(FrameStart {
        first_seq: writer.next_seq(),
        accepted_ms: records.first().map_or(0, |r| r.accepted_ms),
        definitions: 3,
        engine: 1,
    });
    for record in records {
        builder.push(record).unwrap();
    }
    writer
        .append(&builder.finish())
        .map(|synced| synced.next_seq)
}

/// A folder with so many frames of so many records, and the records.
pub fn filled(disk: &Sim, frames: usize, per_frame: usize) -> (Store, LogWriter, Vec<Record>) {
    let (store, _) = Store::open(&dir(), options(disk)).unwrap();
    let mut writer = store.writer().unwrap();
    let mut source = Source::new();
    let mut all = Vec::new();
    for _ in 0..frames {
        let records = source.batch(per_frame);
        append(&mut writer, &records).unwrap();
        all.extend(records);
    }
    (store, writer, all)
}

/// All records of the log, as they are read back.
pub fn read_all(store: &Store, from: Seq) -> Vec<Record> {
    let frames: Result<Vec<Frame>, _> = store.frames(from).unwrap().collect();
    frames
        .unwrap()
        .into_iter()
        .flat_map(|frame| frame.records)
        .collect()
}
