//! One event, or a list of events, as JSON.

use super::{CloudEvent, EARLIEST_MS, Fault};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use gemelli_model::{Value, time};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{fmt, sync::Arc};

/// Most events of one batch.
pub const MAX_BATCH: usize = 4_096;

/// One event as JSON.
///
/// # Errors
/// Everything that is wrong with it.
pub fn structured(body: &[u8]) -> Result<CloudEvent, Vec<Fault>> {
    let members =
        serde_json::from_slice(body).map_err(|e| vec![Fault::json(&e, "an event as an object")])?;
    event(members, "")
}

/// A list of events as JSON, at most [`MAX_BATCH`].
///
/// # Errors
/// Everything that is wrong with any of them.
pub fn batch(body: &[u8]) -> Result<Vec<CloudEvent>, Vec<Fault>> {
    let all: Vec<Members> =
        serde_json::from_slice(body).map_err(|e| vec![Fault::json(&e, "a list of events")])?;
    if all.len() > MAX_BATCH {
        let message = format!(
            "the batch has {} events, at most {MAX_BATCH} are taken at once",
            all.len()
        );
        return Err(vec![Fault::at(
            "limit-reached",
            "",
            message,
            "send it in parts",
        )]);
    }
    let mut events = Vec::with_capacity(all.len());
    let mut faults = Vec::new();
    for (i, members) in all.into_iter().enumerate() {
        match event(members, &format!("/{i}")) {
            Ok(event) => events.push(event),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() {
        Ok(events)
    } else {
        Err(faults)
    }
}

/// The members of an object with their JSON as it came.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event as an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(entry) = map.next_entry()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Each)
    }
}

fn event(members: Members<'_>, base: &str) -> Result<CloudEvent, Vec<Fault>> {
    let mut found = Found {
        base,
        faults: Vec::new(),
    };
    let (mut id, mut source, mut kind, mut version) = (None, None, None, None);
    let (mut subject, mut time_ms, mut content_type, mut data) = (None, None, None, None);
    let mut extensions = Vec::new();
    for (name, raw) in &members.0 {
        match name.as_str() {
            "specversion" => version = found.text(name, raw),
            "id" => id = found.text(name, raw),
            "source" => source = found.text(name, raw),
            "type" => kind = found.text(name, raw),
            "subject" => subject = found.text(name, raw),
            "datacontenttype" => content_type = found.text(name, raw),
            "time" => time_ms = found.text(name, raw).and_then(|text| found.time(&text)),
            "data" => data = Some(Bytes::copy_from_slice(raw.get().as_bytes())),
            "data_base64" => data = found.text(name, raw).and_then(|text| found.bytes(&text)),
            _ => extensions.extend(
                serde_json::from_str(raw.get()).map(|value: Value| (name.as_str().into(), value)),
            ),
        }
    }
    found.version(version.as_deref());
    let id = found.need("id", id);
    let source = found.need("source", source);
    let kind = found.need("type", kind);
    match (id, source, kind) {
        (Some(id), Some(source), Some(kind)) if found.faults.is_empty() => Ok(CloudEvent {
            id,
            source,
            kind,
            subject,
            time_ms,
            content_type,
            extensions,
            data,
        }),
        _ => Err(found.faults),
    }
}

/// Reads attributes and collects what is wrong with them.
pub(super) struct Found<'a> {
    pub base: &'a str,
    pub faults: Vec<Fault>,
}

impl Found<'_> {
    fn fault(&mut self, code: &'static str, name: &str, message: String, remedy: &str) {
        self.faults.push(Fault::at(
            code,
            format!("{}/{name}", self.base),
            message,
            remedy,
        ));
    }

    /// A text; null and empty text count as absent.
    fn text(&mut self, name: &str, raw: &RawValue) -> Option<Arc<str>> {
        match serde_json::from_str::<Value>(raw.get()) {
            Ok(Value::Null) => None,
            Ok(Value::Text(text)) => (!text.is_empty()).then_some(text),
            Ok(other) => {
                let message = format!("the attribute {name} is text, not {}", other.kind());
                self.fault("malformed-cloudevent", name, message, "put it in quotes");
                None
            }
            Err(error) => {
                self.faults.push(Fault::json(&error, "text"));
                None
            }
        }
    }

    pub fn time(&mut self, text: &str) -> Option<i64> {
        let read = time::parse_ms(text);
        if read.is_none() {
            let message = format!("the time {text:?} is not in the form of RFC 3339");
            self.fault(
                "malformed-cloudevent",
                "time",
                message,
                "write it as 2026-03-29T12:00:00Z, or leave it out",
            );
        }
        read.filter(|ms| *ms >= EARLIEST_MS)
    }

    fn bytes(&mut self, text: &str) -> Option<Bytes> {
        let decoded = BASE64_STANDARD.decode(text);
        if decoded.is_err() {
            let message = "data_base64 is not in the form of base64".to_owned();
            self.fault(
                "malformed-cloudevent",
                "data_base64",
                message,
                "encode it as RFC 4648 says, with padding",
            );
        }
        decoded.ok().map(Bytes::from)
    }

    pub fn version(&mut self, version: Option<&str>) {
        match version {
            Some("1.0") => {}
            Some(other) => {
                let message = format!("CloudEvents of version {other:?} are not known");
                self.fault(
                    "malformed-cloudevent",
                    "specversion",
                    message,
                    "send version 1.0",
                );
            }
            None => {
                self.need("specversion", None);
            }
        }
    }

    pub fn need(&mut self, name: &str, value: Option<Arc<str>>) -> Option<Arc<str>> {
        if value.is_none() {
            let message = format!("the event has no {name}");
            self.fault(
                "missing-field",
                name,
                message,
                "CloudEvents need specversion, id, source and type",
            );
        }
        value
    }
}

impl CloudEvent {
    /// The event as JSON.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(160 + self.data.as_ref().map_or(0, Bytes::len));
        self.write_json(&mut out);
        out
    }

    /// Appends the event as JSON. Data that is not JSON is written as `data_base64`.
    pub fn write_json(&self, out: &mut String) {
        out.push_str("{\"specversion\":\"1.0\"");
        let mut put = |name: &str, value: &Value| {
            for part in [",", &Value::text(name).to_string(), ":", &value.to_string()] {
                out.push_str(part);
            }
        };
        put("id", &Value::Text(self.id.clone()));
        put("source", &Value::Text(self.source.clone()));
        put("type", &Value::Text(self.kind.clone()));
        if let Some(subject) = &self.subject {
            put("subject", &Value::Text(subject.clone()));
        }
        if let Some(ms) = self.time_ms {
            put("time", &Value::text(time::format_ms(ms)));
        }
        if let Some(content_type) = &self.content_type {
            put("datacontenttype", &Value::Text(content_type.clone()));
        }
        for (name, value) in &self.extensions {
            put(name, value);
        }
        if let Some(data) = &self.data {
            match std::str::from_utf8(data) {
                Ok(text) if self.is_json() && serde_json::from_str::<&RawValue>(text).is_ok() => {
                    out.push_str(",\"data\":");
                    out.push_str(text);
                }
                _ => {
                    out.push_str(",\"data_base64\":\"");
                    BASE64_STANDARD.encode_string(data, out);
                    out.push('"');
                }
            }
        }
        out.push('}');
    }
}
