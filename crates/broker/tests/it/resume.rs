//! A session whose connection breaks at random moments loses nothing, and QoS 2 comes once.

use crate::node::{Node, PATIENCE, Peer, durable};
use gemelli_broker::Options;
use gemelli_mqtt::{Outgoing, Qos, client::Event};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// One stretch of a device's life.
#[derive(Clone, Debug)]
struct Stretch {
    /// Messages published by the other side before it.
    published: Vec<bool>,
    /// Events taken before the connection breaks.
    taken: usize,
    /// The server crashes as well.
    crash: bool,
}

fn stretches() -> impl Strategy<Value = Vec<Stretch>> {
    let stretch = (
        prop::collection::vec(prop::bool::ANY, 0..12),
        0usize..14,
        prop::bool::weighted(0.2),
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
        in_flight: 4,
        queue_bytes: 1_000,
        ..Options::default()
    };
    let mut node = Node::start(options.clone());
    let mut published = Vec::new();
    let mut got: BTreeMap<u32, usize> = BTreeMap::new();
    let take = |got: &mut BTreeMap<u32, usize>, event: &Event| {
        if let Event::Message(publish) = event {
            let number = std::str::from_utf8(&publish.payload)
                .unwrap()
                .parse()
                .unwrap();
            *got.entry(number).or_default() += 1;
        }
    };
    let mut client = node.run(async {
        let (mut peer, _) = Peer::open(node.address, durable("device")).await;
        peer.subscribe("x/+", Qos::ExactlyOnce).await;
        peer.client
    });
    for stretch in stretches {
        let (address, state) = (node.address, client);
        client = node.run(async {
            let mut from = Peer::new(&node, "source").await;
            for &exactly in &stretch.published {
                let qos = if exactly {
                    Qos::ExactlyOnce
                } else {
                    Qos::AtLeastOnce
                };
                let number = published.len() as u32;
                published.push((number, qos));
                from.publish(Outgoing {
                    topic: "x/y",
                    qos,
                    ..Outgoing::new(number.to_string().as_bytes())
                })
                .await;
            }
            let mut peer = Peer::dial(address, durable("device")).await;
            peer.client = state;
            let ack = peer.greet().await;
            assert!(ack.session_present);
            for _ in 0..stretch.taken {
                match tokio::time::timeout(std::time::Duration::from_millis(20), peer.next()).await
                {
                    Ok(Some(event)) => take(&mut got, &event),
                    _ => break,
                }
            }
            // What the client has taken in is the client's, though the test has not looked yet.
            peer.events.iter().for_each(|event| take(&mut got, event));
            peer.client
        });
        if stretch.crash {
            node = node.restart(options.clone());
        }
    }
    node.run(async {
        let mut peer = Peer::dial(node.address, durable("device")).await;
        peer.client = client;
        peer.greet().await;
        let mut last = Peer::new(&node, "source").await;
        // QoS 2 waits for its record, and may be overtaken by QoS 1: the end must not overtake.
        last.put("x/end", "1000000", Qos::ExactlyOnce).await;
        let drain = async {
            while !got.contains_key(&1_000_000) {
                take(&mut got, &peer.next().await.unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, drain)
            .await
            .expect("the end never comes");
    });
    got.remove(&1_000_000);
    (published, got)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 20, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_and_qos_2_comes_once(stretches in stretches()) {
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
