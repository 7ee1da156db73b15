//! One client's connection: bytes in and out around the session's two halves.
//!
//! One loop per connection. It decodes what a read brought, admits the whole batch at once, writes all
//! acknowledgements that a release covers at once, and moves deliveries while there is room in the output. While
//! the node has no room, or the client does not read, it stops reading: that is the back-pressure.

mod close;
mod open;
mod scan;

use crate::{
    host::{Host, Principal, Unavailable},
    io::{Io, Moved},
    metrics::add,
    record::{Change, Kept, Testament},
    session::{
        Claim, Session,
        inbound::{Gate, Inbound},
        outbound::{Flow, Message, OUTPUT_BYTES, Wanted},
    },
    shared::{self, Shared},
    sys,
};
use bytes::BytesMut;
use close::End;
use gemelli_mqtt::{
    Malformed, Packet, Qos, Reason,
    codec::Codec,
    packet::{Disconnect, RetainHandling, SubAck, Subscribe, Unsubscribe},
    topic,
};
use scan::Scanning;
use std::{
    collections::{BTreeSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, Sleep},
};

pub use open::Arrival;

/// Acknowledged messages after which a durable session's cursor is written at once.
const CURSOR_ACKS: u32 = 1_000;

type Admitting = Pin<Box<dyn Future<Output = Result<u64, Unavailable>> + Send>>;

/// A connection whose client was accepted.
pub struct Connection<H> {
    shared: Arc<Shared<H>>,
    io: Io,
    codec: Codec,
    claim: Claim,
    inbound: Inbound,
    principal: Principal,
    input: BytesMut,
    output: BytesMut,
    keep_alive: Option<KeepAlive>,
    will: Option<Box<Testament>>,
    expiry_s: u32,
    /// Retained messages that are still to be queued.
    retained: VecDeque<(Arc<Kept>, Wanted)>,
}

struct KeepAlive {
    patience: Duration,
    heard: Instant,
    timer: Pin<Box<Sleep>>,
}

/// What roused the loop.
enum Roused {
    Io(std::io::Result<Moved>),
    Admitted(Result<u64, Unavailable>),
    Scanned(scan::Found),
    Silence,
    Released,
    Woken,
    Stopping,
}

/// Serves one connection from its first byte to its last.
pub async fn run<H: Host>(
    shared: Arc<Shared<H>>,
    arrival: Arrival,
    mut stop: watch::Receiver<bool>,
) {
    // The handshake's state is large and short-lived: it does not stay in this future.
    let opened = Box::pin(open::open(shared.clone(), arrival)).await;
    let Some(mut connection) = opened else {
        return add(&shared.counters.refused_connections, 1);
    };
    add(&shared.counters.connected, 1);
    add(&shared.counters.connections_now, 1);
    let end = connection.serve(&mut stop).await;
    Box::pin(connection.close(end)).await;
    crate::metrics::sub(&shared.counters.connections_now, 1);
}

/// Tells the host of bytes that make no packet, or none that may come.
fn refused<H: Host>(shared: &Shared<H>, origin: &str, malformed: &Malformed, bytes: &[u8]) {
    let code = match malformed.reason {
        Reason::PACKET_TOO_LARGE => "too-large",
        _ => "malformed-packet",
    };
    shared.host.refused(code, origin, malformed.what, bytes);
}

impl<H: Host> Connection<H> {
    async fn serve(&mut self, stop: &mut watch::Receiver<bool>) -> End {
        let mut released = self.shared.host.released();
        let mut admitting: Option<Admitting> = None;
        let mut scanning: Option<Scanning> = None;
        loop {
            match self.turn(*released.borrow_and_update(), &mut admitting, &mut scanning) {
                Ok(()) => {}
                Err(end) => return end,
            }
            let read =
                admitting.is_none() && !self.inbound.is_full() && self.output.len() < OUTPUT_BYTES;
            let roused = {
                let Self {
                    io,
                    input,
                    output,
                    keep_alive,
                    claim,
                    inbound,
                    ..
                } = &mut *self;
                let mut timer = keep_alive.as_mut().map(|k| k.timer.as_mut());
                tokio::select! {
                    biased;
                    _ = stop.changed() => Roused::Stopping,
                    number = under_way(&mut admitting) => Roused::Admitted(number),
                    found = under_way(&mut scanning) => Roused::Scanned(found),
                    moved = std::future::poll_fn(|cx| io.poll_exchange(cx, input, output, read)) => Roused::Io(moved),
                    changed = released.changed(), if inbound.waits() => match changed {
                        Ok(()) => Roused::Released,
                        Err(_) => Roused::Stopping,
                    },
                    () = claim.session.wake.notified() => Roused::Woken,
                    () = under_way(&mut timer) => Roused::Silence,
                }
            };
            match roused {
                Roused::Io(Ok(Moved::Read)) => {
                    if let Some(keep_alive) = &mut self.keep_alive {
                        keep_alive.heard = Instant::now();
                    }
                }
                Roused::Io(Ok(Moved::Written)) | Roused::Woken | Roused::Released => {}
                Roused::Io(Ok(Moved::Ended) | Err(_)) => return End::Lost,
                Roused::Admitted(Ok(number)) => {
                    admitting = None;
                    self.inbound.admitted(number);
                }
                Roused::Admitted(Err(why)) => {
                    admitting = None;
                    let session = self.claim.session.clone();
                    if let Some(disconnect) =
                        self.inbound.unavailable(&why, &mut session.received.lock())
                    {
                        return End::Told(disconnect);
                    }
                }
                Roused::Scanned(found) => {
                    scanning = None;
                    self.scanned(found);
                }
                Roused::Silence => {
                    if let Some(end) = self.silence() {
                        return end;
                    }
                }
                Roused::Stopping => {
                    return End::told(
                        Reason::SERVER_SHUTTING_DOWN,
                        "the server stops: connect again once it is back",
                    );
                }
            }
        }
    }

    /// Everything that can be done without waiting.
    fn turn(
        &mut self,
        released: u64,
        admitting: &mut Option<Admitting>,
        scanning: &mut Option<Scanning>,
    ) -> Result<(), End> {
        if self.claim.is_superseded() {
            return Err(End::told(
                Reason::SESSION_TAKEN_OVER,
                "another connection uses this client id: give each client its own",
            ));
        }
        if let Some(reason) = self.claim.asked_to_end() {
            return Err(End::told(Reason(reason), "the server ended the connection"));
        }
        let now_ms = self.shared.host.now_ms();
        let session = self.claim.session.clone();
        if admitting.is_none() {
            self.digest(&session, now_ms)?;
        }
        self.inbound
            .released(released, &self.codec, now_ms, &session, &mut self.output);
        self.push_retained(&session);
        if self.output.len() < OUTPUT_BYTES {
            let mut changes = Vec::new();
            let mut outbound = session.outbound.lock();
            outbound.pull(
                &session.client,
                now_ms,
                &mut self.output,
                &mut changes,
                &self.shared.counters,
            );
            let behind = outbound.flow();
            let idle = outbound.is_idle();
            drop(outbound);
            self.inbound.outbound_changes(changes);
            if let (Flow::Behind { from }, true, None) = (behind, idle, &scanning) {
                *scanning = self.scan(from);
            }
        }
        if admitting.is_none() {
            let items = self.inbound.take_items();
            if !items.is_empty() {
                let host = self.shared.host.clone();
                *admitting = Some(Box::pin(async move { host.admit(items).await }));
            }
            self.inbound
                .released(released, &self.codec, now_ms, &session, &mut self.output);
        }
        self.count();
        Ok(())
    }

    fn count(&mut self) {
        let counters = &self.shared.counters;
        for (counter, n) in [
            (&counters.refused, &mut self.inbound.refused),
            (&counters.duplicates, &mut self.inbound.duplicates),
        ] {
            if *n > 0 {
                add(counter, std::mem::take(n));
            }
        }
    }

    fn silence(&mut self) -> Option<End> {
        let keep_alive = self.keep_alive.as_mut()?;
        let due = keep_alive.heard + keep_alive.patience;
        if due > Instant::now() {
            keep_alive.timer.as_mut().reset(due);
            return None;
        }
        add(&self.shared.counters.closed_for_keep_alive, 1);
        Some(End::told(
            Reason::KEEP_ALIVE_TIMEOUT,
            "nothing came for one and a half keep-alives: send PINGREQ in time",
        ))
    }

    /// Decodes and takes what a read brought.
    fn digest(&mut self, session: &Arc<Session>, now_ms: i64) -> Result<(), End> {
        let (mut messages, mut bytes) = (0, 0);
        let mut received = session.received.lock();
        while !self.inbound.is_full() {
            let packet = match self.codec.decode(&mut self.input) {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(malformed) => return Err(self.protocol(malformed)),
            };
            if let Packet::Publish(publish) = packet {
                (messages, bytes) = (messages + 1, bytes + publish.payload.len() as u64);
                let gate = Access {
                    shared: &self.shared,
                    principal: &self.principal,
                };
                if let Err(malformed) = self.inbound.publish(publish, &mut received, now_ms, &gate)
                {
                    return Err(self.protocol(malformed));
                }
            } else {
                self.packet(packet, session, &mut received)?;
            }
        }
        if self.input.is_empty() && self.input.capacity() > 0 {
            self.input = BytesMut::new();
        }
        if messages > 0 {
            add(&self.shared.counters.received, messages);
            add(&self.shared.counters.received_bytes, bytes);
        }
        Ok(())
    }

    fn protocol(&self, malformed: Malformed) -> End {
        add(&self.shared.counters.closed_for_protocol, 1);
        let origin = format!("mqtt/client/{}", self.claim.session.client);
        refused(&self.shared, &origin, &malformed, &self.input);
        End::Told(Disconnect {
            reason_string: Some(malformed.what.into()),
            ..Disconnect::new(malformed.reason)
        })
    }

    fn packet(
        &mut self,
        packet: Packet,
        session: &Arc<Session>,
        received: &mut BTreeSet<u16>,
    ) -> Result<(), End> {
        let mut changes = Vec::new();
        match packet {
            Packet::PubRel(ack) => self.inbound.pubrel(ack.packet_id, received),
            Packet::PubAck(ack) => {
                session.outbound.lock().puback(ack.packet_id);
                self.acknowledged(session);
            }
            Packet::PubRec(ack) => {
                session.outbound.lock().pubrec(
                    &session.client,
                    &ack,
                    &self.codec,
                    &mut self.output,
                    &mut changes,
                );
            }
            Packet::PubComp(ack) => {
                session
                    .outbound
                    .lock()
                    .pubcomp(&session.client, ack.packet_id, &mut changes);
                self.acknowledged(session);
            }
            Packet::Subscribe(subscribe) => self.subscribe(*subscribe, session)?,
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(*unsubscribe, session),
            Packet::PingReq => self.codec.encode(&Packet::PingResp, &mut self.output),
            Packet::Disconnect(disconnect) => return Err(self.disconnect(&disconnect)),
            Packet::Connect(_) => {
                return Err(self.protocol(Malformed::protocol("a second CONNECT")));
            }
            Packet::Auth(_) => {
                return Err(self.protocol(Malformed::protocol(
                    "an AUTH, although no authentication method was agreed on",
                )));
            }
            _ => return Err(self.protocol(Malformed::protocol("a packet that only servers send"))),
        }
        self.inbound.outbound_changes(changes);
        Ok(())
    }

    /// A durable session's cursor is written each second (by the broker's timer) or after many acknowledgements.
    fn acknowledged(&mut self, session: &Arc<Session>) {
        if !self.inbound.settings().durable {
            return;
        }
        let mut outbound = session.outbound.lock();
        match outbound.acknowledged {
            1 => self.shared.acknowledged.lock().push(session.clone()),
            n if n >= CURSOR_ACKS => {
                outbound.acknowledged = 2;
                let seq = outbound.cursor(self.shared.delivered());
                drop(outbound);
                self.inbound.change(&Change::Cursor {
                    client: session.client.clone(),
                    seq,
                });
            }
            _ => {}
        }
    }

    fn subscribe(&mut self, subscribe: Subscribe, session: &Arc<Session>) -> Result<(), End> {
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut remedy = None;
        for (filter, options) in subscribe.filters {
            let mut refuse = |reason: Reason, text: &'static str| {
                remedy = Some(text);
                reasons.push(reason);
            };
            let plain = match topic::shared(&filter) {
                None if topic::is_filter(&filter) => &*filter,
                Some(Some((_, plain))) if options.no_local => {
                    let _ = plain;
                    return Err(self.protocol(Malformed::protocol(
                        "a shared subscription with \"no local\"",
                    )));
                }
                Some(Some((_, plain))) => plain,
                _ => {
                    refuse(
                        Reason::TOPIC_FILTER_INVALID,
                        "wildcards stand for whole levels, and # comes last",
                    );
                    continue;
                }
            };
            if !self
                .shared
                .host
                .allow(&self.principal, crate::host::Action::Subscribe, plain)
            {
                refuse(
                    Reason::NOT_AUTHORIZED,
                    "the principal may not subscribe to this filter: ask for a policy that allows it",
                );
                continue;
            }
            let many = session.outbound.lock().subscriptions.len()
                >= self.shared.options.max_subscriptions;
            let filter: Arc<str> = Arc::from(&*filter);
            if many && !session.outbound.lock().subscriptions.contains_key(&filter) {
                refuse(
                    Reason::QUOTA_EXCEEDED,
                    "the session has as many subscriptions as it may: use wildcards",
                );
                continue;
            }
            let new = self
                .shared
                .subscribe(session, &filter, options, subscribe.subscription_id);
            if self.inbound.settings().durable {
                let since = session
                    .outbound
                    .lock()
                    .subscriptions
                    .get(&filter)
                    .map_or(0, |s| s.since);
                self.inbound.change(&Change::Subscribed {
                    client: session.client.clone(),
                    filter: filter.clone(),
                    options,
                    id: subscribe.subscription_id,
                    since,
                });
            }
            reasons.push(Reason(options.qos.number()));
            let retained = match options.retain_handling {
                RetainHandling::Send => true,
                RetainHandling::SendIfNew => new,
                RetainHandling::DoNotSend => false,
            };
            if retained && topic::shared(&filter).is_none() {
                self.find_retained(&filter, options.qos, subscribe.subscription_id);
            }
        }
        let reason_string = remedy
            .filter(|_| self.inbound.settings().reason_strings)
            .map(Into::into);
        self.inbound.suback(SubAck {
            packet_id: subscribe.packet_id,
            reasons,
            reason_string,
        });
        Ok(())
    }

    fn find_retained(&mut self, filter: &str, qos: Qos, id: Option<u32>) {
        let now_ms = self.shared.host.now_ms();
        let mut found = self.shared.image.lock().matching(filter, now_ms);
        if filter.starts_with("$SYS") {
            found.extend(
                sys::current(&self.shared)
                    .into_iter()
                    .filter(|m| topic::matches(filter, &m.topic))
                    .map(Arc::new),
            );
        }
        for kept in found {
            let wanted = Wanted {
                qos: qos.min(kept.qos),
                retain: true,
                shared: false,
                ids: shared::ids(id),
            };
            self.retained.push_back((kept, wanted));
        }
    }

    /// Queues retained messages while there is room: their number is only bounded by what is retained.
    fn push_retained(&mut self, session: &Session) {
        if self.retained.is_empty() {
            return;
        }
        let mut outbound = session.outbound.lock();
        while let Some((kept, wanted)) = self.retained.pop_front() {
            let message = Message {
                seq: crate::session::NOT_LOGGED,
                topic: kept.topic.clone(),
                payload: kept.payload.clone(),
                properties: kept.properties.clone(),
                qos: kept.qos,
                expires_ms: kept.expires_ms,
            };
            if !outbound.fits(&message, &self.shared.options) {
                self.retained.push_front((kept, wanted));
                break;
            }
            outbound.offer(
                &Arc::new(message),
                wanted,
                &self.shared.options,
                &self.shared.counters,
            );
        }
        if self.retained.is_empty() {
            self.retained = VecDeque::new();
        }
    }

    fn unsubscribe(&mut self, unsubscribe: Unsubscribe, session: &Arc<Session>) {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for filter in unsubscribe.filters {
            let existed = self.shared.unsubscribe(session, &filter);
            reasons.push(if existed {
                Reason::SUCCESS
            } else {
                Reason::NO_SUBSCRIPTION_EXISTED
            });
            if existed && self.inbound.settings().durable {
                self.inbound.change(&Change::Unsubscribed {
                    client: session.client.clone(),
                    filter: Arc::from(&*filter),
                });
            }
        }
        self.inbound.unsuback(SubAck {
            packet_id: unsubscribe.packet_id,
            reasons,
            reason_string: None,
        });
    }

    fn disconnect(&mut self, disconnect: &Disconnect) -> End {
        if let Some(expiry_s) = disconnect.session_expiry_s {
            if self.expiry_s == 0 && expiry_s > 0 {
                return self.protocol(Malformed::protocol(
                    "a session expiry in DISCONNECT although CONNECT had none",
                ));
            }
            self.expiry_s = expiry_s.min(self.shared.options.max_session_expiry_s);
        }
        if disconnect.reason != Reason::DISCONNECT_WITH_WILL {
            return End::Left;
        }
        End::Lost
    }
}

/// Waits for what is under way; if nothing is, for ever.
async fn under_way<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    match slot {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

struct Access<'a, H> {
    shared: &'a Shared<H>,
    principal: &'a Principal,
}

impl<H: Host> Gate for Access<'_, H> {
    fn may_publish(&self, topic: &str) -> bool {
        self.shared
            .host
            .allow(self.principal, crate::host::Action::Publish, topic)
    }

    fn may_retain(&self, topic: &str, bytes: usize) -> bool {
        let image = self.shared.image.lock();
        let (count, total) = image.retained_size();
        let new = image.retained(topic).is_none();
        (!new || count < self.shared.options.max_retained)
            && total + bytes <= self.shared.options.max_retained_bytes
    }

    fn names_senders(&self) -> bool {
        self.shared.names_senders()
    }
}

/// Remembers the number that covers what the connection admitted, for the client's next one.
fn remember(session: &Session, number: u64) {
    session.last_number.fetch_max(number, Ordering::AcqRel);
}
