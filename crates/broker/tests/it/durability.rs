//! What survives a crash.

use crate::node::{Node, Peer, durable};
use bytes::BytesMut;
use gemelli_broker::{Options, Reason};
use gemelli_mqtt::{
    Codec, Outgoing, Packet, Qos, Version,
    packet::{Ack, Connect, Will},
};
use std::sync::atomic::Ordering;

#[test]
fn sessions_and_subscriptions_survive() {
    let mut node = Node::start(Options::default());
    node.run(async {
        let (mut to, _) = Peer::open(node.address, durable("s")).await;
        to.subscribe("a/+", Qos::AtLeastOnce).await;
        to.subscribe("b", Qos::AtLeastOnce).await;
        to.client.unsubscribe(&["b"], &mut to.output);
        to.event().await;
        Peer::open(node.address, durable("nothing")).await;
        let mut from = Peer::new(&node, "p").await;
        from.put("a/1", "1", Qos::AtLeastOnce).await;
        to.message().await;
        from.put("b", "2", Qos::AtLeastOnce).await;
    });
    node = node.restart(Options::default());
    node.run(async {
        let mut from = Peer::new(&node, "p").await;
        from.put("a/3", "3", Qos::AtLeastOnce).await;
        let (mut to, ack) = Peer::open(node.address, durable("s")).await;
        assert!(ack.session_present);
        // Acknowledged less than a second before the crash: may come again.
        let mut got = to.message().await;
        if got.payload == "1" {
            got = to.message().await;
        }
        assert_eq!(&got.payload[..], b"3");
        to.quiet().await;
        assert!(
            Peer::open(node.address, durable("nothing"))
                .await
                .1
                .session_present
        );
        assert!(
            !Peer::open(node.address, durable("p"))
                .await
                .1
                .session_present
        );
    });
}

#[test]
fn what_was_delivered_before_the_cursor_is_not_repeated() {
    let mut node = Node::start(Options::default());
    node.run(async {
        let (mut to, _) = Peer::open(node.address, durable("s")).await;
        to.subscribe("a", Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        for i in 0..50 {
            from.put("a", &i.to_string(), Qos::AtLeastOnce).await;
            to.message().await;
        }
        to.flush().await;
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    });
    node = node.restart(Options::default());
    node.run(async {
        let (mut to, _) = Peer::open(node.address, durable("s")).await;
        to.quiet().await;
    });
}

#[test]
fn retained_messages_survive() {
    let mut node = Node::start(Options::default());
    node.run(async {
        let mut from = Peer::new(&node, "p").await;
        from.retain("r/1", "x").await;
        from.retain("r/2", "y").await;
        from.retain("r/2", "").await;
    });
    node = node.restart(Options::default());
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("r/#", Qos::AtLeastOnce).await;
        assert_eq!(&*to.message().await.topic, "r/1");
        to.quiet().await;
    });
}

#[test]
fn a_qos_2_message_is_published_once_across_a_crash() {
    let mut node = Node::start(Options::default());
    let message = Outgoing {
        topic: "a",
        qos: Qos::ExactlyOnce,
        packet_id: 9,
        ..Outgoing::new(b"x")
    };
    node.run(async {
        let (mut peer, _) = Peer::open(node.address, durable("p")).await;
        let mut out = BytesMut::new();
        message.encode(Version::V5, &mut out);
        peer.raw(&out).await;
        peer.mute().await;
    });
    assert_eq!(node.logged("a"), 1);
    node = node.restart(Options::default());
    node.run(async {
        let (mut peer, ack) = Peer::open(node.address, durable("p")).await;
        assert!(ack.session_present);
        let mut out = BytesMut::new();
        Outgoing {
            dup: true,
            ..message
        }
        .encode(Version::V5, &mut out);
        peer.raw(&out).await;
        peer.mute().await;
        assert_eq!(node.logged("a"), 1);
        let mut out = BytesMut::new();
        Codec::client(Version::V5, 1_000)
            .encode(&Packet::PubRel(Ack::new(9, Reason::SUCCESS)), &mut out);
        peer.raw(&out).await;
        peer.mute().await;
    });
    node = node.restart(Options::default());
    node.run(async {
        let (mut peer, _) = Peer::open(node.address, durable("p")).await;
        let mut out = BytesMut::new();
        message.encode(Version::V5, &mut out);
        peer.raw(&out).await;
        peer.mute().await;
    });
    assert_eq!(
        node.logged("a"),
        2,
        "the id was released: this is another message"
    );
}

#[test]
fn an_unacknowledged_qos_2_message_is_taken_after_the_crash() {
    let mut node = Node::start(Options::default());
    let message = Outgoing {
        topic: "a",
        qos: Qos::ExactlyOnce,
        packet_id: 9,
        ..Outgoing::new(b"x")
    };
    node.run(async {
        let (mut peer, _) = Peer::open(node.address, durable("p")).await;
        peer.put("b", "x", Qos::AtLeastOnce).await;
        node.disk.stuck.store(true, Ordering::SeqCst);
        let mut out = BytesMut::new();
        message.encode(Version::V5, &mut out);
        peer.raw(&out).await;
        peer.quiet().await;
    });
    node = node.restart(Options::default());
    node.run(async {
        let (mut peer, _) = Peer::open(node.address, durable("p")).await;
        let mut out = BytesMut::new();
        Outgoing {
            dup: true,
            ..message
        }
        .encode(Version::V5, &mut out);
        peer.raw(&out).await;
        peer.quiet().await;
    });
    assert_eq!(node.logged("a"), 1);
}

#[test]
fn a_qos_2_delivery_keeps_its_packet_id_across_a_crash() {
    let mut node = Node::start(Options::default());
    let codec = Codec::client(Version::V5, 1_000);
    let first = node.run(async {
        let (mut to, _) = Peer::open(node.address, durable("s")).await;
        to.subscribe("a", Qos::ExactlyOnce).await;
        let mut from = Peer::new(&node, "p").await;
        from.put("a", "1", Qos::ExactlyOnce).await;
        from.put("a", "2", Qos::ExactlyOnce).await;
        let packets = to.mute().await;
        let ids: Vec<_> = packets
            .iter()
            .map(|p| {
                if let Packet::Publish(p) = p {
                    p.packet_id
                } else {
                    panic!("{p:?}")
                }
            })
            .collect();
        // The first is received, the second is not.
        let mut out = BytesMut::new();
        codec.encode(&Packet::PubRec(Ack::new(ids[0], Reason::SUCCESS)), &mut out);
        to.raw(&out).await;
        assert_eq!(
            to.mute().await,
            [Packet::PubRel(Ack::new(ids[0], Reason::SUCCESS))]
        );
        ids
    });
    assert_eq!(first.len(), 2);
    node = node.restart(Options::default());
    node.run(async {
        let mut to = Peer::dial(node.address, durable("s")).await;
        to.client.connect(&mut to.output);
        to.flush().await;
        let packets = to.mute().await;
        let [
            Packet::ConnAck(ack),
            Packet::PubRel(rel),
            Packet::Publish(publish),
        ] = &packets[..]
        else {
            panic!("{packets:?}")
        };
        assert!(ack.session_present);
        assert_eq!(rel.packet_id, first[0]);
        assert_eq!(
            (publish.packet_id, publish.dup, &publish.payload[..]),
            (first[1], true, &b"2"[..])
        );
        let mut out = BytesMut::new();
        codec.encode(
            &Packet::PubComp(Ack::new(first[0], Reason::SUCCESS)),
            &mut out,
        );
        codec.encode(
            &Packet::PubRec(Ack::new(first[1], Reason::SUCCESS)),
            &mut out,
        );
        codec.encode(
            &Packet::PubComp(Ack::new(first[1], Reason::SUCCESS)),
            &mut out,
        );
        to.raw(&out).await;
        to.mute().await;
    });
    node = node.restart(Options::default());
    node.run(async {
        let (mut to, _) = Peer::open(node.address, durable("s")).await;
        to.quiet().await;
    });
}

#[test]
fn a_will_becomes_due_after_a_crash_unless_the_client_returns() {
    let will = Will {
        topic: "w".into(),
        payload: "gone".into(),
        qos: Qos::AtLeastOnce,
        retain: true,
        delay_s: 10,
        expiry_s: None,
        properties: Default::default(),
    };
    let connect = |name: &str| Connect {
        will: Some(Box::new(will.clone())),
        keep_alive_s: 20,
        ..durable(name)
    };
    let mut node = Node::start(Options::default());
    node.run(async {
        let (mut a, _) = Peer::open(node.address, connect("stays away")).await;
        let (mut b, _) = Peer::open(node.address, connect("returns")).await;
        a.put("x", "x", Qos::AtLeastOnce).await;
        b.put("x", "x", Qos::AtLeastOnce).await;
        let (mut watcher, _) = Peer::open(node.address, durable("watcher")).await;
        watcher.subscribe("w", Qos::AtLeastOnce).await;
    });
    node = node.restart(Options::default());
    node.run(async {
        let (mut watcher, _) = Peer::open(node.address, durable("watcher")).await;
        let (_b, _) = Peer::open(node.address, connect("returns")).await;
        // Delay and one and a half keep-alives: 40 seconds.
        node.disk.ahead_ms.store(35_000, Ordering::SeqCst);
        watcher.quiet().await;
        node.disk.ahead_ms.store(45_000, Ordering::SeqCst);
        watcher.message().await;
        watcher.quiet().await;
    });
    assert_eq!(node.broker.retained("w").as_deref(), Some(&b"gone"[..]));
    // Published once: the will is void in the log too.
    node = node.restart(Options::default());
    node.run(async {
        node.disk.ahead_ms.store(200_000, Ordering::SeqCst);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    });
    assert_eq!(
        node.logged("w"),
        2,
        "one more: of the client that was connected at the second crash"
    );
}

#[test]
fn a_snapshot_and_the_tail_are_as_good_as_the_whole_log() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut to, _) = Peer::open(node.address, durable("s")).await;
        to.subscribe("a", Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        from.retain("r", "x").await;
    });
    let entries = node.broker.take_dirty();
    assert_eq!(entries.len(), 2);
    assert!(node.broker.take_dirty().is_empty());
    let other = Node::start(Options::default());
    for entry in entries {
        other
            .broker
            .load(&entry.key, &entry.state.unwrap())
            .unwrap();
    }
    assert_eq!(other.broker.retained("r").as_deref(), Some(&b"x"[..]));
    assert!(
        other.broker.fold(0, &[99, 1]).is_err(),
        "a newer format is an error"
    );
}
