//! Writing records into a buffer that is used again and again.

use super::{
    HAS_CAUSE, JSON_DEPTH, MAX_DEPTH, REFERABLE_BYTES, VERSION, event_flag, kind, message_flag,
    value_tag,
};
use crate::{
    Body, Category, Record,
    record::{Contribution, DeadLetter, Derived, Event, Message},
};
use gemelli_model::Value;
use xxhash_rust::xxh3::xxh3_64;

/// Why a record cannot be written: a value or a command nests deeper than [`MAX_DEPTH`]. Refuse it at admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value nests deeper than {MAX_DEPTH} levels, flatten it")]
pub struct TooDeep;

/// Writes the records of one frame. No allocation per record once its buffer has grown.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    /// Where the body starts in `bytes`; before it is room for the frame's header.
    start: usize,
    base_ms: i64,
    places: Places,
    scratch: Vec<u8>,
}

impl Encoder {
    /// Starts a frame: forgets the last one, leaves `room` zero bytes for the caller's header.
    /// `base_ms` is the accepted time that the records' times are relative to.
    pub fn begin(&mut self, room: usize, base_ms: i64) {
        self.bytes.clear();
        self.bytes.resize(room, 0);
        self.start = room;
        self.base_ms = base_ms;
        self.places.forget();
        self.bytes.push(VERSION);
    }

    /// Appends a record; the answer is its place in the body. Refused, it leaves nothing behind.
    pub fn push(&mut self, record: &Record) -> Result<usize, TooDeep> {
        let place = self.bytes.len();
        let written = self.record(record);
        if written.is_err() {
            // Places beyond the cut are gone with it.
            self.bytes.truncate(place);
            self.places.forget();
        }
        written.map(|()| place - self.start)
    }

    /// The whole buffer: the caller's room, then the body so far.
    pub fn buffer(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole buffer, to fill in the header and to pad.
    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes of the body so far.
    pub fn body_len(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn record(&mut self, record: &Record) -> Result<(), TooDeep> {
        let number = match &record.body {
            Body::Event(_) => kind::EVENT,
            Body::Message(_) => kind::MESSAGE,
            Body::Command(_) => kind::COMMAND,
            Body::Presence(_) => kind::PRESENCE,
            Body::Timer(_) => kind::TIMER,
            Body::Contribution(_) => kind::CONTRIBUTION,
            Body::Derived(_) => kind::DERIVED,
            Body::DeadLetter(_) => kind::DEAD_LETTER,
            Body::Session(_) => kind::SESSION,
        };
        self.byte(number | if record.cause.is_some() { HAS_CAUSE } else { 0 });
        self.byte(record.position.partition.number());
        self.varint(record.position.offset);
        self.signed(record.accepted_ms.wrapping_sub(self.base_ms));
        if let Some(cause) = record.cause {
            self.varint(cause.into());
        }
        match &record.body {
            Body::Event(event) => self.event(event, record.accepted_ms),
            Body::Message(message) => self.message(message, record.accepted_ms),
            Body::Command(command) => {
                self.scratch.clear();
                serde_json::to_writer(&mut self.scratch, command).map_err(|_| TooDeep)?;
                if json_depth(&self.scratch) > JSON_DEPTH {
                    let object = serde_json::to_value(command).map_err(|_| TooDeep)?;
                    self.blob(&[]);
                    return self.value(&Value::from(&object), 0);
                }
                let scratch = std::mem::take(&mut self.scratch);
                self.blob(&scratch);
                self.scratch = scratch;
            }
            Body::Presence(presence) => {
                self.byte(presence.connected.into());
                self.text(presence.twin.as_str());
            }
            Body::Timer(timer) => {
                self.text(timer.twin.as_str());
                self.varint(timer.timer.into());
                self.signed(timer.due_ms.wrapping_sub(record.accepted_ms));
            }
            Body::Contribution(contribution) => return self.contribution(contribution),
            Body::Derived(derived) => return self.derived(derived, record.accepted_ms),
            Body::DeadLetter(letter) => self.dead_letter(letter),
            Body::Session(bytes) => self.blob(bytes),
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, accepted_ms: i64) {
        let mut flags = match event.category {
            Category::Real => 0,
            Category::Virtual => 1,
            Category::Command => 2,
            Category::Store => 3,
        };
        let owner = event.source.as_deref().unwrap_or(event.twin.as_str());
        let tail = event
            .id
            .as_deref()
            .and_then(|id| id.strip_prefix(owner)?.strip_prefix('#'));
        if let Some(command) = &event.command {
            flags |= event_flag::COMMAND;
            if command.sender.is_some() {
                flags |= event_flag::SENDER;
            }
        }
        if event.source.is_some() {
            flags |= event_flag::SOURCE;
        }
        if event.id.is_some() {
            flags |= event_flag::ID;
        }
        if tail.is_some() && owner.len() <= REFERABLE_BYTES {
            flags |= event_flag::ID_OF_SOURCE;
        }
        if event.time_ms.is_some() {
            flags |= event_flag::TIME;
        }
        self.byte(flags);
        self.text(event.interface.as_str());
        self.text(event.twin.as_str());
        if let Some(command) = &event.command {
            self.text(&command.name);
            if let Some(sender) = &command.sender {
                self.text(sender.as_str());
            }
        }
        if let Some(source) = &event.source {
            self.text(source);
        }
        if let Some(id) = &event.id {
            match tail {
                Some(tail) if flags & event_flag::ID_OF_SOURCE != 0 => self.blob(tail.as_bytes()),
                _ => self.blob(id.as_bytes()),
            }
        }
        if let Some(time_ms) = event.time_ms {
            self.signed(time_ms.wrapping_sub(accepted_ms));
        }
        self.blob(&event.payload);
    }

    fn message(&mut self, message: &Message, accepted_ms: i64) {
        let mut flags = message.qos.min(2);
        if !message.properties.is_empty() {
            flags |= message_flag::PROPERTIES;
        }
        if message.expires_ms.is_some() {
            flags |= message_flag::EXPIRES;
        }
        self.byte(flags);
        self.text(&message.topic);
        if !message.properties.is_empty() {
            self.blob(&message.properties);
        }
        if let Some(expires_ms) = message.expires_ms {
            self.signed(expires_ms.wrapping_sub(accepted_ms));
        }
        self.blob(&message.payload);
    }

    fn contribution(&mut self, contribution: &Contribution) -> Result<(), TooDeep> {
        self.byte(contribution.gone.into());
        self.text(contribution.twin.as_str());
        self.text(&contribution.property);
        self.text(contribution.from.as_str());
        self.text(contribution.edge.0.as_str());
        self.text(&contribution.edge.1);
        self.byte(contribution.stamp.partition.number());
        self.varint(contribution.stamp.offset);
        self.value(&contribution.value, 0)
    }

    fn derived(&mut self, derived: &Derived, accepted_ms: i64) -> Result<(), TooDeep> {
        self.text(derived.interface.as_str());
        self.text(derived.twin.as_str());
        self.signed(derived.time_ms.wrapping_sub(accepted_ms));
        self.varint(derived.values.len() as u64);
        for (name, value) in &derived.values {
            self.text(name);
            self.value(value, 0)?;
        }
        Ok(())
    }

    fn dead_letter(&mut self, letter: &DeadLetter) {
        self.text(&letter.code);
        self.text(&letter.reason);
        self.text(&letter.origin);
        self.varint(letter.dropped);
        self.blob(&letter.payload);
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), TooDeep> {
        if depth > MAX_DEPTH {
            return Err(TooDeep);
        }
        match value {
            Value::Null => self.byte(value_tag::NULL),
            Value::Bool(false) => self.byte(value_tag::FALSE),
            Value::Bool(true) => self.byte(value_tag::TRUE),
            Value::Int(n) => {
                self.byte(value_tag::INT);
                self.signed(*n);
            }
            Value::Double(n) => {
                self.byte(value_tag::DOUBLE);
                self.bytes.extend_from_slice(&n.to_le_bytes());
            }
            Value::Text(text) => {
                self.byte(value_tag::TEXT);
                self.text(text);
            }
            Value::Array(items) => {
                self.byte(value_tag::ARRAY);
                self.varint(items.len() as u64);
                for item in items.iter() {
                    self.value(item, depth + 1)?;
                }
            }
            Value::Object(fields) => {
                self.byte(value_tag::OBJECT);
                self.varint(fields.len() as u64);
                for (name, field) in fields.iter() {
                    self.text(name);
                    self.value(field, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.bytes.push(n as u8);
    }

    fn signed(&mut self, n: i64) {
        self.varint(((n << 1) ^ (n >> 63)) as u64);
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// A text that may come again in the frame: written once, referred to afterwards.
    fn text(&mut self, text: &str) {
        if text.len() > 3 && text.len() <= REFERABLE_BYTES {
            let body = self.bytes.get(self.start..).unwrap_or_default();
            match self.places.find_or_note(text.as_bytes(), body) {
                Some(place) => return self.varint(u64::from(place) << 1 | 1),
                None => self.varint((text.len() as u64) << 1),
            }
        } else {
            self.varint((text.len() as u64) << 1);
        }
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// Slots of [`Places`]; a frame with more different texts writes some of them again.
const SLOTS: usize = 8_192;

/// Slots that are tried for one text.
const PROBES: usize = 4;

/// Where texts stand in the frame's body: an open hash table that is emptied by counting up `frame`.
#[derive(Default)]
struct Places {
    slots: Vec<Slot>,
    frame: u32,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    frame: u32,
    hash: u32,
    place: u32,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places")
            .field("slots", &self.slots.len())
            .finish()
    }
}

impl Places {
    fn forget(&mut self) {
        self.frame = self.frame.wrapping_add(1);
        if self.frame == 0 || self.slots.is_empty() {
            self.slots.clear();
            self.slots.resize(SLOTS, Slot::default());
            self.frame = 1;
        }
    }

    /// The place of a text in the body; if it has none, notes that it is about to be written at the body's end.
    fn find_or_note(&mut self, text: &[u8], body: &[u8]) -> Option<u32> {
        let hash = xxh3_64(text);
        let (first, hash) = (hash as usize, (hash >> 32) as u32);
        for probe in 0..PROBES {
            let slot = self.slots.get_mut((first + probe) % SLOTS)?;
            if slot.frame != self.frame {
                let place = u32::try_from(body.len()).ok()?;
                *slot = Slot {
                    frame: self.frame,
                    hash,
                    place,
                };
                return None;
            }
            if slot.hash == hash && stands_at(text, body, slot.place as usize) {
                return Some(slot.place);
            }
        }
        None
    }
}

/// Whether the text is written in full at this place of the body.
fn stands_at(text: &[u8], body: &[u8], place: usize) -> bool {
    let length = (text.len() as u64) << 1;
    let (head, head_len) = if length < 0x80 {
        ([length as u8, 0], 1)
    } else {
        ([length as u8 | 0x80, (length >> 7) as u8], 2)
    };
    body.get(place..place + head_len) == head.get(..head_len)
        && body.get(place + head_len..place + head_len + text.len()) == Some(text)
}

/// How deep well-formed JSON nests.
fn json_depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
