//! A message as expressions see it.

use bytes::Bytes;
use gemelli_engine::expr::Scope;
use gemelli_model::Value;
use std::{cell::OnceCell, sync::Arc};

/// A message on a foreign topic.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload.
    pub payload: &'a Bytes,
    /// MQTT 5 user properties.
    pub properties: &'a [(&'a str, &'a str)],
    /// When it was accepted, milliseconds since 1970: what `now` is.
    pub now_ms: i64,
}

/// A message with what its topic's captures hold; the payload is parsed when first asked for.
pub struct Seen<'a> {
    pub message: Message<'a>,
    pub captures: Vec<(Arc<str>, &'a str)>,
    payload: OnceCell<Value>,
}

impl<'a> Seen<'a> {
    pub fn new(message: Message<'a>, captures: Vec<(Arc<str>, &'a str)>) -> Self {
        Self {
            message,
            captures,
            payload: OnceCell::new(),
        }
    }

    /// The payload: JSON if it is JSON, else text, else nothing.
    pub fn payload(&self) -> &Value {
        self.payload.get_or_init(|| {
            let bytes = &**self.message.payload;
            match serde_json::from_slice(bytes) {
                Ok(value) => value,
                Err(_) => std::str::from_utf8(bytes)
                    .map(Value::text)
                    .unwrap_or_default(),
            }
        })
    }

    /// The user properties as an object; of two with one name the first counts.
    pub fn properties(&self) -> Value {
        let mut fields: Vec<(Arc<str>, Value)> = Vec::with_capacity(self.message.properties.len());
        for (name, value) in self.message.properties {
            if fields.iter().all(|(known, _)| **known != **name) {
                fields.push(((*name).into(), Value::text(*value)));
            }
        }
        Value::Object(fields.into())
    }
}

impl Scope for Seen<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        match name {
            "payload" => Some(self.payload().clone()),
            "properties" => Some(self.properties()),
            "topic" => Some(Value::text(self.message.topic)),
            capture => {
                let found = self.captures.iter().find(|(known, _)| &**known == capture);
                found.map(|(_, text)| Value::text(*text))
            }
        }
    }

    fn now_ms(&self) -> i64 {
        self.message.now_ms
    }
}
