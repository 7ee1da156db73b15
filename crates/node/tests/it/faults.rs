//! Disks that fail and fill, and floods.

use crate::rig::{event, options, picture, rooms, start, stop, until, value};
use gemelli_engine::Verdict;
use gemelli_model::Value;
use gemelli_node::{Health, Node, Refused, admission::Closed};
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
