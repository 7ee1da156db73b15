//! Bytes to packets and back.
//!
//! PUBLISH and its acknowledgements, which are nearly all packets, are read and written here: without
//! allocation, and with the reason codes that the specification wants. The rare packets go through the
//! codec crate in `rare`.

mod outgoing;
mod rare;

pub use outgoing::Outgoing;

use crate::{
    Malformed, Reason,
    packet::{Ack, Packet, Publish, Qos, Version},
    properties, topic,
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;

/// Largest remaining length that the protocol can express.
pub const MAX_REMAINING: usize = 0x0FFF_FFFF;

const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;
const PINGREQ: u8 = 0xC0;
const PINGRESP: u8 = 0xD0;
const REASON_STRING: u8 = 0x1F;

/// Reads and writes the packets of one connection.
#[derive(Clone, Debug)]
pub struct Codec {
    version: Option<Version>,
    max_in: usize,
}

impl Codec {
    /// For a server: the version is what the client's CONNECT says. Packets of more than `max_in` bytes are refused.
    pub fn server(max_in: u32) -> Self {
        Self {
            version: None,
            max_in: max_in as usize,
        }
    }

    /// For a client.
    pub fn client(version: Version, max_in: u32) -> Self {
        Self {
            version: Some(version),
            max_in: max_in as usize,
        }
    }

    /// The version that is spoken: MQTT 3.1.1 until CONNECT was read.
    pub fn version(&self) -> Version {
        self.version.unwrap_or(Version::V311)
    }

    /// Takes one packet from the front of the buffer; `None` if there is not a whole one.
    /// After an error the buffer is of no further use.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, Malformed> {
        let Some((first, header, remaining)) = frame(buffer)? else {
            return Ok(None);
        };
        let total = header + remaining;
        if total > self.max_in {
            return Err(Malformed {
                reason: Reason::PACKET_TOO_LARGE,
                what: "a packet larger than the receiver takes",
            });
        }
        if self.version.is_none() && first != 0x10 {
            return Err(Malformed::protocol("the first packet is not CONNECT"));
        }
        if buffer.len() < total {
            buffer.reserve(total - buffer.len());
            return Ok(None);
        }
        let mut frame = buffer.split_to(total);
        Ok(Some(match first {
            PUBLISH..=0x3F => {
                frame.advance(header);
                Packet::Publish(publish(frame.freeze(), first, self.version())?)
            }
            PUBACK => Packet::PubAck(ack(
                frame.get(header..).unwrap_or_default(),
                self.version(),
            )?),
            PUBREC => Packet::PubRec(ack(
                frame.get(header..).unwrap_or_default(),
                self.version(),
            )?),
            PUBREL => Packet::PubRel(ack(
                frame.get(header..).unwrap_or_default(),
                self.version(),
            )?),
            PUBCOMP => Packet::PubComp(ack(
                frame.get(header..).unwrap_or_default(),
                self.version(),
            )?),
            PINGREQ | PINGRESP if remaining != 0 => {
                return Err(Malformed::new("a ping with content"));
            }
            PINGREQ => Packet::PingReq,
            PINGRESP => Packet::PingResp,
            0x10 => {
                // Known even if the rest is wrong, so that the refusal can be written.
                self.version = Some(rare::version(&frame, header)?);
                Packet::Connect(Box::new(rare::decode_connect(frame, self.version())?))
            }
            _ => rare::decode(frame, self.version())?,
        }))
    }

    /// Appends a packet. A reason string that is too long is left out; a packet that cannot be
    /// expressed in the connection's version is left out entirely.
    pub fn encode(&self, packet: &Packet, out: &mut BytesMut) {
        let version = match packet {
            Packet::Connect(connect) => connect.version,
            _ => self.version(),
        };
        match packet {
            Packet::Publish(p) => Outgoing {
                dup: p.dup,
                retain: p.retain,
                qos: p.qos,
                packet_id: p.packet_id,
                topic: &p.topic,
                own: &p.properties,
                ..Outgoing::new(&p.payload)
            }
            .encode(version, out),
            Packet::PubAck(a) => encode_ack(PUBACK, a, version, out),
            Packet::PubRec(a) => encode_ack(PUBREC, a, version, out),
            Packet::PubRel(a) => encode_ack(PUBREL, a, version, out),
            Packet::PubComp(a) => encode_ack(PUBCOMP, a, version, out),
            Packet::PingReq => out.put_slice(&[PINGREQ, 0]),
            Packet::PingResp => out.put_slice(&[PINGRESP, 0]),
            rare => rare::encode(rare, version, out),
        }
    }
}

/// First byte, length of the fixed header, remaining length: `None` if the header is not complete.
fn frame(buffer: &[u8]) -> Result<Option<(u8, usize, usize)>, Malformed> {
    let Some((&first, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let mut length = 0usize;
    for (at, &byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((first, at + 2, length)));
        }
    }
    if rest.len() >= 4 {
        return Err(Malformed::new("a remaining length of more than four bytes"));
    }
    Ok(None)
}

fn take_u16(body: &mut Bytes) -> Result<u16, Malformed> {
    body.try_get_u16()
        .map_err(|_| Malformed::new("a packet that ends too early"))
}

fn publish(mut body: Bytes, first: u8, version: Version) -> Result<Publish, Malformed> {
    let qos = Qos::new((first >> 1) & 3).ok_or(Malformed::new("a PUBLISH with QoS 3"))?;
    let (dup, retain) = (first & 8 != 0, first & 1 != 0);
    if dup && qos == Qos::AtMostOnce {
        return Err(Malformed::new("a QoS 0 PUBLISH with the DUP flag"));
    }
    let length = usize::from(take_u16(&mut body)?);
    if body.len() < length {
        return Err(Malformed::new("a PUBLISH that ends within its topic"));
    }
    let topic = ByteString::try_from(body.split_to(length))
        .map_err(|_| Malformed::new("a topic that is not UTF-8"))?;
    let packet_id = if qos == Qos::AtMostOnce {
        0
    } else {
        take_u16(&mut body)?
    };
    if packet_id == 0 && qos != Qos::AtMostOnce {
        return Err(Malformed::protocol("a packet identifier of 0"));
    }
    let mut out = Publish {
        dup,
        retain,
        qos,
        packet_id,
        topic,
        ..Publish::default()
    };
    if version == Version::V5 {
        let mut rest = &body[..];
        let length = properties::variable(&mut rest)? as usize;
        let left = rest.len();
        body.advance(body.len() - left);
        if length > 0 {
            if body.len() < length {
                return Err(Malformed::new("a PUBLISH that ends within its properties"));
            }
            out.properties = body.split_to(length);
            let scan = properties::scan(&out.properties)?;
            if scan.topic_alias == Some(0) {
                return Err(Malformed {
                    reason: Reason::TOPIC_ALIAS_INVALID,
                    what: "a topic alias of 0",
                });
            }
            out.expiry_s = scan.expiry_s;
            out.topic_alias = scan.topic_alias;
            out.hop_properties =
                scan.subscription_ids || scan.topic_alias.is_some() || scan.expiry_s.is_some();
        }
    }
    if out.topic.is_empty() {
        if out.topic_alias.is_none() {
            return Err(Malformed {
                reason: Reason::PROTOCOL_ERROR,
                what: "a PUBLISH without topic and topic alias",
            });
        }
    } else if !topic::is_name(&out.topic) {
        return Err(Malformed {
            reason: Reason::TOPIC_NAME_INVALID,
            what: "a topic name with wildcards, a null character or too many levels",
        });
    }
    out.payload = body;
    Ok(out)
}

fn ack(body: &[u8], version: Version) -> Result<Ack, Malformed> {
    let (packet_id, rest) = match body {
        [a, b, rest @ ..] => (u16::from_be_bytes([*a, *b]), rest),
        _ => return Err(Malformed::new("an acknowledgement that ends too early")),
    };
    if packet_id == 0 {
        return Err(Malformed::protocol("a packet identifier of 0"));
    }
    let mut ack = Ack::new(packet_id, Reason::SUCCESS);
    match (version, rest) {
        (_, []) => {}
        (Version::V5, [reason, properties @ ..]) => {
            ack.reason = Reason(*reason);
            ack.reason_string = reason_string(properties)?;
        }
        _ => return Err(Malformed::new("an acknowledgement that is too long")),
    }
    Ok(ack)
}

/// The reason string among an acknowledgement's properties, which hold it and user properties only.
fn reason_string(mut bytes: &[u8]) -> Result<Option<ByteString>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let length = properties::variable(&mut bytes)? as usize;
    if length != bytes.len() {
        return Err(Malformed::new(
            "an acknowledgement whose properties have the wrong length",
        ));
    }
    let mut found = None;
    while let Some((&id, rest)) = bytes.split_first() {
        if id == REASON_STRING {
            bytes = rest;
            if found
                .replace(ByteString::from(properties::text(&mut bytes)?))
                .is_some()
            {
                return Err(Malformed::protocol("two reason strings"));
            }
        } else if id == properties::USER {
            properties::next(&mut bytes)?;
        } else {
            return Err(Malformed::new("an unknown property in an acknowledgement"));
        }
    }
    Ok(found)
}

fn encode_ack(first: u8, ack: &Ack, version: Version, out: &mut BytesMut) {
    let [a, b] = ack.packet_id.to_be_bytes();
    if version != Version::V5 || (ack.reason == Reason::SUCCESS && ack.reason_string.is_none()) {
        return out.put_slice(&[first, 2, a, b]);
    }
    match ack.reason_string.as_deref() {
        Some(text) if text.len() <= MAX_REASON_STRING => {
            let length = 3 + text.len();
            put_header(out, first, 3 + properties::variable_len(length) + length);
            out.put_slice(&[a, b, ack.reason.0]);
            put_variable(out, length);
            out.put_u8(REASON_STRING);
            out.put_u16(text.len() as u16);
            out.put_slice(text.as_bytes());
        }
        _ => out.put_slice(&[first, 3, a, b, ack.reason.0]),
    }
}

/// Longest reason string that is sent, bytes.
pub const MAX_REASON_STRING: usize = 1_024;

fn put_variable(out: &mut BytesMut, mut value: usize) {
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            return out.put_u8(byte);
        }
        out.put_u8(byte | 0x80);
    }
}

fn put_header(out: &mut BytesMut, first: u8, remaining: usize) {
    out.reserve(5 + remaining);
    out.put_u8(first);
    put_variable(out, remaining);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::packet::{
        ConnAck, Connect, Disconnect, SubAck, Subscribe, SubscribeOptions, Unsubscribe, Will,
    };

    const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

    fn packets(version: Version) -> Vec<Packet> {
        let v5 = version == Version::V5;
        let will = Will {
            topic: "w".into(),
            payload: "bye".into(),
            qos: Qos::AtLeastOnce,
            retain: true,
            delay_s: if v5 { 5 } else { 0 },
            expiry_s: v5.then_some(9),
            properties: if v5 {
                Bytes::from_static(&[0x26, 0, 1, b'a', 0, 1, b'b'])
            } else {
                Bytes::new()
            },
        };
        let text = |t: &str| v5.then(|| ByteString::from(t));
        let own = if v5 {
            Bytes::from_static(&[properties::PAYLOAD_FORMAT, 1])
        } else {
            Bytes::new()
        };
        vec![
            Packet::Connect(Box::new(Connect {
                username: Some("u".into()),
                password: Some("p".into()),
                keep_alive_s: 60,
                session_expiry_s: v5.then_some(7),
                will: Some(Box::new(will)),
                ..Connect::new(version, "c")
            })),
            Packet::ConnAck(Box::new(ConnAck {
                session_present: true,
                ..ConnAck::new(Reason::SUCCESS)
            })),
            Packet::ConnAck(Box::new(ConnAck {
                reason_string: text("no"),
                ..ConnAck::new(Reason::NOT_AUTHORIZED)
            })),
            Packet::Publish(Publish {
                topic: "a/b".into(),
                payload: "x".into(),
                properties: own,
                ..Publish::default()
            }),
            Packet::Publish(Publish {
                dup: true,
                retain: true,
                qos: Qos::ExactlyOnce,
                packet_id: 9,
                topic: "t".into(),
                payload: vec![7; 20_000].into(),
                ..Publish::default()
            }),
            Packet::PubAck(Ack::new(1, Reason::SUCCESS)),
            Packet::PubRec(Ack {
                reason: if v5 {
                    Reason::QUOTA_EXCEEDED
                } else {
                    Reason::SUCCESS
                },
                ..Ack::new(2, Reason::SUCCESS)
            }),
            Packet::PubRel(Ack {
                reason_string: text("why"),
                ..Ack::new(3, Reason::SUCCESS)
            }),
            Packet::PubComp(Ack::new(65_535, Reason::SUCCESS)),
            Packet::Subscribe(Box::new(Subscribe {
                packet_id: 4,
                subscription_id: v5.then_some(300),
                filters: vec![(
                    "a/+".into(),
                    SubscribeOptions {
                        qos: Qos::ExactlyOnce,
                        no_local: v5,
                        ..Default::default()
                    },
                )],
            })),
            Packet::SubAck(Box::new(SubAck {
                packet_id: 4,
                reasons: vec![Reason(2), Reason::UNSPECIFIED],
                reason_string: None,
            })),
            Packet::Unsubscribe(Box::new(Unsubscribe {
                packet_id: 5,
                filters: vec!["a".into(), "b".into()],
            })),
            Packet::UnsubAck(Box::new(SubAck {
                packet_id: 5,
                reasons: if v5 {
                    vec![Reason::SUCCESS, Reason::NO_SUBSCRIPTION_EXISTED]
                } else {
                    vec![]
                },
                reason_string: None,
            })),
            Packet::PingReq,
            Packet::PingResp,
            Packet::Disconnect(Box::new(Disconnect::new(if v5 {
                Reason::SESSION_TAKEN_OVER
            } else {
                Reason::SUCCESS
            }))),
        ]
    }

    #[test]
    fn packets_go_out_and_come_back_however_the_bytes_are_cut() {
        for version in VERSIONS {
            let mut bytes = BytesMut::new();
            for packet in packets(version) {
                Codec::client(version, 0).encode(&packet, &mut bytes);
            }
            for step in [1, 7, 1_000_000] {
                let mut codec = Codec::client(version, 100_000);
                let (mut buffer, mut back) = (BytesMut::new(), Vec::new());
                for piece in bytes.chunks(step) {
                    buffer.extend_from_slice(piece);
                    while let Some(packet) = codec.decode(&mut buffer).unwrap() {
                        back.push(packet);
                    }
                }
                assert_eq!(back, packets(version));
            }
        }
    }

    #[test]
    fn a_servers_first_packet_is_connect_and_sets_the_version() {
        for version in VERSIONS {
            let mut bytes = BytesMut::new();
            Codec::client(version, 0).encode(
                &Packet::Connect(Box::new(Connect::new(version, "c"))),
                &mut bytes,
            );
            let mut codec = Codec::server(1_000);
            assert!(
                matches!(codec.decode(&mut bytes), Ok(Some(Packet::Connect(c))) if c.version == version)
            );
            assert_eq!(codec.version(), version);
        }
        let refused = Codec::server(1_000).decode(&mut BytesMut::from(&[PINGREQ, 0][..]));
        assert_eq!(refused.unwrap_err().reason, Reason::PROTOCOL_ERROR);
    }

    #[test]
    fn the_announced_length_is_the_written_length() {
        for version in VERSIONS {
            for size in [0, 100, 127, 128, 16_384, 3_000_000] {
                let payload = vec![1; size];
                let message = Outgoing {
                    topic: "a/b",
                    qos: Qos::AtLeastOnce,
                    packet_id: 1,
                    own: &[properties::PAYLOAD_FORMAT, 1],
                    expiry_s: Some(1),
                    topic_alias: Some(2),
                    subscription_ids: &[1, 200, 20_000],
                    ..Outgoing::new(&payload)
                };
                let mut out = BytesMut::new();
                message.encode(version, &mut out);
                assert_eq!(out.len(), message.encoded_len(version));
                let Some(Packet::Publish(back)) =
                    Codec::client(version, 4_000_000).decode(&mut out).unwrap()
                else {
                    panic!()
                };
                assert_eq!((back.payload.len(), back.packet_id), (size, 1));
                assert_eq!(back.expiry_s, (version == Version::V5).then_some(1));
            }
        }
    }

    #[test]
    fn a_packet_beyond_the_limit_is_refused_by_its_header() {
        let mut codec = Codec::client(Version::V5, 100);
        let mut header = BytesMut::from(&[PUBLISH, 99][..]);
        assert_eq!(
            codec.decode(&mut header).unwrap_err().reason,
            Reason::PACKET_TOO_LARGE
        );
        let mut header = BytesMut::from(&[PUBLISH, 98][..]);
        assert_eq!(codec.decode(&mut header), Ok(None));
    }

    #[test]
    fn a_text_that_is_too_long_is_left_out() {
        let mut out = BytesMut::new();
        let long = Ack {
            reason_string: Some("x".repeat(MAX_REASON_STRING + 1).into()),
            ..Ack::new(1, Reason::QUOTA_EXCEEDED)
        };
        Codec::client(Version::V5, 0).encode(&Packet::PubAck(long), &mut out);
        assert_eq!(&out[..], [PUBACK, 3, 0, 1, 0x97]);
    }
}
