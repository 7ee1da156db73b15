//! What was answered is seen, and is still there after a stop and after a crash.

use crate::rig::{crash, event, manifests, options, picture, rooms, start, stop, value};
use gemelli_engine::Verdict;
use gemelli_event::record::Command;
use gemelli_model::Value;
use gemelli_node::{Durability, Node, Refused};
use gemelli_store::disk::sim::Sim;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answered_write_is_visible_to_every_later_read() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    for n in 0..50 {
        let degrees = f64::from(n);
        let payload = format!(r#"{{"temperature":{degrees}}}"#);
        let verdicts = node
            .events(vec![event("kitchen", &format!("kitchen#{n}"), &payload)])
            .await
            .unwrap();
        assert_eq!(verdicts, [Verdict::Accepted]);
        assert_eq!(
            value(node, "kitchen", "temperature"),
            Some(Value::Double(degrees))
        );
        assert_eq!(
            value(node, "kitchen", "warm"),
            Some(Value::Bool(degrees >= 19.0))
        );
        assert_eq!(
            value(node, "home", "warmest"),
            Some(Value::Double(degrees)),
            "in another partition too"
        );
    }
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loses_nothing_that_was_answered() {
    let mut disk = Sim::new();
    let mut before = Vec::new();
    for round in 0..6_u32 {
        let running = start(&disk).await;
        let node = running.node();
        match round {
            0 => rooms(node).await,
            _ => assert_eq!(picture(node), before, "after crash {round}"),
        }
        for n in 0..20 {
            let id = format!("office#{}", round * 20 + n);
            let payload = format!(r#"{{"temperature":{}}}"#, round * 3 + n);
            node.events(vec![event("office", &id, &payload)])
                .await
                .unwrap();
        }
        // What repeats an id from before the crash changes nothing.
        let again = event(
            "office",
            &format!("office#{}", round * 20 + 5),
            r#"{"temperature":-1}"#,
        );
        assert_eq!(
            node.events(vec![again]).await.unwrap(),
            [Verdict::Duplicate]
        );
        before = picture(node);
        disk = crash(running, &disk, u64::from(round)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_and_the_tail_give_the_same_state() {
    let disk = Sim::new();
    let mut options = options(&disk);
    // After every frame, so that some tail is left behind each.
    options.snapshot.log_bytes = 1;
    let running = Node::start(options.clone()).await.unwrap();
    let node = running.node();
    rooms(node).await;
    for n in 0..40 {
        let payload = format!(r#"{{"temperature":{n}}}"#);
        node.events(vec![event("office", &format!("office#{n}"), &payload)])
            .await
            .unwrap();
    }
    node.command(Command::Delete {
        twin: "kitchen".into(),
        if_match: None,
    })
    .await
    .unwrap_err();
    node.command(Command::Unrelate {
        source: "kitchen".into(),
        id: "partOf".into(),
        if_match: None,
    })
    .await
    .unwrap();
    node.command(Command::Delete {
        twin: "kitchen".into(),
        if_match: None,
    })
    .await
    .unwrap();
    let before = picture(node);
    stop(running).await;
    options.snapshot.log_bytes = u64::MAX;
    let running = Node::start(options.clone()).await.unwrap();
    assert_eq!(
        picture(running.node()),
        before,
        "from the snapshot of a clean stop"
    );
    running
        .node()
        .events(vec![event("office", "office#40", r#"{"temperature":7}"#)])
        .await
        .unwrap();
    let again = running
        .node()
        .events(vec![event("office", "office#39", r#"{"temperature":8}"#)])
        .await
        .unwrap();
    assert_eq!(
        again,
        [Verdict::Duplicate],
        "the window of ids is part of a snapshot"
    );
    let before = picture(running.node());
    let disk = crash(running, &disk, 1).await;
    let running = start(&disk).await;
    assert_eq!(
        picture(running.node()),
        before,
        "from the snapshot and a tail"
    );
    assert!(running.node().view().twin("kitchen").is_none());
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_commands_leave_no_trace() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    let records = node.published().next_seq;
    let patch: Value =
        serde_json::from_str(r#"[{"op":"replace","path":"/temperature","value":"warm"}]"#).unwrap();
    let refused = node
        .command(Command::Patch {
            twin: "office".into(),
            patch,
            if_match: None,
            strict: false,
        })
        .await;
    assert!(matches!(refused, Err(Refused::Rejected(r)) if r.code == "wrong-type"));
    let gone = node
        .command(Command::Delete {
            twin: "nobody".into(),
            if_match: None,
        })
        .await;
    assert!(matches!(gone, Err(Refused::Rejected(r)) if r.code == "unknown-twin"));
    assert_eq!(node.published().next_seq, records, "nothing was logged");
    let dry = node.check(manifests(crate::rig::ROOMS)).await.unwrap();
    assert!(dry.to_string().contains("unchanged"), "{dry}");
    assert_eq!(node.published().next_seq, records, "a dry run neither");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_events_are_dead_letters_that_survive() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    let verdicts = node
        .events(vec![
            event("office", "office#1", r#"{"temperature":20}"#),
            event("nobody", "nobody#1", "{}"),
            event("office", "office#2", r#"{"temperature":"hot"}"#),
            event("office", "office#3", "{"),
        ])
        .await
        .unwrap();
    assert!(matches!(verdicts[0], Verdict::Accepted));
    assert!(
        verdicts[1..]
            .iter()
            .all(|v| matches!(v, Verdict::Rejected(_))),
        "{verdicts:?}"
    );
    let codes = |node: &Node| {
        node.letters(10, None)
            .iter()
            .map(|l| l.letter.code.to_string())
            .collect::<Vec<_>>()
    };
    let before = codes(node);
    assert_eq!(before, ["malformed-json", "wrong-type", "unknown-twin"]);
    let disk = crash(running, &disk, 3).await;
    let running = start(&disk).await;
    assert_eq!(codes(running.node()), before);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relaxed_answers_come_before_the_sync_and_a_stop_keeps_all() {
    let disk = Sim::new();
    let mut options = options(&disk);
    options.durability = Durability::Relaxed;
    let running = Node::start(options).await.unwrap();
    rooms(running.node()).await;
    running
        .node()
        .events(vec![event("office", "office#1", r#"{"temperature":3}"#)])
        .await
        .unwrap();
    let before = picture(running.node());
    stop(running).await;
    let running = start(&disk).await;
    assert_eq!(picture(running.node()), before);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_serves_one_node() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let second = Node::start(options(&disk)).await;
    assert_eq!(second.err().map(|e| e.code()), Some("folder-locked"));
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_loopback_nothing_starts_without_authentication() {
    let disk = Sim::new();
    let mut options = options(&disk);
    options.mqtt[0].address = "0.0.0.0:0".parse().unwrap();
    let refused = Node::start(options).await;
    assert_eq!(refused.err().map(|e| e.code()), Some("unauthorized"));
}
