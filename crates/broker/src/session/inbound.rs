//! What a client publishes, and the acknowledgements that wait for the log.
//!
//! Everything that must be durable before it is answered stands in one queue, in the order in which the client
//! sent it: what a batch admitted, its number covers. So acknowledgements are in order by construction, and a
//! release writes all that it covers at once. No message allocates here beyond its topic and its item.

use crate::{
    host::{self, Item, Negative, Presence, Publish, Unavailable, Verdicts},
    record::{self, Change, Kept},
    session::{NOT_LOGGED, Session},
};
use bytes::BytesMut;
use gemelli_mqtt::{
    Malformed, Packet, Qos, Reason, Version,
    codec::Codec,
    packet::{self, Ack, Disconnect, SubAck},
    properties,
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

/// What the session asks before it takes a message.
pub trait Gate {
    /// Whether the client may publish to this topic.
    fn may_publish(&self, topic: &str) -> bool;
    /// Whether there is room for one more retained message.
    fn may_retain(&self, topic: &str, bytes: usize) -> bool;
    /// Whether messages must say who sent them.
    fn names_senders(&self) -> bool;
}

/// How far the log is.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// Everything up to this admission number is durable and released.
    pub durable: u64,
    /// Everything up to this one is judged: on a relaxed connection that is enough for an acknowledgement.
    pub judged: u64,
}

impl From<u64> for Reached {
    /// On a connection that is not relaxed.
    fn from(durable: u64) -> Self {
        Self {
            durable,
            judged: durable,
        }
    }
}

/// What is fixed for a connection.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The client's id.
    pub client: Arc<str>,
    /// What it speaks.
    pub version: Version,
    /// Most QoS 1 and 2 messages that it may have unacknowledged.
    pub receive_maximum: usize,
    /// Most topic aliases that it may use.
    pub topic_aliases: u16,
    /// The session outlives the connection.
    pub durable: bool,
    /// It wants reason strings.
    pub reason_strings: bool,
    /// Messages are acknowledged once they are judged, before they are durable.
    pub relaxed: bool,
}

#[derive(Debug)]
enum Pending {
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

/// The inbound half of a session, for one connection.
#[derive(Debug)]
pub struct Inbound {
    settings: Settings,
    aliases: Vec<Option<Arc<str>>>,
    /// The topic of the last message, and that it is allowed: devices repeat themselves.
    last_topic: Option<Arc<str>>,
    pending: VecDeque<Pending>,
    /// How many of `pending` belong to a batch, and the number that releases it.
    batches: VecDeque<(usize, u64)>,
    /// How many of `pending`, after those in batches, are being admitted, and how many will be next.
    admitting: usize,
    unadmitted: usize,
    last_number: u64,
    open: usize,
    ticket: u64,
    verdicts: Option<Arc<Verdicts>>,
    negatives: Vec<(u64, Negative)>,
    items: Vec<Item>,
    /// Whether `items`, and the items being admitted, hold changes of the session.
    changed: bool,
    changing: bool,
    published: bool,
    /// Messages refused here.
    pub refused: u64,
    /// QoS 2 messages that came again.
    pub duplicates: u64,
}

impl Inbound {
    /// For a new connection; `last_number` covers what the client's earlier connection admitted.
    pub fn new(settings: Settings, last_number: u64) -> Self {
        Self {
            settings,
            aliases: Vec::new(),
            last_topic: None,
            pending: VecDeque::new(),
            batches: VecDeque::new(),
            admitting: 0,
            unadmitted: 0,
            last_number,
            open: 0,
            ticket: 0,
            verdicts: None,
            negatives: Vec::new(),
            items: Vec::new(),
            changed: false,
            changing: false,
            published: false,
            refused: 0,
            duplicates: 0,
        }
    }

    /// What is fixed for the connection.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether it published anything.
    pub fn has_published(&self) -> bool {
        self.published
    }

    /// Whether so much waits for the log that no more should be read. An MQTT 5 client knows how much it may
    /// send, and must be caught when it sends more; others are held back.
    pub fn is_full(&self) -> bool {
        let most = match self.settings.version {
            Version::V5 => 2 * self.settings.receive_maximum + 64,
            _ => self.settings.receive_maximum,
        };
        self.pending.len() >= most
    }

    /// Whether something waits for the log.
    pub fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The number that covers everything admitted so far.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// A PUBLISH.
    pub fn publish(
        &mut self,
        publish: packet::Publish,
        received: &mut BTreeSet<u16>,
        now_ms: i64,
        gate: &impl Gate,
    ) -> Result<(), Malformed> {
        if publish.hop_properties
            && properties::subscription_ids(&publish.properties)
                .next()
                .is_some()
        {
            return Err(Malformed::protocol(
                "a subscription identifier in a client's PUBLISH",
            ));
        }
        let topic = self.topic(&publish)?;
        let qos = publish.qos;
        if qos != Qos::AtMostOnce {
            if self.settings.version == Version::V5 && self.open >= self.settings.receive_maximum {
                return Err(Malformed {
                    reason: Reason::RECEIVE_MAXIMUM_EXCEEDED,
                    what: "more unacknowledged messages than CONNACK's receive maximum",
                });
            }
            self.open += 1;
        }
        if qos == Qos::ExactlyOnce && received.contains(&publish.packet_id) {
            self.duplicates += 1;
            self.hold(Pending::PubRecAgain {
                packet_id: publish.packet_id,
            });
            return Ok(());
        }
        let refusal = self.judge(&topic, &publish, gate);
        let refused = refusal.is_some();
        if !refused {
            self.admit(topic, &publish, now_ms, gate);
            if qos == Qos::ExactlyOnce {
                received.insert(publish.packet_id);
            }
        }
        if let Some(negative) = refusal {
            self.refused += 1;
            if qos != Qos::AtMostOnce {
                self.negatives.push((self.ticket, negative));
            }
        }
        match qos {
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce => self.hold(Pending::PubAck {
                packet_id: publish.packet_id,
                ticket: self.ticket,
            }),
            Qos::ExactlyOnce => self.hold(Pending::PubRec {
                packet_id: publish.packet_id,
                ticket: self.ticket,
            }),
        }
        self.ticket += 1;
        Ok(())
    }

    fn topic(&mut self, publish: &packet::Publish) -> Result<Arc<str>, Malformed> {
        let wrong = |what| {
            Err(Malformed {
                reason: Reason::TOPIC_ALIAS_INVALID,
                what,
            })
        };
        let topic = if publish.topic.is_empty() {
            None
        } else {
            match &self.last_topic {
                Some(last) if **last == *publish.topic => Some(last.clone()),
                _ => Some(Arc::from(&*publish.topic)),
            }
        };
        let Some(alias) = publish.topic_alias else {
            return topic.ok_or(Malformed::protocol("a PUBLISH without topic"));
        };
        if alias > self.settings.topic_aliases {
            return wrong("a topic alias above CONNACK's maximum");
        }
        let at = usize::from(alias) - 1;
        if self.aliases.len() <= at {
            self.aliases.resize(at + 1, None);
        }
        let Some(slot) = self.aliases.get_mut(at) else {
            return wrong("a topic alias above CONNACK's maximum");
        };
        match topic {
            Some(topic) => {
                *slot = Some(topic.clone());
                Ok(topic)
            }
            None => slot.clone().ok_or(Malformed::protocol(
                "a topic alias that stands for no topic yet",
            )),
        }
    }

    fn judge(
        &mut self,
        topic: &Arc<str>,
        publish: &packet::Publish,
        gate: &impl Gate,
    ) -> Option<Negative> {
        let known = self
            .last_topic
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, topic) || last == topic);
        if !known {
            if topic.starts_with('$') {
                return no(
                    Reason::NOT_AUTHORIZED,
                    "topics that start with $ belong to the server: choose another",
                );
            }
            if !gate.may_publish(topic) {
                return no(
                    Reason::NOT_AUTHORIZED,
                    "the principal may not publish to this topic: ask for a policy that allows it",
                );
            }
            self.last_topic = Some(topic.clone());
        }
        if publish.retain
            && !publish.payload.is_empty()
            && !gate.may_retain(topic, publish.payload.len())
        {
            return no(
                Reason::QUOTA_EXCEEDED,
                "no room for another retained message: clear some, or raise the broker's limit",
            );
        }
        None
    }

    fn admit(&mut self, topic: Arc<str>, publish: &packet::Publish, now_ms: i64, gate: &impl Gate) {
        let settings = &self.settings;
        if !self.published {
            self.published = true;
            self.items.push(Item::Presence(Presence {
                client: settings.client.clone(),
                connected: true,
            }));
        }
        let wire = if publish.hop_properties {
            properties::forwarded(&publish.properties).into()
        } else {
            publish.properties.clone()
        };
        let expires_ms = publish
            .expiry_s
            .map(|s| now_ms.saturating_add(i64::from(s) * 1_000));
        let mut changes = Vec::new();
        if publish.qos == Qos::ExactlyOnce && settings.durable {
            changes.push(Change::Received {
                client: settings.client.clone(),
                packet_id: publish.packet_id,
            });
        }
        let mut retained = Vec::new();
        if publish.retain {
            retained.push(Change::Retained {
                message: Kept {
                    seq: NOT_LOGGED,
                    topic: topic.clone(),
                    payload: publish.payload.clone(),
                    qos: publish.qos,
                    retain: true,
                    properties: wire.clone(),
                    expires_ms,
                    ids: Vec::new(),
                },
            });
        }
        let sender = gate.names_senders().then_some(&*settings.client);
        let reply = (publish.qos != Qos::AtMostOnce).then(|| {
            self.verdicts
                .get_or_insert_with(Arc::default)
                .reply(self.ticket)
        });
        self.items.push(Item::Publish(Publish {
            client: settings.client.clone(),
            topic,
            payload: publish.payload.clone(),
            qos: publish.qos.number(),
            retain: publish.retain,
            properties: host::encode_properties(&wire, publish.retain, sender),
            expires_ms,
            journal: record::encode(&changes),
            retained: record::encode(&retained),
            reply,
            will: false,
        }));
    }

    /// A PUBREL.
    pub fn pubrel(&mut self, packet_id: u16, received: &mut BTreeSet<u16>) {
        let known = received.remove(&packet_id);
        if known && self.settings.durable {
            self.change(&Change::Released {
                client: self.settings.client.clone(),
                packet_id,
            });
        }
        let reason = if known {
            Reason::SUCCESS
        } else {
            Reason::PACKET_ID_NOT_FOUND
        };
        self.hold(Pending::PubComp { packet_id, reason });
    }

    /// Queues items that nothing waits for.
    pub fn add(&mut self, items: Vec<Item>) {
        self.changed |= !items.is_empty();
        self.items.extend(items);
    }

    /// Queues a change for the log.
    pub fn change(&mut self, change: &Change) {
        self.changes(std::slice::from_ref(change));
    }

    /// Queues changes that stand together in the log, or not at all.
    pub fn changes(&mut self, changes: &[Change]) {
        if !changes.is_empty() {
            self.changed = true;
            self.items.push(Item::Session(record::encode(changes)));
        }
    }

    /// Queues changes of the outbound half; what they hold back is sent once they are durable.
    pub fn outbound_changes(&mut self, changes: Vec<(u16, Change)>) {
        for (packet_id, change) in changes {
            self.change(&change);
            if packet_id != 0 {
                self.hold(Pending::Recorded { packet_id });
            }
        }
    }

    /// Answers a SUBSCRIBE in turn.
    pub fn suback(&mut self, ack: SubAck) {
        self.hold(Pending::SubAck(Box::new(ack)));
    }

    /// Answers an UNSUBSCRIBE in turn.
    pub fn unsuback(&mut self, ack: SubAck) {
        self.hold(Pending::UnsubAck(Box::new(ack)));
    }

    fn hold(&mut self, pending: Pending) {
        self.pending.push_back(pending);
        self.unadmitted += 1;
    }

    /// What is to be admitted now. Nothing: what waits is covered by what was admitted before.
    pub fn take_items(&mut self) -> Vec<Item> {
        self.admitting += std::mem::take(&mut self.unadmitted);
        self.changing = std::mem::take(&mut self.changed);
        if self.items.is_empty() {
            self.admitted(self.last_number);
        }
        std::mem::take(&mut self.items)
    }

    /// The items taken last were admitted, up to this number.
    pub fn admitted(&mut self, number: u64) {
        self.last_number = self.last_number.max(number);
        let count = std::mem::take(&mut self.admitting);
        if count > 0 {
            self.batches.push_back((count, self.last_number));
        }
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

fn no(reason: Reason, text: &str) -> Option<Negative> {
    Some(Negative {
        reason,
        text: text.into(),
    })
}
