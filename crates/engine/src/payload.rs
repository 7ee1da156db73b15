//! A JSON payload, read once, straight into slots and values.
//!
//! No tree in between: names become slots while they are read, values take the form of their slot's
//! schema, and a text that the twin holds already is shared with it. Nothing is changed here: what
//! does not fit is told before anything is applied.

use crate::{Compiled, Rejection, definitions::SlotKind, twin::Cell};
use gemelli_model::{Value, nearest};
use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use std::{fmt, sync::Arc};

/// Members of a payload that belong to the event, not to the twin.
const ATTRIBUTES: [&str; 2] = ["ceId", "timestamp"];
/// KTWIN's generators count their messages.
const COUNTER: &str = "msg_count";
/// Longest part of a value that an error repeats, in characters.
const EXCERPT: usize = 64;

/// Reads a payload's members into `out`, in the order of the payload. Derived members are left out:
/// a report of theirs is for history only. `current` is what the twin holds.
pub(crate) fn read(
    interface: &Compiled,
    current: &[Cell],
    payload: &[u8],
    out: &mut Vec<(u16, Value)>,
) -> Result<(), Rejection> {
    out.clear();
    let mut refused = None;
    let mut json = serde_json::Deserializer::from_slice(payload);
    let members = Members {
        interface,
        current,
        out,
        refused: &mut refused,
    };
    let read = json.deserialize_map(members).and_then(|()| json.end());
    match (read, refused) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(rejection)) => Err(rejection),
        (Err(error), None) => Err(malformed(interface, payload, &error)),
    }
}

fn malformed(interface: &Compiled, payload: &[u8], error: &serde_json::Error) -> Rejection {
    if error.is_data() {
        let reason = format!(
            "the payload for {} is not an object with members: {error}",
            interface.id()
        );
        return Rejection::new(
            "wrong-type",
            reason,
            "send a JSON object such as {\"temperature\": 20.5}",
        );
    }
    let reason = match payload {
        [] => format!("the payload for {} is empty", interface.id()),
        _ => format!("the payload for {} is not JSON: {error}", interface.id()),
    };
    Rejection::new(
        "malformed-json",
        reason,
        "send a JSON object such as {\"temperature\": 20.5}",
    )
}

struct Members<'a> {
    interface: &'a Compiled,
    current: &'a [Cell],
    out: &'a mut Vec<(u16, Value)>,
    refused: &'a mut Option<Rejection>,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Devices send the members in the same order each time, mostly that of the interface.
        let mut next = 0;
        while let Some(name) = map.next_key_seed(Name {
            interface: self.interface,
            next,
        })? {
            let slot = match name {
                Named::Slot(slot) => slot,
                Named::Attribute => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Named::Unknown(name) => {
                    *self.refused = Some(unknown(self.interface, &name));
                    return Err(A::Error::custom("unknown member"));
                }
            };
            next = slot + 1;
            let Some(info) = self.interface.slot(slot) else {
                continue;
            };
            if info.derived() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let held = self.current.get(usize::from(slot)).map(|cell| &cell.value);
            let value = map.next_value_seed(Shared(held))?;
            match self.interface.fit(info, value) {
                Ok(_) if info.kind == (SlotKind::Telemetry { last: false }) => {}
                Ok(value) => self.out.push((slot, value)),
                Err(mismatch) => {
                    *self.refused = Some(mismatched(self.interface, &info.name, &mismatch));
                    return Err(A::Error::custom("wrong type"));
                }
            }
        }
        Ok(())
    }
}

/// Whether a payload may have a member of this name: one of the interface, or one of the event.
pub(crate) fn takes(interface: &Compiled, name: &str) -> bool {
    let resolved = interface.resolved();
    resolved.open
        || interface.slot_of(name).is_some()
        || ATTRIBUTES.contains(&name)
        || (resolved.ignore_case && name == COUNTER)
}

/// The rejection of a member that the interface does not have.
pub(crate) fn unknown(interface: &Compiled, name: &str) -> Rejection {
    let known = interface.slots().iter().map(|s| &*s.name);
    let remedy = nearest::name(name, known).map_or_else(
        || "declare it in the interface, or let the interface be open".into(),
        |near| format!("did you mean {near}?"),
    );
    let name: String = name.chars().take(EXCERPT).collect();
    Rejection::new(
        "unknown-field",
        format!("interface {} has no member {name}", interface.id()),
        remedy,
    )
}

/// The rejection of a value that does not fit.
pub(crate) fn mismatched(
    interface: &Compiled,
    name: &str,
    mismatch: &gemelli_model::schema::Mismatch,
) -> Rejection {
    let reason = format!("member {name} of interface {}: {mismatch}", interface.id());
    Rejection::new(mismatch.code, reason, format!("send {}", mismatch.expected))
}

/// What a member's name means.
enum Named {
    Slot(u16),
    /// Of the event, or of no interest to an open interface.
    Attribute,
    Unknown(String),
}

struct Name<'a> {
    interface: &'a Compiled,
    next: u16,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Named;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Named, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Named, E> {
        if self
            .interface
            .slot(self.next)
            .is_some_and(|s| &*s.name == name)
        {
            return Ok(Named::Slot(self.next));
        }
        if let Some(slot) = self.interface.slot_of(name) {
            return Ok(Named::Slot(slot));
        }
        let resolved = self.interface.resolved();
        let attribute = resolved.open
            || ATTRIBUTES.contains(&name)
            || (resolved.ignore_case && name == COUNTER);
        Ok(if attribute {
            Named::Attribute
        } else {
            Named::Unknown(name.into())
        })
    }
}

/// Reads a value; a text equal to the one held is shared instead of copied.
struct Shared<'a>(Option<&'a Value>);

impl<'de> DeserializeSeed<'de> for Shared<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shared<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or(Value::Double(n as f64), Value::Int))
    }
    fn visit_f64<E>(self, n: f64) -> Result<Value, E> {
        Ok(Value::Double(n))
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        match self.0 {
            Some(held @ Value::Text(known)) if **known == *text => Ok(held.clone()),
            _ => Ok(Value::text(text)),
        }
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(seq))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Kind and name of what holds a member, and where in it the member stands.
pub(crate) type Place = (&'static str, Arc<str>, String);

/// The members of an object value as slots and values, as [`read`] does for a payload; or all that
/// does not fit, each at the place that `about` gives it.
pub(crate) fn fit_all(
    interface: &Compiled,
    properties: &Value,
    about: impl Fn(&str) -> Place,
) -> Result<Vec<(u16, Value)>, Rejection> {
    let fields = match properties {
        Value::Null => return Ok(Vec::new()),
        Value::Object(fields) => fields,
        other => {
            let reason = format!(
                "properties of interface {} are {}, not an object",
                interface.id(),
                other.kind()
            );
            return Err(Rejection::new(
                "wrong-type",
                reason,
                "give an object of members and values",
            ));
        }
    };
    let mut found = Vec::with_capacity(fields.len());
    let mut refused = Vec::new();
    for (name, value) in fields.iter().filter(|(name, _)| !name.starts_with('$')) {
        let fits = match interface.slot_of(name) {
            Some(slot) => fit(interface, slot, value.clone()).map(|value| (slot, value)),
            None if interface.resolved().open => continue,
            None => Err(unknown(interface, name)),
        };
        match fits {
            Ok(pair) => found.push(pair),
            Err(rejection) => {
                let (kind, holder, pointer) = about(name);
                refused.push(rejection.at(kind, &holder, pointer));
            }
        }
    }
    Rejection::any_of(refused)?;
    Ok(found)
}

/// A value that a command gives to a slot.
pub(crate) fn fit(interface: &Compiled, slot: u16, value: Value) -> Result<Value, Rejection> {
    let Some(info) = interface.slot(slot) else {
        return Ok(Value::Null);
    };
    if info.derived() {
        let reason = format!(
            "member {} of interface {} is computed",
            info.name,
            interface.id()
        );
        return Err(Rejection::new(
            "computed-member",
            reason,
            "leave it out, or change what it is computed from",
        ));
    }
    interface
        .fit(info, value)
        .map_err(|mismatch| mismatched(interface, &info.name, &mismatch))
}

/// A value merged into another: objects field by field, anything else replaces.
pub(crate) fn merge(held: &Value, new: Value, ignore_case: bool) -> Value {
    let (Value::Object(old), Value::Object(fields)) = (held, &new) else {
        return new;
    };
    let mut merged = old.to_vec();
    for (name, value) in fields.iter() {
        let known = merged
            .iter_mut()
            .find(|(n, _)| n == name || (ignore_case && n.eq_ignore_ascii_case(name)));
        match known {
            Some((_, place)) => *place = merge(place, value.clone(), ignore_case),
            None => merged.push((name.clone(), value.clone())),
        }
    }
    Value::Object(merged.into())
}

/// Whether a payload is JSON of any kind.
pub(crate) fn check_json(payload: &[u8]) -> Result<Value, Rejection> {
    serde_json::from_slice(payload).map_err(|error| {
        Rejection::new(
            "malformed-json",
            format!("the payload is not JSON: {error}"),
            "send JSON",
        )
    })
}
