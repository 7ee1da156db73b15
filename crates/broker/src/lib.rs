//! The MQTT 3.1.1 and 5 server.
//!
//! It promises: an acknowledgement leaves only when what it acknowledges is durable, in the order in which the
//! client sent; a subscriber sees only what is durable; every queue is bounded in bytes, and what is dropped is
//! counted. It never writes the log, never judges a principal and knows no twins: the node that it lives in
//! does, through [`Host`].
//!
//! ```text
//! socket ─ connection ─ inbound ──Item──▶ Host::admit ─▶ the node's log ─▶ released
//!             │                                              │
//!             └──── outbound ◀── routes ◀── Broker::deliver ─┤
//!                                  image ◀── Broker::fold ───┘
//! ```

pub mod host;

mod connection;
mod image;
mod io;
mod listen;
mod metrics;
mod options;
mod record;
mod session;
mod shared;
mod sys;
mod timers;
mod trie;

use bytes::Bytes;
use gemelli_event::Seq;
use shared::Shared;
use std::{future::Future, sync::Arc};
use tokio::net::TcpListener;

pub use gemelli_mqtt::Reason;
pub use host::{Delivery, Host, Item, Presence, Publish};
pub use listen::Listen;
pub use metrics::Metrics;
pub use options::Options;

/// Bytes of the broker's own that it cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: it was written by a newer version, or it is damaged")]
pub struct Damaged {
    /// Which record or entry.
    pub what: &'static str,
}

/// What became of the broker's state since the last snapshot: one session or one retained message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name: stays the same.
    pub key: Bytes,
    /// Its state; none: it is gone.
    pub state: Option<Bytes>,
}

/// The server. Cheap to clone: all clones are one.
pub struct Broker<H>(Arc<Shared<H>>);

impl<H> Clone for Broker<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Host> Broker<H> {
    /// A broker without sessions. Order of a start: `new`, `load` per entry of the snapshot, `fold` per session
    /// record of the tail, `start`, then `serve` per listener.
    pub fn new(host: Arc<H>, options: Options) -> Self {
        Self(Arc::new(Shared::new(host, options)))
    }

    /// Takes up one entry of a snapshot.
    pub fn load(&self, _key: &[u8], state: &[u8]) -> Result<(), Damaged> {
        self.0.image.lock().load(state)
    }

    /// Folds one session record: on replay and, live, on release. In the log's order; `seq` is its place.
    pub fn fold(&self, seq: Seq, record: &[u8]) -> Result<(), Damaged> {
        self.0.image.lock().fold(seq, record)
    }

    /// After load and replay, before the first `serve`. `next` is the place of the next record. Sessions wait for their
    /// clients from here on; wills become due once their delay and one and a half keep-alives have passed without a return.
    /// After a clean stop clients know that they are disconnected, so a will waits for its delay only.
    /// Spawns the broker's timer on the current tokio runtime; it ends when the last clone of the broker is dropped.
    pub fn start(&self, next: Seq, crashed: bool) {
        self.0.start_at(next);
        timers::restore(&self.0, self.0.host.now_ms(), crashed);
        tokio::spawn(timers::run(Arc::downgrade(&self.0)));
    }

    /// Whether [`Broker::deliver`] has anybody to deliver to: one load, so that a frame need not even be gathered.
    pub fn listening(&self) -> bool {
        self.0.is_listening()
    }

    /// Routes released messages, in the log's order. `next` is the place after the last record of the frame:
    /// call it for each frame, also without messages, so that durable sessions move on. Never blocks. From one thread.
    pub fn deliver(&self, messages: &[Delivery], next: Seq) {
        self.0.deliver(messages, next);
    }

    /// Sessions and retained messages changed since the last call, as folded from released records.
    pub fn take_dirty(&self) -> Vec<Entry> {
        self.0.image.lock().take_dirty()
    }

    /// The oldest place in the log that a durable session still needs.
    pub fn oldest_cursor(&self) -> Option<Seq> {
        let delivered = self.0.delivered();
        let sessions: Vec<_> = self.0.sessions.lock().values().cloned().collect();
        let cursor = |s: &Arc<session::Session>| {
            let outbound = s.outbound.lock();
            (outbound.is_durable() && !outbound.subscriptions.is_empty())
                .then(|| outbound.cursor(delivered))
        };
        let sessions = sessions.iter().filter_map(cursor);
        sessions.chain(self.0.oldest_shared(delivered)).min()
    }

    /// Ends one client's connection (administrative action).
    pub fn kick(&self, client: &str) -> bool {
        let session = self.0.sessions.lock().get(client).cloned();
        let session = session.filter(|s| s.outbound.lock().is_connected());
        session
            .map(|s| s.end(Reason::ADMINISTRATIVE_ACTION.0))
            .is_some()
    }

    /// Ends all connections with this reason.
    pub fn end_all(&self, reason: Reason) {
        let sessions: Vec<_> = self.0.sessions.lock().values().cloned().collect();
        for session in sessions {
            if session.outbound.lock().is_connected() {
                session.end(reason.0);
            }
        }
    }

    /// The message retained on a topic: its payload.
    pub fn retained(&self, topic: &str) -> Option<Bytes> {
        self.0
            .image
            .lock()
            .retained(topic)
            .map(|m| m.payload.clone())
    }

    /// Counters now.
    pub fn metrics(&self) -> Metrics {
        let retained_now = self.0.image.lock().retained_size().0 as u64;
        Metrics {
            retained_now,
            ..self.0.counters.read()
        }
    }

    /// Accepts connections until `stop` is done, then ends them (MQTT 5: server shutting down) and waits for them.
    pub async fn serve(
        &self,
        listener: TcpListener,
        listen: Listen,
        stop: impl Future<Output = ()> + Send,
    ) -> std::io::Result<()> {
        listen::serve(self.0.clone(), listener, listen, stop).await
    }
}
