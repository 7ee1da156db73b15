//! MQTT 3.1, 3.1.1 and 5: packets, codec and client, without IO.
//!
//! One set of packet types, in the terms of MQTT 5; older versions are mapped at the codec's border.
//! Bytes come in, packets go out, and back. This crate never opens a socket, never asks for the time
//! and never starts a task. It hides the codec crate that it uses for the rare packets.

pub mod client;
pub mod codec;
pub mod packet;
pub mod properties;
pub mod topic;

mod reason;

pub use client::Client;
pub use codec::{Codec, Outgoing};
pub use packet::{Packet, Qos, Version};
pub use reason::Reason;

/// Bytes that are no packet, or a packet that the protocol forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct Malformed {
    /// What to tell the client.
    pub reason: Reason,
    /// What was found.
    pub what: &'static str,
}

impl Malformed {
    /// A packet that cannot be read.
    pub const fn new(what: &'static str) -> Self {
        Self {
            reason: Reason::MALFORMED_PACKET,
            what,
        }
    }

    /// A packet that can be read, but must not be sent.
    pub const fn protocol(what: &'static str) -> Self {
        Self {
            reason: Reason::PROTOCOL_ERROR,
            what,
        }
    }
}
