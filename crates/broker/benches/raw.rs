//! What the broker itself costs: a node that does nothing but a group commit each 2 ms, and clients in another process.
//!
//! `cargo bench -p gemelli-broker --bench raw -- [seconds] [idle connections]` prints microseconds of the server process's CPU per message and
//! memory per idle connection. Not a goal of the whole path: no log, no twins.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bytes::BytesMut;
use gemelli_broker::{
    Broker, Delivery, Host, Item, Listen, Options,
    host::{Action, Credentials, Principal, Refused, Scanned, Unavailable, Wanted},
};
use gemelli_event::record::Message;
use gemelli_mqtt::{Client, Outgoing, Qos, Version, client::Event, packet::Connect};
use parking_lot::Mutex;
use std::{
    io::BufRead,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

struct Nothing {
    waiting: Mutex<(u64, Vec<Item>)>,
    released: watch::Sender<u64>,
}

impl Host for Nothing {
    async fn admit(&self, items: Vec<Item>) -> Result<u64, Unavailable> {
        let mut waiting = self.waiting.lock();
        waiting.0 += items.len() as u64;
        waiting.1.extend(items);
        Ok(waiting.0)
    }
    fn released(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }
    async fn scan(&self, from: u64, _: usize, _: Wanted<'_>) -> Scanned {
        Scanned {
            next: from,
            ..Scanned::default()
        }
    }
    fn authenticate(&self, who: &Credentials) -> Result<Principal, Refused> {
        Ok(Principal {
            name: who.client.clone(),
        })
    }
    fn allow(&self, _: &Principal, _: Action, _: &str) -> bool {
        true
    }
    fn allow_origin(&self, _: Option<&str>, _: Option<&str>) -> bool {
        true
    }
    fn now_ms(&self) -> i64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis() as i64
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|a| a != "--bench");
    let first = arguments.next();
    if first.as_deref() == Some("load") {
        let address = arguments.next().unwrap().parse().unwrap();
        let (kind, connections) = (
            arguments.next().unwrap(),
            arguments.next().unwrap().parse().unwrap(),
        );
        let seconds = arguments.next().unwrap().parse().unwrap();
        return load(address, &kind, connections, seconds);
    }
    let seconds: u64 = first.and_then(|a| a.parse().ok()).unwrap_or(5);
    let idle: usize = arguments
        .next()
        .and_then(|a| a.parse().ok())
        .unwrap_or(5_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let address = runtime.block_on(serve());
    // First, while the process is small: memory that an earlier run gave back would hide it.
    child(address, "qos1", 10, 1, |_| ());
    let before = rss_kib();
    let grown = child(address, "idle", idle, 3, |_| rss_kib() - before);
    println!(
        "{idle} idle connections: {:.1} KiB each",
        grown as f64 / idle as f64
    );
    println!("{:<34} {:>12} {:>12}", "", "messages/s", "µs CPU each");
    for (name, kind, connections) in [
        ("QoS 1, 100 connections", "qos1", 100),
        ("QoS 1, 1 connection, 100 in flight", "qos1", 1),
        ("QoS 0, 100 connections", "qos0", 100),
        ("QoS 2, 100 connections", "qos2", 100),
        ("QoS 1, 100 connections, 1 follows", "follow", 100),
    ] {
        let before = cpu_us();
        let count: u64 = child(address, kind, connections, seconds, |line| {
            line.trim().parse().unwrap()
        });
        let used = cpu_us() - before;
        println!(
            "{name:<34} {:>12.0} {:>12.2}",
            count as f64 / seconds as f64,
            used as f64 / count.max(1) as f64
        );
    }
}

fn child<T>(
    address: SocketAddr,
    kind: &str,
    connections: usize,
    seconds: u64,
    take: impl FnOnce(&str) -> T,
) -> T {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "load",
            &address.to_string(),
            kind,
            &connections.to_string(),
            &seconds.to_string(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let answer = take(&line);
    child.wait().unwrap();
    answer
}

async fn serve() -> SocketAddr {
    let (released, _) = watch::channel(0);
    let host = Arc::new(Nothing {
        waiting: Mutex::default(),
        released,
    });
    let broker = Broker::new(host.clone(), Options::default());
    broker.start(0, false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = broker.clone();
    let listen = Listen {
        websocket: false,
        tls: None,
        max_connections: 100_000,
    };
    tokio::spawn(async move {
        serving
            .serve(listener, listen, std::future::pending())
            .await
    });
    std::thread::spawn(move || {
        let mut seq = 0;
        loop {
            std::thread::sleep(Duration::from_millis(2));
            let (number, items) = {
                let mut waiting = host.waiting.lock();
                (waiting.0, std::mem::take(&mut waiting.1))
            };
            if items.is_empty() {
                continue;
            }
            let first = seq;
            seq += items.len() as u64;
            if broker.listening() {
                let messages: Vec<_> = items
                    .into_iter()
                    .enumerate()
                    .filter_map(|(i, item)| delivery(first + i as u64, item))
                    .collect();
                broker.deliver(&messages, seq);
            } else {
                broker.deliver(&[], seq);
            }
            host.released.send_replace(number);
        }
    });
    address
}

fn delivery(seq: u64, item: Item) -> Option<Delivery> {
    let Item::Publish(p) = item else { return None };
    let message = Message {
        topic: p.topic,
        payload: p.payload,
        qos: p.qos,
        properties: p.properties,
        expires_ms: p.expires_ms,
    };
    Some(Delivery { seq, message })
}

fn load(address: SocketAddr, kind: &str, connections: usize, seconds: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let total = runtime.block_on(async {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut tasks = Vec::new();
        if kind == "follow" {
            tokio::spawn(drive(address, "follower".into(), "follow".into(), until));
        }
        for i in 0..connections {
            tasks.push(tokio::spawn(drive(
                address,
                format!("{kind}-{i}"),
                if kind == "follow" {
                    "qos1".into()
                } else {
                    kind.into()
                },
                until,
            )));
            if kind == "idle" && i % 100 == 99 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        if kind == "idle" {
            tokio::time::sleep(Duration::from_secs(2)).await;
            println!("0");
            tokio::time::sleep(Duration::from_secs(1)).await;
            return 0;
        }
        let mut total = 0;
        for task in tasks {
            total += task.await.unwrap();
        }
        total
    });
    if kind != "idle" {
        println!("{total}");
    }
    std::process::exit(0);
}

async fn drive(address: SocketAddr, name: String, kind: String, until: Instant) -> u64 {
    let mut wire = TcpStream::connect(address).await.unwrap();
    wire.set_nodelay(true).unwrap();
    let topic = format!("sensors/{name}/state");
    let mut client = Client::new(Connect::new(Version::V311, name));
    let (mut input, mut output) = (
        BytesMut::with_capacity(65_536),
        BytesMut::with_capacity(65_536),
    );
    client.connect(&mut output);
    if kind == "follow" {
        client.subscribe(&[("sensors/#", Default::default())], None, &mut output);
    }
    let payload = [b'x'; 100];
    let qos = match &*kind {
        "qos1" => Qos::AtLeastOnce,
        "qos2" => Qos::ExactlyOnce,
        _ => Qos::AtMostOnce,
    };
    let (mut done, mut open) = (0, false);
    while Instant::now() < until || kind == "idle" {
        if open && kind == "qos0" {
            for _ in 0..100 {
                client
                    .publish(
                        Outgoing {
                            topic: &topic,
                            qos,
                            ..Outgoing::new(&payload)
                        },
                        &mut output,
                    )
                    .unwrap();
            }
            done += 100;
            wire.write_all(&output.split()).await.unwrap();
            tokio::task::yield_now().await;
            continue;
        }
        while open && qos != Qos::AtMostOnce && client.in_flight() < 100 {
            client
                .publish(
                    Outgoing {
                        topic: &topic,
                        qos,
                        ..Outgoing::new(&payload)
                    },
                    &mut output,
                )
                .unwrap();
        }
        if !output.is_empty() {
            wire.write_all(&output.split()).await.unwrap();
        }
        if wire.read_buf(&mut input).await.unwrap_or(0) == 0 {
            break;
        }
        while let Some(event) = client.receive(&mut input, &mut output).unwrap() {
            match event {
                Event::Connected(_) => open = true,
                Event::Published { .. } => done += 1,
                _ => {}
            }
        }
    }
    done
}

/// User and system time of this process, microseconds.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10_000
}

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
