//! Disks that fail and fill, and floods.

use crate::rig::{
    LIMIT, Mqtt, event, manifests, options, picture, rooms, start, stop, until, value,
};
use gemelli_engine::Verdict;
use gemelli_model::Value;
use gemelli_mqtt::{
    Reason, client,
    packet::{Connect, Qos, Version, Will},
};
use gemelli_node::{Durability, Health, Node, Refused, admission::Closed};
use gemelli_store::disk::sim::{Fault, Sim};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_sync_the_last_durable_state_is_served_read_only() {
    for fault in [Fault::Sync, Fault::Write] {
        let disk = Sim::new();
        let running = start(&disk).await;
        let node = running.node();
        rooms(node).await;
        node.events(vec![event("office", "office#1", r#"{"temperature":5}"#)])
            .await
            .unwrap();
        let before = picture(node);
        disk.fail(fault, 0);
        let refused = node
            .events(vec![event("office", "office#2", r#"{"temperature":6}"#)])
            .await;
        assert!(
            matches!(refused, Err(Closed::ReadOnly(_))),
            "{fault:?}: {refused:?}"
        );
        assert_eq!(
            picture(node),
            before,
            "{fault:?}: nobody sees what is not durable"
        );
        assert!(matches!(node.health(), Health::ReadOnly(_)));
        let later = node.events(vec![event("office", "office#3", "{}")]).await;
        assert!(
            matches!(later, Err(Closed::ReadOnly(_))),
            "{fault:?}: the sync is not tried again"
        );
        stop(running).await;
        let left = disk.crash(1);
        let running = start(&left).await;
        assert_eq!(
            value(running.node(), "office", "temperature"),
            Some(Value::Double(5.0)),
            "{fault:?}"
        );
        stop(running).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_and_recovers_without_hands() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    let payload = format!(r#"{{"temperature":1,"note":"{}"}}"#, "x".repeat(1_000));
    disk.limit(Some(disk.used()));
    let mut answered = 0;
    let mut refused = None;
    for n in 0..20_000 {
        let sent = node.events(vec![
            event(
                "office",
                &format!("office#{n}"),
                r#"{"temperature":1}"#
            );
            8
        ]);
        match tokio::time::timeout(crate::rig::LIMIT, sent)
            .await
            .expect("an answer in time")
        {
            Ok(_) => answered += 1,
            Err(closed) => {
                refused = Some(closed);
                break;
            }
        }
        let _ = node.events(vec![event("nobody", "n#1", &payload)]).await;
    }
    assert_eq!(refused, Some(Closed::DiskFull), "after {answered}");
    assert!(matches!(node.health(), Health::DiskFull(_)));
    assert_eq!(
        value(node, "office", "temperature"),
        Some(Value::Double(1.0)),
        "reads go on"
    );
    disk.limit(None);
    until("the node takes writes again", || {
        node.health() == Health::Well
    })
    .await;
    let verdicts = node
        .events(vec![event("kitchen", "kitchen#1", r#"{"temperature":2}"#)])
        .await
        .unwrap();
    assert_eq!(verdicts, [Verdict::Accepted]);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_beyond_its_bound_closes_admission() {
    let disk = Sim::new();
    let mut options = options(&disk);
    options.limits.memory_bytes = 1;
    let running = Node::start(options).await.unwrap();
    let node = running.node();
    let mut refused = Ok(Vec::new());
    for n in 0..2_000 {
        refused = node
            .events(vec![event("nobody", &format!("n#{n}"), "{}")])
            .await;
        if refused.is_err() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(refused, Err(Closed::Memory(1)));
    assert_eq!(node.view().count(), 0, "reads go on");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_fault_is_counted_not_kept() {
    let disk = Sim::new();
    let mut options = options(&disk);
    options.limits.dead_letters_per_second = 10;
    let running = Node::start(options).await.unwrap();
    let node = running.node();
    for n in 0..10 {
        let flood = (0..100)
            .map(|i| event("nobody", &format!("n#{}", n * 100 + i), "{}"))
            .collect();
        node.events(flood).await.unwrap();
    }
    let kept = node.letters(10_000, None).len() as u64;
    let dropped = node.metrics().dead_letters_dropped.get();
    assert_eq!(kept + dropped, 1_000);
    assert!(kept <= 10 * 20, "{kept} were kept");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_says_so() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node().clone();
    stop(running).await;
    let refused = node.command(crate::rig::manifests(crate::rig::ROOMS)).await;
    assert_eq!(refused, Err(Refused::Closed(Closed::Stopping)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_log_mqtt_clients_are_sent_away() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    let address = node.mqtt()[0];
    let mut waiting = Mqtt::connect(address, Version::V5, "waiting").await;
    let mut idle = Mqtt::connect(address, Version::V5, "idle").await;
    disk.fail(Fault::Sync, 0);
    let event = node.events(vec![event("office", "office#1", r#"{"temperature":5}"#)]);
    assert!(event.await.is_err());
    for client in [&mut waiting, &mut idle] {
        match client.next().await {
            Some(client::Event::Disconnected(told)) => {
                assert_eq!(told.reason, Reason::SERVER_BUSY);
            }
            other => panic!("no farewell but {other:?}"),
        }
    }
    let late = Mqtt::connect_with(address, Connect::new(Version::V5, "late")).await;
    assert_eq!(late.err(), Some(Reason::SERVER_UNAVAILABLE));
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relaxed_a_snapshot_is_never_ahead_of_the_log() {
    for seed in 0..5 {
        let disk = Sim::new();
        let mut options = options(&disk);
        options.durability = Durability::Relaxed;
        options.snapshot.log_bytes = 1;
        let running = Node::start(options).await.unwrap();
        rooms(running.node()).await;
        disk.fail(Fault::Write, seed as usize);
        for n in 0..20 {
            let sent = event("office", &format!("office#{n}"), r#"{"temperature":5}"#);
            if running.node().events(vec![sent]).await.is_err() {
                break;
            }
        }
        stop(running).await;
        let running = start(&disk.crash(seed)).await;
        stop(running).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_will_is_published_also_while_input_is_held() {
    let disk = Sim::new();
    let mut options = options(&disk);
    options.limits.memory_bytes = 1;
    let running = Node::start(options).await.unwrap();
    let node = running.node();
    let held = tokio::time::timeout(LIMIT, async {
        while node.command(manifests(crate::rig::ROOMS)).await
            != Err(Refused::Closed(Closed::Memory(1)))
        {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    held.await.unwrap();
    let address = node.mqtt()[0];
    let mut live = Mqtt::connect(address, Version::V5, "live").await;
    live.subscribe("wills/#").await;
    let mut connect = Connect::new(Version::V5, "device");
    connect.will = Some(Box::new(Will {
        topic: "wills/device".into(),
        payload: "gone".into(),
        qos: Qos::AtLeastOnce,
        retain: false,
        delay_s: 0,
        expiry_s: None,
        properties: bytes::Bytes::new(),
    }));
    let mut device = Mqtt::connect_with(address, connect).await.unwrap();
    let said = device.publish(Qos::AtLeastOnce, "a/b", None, "1").await;
    assert_eq!(said, Reason::QUOTA_EXCEEDED);
    drop(device);
    assert_eq!(&live.message().await.payload[..], b"gone");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_packet_are_a_dead_letter() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    let mut socket = tokio::net::TcpStream::connect(node.mqtt()[0])
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    until("a dead letter", || {
        node.letters(1, None)
            .iter()
            .any(|l| &*l.letter.code == "malformed-packet")
    })
    .await;
    assert!(
        node.metrics_text()
            .contains(r#"rejected_total{code="malformed-packet"} 1"#)
    );
    stop(running).await;
}
