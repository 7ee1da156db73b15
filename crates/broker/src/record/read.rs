//! Changes out of bytes: `None` where the bytes end early or make no sense.

use super::{Change, Kept, Testament};
use bytes::Bytes;
use gemelli_event::Seq;
use gemelli_mqtt::{
    Qos,
    packet::{RetainHandling, SubscribeOptions},
};
use std::sync::Arc;

/// Takes a change off the front.
pub fn change(from: &mut &[u8]) -> Option<Change> {
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
            share: None,
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
        16 => Change::Group {
            filter: text(from)?,
            reached: number(from)?,
            open: rising(from)?,
            given: rising(from)?,
        },
        17 => Change::Sending {
            client: text(from)?,
            packet_id: packet_id(from)?,
            message: kept(from)?,
            share: Some((text(from)?, number(from)?)),
        },
        _ => return None,
    })
}

fn rising(from: &mut &[u8]) -> Option<Vec<Seq>> {
    let count = number(from)?;
    let mut last = 0u64;
    let mut next = || {
        last = last.wrapping_add(number(from)?);
        Some(last)
    };
    (0..count).map(|_| next()).collect()
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
