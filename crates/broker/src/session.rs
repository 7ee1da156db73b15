//! Sessions: state machines without IO, in the terms of MQTT 5.
//!
//! A session has two halves. [`inbound`] belongs to one connection: what the client publishes, and the
//! acknowledgements that wait for the log. [`outbound`] outlives connections: what is delivered to the client.
//! Packets and deliveries go in, bytes and host items come out; time is an argument.

pub mod inbound;
pub mod ledger;
pub mod outbound;

#[cfg(test)]
mod script;

use crate::{image, metrics::Counters};
use gemelli_event::Seq;
use outbound::Outbound;
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, Semaphore};

/// The place of messages that stand nowhere in the log: retained ones, the server's own.
pub const NOT_LOGGED: Seq = Seq::MAX;

/// A session as all threads share it.
#[derive(Debug)]
pub struct Session {
    /// Its client's id.
    pub client: Arc<str>,
    /// Tells sessions apart, also of the same client.
    pub number: u64,
    /// What goes to the client.
    pub outbound: Mutex<Outbound>,
    /// Packet ids of QoS 2 messages that came and were not released: kept between connections.
    pub received: Mutex<BTreeSet<u16>>,
    /// Rouses its connection.
    pub wake: Notify,
    /// The number that covers what its last connection admitted.
    pub last_number: AtomicU64,
    /// When it ends unless its client returns, milliseconds since 1970.
    pub ends_ms: AtomicI64,
    slot: Semaphore,
    claims: AtomicU64,
    end: AtomicU8,
    gone: AtomicBool,
}

impl Session {
    /// A session that nobody is connected to.
    pub fn new(client: Arc<str>, number: u64, outbound: Outbound) -> Arc<Self> {
        Arc::new(Self {
            client,
            number,
            outbound: Mutex::new(outbound),
            received: Mutex::default(),
            wake: Notify::new(),
            last_number: AtomicU64::new(0),
            ends_ms: AtomicI64::new(i64::MAX),
            slot: Semaphore::new(1),
            claims: AtomicU64::new(0),
            end: AtomicU8::new(0),
            gone: AtomicBool::new(false),
        })
    }

    /// The session as it stood in the log.
    pub fn restored(
        client: Arc<str>,
        number: u64,
        image: &image::Session,
        counters: &Counters,
    ) -> Arc<Self> {
        let session = Self::new(client, number, Outbound::restored(image, counters));
        session.received.lock().clone_from(&image.received);
        session
    }

    /// Ends the present connection, if any, and waits for its end. The newest claim wins.
    pub async fn claim(self: &Arc<Self>) -> Claim {
        let number = self.claims.fetch_add(1, Ordering::AcqRel) + 1;
        self.wake.notify_one();
        if let Ok(permit) = self.slot.acquire().await {
            permit.forget();
        }
        self.end.store(0, Ordering::Release);
        Claim {
            session: self.clone(),
            number,
        }
    }

    /// The right to end it, if nobody is connected or about to be.
    pub fn claim_if_free(self: &Arc<Self>) -> Option<Claim> {
        self.slot.try_acquire().ok()?.forget();
        Some(Claim {
            session: self.clone(),
            number: self.claims.load(Ordering::Acquire),
        })
    }

    /// Asks the present connection to end with this reason.
    pub fn end(&self, reason: u8) {
        self.end.store(reason, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether the session has left the registry: a connection that waited for it must look again.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// It leaves the registry.
    pub fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }
}

/// The right to be a session's connection; given back when dropped.
#[derive(Debug)]
pub struct Claim {
    /// The session.
    pub session: Arc<Session>,
    number: u64,
}

impl Claim {
    /// Whether another connection of the client wants the session.
    pub fn is_superseded(&self) -> bool {
        self.session.claims.load(Ordering::Acquire) != self.number
    }

    /// The reason for which somebody asked this connection to end.
    pub fn asked_to_end(&self) -> Option<u8> {
        Some(self.session.end.load(Ordering::Acquire)).filter(|reason| *reason != 0)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.session.slot.add_permits(1);
    }
}
