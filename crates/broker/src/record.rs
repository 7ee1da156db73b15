//! Session records: how the broker's own state stands in the log.
//!
//! A record is a version byte and one or more changes. Whole state is written as changes too (see
//! [`crate::image`]), so there is one format. Old versions stay readable; a newer one is an error.

use crate::Damaged;
use bytes::Bytes;
use gemelli_event::Seq;
use gemelli_mqtt::{
    Qos,
    packet::{RetainHandling, SubscribeOptions},
};
use std::sync::Arc;

/// The version that is written.
pub const VERSION: u8 = 1;

/// One thing that happened to a session, a will or a retained message.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Change {
    /// A durable session exists and its client is connected.
    Opened { client: Arc<str>, expiry_s: u32 },
    /// Its client left.
    Closed {
        client: Arc<str>,
        at_ms: i64,
        expiry_s: u32,
        cursor: Seq,
    },
    /// It is gone, with everything in it.
    Ended { client: Arc<str> },
    /// It has this subscription; messages from `since` on are its own.
    Subscribed {
        client: Arc<str>,
        filter: Arc<str>,
        options: SubscribeOptions,
        id: Option<u32>,
        since: Seq,
    },
    /// It no longer has this subscription.
    Unsubscribed { client: Arc<str>, filter: Arc<str> },
    /// Everything before this place in the log was acknowledged.
    Cursor { client: Arc<str>, seq: Seq },
    /// A QoS 2 message with this packet id was received; it is published in the same frame.
    Received { client: Arc<str>, packet_id: u16 },
    /// The packet id is free again.
    Released { client: Arc<str>, packet_id: u16 },
    /// A QoS 2 message is about to be sent with this packet id.
    Sending {
        client: Arc<str>,
        packet_id: u16,
        message: Kept,
    },
    /// The client has it (PUBREC): only PUBREL is repeated from here on.
    Sent { client: Arc<str>, packet_id: u16 },
    /// The client released it (PUBCOMP), or refused it.
    Done { client: Arc<str>, packet_id: u16 },
    /// A message was retained; one without payload clears the topic.
    Retained { message: Kept },
    /// A client connected that has a will.
    Willed { client: Arc<str>, will: Testament },
    /// The will was published, or is void.
    Unwilled { client: Arc<str> },
    /// QoS 2 messages up to this place in the log were given a packet id: never again.
    Reached { client: Arc<str>, seq: Seq },
}

/// A message that is kept outside the log's own records.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Its place in the log; [`crate::session::NOT_LOGGED`] if it has none of its own.
    pub seq: Seq,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: Qos,
    /// The retain flag with which it is sent.
    pub retain: bool,
    /// Its properties, as `Message::properties` has them.
    pub properties: Bytes,
    /// When it expires.
    pub expires_ms: Option<i64>,
    /// The subscriptions for which it is sent.
    pub ids: Vec<u32>,
}

/// A will.
#[derive(Clone, Debug, PartialEq)]
pub struct Testament {
    /// What is to be published; expiry not applied yet.
    pub message: Kept,
    /// Milliseconds that it lives once published.
    pub lives_ms: Option<i64>,
    /// Milliseconds from the end of the connection to the publication.
    pub delay_ms: i64,
    /// The connection's keep-alive, milliseconds.
    pub keep_alive_ms: i64,
}

/// Writes a record of some changes; of none, nothing.
pub fn encode(changes: &[Change]) -> Bytes {
    if changes.is_empty() {
        return Bytes::new();
    }
    let mut out = vec![VERSION];
    for change in changes {
        put(&mut out, change);
    }
    out.into()
}

/// Reads a record.
pub fn decode(record: &[u8], mut take: impl FnMut(Change)) -> Result<(), Damaged> {
    let Some((&version, mut bytes)) = record.split_first() else {
        return Ok(());
    };
    if version != VERSION {
        return Err(DAMAGED);
    }
    while !bytes.is_empty() {
        take(read(&mut bytes).ok_or(DAMAGED)?);
    }
    Ok(())
}

const DAMAGED: Damaged = Damaged {
    what: "a session record",
};

fn put(out: &mut Vec<u8>, change: &Change) {
    let tag = match change {
        Change::Opened { .. } => 1,
        Change::Closed { .. } => 2,
        Change::Ended { .. } => 3,
        Change::Subscribed { .. } => 4,
        Change::Unsubscribed { .. } => 5,
        Change::Cursor { .. } => 6,
        Change::Received { .. } => 7,
        Change::Released { .. } => 8,
        Change::Sending { .. } => 9,
        Change::Sent { .. } => 10,
        Change::Done { .. } => 11,
        Change::Retained { .. } => 12,
        Change::Willed { .. } => 13,
        Change::Unwilled { .. } => 14,
        Change::Reached { .. } => 15,
    };
    out.push(tag);
    match change {
        Change::Opened { client, expiry_s } => {
            put_text(out, client);
            put_number(out, u64::from(*expiry_s));
        }
        Change::Closed {
            client,
            at_ms,
            expiry_s,
            cursor,
        } => {
            put_text(out, client);
            put_signed(out, *at_ms);
            put_number(out, u64::from(*expiry_s));
            put_number(out, *cursor);
        }
        Change::Ended { client } | Change::Unwilled { client } => put_text(out, client),
        Change::Subscribed {
            client,
            filter,
            options,
            id,
            since,
        } => {
            put_text(out, client);
            put_text(out, filter);
            out.push(
                options.qos.number()
                    | u8::from(options.no_local) << 2
                    | u8::from(options.retain_as_published) << 3
                    | (options.retain_handling as u8) << 4,
            );
            put_number(out, u64::from(id.unwrap_or(0)));
            put_number(out, *since);
        }
        Change::Unsubscribed { client, filter } => {
            put_text(out, client);
            put_text(out, filter);
        }
        Change::Cursor { client, seq } | Change::Reached { client, seq } => {
            put_text(out, client);
            put_number(out, *seq);
        }
        Change::Received { client, packet_id }
        | Change::Released { client, packet_id }
        | Change::Sent { client, packet_id }
        | Change::Done { client, packet_id } => {
            put_text(out, client);
            put_number(out, u64::from(*packet_id));
        }
        Change::Sending {
            client,
            packet_id,
            message,
        } => {
            put_text(out, client);
            put_number(out, u64::from(*packet_id));
            put_kept(out, message);
        }
        Change::Retained { message } => put_kept(out, message),
        Change::Willed { client, will } => {
            put_text(out, client);
            put_kept(out, &will.message);
            put_signed(out, will.lives_ms.unwrap_or(-1));
            put_signed(out, will.delay_ms);
            put_signed(out, will.keep_alive_ms);
        }
    }
}

fn put_kept(out: &mut Vec<u8>, kept: &Kept) {
    put_number(out, kept.seq);
    put_text(out, &kept.topic);
    put_bytes(out, &kept.payload);
    out.push(kept.qos.number() | u8::from(kept.retain) << 2);
    put_bytes(out, &kept.properties);
    put_signed(out, kept.expires_ms.unwrap_or(i64::MIN));
    put_number(out, kept.ids.len() as u64);
    for id in &kept.ids {
        put_number(out, u64::from(*id));
    }
}

fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn put_signed(out: &mut Vec<u8>, n: i64) {
    put_number(out, ((n << 1) ^ (n >> 63)) as u64);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn read(from: &mut &[u8]) -> Option<Change> {
    let tag = byte(from)?;
    Some(match tag {
        1 => Change::Opened {
            client: text(from)?,
            expiry_s: small(from)?,
        },
        2 => Change::Closed {
            client: text(from)?,
            at_ms: signed(from)?,
            expiry_s: small(from)?,
            cursor: number(from)?,
        },
        3 => Change::Ended {
            client: text(from)?,
        },
        4 => {
            let (client, filter, flags) = (text(from)?, text(from)?, byte(from)?);
            let options = SubscribeOptions {
                qos: Qos::new(flags & 3)?,
                no_local: flags & 4 != 0,
                retain_as_published: flags & 8 != 0,
                retain_handling: match flags >> 4 {
                    0 => RetainHandling::Send,
                    1 => RetainHandling::SendIfNew,
                    2 => RetainHandling::DoNotSend,
                    _ => return None,
                },
            };
            Change::Subscribed {
                client,
                filter,
                options,
                id: Some(small(from)?).filter(|id| *id > 0),
                since: number(from)?,
            }
        }
        5 => Change::Unsubscribed {
            client: text(from)?,
            filter: text(from)?,
        },
        6 => Change::Cursor {
            client: text(from)?,
            seq: number(from)?,
        },
        7 => Change::Received {
            client: text(from)?,
            packet_id: packet_id(from)?,
        },
        8 => Change::Released {
            client: text(from)?,
            packet_id: packet_id(from)?,
        },
        9 => Change::Sending {
            client: text(from)?,
            packet_id: packet_id(from)?,
            message: kept(from)?,
        },
        10 => Change::Sent {
            client: text(from)?,
            packet_id: packet_id(from)?,
        },
        11 => Change::Done {
            client: text(from)?,
            packet_id: packet_id(from)?,
        },
        12 => Change::Retained {
            message: kept(from)?,
        },
        13 => Change::Willed {
            client: text(from)?,
            will: Testament {
                message: kept(from)?,
                lives_ms: Some(signed(from)?).filter(|ms| *ms >= 0),
                delay_ms: signed(from)?,
                keep_alive_ms: signed(from)?,
            },
        },
        14 => Change::Unwilled {
            client: text(from)?,
        },
        15 => Change::Reached {
            client: text(from)?,
            seq: number(from)?,
        },
        _ => return None,
    })
}

fn kept(from: &mut &[u8]) -> Option<Kept> {
    let (seq, topic, payload, flags) = (number(from)?, text(from)?, binary(from)?, byte(from)?);
    let (properties, expires) = (binary(from)?, signed(from)?);
    let count = number(from)?;
    let ids = (0..count)
        .map(|_| small(from))
        .collect::<Option<Vec<_>>>()?;
    Some(Kept {
        seq,
        topic,
        payload,
        qos: Qos::new(flags & 3)?,
        retain: flags & 4 != 0,
        properties,
        expires_ms: Some(expires).filter(|ms| *ms != i64::MIN),
        ids,
    })
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    let (first, rest) = from.split_first()?;
    *from = rest;
    Some(*first)
}

fn number(from: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let b = byte(from)?;
        n |= u64::from(b & 0x7F) << shift;
        if b & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

fn signed(from: &mut &[u8]) -> Option<i64> {
    let n = number(from)?;
    Some((n >> 1) as i64 ^ -((n & 1) as i64))
}

fn small(from: &mut &[u8]) -> Option<u32> {
    u32::try_from(number(from)?).ok()
}

fn packet_id(from: &mut &[u8]) -> Option<u16> {
    u16::try_from(number(from)?).ok()
}

fn slice<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(from)?).ok()?;
    let (first, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(first)
}

fn binary(from: &mut &[u8]) -> Option<Bytes> {
    slice(from).map(Bytes::copy_from_slice)
}

fn text(from: &mut &[u8]) -> Option<Arc<str>> {
    std::str::from_utf8(slice(from)?).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all() -> Vec<Change> {
        let client: Arc<str> = "lamp-1".into();
        let c = || client.clone();
        let message = Kept {
            seq: 77,
            topic: "a/b".into(),
            payload: Bytes::from_static(b"x"),
            qos: Qos::ExactlyOnce,
            retain: true,
            properties: Bytes::from_static(&[1, 1]),
            expires_ms: Some(1_700_000_000_000),
            ids: vec![1, 300],
        };
        let options = SubscribeOptions {
            qos: Qos::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        };
        vec![
            Change::Opened {
                client: c(),
                expiry_s: u32::MAX,
            },
            Change::Closed {
                client: c(),
                at_ms: -5,
                expiry_s: 60,
                cursor: 1 << 40,
            },
            Change::Ended { client: c() },
            Change::Subscribed {
                client: c(),
                filter: "a/#".into(),
                options,
                id: Some(9),
                since: 4,
            },
            Change::Unsubscribed {
                client: c(),
                filter: "a/#".into(),
            },
            Change::Cursor {
                client: c(),
                seq: u64::MAX,
            },
            Change::Received {
                client: c(),
                packet_id: 1,
            },
            Change::Released {
                client: c(),
                packet_id: 65_535,
            },
            Change::Sending {
                client: c(),
                packet_id: 2,
                message: message.clone(),
            },
            Change::Sent {
                client: c(),
                packet_id: 2,
            },
            Change::Done {
                client: c(),
                packet_id: 2,
            },
            Change::Retained {
                message: Kept {
                    expires_ms: None,
                    ids: vec![],
                    ..message.clone()
                },
            },
            Change::Willed {
                client: c(),
                will: Testament {
                    message,
                    lives_ms: None,
                    delay_ms: 5_000,
                    keep_alive_ms: 60_000,
                },
            },
            Change::Unwilled { client: c() },
            Change::Reached {
                client: c(),
                seq: 3,
            },
        ]
    }

    #[test]
    fn every_change_goes_through_the_log_unchanged() {
        let mut back = Vec::new();
        decode(&encode(&all()), |change| back.push(change)).unwrap();
        assert_eq!(back, all());
        assert!(encode(&[]).is_empty());
    }

    #[test]
    fn cut_records_and_newer_versions_are_errors() {
        let bytes = encode(&all()[8..9]);
        for end in 2..bytes.len() {
            assert!(decode(&bytes[..end], |_| ()).is_err(), "{end}");
        }
        assert!(decode(&[VERSION + 1, 1], |_| ()).is_err());
    }

    /// The first version's bytes, kept for ever.
    #[test]
    fn version_1_stays_readable() {
        let bytes = [1, 6, 1, b'c', 0xAC, 2, 7, 1, b'c', 9];
        let mut back = Vec::new();
        decode(&bytes, |change| back.push(change)).unwrap();
        assert_eq!(
            back,
            [
                Change::Cursor {
                    client: "c".into(),
                    seq: 300
                },
                Change::Received {
                    client: "c".into(),
                    packet_id: 9
                }
            ]
        );
    }
}
