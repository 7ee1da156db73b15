//! Sessions: how they begin, survive, are taken over and end; wills and keep-alives.

use crate::node::{Node, Peer, durable, vanish};
use gemelli_broker::{Options, Reason};
use gemelli_mqtt::{
    Qos, Version,
    client::Event,
    packet::{Connect, Disconnect, Packet, Will},
};
use std::sync::atomic::Ordering;

#[test]
fn a_session_survives_its_connection_only_if_asked_to() {
    let node = Node::start(Options::default());
    node.run(async {
        let v3 = |clean_start| Connect {
            clean_start,
            ..Connect::new(Version::V311, "c")
        };
        let v5 = |clean_start, expiry| Connect {
            clean_start,
            session_expiry_s: expiry,
            ..Connect::new(Version::V5, "c")
        };
        let steps = [
            (v3(true), false),
            (v3(false), false),
            (v3(false), true),
            (v3(true), false),
            (v3(false), false),
            (v5(false, Some(100)), true),
            (v5(false, None), true),
            (v5(false, Some(100)), false),
            (v5(true, Some(100)), false),
            (v5(true, None), false),
            (v5(false, None), false),
        ];
        for (i, (connect, present)) in steps.into_iter().enumerate() {
            let (peer, ack) = Peer::open(node.address, connect).await;
            assert_eq!(ack.session_present, present, "step {i}");
            vanish(peer).await;
        }
    });
    node.eventually(|m| m.sessions_now == 0);
}

#[test]
fn what_came_meanwhile_is_delivered_on_return() {
    let node = Node::start(Options::default());
    node.run(async {
        for (version, name) in [(Version::V311, "three"), (Version::V5, "five")] {
            let (mut to, _) = Peer::open(
                node.address,
                Connect {
                    version,
                    ..durable(name)
                },
            )
            .await;
            to.subscribe("a", Qos::ExactlyOnce).await;
            vanish(to).await;
            let mut from = Peer::new(&node, "p").await;
            from.put("a", "0", Qos::AtMostOnce).await;
            from.put("a", "1", Qos::AtLeastOnce).await;
            from.put("a", "2", Qos::ExactlyOnce).await;
            from.put("b", "3", Qos::ExactlyOnce).await;
            let (mut to, ack) = Peer::open(
                node.address,
                Connect {
                    version,
                    ..durable(name)
                },
            )
            .await;
            assert!(ack.session_present);
            for (payload, qos) in [("1", Qos::AtLeastOnce), ("2", Qos::ExactlyOnce)] {
                let got = to.message().await;
                assert_eq!((got.payload, got.qos), (payload.into(), qos));
            }
            to.quiet().await;
        }
    });
}

#[test]
fn a_newer_connection_takes_over() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut first, _) = Peer::open(node.address, durable("c")).await;
        first.subscribe("a", Qos::AtLeastOnce).await;
        let (mut second, ack) = Peer::open(node.address, durable("c")).await;
        assert!(ack.session_present);
        assert_eq!(first.end().await, Some(Reason::SESSION_TAKEN_OVER));
        second.put("a", "x", Qos::AtLeastOnce).await;
        second.message().await;
        // Many at once: one wins, nobody hangs.
        let rivals = (0..20).map(|_| tokio::spawn(Peer::dial(node.address, durable("c"))));
        let mut all = Vec::new();
        for rival in rivals.collect::<Vec<_>>() {
            let mut rival = rival.await.unwrap();
            rival.client.connect(&mut rival.output);
            rival.flush().await;
            all.push(rival);
        }
        assert_eq!(second.end().await, Some(Reason::SESSION_TAKEN_OVER));
        // Each had its turn, however short; only then is the next one the last.
        while node.metrics().connected < 22 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let (mut last, ack) = Peer::open(node.address, durable("c")).await;
        assert!(ack.session_present);
        last.put("a", "y", Qos::AtLeastOnce).await;
        last.message().await;
    });
    node.eventually(|m| m.sessions_now == 1);
}

#[test]
fn expired_sessions_are_gone() {
    let node = Node::start(Options {
        max_session_expiry_s: 50,
        ..Options::default()
    });
    node.run(async {
        let (mut to, ack) = Peer::open(node.address, durable("c")).await;
        assert_eq!(ack.session_expiry_s, Some(50), "cut, and told");
        to.subscribe("a", Qos::AtLeastOnce).await;
        vanish(to).await;
        assert!(node.broker.listening());
        node.disk.ahead_ms.store(60_000, Ordering::SeqCst);
        for _ in 0..100 {
            if node.metrics().sessions_now == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert!(!node.broker.listening());
        assert!(
            !Peer::open(node.address, durable("c"))
                .await
                .1
                .session_present
        );
    });
}

#[test]
fn disconnect_can_change_the_expiry() {
    let node = Node::start(Options::default());
    node.run(async {
        let leave = |expiry| {
            Packet::Disconnect(Box::new(Disconnect {
                session_expiry_s: Some(expiry),
                ..Disconnect::new(Reason::SUCCESS)
            }))
        };
        let codec = gemelli_mqtt::Codec::client(Version::V5, 1_000);
        let (mut peer, _) = Peer::open(node.address, durable("c")).await;
        codec.encode(&leave(0), &mut peer.output);
        peer.end().await;
        assert!(
            !Peer::open(node.address, durable("c"))
                .await
                .1
                .session_present
        );
        let mut peer = Peer::new(&node, "d").await;
        codec.encode(&leave(10), &mut peer.output);
        assert_eq!(peer.end().await, Some(Reason::PROTOCOL_ERROR));
    });
}

#[test]
fn a_client_without_id_gets_one() {
    let node = Node::start(Options::default());
    node.run(async {
        let (_peer, ack) = Peer::open(node.address, Connect::new(Version::V5, "")).await;
        let assigned = ack.assigned_client_id.unwrap();
        let (_other, ack) = Peer::open(node.address, Connect::new(Version::V5, "")).await;
        assert_ne!(assigned, ack.assigned_client_id.unwrap());
        Peer::open(node.address, Connect::new(Version::V311, "")).await;
        let mut old = Peer::dial(
            node.address,
            Connect {
                clean_start: false,
                ..Connect::new(Version::V311, "")
            },
        )
        .await;
        assert_eq!(old.greet().await.reason, Reason::CLIENT_ID_NOT_VALID);
    });
}

#[test]
fn strangers_are_refused_with_the_remedy() {
    let node = Node::start(Options::default());
    node.run(async {
        for version in [Version::V311, Version::V5] {
            let mut peer = Peer::dial(
                node.address,
                Connect {
                    username: Some("stranger".into()),
                    ..Connect::new(version, "c")
                },
            )
            .await;
            let ack = peer.greet().await;
            assert_eq!(ack.reason, Reason::BAD_USER_NAME_OR_PASSWORD);
            assert_eq!(ack.reason_string.is_some(), version == Version::V5);
            peer.end().await;
        }
        let mut peer = Peer::dial(
            node.address,
            Connect {
                auth_method: Some("SCRAM".into()),
                ..Connect::new(Version::V5, "c")
            },
        )
        .await;
        assert_eq!(peer.greet().await.reason, Reason::BAD_AUTHENTICATION_METHOD);
    });
    node.eventually(|m| m.refused_connections == 3);
}

#[test]
fn no_more_sessions_than_allowed() {
    let node = Node::start(Options {
        max_sessions: 1,
        ..Options::default()
    });
    node.run(async {
        let first = Peer::new(&node, "a").await;
        let mut second = Peer::dial(node.address, Connect::new(Version::V5, "b")).await;
        assert_eq!(second.greet().await.reason, Reason::QUOTA_EXCEEDED);
        vanish(first).await;
        Peer::new(&node, "b").await;
    });
}

fn will(topic: &str, delay_s: u32) -> Option<Box<Will>> {
    Some(Box::new(Will {
        topic: topic.into(),
        payload: "gone".into(),
        qos: Qos::AtLeastOnce,
        retain: false,
        delay_s,
        expiry_s: None,
        properties: Default::default(),
    }))
}

#[test]
fn a_will_is_published_when_the_client_vanishes_and_not_when_it_leaves() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("w", Qos::AtLeastOnce).await;
        for version in [Version::V311, Version::V5] {
            let connect = || Connect {
                will: will("w", 0),
                ..Connect::new(version, "c")
            };
            let (mut peer, _) = Peer::open(node.address, connect()).await;
            peer.client.disconnect(&mut peer.output);
            peer.end().await;
            to.quiet().await;
            let (peer, _) = Peer::open(node.address, connect()).await;
            vanish(peer).await;
            assert_eq!(&to.message().await.payload[..], b"gone");
        }
        let (mut peer, _) = Peer::open(
            node.address,
            Connect {
                will: will("w", 0),
                ..Connect::new(Version::V5, "c")
            },
        )
        .await;
        let codec = gemelli_mqtt::Codec::client(Version::V5, 1_000);
        codec.encode(
            &Packet::Disconnect(Box::new(Disconnect::new(Reason::DISCONNECT_WITH_WILL))),
            &mut peer.output,
        );
        peer.flush().await;
        to.message().await;
        let mut peer = Peer::dial(
            node.address,
            Connect {
                will: will("forbidden", 0),
                ..Connect::new(Version::V5, "c")
            },
        )
        .await;
        assert_eq!(peer.greet().await.reason, Reason::NOT_AUTHORIZED);
    });
    node.eventually(|m| m.wills == 3);
}

#[test]
fn a_delayed_will_waits_and_is_void_on_return() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut to = Peer::new(&node, "s").await;
        to.subscribe("w", Qos::AtLeastOnce).await;
        let connect = || Connect {
            will: will("w", 60),
            ..durable("c")
        };
        let (peer, _) = Peer::open(node.address, connect()).await;
        vanish(peer).await;
        to.quiet().await;
        let (peer, _) = Peer::open(node.address, connect()).await;
        node.disk.ahead_ms.store(70_000, Ordering::SeqCst);
        to.quiet().await;
        vanish(peer).await;
        to.quiet().await;
        node.disk.ahead_ms.store(140_000, Ordering::SeqCst);
        to.message().await;
        // A clean start ends the session, and so the wait.
        let (peer, _) = Peer::open(node.address, connect()).await;
        vanish(peer).await;
        Peer::open(node.address, Connect::new(Version::V5, "c")).await;
        to.message().await;
    });
}

#[test]
fn a_silent_client_is_disconnected() {
    let node = Node::start(Options {
        max_keep_alive_s: 1,
        ..Options::default()
    });
    node.run(async {
        let (mut peer, ack) = Peer::open(
            node.address,
            Connect {
                will: will("w", 0),
                ..Connect::new(Version::V5, "c")
            },
        )
        .await;
        assert_eq!(ack.keep_alive_s, Some(1), "imposed, and told");
        for _ in 0..4 {
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
            peer.client.ping(&mut peer.output);
            assert_eq!(peer.event().await, Event::Pong);
        }
        assert_eq!(peer.end().await, Some(Reason::KEEP_ALIVE_TIMEOUT));
    });
    node.eventually(|m| m.closed_for_keep_alive == 1 && m.wills == 1);
}

#[test]
fn an_administrator_ends_a_connection() {
    let node = Node::start(Options::default());
    node.run(async {
        let mut peer = Peer::new(&node, "c").await;
        assert!(node.broker.kick("c") && !node.broker.kick("d"));
        assert_eq!(peer.end().await, Some(Reason::ADMINISTRATIVE_ACTION));
    });
}

#[test]
fn a_server_that_stops_says_so() {
    let mut node = Node::start(Options::default());
    let address = node.address;
    let peer = node
        .run(Peer::open(
            address,
            Connect {
                will: will("w", 0),
                ..durable("c")
            },
        ))
        .0;
    node.stop();
    node.run(async {
        while node.metrics().connections_now > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    });
    drop(peer);
    assert_eq!(node.metrics().wills, 0, "the will waits for the restart");
}
