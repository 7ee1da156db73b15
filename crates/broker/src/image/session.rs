//! What a session's records add up to.

use crate::{
    record::{Change, Kept, Testament},
    session::NOT_LOGGED,
};
use bytes::Bytes;
use gemelli_event::Seq;
use gemelli_mqtt::packet::SubscribeOptions;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One session, or just the will of one that is not durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// It is durable: lives this many seconds without a connection.
    pub expiry_s: Option<u32>,
    /// Since when it has none, milliseconds since 1970.
    pub closed_ms: Option<i64>,
    /// Everything before was acknowledged.
    pub cursor: Seq,
    /// Its subscriptions.
    pub filters: BTreeMap<Arc<str>, Filter>,
    /// Packet ids of QoS 2 messages that came and were not released.
    pub received: BTreeSet<u16>,
    /// QoS 2 messages under way to the client; true: it has them, only PUBREL is repeated.
    pub sending: BTreeMap<u16, (Kept, bool)>,
    /// QoS 2 messages up to this place were given a packet id.
    pub reached: Option<Seq>,
    /// Its will.
    pub will: Option<Box<Testament>>,
}

/// A subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// How messages are wanted.
    pub options: SubscribeOptions,
    /// Its identifier.
    pub id: Option<u32>,
    /// Messages from here on are its own.
    pub since: Seq,
}

impl Session {
    /// Folds a change of this session.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Opened { expiry_s, .. } => {
                self.expiry_s = Some(expiry_s);
                self.closed_ms = None;
            }
            Change::Closed {
                at_ms,
                expiry_s,
                cursor,
                ..
            } => {
                self.expiry_s = Some(expiry_s);
                self.closed_ms = Some(at_ms);
                self.cursor = cursor;
            }
            Change::Ended { .. } => {
                *self = Self {
                    will: self.will.take(),
                    ..Self::default()
                }
            }
            Change::Subscribed {
                filter,
                options,
                id,
                since,
                ..
            } => {
                self.filters.insert(filter, Filter { options, id, since });
            }
            Change::Unsubscribed { filter, .. } => {
                self.filters.remove(&filter);
            }
            Change::Cursor { seq, .. } => self.cursor = seq,
            Change::Received { packet_id, .. } => {
                self.received.insert(packet_id);
            }
            Change::Released { packet_id, .. } => {
                self.received.remove(&packet_id);
            }
            Change::Sending {
                packet_id, message, ..
            } => {
                if message.seq != NOT_LOGGED {
                    self.reached = self.reached.max(Some(message.seq));
                }
                self.sending.insert(packet_id, (message, false));
            }
            Change::Sent { packet_id, .. } => {
                if let Some((message, sent)) = self.sending.get_mut(&packet_id) {
                    *sent = true;
                    message.payload = Bytes::new();
                }
            }
            Change::Done { packet_id, .. } => {
                self.sending.remove(&packet_id);
            }
            Change::Willed { will, .. } => self.will = Some(Box::new(will)),
            Change::Unwilled { .. } => self.will = None,
            Change::Reached { seq, .. } => self.reached = self.reached.max(Some(seq)),
            Change::Retained { .. } | Change::Group { .. } => {}
        }
    }
}

/// The changes that make a session what it is.
pub(super) fn changes(client: &Arc<str>, session: &Session) -> Vec<Change> {
    let c = || client.clone();
    let mut out = Vec::new();
    if let Some(expiry_s) = session.expiry_s {
        out.push(Change::Opened {
            client: c(),
            expiry_s,
        });
        if let Some(at_ms) = session.closed_ms {
            out.push(Change::Closed {
                client: c(),
                at_ms,
                expiry_s,
                cursor: session.cursor,
            });
        } else {
            out.push(Change::Cursor {
                client: c(),
                seq: session.cursor,
            });
        }
    }
    for (filter, Filter { options, id, since }) in &session.filters {
        out.push(Change::Subscribed {
            client: c(),
            filter: filter.clone(),
            options: *options,
            id: *id,
            since: *since,
        });
    }
    out.extend(session.received.iter().map(|id| Change::Received {
        client: c(),
        packet_id: *id,
    }));
    for (packet_id, (message, sent)) in &session.sending {
        out.push(Change::Sending {
            client: c(),
            packet_id: *packet_id,
            message: message.clone(),
            share: None,
        });
        if *sent {
            out.push(Change::Sent {
                client: c(),
                packet_id: *packet_id,
            });
        }
    }
    out.extend(
        session
            .reached
            .map(|seq| Change::Reached { client: c(), seq }),
    );
    out.extend(session.will.iter().map(|will| Change::Willed {
        client: c(),
        will: (**will).clone(),
    }));
    out
}
