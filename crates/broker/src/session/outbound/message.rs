//! Messages on their way to clients: shared by all who get them, and how each one gets them.

use crate::{
    record::{Change, Kept},
    session::{NOT_LOGGED, ledger::Ledger},
};
use bytes::{Bytes, BytesMut};
use gemelli_event::Seq;
use gemelli_mqtt::{Outgoing, Qos, Version};
use std::sync::Arc;

/// What a queued message costs beside its text, bytes.
pub const OVERHEAD_BYTES: usize = 160;

/// A message on its way out, shared by all who get it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its place in the log.
    pub seq: Seq,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its payload.
    pub payload: Bytes,
    /// Its properties in wire form.
    pub properties: Bytes,
    /// Quality of service with which it came.
    pub qos: Qos,
    /// When it expires, milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

impl Message {
    /// What it counts for in a queue, bytes.
    pub fn cost(&self) -> usize {
        OVERHEAD_BYTES + self.topic.len() + self.payload.len() + self.properties.len()
    }
}

/// How one session gets a message.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// With this quality.
    pub qos: Qos,
    /// With this retain flag.
    pub retain: bool,
    /// It comes through this shared subscription: it stands nowhere in this session's own order.
    pub shared: Option<Arc<Ledger>>,
    /// For these subscriptions.
    pub ids: Ids,
}

/// Subscription identifiers: mostly none.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ids {
    /// None.
    #[default]
    None,
    /// One.
    One([u32; 1]),
    /// Several.
    Many(Vec<u32>),
}

impl Ids {
    /// Adds one.
    pub fn push(&mut self, id: u32) {
        match self {
            Self::None => *self = Self::One([id]),
            Self::One([first]) => *self = Self::Many(vec![*first, id]),
            Self::Many(ids) => ids.push(id),
        }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(id) => id,
            Self::Many(ids) => ids,
        }
    }
}

/// A message that waits for one session.
#[derive(Debug)]
pub struct Queued {
    /// The message.
    pub message: Arc<Message>,
    /// How the session gets it.
    pub wanted: Wanted,
}

/// A QoS 1 or 2 message under way to the client.
#[derive(Debug)]
pub struct Flying {
    /// Its packet id.
    pub packet_id: u16,
    /// How far it is.
    pub state: State,
    /// What it is.
    pub queued: Queued,
}

/// How far a message in flight is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its packet id is on its way to the log; PUBLISH not sent.
    Recording,
    /// PUBLISH sent; waits for PUBACK or PUBREC.
    Sent,
    /// PUBREC is on its way to the log; PUBREL not sent.
    Receiving,
    /// PUBREL sent; waits for PUBCOMP.
    Releasing,
}

impl Queued {
    /// From the log.
    pub fn of(kept: &Kept) -> Self {
        let mut ids = Ids::None;
        kept.ids.iter().for_each(|id| ids.push(*id));
        Self {
            message: Arc::new(Message {
                seq: kept.seq,
                topic: kept.topic.clone(),
                payload: kept.payload.clone(),
                properties: kept.properties.clone(),
                qos: kept.qos,
                expires_ms: kept.expires_ms,
            }),
            wanted: Wanted {
                qos: kept.qos,
                retain: kept.retain,
                shared: None,
                ids,
            },
        }
    }

    /// Whether the session's place in the log depends on it.
    pub fn logged(&self) -> bool {
        self.message.seq != NOT_LOGGED
            && self.wanted.shared.is_none()
            && self.wanted.qos != Qos::AtMostOnce
    }

    /// The shared subscription that it comes from, if it has a place in the log.
    fn share(&self) -> Option<&Arc<Ledger>> {
        let ledger = self.wanted.shared.as_ref();
        ledger.filter(|_| self.message.seq != NOT_LOGGED)
    }

    /// It needs no other member of its shared subscription.
    pub fn done(&self) {
        if let Some(ledger) = self.share() {
            ledger.done(self.message.seq);
        }
    }

    /// It is for another member of its shared subscription.
    pub fn give_back(&self) {
        if let Some(ledger) = self.share() {
            ledger.give_back(self.message.seq);
        }
    }

    /// The PUBLISH that carries it.
    pub fn outgoing(&self, packet_id: u16, dup: bool, now_ms: i64) -> Outgoing<'_> {
        let left_ms = self
            .message
            .expires_ms
            .map(|at| at.saturating_sub(now_ms).max(0));
        Outgoing {
            dup,
            retain: self.wanted.retain,
            qos: self.wanted.qos,
            packet_id,
            topic: &self.message.topic,
            own: &self.message.properties,
            expiry_s: left_ms.map(|ms| u32::try_from((ms + 999) / 1_000).unwrap_or(u32::MAX)),
            subscription_ids: self.wanted.ids.as_slice(),
            ..Outgoing::new(&self.message.payload)
        }
    }
}

impl Flying {
    /// Appends its PUBLISH.
    pub fn send(&self, dup: bool, version: Version, now_ms: i64, out: &mut BytesMut) {
        self.queued
            .outgoing(self.packet_id, dup, now_ms)
            .encode(version, out);
    }

    /// What the log must say before its PUBLISH leaves.
    pub fn recording(&self, client: &Arc<str>) -> Change {
        let m = &self.queued.message;
        Change::Sending {
            client: client.clone(),
            packet_id: self.packet_id,
            message: Kept {
                seq: if self.queued.logged() {
                    m.seq
                } else {
                    NOT_LOGGED
                },
                topic: m.topic.clone(),
                payload: m.payload.clone(),
                qos: self.queued.wanted.qos,
                retain: self.queued.wanted.retain,
                properties: m.properties.clone(),
                expires_ms: m.expires_ms,
                ids: self.queued.wanted.ids.as_slice().to_vec(),
            },
            share: (self.queued.share()).map(|ledger| (ledger.filter.clone(), m.seq)),
        }
    }
}
