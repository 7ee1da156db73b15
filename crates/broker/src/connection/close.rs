//! How a connection ends: what the client is told, what becomes of its session and will.

use super::{Connection, remember};
use crate::{
    host::{Host, Item, Presence},
    io::{Io, Moved},
    metrics::add,
    record::Change,
    timers,
};
use bytes::BytesMut;
use gemelli_mqtt::{Packet, Reason, Version, packet::Disconnect};
use std::{future::poll_fn, sync::atomic::Ordering, time::Duration};

/// How long the last packet may take to be written, and how long what still comes is read and ignored, milliseconds.
const LINGER_MS: u64 = 500;

/// Why a connection ends.
#[derive(Debug)]
pub enum End {
    /// The client said goodbye.
    Left {
        /// It asked for its will.
        will: bool,
    },
    /// It vanished.
    Lost,
    /// The server ends it and, in MQTT 5, says why.
    Told(Disconnect),
}

impl End {
    /// The server ends it.
    pub fn told(reason: Reason, text: &'static str) -> Self {
        Self::Told(Disconnect {
            reason_string: Some(text.into()),
            ..Disconnect::new(reason)
        })
    }
}

impl<H: Host> Connection<H> {
    /// Settles session and will, then ends the connection. The session is free for the client's next connection
    /// once everything that this one published has been admitted.
    pub(super) async fn close(mut self: Box<Self>, end: End) {
        let shared = self.shared.clone();
        let session = self.claim.session.clone();
        let client = session.client.clone();
        let now_ms = shared.host.now_ms();
        // What came in one read with a goodbye is still taken; what was cut off was never received.
        let mut items = if matches!(end, End::Left { .. }) {
            self.inbound.take_items()
        } else {
            self.inbound.forget(&mut session.received.lock());
            Vec::new()
        };

        let stopping = matches!(&end, End::Told(d) if d.reason == Reason::SERVER_SHUTTING_DOWN);
        if matches!(&end, End::Told(d) if d.reason == Reason::SESSION_TAKEN_OVER) {
            add(&shared.counters.taken_over, 1);
        }
        if self.inbound.has_published() {
            items.push(Item::Presence(Presence {
                client: client.clone(),
                connected: false,
            }));
        }
        let shares = {
            let mut outbound = session.outbound.lock();
            outbound.detach(shared.delivered(), &shared.counters);
            outbound.shares.clone()
        };
        shared.rouse_groups(&shares);
        session.ends_ms.store(i64::MAX, Ordering::Release);
        let durable = self.expiry_s > 0;
        if let Some(will) = self.will.take().filter(|_| !stopping) {
            if matches!(end, End::Left { will: false }) {
                items.push(timers::session_item(&[Change::Unwilled {
                    client: client.clone(),
                }]));
            } else {
                let delay_ms = will.delay_ms.min(i64::from(self.expiry_s) * 1_000);
                if delay_ms == 0 || !durable {
                    items.push(timers::will_item(&shared, &client, &will, now_ms));
                } else {
                    timers::delay_will(&shared, &client, *will, now_ms + delay_ms);
                }
            }
        }
        if durable {
            let cursor = session.outbound.lock().cursor(shared.delivered());
            let at_ms = now_ms;
            let closed = Change::Closed {
                client: client.clone(),
                at_ms,
                expiry_s: self.expiry_s,
                cursor,
            };
            let groups = shares.iter().map(|ledger| shared.standing(ledger));
            let changes: Vec<_> = [closed].into_iter().chain(groups).collect();
            items.push(timers::session_item(&changes));
            timers::expire_session(&shared, &session, self.expiry_s, now_ms);
        } else {
            if self.inbound.settings().durable
                || shared
                    .image
                    .lock()
                    .session(&client)
                    .is_some_and(|s| s.expiry_s.is_some())
            {
                items.push(timers::session_item(&[Change::Ended {
                    client: client.clone(),
                }]));
            }
            shared.remove(&session);
        }
        let mut last = self.inbound.last_number();
        if !items.is_empty()
            && let Ok(number) = shared.host.admit(items).await
        {
            last = last.max(number);
        }
        remember(&session, last);
        let Self {
            io,
            codec,
            mut output,
            claim,
            ..
        } = *self;
        drop(claim);
        if let End::Told(mut disconnect) = end {
            if codec.version() == Version::V5 {
                if !matches!(disconnect.reason, Reason::SUCCESS)
                    && disconnect.reason_string.as_deref() == Some("")
                {
                    disconnect.reason_string = None;
                }
                codec.encode(&Packet::Disconnect(Box::new(disconnect)), &mut output);
            }
            linger(io, output).await;
        }
    }
}

/// Writes the last bytes, then reads until the client is gone, so that it can read them.
pub async fn linger(mut io: Io, mut output: BytesMut) {
    let mut input = BytesMut::new();
    let farewell = async {
        while !output.is_empty() {
            if poll_fn(|cx| io.poll_exchange(cx, &mut input, &mut output, false))
                .await
                .is_err()
            {
                return;
            }
        }
        if poll_fn(|cx| io.poll_shutdown(cx)).await.is_err() {
            return;
        }
        while let Ok(Moved::Read) =
            poll_fn(|cx| io.poll_exchange(cx, &mut input, &mut output, true)).await
        {
            input.clear();
        }
    };
    drop(tokio::time::timeout(Duration::from_millis(LINGER_MS), farewell).await);
}
