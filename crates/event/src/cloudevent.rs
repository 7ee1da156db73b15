//! CloudEvents 1.0: structured, batched and binary forms, and what they mean for twins.
//!
//! JSON data is kept byte for byte as it came. Whether the data is good JSON is for the one who
//! reads it. An empty subject counts as none, as KTWIN's programs send one with every event.

mod binary;
mod fault;
mod meaning;
mod structured;

pub use binary::binary;
pub use fault::Fault;
pub use meaning::{Graph, Kind, NoGraph};
pub use structured::{MAX_BATCH, batch, structured};

use bytes::Bytes;
use gemelli_model::Value;
use std::sync::Arc;

/// Media type of one event in JSON.
pub const STRUCTURED: &str = "application/cloudevents+json";

/// Media type of a list of events in JSON.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// Times before 1971 mean that a program knew none: milliseconds since 1970.
pub const EARLIEST_MS: i64 = 31_536_000_000;

/// A CloudEvent.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudEvent {
    /// `id`: with the source, what duplicates are known by.
    pub id: Arc<str>,
    /// `source`.
    pub source: Arc<str>,
    /// `type`.
    pub kind: Arc<str>,
    /// `subject`, if it holds something.
    pub subject: Option<Arc<str>>,
    /// `time`, milliseconds since 1970; none if absent or before 1971.
    pub time_ms: Option<i64>,
    /// `datacontenttype`.
    pub content_type: Option<Arc<str>>,
    /// All other attributes, in their order.
    pub extensions: Vec<(Arc<str>, Value)>,
    /// The data: JSON text if [`CloudEvent::is_json`], else bytes.
    pub data: Option<Bytes>,
}

impl CloudEvent {
    /// The data is JSON: its content type says so, or there is none.
    pub fn is_json(&self) -> bool {
        self.content_type.as_deref().is_none_or(is_json)
    }
}

/// How a request or message carries events, by its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One event as JSON.
    Structured,
    /// A list of events as JSON.
    Batch,
    /// Attributes as headers, the data as body.
    Binary,
}

impl Form {
    /// The form that a content type means. Parameters (`; charset=…`) and case do not matter.
    pub fn of(content_type: Option<&str>) -> Self {
        match content_type.map(media_type) {
            Some(media) if media.eq_ignore_ascii_case(STRUCTURED) => Self::Structured,
            Some(media) if media.eq_ignore_ascii_case(BATCH) => Self::Batch,
            _ => Self::Binary,
        }
    }
}

/// Reads a request in the form that its content type means.
///
/// # Errors
/// Everything that is wrong; then none of the events should be taken.
pub fn read<'a>(
    content_type: Option<&str>,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body: &Bytes,
) -> Result<Vec<CloudEvent>, Vec<Fault>> {
    match Form::of(content_type) {
        Form::Structured => structured(body).map(|event| vec![event]),
        Form::Batch => batch(body),
        Form::Binary => binary(content_type, headers, body).map(|event| vec![event]),
    }
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn is_json(content_type: &str) -> bool {
    let media = media_type(content_type);
    let subtype = media.rsplit(['/', '+']).next().unwrap_or_default();
    media.is_empty() || subtype.eq_ignore_ascii_case("json")
}

#[cfg(test)]
mod tests;
