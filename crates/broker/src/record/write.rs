//! Changes as bytes.

use super::{Change, Kept};
use gemelli_event::Seq;

/// Appends a change.
pub fn change(out: &mut Vec<u8>, change: &Change) {
    let tag = match change {
        Change::Opened { .. } => 1,
        Change::Closed { .. } => 2,
        Change::Ended { .. } => 3,
        Change::Subscribed { .. } => 4,
        Change::Unsubscribed { .. } => 5,
        Change::Cursor { .. } => 6,
        Change::Received { .. } => 7,
        Change::Released { .. } => 8,
        Change::Sending { share: None, .. } => 9,
        Change::Sent { .. } => 10,
        Change::Done { .. } => 11,
        Change::Retained { .. } => 12,
        Change::Willed { .. } => 13,
        Change::Unwilled { .. } => 14,
        Change::Reached { .. } => 15,
        Change::Group { .. } => 16,
        Change::Sending { share: Some(_), .. } => 17,
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
            share,
        } => {
            put_text(out, client);
            put_number(out, u64::from(*packet_id));
            put_kept(out, message);
            if let Some((filter, seq)) = share {
                put_text(out, filter);
                put_number(out, *seq);
            }
        }
        Change::Group {
            filter,
            reached,
            open,
            given,
        } => {
            put_text(out, filter);
            put_number(out, *reached);
            put_rising(out, open);
            put_rising(out, given);
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

/// Places that rise lie close together: their distances are written.
fn put_rising(out: &mut Vec<u8>, places: &[Seq]) {
    put_number(out, places.len() as u64);
    let mut last = 0;
    for place in places {
        put_number(out, place.wrapping_sub(last));
        last = *place;
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
