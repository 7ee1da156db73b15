//! Ends that are not ordinary: no room, a fault of the program, a snapshot or a reading that fails.

use crate::rig::{LIMIT, Mqtt, crash, event, options, picture, rooms, start, stop, until, value};
use gemelli_model::Value;
use gemelli_mqtt::packet::{Connect, Version};
use gemelli_node::{
    Health, Node,
    admission::Closed,
    clock::{Clock, System},
};
use gemelli_store::disk::sim::Sim;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A report with this many bytes of blanks in it.
fn large(id: &str, bytes: usize) -> gemelli_event::record::Event {
    let payload = format!(r#"{{"temperature":7{}}}"#, " ".repeat(bytes));
    event("office", id, &payload)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_on_a_full_disk_gives_up_the_frame_that_nobody_was_told_of() {
    let disk = Sim::new();
    let running = start(&disk).await;
    rooms(running.node()).await;
    let before = picture(running.node());
    disk.limit(Some(disk.used()));
    // Larger than the reserve.
    let node = running.node().clone();
    let waiting = tokio::spawn(async move {
        let events = (0..4).map(|n| large(&format!("office#{n}"), 1 << 20));
        node.events(events.collect()).await
    });
    let node = running.node().clone();
    until("the full disk is seen", || {
        matches!(node.health(), Health::DiskFull(_))
    })
    .await;
    assert!(!waiting.is_finished(), "nobody was told");
    stop(running).await;
    let told = tokio::time::timeout(LIMIT, waiting).await.unwrap().unwrap();
    assert!(told.is_err(), "{told:?}");
    disk.limit(None);
    let running = start(&disk.copy()).await;
    assert_eq!(picture(running.node()), before);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_larger_than_the_reserve_waits_for_room_and_goes_on() {
    let disk = Sim::new();
    let running = start(&disk).await;
    rooms(running.node()).await;
    disk.limit(Some(disk.used()));
    let node = running.node().clone();
    let waiting = tokio::spawn(async move {
        let events = (0..4).map(|n| large(&format!("office#{n}"), 1 << 20));
        node.events(events.collect()).await
    });
    let node = running.node();
    until("the full disk is seen", || {
        matches!(node.health(), Health::DiskFull(_))
    })
    .await;
    let refused = node.events(vec![event("office", "office#9", "{}")]).await;
    assert_eq!(refused, Err(Closed::DiskFull));
    disk.limit(None);
    let told = tokio::time::timeout(LIMIT, waiting).await.unwrap().unwrap();
    assert_eq!(told.unwrap().len(), 4);
    until("the node takes writes again", || {
        node.health() == Health::Well
    })
    .await;
    stop(running).await;
}

/// A clock that one thread cannot read once it is broken.
struct Broken {
    thread: &'static str,
    now: AtomicBool,
}

impl Clock for Broken {
    fn now_ms(&self) -> i64 {
        let here = std::thread::current().name() == Some(self.thread);
        assert!(!here || !self.now.load(Ordering::Acquire), "on purpose");
        System.now_ms()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_panics_ends_writing_and_leaves_nobody_waiting() {
    for thread in ["driver", "release"] {
        let disk = Sim::new();
        let clock = Arc::new(Broken {
            thread,
            now: AtomicBool::new(false),
        });
        let running = Node::start_with(options(&disk), clock.clone())
            .await
            .unwrap();
        let node = running.node();
        rooms(node).await;
        let before = picture(node);
        clock.now.store(true, Ordering::Release);
        for n in 0..3 {
            let sent = node.events(vec![event("office", &format!("office#{n}"), "{}")]);
            let told = tokio::time::timeout(LIMIT, sent).await;
            assert!(
                matches!(told, Ok(Err(Closed::ReadOnly(_)))),
                "{thread}: {told:?}"
            );
        }
        assert!(matches!(node.health(), Health::ReadOnly(_)), "{thread}");
        if thread == "driver" {
            assert_eq!(picture(node), before, "reads go on");
        }
        stop(running).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_snapshot_that_failed_should_have_held_is_in_the_next_one() {
    let disk = Sim::new();
    let mut small = options(&disk);
    small.snapshot.log_bytes = 1;
    let running = Node::start(small).await.unwrap();
    let node = running.node();
    rooms(node).await;
    // A full snapshot large enough that those after it hold only what changed.
    for n in 0..20 {
        let sent = event("home", &format!("home#{n}"), "{}");
        node.events(vec![sent]).await.unwrap();
    }
    let written = |n| move || node.metrics().snapshots.get() >= n;
    until("snapshots", written(1)).await;
    disk.limit(Some(disk.used()));
    let failed = node.metrics().snapshots_failed.get();
    let sent = event("office", "office#1", r#"{"temperature":5}"#);
    node.events(vec![sent]).await.unwrap();
    // The one before may still have been under way: each report asks for another one.
    let mut n = 0;
    while node.metrics().snapshots_failed.get() < failed + 2 {
        n += 1;
        assert!(n < 2_000, "no snapshot failed");
        let sent = event("nobody", &format!("nobody#{n}"), "{}");
        node.events(vec![sent]).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let good = node.metrics().snapshots.get();
    disk.limit(None);
    let sent = event("kitchen", "kitchen#1", r#"{"temperature":6}"#);
    node.events(vec![sent]).await.unwrap();
    until("a snapshot", || node.metrics().snapshots.get() > good).await;
    let before = picture(node);
    let disk = crash(running, &disk, 3).await;
    let running = start(&disk).await;
    assert_eq!(picture(running.node()), before);
    assert_eq!(
        value(running.node(), "office", "temperature"),
        Some(Value::Double(5.0))
    );
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_cannot_read_is_waited_for_never_passed_over() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    let connect = |clean_start| {
        let mut connect = Connect::new(Version::V5, "away");
        connect.session_expiry_s = Some(3_600);
        connect.clean_start = clean_start;
        connect
    };
    let address = node.mqtt()[0];
    let mut session = Mqtt::connect_with(address, connect(true)).await.unwrap();
    session.subscribe("ktwin/real/room/office").await;
    drop(session);
    until("the session is away", || node.broker().connections_now == 0).await;
    for n in 0..10 {
        let sent = event("office", &format!("office#{n}"), r#"{"temperature":5}"#);
        node.events(vec![sent]).await.unwrap();
    }
    // Rot in what was written up to here, and its cure.
    let mut written = Vec::new();
    for path in disk.paths() {
        if path.starts_with("/data/log") {
            disk.damage(&path, |bytes| {
                let end = bytes
                    .iter()
                    .rposition(|b| *b != 0)
                    .map_or(0, |last| last + 1);
                written.push((path.clone(), end));
            });
        }
    }
    let rot = || {
        for (path, end) in &written {
            disk.damage(path, |bytes| {
                bytes.iter_mut().take(*end).for_each(|b| *b ^= 0x55);
            });
        }
    };
    rot();
    let mut session = Mqtt::connect_with(address, connect(false)).await.unwrap();
    until("the failure is counted", || node.broker().failed_scans > 0).await;
    rot();
    for _ in 0..10 {
        assert_eq!(&*session.message().await.topic, "ktwin/real/room/office");
    }
    stop(running).await;
}
