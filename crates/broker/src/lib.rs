//! The MQTT 3.1.1 and 5 server.

pub mod host;

mod metrics;
mod options;

use bytes::Bytes;
use gemelli_event::Seq;
use std::{future::Future, sync::Arc};
use tokio::net::TcpListener;

pub use gemelli_mqtt::Reason;
pub use host::{Delivery, Host, Item, Presence, Publish};
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

/// Where and how to listen.
#[derive(Clone)]
pub struct Listen {
    /// Subprotocol `mqtt` over WebSocket instead of plain MQTT.
    pub websocket: bool,
    /// TLS: with a client certificate verifier in it, the certificate reaches [`Host::authenticate`].
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Most connections of this listener.
    pub max_connections: usize,
}

/// The server. Cheap to clone: all clones are one.
pub struct Broker<H> {
    host: Arc<H>,
    counters: Arc<metrics::Counters>,
}

impl<H> Clone for Broker<H> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone(), counters: self.counters.clone() }
    }
}

impl<H: Host> Broker<H> {
    /// A broker without sessions. Order of a start: `new`, `load` per entry of the snapshot, `fold` per session
    /// record of the tail, `start`, then `serve` per listener.
    pub fn new(host: Arc<H>, options: Options) -> Self {
        let _ = options;
        Self { host, counters: Arc::default() }
    }

    /// Takes up one entry of a snapshot.
    pub fn load(&self, key: &[u8], state: &[u8]) -> Result<(), Damaged> {
        let _ = (key, state);
        Ok(())
    }

    /// Folds one session record: on replay and, live, on release. In the log's order; `seq` is its place.
    pub fn fold(&self, seq: Seq, record: &[u8]) -> Result<(), Damaged> {
        let _ = (seq, record);
        Ok(())
    }

    /// After load and replay, before the first `serve`. `next` is the place of the next record; `crashed`: the last stop was not clean,
    /// wills of clients that do not return become due.
    /// Spawns the broker's timers on the current tokio runtime.
    pub fn start(&self, next: Seq, crashed: bool) {
        let _ = (next, crashed);
    }

    /// Whether [`Broker::deliver`] has anybody to deliver to: one load, so that a frame need not even be gathered.
    pub fn listening(&self) -> bool {
        false
    }

    /// Routes released messages, in the log's order. `next` is the place after the last record of the frame:
    /// call it for each frame, also without messages, so that durable sessions move on. Never blocks.
    pub fn deliver(&self, messages: &[Delivery], next: Seq) {
        let _ = (messages, next);
    }

    /// Sessions and retained messages changed since the last call, as folded from released records.
    pub fn take_dirty(&self) -> Vec<Entry> {
        Vec::new()
    }

    /// The oldest place in the log that a durable session still needs.
    pub fn oldest_cursor(&self) -> Option<Seq> {
        None
    }

    /// Ends one client's connection (administrative action).
    pub fn kick(&self, client: &str) -> bool {
        let _ = client;
        false
    }

    /// Counters now.
    pub fn metrics(&self) -> Metrics {
        self.counters.read()
    }

    /// Accepts connections until `stop` is done, then ends them (MQTT 5: server shutting down) and waits for them.
    pub async fn serve(&self, listener: TcpListener, listen: Listen, stop: impl Future<Output = ()> + Send) -> std::io::Result<()> {
        let _ = (listener, listen, &self.host);
        stop.await;
        Ok(())
    }
}
