//! Bytes that are no MQTT: the right reason, and the server goes on.

use crate::node::{Node, Peer};
use gemelli_broker::{Options, Reason};
use gemelli_mqtt::{Qos, Version, packet::Connect};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What an MQTT 5 client sends after CONNECT, and the reason of the DISCONNECT that it gets.
const CORPUS: &[(&[u8], Reason)] = &[
    (&[0x00, 0x00], Reason::MALFORMED_PACKET), // packet type 0
    (&[0x3E, 0x05, 0, 1, b'a', 0, 1, 0], Reason::MALFORMED_PACKET), // QoS 3
    (&[0x38, 0x04, 0, 1, b'a', 0], Reason::MALFORMED_PACKET), // QoS 0 with DUP
    (&[0x32, 0x06, 0, 1, b'a', 0, 0, 0], Reason::PROTOCOL_ERROR), // packet id 0
    (&[0x30, 0x03, 0, 0, 0], Reason::PROTOCOL_ERROR), // no topic, no alias
    (&[0x30, 0x04, 0, 1, b'+', 0], Reason::TOPIC_NAME_INVALID), // wildcard
    (&[0x30, 0x04, 0, 9, b'a', 0], Reason::MALFORMED_PACKET), // topic too long
    (&[0x30, 0x05, 0, 2, 0xC3, 0x28, 0], Reason::MALFORMED_PACKET), // not UTF-8
    (
        &[0x30, 0x07, 0, 1, b'a', 3, 0x23, 0, 0],
        Reason::TOPIC_ALIAS_INVALID,
    ), // alias 0
    (
        &[0x30, 0x06, 0, 1, b'a', 2, 0x0B, 1],
        Reason::PROTOCOL_ERROR,
    ), // subscription id from a client
    (
        &[0x30, 0x06, 0, 1, b'a', 2, 0x11, 1],
        Reason::MALFORMED_PACKET,
    ), // a property of CONNECT
    (
        &[0x30, 0x08, 0, 1, b'a', 4, 1, 0, 1, 0],
        Reason::PROTOCOL_ERROR,
    ), // the same property twice
    (&[0x30, 0x04, 0, 1, b'a', 0x7F], Reason::MALFORMED_PACKET), // properties longer than the packet
    (
        &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        Reason::MALFORMED_PACKET,
    ), // length of five bytes
    (&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], Reason::PACKET_TOO_LARGE), // 256 MiB
    (&[0x82, 0x03, 0, 1, 0], Reason::PROTOCOL_ERROR),            // SUBSCRIBE without filter
    (
        &[0x80, 0x07, 0, 1, 0, 0, 1, b'a', 0],
        Reason::MALFORMED_PACKET,
    ), // SUBSCRIBE with wrong flags
    (
        &[0x82, 0x07, 0, 1, 0, 0, 1, b'a', 0xC0],
        Reason::MALFORMED_PACKET,
    ), // reserved options
    (&[0xA2, 0x03, 0, 1, 0], Reason::PROTOCOL_ERROR),            // UNSUBSCRIBE without filter
    (&[0x40, 0x01, 0], Reason::MALFORMED_PACKET),                // half a packet id
    (&[0x40, 0x02, 0, 0], Reason::PROTOCOL_ERROR),               // acknowledges 0
    (&[0x60, 0x02, 0, 1], Reason::MALFORMED_PACKET),             // PUBREL with wrong flags
    (&[0xC0, 0x01, 0], Reason::MALFORMED_PACKET),                // PINGREQ with content
    (&[0xD0, 0x00], Reason::PROTOCOL_ERROR),                     // PINGRESP
    (&[0x20, 0x03, 0, 0, 0], Reason::PROTOCOL_ERROR),            // CONNACK
    (&[0xF0, 0x00], Reason::PROTOCOL_ERROR),                     // AUTH nobody asked for
    (
        &[
            0x10, 0x0D, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 0,
        ],
        Reason::PROTOCOL_ERROR,
    ), // second CONNECT
];

#[test]
fn each_fault_has_its_reason_and_ends_the_connection() {
    let node = Node::start(Options::default());
    node.run(async {
        for (bytes, reason) in CORPUS {
            let mut peer = Peer::new(&node, "bad").await;
            peer.raw(bytes).await;
            assert_eq!(peer.end().await, Some(*reason), "{bytes:02X?}");
        }
        // What is wrong but harmless does not end it.
        let mut peer = Peer::new(&node, "odd").await;
        for bytes in [
            &[0x40, 0x02, 0, 9][..],
            &[0x50, 0x02, 0, 9],
            &[0x62, 0x02, 0, 9],
            &[0x70, 0x02, 0, 9],
            &[0x62, 0x03, 0, 9, 0x92],
        ] {
            peer.raw(bytes).await;
        }
        peer.quiet().await;
        assert_eq!(peer.put("a", "x", Qos::AtLeastOnce).await, Reason::SUCCESS);
    });
    node.eventually(|m| m.closed_for_protocol as usize == CORPUS.len());
}

#[test]
fn older_clients_are_just_disconnected() {
    let node = Node::start(Options::default());
    node.run(async {
        for bytes in [
            &[0x00, 0x00][..],
            &[0x3E, 0x05, 0, 1, b'a', 0, 1],
            &[0x82, 0x02, 0, 1],
            &[0x30, 0x03, 0, 1, b'#'],
            &[0x40, 3, 0, 1, 0],
        ] {
            let (mut peer, _) = Peer::open(node.address, Connect::new(Version::V311, "bad")).await;
            peer.raw(bytes).await;
            assert_eq!(peer.end().await, None);
        }
    });
}

const NOTHING: [u8; 0] = [];

async fn answer(node: &Node, bytes: &[u8]) -> Vec<u8> {
    let mut wire = tokio::net::TcpStream::connect(node.address).await.unwrap();
    wire.write_all(bytes).await.unwrap();
    let mut out = Vec::new();
    let read = wire.read_to_end(&mut out);
    tokio::time::timeout(crate::node::PATIENCE, read)
        .await
        .expect("the connection stays open")
        .ok();
    out
}

#[test]
fn a_bad_connect_is_refused() {
    let node = Node::start(Options::default());
    node.run(async {
        // MQTT 3.1.1 has an answer for versions and ids, and else none.
        let connect = |level: u8, flags: u8| {
            [&[0x10, 12, 0, 4][..], b"MQTT", &[level, flags, 0, 0, 0, 0]].concat()
        };
        assert_eq!(answer(&node, &connect(6, 2)).await, [0x20, 2, 0, 1]);
        assert_eq!(answer(&node, &connect(4, 0)).await, [0x20, 2, 0, 2]);
        assert_eq!(answer(&node, &connect(4, 3)).await, NOTHING);
        assert_eq!(answer(&node, b"GET / HTTP/1.1\r\n\r\n").await, NOTHING);
        assert_eq!(answer(&node, &[0x30, 3, 0, 1, b'a']).await, NOTHING);
        assert_eq!(
            answer(&node, &[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 1]).await,
            NOTHING
        );
        assert_eq!(answer(&node, &[0x10, 2, 0, 4]).await, NOTHING);
        // MQTT 5 tells.
        let reserved = [&[0x10, 13, 0, 4][..], b"MQTT", &[5, 3, 0, 0, 0, 0, 0]].concat();
        assert_eq!(
            answer(&node, &reserved).await[3],
            Reason::MALFORMED_PACKET.0
        );
        // A client that says nothing is not waited for.
    });
    let impatient = Node::start(Options {
        connect_timeout_ms: 100,
        ..Options::default()
    });
    impatient.run(async {
        assert_eq!(answer(&impatient, &[0x10]).await, NOTHING);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn no_bytes_bring_the_codec_down(bytes in prop::collection::vec(any::<u8>(), 0..200), level in 3u8..6) {
        let version = [Version::V31, Version::V311, Version::V5][usize::from(level) - 3];
        let mut codec = gemelli_mqtt::Codec::client(version, 10_000);
        let mut buffer = bytes::BytesMut::from(&bytes[..]);
        while let Ok(Some(packet)) = codec.decode(&mut buffer) {
            // Whatever can be read can be written, and is the same when read again.
            let mut out = bytes::BytesMut::new();
            codec.encode(&packet, &mut out);
            if !out.is_empty() {
                let again = gemelli_mqtt::Codec::client(version, 100_000).decode(&mut out);
                prop_assert!(again.is_ok(), "{packet:?} {again:?}");
            }
        }
    }
}
