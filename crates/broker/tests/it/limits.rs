//! What bounds memory and patience.

use crate::node::{Node, PATIENCE, Peer, durable};
use bytes::BytesMut;
use gemelli_broker::{Options, Reason};
use gemelli_mqtt::{
    Codec, Outgoing, Packet, Qos, Version,
    client::Event,
    packet::{Connect, Disconnect, RetainHandling, SubscribeOptions, Will},
};
use std::{
    collections::BTreeSet,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

fn subscription(qos: Qos) -> SubscribeOptions {
    SubscribeOptions {
        qos,
        retain_handling: RetainHandling::Send,
        ..SubscribeOptions::default()
    }
}

/// Sends one SUBSCRIBE with all these filters; what comes beside its answer stays in the peer.
async fn subscribe_all(to: &mut Peer, filters: &[&str]) -> Vec<Reason> {
    let with: Vec<_> = filters
        .iter()
        .map(|filter| (*filter, subscription(Qos::AtLeastOnce)))
        .collect();
    to.client.subscribe(&with, None, &mut to.output);
    let mut kept = Vec::new();
    loop {
        match to.event().await {
            Event::Subscribed(ack) => {
                to.events.extend(kept);
                return ack.reasons;
            }
            other => kept.push(other),
        }
    }
}

/// Resident memory of this process, bytes.
fn resident() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm
        .split(' ')
        .nth(1)?
        .parse::<usize>()
        .ok()
        .map(|n| n * 4096)
}

#[test]
fn a_subscribe_has_a_largest_number_of_filters() {
    let node = Node::start(Options {
        max_filters: 3,
        ..Options::default()
    });
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        let reasons = subscribe_all(&mut to, &["a", "b", "c", "d", "e"]).await;
        let granted = Reason(1);
        assert_eq!(
            reasons,
            [
                granted,
                granted,
                granted,
                Reason::QUOTA_EXCEEDED,
                Reason::QUOTA_EXCEEDED
            ]
        );
        to.put("d", "x", Qos::AtLeastOnce).await;
        to.quiet().await;
    });
    let told = node.disk.told.lock().clone();
    assert_eq!(told, ["limit-reached"], "the host is told once");
}

#[test]
fn equal_filters_of_one_subscribe_are_looked_up_once() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut from = Peer::new(&node, "p").await;
        from.retain("r", "x").await;
        let mut to = Peer::new(&node, "s").await;
        assert_eq!(subscribe_all(&mut to, &["r", "r", "r"]).await.len(), 3);
        to.message().await;
        to.quiet().await;
    });
}

#[test]
fn retained_messages_of_many_filters_are_not_gathered() {
    const TOPICS: usize = 20_000;
    let Some(_) = resident() else {
        return println!("skipped: retained_messages_of_many_filters_are_not_gathered: no /proc");
    };
    let node = Node::start(Options::default());
    node.run(async {
        let mut from = Peer::new(&node, "p").await;
        for i in 0..TOPICS {
            let message = Outgoing {
                topic: &format!("0/1/2/3/4/5/6/7/{i}"),
                retain: true,
                ..Outgoing::new(b"x")
            };
            from.client.publish(message, &mut from.output).unwrap();
        }
        from.put("end", "x", Qos::AtLeastOnce).await;
        let before = resident().unwrap();
        let mut to = Peer::new(&node, "s").await;
        // All different, and each wants every topic.
        let level = |filter: usize, at: usize| match filter >> at & 1 {
            0 => "+/".to_owned(),
            _ => format!("{at}/"),
        };
        let filters: Vec<String> = (0..256)
            .map(|filter| (0..8).map(|at| level(filter, at)).collect::<String>() + "+")
            .collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        subscribe_all(&mut to, &filters).await;
        let grown = resident().unwrap().saturating_sub(before);
        assert!(grown < 64 << 20, "{} MiB more", grown >> 20);
    });
}

#[test]
fn an_unsubscribed_filter_brings_no_more_retained_messages() {
    let node = Node::start(Options {
        queue_bytes: 1_000,
        ..Options::default()
    });
    node.run(async {
        let mut from = Peer::new(&node, "p").await;
        for i in 0..200 {
            from.retain(&format!("r/{i}"), "x").await;
        }
        let mut to = Peer::new(&node, "s").await;
        subscribe_all(&mut to, &["r/+"]).await;
        to.client.unsubscribe(&["r/+"], &mut to.output);
        let mut topics = BTreeSet::new();
        let mut rest = tokio::time::timeout(PATIENCE, to.next()).await;
        while let Ok(Some(event)) = rest {
            if let Event::Message(message) = event {
                topics.insert(message.topic.to_string());
            }
            rest = tokio::time::timeout(Duration::from_millis(250), to.next()).await;
        }
        assert!(topics.len() < 200, "{}", topics.len());
    });
}

#[test]
fn a_client_is_heard_again_once_the_server_reads_again() {
    let node = Node::start(Options::default());
    node.run(async {
        let connect = Connect {
            keep_alive_s: 1,
            ..Connect::new(Version::V5, "d")
        };
        let (mut peer, _) = Peer::open(node.address, connect).await;
        node.disk.busy.store(true, Ordering::SeqCst);
        peer.send("a", b"x", Qos::AtLeastOnce).await;
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(3_500) {
            tokio::time::sleep(Duration::from_millis(400)).await;
            peer.client.ping(&mut peer.output);
            peer.flush().await;
        }
        node.disk.busy.store(false, Ordering::SeqCst);
        loop {
            match peer.event().await {
                Event::Published { reason, .. } => break assert_eq!(reason, Reason::SUCCESS),
                Event::Pong => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(node.metrics().closed_for_keep_alive, 0);
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let node = Node::start(Options::default());
    node.run(async {
        let connect = Connect {
            keep_alive_s: 1,
            ..Connect::new(Version::V5, "d")
        };
        let (mut peer, _) = Peer::open(node.address, connect).await;
        peer.subscribe("f", Qos::AtMostOnce).await;
        let mut from = Peer::new(&node, "p").await;
        let payload = "x".repeat(100_000);
        for _ in 0..200 {
            from.put("f", &payload, Qos::AtLeastOnce).await;
        }
        node.eventually(|m| m.closed_for_keep_alive == 1);
    });
}

#[test]
fn messages_in_flight_count_for_the_queue() {
    let node = Node::start(Options {
        queue_bytes: 100_000,
        ..Options::default()
    });
    node.run(async {
        for (connect, qos) in [
            (Connect::new(Version::V5, "clean"), Qos::AtLeastOnce),
            (durable("durable"), Qos::AtLeastOnce),
            (durable("durable, exactly"), Qos::ExactlyOnce),
        ] {
            let (mut to, _) = Peer::open(node.address, connect).await;
            to.subscribe("f", qos).await;
            let mut from = Peer::new(&node, "p").await;
            let payload = "x".repeat(10_000);
            for _ in 0..50 {
                from.put("f", &payload, Qos::ExactlyOnce).await;
            }
            let packets = to.mute().await;
            let messages = packets.iter().filter(|p| matches!(p, Packet::Publish(_)));
            let messages = messages.count();
            assert!((5..=10).contains(&messages), "{messages} in flight");
            assert!(node.metrics().queued_bytes_now <= 3 * 100_000);
            drop(to);
            // The clean session is gone with what it held; the durable ones have only what is in flight.
            node.eventually(|m| m.connections_now == 1);
        }
    });
}

#[test]
fn a_durable_session_with_a_full_flight_goes_on_as_it_acknowledges() {
    let node = Node::start(Options {
        queue_bytes: 30_000,
        ..Options::default()
    });
    node.run(async {
        let (mut to, _) = Peer::open(node.address, durable("d")).await;
        to.subscribe("f", Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        for i in 0..40 {
            let payload = format!("{i:0>width$}", width = 1_000 * (1 + i % 20));
            from.put("f", &payload, Qos::AtLeastOnce).await;
        }
        let scans = node.metrics().scans;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(
            node.metrics().scans - scans < 3,
            "it does not read again and again what it has no room for"
        );
        for i in 0..40 {
            let payload = to.message().await.payload;
            assert_eq!(std::str::from_utf8(&payload).unwrap().parse(), Ok(i));
        }
        to.quiet().await;
        node.eventually(|m| m.queued_bytes_now == 0);
    });
}

#[test]
fn what_came_with_a_goodbye_with_will_is_published_before_the_will() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut watcher = Peer::new(&node, "w").await;
        watcher.subscribe("#", Qos::AtLeastOnce).await;
        let will = Will {
            topic: "w".into(),
            payload: "will".into(),
            qos: Qos::AtLeastOnce,
            retain: false,
            delay_s: 0,
            expiry_s: None,
            properties: Default::default(),
        };
        let connect = Connect {
            will: Some(Box::new(will)),
            ..Connect::new(Version::V5, "d")
        };
        let (mut peer, _) = Peer::open(node.address, connect).await;
        let mut out = BytesMut::new();
        for payload in ["1", "2"] {
            let message = Outgoing {
                topic: "a",
                ..Outgoing::new(payload.as_bytes())
            };
            message.encode(Version::V5, &mut out);
        }
        let goodbye = Disconnect::new(Reason::DISCONNECT_WITH_WILL);
        Codec::client(Version::V5, 1_000).encode(&Packet::Disconnect(Box::new(goodbye)), &mut out);
        peer.raw(&out).await;
        for payload in ["1", "2", "will"] {
            assert_eq!(watcher.message().await.payload, payload);
        }
        watcher.quiet().await;
    });
}
