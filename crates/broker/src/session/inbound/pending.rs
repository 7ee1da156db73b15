//! What waits for the log: answers in the order in which the client sent what they answer.

use super::{Inbound, Reached};
use crate::{
    host::{Negative, Unavailable},
    record::Change,
    session::Session,
};
use bytes::BytesMut;
use gemelli_mqtt::{
    Packet, Reason, Version,
    codec::Codec,
    packet::{Ack, Disconnect, SubAck},
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

#[derive(Debug)]
pub(super) enum Pending {
    PubAck {
        packet_id: u16,
        ticket: u64,
    },
    PubRec {
        packet_id: u16,
        ticket: u64,
    },
    /// For a message that came before: its id stays taken whatever becomes of this batch.
    PubRecAgain {
        packet_id: u16,
    },
    PubComp {
        packet_id: u16,
        reason: Reason,
    },
    SubAck(Box<SubAck>),
    UnsubAck(Box<SubAck>),
    Recorded {
        packet_id: u16,
    },
}

impl Pending {
    /// Whether a relaxed connection answers it before it is durable: what the session itself stands on is not.
    fn may_be_early(&self) -> bool {
        match self {
            Self::PubAck { .. }
            | Self::PubRec { .. }
            | Self::PubRecAgain { .. }
            | Self::PubComp { .. } => true,
            Self::SubAck(_) | Self::UnsubAck(_) | Self::Recorded { .. } => false,
        }
    }
}

impl Inbound {
    /// Answers a SUBSCRIBE in turn.
    pub fn suback(&mut self, ack: SubAck) {
        self.hold(Pending::SubAck(Box::new(ack)));
    }

    /// Answers an UNSUBSCRIBE in turn.
    pub fn unsuback(&mut self, ack: SubAck) {
        self.hold(Pending::UnsubAck(Box::new(ack)));
    }

    pub(super) fn hold(&mut self, pending: Pending) {
        self.pending.push_back(pending);
        self.unadmitted += 1;
    }

    /// The items taken last were refused. MQTT 5 clients are told per message; an older client, one that waits for
    /// something that has no negative answer, or one whose session changed, must be disconnected so that it repeats.
    pub fn unavailable(
        &mut self,
        why: &Unavailable,
        received: &mut BTreeSet<u16>,
    ) -> Option<Disconnect> {
        let text: Arc<str> = why.reason.as_str().into();
        let end = self.pending.len() - self.unadmitted;
        let mut only_messages = !self.changing;
        for pending in self.pending.range(end - self.admitting..end) {
            match pending {
                Pending::PubAck { ticket, .. } => {
                    self.negatives.push((
                        *ticket,
                        Negative {
                            reason: Reason::QUOTA_EXCEEDED,
                            text: text.clone(),
                        },
                    ));
                }
                Pending::PubRec { packet_id, ticket } => {
                    received.remove(packet_id);
                    self.negatives.push((
                        *ticket,
                        Negative {
                            reason: Reason::QUOTA_EXCEEDED,
                            text: text.clone(),
                        },
                    ));
                }
                _ => only_messages = false,
            }
        }
        if only_messages && self.settings.version == Version::V5 {
            // Its presence, if it was among the items, is told with the next message.
            self.published = false;
            self.admitted(self.last_number);
            return None;
        }
        Some(Disconnect {
            reason_string: Some(why.reason.as_str().into()),
            ..Disconnect::new(Reason::QUOTA_EXCEEDED)
        })
    }

    /// The connection ends: what was taken but not admitted counts as never received.
    pub fn forget(&mut self, received: &mut BTreeSet<u16>) {
        let first = self.pending.len() - self.unadmitted - self.admitting;
        for pending in self.pending.range(first..) {
            if let Pending::PubRec { packet_id, .. } = pending {
                received.remove(packet_id);
            }
        }
    }

    /// Writes what is covered now.
    pub fn released(
        &mut self,
        reached: Reached,
        codec: &Codec,
        now_ms: i64,
        session: &Session,
        out: &mut BytesMut,
    ) {
        if self.verdicts.as_ref().is_some_and(|v| v.any()) {
            let taken = self.verdicts.as_ref().map(|v| v.take()).unwrap_or_default();
            self.refused += taken.len() as u64;
            self.negatives.extend(taken);
        }
        while let Some(&(count, needed)) = self.batches.front() {
            let durable = needed <= reached.durable;
            if !durable && needed > reached.judged {
                return;
            }
            for left in (1..=count).rev() {
                if !durable && !self.pending.front().is_some_and(Pending::may_be_early) {
                    if let Some(batch) = self.batches.front_mut() {
                        batch.0 = left;
                    }
                    return;
                }
                let Some(pending) = self.pending.pop_front() else {
                    break;
                };
                self.answer(pending, codec, now_ms, session, out);
            }
            self.batches.pop_front();
        }
        if self.pending.is_empty() {
            self.negatives.clear();
            if self.pending.capacity() > 64 {
                self.pending = VecDeque::new();
            }
            self.batches = VecDeque::new();
        }
    }

    fn answer(
        &mut self,
        pending: Pending,
        codec: &Codec,
        now_ms: i64,
        session: &Session,
        out: &mut BytesMut,
    ) {
        let packet = match pending {
            Pending::PubAck { packet_id, ticket } => {
                self.open = self.open.saturating_sub(1);
                Packet::PubAck(self.verdict(packet_id, ticket))
            }
            Pending::PubRec { packet_id, ticket } => {
                let ack = self.verdict(packet_id, ticket);
                if ack.reason.is_failure() && self.settings.version == Version::V5 {
                    self.open = self.open.saturating_sub(1);
                    session.received.lock().remove(&packet_id);
                    if self.settings.durable {
                        self.change(&Change::Released {
                            client: self.settings.client.clone(),
                            packet_id,
                        });
                    }
                }
                Packet::PubRec(ack)
            }
            Pending::PubRecAgain { packet_id } => {
                Packet::PubRec(Ack::new(packet_id, Reason::SUCCESS))
            }
            Pending::PubComp { packet_id, reason } => {
                self.open = self.open.saturating_sub(1);
                Packet::PubComp(Ack::new(packet_id, reason))
            }
            Pending::SubAck(ack) => Packet::SubAck(ack),
            Pending::UnsubAck(ack) => Packet::UnsubAck(ack),
            Pending::Recorded { packet_id } => {
                return session
                    .outbound
                    .lock()
                    .recorded(packet_id, codec, now_ms, out);
            }
        };
        codec.encode(&packet, out);
    }

    fn verdict(&mut self, packet_id: u16, ticket: u64) -> Ack {
        let mut ack = Ack::new(packet_id, Reason::SUCCESS);
        if !self.negatives.is_empty()
            && let Some(at) = self.negatives.iter().position(|(t, _)| *t == ticket)
        {
            let (_, negative) = self.negatives.swap_remove(at);
            ack.reason = negative.reason;
            ack.reason_string = self
                .settings
                .reason_strings
                .then(|| (&*negative.text).into());
        }
        ack
    }
}
