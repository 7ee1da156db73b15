//! Files as events, against a broker that we did not write and an HTTP server made here.

use crate::mosquitto;
use gemelli_client::Client;
use gemelli_load::{
    device::Speed,
    replay::{self, Map, Options, Target, synthetic},
};
use gemelli_mqtt::packet::Version;
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::PathBuf,
    sync::mpsc,
    time::Duration,
};

fn file(name: &str, hours: u32) -> PathBuf {
    let path = std::env::temp_dir().join(format!(
        "gemelli-replay-{}-{name}.csv.gz",
        std::process::id()
    ));
    synthetic::write(&path, hours, 1).unwrap();
    path
}

fn options(file: PathBuf, topic: &str, target: Target) -> Options {
    let map = Map::of(topic, Some("timestamp".into()));
    Options {
        file,
        map,
        target,
        speed: Speed::Max,
        limit: None,
        progress: false,
    }
}

#[test]
fn every_row_is_published_and_acknowledged() {
    let Some(server) = mosquitto::start("every_row_is_published_and_acknowledged") else {
        return;
    };
    for version in [Version::V311, Version::V5] {
        let path = file(&format!("{version:?}"), 200);
        let target = Target::Mqtt {
            address: server.address,
            version,
            login: None,
        };
        let report = replay::run(&options(path.clone(), "beijing/{station}/air", target)).unwrap();
        assert_eq!(
            (report.sent, report.acknowledged, report.skipped),
            (2_400, 2_400, 0)
        );
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_speed_spreads_rows_and_a_limit_ends_them() {
    let Some(server) = mosquitto::start("a_speed_spreads_rows_and_a_limit_ends_them") else {
        return;
    };
    let path = file("speed", 10);
    let target = Target::Mqtt {
        address: server.address,
        version: Version::V5,
        login: None,
    };
    let mut options = options(path.clone(), "beijing/{station}/air", target);
    // Row 25 is two hours after the first: at this speed a fifth of a second.
    options.speed = Speed::Times(36_000.0);
    options.limit = Some(25);
    let report = replay::run(&options).unwrap();
    assert_eq!((report.sent, report.acknowledged), (25, 25));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn over_http_rows_are_batches_of_cloud_events() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            while let Some(body) = request(&mut reader) {
                tell.send(body).unwrap();
                let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
                reader.get_mut().write_all(answer).unwrap();
            }
        }
    });
    let path = file("http", 20);
    let client = Client::new(&gemelli_client::Options::of(address.to_string())).unwrap();
    let topic = "ktwin/real/beijing-station/{station}";
    let report = replay::run(&options(path.clone(), topic, Target::Http(client.clone()))).unwrap();
    assert_eq!((report.sent, report.acknowledged), (240, 240));
    let batches: Vec<Vec<serde_json::Value>> = (0..2)
        .map(|_| {
            serde_json::from_slice(&told.recv_timeout(Duration::from_secs(10)).unwrap()).unwrap()
        })
        .collect();
    assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 240);
    let event = &batches[0][0];
    assert_eq!(
        (event["type"].as_str(), event["source"].as_str()),
        (Some("ktwin.real.beijing-station"), Some("Aotizhongxin"))
    );
    assert_eq!(event["time"], "2026-01-05T00:00:00Z");
    assert!(event["data"]["pm10"].is_number());

    let error = replay::run(&options(
        path.clone(),
        "beijing/{station}/air",
        Target::Http(client),
    ))
    .unwrap_err();
    assert!(error.to_string().contains("must be ktwin/real/"), "{error}");
    std::fs::remove_file(path).unwrap();
}

/// The body of the next request.
fn request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().to_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().ok()?,
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
