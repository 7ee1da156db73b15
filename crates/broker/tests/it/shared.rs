//! Shared subscriptions of durable sessions: each message reaches one member, whatever breaks.

use crate::node::{Node, PATIENCE, Peer, durable};
use gemelli_broker::Options;
use gemelli_mqtt::{
    Client, Packet, Qos,
    client::Event,
    packet::{Connect, SubscribeOptions},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const GROUP: &str = "$share/g/x/+";

async fn publish(from: &mut Peer, number: u32, qos: Qos) {
    let payload = number.to_string();
    from.put("x/y", &payload, qos).await;
}

fn number(payload: &[u8]) -> u32 {
    std::str::from_utf8(payload).unwrap().parse().unwrap()
}

/// Takes messages until none comes for a while.
async fn take_all(peer: &mut Peer) -> Vec<u32> {
    let mut got = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(300), peer.next()).await
    {
        if let Event::Message(message) = event {
            got.push(number(&message.payload));
        }
    }
    got
}

#[test]
fn acknowledged_messages_do_not_come_again_after_a_restart() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut node = Node::start(Options::default());
        node.run(async {
            let (mut a, _) = Peer::open(node.address, durable("a")).await;
            let (mut b, _) = Peer::open(node.address, durable("b")).await;
            a.subscribe(GROUP, qos).await;
            b.subscribe(GROUP, qos).await;
            let mut from = Peer::new(&node, "p").await;
            for i in 0..20 {
                publish(&mut from, i, qos).await;
            }
            assert_eq!(take_all(&mut a).await.len(), 10);
            assert_eq!(take_all(&mut b).await.len(), 10);
            if qos == Qos::AtLeastOnce {
                // Acknowledgements are written each second.
                tokio::time::sleep(Duration::from_millis(2_200)).await;
            }
        });
        node = node.restart(Options::default());
        node.run(async {
            let mut from = Peer::new(&node, "p").await;
            publish(&mut from, 20, qos).await;
            let (mut a, _) = Peer::open(node.address, durable("a")).await;
            let (mut b, _) = Peer::open(node.address, durable("b")).await;
            let mut got = take_all(&mut a).await;
            got.extend(take_all(&mut b).await);
            assert_eq!(got, [20], "{qos:?}");
        });
    }
}

#[test]
fn a_qos_2_message_under_way_comes_again_to_its_member_only() {
    let mut node = Node::start(Options::default());
    node.run(async {
        let (mut a, _) = Peer::open(node.address, durable("a")).await;
        a.subscribe(GROUP, Qos::ExactlyOnce).await;
        let mut from = Peer::new(&node, "p").await;
        publish(&mut from, 1, Qos::ExactlyOnce).await;
        publish(&mut from, 2, Qos::ExactlyOnce).await;
        let packets = a.mute().await;
        let messages = packets.iter().filter(|p| matches!(p, Packet::Publish(_)));
        assert_eq!(messages.count(), 2);
        let (mut b, _) = Peer::open(node.address, durable("b")).await;
        b.subscribe(GROUP, Qos::ExactlyOnce).await;
        b.quiet().await;
    });
    node = node.restart(Options::default());
    node.run(async {
        let (mut b, _) = Peer::open(node.address, durable("b")).await;
        b.quiet().await;
        let (mut a, _) = Peer::open(node.address, durable("a")).await;
        assert_eq!(take_all(&mut a).await, [1, 2]);
        b.quiet().await;
    });
}

#[test]
fn what_a_lost_member_had_goes_to_the_others_and_nothing_else() {
    let node = Node::start(Options {
        in_flight: 2,
        ..Options::default()
    });
    node.run(async {
        let (mut a, _) = Peer::open(node.address, durable("a")).await;
        let (mut b, _) = Peer::open(node.address, durable("b")).await;
        a.subscribe(GROUP, Qos::AtLeastOnce).await;
        b.subscribe(GROUP, Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        for i in 0..20 {
            publish(&mut from, i, Qos::AtLeastOnce).await;
        }
        let mut got = take_all(&mut b).await;
        assert_eq!(got.len(), 10);
        // The first member never acknowledged: two are in flight to it, eight waited.
        let flying: Vec<_> = a.mute().await;
        assert_eq!(flying.len(), 2);
        drop(a);
        let handed = take_all(&mut b).await;
        assert_eq!(handed.len(), 8, "{handed:?}");
        got.extend(handed);
        let (mut a, _) = Peer::open(node.address, durable("a")).await;
        let again = take_all(&mut a).await;
        assert_eq!(again.len(), 2, "{again:?}");
        got.extend(again);
        assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 20);
        assert_eq!(got.len(), 20);
    });
}

#[test]
fn a_member_that_ends_leaves_its_messages_to_the_others() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut a, _) = Peer::open(node.address, durable("a")).await;
        a.subscribe(GROUP, Qos::AtLeastOnce).await;
        let mut from = Peer::new(&node, "p").await;
        for i in 0..4 {
            publish(&mut from, i, Qos::AtLeastOnce).await;
        }
        assert_eq!(a.mute().await.len(), 4);
        let (mut b, _) = Peer::open(node.address, durable("b")).await;
        b.subscribe(GROUP, Qos::AtLeastOnce).await;
        b.quiet().await;
        drop(a);
        let clean = Connect {
            clean_start: true,
            ..durable("a")
        };
        Peer::open(node.address, clean).await;
        assert_eq!(take_all(&mut b).await, [0, 1, 2, 3]);
    });
}

#[test]
fn a_group_without_room_reads_the_log_as_it_acknowledges() {
    let node = Node::start(Options {
        queue_bytes: 2_000,
        in_flight: 3,
        ..Options::default()
    });
    node.run(async {
        let (mut a, _) = Peer::open(node.address, durable("a")).await;
        let (mut b, _) = Peer::open(node.address, durable("b")).await;
        a.subscribe(GROUP, Qos::AtLeastOnce).await;
        b.subscribe(GROUP, Qos::ExactlyOnce).await;
        let mut from = Peer::new(&node, "p").await;
        for i in 0..200 {
            publish(&mut from, i, Qos::ExactlyOnce).await;
        }
        let mut got: BTreeMap<u32, usize> = BTreeMap::new();
        while got.len() < 200 {
            for peer in [&mut a, &mut b] {
                let wait = Duration::from_millis(50);
                while let Ok(Some(event)) = tokio::time::timeout(wait, peer.next()).await {
                    if let Event::Message(message) = event {
                        *got.entry(number(&message.payload)).or_default() += 1;
                    }
                }
            }
        }
        a.quiet().await;
        b.quiet().await;
        assert!(got.values().all(|count| *count == 1), "{got:?}");
    });
    assert_eq!(node.metrics().dropped_slow, 0);
    node.eventually(|m| m.queued_bytes_now == 0);
}

#[test]
fn a_snapshot_holds_how_a_group_stands() {
    let node = Node::start(Options::default());
    node.run(async {
        let (mut a, _) = Peer::open(node.address, durable("a")).await;
        a.subscribe(GROUP, Qos::ExactlyOnce).await;
        let mut from = Peer::new(&node, "p").await;
        for i in 0..5 {
            publish(&mut from, i, Qos::ExactlyOnce).await;
        }
        assert_eq!(take_all(&mut a).await.len(), 5);
    });
    let entries = node.broker.take_dirty();
    assert!(entries.iter().any(|e| e.key.starts_with(b"g")));
    let disk = node.crash();
    // Any order of the entries will do.
    for reversed in [false, true] {
        let mut entries = entries.clone();
        if reversed {
            entries.reverse();
        }
        let node = Node::from(disk.clone(), &entries);
        node.run(async {
            let (mut a, _) = Peer::open(node.address, durable("a")).await;
            a.quiet().await;
        });
        node.crash();
    }
}

/// One stretch of the members' lives.
#[derive(Clone, Debug)]
struct Stretch {
    /// Messages published before it; true: QoS 2.
    published: Vec<bool>,
    /// Members that connect, and how many events each takes.
    taken: [Option<usize>; 3],
    /// The server crashes as well.
    crash: bool,
}

fn stretches() -> impl Strategy<Value = Vec<Stretch>> {
    let taken = || prop::option::weighted(0.7, 0usize..10);
    let stretch = (
        prop::collection::vec(prop::bool::ANY, 0..12),
        [taken(), taken(), taken()],
        prop::bool::weighted(0.3),
    )
        .prop_map(|(published, taken, crash)| Stretch {
            published,
            taken,
            crash,
        });
    prop::collection::vec(stretch, 1..6)
}

fn receive(stretches: &[Stretch]) -> (Vec<(u32, Qos)>, BTreeMap<u32, usize>) {
    let options = Options {
        in_flight: 3,
        queue_bytes: 1_000,
        ..Options::default()
    };
    let mut node = Node::start(options.clone());
    let mut published = Vec::new();
    let mut got: BTreeMap<u32, usize> = BTreeMap::new();
    let take = |got: &mut BTreeMap<u32, usize>, event: &Event| {
        if let Event::Message(publish) = event {
            *got.entry(number(&publish.payload)).or_default() += 1;
        }
    };
    let names = ["a", "b", "c"];
    let mut clients: Vec<Option<Client>> = node.run(async {
        let mut clients = Vec::new();
        for name in names {
            let (mut peer, _) = Peer::open(node.address, durable(name)).await;
            let options = SubscribeOptions {
                qos: Qos::ExactlyOnce,
                ..SubscribeOptions::default()
            };
            peer.subscribe_with(GROUP, options, None).await;
            clients.push(Some(peer.client));
        }
        clients
    });
    for stretch in stretches {
        let address = node.address;
        node.run(async {
            let mut from = Peer::new(&node, "source").await;
            for &exactly in &stretch.published {
                let qos = match exactly {
                    true => Qos::ExactlyOnce,
                    false => Qos::AtLeastOnce,
                };
                let number = published.len() as u32;
                published.push((number, qos));
                publish(&mut from, number, qos).await;
            }
            let mut peers = Vec::new();
            for (at, taken) in stretch.taken.iter().enumerate() {
                let Some(taken) = taken else { continue };
                let mut peer = Peer::dial(address, durable(names[at])).await;
                peer.client = clients[at].take().unwrap();
                assert!(peer.greet().await.session_present);
                peers.push((at, *taken, peer));
            }
            for (at, taken, mut peer) in peers {
                for _ in 0..taken {
                    let wait = Duration::from_millis(20);
                    match tokio::time::timeout(wait, peer.next()).await {
                        Ok(Some(event)) => take(&mut got, &event),
                        _ => break,
                    }
                }
                // What the client has taken in is the client's, though the test has not looked yet.
                peer.events.iter().for_each(|event| take(&mut got, event));
                clients[at] = Some(peer.client);
            }
        });
        if stretch.crash {
            node = node.restart(options.clone());
        }
    }
    node.run(async {
        let mut peers = Vec::new();
        for (name, client) in names.iter().zip(clients) {
            let mut peer = Peer::dial(node.address, durable(name)).await;
            peer.client = client.unwrap();
            peer.greet().await;
            peers.push(peer);
        }
        let drain = async {
            let mut quiet = 0;
            while quiet < 4 || published.iter().any(|(n, _)| !got.contains_key(n)) {
                quiet += 1;
                for peer in &mut peers {
                    let wait = Duration::from_millis(40);
                    while let Ok(Some(event)) = tokio::time::timeout(wait, peer.next()).await {
                        take(&mut got, &event);
                        quiet = 0;
                    }
                }
            }
        };
        // What does not come is found by the caller.
        let _ = tokio::time::timeout(PATIENCE, drain).await;
    });
    (published, got)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 10, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_qos_2_comes_to_one_member_once(stretches in stretches()) {
        let (published, got) = receive(&stretches);
        for (number, qos) in published {
            let count = got.get(&number).copied().unwrap_or(0);
            prop_assert!(count >= 1, "message {number} was lost");
            if qos == Qos::ExactlyOnce {
                prop_assert_eq!(count, 1, "QoS 2 message {} came {} times", number, count);
            }
        }
    }
}
