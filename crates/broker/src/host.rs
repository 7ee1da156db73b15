//! What the broker needs from the node it lives in, and the data that crosses this border.
//!
//! The broker never writes a log, never judges a principal and never asks for the time itself: it
//! hands [`Item`]s to the [`Host`], waits for their release, and is told by `Broker::deliver` and
//! `Broker::fold` what became durable. Nothing here knows twins.

use bytes::Bytes;
use gemelli_event::{Seq, record::Message};
use gemelli_mqtt::{Reason, properties};
use parking_lot::Mutex;
use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::watch;

/// The node, as the broker sees it.
pub trait Host: Send + Sync + 'static {
    /// Queues the items next to each other and in order; waits while the backlog is full. The answer is the
    /// admission number of the last one: all of them are durable and judged once [`Host::released`] reaches it.
    ///
    /// [`Item::Publish`] with a journal or a retained record: all must come to stand in the same frame of the log,
    /// the journal first.
    fn admit(&self, items: Vec<Item>) -> impl Future<Output = Result<u64, Unavailable>> + Send;

    /// The highest admission number whose frame is durable and released. Rises after `Broker::fold` and
    /// `Broker::deliver` have returned for that frame.
    fn released(&self) -> watch::Receiver<u64>;

    /// The highest admission number that is judged, and whose messages a relaxed connection may acknowledge though
    /// they are not durable: what is refused was refused before it rises. It need not reach what
    /// [`Host::released`] reaches; a host that has no such number acknowledges everything when it is durable.
    fn judged(&self) -> watch::Receiver<u64> {
        self.released()
    }

    /// Messages on wanted topics, from a place in the log on, at most about `limit` of them and nothing that is
    /// not released. For durable sessions that were away or lag.
    fn scan(
        &self,
        from: Seq,
        limit: usize,
        wanted: Wanted<'_>,
    ) -> impl Future<Output = Scanned> + Send;

    /// As [`Host::scan`], for a session whose filters are plain topics: a host that has the log by topic answers
    /// without looking at every message. None: this host has not.
    fn scan_exact(
        &self,
        from: Seq,
        limit: usize,
        topics: &[Arc<str>],
    ) -> impl Future<Output = Option<Scanned>> + Send {
        let _ = (from, limit, topics);
        async { None }
    }

    /// Who this is, or why it may not connect. Called on a connection's task: it may take milliseconds, not more.
    fn authenticate(&self, who: &Credentials) -> Result<Principal, Refused>;

    /// Whether a principal may do this on a topic (for [`Action::Subscribe`]: a filter).
    fn allow(&self, who: &Principal, action: Action, topic: &str) -> bool;

    /// Whether a WebSocket may be opened with these headers.
    fn allow_origin(&self, host: Option<&str>, origin: Option<&str>) -> bool;

    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;

    /// Input that was no message yet was refused: by what code, from whom, why, and its first bytes.
    fn refused(&self, code: &'static str, origin: &str, reason: &str, bytes: &[u8]) {
        let _ = (code, origin, reason, bytes);
    }
}

/// Tells whether a topic is wanted.
pub type Wanted<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// Something for the log.
#[derive(Clone, Debug)]
pub enum Item {
    /// A message: becomes an event if its topic is one of a twin's, else a `Body::Message`.
    Publish(Publish),
    /// The broker's own record: becomes a `Body::Session` as it is.
    Session(Bytes),
    /// A client that publishes came or went.
    Presence(Presence),
}

/// A message on its way in.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The client that sends it. For a will: the client that left it.
    pub client: Arc<str>,
    /// Its topic: valid, without wildcards, aliases resolved.
    pub topic: Arc<str>,
    /// Its payload. May share its memory with its neighbours: copy what is to be kept for long.
    pub payload: Bytes,
    /// Quality of service, 0 to 2.
    pub qos: u8,
    /// It is to be retained; the broker does that itself (see `retained`).
    pub retain: bool,
    /// What travels with it, as `Message::properties` wants it; read it with [`Publish::user_property`].
    pub properties: Bytes,
    /// When it stops being worth delivering, milliseconds since 1970.
    pub expires_ms: Option<i64>,
    /// A session record that must stand before it in the same frame (QoS 2: its packet id was received; a will:
    /// it is void). Empty if none. If the message is refused, this is still logged.
    pub journal: Bytes,
    /// A session record that must stand after it in the same frame (retained: the message itself). Empty if none.
    /// If the message is refused, or repeats one that was accepted, this must not be logged.
    pub retained: Bytes,
    /// Where to say no.
    pub reply: Option<Reply>,
    /// It is a will: the broker took it on when its client connected.
    pub will: bool,
}

impl Publish {
    /// The value of the first MQTT 5 user property of this name.
    pub fn user_property(&self, name: &str) -> Option<&str> {
        properties::user(wire_properties(&self.properties), name)
    }

    /// MQTT 5 content type.
    pub fn content_type(&self) -> Option<&str> {
        properties::content_type(wire_properties(&self.properties))
    }

    /// All MQTT 5 user properties in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        properties::users(wire_properties(&self.properties))
    }
}

/// A client that publishes came (its first message of a connection) or went (the connection ended, however).
///
/// Comes after everything that the connection published, and before anything from the client's next connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The client.
    pub client: Arc<str>,
    /// Came or went.
    pub connected: bool,
}

/// Where the verdict on one message goes. A message about which nothing is said was accepted.
#[derive(Clone, Debug)]
pub struct Reply {
    verdicts: Arc<Verdicts>,
    ticket: u64,
}

impl Reply {
    /// Refuses the message: MQTT 5 clients get this reason code and text in the acknowledgement.
    /// Must come before the message's admission number is judged or released.
    pub fn refuse(&self, reason: Reason, text: impl Into<Arc<str>>) {
        self.verdicts.say(
            self.ticket,
            Negative {
                reason,
                text: text.into(),
            },
        );
    }
}

/// Why a message was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negative {
    /// One of the reasons that PUBACK and PUBREC may carry.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub text: Arc<str>,
}

/// The refusals of one connection: usually none.
#[derive(Debug, Default)]
pub struct Verdicts {
    any: AtomicBool,
    said: Mutex<Vec<(u64, Negative)>>,
}

impl Verdicts {
    /// The reply for the message with this ticket, a number that the connection chose.
    pub fn reply(self: &Arc<Self>, ticket: u64) -> Reply {
        Reply {
            verdicts: self.clone(),
            ticket,
        }
    }

    fn say(&self, ticket: u64, negative: Negative) {
        self.said.lock().push((ticket, negative));
        self.any.store(true, Ordering::Release);
    }

    /// Whether anything was refused since the last [`Verdicts::take`]: one load, for the common case.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Takes all refusals out, by ticket.
    pub fn take(&self) -> Vec<(u64, Negative)> {
        let mut said = self.said.lock();
        self.any.store(false, Ordering::Release);
        std::mem::take(&mut *said)
    }
}

/// A released message: `Body::Message` as it is, or an event in the form of one.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its place in the log.
    pub seq: Seq,
    /// Topic, payload, the quality of service with which it came (a subscriber gets it with at most that;
    /// 2 for messages that the node itself makes), properties (of an event: see [`event_properties`]), expiry.
    pub message: Message,
}

/// What a scan found.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// Wanted messages in the log's order.
    pub found: Vec<Delivery>,
    /// Where the next scan starts: all before it was looked at. Equal to `from` only if nothing newer is released,
    /// or if it failed.
    pub next: Seq,
    /// How many records between `from` and the oldest one kept are gone: retention was faster than the session.
    pub lost: u64,
    /// What stands at `next` could not be read: the host has paused, and the broker comes again for it.
    pub failed: bool,
}

/// Why the node takes nothing for now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// The error's stable code.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub reason: String,
}

/// What a client shows when it connects.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client id; assigned by the broker if the client sent none.
    pub client: Arc<str>,
    /// User name.
    pub username: Option<Arc<str>>,
    /// Password or token.
    pub password: Option<Bytes>,
    /// Where the connection comes from.
    pub peer: SocketAddr,
    /// The client certificate that TLS verified, DER.
    pub certificate: Option<Bytes>,
    /// How it came.
    pub transport: Transport,
}

/// How a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    WebSocket,
    /// WebSocket over TLS.
    SecureWebSocket,
}

/// Who a connection acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its name, as policies know it.
    pub name: Arc<str>,
}

/// Why a client may not connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// [`Reason::BAD_USER_NAME_OR_PASSWORD`], [`Reason::NOT_AUTHORIZED`], [`Reason::BANNED`] or [`Reason::SERVER_UNAVAILABLE`].
    pub reason: Reason,
    /// What is wrong and what to do; it reaches the client.
    pub text: String,
}

/// What a client wants to do with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish to it.
    Publish,
    /// Subscribe to it: the topic is a filter, without `$share/<name>/`.
    Subscribe,
}

/// The first byte of properties that carry more than MQTT's own: never a property identifier.
const PREFIX: u8 = 0x80;
const RETAINED: u8 = 0x01;

/// Properties for a message as the log keeps them: MQTT's wire form, with a prefix only where the message is
/// retained or its sender must be known (somebody subscribed with "no local").
pub(crate) fn encode_properties(wire: &Bytes, retain: bool, sender: Option<&str>) -> Bytes {
    if !retain && sender.is_none() {
        return wire.clone();
    }
    let sender = sender.unwrap_or_default();
    let mut out = Vec::with_capacity(3 + sender.len() + wire.len());
    out.push(PREFIX | if retain { RETAINED } else { 0 });
    out.extend_from_slice(&(sender.len().min(usize::from(u16::MAX)) as u16).to_be_bytes());
    out.extend_from_slice(sender.as_bytes());
    out.extend_from_slice(wire);
    out.into()
}

/// What [`encode_properties`] put together.
pub(crate) struct Travelling<'a> {
    /// It was published with the retain flag.
    pub retain: bool,
    /// The client that sent it, where known.
    pub sender: Option<&'a [u8]>,
    /// MQTT's wire form.
    pub wire: &'a [u8],
}

/// Takes a message's properties apart; bytes that make no sense count as none.
pub(crate) fn decode_properties(bytes: &[u8]) -> Travelling<'_> {
    match bytes {
        [flags, a, b, rest @ ..] if flags & PREFIX != 0 => {
            let (sender, wire) = rest
                .split_at_checked(usize::from(u16::from_be_bytes([*a, *b])))
                .unwrap_or((&[], &[]));
            Travelling {
                retain: flags & RETAINED != 0,
                sender: (!sender.is_empty()).then_some(sender),
                wire,
            }
        }
        wire => Travelling {
            retain: false,
            sender: None,
            wire,
        },
    }
}

fn wire_properties(bytes: &[u8]) -> &[u8] {
    decode_properties(bytes).wire
}

/// Properties of an event that goes out as a message: `ce-id`, `ce-source` and `ce-time` as user properties.
/// `time` is RFC 3339.
pub fn event_properties(id: Option<&str>, source: Option<&str>, time: Option<&str>) -> Bytes {
    let mut out = Vec::new();
    for (name, value) in [("ce-id", id), ("ce-source", source), ("ce-time", time)] {
        if let Some(value) = value {
            properties::put_user(&mut out, name, value);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn properties_go_through_the_log_unchanged() {
        let wire = event_properties(Some("a#1"), None, Some("2026-01-01T00:00:00Z"));
        for (retain, sender) in [
            (false, None),
            (true, None),
            (false, Some("me")),
            (true, Some("me")),
        ] {
            let kept = encode_properties(&wire, retain, sender);
            let back = decode_properties(&kept);
            assert_eq!(
                (back.retain, back.sender, back.wire),
                (retain, sender.map(str::as_bytes), &wire[..])
            );
        }
        assert_eq!(
            properties::user(&wire, "ce-time"),
            Some("2026-01-01T00:00:00Z")
        );
    }

    #[test]
    fn cut_properties_count_as_none() {
        let back = decode_properties(&[0x81, 0, 9, 1]);
        assert!(back.retain && back.sender.is_none() && back.wire.is_empty());
    }

    #[test]
    fn a_refusal_reaches_the_connection_once() {
        let verdicts = Arc::new(Verdicts::default());
        assert!(!verdicts.any());
        verdicts.reply(7).refuse(Reason::NOT_AUTHORIZED, "no");
        assert!(verdicts.any());
        assert_eq!(
            verdicts.take(),
            [(
                7,
                Negative {
                    reason: Reason::NOT_AUTHORIZED,
                    text: "no".into()
                }
            )]
        );
        assert!(!verdicts.any() && verdicts.take().is_empty());
    }
}
