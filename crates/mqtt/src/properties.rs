//! The properties of a PUBLISH, kept as the bytes that travel on the wire.
//!
//! A message passes through the broker with its properties untouched, so they are checked once ([`scan`]) and
//! then only copied or searched: no allocation per message. Bytes that [`scan`] refuses are never searched.

use crate::Malformed;

/// Payload format indicator.
pub const PAYLOAD_FORMAT: u8 = 0x01;
/// Message expiry interval.
pub const MESSAGE_EXPIRY: u8 = 0x02;
/// Content type.
pub const CONTENT_TYPE: u8 = 0x03;
/// Response topic.
pub const RESPONSE_TOPIC: u8 = 0x08;
/// Correlation data.
pub const CORRELATION_DATA: u8 = 0x09;
/// Subscription identifier.
pub const SUBSCRIPTION_ID: u8 = 0x0B;
/// Topic alias.
pub const TOPIC_ALIAS: u8 = 0x23;
/// User property.
pub const USER: u8 = 0x26;

/// One property of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property<'a> {
    /// The payload is UTF-8 text.
    PayloadFormat(u8),
    /// Seconds until it expires.
    MessageExpiry(u32),
    /// What the payload is.
    ContentType(&'a str),
    /// Where an answer should go.
    ResponseTopic(&'a str),
    /// What the answer should repeat.
    CorrelationData(&'a [u8]),
    /// A subscription that it is delivered for.
    SubscriptionId(u32),
    /// The number that stands for the topic.
    TopicAlias(u16),
    /// A name and a value.
    User(&'a str, &'a str),
}

/// Reads one property from the front; `None` at the end.
pub fn next<'a>(bytes: &mut &'a [u8]) -> Result<Option<Property<'a>>, Malformed> {
    let Some((&id, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    *bytes = rest;
    Ok(Some(match id {
        PAYLOAD_FORMAT => Property::PayloadFormat(byte(bytes)?),
        MESSAGE_EXPIRY => Property::MessageExpiry(u32::from_be_bytes(array(bytes)?)),
        CONTENT_TYPE => Property::ContentType(text(bytes)?),
        RESPONSE_TOPIC => Property::ResponseTopic(text(bytes)?),
        CORRELATION_DATA => Property::CorrelationData(binary(bytes)?),
        SUBSCRIPTION_ID => Property::SubscriptionId(variable(bytes)?),
        TOPIC_ALIAS => Property::TopicAlias(u16::from_be_bytes(array(bytes)?)),
        USER => Property::User(text(bytes)?, text(bytes)?),
        _ => return Err(Malformed::new("an unknown property in PUBLISH")),
    }))
}

/// What a check of a PUBLISH's properties found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Seconds until it expires.
    pub expiry_s: Option<u32>,
    /// The number that stands for the topic.
    pub topic_alias: Option<u16>,
    /// It carries a subscription identifier: only servers send them.
    pub subscription_ids: bool,
    /// The payload should be UTF-8 text.
    pub utf8: bool,
}

/// Checks all properties; what may stand there once only, does.
pub fn scan(mut bytes: &[u8]) -> Result<Scan, Malformed> {
    let mut scan = Scan::default();
    let mut seen = 0u64;
    while let Some(property) = next(&mut bytes)? {
        let id = match property {
            Property::PayloadFormat(value) => {
                if value > 1 {
                    return Err(Malformed::protocol(
                        "a payload format indicator other than 0 and 1",
                    ));
                }
                scan.utf8 = value == 1;
                PAYLOAD_FORMAT
            }
            Property::MessageExpiry(seconds) => {
                scan.expiry_s = Some(seconds);
                MESSAGE_EXPIRY
            }
            Property::ContentType(_) => CONTENT_TYPE,
            Property::ResponseTopic(topic) => {
                if topic.contains(['+', '#']) {
                    return Err(Malformed::protocol("a response topic with wildcards"));
                }
                RESPONSE_TOPIC
            }
            Property::CorrelationData(_) => CORRELATION_DATA,
            Property::TopicAlias(alias) => {
                scan.topic_alias = Some(alias);
                TOPIC_ALIAS
            }
            Property::SubscriptionId(0) => {
                return Err(Malformed::protocol("a subscription identifier of 0"));
            }
            Property::SubscriptionId(_) => {
                scan.subscription_ids = true;
                continue;
            }
            Property::User(..) => continue,
        };
        if seen & (1 << id) != 0 {
            return Err(Malformed::protocol(
                "a property twice that may stand there once only",
            ));
        }
        seen |= 1 << id;
    }
    Ok(scan)
}

fn properties(mut bytes: &[u8]) -> impl Iterator<Item = Property<'_>> {
    std::iter::from_fn(move || next(&mut bytes).ok().flatten())
}

/// All user properties in order.
pub fn users(bytes: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    properties(bytes).filter_map(|p| {
        if let Property::User(name, value) = p {
            Some((name, value))
        } else {
            None
        }
    })
}

/// The first user property of this name.
pub fn user<'a>(bytes: &'a [u8], name: &str) -> Option<&'a str> {
    users(bytes)
        .find(|(n, _)| *n == name)
        .map(|(_, value)| value)
}

/// The content type.
pub fn content_type(bytes: &[u8]) -> Option<&str> {
    properties(bytes).find_map(|p| {
        if let Property::ContentType(text) = p {
            Some(text)
        } else {
            None
        }
    })
}

/// The subscription identifiers, as a client receives them.
pub fn subscription_ids(bytes: &[u8]) -> impl Iterator<Item = u32> {
    properties(bytes).filter_map(|p| {
        if let Property::SubscriptionId(id) = p {
            Some(id)
        } else {
            None
        }
    })
}

/// Appends a user property. Texts are cut at 65,535 bytes.
pub fn put_user(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(USER);
    put_text(out, name);
    put_text(out, value);
}

/// Appends any property.
pub fn put(out: &mut Vec<u8>, property: Property<'_>) {
    match property {
        Property::PayloadFormat(value) => out.extend([PAYLOAD_FORMAT, value]),
        Property::MessageExpiry(seconds) => {
            out.push(MESSAGE_EXPIRY);
            out.extend(seconds.to_be_bytes());
        }
        Property::ContentType(value) => {
            out.push(CONTENT_TYPE);
            put_text(out, value);
        }
        Property::ResponseTopic(value) => {
            out.push(RESPONSE_TOPIC);
            put_text(out, value);
        }
        Property::CorrelationData(value) => {
            out.push(CORRELATION_DATA);
            put_binary(out, value);
        }
        Property::SubscriptionId(id) => {
            out.push(SUBSCRIPTION_ID);
            put_variable(out, id);
        }
        Property::TopicAlias(alias) => {
            out.push(TOPIC_ALIAS);
            out.extend(alias.to_be_bytes());
        }
        Property::User(name, value) => put_user(out, name, value),
    }
}

/// The properties without those that belong to one hop only: alias, expiry, subscription identifiers.
pub fn forwarded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for property in properties(bytes) {
        if !matches!(
            property,
            Property::TopicAlias(_) | Property::MessageExpiry(_) | Property::SubscriptionId(_)
        ) {
            put(&mut out, property);
        }
    }
    out
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    put_binary(out, text.as_bytes().get(..end).unwrap_or_default());
}

fn put_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = bytes.len().min(usize::from(u16::MAX));
    out.extend((length as u16).to_be_bytes());
    out.extend_from_slice(bytes.get(..length).unwrap_or_default());
}

/// Appends a variable byte integer.
pub fn put_variable(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

/// Bytes that a variable byte integer takes.
pub fn variable_len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Reads a variable byte integer.
pub fn variable(bytes: &mut &[u8]) -> Result<u32, Malformed> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let b = byte(bytes)?;
        value |= u32::from(b & 0x7F) << shift;
        if b & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed::new(
        "a variable byte integer of more than four bytes",
    ))
}

fn byte(bytes: &mut &[u8]) -> Result<u8, Malformed> {
    let (&first, rest) = bytes.split_first().ok_or(CUT)?;
    *bytes = rest;
    Ok(first)
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (first, rest) = bytes.split_first_chunk().ok_or(CUT)?;
    *bytes = rest;
    Ok(*first)
}

fn binary<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = usize::from(u16::from_be_bytes(array(bytes)?));
    let (first, rest) = bytes.split_at_checked(length).ok_or(CUT)?;
    *bytes = rest;
    Ok(first)
}

pub(crate) fn text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    let text = std::str::from_utf8(binary(bytes)?)
        .map_err(|_| Malformed::new("a text that is not UTF-8"))?;
    if text.contains('\0') {
        return Err(Malformed::new("a text with a null character"));
    }
    Ok(text)
}

const CUT: Malformed = Malformed::new("properties that end in the middle of one");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_property_goes_out_and_comes_back() {
        let all = [
            Property::PayloadFormat(1),
            Property::MessageExpiry(7),
            Property::ContentType("a"),
            Property::ResponseTopic("b/c"),
            Property::CorrelationData(&[0, 1]),
            Property::SubscriptionId(300),
            Property::TopicAlias(3),
            Property::User("ce-id", "x#1"),
        ];
        let mut bytes = Vec::new();
        for property in all {
            put(&mut bytes, property);
        }
        assert_eq!(properties(&bytes).collect::<Vec<_>>(), all);
        let found = scan(&bytes).unwrap();
        assert_eq!(
            found,
            Scan {
                expiry_s: Some(7),
                topic_alias: Some(3),
                subscription_ids: true,
                utf8: true
            }
        );
        assert_eq!(user(&bytes, "ce-id"), Some("x#1"));
        assert_eq!(properties(&forwarded(&bytes)).count(), 5);
    }

    #[test]
    fn cut_and_doubled_properties_are_refused() {
        assert!(scan(&[MESSAGE_EXPIRY, 0, 0]).is_err());
        assert!(scan(&[0x7E]).is_err());
        assert!(scan(&[PAYLOAD_FORMAT, 2]).is_err());
        assert!(scan(&[PAYLOAD_FORMAT, 1, PAYLOAD_FORMAT, 1]).is_err());
        assert!(scan(&[CONTENT_TYPE, 0, 1, 0xFF]).is_err());
        assert!(scan(&[SUBSCRIPTION_ID, 0]).is_err());
    }
}
