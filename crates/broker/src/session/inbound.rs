//! What a client publishes, and the acknowledgements that wait for the log.
//!
//! Everything that must be durable before it is answered stands in one queue, in the order in which the client
//! sent it: what a batch admitted, its number covers. So acknowledgements are in order by construction, and a
//! release writes all that it covers at once. No message allocates here beyond its topic and its item.

mod pending;

use crate::{
    host::{self, Item, Negative, Presence, Publish, Verdicts},
    record::{self, Change, Kept},
    session::NOT_LOGGED,
};
use gemelli_mqtt::{Malformed, Qos, Reason, Version, packet, properties};
use pending::Pending;
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
}

fn no(reason: Reason, text: &str) -> Option<Negative> {
    Some(Negative {
        reason,
        text: text.into(),
    })
}
