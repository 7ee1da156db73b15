//! PUBLISH as it is written: from borrowed parts straight into the output.

use super::{MAX_REMAINING, PUBLISH, put_header, put_variable};
use crate::{
    packet::{Qos, Version},
    properties, topic,
};
use bytes::{BufMut, BytesMut};

/// A PUBLISH about to be written, all of it borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// It may have been sent before.
    pub dup: bool,
    /// The retain flag.
    pub retain: bool,
    /// Quality of service.
    pub qos: Qos,
    /// Not 0 for QoS 1 and 2.
    pub packet_id: u16,
    /// Its topic; empty where an alias stands for it.
    pub topic: &'a str,
    /// Its own properties in wire form.
    pub own: &'a [u8],
    /// Seconds until it expires; must then not stand in `own`.
    pub expiry_s: Option<u32>,
    /// Must then not stand in `own`.
    pub topic_alias: Option<u16>,
    /// The subscriptions that it is delivered for.
    pub subscription_ids: &'a [u32],
    /// Its payload.
    pub payload: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// A QoS 0 message without topic.
    pub fn new(payload: &'a [u8]) -> Self {
        Self {
            dup: false,
            retain: false,
            qos: Qos::AtMostOnce,
            packet_id: 0,
            topic: "",
            own: &[],
            expiry_s: None,
            topic_alias: None,
            subscription_ids: &[],
            payload,
        }
    }

    fn properties_len(&self) -> usize {
        let ids: usize = self
            .subscription_ids
            .iter()
            .map(|id| 1 + properties::variable_len(*id as usize))
            .sum();
        self.own.len() + ids + self.expiry_s.map_or(0, |_| 5) + self.topic_alias.map_or(0, |_| 3)
    }

    fn remaining(&self, version: Version) -> usize {
        let properties = match version {
            Version::V5 => self.properties_len(),
            _ => 0,
        };
        let prefix = if version == Version::V5 {
            properties::variable_len(properties)
        } else {
            0
        };
        2 + self.topic.len()
            + if self.qos == Qos::AtMostOnce { 0 } else { 2 }
            + prefix
            + properties
            + self.payload.len()
    }

    /// Bytes that the whole packet takes.
    pub fn encoded_len(&self, version: Version) -> usize {
        let remaining = self.remaining(version);
        1 + properties::variable_len(remaining) + remaining
    }

    /// Appends the packet; before MQTT 5 without properties. One that is too large for the protocol is left out.
    pub fn encode(&self, version: Version, out: &mut BytesMut) {
        let remaining = self.remaining(version);
        if remaining > MAX_REMAINING || self.topic.len() > topic::MAX_TOPIC_BYTES {
            return;
        }
        put_header(
            out,
            PUBLISH | u8::from(self.dup) << 3 | self.qos.number() << 1 | u8::from(self.retain),
            remaining,
        );
        out.put_u16(self.topic.len() as u16);
        out.put_slice(self.topic.as_bytes());
        if self.qos != Qos::AtMostOnce {
            out.put_u16(self.packet_id);
        }
        if version == Version::V5 {
            put_variable(out, self.properties_len());
            if let Some(alias) = self.topic_alias {
                out.put_u8(properties::TOPIC_ALIAS);
                out.put_u16(alias);
            }
            if let Some(seconds) = self.expiry_s {
                out.put_u8(properties::MESSAGE_EXPIRY);
                out.put_u32(seconds);
            }
            for id in self.subscription_ids {
                out.put_u8(properties::SUBSCRIPTION_ID);
                put_variable(out, *id as usize);
            }
            out.put_slice(self.own);
        }
        out.put_slice(self.payload);
    }
}
