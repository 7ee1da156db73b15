//! One client's connection: bytes in and out around the session's two halves.
//!
//! One loop per connection. It decodes what a read brought, admits the whole batch at once, writes all
//! acknowledgements that a release covers at once, and moves deliveries while there is room in the output. While
//! the node has no room, or the client does not read, it stops reading: that is the back-pressure.

mod close;
mod open;
mod retained;
mod scan;
mod subscribe;

use crate::{
    host::{Host, Principal, Unavailable},
    io::{Io, Moved},
    metrics::add,
    record::{Change, Testament},
    session::{
        Claim, Session,
        inbound::{Gate, Inbound, Reached},
        outbound::OUTPUT_BYTES,
    },
    shared::Shared,
};
use bytes::BytesMut;
use close::End;
use gemelli_mqtt::{Malformed, Packet, Reason, codec::Codec, packet::Disconnect};
use retained::Lookups;
use scan::Scanning;
use std::{
    collections::BTreeSet,
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
    /// Retained messages that are still to be looked up.
    retained: Lookups,
    /// The log is read for a shared subscription next, if one has something to read.
    shared_next: bool,
}

struct KeepAlive {
    patience: Duration,
    heard: Instant,
    timer: Pin<Box<Sleep>>,
    /// How much output waited for the client when the server, which was not reading, last looked, bytes.
    output: Option<usize>,
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
        let relaxed = self.inbound.settings().relaxed;
        let mut judged = relaxed.then(|| self.shared.host.judged());
        let mut admitting: Option<Admitting> = None;
        let mut scanning: Option<Scanning> = None;
        loop {
            // Judged first: what is said of a message was said before.
            let early = judged
                .as_mut()
                .map_or(0, |judged| *judged.borrow_and_update());
            let reached = Reached {
                judged: early,
                durable: *released.borrow_and_update(),
            };
            match self.turn(reached, &mut admitting, &mut scanning) {
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
                    changed = progress(&mut released, &mut judged), if inbound.waits() => match changed {
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
                    if let Some(end) = self.silence(read) {
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
        reached: Reached,
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
            .released(reached, &self.codec, now_ms, &session, &mut self.output);
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
            let flow = outbound.flow();
            let idle = outbound.is_idle(&self.shared.options);
            drop(outbound);
            self.inbound.outbound_changes(changes);
            if idle && scanning.is_none() {
                *scanning = self.read_log(flow);
            }
        }
        if admitting.is_none() {
            let items = self.inbound.take_items();
            if !items.is_empty() {
                let host = self.shared.host.clone();
                *admitting = Some(Box::pin(async move { host.admit(items).await }));
            }
            self.inbound
                .released(reached, &self.codec, now_ms, &session, &mut self.output);
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

    /// The timer ran out. While the server does not read it cannot hear: only a client that takes nothing of
    /// a full output is given up then.
    fn silence(&mut self, reading: bool) -> Option<End> {
        let waiting = self.output.len();
        let keep_alive = self.keep_alive.as_mut()?;
        let before = keep_alive.output.take();
        if !reading {
            keep_alive.output = Some(waiting);
            if waiting < OUTPUT_BYTES || before != Some(waiting) {
                keep_alive.heard = Instant::now();
            }
        }
        let due = keep_alive.heard + keep_alive.patience;
        if due > Instant::now() {
            keep_alive.timer.as_mut().reset(due);
            return None;
        }
        add(&self.shared.counters.closed_for_keep_alive, 1);
        let text = match reading {
            true => "nothing came for one and a half keep-alives: send PINGREQ in time",
            false => "nothing was taken for one and a half keep-alives: read what is sent",
        };
        Some(End::told(Reason::KEEP_ALIVE_TIMEOUT, text))
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
                session
                    .outbound
                    .lock()
                    .puback(ack.packet_id, &self.shared.counters);
                self.acknowledged(session);
            }
            Packet::PubRec(ack) => {
                session.outbound.lock().pubrec(
                    &session.client,
                    &ack,
                    &self.codec,
                    &mut self.output,
                    &mut changes,
                    &self.shared.counters,
                );
            }
            Packet::PubComp(ack) => {
                session.outbound.lock().pubcomp(
                    &session.client,
                    ack.packet_id,
                    &mut changes,
                    &self.shared.counters,
                );
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
                let shares = outbound.shares.clone();
                drop(outbound);
                let cursor = Change::Cursor {
                    client: session.client.clone(),
                    seq,
                };
                let groups = shares.iter().map(|ledger| self.shared.standing(ledger));
                let changes: Vec<_> = [cursor].into_iter().chain(groups).collect();
                self.inbound.changes(&changes);
            }
            _ => {}
        }
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
        End::Left {
            will: disconnect.reason == Reason::DISCONNECT_WITH_WILL,
        }
    }
}

/// Waits until more is released, or, on a relaxed connection, judged.
async fn progress(
    released: &mut watch::Receiver<u64>,
    judged: &mut Option<watch::Receiver<u64>>,
) -> Result<(), watch::error::RecvError> {
    let Some(judged) = judged else {
        return released.changed().await;
    };
    // Boxed: most connections are not relaxed, and their future stays small.
    Box::pin(async move {
        tokio::select! {
            changed = released.changed() => changed,
            changed = judged.changed() => changed,
        }
    })
    .await
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
