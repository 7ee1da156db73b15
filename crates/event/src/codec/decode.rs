//! Reading records back, one at a time, from bytes that nobody vouches for.

use super::{
    HAS_CAUSE, MAX_DEPTH, REFERABLE_BYTES, VERSION, event_flag, kind, message_flag, value_tag,
};
use crate::{
    Body, Category, Partition, Position, Record,
    record::{CommandName, Contribution, DeadLetter, Derived, Event, Message, Presence, Timer},
};
use bytes::Bytes;
use gemelli_model::{InterfaceId, TwinId, Value};
use std::sync::Arc;

/// Bytes that are not what [`Encoder`](super::Encoder) writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record at byte {place} of the frame is damaged: {what}")]
pub struct Damaged {
    /// Where in the body, in bytes.
    pub place: usize,
    /// What was met there.
    pub what: &'static str,
}

/// Slots of the cache of texts that were referred to.
const CACHED_TEXTS: usize = 256;

/// Elements that a list makes room for before it has read them.
const ROOM: usize = 64;

/// Reads the records of a frame body.
#[derive(Debug)]
pub struct Decoder<'a> {
    body: &'a [u8],
    place: usize,
    base_ms: i64,
    /// Texts by place, so that references share one allocation. Empty until the first reference.
    cache: Vec<Option<(usize, Arc<str>)>>,
}

impl<'a> Decoder<'a> {
    /// Starts at the first record. `base_ms` is what the encoder was given.
    pub fn new(body: &'a [u8], base_ms: i64) -> Result<Self, Damaged> {
        match body.first() {
            Some(&VERSION) => Ok(Self {
                body,
                place: 1,
                base_ms,
                cache: Vec::new(),
            }),
            Some(_) => Err(Damaged {
                place: 0,
                what: "unknown format version",
            }),
            None => Err(Damaged {
                place: 0,
                what: "empty body",
            }),
        }
    }

    /// Goes to a record by its place, as `Encoder::push` answered it.
    pub fn seek(&mut self, place: usize) {
        self.place = place;
    }

    /// The place of the next record; at the end the length of the body.
    pub fn place(&self) -> usize {
        self.place
    }

    /// The next record; none at the end of the body.
    #[allow(
        clippy::should_implement_trait,
        reason = "an iterator would go on after damage"
    )]
    pub fn next(&mut self) -> Result<Option<Record>, Damaged> {
        if self.place >= self.body.len() {
            return Ok(None);
        }
        self.record().map(Some)
    }

    fn record(&mut self) -> Result<Record, Damaged> {
        let head = self.byte()?;
        let partition = self.partition()?;
        let offset = self.varint()?;
        let accepted_ms = self.base_ms.wrapping_add(self.signed()?);
        let cause = match head & HAS_CAUSE {
            0 => None,
            _ => Some(
                u32::try_from(self.varint()?).or_else(|_| self.damaged("cause out of range"))?,
            ),
        };
        let body = match head & !HAS_CAUSE {
            kind::EVENT => Body::Event(self.event(accepted_ms)?),
            kind::MESSAGE => Body::Message(self.message(accepted_ms)?),
            kind::COMMAND => {
                let json = self.slice()?;
                let command = match json.is_empty() {
                    false => serde_json::from_slice(json),
                    true => serde_json::to_value(self.value(0)?).and_then(serde_json::from_value),
                };
                Body::Command(command.or_else(|_| self.damaged("not the JSON of a command"))?)
            }
            kind::PRESENCE => {
                let connected = self.truth()?;
                Body::Presence(Presence {
                    twin: self.twin()?,
                    connected,
                })
            }
            kind::TIMER => Body::Timer(Timer {
                twin: self.twin()?,
                timer: u32::try_from(self.varint()?)
                    .or_else(|_| self.damaged("timer out of range"))?,
                due_ms: accepted_ms.wrapping_add(self.signed()?),
            }),
            kind::CONTRIBUTION => Body::Contribution(self.contribution()?),
            kind::DERIVED => Body::Derived(self.derived(accepted_ms)?),
            kind::DEAD_LETTER => Body::DeadLetter(DeadLetter {
                code: self.text()?,
                reason: self.text()?,
                origin: self.text()?,
                dropped: self.varint()?,
                payload: self.blob()?,
            }),
            kind::SESSION => Body::Session(self.blob()?),
            _ => return self.damaged("unknown kind of record"),
        };
        Ok(Record {
            position: Position { partition, offset },
            accepted_ms,
            cause,
            body,
        })
    }

    fn event(&mut self, accepted_ms: i64) -> Result<Event, Damaged> {
        let flags = self.byte()?;
        let has = |flag: u8| flags & flag != 0;
        let category = match flags & event_flag::CATEGORY {
            0 => Category::Real,
            1 => Category::Virtual,
            2 => Category::Command,
            _ => Category::Store,
        };
        let interface = InterfaceId::new(self.text()?);
        let twin = self.twin()?;
        let command = match has(event_flag::COMMAND) {
            true => Some(CommandName {
                name: self.text()?,
                sender: if has(event_flag::SENDER) {
                    Some(self.twin()?)
                } else {
                    None
                },
            }),
            false => None,
        };
        let source = if has(event_flag::SOURCE) {
            Some(self.text()?)
        } else {
            None
        };
        let id = match (has(event_flag::ID), has(event_flag::ID_OF_SOURCE)) {
            (false, _) => None,
            (true, false) => Some(Arc::from(self.utf8()?)),
            (true, true) => {
                let owner = source.as_deref().unwrap_or(twin.as_str());
                if owner.len() > REFERABLE_BYTES {
                    return self.damaged("source too long for an id of the source");
                }
                Some(joined(owner, self.utf8()?))
            }
        };
        let time_ms = match has(event_flag::TIME) {
            true => Some(accepted_ms.wrapping_add(self.signed()?)),
            false => None,
        };
        Ok(Event {
            category,
            interface,
            twin,
            command,
            source,
            id,
            time_ms,
            payload: self.blob()?,
        })
    }

    fn message(&mut self, accepted_ms: i64) -> Result<Message, Damaged> {
        let flags = self.byte()?;
        let qos = flags & message_flag::QOS;
        if qos > 2 {
            return self.damaged("quality of service out of range");
        }
        let topic = self.text()?;
        let properties = if flags & message_flag::PROPERTIES != 0 {
            self.blob()?
        } else {
            Bytes::new()
        };
        let expires_ms = match flags & message_flag::EXPIRES {
            0 => None,
            _ => Some(accepted_ms.wrapping_add(self.signed()?)),
        };
        Ok(Message {
            topic,
            payload: self.blob()?,
            qos,
            properties,
            expires_ms,
        })
    }

    fn contribution(&mut self) -> Result<Contribution, Damaged> {
        let gone = self.truth()?;
        Ok(Contribution {
            gone,
            twin: self.twin()?,
            property: self.text()?,
            from: self.twin()?,
            edge: (self.twin()?, self.text()?),
            stamp: Position {
                partition: self.partition()?,
                offset: self.varint()?,
            },
            value: self.value(0)?,
        })
    }

    fn derived(&mut self, accepted_ms: i64) -> Result<Derived, Damaged> {
        let interface = InterfaceId::new(self.text()?);
        let twin = self.twin()?;
        let time_ms = accepted_ms.wrapping_add(self.signed()?);
        let count = self.count()?;
        let mut values = Vec::with_capacity(count.min(ROOM));
        for _ in 0..count {
            values.push((self.text()?, self.value(0)?));
        }
        Ok(Derived {
            twin,
            interface,
            time_ms,
            values,
        })
    }

    fn value(&mut self, depth: usize) -> Result<Value, Damaged> {
        if depth > MAX_DEPTH {
            return self.damaged("value nests too deep");
        }
        Ok(match self.byte()? {
            value_tag::NULL => Value::Null,
            value_tag::FALSE => Value::Bool(false),
            value_tag::TRUE => Value::Bool(true),
            value_tag::INT => Value::Int(self.signed()?),
            value_tag::DOUBLE => match self.take(8)?.first_chunk() {
                Some(bytes) => Value::Double(f64::from_le_bytes(*bytes)),
                None => return self.damaged("number cut short"),
            },
            value_tag::TEXT => Value::Text(self.text()?),
            value_tag::ARRAY => {
                let count = self.count()?;
                let mut items = Vec::with_capacity(count.min(ROOM));
                for _ in 0..count {
                    items.push(self.value(depth + 1)?);
                }
                Value::Array(items.into())
            }
            value_tag::OBJECT => {
                let count = self.count()?;
                let mut fields = Vec::with_capacity(count.min(ROOM));
                for _ in 0..count {
                    fields.push((self.text()?, self.value(depth + 1)?));
                }
                Value::Object(fields.into())
            }
            _ => return self.damaged("unknown kind of value"),
        })
    }

    fn damaged<T>(&self, what: &'static str) -> Result<T, Damaged> {
        Err(Damaged {
            place: self.place,
            what,
        })
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        match self.body.get(self.place) {
            Some(&byte) => {
                self.place += 1;
                Ok(byte)
            }
            None => self.damaged("cut short"),
        }
    }

    fn truth(&mut self) -> Result<bool, Damaged> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.damaged("neither true nor false"),
        }
    }

    fn partition(&mut self) -> Result<Partition, Damaged> {
        let number = self.byte()?;
        Partition::new(number).map_or_else(|| self.damaged("partition out of range"), Ok)
    }

    fn varint(&mut self) -> Result<u64, Damaged> {
        let (mut n, mut shift) = (0u64, 0u32);
        loop {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return self.damaged("number out of range");
            }
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
            shift += 7;
        }
    }

    fn signed(&mut self) -> Result<i64, Damaged> {
        let n = self.varint()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    /// A number of elements, each of which takes at least a byte.
    fn count(&mut self) -> Result<usize, Damaged> {
        let count = self.varint()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.body.len() - self.place => Ok(count),
            _ => self.damaged("more elements than bytes"),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let end = self.place.checked_add(length);
        match end.and_then(|end| self.body.get(self.place..end)) {
            Some(slice) => {
                self.place += length;
                Ok(slice)
            }
            None => self.damaged("cut short"),
        }
    }

    fn slice(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.varint()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => self.damaged("cut short"),
        }
    }

    /// Copies: a payload that lives on must not hold its whole frame in memory.
    fn blob(&mut self) -> Result<Bytes, Damaged> {
        Ok(Bytes::copy_from_slice(self.slice()?))
    }

    fn utf8(&mut self) -> Result<&'a str, Damaged> {
        let slice = self.slice()?;
        std::str::from_utf8(slice).or_else(|_| self.damaged("text is not UTF-8"))
    }

    fn twin(&mut self) -> Result<TwinId, Damaged> {
        self.text().map(TwinId::new)
    }

    fn text(&mut self) -> Result<Arc<str>, Damaged> {
        let start = self.place;
        let head = self.varint()?;
        if head & 1 == 0 {
            return self.text_of(head >> 1).map(Arc::from);
        }
        let place = match usize::try_from(head >> 1) {
            Ok(place) if place < start => place,
            _ => return self.damaged("reference to a later place"),
        };
        if self.cache.is_empty() {
            self.cache.resize(CACHED_TEXTS, None);
        }
        let slot = place.wrapping_mul(0x9E37_79B1) >> 7 & (CACHED_TEXTS - 1);
        if let Some(Some((at, text))) = self.cache.get(slot)
            && *at == place
        {
            return Ok(text.clone());
        }
        let after = std::mem::replace(&mut self.place, place);
        let head = self.varint()?;
        if head & 1 == 1 || head >> 1 > REFERABLE_BYTES as u64 {
            return self.damaged("reference to what is no text");
        }
        let text: Arc<str> = self.text_of(head >> 1)?.into();
        self.place = after;
        if let Some(entry) = self.cache.get_mut(slot) {
            *entry = Some((place, text.clone()));
        }
        Ok(text)
    }

    fn text_of(&mut self, length: u64) -> Result<&'a str, Damaged> {
        let length = usize::try_from(length).or_else(|_| self.damaged("cut short"))?;
        let slice = self.take(length)?;
        std::str::from_utf8(slice).or_else(|_| self.damaged("text is not UTF-8"))
    }
}

/// `<owner>#<tail>`.
fn joined(owner: &str, tail: &str) -> Arc<str> {
    let mut id = String::with_capacity(owner.len() + 1 + tail.len());
    id.push_str(owner);
    id.push('#');
    id.push_str(tail);
    id.into()
}
