//! Attributes as headers (`ce-…`), the data as body.

use super::{CloudEvent, Fault, structured::Found};
use bytes::Bytes;
use gemelli_model::Value;
use std::{borrow::Cow, sync::Arc};

/// An event whose attributes stand in headers. Other headers than `ce-…` are passed over; names
/// match without case; values may be percent-encoded, as the HTTP binding has it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn binary<'a>(
    content_type: Option<&str>,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body: &Bytes,
) -> Result<CloudEvent, Vec<Fault>> {
    let mut found = Found {
        base: "",
        faults: Vec::new(),
    };
    let (mut id, mut source, mut kind, mut version) = (None, None, None, None);
    let (mut subject, mut time_ms, mut extensions) = (None, None, Vec::new());
    let mut any = false;
    for (name, raw) in headers {
        let Some((prefix, attribute)) = name.split_at_checked(3) else {
            continue;
        };
        if !prefix.eq_ignore_ascii_case("ce-") {
            continue;
        }
        any = true;
        let Some(text) = text(raw) else {
            let message = format!("the header {name} is not UTF-8");
            found.faults.push(Fault::at(
                "malformed-cloudevent",
                name,
                message,
                "percent-encode what is not ASCII",
            ));
            continue;
        };
        let value = (!text.is_empty()).then(|| Arc::<str>::from(&*text));
        match attribute.to_ascii_lowercase().as_str() {
            "specversion" => version = value,
            "id" => id = value,
            "source" => source = value,
            "type" => kind = value,
            "subject" => subject = value,
            "time" => time_ms = value.and_then(|text| found.time(&text)),
            extension => extensions.extend(value.map(|v| (extension.into(), Value::Text(v)))),
        }
    }
    if !any && found.faults.is_empty() {
        let message = "the request carries no CloudEvent: its content type is none of theirs, and it has no ce- headers";
        let remedy = format!(
            "send {} with an event as JSON, or ce-id, ce-source, ce-type and ce-specversion as headers",
            super::STRUCTURED
        );
        return Err(vec![Fault::at("malformed-cloudevent", "", message, remedy)]);
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
            content_type: content_type.filter(|t| !t.is_empty()).map(Into::into),
            extensions,
            data: (!body.is_empty()).then(|| body.clone()),
        }),
        _ => {
            for fault in &mut found.faults {
                if let Some(attribute) = fault.pointer.strip_prefix('/') {
                    fault.pointer = format!("ce-{attribute}");
                }
            }
            Err(found.faults)
        }
    }
}

fn text(raw: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(raw).ok()?.trim();
    if text.contains('%') {
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .ok()
    } else {
        Some(Cow::Borrowed(text))
    }
}
