//! The packets, in the terms of MQTT 5. What a version cannot say is absent.

use crate::Reason;
use bytes::Bytes;
use bytestring::ByteString;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// MQTT 3.1, protocol level 3.
    V31,
    /// MQTT 3.1.1, protocol level 4.
    V311,
    /// MQTT 5.
    V5,
}

/// Quality of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// At most once.
    #[default]
    AtMostOnce = 0,
    /// At least once.
    AtLeastOnce = 1,
    /// Exactly once.
    ExactlyOnce = 2,
}

impl Qos {
    /// The quality with this number, 0 to 2.
    pub fn new(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A name and a value.
pub type UserProperty = (ByteString, ByteString);

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Packet {
    Connect(Box<Connect>),
    ConnAck(Box<ConnAck>),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    Subscribe(Box<Subscribe>),
    SubAck(Box<SubAck>),
    Unsubscribe(Box<Unsubscribe>),
    UnsubAck(Box<SubAck>),
    PingReq,
    PingResp,
    Disconnect(Box<Disconnect>),
    Auth(Box<Auth>),
}

/// CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The version that the connection speaks.
    pub version: Version,
    /// Empty: the server assigns one.
    pub client_id: ByteString,
    /// Forget an earlier session. Before MQTT 5 it also means that the session ends with the connection.
    pub clean_start: bool,
    /// Seconds; 0: none.
    pub keep_alive_s: u16,
    /// Seconds that the session outlives the connection; `u32::MAX`: for ever. Absent: 0 in MQTT 5,
    /// and before it what `clean_start` says.
    pub session_expiry_s: Option<u32>,
    /// Most unacknowledged QoS 1 and 2 messages that the client takes at a time.
    pub receive_maximum: u16,
    /// Largest packet that the client takes, bytes.
    pub max_packet_bytes: Option<u32>,
    /// Most topic aliases that the client takes.
    pub topic_aliases: u16,
    /// The client wants reason strings.
    pub problem_information: bool,
    /// User name.
    pub username: Option<ByteString>,
    /// Password.
    pub password: Option<Bytes>,
    /// Method of enhanced authentication.
    pub auth_method: Option<ByteString>,
    /// What the server publishes should the client vanish.
    pub will: Option<Box<Will>>,
    /// User properties.
    pub user: Vec<UserProperty>,
}

impl Connect {
    /// A CONNECT with nothing special: clean start, no keep-alive.
    pub fn new(version: Version, client_id: impl Into<ByteString>) -> Self {
        Self {
            version,
            client_id: client_id.into(),
            clean_start: true,
            keep_alive_s: 0,
            session_expiry_s: None,
            receive_maximum: u16::MAX,
            max_packet_bytes: None,
            topic_aliases: 0,
            problem_information: true,
            username: None,
            password: None,
            auth_method: None,
            will: None,
            user: Vec::new(),
        }
    }
}

/// A will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Where it goes.
    pub topic: ByteString,
    /// What it says.
    pub payload: Bytes,
    /// How.
    pub qos: Qos,
    /// It is retained.
    pub retain: bool,
    /// Seconds between the end of the connection and its publication.
    pub delay_s: u32,
    /// Seconds after which it is worth nothing.
    pub expiry_s: Option<u32>,
    /// Its other properties, as a PUBLISH carries them (see [`crate::properties`]).
    pub properties: Bytes,
}

/// CONNACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnAck {
    /// The server remembers the session.
    pub session_present: bool,
    /// Success or why not.
    pub reason: Reason,
    /// The session's expiry, where it differs from what the client asked for, seconds.
    pub session_expiry_s: Option<u32>,
    /// Most unacknowledged QoS 1 and 2 messages that the server takes at a time.
    pub receive_maximum: u16,
    /// Largest packet that the server takes, bytes.
    pub max_packet_bytes: Option<u32>,
    /// The id that the server chose.
    pub assigned_client_id: Option<ByteString>,
    /// Most topic aliases that the server takes.
    pub topic_aliases: u16,
    /// The keep-alive that the server imposes, seconds.
    pub keep_alive_s: Option<u16>,
    /// Text for people.
    pub reason_string: Option<ByteString>,
    /// User properties.
    pub user: Vec<UserProperty>,
}

impl ConnAck {
    /// A CONNACK that says this and nothing else.
    pub fn new(reason: Reason) -> Self {
        Self {
            session_present: false,
            reason,
            session_expiry_s: None,
            receive_maximum: u16::MAX,
            max_packet_bytes: None,
            assigned_client_id: None,
            topic_aliases: 0,
            keep_alive_s: None,
            reason_string: None,
            user: Vec::new(),
        }
    }
}

/// PUBLISH.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// It may have been sent before.
    pub dup: bool,
    /// To the server: keep it. To a client: it was kept.
    pub retain: bool,
    /// Quality of service.
    pub qos: Qos,
    /// Not 0 for QoS 1 and 2; 0 for QoS 0.
    pub packet_id: u16,
    /// Its topic; may be empty where an alias is given.
    pub topic: ByteString,
    /// All its MQTT 5 properties in wire form (see [`crate::properties`]), checked.
    pub properties: Bytes,
    /// From the properties: seconds until it expires.
    pub expiry_s: Option<u32>,
    /// From the properties: the number that stands for the topic.
    pub topic_alias: Option<u16>,
    /// From the properties: there are some that belong to this hop only.
    pub hop_properties: bool,
    /// Its payload.
    pub payload: Bytes,
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Of the PUBLISH.
    pub packet_id: u16,
    /// Success or why not.
    pub reason: Reason,
    /// Text for people.
    pub reason_string: Option<ByteString>,
}

impl Ack {
    /// An acknowledgement without a reason string.
    pub fn new(packet_id: u16, reason: Reason) -> Self {
        Self {
            packet_id,
            reason,
            reason_string: None,
        }
    }
}

/// SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Not 0.
    pub packet_id: u16,
    /// A number that comes back with each message.
    pub subscription_id: Option<u32>,
    /// What is wanted, and how.
    pub filters: Vec<(ByteString, SubscribeOptions)>,
}

/// How a filter's messages are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// At most with this quality.
    pub qos: Qos,
    /// Not those that the client itself published.
    pub no_local: bool,
    /// With the retain flag as published.
    pub retain_as_published: bool,
    /// Which retained messages come at once.
    pub retain_handling: RetainHandling,
}

/// Which retained messages come at SUBSCRIBE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetainHandling {
    /// All.
    #[default]
    Send = 0,
    /// All, if the subscription is new.
    SendIfNew = 1,
    /// None.
    DoNotSend = 2,
}

/// SUBACK and UNSUBACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubAck {
    /// Of the SUBSCRIBE or UNSUBSCRIBE.
    pub packet_id: u16,
    /// One for each filter. UNSUBACK before MQTT 5 has none.
    pub reasons: Vec<Reason>,
    /// Text for people.
    pub reason_string: Option<ByteString>,
}

/// UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Not 0.
    pub packet_id: u16,
    /// What is no longer wanted.
    pub filters: Vec<ByteString>,
}

/// DISCONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// Why.
    pub reason: Reason,
    /// A new session expiry, seconds.
    pub session_expiry_s: Option<u32>,
    /// Text for people.
    pub reason_string: Option<ByteString>,
}

impl Disconnect {
    /// A DISCONNECT that says this and nothing else.
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            session_expiry_s: None,
            reason_string: None,
        }
    }
}

/// AUTH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Success, continue or again.
    pub reason: Reason,
    /// The method.
    pub method: Option<ByteString>,
    /// Its data.
    pub data: Option<Bytes>,
}
