//! Session records: how the broker's own state stands in the log.
//!
//! A record is a version byte and one or more changes. Whole state is written as changes too (see
//! [`crate::image`]), so there is one format. Old versions stay readable; a newer one is an error.

mod read;
mod write;

use crate::Damaged;
use bytes::Bytes;
use gemelli_event::Seq;
use gemelli_mqtt::{Qos, packet::SubscribeOptions};
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
        /// The shared subscription that it comes from, and its place in the log: it needs no other member.
        share: Option<(Arc<str>, Seq)>,
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
    /// How a shared subscription of durable sessions stands.
    Group {
        /// As clients write it: `$share/<name>/<filter>`.
        filter: Arc<str>,
        /// Everything before this place in the log is done, but what is `open`.
        reached: Seq,
        /// Places before it that are not done, rising.
        open: Vec<Seq>,
        /// Of a snapshot: places that are done whatever `reached` and `open` of a later record say, rising.
        given: Vec<Seq>,
    },
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
        write::change(&mut out, change);
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
        take(read::change(&mut bytes).ok_or(DAMAGED)?);
    }
    Ok(())
}

const DAMAGED: Damaged = Damaged {
    what: "a session record",
};

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gemelli_mqtt::packet::RetainHandling;

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
                share: None,
            },
            Change::Sending {
                client: c(),
                packet_id: 3,
                message: message.clone(),
                share: Some(("$share/g/a".into(), 5)),
            },
            Change::Group {
                filter: "$share/g/a".into(),
                reached: 1 << 33,
                open: vec![3, 4, 1 << 32],
                given: vec![1 << 34],
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
