//! A client without IO: requests append bytes to a buffer, received bytes become events.
//!
//! It keeps packet identifiers, the server's limits and the handshakes of QoS 2. It does not reconnect, does not
//! repeat messages by itself and has no timers: [`Client::unacknowledged`] tells what to send again.

use crate::{
    Malformed, Reason,
    codec::{Codec, Outgoing},
    packet::{
        Ack, ConnAck, Connect, Disconnect, Packet, Publish, Qos, SubAck, Subscribe,
        SubscribeOptions, Unsubscribe, Version,
    },
};
use bytes::BytesMut;
use bytestring::ByteString;
use std::collections::{BTreeSet, VecDeque};

/// Largest packet that the client takes unless CONNECT says otherwise, bytes.
pub const MAX_PACKET_BYTES: u32 = 16 << 20;

/// Most QoS 1 and 2 messages on their way: leaves packet identifiers for subscriptions.
pub const MAX_IN_FLIGHT: usize = 60_000;

/// A client's side of one connection.
#[derive(Debug)]
pub struct Client {
    connect: Connect,
    codec: Codec,
    next_id: u16,
    sent: VecDeque<(u16, Sent)>,
    received: BTreeSet<u16>,
    receive_maximum: u16,
}

/// How far a message is that was sent with QoS 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// QoS 1: waits for PUBACK.
    Once,
    /// QoS 2: waits for PUBREC.
    Twice,
    /// QoS 2: waits for PUBCOMP.
    Releasing,
}

/// What the server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// CONNACK; look at its reason.
    Connected(Box<ConnAck>),
    /// A QoS 1 or 2 message of ours is done, or refused.
    Published {
        /// As [`Client::publish`] returned it.
        packet_id: u16,
        /// Success or why not.
        reason: Reason,
        /// Text for people.
        text: Option<ByteString>,
    },
    /// A message for us; its acknowledgement is already in the output.
    Message(Publish),
    /// SUBACK.
    Subscribed(Box<SubAck>),
    /// UNSUBACK.
    Unsubscribed(Box<SubAck>),
    /// PINGRESP.
    Pong,
    /// The server ends the connection.
    Disconnected(Box<Disconnect>),
}

/// A message cannot be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} messages wait for their acknowledgement, which is all that the server takes")]
pub struct Full(pub usize);

impl Client {
    /// A client that will connect like this.
    pub fn new(connect: Connect) -> Self {
        let codec = Codec::client(
            connect.version,
            connect.max_packet_bytes.unwrap_or(MAX_PACKET_BYTES),
        );
        Self {
            connect,
            codec,
            next_id: 0,
            sent: VecDeque::new(),
            received: BTreeSet::new(),
            receive_maximum: u16::MAX,
        }
    }

    /// The version that is spoken.
    pub fn version(&self) -> Version {
        self.connect.version
    }

    /// The CONNECT with which it connects.
    pub fn settings(&mut self) -> &mut Connect {
        &mut self.connect
    }

    /// Opens the session: to be called first on each new connection.
    pub fn connect(&mut self, out: &mut BytesMut) {
        self.codec
            .encode(&Packet::Connect(Box::new(self.connect.clone())), out);
    }

    /// How many QoS 1 and 2 messages are on their way.
    pub fn in_flight(&self) -> usize {
        self.sent.len()
    }

    /// How many QoS 1 and 2 messages may still be sent.
    pub fn room(&self) -> usize {
        usize::from(self.receive_maximum)
            .min(MAX_IN_FLIGHT)
            .saturating_sub(self.sent.len())
    }

    /// Packet identifiers of messages that were not acknowledged, oldest first; true: its PUBREL is to be
    /// repeated (done by [`Client::release_again`]), false: its PUBLISH.
    pub fn unacknowledged(&self) -> impl Iterator<Item = (u16, bool)> {
        self.sent
            .iter()
            .map(|(id, sent)| (*id, *sent == Sent::Releasing))
    }

    /// Forgets messages on their way: for a connection whose CONNACK says that there is no session.
    pub fn forget(&mut self) {
        self.sent.clear();
        self.received.clear();
    }

    /// Repeats the PUBRELs of an earlier connection of the session.
    pub fn release_again(&mut self, out: &mut BytesMut) {
        for (id, sent) in &self.sent {
            if *sent == Sent::Releasing {
                self.codec
                    .encode(&Packet::PubRel(Ack::new(*id, Reason::SUCCESS)), out);
            }
        }
    }

    /// Publishes; answers with the packet identifier, 0 for QoS 0. `properties` in wire form, empty for none.
    pub fn publish(&mut self, message: Outgoing<'_>, out: &mut BytesMut) -> Result<u16, Full> {
        let packet_id = match message.qos {
            Qos::AtMostOnce => 0,
            _ if self.room() == 0 => return Err(Full(self.sent.len())),
            qos => {
                let id = self.free_id();
                self.sent.push_back((
                    id,
                    if qos == Qos::AtLeastOnce {
                        Sent::Once
                    } else {
                        Sent::Twice
                    },
                ));
                id
            }
        };
        Outgoing {
            packet_id,
            ..message
        }
        .encode(self.version(), out);
        Ok(packet_id)
    }

    /// Publishes again, with the identifier that the message had and the DUP flag.
    pub fn publish_again(&mut self, packet_id: u16, message: Outgoing<'_>, out: &mut BytesMut) {
        Outgoing {
            packet_id,
            dup: true,
            ..message
        }
        .encode(self.version(), out);
    }

    /// Subscribes; answers with the packet identifier.
    pub fn subscribe(
        &mut self,
        filters: &[(&str, SubscribeOptions)],
        subscription_id: Option<u32>,
        out: &mut BytesMut,
    ) -> u16 {
        let packet_id = self.free_id();
        let filters = filters
            .iter()
            .map(|(filter, options)| (ByteString::from(*filter), *options))
            .collect();
        self.codec.encode(
            &Packet::Subscribe(Box::new(Subscribe {
                packet_id,
                subscription_id,
                filters,
            })),
            out,
        );
        packet_id
    }

    /// Unsubscribes; answers with the packet identifier.
    pub fn unsubscribe(&mut self, filters: &[&str], out: &mut BytesMut) -> u16 {
        let packet_id = self.free_id();
        let filters = filters
            .iter()
            .map(|filter| ByteString::from(*filter))
            .collect();
        self.codec.encode(
            &Packet::Unsubscribe(Box::new(Unsubscribe { packet_id, filters })),
            out,
        );
        packet_id
    }

    /// Sends a sign of life.
    pub fn ping(&self, out: &mut BytesMut) {
        self.codec.encode(&Packet::PingReq, out);
    }

    /// Ends the connection in good order: no will.
    pub fn disconnect(&self, out: &mut BytesMut) {
        self.codec.encode(
            &Packet::Disconnect(Box::new(Disconnect::new(Reason::SUCCESS))),
            out,
        );
    }

    /// Takes the next event out of received bytes; what must be answered at once goes to `out`.
    pub fn receive(
        &mut self,
        buffer: &mut BytesMut,
        out: &mut BytesMut,
    ) -> Result<Option<Event>, Malformed> {
        while let Some(packet) = self.codec.decode(buffer)? {
            if let Some(event) = self.take(packet, out)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn take(&mut self, packet: Packet, out: &mut BytesMut) -> Result<Option<Event>, Malformed> {
        Ok(match packet {
            Packet::ConnAck(ack) => {
                self.receive_maximum = ack.receive_maximum;
                if !ack.session_present {
                    self.received.clear();
                }
                Some(Event::Connected(ack))
            }
            Packet::Publish(publish) => self.message(publish, out),
            Packet::PubAck(ack) => self.done(ack),
            Packet::PubRec(ack) if ack.reason.is_failure() => self.done(ack),
            Packet::PubRec(ack) => {
                if let Some((_, sent)) = self.sent.iter_mut().find(|(id, _)| *id == ack.packet_id) {
                    *sent = Sent::Releasing;
                }
                self.codec.encode(
                    &Packet::PubRel(Ack::new(ack.packet_id, Reason::SUCCESS)),
                    out,
                );
                None
            }
            Packet::PubRel(ack) => {
                self.received.remove(&ack.packet_id);
                self.codec.encode(
                    &Packet::PubComp(Ack::new(ack.packet_id, Reason::SUCCESS)),
                    out,
                );
                None
            }
            Packet::PubComp(ack) => self.done(ack),
            Packet::SubAck(ack) => Some(Event::Subscribed(ack)),
            Packet::UnsubAck(ack) => Some(Event::Unsubscribed(ack)),
            Packet::PingResp => Some(Event::Pong),
            Packet::Disconnect(disconnect) => Some(Event::Disconnected(disconnect)),
            _ => return Err(Malformed::protocol("a packet that servers do not send")),
        })
    }

    fn message(&mut self, publish: Publish, out: &mut BytesMut) -> Option<Event> {
        let ack = Ack::new(publish.packet_id, Reason::SUCCESS);
        match publish.qos {
            Qos::AtMostOnce => Some(Event::Message(publish)),
            Qos::AtLeastOnce => {
                self.codec.encode(&Packet::PubAck(ack), out);
                Some(Event::Message(publish))
            }
            Qos::ExactlyOnce => {
                self.codec.encode(&Packet::PubRec(ack), out);
                self.received
                    .insert(publish.packet_id)
                    .then_some(Event::Message(publish))
            }
        }
    }

    fn done(&mut self, ack: Ack) -> Option<Event> {
        // Acknowledgements come in the order of the messages, so the first entry is nearly always it.
        let at = self.sent.iter().position(|(id, _)| *id == ack.packet_id)?;
        self.sent.remove(at);
        Some(Event::Published {
            packet_id: ack.packet_id,
            reason: ack.reason,
            text: ack.reason_string,
        })
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            // Ids rise in turn: while the oldest is still far ahead, no search is needed.
            let taken = match (self.sent.front(), self.sent.back()) {
                (Some((first, _)), Some((last, _))) if first <= last => {
                    (*first..=*last).contains(&self.next_id)
                        && self.sent.iter().any(|(id, _)| *id == self.next_id)
                }
                _ => self.sent.iter().any(|(id, _)| *id == self.next_id),
            };
            if !taken {
                return self.next_id;
            }
        }
    }
}
