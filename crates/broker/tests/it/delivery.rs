//! What subscribers get.

use crate::node::{Node, Peer, durable};
use gemelli_broker::{Options, Reason};
use gemelli_mqtt::{
    Outgoing, Packet, Qos, Version,
    packet::{Connect, RetainHandling, SubscribeOptions},
    properties,
};
use std::{collections::BTreeSet, time::Duration};

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

#[test]
fn the_lower_quality_wins() {
    let node = Node::start(Options::default());
    node.run(async {
        for version in [Version::V311, Version::V5] {
            for subscribed in QOS {
                let (mut to, _) = Peer::open(node.address, Connect::new(version, "s")).await;
                assert_eq!(
                    to.subscribe("a/+", subscribed).await,
                    [Reason(subscribed.number())]
                );
                let mut from = Peer::new(&node, "p").await;
                for published in QOS {
                    from.put("a/b", "x", published).await;
                    let got = to.message().await;
                    assert_eq!(
                        (got.qos, got.retain, &got.payload[..]),
                        (subscribed.min(published), false, &b"x"[..])
                    );
                }
            }
        }
    });
}

#[test]
fn nothing_is_delivered_before_it_is_durable() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("a", Qos::AtMostOnce).await;
        let mut from = Peer::new(&node, "p").await;
        node.disk
            .stuck
            .store(true, std::sync::atomic::Ordering::SeqCst);
        from.send("a", b"x", Qos::AtMostOnce).await;
        to.quiet().await;
        node.disk
            .stuck
            .store(false, std::sync::atomic::Ordering::SeqCst);
        to.message().await;
    });
}

#[test]
fn retained_messages_come_at_subscribe() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut from = Peer::new(&node, "p").await;
        for topic in ["r/1", "r/2", "r/3", "other"] {
            from.retain(topic, topic).await;
        }
        from.retain("r/3", "").await;
        for handling in [
            RetainHandling::Send,
            RetainHandling::SendIfNew,
            RetainHandling::DoNotSend,
        ] {
            let mut to = Peer::new(&node, "s").await;
            let options = SubscribeOptions {
                qos: Qos::AtLeastOnce,
                retain_handling: handling,
                ..SubscribeOptions::default()
            };
            to.subscribe_with("r/#", options, Some(5)).await;
            if handling != RetainHandling::DoNotSend {
                for topic in ["r/1", "r/2"] {
                    let got = to.message().await;
                    assert_eq!(
                        (&*got.topic, got.retain, got.qos),
                        (topic, true, Qos::AtLeastOnce)
                    );
                    assert_eq!(
                        properties::subscription_ids(&got.properties).collect::<Vec<_>>(),
                        [5]
                    );
                }
            }
            to.quiet().await;
            to.subscribe_with("r/#", options, None).await;
            if handling == RetainHandling::Send {
                to.message().await;
                to.message().await;
            }
            to.quiet().await;
        }
    });
    assert_eq!(node.metrics().retained_now, 3);
}

#[test]
fn many_retained_messages_come_through_a_small_queue() {
    let node = Node::start(Options {
        queue_bytes: 4_096,
        ..Options::default()
    });
    node.run(async {
        let mut from = Peer::new(&node, "p").await;
        for i in 0..300 {
            from.retain(&format!("r/{i}"), &"x".repeat(200)).await;
        }
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("r/+", Qos::AtLeastOnce).await;
        let mut topics = BTreeSet::new();
        for _ in 0..300 {
            topics.insert(to.message().await.topic.to_string());
        }
        assert_eq!(topics.len(), 300);
    });
}

#[test]
fn the_retain_flag_travels_only_as_published() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut plain = Peer::new(&node, "plain").await;
        plain.subscribe("r", Qos::AtMostOnce).await;
        let mut kept = Peer::new(&node, "kept").await;
        kept.subscribe_with(
            "r",
            SubscribeOptions {
                retain_as_published: true,
                ..SubscribeOptions::default()
            },
            None,
        )
        .await;
        let mut from = Peer::new(&node, "p").await;
        from.retain("r", "x").await;
        assert!(!plain.message().await.retain);
        assert!(kept.message().await.retain);
    });
}

#[test]
fn retained_messages_beyond_the_limit_are_refused() {
    let node = Node::start(Options {
        max_retained: 2,
        ..Options::default()
    });
    node.run(async {
        let mut from = Peer::new(&node, "p").await;
        assert_eq!(from.retain("r/1", "x").await, Reason::SUCCESS);
        assert_eq!(from.retain("r/2", "x").await, Reason::SUCCESS);
        assert_eq!(from.retain("r/3", "x").await, Reason::QUOTA_EXCEEDED);
        assert_eq!(from.retain("r/2", "y").await, Reason::SUCCESS);
        assert_eq!(from.retain("r/1", "").await, Reason::SUCCESS);
        assert_eq!(from.retain("r/3", "x").await, Reason::SUCCESS);
    });
}

#[test]
fn no_local_keeps_a_clients_own_messages_from_it() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut peer = Peer::new(&node, "p").await;
        peer.subscribe_with(
            "a",
            SubscribeOptions {
                no_local: true,
                ..SubscribeOptions::default()
            },
            None,
        )
        .await;
        peer.put("a", "mine", Qos::AtLeastOnce).await;
        let mut other = Peer::new(&node, "other").await;
        other.put("a", "theirs", Qos::AtLeastOnce).await;
        assert_eq!(&peer.message().await.payload[..], b"theirs");
    });
}

#[test]
fn overlapping_subscriptions_bring_one_message_with_all_identifiers() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        for (filter, qos, id) in [
            ("a/+", Qos::AtMostOnce, 1),
            ("a/#", Qos::ExactlyOnce, 2),
            ("#", Qos::AtLeastOnce, 3),
        ] {
            to.subscribe_with(
                filter,
                SubscribeOptions {
                    qos,
                    ..SubscribeOptions::default()
                },
                Some(id),
            )
            .await;
        }
        let mut from = Peer::new(&node, "p").await;
        from.put("a/b", "x", Qos::ExactlyOnce).await;
        let got = to.message().await;
        let ids: BTreeSet<_> = properties::subscription_ids(&got.properties).collect();
        assert_eq!(
            (got.qos, ids),
            (Qos::ExactlyOnce, BTreeSet::from([1, 2, 3]))
        );
        to.quiet().await;
    });
}

#[test]
fn topics_get_aliases_where_the_client_takes_them() {
    let node = Node::start(Options::default());
    node.run(async {
        let connect = Connect {
            topic_aliases: 2,
            ..durable("s")
        };
        let (mut to, _) = Peer::open(node.address, connect.clone()).await;
        to.subscribe("topic/+", Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        let sent = [
            ("topic/1", 0),
            ("topic/1", 1),
            ("topic/2", 1),
            ("topic/3", 0),
        ];
        for (topic, qos) in sent.iter().chain(&sent) {
            from.put(topic, topic, QOS[*qos]).await;
        }
        let heads = |packets: &[Packet]| -> Vec<_> {
            let head = |packet: &Packet| match packet {
                Packet::Publish(p) => (p.topic.to_string(), p.topic_alias, p.dup),
                other => panic!("{other:?}"),
            };
            packets.iter().map(head).collect()
        };
        let full = |topic: &str, alias| (topic.to_owned(), alias, false);
        assert_eq!(
            heads(&to.mute().await),
            [
                full("topic/1", Some(1)),
                full("", Some(1)),
                full("topic/2", Some(2)),
                full("topic/3", None),
                full("", Some(1)),
                full("", Some(1)),
                full("", Some(2)),
                full("topic/3", None),
            ]
        );
        // A new connection knows none of them, and what is repeated names its topic.
        drop(to);
        let mut to = Peer::dial(node.address, connect).await;
        to.client.connect(&mut to.output);
        to.flush().await;
        let packets = to.mute().await;
        let again = |topic: &str| (topic.to_owned(), None, true);
        assert_eq!(
            heads(&packets[1..]),
            [
                again("topic/1"),
                again("topic/2"),
                again("topic/1"),
                again("topic/2")
            ]
        );
    });
}

#[test]
fn unsubscribing_ends_it() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("a", Qos::AtMostOnce).await;
        to.client.unsubscribe(&["a", "b"], &mut to.output);
        let gemelli_mqtt::client::Event::Unsubscribed(ack) = to.event().await else {
            panic!("no UNSUBACK")
        };
        assert_eq!(
            ack.reasons,
            [Reason::SUCCESS, Reason::NO_SUBSCRIPTION_EXISTED]
        );
        to.put("a", "x", Qos::AtLeastOnce).await;
        to.quiet().await;
    });
    assert!(!node.broker.listening());
}

#[test]
fn bad_and_forbidden_filters_are_refused_one_by_one() {
    let node = Node::start(Options {
        max_subscriptions: 2,
        ..Options::default()
    });
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        assert_eq!(
            to.subscribe("a#", Qos::AtMostOnce).await,
            [Reason::TOPIC_FILTER_INVALID]
        );
        assert_eq!(
            to.subscribe("$share//a", Qos::AtMostOnce).await,
            [Reason::TOPIC_FILTER_INVALID]
        );
        assert_eq!(
            to.subscribe("forbidden/x", Qos::AtMostOnce).await,
            [Reason::NOT_AUTHORIZED]
        );
        assert_eq!(
            to.subscribe("$share/g/forbidden", Qos::AtMostOnce).await,
            [Reason::NOT_AUTHORIZED]
        );
        assert_eq!(to.subscribe("a", Qos::AtMostOnce).await, [Reason::SUCCESS]);
        assert_eq!(to.subscribe("b", Qos::AtMostOnce).await, [Reason::SUCCESS]);
        assert_eq!(
            to.subscribe("c", Qos::AtMostOnce).await,
            [Reason::QUOTA_EXCEEDED]
        );
        assert_eq!(to.subscribe("b", Qos::AtMostOnce).await, [Reason::SUCCESS]);
    });
}

#[test]
fn shared_subscriptions_share() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut first = Peer::new(&node, "first").await;
        let mut second = Peer::new(&node, "second").await;
        let mut alone = Peer::new(&node, "alone").await;
        first.subscribe("$share/g/a/+", Qos::AtLeastOnce).await;
        second.subscribe("$share/g/a/+", Qos::AtLeastOnce).await;
        alone.subscribe("$share/h/a/+", Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        for _ in 0..10 {
            from.put("a/b", "x", Qos::AtLeastOnce).await;
        }
        for (peer, count) in [(&mut first, 5), (&mut second, 5), (&mut alone, 10)] {
            for _ in 0..count {
                peer.message().await;
            }
            peer.quiet().await;
        }
    });
}

#[test]
fn a_durable_member_gets_what_its_group_missed() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut member, _) = Peer::open(node.address, durable("m")).await;
        member.subscribe("$share/g/a", Qos::AtLeastOnce).await;
        member.subscribe("b", Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        from.put("b", "0", Qos::AtLeastOnce).await;
        assert_eq!(&member.message().await.payload[..], b"0");
        member.wire.shutdown().await.unwrap();
        member.end().await;
        for payload in ["1", "2"] {
            from.put("a", payload, Qos::AtLeastOnce).await;
        }
        assert!(member.again(node.address).await.session_present);
        for payload in ["1", "2"] {
            assert_eq!(member.message().await.payload, payload);
        }
        from.put("a", "3", Qos::AtLeastOnce).await;
        assert_eq!(&member.message().await.payload[..], b"3");
        member.quiet().await;
    });
    use tokio::io::AsyncWriteExt;
}

#[test]
fn expired_messages_are_not_delivered() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut to, _) = Peer::open(node.address, durable("s")).await;
        to.subscribe("a", Qos::AtLeastOnce).await;
        drop(to);
        let mut from = Peer::new(&node, "p").await;
        for (expiry_s, payload) in [(Some(1), "short"), (Some(100), "long"), (None, "for ever")] {
            let message = Outgoing {
                topic: "a",
                qos: Qos::AtLeastOnce,
                expiry_s,
                ..Outgoing::new(payload.as_bytes())
            };
            from.publish(message).await;
        }
        node.disk
            .ahead_ms
            .store(50_000, std::sync::atomic::Ordering::SeqCst);
        let (mut to, _) = Peer::open(node.address, durable("s")).await;
        let got = to.message().await;
        assert_eq!(&got.payload[..], b"long");
        assert!(
            (45..=51).contains(&got.expiry_s.unwrap()),
            "{:?}",
            got.expiry_s
        );
        assert_eq!(&to.message().await.payload[..], b"for ever");
    });
    assert_eq!(node.metrics().dropped_expired, 1);
}

#[test]
fn packets_larger_than_the_client_takes_are_left_out() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut to, _) = Peer::open(
            node.address,
            Connect {
                max_packet_bytes: Some(100),
                ..Connect::new(Version::V5, "s")
            },
        )
        .await;
        to.subscribe("a", Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        from.put("a", &"x".repeat(200), Qos::AtLeastOnce).await;
        from.put("a", "small", Qos::AtLeastOnce).await;
        assert_eq!(&to.message().await.payload[..], b"small");
    });
    assert_eq!(node.metrics().dropped_too_large, 1);
}

#[test]
fn the_server_tells_about_itself() {
    let node = Node::start(Options {
        sys_interval_s: 1,
        ..Options::default()
    });
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("$SYS/broker/version", Qos::AtLeastOnce).await;
        let at_once = to.message().await;
        assert!(at_once.retain && at_once.payload.starts_with(b"gemelli"));
        assert!(!to.message().await.retain);
        to.subscribe("#", Qos::AtMostOnce).await;
        assert_eq!(
            to.put("$SYS/broker/version", "forged", Qos::AtLeastOnce)
                .await,
            Reason::NOT_AUTHORIZED
        );
    });
}

/// Floods a subscriber that does not read; answers with how many of `count` messages it got in the end.
async fn flood(node: &Node, connect: Connect, count: usize) -> usize {
    let (mut to, _) = Peer::open(node.address, connect).await;
    to.subscribe("f", Qos::AtLeastOnce).await;
    let mut from = Peer::new(node, "p").await;
    let payload = "x".repeat(10_000);
    for _ in 0..count {
        from.put("f", &payload, Qos::AtLeastOnce).await;
    }
    from.put("f", "end", Qos::AtLeastOnce).await;
    assert!(node.metrics().queued_bytes_now <= 100_000 + 20_000);
    let mut got = 0;
    loop {
        match tokio::time::timeout(Duration::from_secs(2), to.message()).await {
            Ok(message) if message.payload == "end" => return got,
            Ok(_) => got += 1,
            Err(_) => return got,
        }
    }
}

#[test]
fn a_slow_clean_session_loses_the_newest_and_it_is_counted() {
    let node = Node::start(Options {
        queue_bytes: 100_000,
        ..Options::default()
    });
    let count = 2_000;
    let got = node.run(flood(&node, Connect::new(Version::V5, "s"), count));
    let lost = node.metrics().dropped_slow as usize;
    assert!(lost > 0 && got < count, "the flood was too small: {got}");
    assert!(
        (count..=count + 1).contains(&(got + lost)),
        "{got} + {lost}"
    );
}

#[test]
fn a_slow_durable_session_reads_the_log_and_loses_nothing() {
    let node = Node::start(Options {
        queue_bytes: 100_000,
        ..Options::default()
    });
    let count = 2_000;
    let got = node.run(flood(&node, durable("s"), count));
    assert_eq!((got, node.metrics().dropped_slow), (count, 0));
    assert!(node.metrics().scans > 0, "the flood was too small");
}

#[test]
fn a_slow_session_is_disconnected_where_gaps_are_not_wanted() {
    let node = Node::start(Options {
        queue_bytes: 100_000,
        disconnect_slow: true,
        ..Options::default()
    });
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("f", Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        let payload = "x".repeat(10_000);
        for _ in 0..2_000 {
            from.put("f", &payload, Qos::AtLeastOnce).await;
        }
        // What was sent is still read; then the end, told if the socket took it.
        assert!(matches!(
            to.end().await,
            Some(Reason::QUOTA_EXCEEDED) | None
        ));
    });
    assert!(node.metrics().dropped_slow > 0);
}
