//! What goes to a client: its queue, the messages in flight, and where it stands in the log.
//!
//! A durable session that cannot keep up, or is away, falls [`Flow::Behind`] and reads the log from there;
//! every other session has just its queue. Both are bounded in bytes.

mod alias;
mod message;

use crate::{
    image,
    metrics::{Counters, add, sub},
    options::Options,
    record::Change,
    session::{NOT_LOGGED, ledger::Ledger},
};
use bytes::BytesMut;
use gemelli_event::Seq;
use gemelli_mqtt::{
    Packet, Qos, Reason, Version,
    codec::Codec,
    packet::{Ack, SubscribeOptions},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering},
};

use alias::Aliases;
use message::{Flying, Queued, State};
pub use message::{Ids, Message, OVERHEAD_BYTES, Wanted};

/// Bytes that may wait in a connection's output before no more is moved there.
pub const OUTPUT_BYTES: usize = 64 << 10;

/// Where a session stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// New messages go to its queue, except those before `from`, which it has.
    Live {
        /// The first place that it has not seen.
        from: Seq,
    },
    /// It reads the log.
    Behind {
        /// The next place to read.
        from: Seq,
    },
}

/// What a session's subscription says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// How messages are wanted.
    pub options: SubscribeOptions,
    /// Its identifier.
    pub id: Option<u32>,
    /// Messages from here on are its own; of a shared subscription see [`Outbound::shares`].
    pub since: Seq,
}

/// What became of an offered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It waits for the client; true: the connection must be roused.
    Queued(bool),
    /// It is not for now: the log has it.
    Left,
    /// It is lost for this session, and counted.
    Dropped,
    /// It is lost, and the session must end for it.
    Overrun,
}

/// Limits of the connection that a session has now.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// What the client speaks.
    pub version: Version,
    /// Most messages in flight.
    pub window: u16,
    /// Largest packet that the client takes, bytes.
    pub max_packet_bytes: usize,
    /// Most topic aliases that the server may use.
    pub topic_aliases: u16,
    /// The session outlives the connection.
    pub durable: bool,
}

/// The outbound half of a session.
#[derive(Debug)]
pub struct Outbound {
    link: Link,
    connected: bool,
    roused: bool,
    next_id: u16,
    scrambled: bool,
    queue: VecDeque<Queued>,
    flying: VecDeque<Flying>,
    /// What the queue and the messages in flight count for, bytes.
    held_bytes: usize,
    /// What the message that found no room in the log's place needs, bytes.
    needed_bytes: usize,
    aliases: Aliases,
    flow: Flow,
    reached: Option<Seq>,
    /// Acknowledged messages since the cursor was last taken.
    pub acknowledged: u32,
    /// By filter, as the client wrote it.
    pub subscriptions: BTreeMap<Arc<str>, Subscription>,
    /// The shared ones among them.
    pub shares: Vec<Arc<Ledger>>,
}

impl Outbound {
    /// Of a new session.
    pub fn new() -> Self {
        Self {
            link: Link {
                version: Version::V311,
                window: 1,
                max_packet_bytes: usize::MAX,
                topic_aliases: 0,
                durable: false,
            },
            connected: false,
            roused: false,
            next_id: 0,
            scrambled: false,
            queue: VecDeque::new(),
            flying: VecDeque::new(),
            held_bytes: 0,
            needed_bytes: 0,
            aliases: Aliases::default(),
            flow: Flow::Live { from: 0 },
            reached: None,
            acknowledged: 0,
            subscriptions: BTreeMap::new(),
            shares: Vec::new(),
        }
    }

    /// Of a session that was in the log.
    pub fn restored(image: &image::Session, counters: &Counters) -> Self {
        let mut out = Self::new();
        out.link.durable = image.expiry_s.is_some();
        out.flow = Flow::Behind { from: image.cursor };
        out.reached = image.reached;
        for (filter, f) in &image.filters {
            let subscription = Subscription {
                options: f.options,
                id: f.id,
                since: f.since,
            };
            out.subscriptions.insert(filter.clone(), subscription);
        }
        for (packet_id, (kept, sent)) in &image.sending {
            out.flying.push_back(Flying {
                packet_id: *packet_id,
                state: if *sent { State::Releasing } else { State::Sent },
                queued: Queued::of(kept),
            });
            out.next_id = out.next_id.max(*packet_id);
        }
        let held = out.flying.iter().map(|f| f.queued.message.cost()).sum();
        out.hold(held, counters);
        out.scrambled = !out.flying.is_empty();
        out
    }

    /// Where it stands in the log.
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// Whether a client is connected.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether it outlives its connection.
    pub fn is_durable(&self) -> bool {
        self.link.durable
    }

    /// Whether something waits that could be sent.
    pub fn has_work(&self) -> bool {
        self.queue.front().is_some_and(|q| {
            q.wanted.qos == Qos::AtMostOnce || self.flying.len() < usize::from(self.link.window)
        })
    }

    /// Whether there is room for so much more. One message alone always has room.
    pub fn fits(&self, cost: usize, options: &Options) -> bool {
        self.held_bytes == 0 || self.held_bytes + cost <= options.queue_bytes
    }

    /// Whether the queue is empty, and there is room for what a scan brings.
    pub fn is_idle(&self, options: &Options) -> bool {
        self.queue.is_empty() && self.fits(self.needed_bytes, options)
    }

    fn hold(&mut self, bytes: usize, counters: &Counters) {
        self.held_bytes += bytes;
        add(&counters.queued_bytes_now, bytes as u64);
    }

    fn let_go(&mut self, bytes: usize, counters: &Counters) {
        self.held_bytes -= bytes;
        sub(&counters.queued_bytes_now, bytes as u64);
    }

    /// A client connected. What was under way is sent again: bytes to `out`, what must be recorded first to `changes`.
    pub fn attach(
        &mut self,
        link: Link,
        client: &Arc<str>,
        codec: &Codec,
        now_ms: i64,
        out: &mut BytesMut,
        changes: &mut Vec<(u16, Change)>,
    ) {
        self.link = link;
        self.aliases = Aliases::of(link.topic_aliases);
        self.connected = true;
        self.roused = false;
        for f in &self.flying {
            match f.state {
                State::Sent => f.send(true, link.version, now_ms, out),
                State::Releasing => {
                    codec.encode(&Packet::PubRel(Ack::new(f.packet_id, Reason::SUCCESS)), out)
                }
                State::Recording => changes.push((f.packet_id, f.recording(client))),
                State::Receiving => {
                    changes.push((
                        f.packet_id,
                        Change::Sent {
                            client: client.clone(),
                            packet_id: f.packet_id,
                        },
                    ));
                }
            }
        }
    }

    /// The client left. What waited is let go: a durable session reads it from the log, and messages of
    /// shared subscriptions are for their other members.
    pub fn detach(&mut self, delivered: Seq, counters: &Counters) {
        self.connected = false;
        self.queue.iter().for_each(Queued::give_back);
        if self.link.durable {
            let first = self
                .queue
                .iter()
                .find(|q| q.logged())
                .map(|q| q.message.seq);
            self.flow = Flow::Behind {
                from: first.unwrap_or(self.base(delivered)),
            };
        }
        self.aliases = Aliases::default();
        let waited = self.queue.iter().map(|q| q.message.cost()).sum();
        self.let_go(waited, counters);
        self.queue = VecDeque::new();
        self.flying.shrink_to_fit();
    }

    /// The session is gone for good: what it held is let go. Messages of shared subscriptions are for their
    /// other members, except those of QoS 2, which the client may have.
    pub fn discard(&mut self, counters: &Counters) {
        self.queue.iter().for_each(Queued::give_back);
        for Flying { queued, .. } in &self.flying {
            match queued.wanted.qos {
                Qos::ExactlyOnce => queued.done(),
                _ => queued.give_back(),
            }
        }
        self.queue = VecDeque::new();
        self.flying = VecDeque::new();
        self.let_go(self.held_bytes, counters);
    }

    /// Everything before this place was acknowledged; `delivered` is what all live sessions have seen.
    pub fn cursor(&self, delivered: Seq) -> Seq {
        let flying = self
            .flying
            .iter()
            .find(|f| f.queued.logged() && f.state != State::Releasing);
        let first = flying.map(|f| f.queued.message.seq);
        let queued = self
            .queue
            .iter()
            .find(|q| q.logged())
            .map(|q| q.message.seq);
        [first, queued]
            .into_iter()
            .flatten()
            .fold(self.base(delivered), Seq::min)
    }

    fn base(&self, delivered: Seq) -> Seq {
        match self.flow {
            Flow::Live { from } => from.max(delivered),
            Flow::Behind { from } => from,
        }
    }

    /// Moves it in the log.
    pub fn set_flow(&mut self, flow: Flow) {
        self.flow = flow;
    }

    /// Whether a shared subscription's message can be left with it.
    pub fn takes_shared(&self, cost: usize, options: &Options, counters: &Counters) -> bool {
        self.connected && !self.is_full(cost, options, counters)
    }

    fn is_full(&self, cost: usize, options: &Options, counters: &Counters) -> bool {
        let total = counters.queued_bytes_now.load(Ordering::Relaxed);
        !self.fits(cost, options) || total + cost as u64 > options.total_queue_bytes as u64
    }

    /// Offers a released message.
    pub fn offer(
        &mut self,
        message: &Arc<Message>,
        wanted: Wanted,
        options: &Options,
        counters: &Counters,
    ) -> Offered {
        if !self.connected {
            return Offered::Left;
        }
        let in_order = message.seq != NOT_LOGGED && wanted.shared.is_none();
        if in_order {
            match self.flow {
                Flow::Live { from } if message.seq < from => return Offered::Left,
                Flow::Behind { .. } if wanted.qos == Qos::AtMostOnce => {
                    add(&counters.dropped_qos0, 1);
                    return Offered::Dropped;
                }
                Flow::Behind { .. } => return Offered::Left,
                Flow::Live { .. } => {}
            }
        }
        if self.is_full(message.cost(), options, counters) {
            if wanted.qos == Qos::AtMostOnce {
                add(&counters.dropped_qos0, 1);
                return Offered::Dropped;
            }
            if self.link.durable && in_order {
                self.flow = Flow::Behind { from: message.seq };
                return Offered::Left;
            }
            add(&counters.dropped_slow, 1);
            return if options.disconnect_slow {
                Offered::Overrun
            } else {
                Offered::Dropped
            };
        }
        self.push(message.clone(), wanted, counters);
        Offered::Queued(!std::mem::replace(&mut self.roused, true))
    }

    /// Takes a message found in the log; false: the queue is full, come again with this one.
    pub fn offer_found(
        &mut self,
        message: Arc<Message>,
        wanted: Wanted,
        options: &Options,
        counters: &Counters,
    ) -> bool {
        let own = wanted.shared.is_none();
        let again =
            wanted.qos == Qos::ExactlyOnce && self.reached.is_some_and(|r| message.seq <= r);
        if own && (again || wanted.qos == Qos::AtMostOnce) {
            return true;
        }
        if !self.fits(message.cost(), options) {
            self.needed_bytes = message.cost();
            return false;
        }
        self.needed_bytes = 0;
        self.push(message, wanted, counters);
        true
    }

    fn push(&mut self, message: Arc<Message>, wanted: Wanted, counters: &Counters) {
        self.hold(message.cost(), counters);
        self.queue.push_back(Queued { message, wanted });
    }

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
