//! The rare packets, through the codec crate: CONNECT, SUBSCRIBE and the like.
//!
//! This is the only file that knows that crate. It never reads or writes PUBLISH or its acknowledgements.

use crate::{
    Malformed, Reason,
    packet::{
        Auth, ConnAck, Connect, Disconnect, Packet, Qos, RetainHandling, SubAck, Subscribe,
        SubscribeOptions, Unsubscribe, Version, Will,
    },
    properties::{self, Property},
    topic,
};
use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;
use rmqtt_codec::{
    error::DecodeError,
    types::{Protocol, QoS},
    v3, v5,
};
use std::num::{NonZeroU16, NonZeroU32};
use tokio_util::codec::{Decoder, Encoder};

const CUT: Malformed = Malformed::new("a packet that ends too early");

/// The version that a CONNECT frame names.
pub fn version(frame: &[u8], header: usize) -> Result<Version, Malformed> {
    match frame.get(header..).unwrap_or_default() {
        [0, 4, b'M', b'Q', b'T', b'T', 4, ..] => Ok(Version::V311),
        [0, 4, b'M', b'Q', b'T', b'T', 5, ..] => Ok(Version::V5),
        [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, ..] => Ok(Version::V31),
        [0, 4, b'M', b'Q', b'T', b'T', _, ..]
        | [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', _, ..] => Err(Malformed {
            reason: Reason::UNSUPPORTED_VERSION,
            what: "a protocol level other than 3 (MQTT 3.1), 4 (MQTT 3.1.1) and 5",
        }),
        [_, _, _, _, _, _, _, ..] => {
            Err(Malformed::protocol("a CONNECT whose protocol is not MQTT"))
        }
        _ => Err(CUT),
    }
}

/// Reads a whole CONNECT frame.
pub fn decode_connect(frame: BytesMut, version: Version) -> Result<Connect, Malformed> {
    let connect = match decode(frame, version)? {
        Packet::Connect(connect) => *connect,
        _ => return Err(Malformed::protocol("the first packet is not CONNECT")),
    };
    if let Some(will) = &connect.will
        && !topic::is_name(&will.topic)
    {
        return Err(Malformed {
            reason: Reason::TOPIC_NAME_INVALID,
            what: "a will whose topic is empty or has wildcards",
        });
    }
    Ok(Connect { version, ..connect })
}

/// Reads a whole frame.
pub fn decode(mut frame: BytesMut, version: Version) -> Result<Packet, Malformed> {
    let packet = if version == Version::V5 {
        v5::Codec::new(0, 0)
            .decode(&mut frame)
            .map_err(refusal)?
            .map(|(packet, _)| from_v5(packet))
    } else {
        v3::Codec::new(0)
            .decode(&mut frame)
            .map_err(refusal)?
            .map(|(packet, _)| from_v3(packet))
    };
    packet.unwrap_or(Err(CUT))
}

fn refusal(error: DecodeError) -> Malformed {
    match error {
        DecodeError::InvalidClientId => Malformed {
            reason: Reason::CLIENT_ID_NOT_VALID,
            what: "an empty client id without a clean start: send an id, or start clean",
        },
        DecodeError::UnsupportedProtocolLevel => Malformed {
            reason: Reason::UNSUPPORTED_VERSION,
            what: "a protocol level that is not supported",
        },
        DecodeError::ConnectReservedFlagSet => Malformed::new("a CONNECT with the reserved flag"),
        DecodeError::InvalidConnectFlags => {
            Malformed::new("CONNECT flags that contradict each other")
        }
        DecodeError::InvalidTopicFilter => Malformed::protocol("no topic filter, or an empty one"),
        DecodeError::UnsupportedPacketType => {
            Malformed::new("an unknown packet type or wrong flags in its first byte")
        }
        DecodeError::InvalidLength => CUT,
        DecodeError::Utf8Error => Malformed::new("a text that is not UTF-8"),
        _ => Malformed::new("a packet that cannot be read"),
    }
}

fn qos(qos: QoS) -> Qos {
    Qos::new(qos.value()).unwrap_or_default()
}

fn their_qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn from_v3(packet: v3::Packet) -> Result<Packet, Malformed> {
    Ok(match packet {
        v3::Packet::Connect(c) => {
            let c = *c;
            Packet::Connect(Box::new(Connect {
                clean_start: c.clean_session,
                keep_alive_s: c.keep_alive,
                username: c.username,
                password: c.password,
                will: c.last_will.map(|w| {
                    Box::new(Will {
                        topic: w.topic,
                        payload: w.message,
                        qos: qos(w.qos),
                        retain: w.retain,
                        delay_s: 0,
                        expiry_s: None,
                        properties: Bytes::new(),
                    })
                }),
                ..Connect::new(Version::V311, c.client_id)
            }))
        }
        v3::Packet::ConnectAck(a) => Packet::ConnAck(Box::new(ConnAck {
            session_present: a.session_present,
            ..ConnAck::new(Reason::from_v3_return_code(a.return_code.into()))
        })),
        v3::Packet::Subscribe {
            packet_id,
            topic_filters,
        } => Packet::Subscribe(Box::new(Subscribe {
            packet_id: packet_id.get(),
            subscription_id: None,
            filters: topic_filters
                .into_iter()
                .map(|(filter, q)| {
                    (
                        filter,
                        SubscribeOptions {
                            qos: qos(q),
                            ..SubscribeOptions::default()
                        },
                    )
                })
                .collect(),
        })),
        v3::Packet::SubscribeAck { packet_id, status } => Packet::SubAck(Box::new(SubAck {
            packet_id: packet_id.get(),
            reasons: status
                .into_iter()
                .map(|s| match s {
                    v3::SubscribeReturnCode::Success(q) => Reason(q.value()),
                    v3::SubscribeReturnCode::Failure => Reason::UNSPECIFIED,
                })
                .collect(),
            reason_string: None,
        })),
        v3::Packet::Unsubscribe {
            packet_id,
            topic_filters,
        } => {
            if topic_filters.is_empty() {
                return Err(Malformed::protocol("an UNSUBSCRIBE without a filter"));
            }
            Packet::Unsubscribe(Box::new(Unsubscribe {
                packet_id: packet_id.get(),
                filters: topic_filters,
            }))
        }
        v3::Packet::UnsubscribeAck { packet_id } => Packet::UnsubAck(Box::new(SubAck {
            packet_id: packet_id.get(),
            reasons: Vec::new(),
            reason_string: None,
        })),
        v3::Packet::Disconnect => Packet::Disconnect(Box::new(Disconnect::new(Reason::SUCCESS))),
        _ => return Err(Malformed::protocol("a packet that does not belong here")),
    })
}

fn from_v5(packet: v5::Packet) -> Result<Packet, Malformed> {
    Ok(match packet {
        v5::Packet::Connect(c) => {
            let c = *c;
            if c.auth_data.is_some() && c.auth_method.is_none() {
                return Err(Malformed::protocol("authentication data without a method"));
            }
            Packet::Connect(Box::new(Connect {
                clean_start: c.clean_start,
                keep_alive_s: c.keep_alive,
                session_expiry_s: Some(c.session_expiry_interval_secs),
                receive_maximum: c.receive_max.map_or(u16::MAX, NonZeroU16::get),
                max_packet_bytes: c.max_packet_size.map(NonZeroU32::get),
                topic_aliases: c.topic_alias_max,
                problem_information: c.request_problem_info,
                username: c.username,
                password: c.password,
                auth_method: c.auth_method,
                will: c.last_will.map(|w| Box::new(will_from(w))),
                user: c.user_properties,
                ..Connect::new(Version::V5, c.client_id)
            }))
        }
        v5::Packet::ConnectAck(a) => {
            let a = *a;
            Packet::ConnAck(Box::new(ConnAck {
                session_present: a.session_present,
                reason: Reason(a.reason_code.into()),
                session_expiry_s: a.session_expiry_interval_secs,
                receive_maximum: a.receive_max.get(),
                max_packet_bytes: a.max_packet_size,
                assigned_client_id: a.assigned_client_id,
                topic_aliases: a.topic_alias_max,
                keep_alive_s: a.server_keepalive_sec,
                reason_string: a.reason_string,
                user: a.user_properties,
            }))
        }
        v5::Packet::Subscribe(s) => {
            if s.topic_filters.is_empty() {
                return Err(Malformed::protocol("a SUBSCRIBE without a filter"));
            }
            Packet::Subscribe(Box::new(Subscribe {
                packet_id: s.packet_id.get(),
                subscription_id: s.id.map(NonZeroU32::get),
                filters: s
                    .topic_filters
                    .into_iter()
                    .map(|(filter, o)| (filter, options(o)))
                    .collect(),
            }))
        }
        v5::Packet::SubscribeAck(a) => Packet::SubAck(Box::new(SubAck {
            packet_id: a.packet_id.get(),
            reasons: a.status.into_iter().map(|s| Reason(s.into())).collect(),
            reason_string: a.reason_string,
        })),
        v5::Packet::Unsubscribe(u) => {
            if u.topic_filters.is_empty() {
                return Err(Malformed::protocol("an UNSUBSCRIBE without a filter"));
            }
            Packet::Unsubscribe(Box::new(Unsubscribe {
                packet_id: u.packet_id.get(),
                filters: u.topic_filters,
            }))
        }
        v5::Packet::UnsubscribeAck(a) => Packet::UnsubAck(Box::new(SubAck {
            packet_id: a.packet_id.get(),
            reasons: a.status.into_iter().map(|s| Reason(s.into())).collect(),
            reason_string: a.reason_string,
        })),
        v5::Packet::Disconnect(d) => Packet::Disconnect(Box::new(Disconnect {
            reason: Reason(d.reason_code.into()),
            session_expiry_s: d.session_expiry_interval_secs,
            reason_string: d.reason_string,
        })),
        v5::Packet::Auth(a) => Packet::Auth(Box::new(Auth {
            reason: Reason(a.reason_code.into()),
            method: a.auth_method,
            data: a.auth_data,
        })),
        _ => return Err(Malformed::protocol("a packet that does not belong here")),
    })
}

fn options(o: v5::SubscriptionOptions) -> SubscribeOptions {
    SubscribeOptions {
        qos: qos(o.qos),
        no_local: o.no_local,
        retain_as_published: o.retain_as_published,
        retain_handling: match o.retain_handling {
            v5::RetainHandling::AtSubscribe => RetainHandling::Send,
            v5::RetainHandling::AtSubscribeNew => RetainHandling::SendIfNew,
            v5::RetainHandling::NoAtSubscribe => RetainHandling::DoNotSend,
        },
    }
}

fn will_from(w: v5::LastWill) -> Will {
    let mut bytes = Vec::new();
    if let Some(utf8) = w.is_utf8_payload {
        properties::put(&mut bytes, Property::PayloadFormat(u8::from(utf8)));
    }
    if let Some(text) = &w.content_type {
        properties::put(&mut bytes, Property::ContentType(text));
    }
    if let Some(topic) = &w.response_topic {
        properties::put(&mut bytes, Property::ResponseTopic(topic));
    }
    if let Some(data) = &w.correlation_data {
        properties::put(&mut bytes, Property::CorrelationData(data));
    }
    for (name, value) in &w.user_properties {
        properties::put_user(&mut bytes, name, value);
    }
    Will {
        topic: w.topic,
        payload: w.message,
        qos: qos(w.qos),
        retain: w.retain,
        delay_s: w.will_delay_interval_sec.unwrap_or(0),
        expiry_s: w.message_expiry_interval.map(NonZeroU32::get),
        properties: bytes.into(),
    }
}

fn their_will(w: &Will) -> v5::LastWill {
    let mut out = v5::LastWill {
        qos: their_qos(w.qos),
        retain: w.retain,
        topic: w.topic.clone(),
        message: w.payload.clone(),
        will_delay_interval_sec: (w.delay_s > 0).then_some(w.delay_s),
        correlation_data: None,
        message_expiry_interval: w.expiry_s.and_then(NonZeroU32::new),
        content_type: None,
        user_properties: Vec::new(),
        is_utf8_payload: None,
        response_topic: None,
    };
    let mut rest = &w.properties[..];
    while let Ok(Some(property)) = properties::next(&mut rest) {
        match property {
            Property::PayloadFormat(value) => out.is_utf8_payload = Some(value == 1),
            Property::ContentType(text) => out.content_type = Some(text.into()),
            Property::ResponseTopic(topic) => out.response_topic = Some(topic.into()),
            Property::CorrelationData(data) => {
                out.correlation_data = Some(Bytes::copy_from_slice(data))
            }
            Property::User(name, value) => out.user_properties.push((name.into(), value.into())),
            _ => {}
        }
    }
    out
}

/// Appends a packet; one that this version cannot express is left out.
pub fn encode(packet: &Packet, version: Version, out: &mut BytesMut) {
    if let (Packet::Disconnect(d), Version::V5) = (packet, version)
        && d.reason == Reason::SUCCESS
        && d.session_expiry_s.is_none()
    {
        return out.put_slice(&[0xE0, 0]);
    }
    let before = out.len();
    let done = if version == Version::V5 {
        to_v5(packet).map(|p| v5::Codec::new(0, 0).encode(p, out).is_ok())
    } else {
        to_v3(packet, version).map(|p| v3::Codec::new(0).encode(p, out).is_ok())
    };
    if done != Some(true) {
        out.truncate(before);
    }
}

fn to_v3(packet: &Packet, version: Version) -> Option<v3::Packet> {
    Some(match packet {
        Packet::Connect(c) => v3::Packet::Connect(Box::new(v3::Connect {
            // A client of ours never speaks MQTT 3.1: it asks for 3.1.1, which differs in nothing else.
            protocol: Protocol(4),
            clean_session: c.clean_start,
            keep_alive: c.keep_alive_s,
            last_will: c.will.as_ref().map(|w| v3::LastWill {
                qos: their_qos(w.qos),
                retain: w.retain,
                topic: w.topic.clone(),
                message: w.payload.clone(),
            }),
            client_id: c.client_id.clone(),
            username: c.username.clone(),
            password: c.password.clone(),
            cert: None,
        })),
        Packet::ConnAck(a) => v3::Packet::ConnectAck(v3::ConnectAck {
            session_present: a.session_present && version == Version::V311,
            return_code: v3::ConnectAckReason::try_from(a.reason.v3_return_code()).ok()?,
        }),
        Packet::Subscribe(s) => v3::Packet::Subscribe {
            packet_id: NonZeroU16::new(s.packet_id)?,
            topic_filters: s
                .filters
                .iter()
                .map(|(f, o)| (f.clone(), their_qos(o.qos)))
                .collect(),
        },
        Packet::SubAck(a) => v3::Packet::SubscribeAck {
            packet_id: NonZeroU16::new(a.packet_id)?,
            status: a
                .reasons
                .iter()
                .map(|r| match Qos::new(r.0) {
                    Some(q) => v3::SubscribeReturnCode::Success(their_qos(q)),
                    None => v3::SubscribeReturnCode::Failure,
                })
                .collect(),
        },
        Packet::Unsubscribe(u) => v3::Packet::Unsubscribe {
            packet_id: NonZeroU16::new(u.packet_id)?,
            topic_filters: u.filters.clone(),
        },
        Packet::UnsubAck(a) => v3::Packet::UnsubscribeAck {
            packet_id: NonZeroU16::new(a.packet_id)?,
        },
        Packet::Disconnect(_) => v3::Packet::Disconnect,
        _ => return None,
    })
}

fn short(text: &Option<ByteString>) -> Option<ByteString> {
    text.clone().filter(|t| t.len() <= super::MAX_REASON_STRING)
}

fn to_v5(packet: &Packet) -> Option<v5::Packet> {
    Some(match packet {
        Packet::Connect(c) => v5::Packet::Connect(Box::new(v5::Connect {
            clean_start: c.clean_start,
            keep_alive: c.keep_alive_s,
            session_expiry_interval_secs: c.session_expiry_s.unwrap_or(0),
            auth_method: c.auth_method.clone(),
            auth_data: None,
            request_problem_info: c.problem_information,
            request_response_info: false,
            receive_max: NonZeroU16::new(c.receive_maximum).filter(|n| n.get() < u16::MAX),
            topic_alias_max: c.topic_aliases,
            user_properties: c.user.clone(),
            max_packet_size: c.max_packet_bytes.and_then(NonZeroU32::new),
            last_will: c.will.as_deref().map(their_will),
            client_id: c.client_id.clone(),
            username: c.username.clone(),
            password: c.password.clone(),
            cert: None,
        })),
        Packet::ConnAck(a) => v5::Packet::ConnectAck(Box::new(v5::ConnectAck {
            session_present: a.session_present,
            reason_code: v5::ConnectAckReason::try_from(a.reason.0)
                .unwrap_or(v5::ConnectAckReason::UnspecifiedError),
            session_expiry_interval_secs: a.session_expiry_s,
            receive_max: NonZeroU16::new(a.receive_maximum).unwrap_or(NonZeroU16::MAX),
            max_packet_size: a.max_packet_bytes,
            assigned_client_id: a.assigned_client_id.clone(),
            topic_alias_max: a.topic_aliases,
            server_keepalive_sec: a.keep_alive_s,
            reason_string: short(&a.reason_string),
            user_properties: a.user.clone(),
            ..v5::ConnectAck::default()
        })),
        Packet::Subscribe(s) => v5::Packet::Subscribe(v5::Subscribe {
            packet_id: NonZeroU16::new(s.packet_id)?,
            id: s.subscription_id.and_then(NonZeroU32::new),
            user_properties: Vec::new(),
            topic_filters: s
                .filters
                .iter()
                .map(|(f, o)| (f.clone(), their_options(*o)))
                .collect(),
        }),
        Packet::SubAck(a) => v5::Packet::SubscribeAck(v5::SubscribeAck {
            packet_id: NonZeroU16::new(a.packet_id)?,
            properties: Vec::new(),
            reason_string: short(&a.reason_string),
            status: codes(&a.reasons, v5::SubscribeAckReason::UnspecifiedError),
        }),
        Packet::Unsubscribe(u) => v5::Packet::Unsubscribe(v5::Unsubscribe {
            packet_id: NonZeroU16::new(u.packet_id)?,
            user_properties: Vec::new(),
            topic_filters: u.filters.clone(),
        }),
        Packet::UnsubAck(a) => v5::Packet::UnsubscribeAck(v5::UnsubscribeAck {
            packet_id: NonZeroU16::new(a.packet_id)?,
            properties: Vec::new(),
            reason_string: short(&a.reason_string),
            status: codes(&a.reasons, v5::UnsubscribeAckReason::UnspecifiedError),
        }),
        Packet::Disconnect(d) => v5::Packet::Disconnect(v5::Disconnect {
            reason_code: v5::DisconnectReasonCode::try_from(d.reason.0)
                .unwrap_or(v5::DisconnectReasonCode::UnspecifiedError),
            session_expiry_interval_secs: d.session_expiry_s,
            server_reference: None,
            reason_string: short(&d.reason_string),
            user_properties: Vec::new(),
        }),
        Packet::Auth(a) => v5::Packet::Auth(v5::Auth {
            reason_code: v5::AuthReasonCode::try_from(a.reason.0).ok()?,
            auth_method: a.method.clone(),
            auth_data: a.data.clone(),
            reason_string: None,
            user_properties: Vec::new(),
        }),
        _ => return None,
    })
}

/// Reasons as the crate's own; those that it does not know become `other`.
fn codes<T: TryFrom<u8> + Clone>(reasons: &[Reason], other: T) -> Vec<T> {
    let code = |r: &Reason| T::try_from(r.0).unwrap_or_else(|_| other.clone());
    reasons.iter().map(code).collect()
}

fn their_options(o: SubscribeOptions) -> v5::SubscriptionOptions {
    v5::SubscriptionOptions {
        qos: their_qos(o.qos),
        no_local: o.no_local,
        retain_as_published: o.retain_as_published,
        retain_handling: match o.retain_handling {
            RetainHandling::Send => v5::RetainHandling::AtSubscribe,
            RetainHandling::SendIfNew => v5::RetainHandling::AtSubscribeNew,
            RetainHandling::DoNotSend => v5::RetainHandling::NoAtSubscribe,
        },
    }
}
