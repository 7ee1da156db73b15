//! What goes to a client: its queue, the messages in flight, and where it stands in the log.
//!
//! A durable session that cannot keep up, or is away, falls [`Flow::Behind`] and reads the log from there;
//! every other session has just its queue. Both are bounded in bytes.

mod alias;
mod flight;
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
}
