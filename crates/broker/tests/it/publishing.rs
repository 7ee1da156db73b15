//! What clients publish: acknowledged when durable, in order, with the node's verdict.

use crate::node::{Node, Peer, durable, vanish};
use bytes::BytesMut;
use gemelli_broker::{Options, Reason};
use gemelli_mqtt::{
    Outgoing, Packet, Qos, Version,
    client::Event,
    codec::Codec,
    packet::{Ack, Connect, SubscribeOptions},
    properties,
};
use std::sync::atomic::Ordering;

#[test]
fn every_quality_is_acknowledged_in_every_version() {
    let node = Node::start(Options::default());
    node.run(async {
        for version in [Version::V311, Version::V5] {
            let (mut peer, ack) = Peer::open(node.address, Connect::new(version, "p")).await;
            assert!(!ack.session_present);
            for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
                assert_eq!(peer.put("a/b", "x", qos).await, Reason::SUCCESS);
            }
            assert_eq!(peer.client.in_flight(), 0);
            peer.client.disconnect(&mut peer.output);
            peer.flush().await;
        }
    });
    assert_eq!(node.logged("a/b"), 6);
}

#[test]
fn mqtt_3_1_is_served_too() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut peer = Peer::dial(node.address, Connect::new(Version::V311, "old")).await;
        peer.raw(
            &[
                &[0x10, 17, 0, 6][..],
                b"MQIsdp",
                &[3, 2, 0, 0, 0, 3],
                b"old",
            ]
            .concat(),
        )
        .await;
        assert!(
            matches!(peer.event().await, Event::Connected(ack) if ack.reason == Reason::SUCCESS)
        );
        assert_eq!(peer.put("a", "x", Qos::ExactlyOnce).await, Reason::SUCCESS);
    });
}

#[test]
fn no_acknowledgement_leaves_before_its_message_is_durable() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut peer = Peer::new(&node, "p").await;
        node.disk.stuck.store(true, Ordering::SeqCst);
        peer.send("a", b"1", Qos::AtLeastOnce).await;
        peer.send("a", b"2", Qos::ExactlyOnce).await;
        peer.quiet().await;
        node.disk.stuck.store(false, Ordering::SeqCst);
        for _ in 0..2 {
            assert!(matches!(
                peer.event().await,
                Event::Published {
                    reason: Reason::SUCCESS,
                    ..
                }
            ));
        }
    });
}

#[test]
fn acknowledgements_come_in_the_order_of_the_messages() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut peer = Peer::new(&node, "p").await;
        let mut sent = Vec::new();
        for i in 0..500 {
            let qos = if i % 7 == 0 {
                Qos::AtMostOnce
            } else {
                Qos::AtLeastOnce
            };
            let topic = if i % 5 == 0 {
                "refused/x"
            } else if i % 11 == 0 {
                "forbidden"
            } else {
                "a"
            };
            let id = peer
                .client
                .publish(
                    Outgoing {
                        topic,
                        qos,
                        ..Outgoing::new(b"x")
                    },
                    &mut peer.output,
                )
                .unwrap();
            if qos != Qos::AtMostOnce {
                let expected = match topic {
                    "refused/x" => Reason::TOPIC_NAME_INVALID,
                    "forbidden" => Reason::NOT_AUTHORIZED,
                    _ => Reason::SUCCESS,
                };
                sent.push((id, expected));
            }
        }
        peer.flush().await;
        for expected in sent {
            let Event::Published {
                packet_id,
                reason,
                text,
            } = peer.event().await
            else {
                panic!("not an acknowledgement")
            };
            assert_eq!((packet_id, reason), expected);
            assert_eq!(
                text.is_some(),
                reason.is_failure(),
                "a refusal names its remedy"
            );
        }
    });
}

#[test]
fn older_clients_survive_a_refusal() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut peer, _) = Peer::open(node.address, Connect::new(Version::V311, "p")).await;
        for topic in ["refused/x", "forbidden/x", "a"] {
            assert_eq!(
                peer.put(topic, "x", Qos::AtLeastOnce).await,
                Reason::SUCCESS
            );
            assert_eq!(
                peer.put(topic, "x", Qos::ExactlyOnce).await,
                Reason::SUCCESS
            );
        }
    });
    assert_eq!(
        (
            node.logged("a"),
            node.logged("forbidden/x"),
            node.metrics().refused
        ),
        (2, 0, 4)
    );
}

#[test]
fn a_refused_qos_2_message_frees_its_packet_id() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut peer, _) = Peer::open(node.address, durable("p")).await;
        let message = |topic| Outgoing {
            topic,
            qos: Qos::ExactlyOnce,
            ..Outgoing::new(b"x")
        };
        assert_eq!(
            peer.publish(message("refused/x")).await,
            Reason::TOPIC_NAME_INVALID
        );
        // The same packet id again, as a client may: a new message.
        let mut out = BytesMut::new();
        Outgoing {
            packet_id: 1,
            ..message("a")
        }
        .encode(Version::V5, &mut out);
        peer.raw(&out).await;
        peer.quiet().await;
    });
    assert_eq!(node.logged("a"), 1);
}

#[test]
fn a_qos_2_message_sent_twice_is_published_once() {
    let node = Node::start(Options::default());
    node.run(async {
        for version in [Version::V311, Version::V5] {
            let connect = Connect {
                clean_start: false,
                ..durable("p")
            };
            let (mut peer, _) = Peer::open(node.address, Connect { version, ..connect }).await;
            let message = Outgoing {
                topic: "a",
                qos: Qos::ExactlyOnce,
                packet_id: 7,
                ..Outgoing::new(b"x")
            };
            let mut out = BytesMut::new();
            message.encode(version, &mut out);
            Outgoing {
                dup: true,
                ..message
            }
            .encode(version, &mut out);
            peer.raw(&out).await;
            peer.mute().await;
            // Also over a new connection, until it is released.
            let session = peer.again(node.address).await;
            assert!(session.session_present);
            let mut out = BytesMut::new();
            Outgoing {
                dup: true,
                ..message
            }
            .encode(version, &mut out);
            Codec::client(version, 1_000)
                .encode(&Packet::PubRel(Ack::new(7, Reason::SUCCESS)), &mut out);
            message.encode(version, &mut out);
            peer.raw(&out).await;
            peer.mute().await;
            vanish(peer).await;
        }
    });
    assert_eq!(
        node.logged("a"),
        3,
        "one, its successor with the same id, and again in the other version's session"
    );
    assert!(node.metrics().duplicates >= 4);
}

#[test]
fn a_full_disk_is_a_negative_acknowledgement() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut peer = Peer::new(&node, "five").await;
        let (mut old, _) = Peer::open(node.address, Connect::new(Version::V311, "three")).await;
        node.disk.full.store(true, Ordering::SeqCst);
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            peer.send("a", b"x", qos).await;
            let Event::Published { reason, text, .. } = peer.event().await else {
                panic!("no acknowledgement")
            };
            assert_eq!(reason, Reason::QUOTA_EXCEEDED);
            assert!(text.unwrap().contains("free some space"));
        }
        // No negative answer exists: the connection ends, so that the client repeats.
        old.send("a", b"x", Qos::AtLeastOnce).await;
        assert_eq!(old.end().await, None);
        node.disk.full.store(false, Ordering::SeqCst);
        assert_eq!(peer.put("a", "x", Qos::ExactlyOnce).await, Reason::SUCCESS);
    });
    assert_eq!(node.logged("a"), 1);
}

#[test]
fn more_in_flight_than_the_receive_maximum_ends_the_connection() {
    let node = Node::start(Options {
        receive_maximum: 4,
        ..Options::default()
    });
    node.run(async {
        let (mut peer, ack) = Peer::open(node.address, Connect::new(Version::V5, "p")).await;
        assert_eq!(ack.receive_maximum, 4);
        node.disk.stuck.store(true, Ordering::SeqCst);
        let mut out = BytesMut::new();
        for packet_id in 1..=5 {
            Outgoing {
                topic: "a",
                qos: Qos::AtLeastOnce,
                packet_id,
                ..Outgoing::new(b"x")
            }
            .encode(Version::V5, &mut out);
        }
        peer.raw(&out).await;
        assert_eq!(peer.end().await, Some(Reason::RECEIVE_MAXIMUM_EXCEEDED));
        node.disk.stuck.store(false, Ordering::SeqCst);
        // Older clients have no receive maximum: they are held back by TCP, and all is acknowledged.
        let (mut old, _) = Peer::open(node.address, Connect::new(Version::V311, "o")).await;
        for _ in 0..50 {
            old.send("a", b"x", Qos::AtLeastOnce).await;
        }
        for _ in 0..50 {
            assert!(matches!(old.event().await, Event::Published { .. }));
        }
    });
}

#[test]
fn topic_aliases_stand_for_topics() {
    let node = Node::start(Options {
        topic_aliases: 2,
        ..Options::default()
    });
    node.run(async {
        let mut peer = Peer::new(&node, "p").await;
        for (alias, topic) in [
            (1, "a/1"),
            (2, "a/2"),
            (1, ""),
            (2, ""),
            (1, "a/3"),
            (1, ""),
        ] {
            let message = Outgoing {
                topic,
                topic_alias: Some(alias),
                qos: Qos::AtLeastOnce,
                ..Outgoing::new(b"x")
            };
            assert_eq!(peer.publish(message).await, Reason::SUCCESS);
        }
        assert_eq!(["a/1", "a/2", "a/3"].map(|t| node.logged(t)), [2, 2, 2]);
        for (alias, topic, reason) in [
            (3, "a", Reason::TOPIC_ALIAS_INVALID),
            (0, "a", Reason::TOPIC_ALIAS_INVALID),
            (1, "", Reason::PROTOCOL_ERROR),
        ] {
            let mut peer = Peer::new(&node, "q").await;
            let message = Outgoing {
                topic,
                topic_alias: Some(alias),
                ..Outgoing::new(b"x")
            };
            peer.client.publish(message, &mut peer.output).unwrap();
            assert_eq!(peer.end().await, Some(reason));
        }
    });
}

#[test]
fn properties_travel_and_the_node_can_read_them() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("#", Qos::AtLeastOnce).await;
        let mut peer = Peer::new(&node, "p").await;
        let mut own = Vec::new();
        properties::put(&mut own, properties::Property::ContentType("text/plain"));
        properties::put_user(&mut own, "ce-id", "p#1");
        properties::put_user(&mut own, "ce-id", "second");
        let message = Outgoing {
            topic: "a",
            qos: Qos::AtLeastOnce,
            own: &own,
            topic_alias: Some(1),
            expiry_s: Some(60),
            ..Outgoing::new(b"x")
        };
        peer.publish(message).await;
        let got = to.message().await;
        let users: Vec<_> = properties::users(&got.properties).collect();
        assert_eq!(users, [("ce-id", "p#1"), ("ce-id", "second")]);
        assert_eq!(
            properties::content_type(&got.properties),
            Some("text/plain")
        );
        assert!(matches!(got.expiry_s, Some(59 | 60)));
        assert_eq!(got.topic_alias, None);
    });
}

#[test]
fn the_node_learns_when_a_client_that_publishes_comes_and_goes() {
    let node = Node::start(Options::default());
    node.run(async {
        let silent = Peer::new(&node, "silent").await;
        let mut peer = Peer::new(&node, "p").await;
        peer.put("a", "x", Qos::AtLeastOnce).await;
        peer.put("a", "y", Qos::AtLeastOnce).await;
        // Taken over: the old connection's end comes before anything of the new one.
        let mut again = Peer::new(&node, "p").await;
        again.put("a", "z", Qos::AtLeastOnce).await;
        assert_eq!(peer.end().await, Some(Reason::SESSION_TAKEN_OVER));
        vanish(again).await;
        vanish(silent).await;
    });
    let seen = node.disk.presences.lock().clone();
    let p = |connected| ("p".to_owned(), connected);
    assert_eq!(seen, [p(true), p(false), p(true), p(false)]);
}

#[test]
fn a_relaxed_connection_is_acknowledged_before_the_log_is_written() {
    let node = Node::start(Options::default());
    node.run(async {
        let asking = |name: &str, durability: &str| Connect {
            user: vec![("gemelli-durability".into(), durability.to_owned().into())],
            ..durable(name)
        };
        let (mut relaxed, ack) = Peer::open(node.address, asking("r", "relaxed")).await;
        assert_eq!(ack.user, [("gemelli-durability".into(), "relaxed".into())]);
        let (mut synced, ack) = Peer::open(node.address, asking("s", "synced")).await;
        assert!(ack.user.is_empty());
        node.disk.stuck.store(true, Ordering::SeqCst);
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            assert_eq!(relaxed.put("a", "x", qos).await, Reason::SUCCESS);
        }
        synced.send("a", b"x", Qos::AtLeastOnce).await;
        synced.quiet().await;
        // What the session stands on is durable all the same, and order is kept behind it.
        let options = SubscribeOptions::default();
        relaxed
            .client
            .subscribe(&[("b", options)], None, &mut relaxed.output);
        relaxed.send("a", b"x", Qos::AtLeastOnce).await;
        relaxed.quiet().await;
        assert_eq!(node.logged("a"), 0);
        node.disk.stuck.store(false, Ordering::SeqCst);
        assert!(matches!(relaxed.event().await, Event::Subscribed(_)));
        assert!(matches!(relaxed.event().await, Event::Published { .. }));
        assert!(matches!(synced.event().await, Event::Published { .. }));
        let mut lost = Peer::dial(node.address, asking("t", "careless")).await;
        let refused = lost.greet().await;
        assert_eq!(refused.reason, Reason::IMPLEMENTATION_SPECIFIC);
        assert!(refused.reason_string.unwrap().contains("careless"));
    });
    assert_eq!(node.logged("a"), 4);
}

#[test]
fn enhanced_authentication_is_refused_with_its_own_reason() {
    let node = Node::start(Options::default());
    node.run(async {
        let connect = Connect {
            auth_method: Some("SCRAM-SHA-1".into()),
            ..Connect::new(Version::V5, "c")
        };
        let ack = Peer::dial(node.address, connect).await.greet().await;
        assert_eq!(ack.reason, Reason::BAD_AUTHENTICATION_METHOD);
    });
}
