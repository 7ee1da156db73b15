//! Connections that ask to be acknowledged before their messages are durable.

use crate::rig::{Mqtt, crash, options, rooms, stop, value};
use gemelli_broker::Reason;
use gemelli_model::Value;
use gemelli_mqtt::{Outgoing, Qos, Version, client::Event, packet::Connect};
use gemelli_node::{Node, Running};
use gemelli_store::disk::{Disk, DiskFile, NoLock, sim::Sim};
use std::{
    any::Any,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const OFFICE: &str = "ktwin/real/room/office";

/// A disk whose syncs wait while it is shut.
#[derive(Clone)]
struct Gate {
    disk: Sim,
    shut: Arc<AtomicBool>,
}

struct GateFile {
    file: Arc<dyn DiskFile>,
    shut: Arc<AtomicBool>,
}

impl Gate {
    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let shut = self.shut.clone();
        Arc::new(GateFile { file, shut })
    }
}

impl Disk for Gate {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.disk.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.disk.open(path)?))
    }
    fn names(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.disk.names(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> Result<Box<dyn Any + Send + Sync>, NoLock> {
        self.disk.lock(path)
    }
}

impl DiskFile for GateFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.file.write_at(parts, offset)
    }
    fn sync(&self) -> io::Result<()> {
        while self.shut.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.file.sync()
    }
    fn allocate(&self, length: u64) -> io::Result<()> {
        self.file.allocate(length)
    }
    fn cut(&self, length: u64) -> io::Result<()> {
        self.file.cut(length)
    }
}

async fn start(gate: &Gate, relaxed_ms: u64) -> Running {
    let mut options = options(&gate.disk);
    options.store.disk = Arc::new(gate.clone());
    options.limits.relaxed_ms = relaxed_ms;
    Node::start(options).await.unwrap()
}

fn gate() -> Gate {
    Gate {
        disk: Sim::new(),
        shut: Arc::default(),
    }
}

fn relaxed(id: &str) -> Connect {
    Connect {
        user: vec![("gemelli-durability".into(), "relaxed".into())],
        ..Connect::new(Version::V5, id.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relaxed_device_hears_the_verdict_before_the_sync() {
    let gate = gate();
    let running = start(&gate, 60_000).await;
    let node = running.node();
    rooms(node).await;
    let mut device = Mqtt::connect_with(node.mqtt()[0], relaxed("d"))
        .await
        .unwrap();
    let mut careful = Mqtt::connect(node.mqtt()[0], Version::V5, "c").await;
    gate.shut.store(true, Ordering::SeqCst);
    let good = r#"{"temperature":21}"#;
    let told = device.publish(Qos::AtLeastOnce, OFFICE, None, good).await;
    assert_eq!(told, Reason::SUCCESS);
    let told = device.publish(Qos::ExactlyOnce, OFFICE, None, "{").await;
    assert_eq!(told, Reason::PAYLOAD_FORMAT_INVALID);
    assert_eq!(
        value(node, "office", "temperature"),
        None,
        "nobody sees it yet"
    );
    let waits = careful.publish(Qos::AtLeastOnce, OFFICE, None, good);
    let waits = tokio::time::timeout(Duration::from_millis(300), waits).await;
    assert!(waits.is_err(), "who did not ask for it waits for the sync");
    gate.shut.store(false, Ordering::SeqCst);
    assert!(matches!(
        careful.next().await,
        Some(Event::Published { .. })
    ));
    assert_eq!(
        value(node, "office", "temperature"),
        Some(Value::Double(21.0))
    );
    let disk = crash(running, &gate.disk, 3).await;
    let running = crate::rig::start(&disk).await;
    assert_eq!(
        value(running.node(), "office", "temperature"),
        Some(Value::Double(21.0))
    );
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_bound_relaxed_devices_wait_for_the_log() {
    let gate = gate();
    let running = start(&gate, 50).await;
    let node = running.node();
    rooms(node).await;
    let mut device = Mqtt::connect_with(node.mqtt()[0], relaxed("d"))
        .await
        .unwrap();
    gate.shut.store(true, Ordering::SeqCst);
    let payload = r#"{"temperature":21}"#;
    let mut early = 0;
    loop {
        let message = Outgoing {
            topic: OFFICE,
            qos: Qos::AtLeastOnce,
            ..Outgoing::new(payload.as_bytes())
        };
        device.client.publish(message, &mut device.output).unwrap();
        match tokio::time::timeout(Duration::from_millis(500), device.next()).await {
            Ok(Some(Event::Published { .. })) => early += 1,
            Err(_) => break,
            Ok(other) => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(early < 100, "the bound is never met");
    }
    gate.shut.store(false, Ordering::SeqCst);
    assert!(matches!(device.next().await, Some(Event::Published { .. })));
    let told = device
        .publish(Qos::AtLeastOnce, OFFICE, None, payload)
        .await;
    assert_eq!(told, Reason::SUCCESS);
    stop(running).await;
}
