//! Packets as bytes: made once, then copied with a few bytes changed.

/// Most messages of a connection: the ten digits of a number run from 1000000000 to 9999999999.
pub const MAX_MESSAGES: u64 = 9_000_000_000;
/// The first number.
const FIRST_NUMBER: u64 = 1_000_000_000;
/// Digits of a number.
const DIGITS: usize = 10;

/// Protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    V5,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend(text.as_bytes());
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        packet.push((length & 0x7F) as u8 | more);
        length >>= 7;
        if length == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// CONNECT with a clean session.
pub(super) fn connect(version: Version, client: &str, keep_alive_s: u16) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([if version == Version::V5 { 5 } else { 4 }, 2]);
    body.extend(keep_alive_s.to_be_bytes());
    if version == Version::V5 {
        body.push(0);
    }
    text(&mut body, client);
    framed(0x10, &body)
}

/// PINGREQ.
pub(super) const PING: [u8; 2] = [0xC0, 0];
/// DISCONNECT.
pub(super) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// A PUBLISH with holes for the packet id and for numbers.
#[derive(Clone, Debug)]
pub(super) struct Publish {
    bytes: Vec<u8>,
    packet_id: Option<usize>,
    holes: Vec<(usize, Hole)>,
}

/// What is written into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    /// `{n}`: ten digits.
    Number,
    /// `{t}`: a number from 10.0 to 99.9 that changes with every message.
    Tenths,
}

impl Hole {
    const ALL: [(Self, &str, &str); 2] = [
        (Self::Number, "{n}", "1000000000"),
        (Self::Tenths, "{t}", "10.0"),
    ];
}

impl Publish {
    /// `{n}` and `{t}` in payload and event id become holes.
    pub(super) fn new(
        version: Version,
        qos: u8,
        topic: &str,
        payload: &str,
        event_id: &str,
    ) -> Self {
        let mut body = Vec::new();
        text(&mut body, topic);
        let packet_id = (qos > 0).then_some(body.len());
        if qos > 0 {
            body.extend([0, 0]);
        }
        let mut all = Vec::new();
        if version == Version::V5 {
            let mut properties = Vec::new();
            let (id, mut holes) = holes(event_id);
            if !id.is_empty() {
                properties.push(0x26);
                text(&mut properties, "ce-id");
                let before = properties.len() + 2;
                text(&mut properties, &id);
                holes.iter_mut().for_each(|(at, _)| *at += before);
            }
            // A property length is written like a packet's remaining length.
            let framed = framed(0, &properties);
            let length = framed
                .get(1..framed.len() - properties.len())
                .unwrap_or_default();
            body.extend(length);
            all.extend(holes.iter().map(|(at, hole)| (at + body.len(), *hole)));
            body.extend(properties);
        }
        let (payload, holes) = holes(payload);
        all.extend(holes.iter().map(|(at, hole)| (at + body.len(), *hole)));
        body.extend(payload.as_bytes());
        let bytes = framed(0x30 | (qos << 1), &body);
        let header = bytes.len() - body.len();
        all.iter_mut().for_each(|(at, _)| *at += header);
        Self {
            bytes,
            packet_id: packet_id.map(|at| at + header),
            holes: all,
        }
    }

    /// Appends the `k`-th message (from 0).
    pub(super) fn write(&self, packet_id: u16, k: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let Some(message) = out.get_mut(start..) else {
            return;
        };
        if let Some(hole) = self.packet_id.and_then(|at| message.get_mut(at..at + 2)) {
            hole.copy_from_slice(&packet_id.to_be_bytes());
        }
        if self.holes.is_empty() {
            return;
        }
        let digits = digits(FIRST_NUMBER + k);
        let [.., tens, ones, tenth] = digits;
        let tenths = [tens.max(b'1'), ones, b'.', tenth];
        for (at, hole) in &self.holes {
            let text: &[u8] = match hole {
                Hole::Number => &digits,
                Hole::Tenths => &tenths,
            };
            if let Some(place) = message.get_mut(*at..*at + text.len()) {
                place.copy_from_slice(text);
            }
        }
    }
}

fn digits(mut number: u64) -> [u8; DIGITS] {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

/// The text with stand-ins for its holes, and where they are.
fn holes(template: &str) -> (String, Vec<(usize, Hole)>) {
    let (mut text, mut found, mut rest) = (String::new(), Vec::new(), template);
    loop {
        let next = Hole::ALL
            .iter()
            .filter_map(|hole| Some((rest.find(hole.1)?, hole)));
        let Some((at, (hole, mark, stand_in))) = next.min_by_key(|(at, _)| *at) else {
            break;
        };
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        found.push((text.len(), *hole));
        text.push_str(stand_in);
        rest = after.get(mark.len()..).unwrap_or_default();
    }
    text.push_str(rest);
    (text, found)
}

/// What a scan of received bytes found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// An acknowledgement: its packet id, and whether it says no.
    Acknowledged(u16, bool),
    /// PINGRESP.
    Pong,
    /// CONNACK with its return code.
    Connected(u8),
    /// DISCONNECT with its reason.
    Disconnected(u8),
    /// Anything else.
    Other,
}

/// Takes one packet from the front of `bytes`; none if it is not whole yet.
pub(super) fn next(bytes: &mut &[u8]) -> Option<Received> {
    // The usual case: an acknowledgement without reason.
    if let [0x40, 2, high, low, rest @ ..] = bytes {
        let id = u16::from_be_bytes([*high, *low]);
        *bytes = rest;
        return Some(Received::Acknowledged(id, false));
    }
    let (first, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (body, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    let code = |at: usize| body.get(at).copied().unwrap_or_default();
    Some(match first >> 4 {
        4 => Received::Acknowledged(u16::from_be_bytes([code(0), code(1)]), code(2) >= 0x80),
        13 => Received::Pong,
        2 => Received::Connected(code(1)),
        14 => Received::Disconnected(code(0)),
        _ => Received::Other,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_publish_carries_topic_id_and_number() {
        let packet = Publish::new(Version::V5, 1, "a/b", r#"{"v":{n},"t":{t}}"#, "x#{n}");
        let mut out = vec![9];
        packet.write(0x0102, 457, &mut out);
        let expected = [
            &[9, 0x32, 55, 0, 3][..],
            b"a/b\x01\x02\x16\x26\x00\x05ce-id\x00\x0cx#1000000457",
            br#"{"v":1000000457,"t":45.7}"#,
        ]
        .concat();
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&expected)
        );
    }

    #[test]
    fn long_packets_have_long_lengths() {
        let packet = Publish::new(Version::V311, 0, "t", &"x".repeat(200), "ignored");
        let mut out = Vec::new();
        packet.write(0, 0, &mut out);
        assert_eq!(out.get(..6).unwrap(), [0x30, 0xCB, 0x01, 0, 1, b't']);
        assert_eq!(out.len(), 206);
    }

    #[test]
    fn packets_are_found_whole_or_not_at_all() {
        let bytes = [
            0x40, 2, 0, 7, 0x40, 3, 0, 8, 0x87, 0xD0, 0, 0x20, 3, 0, 5, 0, 0xE0, 1, 0x8B, 0x40, 2,
            0,
        ];
        let mut rest = &bytes[..];
        let found: Vec<Received> = std::iter::from_fn(|| next(&mut rest)).collect();
        assert_eq!(
            found,
            [
                Received::Acknowledged(7, false),
                Received::Acknowledged(8, true),
                Received::Pong,
                Received::Connected(5),
                Received::Disconnected(0x8B)
            ]
        );
        assert_eq!(rest, [0x40, 2, 0]);
    }
}
