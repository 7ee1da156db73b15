//! What can be set about the broker, with defaults.

/// Limits and policies of the broker. Every queue it has is bounded by one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most connections at a time. The node lowers it to what the file-descriptor limit allows.
    pub max_connections: usize,
    /// Longest wait for CONNECT and for the TLS and WebSocket handshakes, milliseconds.
    pub connect_timeout_ms: u64,
    /// Largest packet that a client may send, bytes.
    pub max_packet_bytes: u32,
    /// Most unacknowledged QoS 1 and 2 messages that an MQTT 5 client may have in flight to the server;
    /// older clients are held back by TCP at the same number.
    pub receive_maximum: u16,
    /// Most unacknowledged messages in flight to one client; an MQTT 5 client may lower it.
    pub in_flight: u16,
    /// Most topic aliases that a client may use.
    pub topic_aliases: u16,
    /// Longest keep-alive, seconds; clients that ask for more or none get it as the server's (MQTT 5 only).
    /// 0: whatever the client asks for.
    pub max_keep_alive_s: u16,
    /// Longest session expiry, seconds; what MQTT 5 clients ask for beyond it is cut, and they are told.
    pub max_session_expiry_s: u32,
    /// How long a session of an older client with "clean session 0" lives without a connection, seconds.
    pub v3_session_expiry_s: u32,
    /// Bytes of messages that may wait for one client or be in flight to it: past it QoS 0 is dropped, durable
    /// sessions read from the log, others lose the newest messages. All counted.
    pub queue_bytes: usize,
    /// Bytes of messages that may wait for all clients, or be in flight to them, together.
    pub total_queue_bytes: usize,
    /// A clean session that loses a QoS 1 or 2 message is disconnected (0x97) rather than left with a gap.
    pub disconnect_slow: bool,
    /// Most filters of one SUBSCRIBE; those past it are refused (0x97), and the client can send them in another one.
    pub max_filters: usize,
    /// Most subscriptions of one session.
    pub max_subscriptions: usize,
    /// Most sessions, connected or not.
    pub max_sessions: usize,
    /// Most retained messages.
    pub max_retained: usize,
    /// Bytes of all retained messages together.
    pub max_retained_bytes: usize,
    /// How often `$SYS` topics are published, seconds; 0 never.
    pub sys_interval_s: u64,
    /// Product and version, for `$SYS/broker/version`.
    pub version: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 100_000,
            connect_timeout_ms: 10_000,
            max_packet_bytes: 1 << 20,
            receive_maximum: 1_000,
            in_flight: 256,
            topic_aliases: 64,
            max_keep_alive_s: 0,
            max_session_expiry_s: 30 * 24 * 3_600,
            v3_session_expiry_s: 7 * 24 * 3_600,
            queue_bytes: 1 << 20,
            total_queue_bytes: 256 << 20,
            disconnect_slow: false,
            max_filters: 1_000,
            max_subscriptions: 10_000,
            max_sessions: 1_000_000,
            max_retained: 1_000_000,
            max_retained_bytes: 256 << 20,
            sys_interval_s: 10,
            version: format!("gemelli {}", env!("CARGO_PKG_VERSION")),
        }
    }
}
