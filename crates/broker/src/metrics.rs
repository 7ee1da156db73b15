//! What the broker counts.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters as they run; all only rise, except those named `…_now`.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Metrics {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn read(&self) -> Metrics {
                Metrics { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl Metrics {
            /// Names and values, for an exporter.
            pub fn entries(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }
    };
}

counters! {
    /// Connections open now.
    connections_now,
    /// Sessions known now, connected or not.
    sessions_now,
    /// Subscriptions now.
    subscriptions_now,
    /// Retained messages now.
    retained_now,
    /// Bytes of messages that wait for clients, or are in flight to them, now.
    queued_bytes_now,
    /// Connections that sent a valid CONNECT.
    connected,
    /// Connections refused: authentication, limits, malformed CONNECT.
    refused_connections,
    /// Connections ended by the broker for what the client did.
    closed_for_protocol,
    /// Connections ended by an expired keep-alive.
    closed_for_keep_alive,
    /// Connections taken over by a newer one of the same client.
    taken_over,
    /// Messages received.
    received,
    /// Bytes of payload received.
    received_bytes,
    /// Messages refused, with a negative acknowledgement where the protocol has one.
    refused,
    /// Messages sent.
    sent,
    /// Bytes of payload sent.
    sent_bytes,
    /// QoS 0 messages dropped because their receiver was too slow or not there.
    dropped_qos0,
    /// QoS 1 and 2 messages dropped because a session without a log position was too slow.
    dropped_slow,
    /// Messages dropped because they expired on the way.
    dropped_expired,
    /// Messages dropped because they are larger than their receiver takes.
    dropped_too_large,
    /// Records that retention took before a lagging session read them.
    lost_to_retention,
    /// Retained messages refused because the limit is reached.
    dropped_retained,
    /// Scans of the log for sessions that lag.
    scans,
    /// Scans of the log that met a place that could not be read; they are tried again.
    failed_scans,
    /// Wills published.
    wills,
    /// QoS 2 messages that came again and were not published again.
    duplicates,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

pub(crate) fn sub(counter: &AtomicU64, n: u64) {
    counter.fetch_sub(n, Ordering::Relaxed);
}
