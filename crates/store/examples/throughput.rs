//! How fast the store is on this machine: `cargo run --release -p gemelli-store --example throughput [FOLDER]`.
//! Without a folder one is made under the system's temporary one; it is removed at the end, unless `--keep` follows.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use bytes::Bytes;
use gemelli_event::{
    Body, Category, Partition, Position, Record,
    codec::Decoder,
    record::{Event, PARTITIONS},
};
use gemelli_store::{FrameBuilder, FrameStart, Options, Query, SnapshotKind, Store};
use std::{hint::black_box, path::PathBuf, time::Duration, time::Instant};

const TWINS: u64 = 5_000;
const RECORDS: u64 = 1_000_000;
const BASE_MS: i64 = 1_700_000_000_000;

fn record(n: u64, offsets: &mut [u64; PARTITIONS]) -> Record {
    let twin = format!("ngsi-ld-city-airqualityobserved-nb001-p{:04}", n % TWINS);
    let partition = Partition::of(&twin);
    let offset = offsets[partition.index()];
    offsets[partition.index()] += 1;
    let payload = format!(
        r#"{{"CO2Density":{}.5,"PM1Density":{}.25,"PM10Density":{}.75,"humidity":{},"temperature":21.5}}"#,
        400 + n % 97,
        n % 31,
        n % 53,
        n % 100
    );
    let event = Event {
        category: Category::Real,
        interface: "ngsi-ld-city-airqualityobserved".into(),
        id: Some(format!("{twin}#{}", n / TWINS).into()),
        twin: twin.as_str().into(),
        command: None,
        source: None,
        time_ms: Some(BASE_MS + (n / TWINS) as i64 * 10_000),
        payload: Bytes::from(payload),
    };
    let accepted_ms = BASE_MS + n as i64 / 100;
    Record {
        position: Position { partition, offset },
        accepted_ms,
        cause: None,
        body: Body::Event(event),
    }
}

fn per_second(count: u64, bytes: u64, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    format!(
        "{:>9.0} records/s {:>7.0} MB/s {:>5.2} µs each",
        count as f64 / seconds,
        bytes as f64 / 1e6 / seconds,
        seconds * 1e6 / count as f64
    )
}

/// A line of this process's status, in MB; 0 where there is none.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status.lines().find_map(|l| l.strip_prefix(line));
    value
        .and_then(|v| v.trim().split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// Tells the process that it is to convert the folder to history, nothing else.
const HOUSE: &str = "GEMELLI_THROUGHPUT_HOUSE";

fn keep_house(dir: &std::path::Path) {
    let (store, _) = Store::open(dir, Options::default()).unwrap();
    let before = memory("VmHWM:");
    let started = Instant::now();
    let kept = store.keep_house(BASE_MS).unwrap();
    let took = started.elapsed();
    let metrics = store.metrics();
    println!(
        "to Parquet          {}, {:.1} B/row in {} files, memory {before} MB to {} MB",
        per_second(kept.rows, metrics.history_bytes, took),
        metrics.history_bytes as f64 / kept.rows as f64,
        metrics.history_files,
        memory("VmHWM:")
    );
}

fn main() {
    let dir = std::env::args_os().nth(1).map_or_else(
        || std::env::temp_dir().join("gemelli-throughput"),
        PathBuf::from,
    );
    if std::env::var_os(HOUSE).is_some() {
        return keep_house(&dir);
    }
    let _ = std::fs::remove_dir_all(&dir);
    let mut offsets = [0; PARTITIONS];
    let records: Vec<Record> = (0..RECORDS).map(|n| record(n, &mut offsets)).collect();
    let payloads: u64 = records
        .iter()
        .map(|r| {
            if let Body::Event(e) = &r.body {
                e.payload.len() as u64
            } else {
                0
            }
        })
        .sum();

    let mut builder = FrameBuilder::new();
    let started = Instant::now();
    let mut bytes = 0;
    for chunk in records.chunks(4_096) {
        builder.begin(FrameStart {
            accepted_ms: BASE_MS,
            ..FrameStart::default()
        });
        for record in chunk {
            builder.push(record).unwrap();
        }
        let frame = builder.finish();
        bytes += frame.bytes() as u64;
        builder = frame.recycle();
    }
    println!(
        "encode + CRC        {}",
        per_second(RECORDS, bytes, started.elapsed())
    );
    println!(
        "a record takes      {:.1} B, {:.1} B of it payload",
        bytes as f64 / RECORDS as f64,
        payloads as f64 / RECORDS as f64
    );

    let mut encoder = gemelli_event::codec::Encoder::default();
    encoder.begin(0, BASE_MS);
    records
        .iter()
        .take(4_096)
        .for_each(|r| assert!(encoder.push(r).is_ok()));
    let started = Instant::now();
    let rounds = 200;
    for _ in 0..rounds {
        let mut decoder = Decoder::new(encoder.buffer(), BASE_MS).unwrap();
        while let Some(record) = decoder.next().unwrap() {
            black_box(record);
        }
    }
    println!(
        "decode              {}",
        per_second(
            rounds * 4_096,
            rounds * encoder.buffer().len() as u64,
            started.elapsed()
        )
    );

    for per_frame in [1usize, 16, 256, 4_096] {
        let _ = std::fs::remove_dir_all(&dir);
        let (store, _) = Store::open(&dir, Options::default()).unwrap();
        let mut writer = store.writer().unwrap();
        let count = (RECORDS as usize).min(per_frame * 1_500);
        let mut took: Vec<Duration> = Vec::new();
        let started = Instant::now();
        for (i, chunk) in records[..count].chunks(per_frame).enumerate() {
            builder.begin(FrameStart {
                first_seq: (i * per_frame) as u64,
                accepted_ms: chunk[0].accepted_ms,
                ..FrameStart::default()
            });
            for record in chunk {
                builder.push(record).unwrap();
            }
            let frame = builder.finish();
            took.push(writer.append(&frame).unwrap().took);
            builder = frame.recycle();
        }
        let all = started.elapsed();
        took.sort();
        println!(
            "append, {per_frame:>4}/frame  {}, write+fdatasync p50 {:?} p99 {:?}",
            per_second(count as u64, store.metrics().bytes, all),
            took[took.len() / 2],
            took[took.len() * 99 / 100]
        );
    }

    let started = Instant::now();
    let (store, recovery) = Store::open(&dir, Options::default()).unwrap();
    println!(
        "open, rebuild index {}",
        per_second(
            recovery.next_seq,
            store.metrics().log_bytes,
            started.elapsed()
        )
    );
    let started = Instant::now();
    let mut count = 0;
    for frame in store.frames(0).unwrap() {
        count += frame.unwrap().records.len() as u64;
    }
    println!(
        "replay (decode)     {}",
        per_second(count, store.metrics().log_bytes, started.elapsed())
    );

    let query = Query::of("ngsi-ld-city-airqualityobserved-nb001-p0042".into(), 1_000);
    let started = Instant::now();
    let rows = store.history(&query).unwrap().rows.len();
    println!(
        "history from log    {rows} rows of one twin in {:?}, index {} B/record",
        started.elapsed(),
        store.metrics().index_bytes / RECORDS
    );
    drop(store);
    // In a process of its own, so that its memory can be seen.
    let this = std::env::current_exe().unwrap();
    std::process::Command::new(this)
        .arg(&dir)
        .env(HOUSE, "1")
        .status()
        .unwrap();
    let (store, _) = Store::open(&dir, Options::default()).unwrap();
    let metrics = store.metrics();
    for word in ["cold", "warm"] {
        let started = Instant::now();
        let rows = store.history(&query).unwrap().rows.len();
        println!(
            "history from files  {rows} rows of one twin in {:?}, {word}",
            started.elapsed()
        );
    }
    let started = Instant::now();
    let counted: u64 = store.history_counts().unwrap().values().sum();
    println!(
        "count history       {}",
        per_second(counted, metrics.history_bytes, started.elapsed())
    );
    let started = Instant::now();
    let mut writer = store
        .begin_snapshot(recovery.next_seq, SnapshotKind::Full)
        .unwrap();
    for n in 0..100_000u32 {
        writer
            .put(
                1,
                Partition::default(),
                &format!("twin-{n}"),
                Some(&[7; 400]),
            )
            .unwrap();
    }
    let bytes = writer.finish().unwrap();
    println!(
        "snapshot            {}",
        per_second(100_000, bytes, started.elapsed())
    );
    let started = Instant::now();
    let loaded = store
        .load_snapshot(|entry| assert!(!black_box(entry).key.is_empty()))
        .unwrap();
    println!(
        "load snapshot       {}",
        per_second(loaded.entries, bytes, started.elapsed())
    );
    drop(store);
    if std::env::args().nth(2).as_deref() != Some("--keep") {
        let _ = std::fs::remove_dir_all(&dir);
    }
}
