//! What a node is told when it starts: folder, listeners, limits.
//!
//! Plain data with defaults; reading files, environment and flags is the command line's business.

use std::{fmt, net::SocketAddr, path::PathBuf, sync::Arc};

/// Everything that a node is told.
#[derive(Clone)]
pub struct Options {
    /// The data folder; made if absent.
    pub data: PathBuf,
    /// Where MQTT is served.
    pub mqtt: Vec<MqttListener>,
    /// Who may connect: needed once a listener is beyond loopback.
    pub auth: Option<Arc<gemelli_auth::Access>>,
    /// When an answer may leave.
    pub durability: Durability,
    /// Bounds.
    pub limits: Limits,
    /// When snapshots are taken.
    pub snapshot: Snapshots,
    /// Segments, quotas and the disk of the data folder.
    pub store: gemelli_store::Options,
    /// The broker's bounds.
    pub broker: gemelli_broker::Options,
}

/// A listener for MQTT.
#[derive(Clone)]
pub struct MqttListener {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// MQTT over WebSocket instead of plain MQTT.
    pub websocket: bool,
    /// TLS, with a certificate.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl fmt::Debug for MqttListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secure = self.tls.is_some();
        write!(
            f,
            "MqttListener({}, websocket: {}, tls: {secure})",
            self.address, self.websocket
        )
    }
}

/// When an answer may leave, unless its connection asks to be relaxed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After the frame that holds the input is on disk: survives `kill -9` and power loss.
    #[default]
    Synced,
    /// Before the sync: a crash may take the last frames, which is what one or two syncs take.
    Relaxed,
}

/// Bounds. Full is a designed state: admission waits or refuses, and says so.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of resident memory past which admission refuses.
    pub memory_bytes: u64,
    /// Bytes that may wait for the driver, overhead of each input included.
    pub backlog_bytes: u32,
    /// Inputs of one frame.
    pub frame_inputs: usize,
    /// Bytes of the inputs of one frame.
    pub frame_bytes: usize,
    /// Waves of one batch: what follows after them opens the next batch.
    pub waves: usize,
    /// Dead letters kept for `get deadletters`.
    pub dead_letters: usize,
    /// Dead letters written per second, code and family of origins; the rest is counted.
    pub dead_letters_per_second: u32,
    /// What a crash may take from relaxed connections was accepted within so many milliseconds: while the log
    /// is further behind, they wait for it as all others do.
    pub relaxed_ms: u64,
    /// Frames that a live stream may lag behind before it reads the log instead.
    pub stream_frames: usize,
    /// Folds of the engine.
    pub engine: gemelli_engine::Limits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 30,
            backlog_bytes: 32 << 20,
            frame_inputs: 4_096,
            frame_bytes: 16 << 20,
            waves: 16,
            dead_letters: 10_000,
            dead_letters_per_second: 100,
            relaxed_ms: 100,
            stream_frames: 64,
            engine: gemelli_engine::Limits::default(),
        }
    }
}

/// When snapshots are taken.
#[derive(Clone, Copy, Debug)]
pub struct Snapshots {
    /// Milliseconds after the last one, if anything was logged since.
    pub interval_ms: u64,
    /// Bytes of log after the last one.
    pub log_bytes: u64,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            interval_ms: 60_000,
            log_bytes: 64 << 20,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("data", &self.data)
            .field("mqtt", &self.mqtt)
            .field("login", &self.auth.is_some())
            .field("durability", &self.durability)
            .field("limits", &self.limits)
            .field("snapshot", &self.snapshot)
            .field("store", &self.store)
            .field("broker", &self.broker)
            .finish()
    }
}

impl Options {
    /// The defaults for a data folder: durable answers, no listener.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            mqtt: Vec::new(),
            auth: None,
            durability: Durability::default(),
            limits: Limits::default(),
            snapshot: Snapshots::default(),
            store: gemelli_store::Options::default(),
            broker: gemelli_broker::Options::default(),
        }
    }
}
