//! Messages in flight: sent, acknowledged step by step, and done.

use super::{
    OUTPUT_BYTES, Outbound,
    message::{Flying, State},
};
use crate::{
    metrics::{Counters, add},
    record::Change,
};
use bytes::BytesMut;
use gemelli_mqtt::{Packet, Qos, Reason, codec::Codec, packet::Ack};
use std::{collections::VecDeque, sync::Arc};

impl Outbound {
    /// Moves what may be sent now into `out`, until [`OUTPUT_BYTES`] wait there. QoS 2 messages of a durable
    /// session come as changes that must be durable before [`Outbound::recorded`] sends them.
    pub fn pull(
        &mut self,
        client: &Arc<str>,
        now_ms: i64,
        out: &mut BytesMut,
        changes: &mut Vec<(u16, Change)>,
        counters: &Counters,
    ) {
        self.roused = false;
        let (mut sent, mut bytes, mut expired, mut large) = (0, 0, 0, 0);
        while out.len() < OUTPUT_BYTES && self.has_work() {
            let Some(queued) = self.queue.pop_front() else {
                break;
            };
            let cost = queued.message.cost();
            if queued.message.expires_ms.is_some_and(|at| at <= now_ms) {
                expired += 1;
                queued.done();
                self.let_go(cost, counters);
                continue;
            }
            let alias = self.aliases.find(&queued.message.topic);
            let packet = alias.on(queued.outgoing(0, false, now_ms));
            if packet.encoded_len(self.link.version) > self.link.max_packet_bytes {
                large += 1;
                queued.done();
                self.let_go(cost, counters);
                continue;
            }
            (sent, bytes) = (sent + 1, bytes + queued.message.payload.len() as u64);
            if queued.wanted.qos == Qos::AtMostOnce {
                packet.encode(self.link.version, out);
                self.aliases.sent(alias, &queued.message.topic);
                queued.done();
                self.let_go(cost, counters);
                continue;
            }
            let packet_id = self.free_id();
            let mut flying = Flying {
                packet_id,
                state: State::Sent,
                queued,
            };
            if self.link.durable && flying.queued.wanted.qos == Qos::ExactlyOnce {
                flying.state = State::Recording;
                if flying.queued.logged() {
                    self.reached = self.reached.max(Some(flying.queued.message.seq));
                }
                changes.push((packet_id, flying.recording(client)));
            } else {
                let packet = flying.queued.outgoing(packet_id, false, now_ms);
                alias.on(packet).encode(self.link.version, out);
                self.aliases.sent(alias, &flying.queued.message.topic);
                if flying.queued.wanted.qos == Qos::ExactlyOnce {
                    flying.queued.done();
                }
            }
            self.flying.push_back(flying);
        }
        if self.queue.is_empty() && self.queue.capacity() > 64 {
            self.queue = VecDeque::new();
        }
        for (counter, n) in [
            (&counters.sent, sent),
            (&counters.sent_bytes, bytes),
            (&counters.dropped_expired, expired),
            (&counters.dropped_too_large, large),
        ] {
            if n > 0 {
                add(counter, n);
            }
        }
    }

    /// The change of this packet id is durable: what it held back is sent.
    pub fn recorded(&mut self, packet_id: u16, codec: &Codec, now_ms: i64, out: &mut BytesMut) {
        let version = self.link.version;
        let Some(f) = self.flying.iter_mut().find(|f| f.packet_id == packet_id) else {
            return;
        };
        match f.state {
            State::Recording => {
                f.state = State::Sent;
                f.queued.done();
                f.send(false, version, now_ms, out);
            }
            State::Receiving => {
                f.state = State::Releasing;
                codec.encode(&Packet::PubRel(Ack::new(packet_id, Reason::SUCCESS)), out);
            }
            State::Sent | State::Releasing => {}
        }
    }

    /// PUBACK: the message is done, whatever its reason. Unknown ones are ignored, as the specification wants.
    pub fn puback(&mut self, packet_id: u16, counters: &Counters) {
        self.finish(packet_id, Qos::AtLeastOnce, counters);
    }

    /// PUBREC.
    pub fn pubrec(
        &mut self,
        client: &Arc<str>,
        ack: &Ack,
        codec: &Codec,
        out: &mut BytesMut,
        changes: &mut Vec<(u16, Change)>,
        counters: &Counters,
    ) {
        let packet_id = ack.packet_id;
        let durable = self.link.durable;
        let flying = self
            .flying
            .iter_mut()
            .find(|f| f.packet_id == packet_id && f.queued.wanted.qos == Qos::ExactlyOnce);
        let Some(f) = flying else {
            return codec.encode(
                &Packet::PubRel(Ack::new(packet_id, Reason::PACKET_ID_NOT_FOUND)),
                out,
            );
        };
        if ack.reason.is_failure() {
            self.finish(packet_id, Qos::ExactlyOnce, counters);
            if durable {
                changes.push((
                    0,
                    Change::Done {
                        client: client.clone(),
                        packet_id,
                    },
                ));
            }
            return;
        }
        match f.state {
            State::Sent if durable => {
                f.state = State::Receiving;
                changes.push((
                    packet_id,
                    Change::Sent {
                        client: client.clone(),
                        packet_id,
                    },
                ));
            }
            State::Sent | State::Releasing => {
                f.state = State::Releasing;
                codec.encode(&Packet::PubRel(Ack::new(packet_id, Reason::SUCCESS)), out);
            }
            State::Recording | State::Receiving => {}
        }
    }

    /// PUBCOMP.
    pub fn pubcomp(
        &mut self,
        client: &Arc<str>,
        packet_id: u16,
        changes: &mut Vec<(u16, Change)>,
        counters: &Counters,
    ) {
        if self.finish(packet_id, Qos::ExactlyOnce, counters) && self.link.durable {
            changes.push((
                0,
                Change::Done {
                    client: client.clone(),
                    packet_id,
                },
            ));
        }
    }

    fn finish(&mut self, packet_id: u16, qos: Qos, counters: &Counters) -> bool {
        // Acknowledgements come in order, so this is nearly always the first.
        let at = self
            .flying
            .iter()
            .position(|f| f.packet_id == packet_id && f.queued.wanted.qos == qos);
        let Some(done) = at.and_then(|at| self.flying.remove(at)) else {
            return false;
        };
        done.queued.done();
        self.let_go(done.queued.message.cost(), counters);
        self.acknowledged += 1;
        if self.flying.is_empty() {
            self.scrambled = false;
            if self.flying.capacity() > 64 {
                self.flying = VecDeque::new();
            }
        }
        true
    }

    /// Packet ids in flight rise from the oldest to the newest, so a new one can only meet the oldest;
    /// once it has, or after a restart, all are searched.
    fn free_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            if !self.scrambled
                && self
                    .flying
                    .front()
                    .is_some_and(|f| f.packet_id == self.next_id)
            {
                self.scrambled = true;
            }
            if !self.scrambled || !self.flying.iter().any(|f| f.packet_id == self.next_id) {
                return self.next_id;
            }
        }
    }
}
