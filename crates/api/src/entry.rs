//! A record of the log as JSON: one shape for streams, history and export.
//!
//! `{"seq", "accepted", "category", "interface", "twin", "id"?, "source"?, "time"?, "command"?,
//! "sender"?, "data"}`; a message has `topic` in place of twin and interface, and `dataBase64` where its
//! payload is no JSON. Times are RFC 3339, UTC.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use gemelli_event::{
    Body, Record, Seq,
    record::{Command, Derived, Event, Message},
};
use gemelli_model::{Value, time::format_ms};
use serde::Serialize;
use serde_json::value::RawValue;

/// The word for derived values, beside the four categories of events.
pub const DERIVED: &str = "derived";
/// The word for telemetry that programs send on a twin's behalf.
pub const TELEMETRY: &str = "telemetry";
/// The word for messages that map to no twin.
pub const MESSAGE: &str = "message";

/// Which records are wanted: what is not named is not asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only of this twin.
    pub twin: Option<String>,
    /// Only of twins of this interface, without case.
    pub interface: Option<String>,
    /// Only of these categories.
    pub categories: Vec<String>,
}

impl Wanted {
    /// Whether a record is shown to whoever asks so. Internal records never are.
    pub fn takes(&self, record: &Record) -> bool {
        let (category, interface, twin) = match &record.body {
            Body::Event(event) => (
                event.category.as_str(),
                Some(&event.interface),
                Some(&event.twin),
            ),
            Body::Derived(derived) => (DERIVED, Some(&derived.interface), Some(&derived.twin)),
            Body::Message(_) => (MESSAGE, None, None),
            Body::Command(Command::Telemetry {
                twin, interface, ..
            }) => (TELEMETRY, Some(interface), Some(twin)),
            _ => return false,
        };
        (self.categories.is_empty() || self.categories.iter().any(|c| c == category))
            && self
                .twin
                .as_ref()
                .is_none_or(|t| twin.is_some_and(|id| id.as_str() == t))
            && self
                .interface
                .as_ref()
                .is_none_or(|i| interface.is_some_and(|id| id.as_str().eq_ignore_ascii_case(i)))
    }
}

/// The category of a record, or none if it is internal.
pub fn category(body: &Body) -> Option<&'static str> {
    match body {
        Body::Event(event) => Some(event.category.as_str()),
        Body::Derived(_) => Some(DERIVED),
        Body::Message(_) => Some(MESSAGE),
        Body::Command(Command::Telemetry { .. }) => Some(TELEMETRY),
        _ => None,
    }
}

/// Appends a record as one JSON object; nothing for an internal record.
pub fn write(out: &mut Vec<u8>, seq: Seq, record: &Record) -> bool {
    let accepted = format_ms(record.accepted_ms);
    let row = match &record.body {
        Body::Event(event) => of_event(seq, accepted, event),
        Body::Derived(derived) => of_derived(seq, accepted, derived),
        Body::Message(message) => of_message(seq, accepted, message),
        Body::Command(command @ Command::Telemetry { .. }) => {
            match of_telemetry(seq, &accepted, command) {
                Some(row) => return serde_json::to_writer(out, &row).is_ok(),
                None => return false,
            }
        }
        _ => return false,
    };
    // Writing to memory cannot fail, and every field is a text, a number or JSON that was parsed.
    serde_json::to_writer(out, &row).is_ok()
}

/// Appends a row of history as one JSON object. Commands of the API (`put`, `patch`, `delete`) are rows too.
pub fn write_row(out: &mut Vec<u8>, stored: &gemelli_node::reading::Row) {
    let mut row = Row::new(
        stored.seq,
        format_ms(stored.accepted_ms),
        stored.kind.as_str(),
    );
    row.interface = stored.interface.as_ref().map(|id| id.as_str());
    row.twin = Some(stored.twin.as_str());
    row.id = stored.id.as_deref();
    row.source = stored.source.as_deref();
    row.time = stored.time_ms.map(format_ms);
    row.command = stored.command.as_deref();
    if !stored.payload.is_empty() {
        row.carry(&stored.payload);
    }
    // Writing to memory cannot fail, and every field is a text, a number or JSON that was parsed.
    let _ = serde_json::to_writer(out, &row);
}

#[derive(Serialize)]
struct Row<'a> {
    seq: Seq,
    accepted: String,
    category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    twin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
    #[serde(rename = "dataBase64", skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Raw(&'a RawValue),
    Anew(serde_json::Value),
    Members(Members<'a>),
}

struct Members<'a>(&'a Derived);

impl Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.values.iter().map(|(name, value)| (&**name, value)))
    }
}

impl<'a> Row<'a> {
    fn new(seq: Seq, accepted: String, category: &'a str) -> Self {
        Self {
            seq,
            accepted,
            category,
            interface: None,
            twin: None,
            topic: None,
            id: None,
            source: None,
            time: None,
            command: None,
            sender: None,
            data: None,
            data_base64: None,
        }
    }

    fn carry(&mut self, payload: &'a [u8]) {
        match serde_json::from_slice::<&RawValue>(payload) {
            Ok(raw) if !raw.get().contains(['\n', '\r']) => self.data = Some(Data::Raw(raw)),
            // A row is one line: JSON that came over several is written anew.
            Ok(raw) => self.data = serde_json::from_str(raw.get()).ok().map(Data::Anew),
            Err(_) => self.data_base64 = Some(BASE64_STANDARD.encode(payload)),
        }
    }
}

fn of_event(seq: Seq, accepted: String, event: &Event) -> Row<'_> {
    let mut row = Row::new(seq, accepted, event.category.as_str());
    row.interface = Some(event.interface.as_str());
    row.twin = Some(event.twin.as_str());
    row.id = event.id.as_deref();
    row.source = event.source.as_deref();
    row.time = event.time_ms.map(format_ms);
    if let Some(command) = &event.command {
        row.command = Some(&command.name);
        row.sender = command.sender.as_ref().map(|id| id.as_str());
    }
    row.carry(&event.payload);
    row
}

fn of_derived(seq: Seq, accepted: String, derived: &Derived) -> Row<'_> {
    let mut row = Row::new(seq, accepted, DERIVED);
    row.interface = Some(derived.interface.as_str());
    row.twin = Some(derived.twin.as_str());
    row.time = Some(format_ms(derived.time_ms));
    row.data = Some(Data::Members(Members(derived)));
    row
}

/// Telemetry of a program: its data is a value, where a row's may be text as it came.
#[derive(Serialize)]
struct Measured<'a> {
    seq: Seq,
    accepted: &'a str,
    category: &'a str,
    interface: &'a str,
    twin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    data: &'a Value,
}

fn of_telemetry<'a>(seq: Seq, accepted: &'a str, command: &'a Command) -> Option<Measured<'a>> {
    let Command::Telemetry {
        twin,
        interface,
        component,
        id,
        time_ms,
        data,
    } = command
    else {
        return None;
    };
    Some(Measured {
        seq,
        accepted,
        category: TELEMETRY,
        interface: interface.as_str(),
        twin: twin.as_str(),
        component: component.as_deref(),
        id,
        time: time_ms.map(format_ms),
        data,
    })
}

fn of_message(seq: Seq, accepted: String, message: &Message) -> Row<'_> {
    let mut row = Row::new(seq, accepted, MESSAGE);
    row.topic = Some(&message.topic);
    row.carry(&message.payload);
    row
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gemelli_event::{Category, Position};

    fn record(body: Body) -> Record {
        Record {
            position: Position::default(),
            accepted_ms: 0,
            cause: None,
            body,
        }
    }

    fn event(payload: &'static str) -> Record {
        record(Body::Event(Event {
            category: Category::Real,
            interface: "Pole".into(),
            twin: "p/1".into(),
            command: None,
            source: None,
            id: Some("p#1".into()),
            time_ms: Some(1_000),
            payload: payload.into(),
        }))
    }

    fn text(record: &Record) -> String {
        let mut out = Vec::new();
        write(&mut out, 7, record);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_keeps_its_payload_as_it_came() {
        assert_eq!(
            text(&event(r#"{"a":1.50}"#)),
            r#"{"seq":7,"accepted":"1970-01-01T00:00:00Z","category":"real","interface":"Pole","twin":"p/1","id":"p#1","time":"1970-01-01T00:00:01Z","data":{"a":1.50}}"#
        );
    }

    #[test]
    fn a_row_is_one_line_and_what_is_no_json_is_base64() {
        assert!(text(&event("{\n\"a\": 1}")).ends_with(r#""data":{"a":1}}"#));
        assert!(text(&event("{")).ends_with(r#""dataBase64":"ew=="}"#));
    }

    #[test]
    fn filters_join_and_interfaces_ignore_case() {
        let wanted = |twin: Option<&str>, interface: Option<&str>, categories: &[&str]| Wanted {
            twin: twin.map(str::to_owned),
            interface: interface.map(str::to_owned),
            categories: categories.iter().map(|c| (*c).to_owned()).collect(),
        };
        let record = event("{}");
        assert!(wanted(None, None, &[]).takes(&record));
        assert!(wanted(Some("p/1"), Some("pole"), &["virtual", "real"]).takes(&record));
        assert!(!wanted(Some("p/2"), None, &[]).takes(&record));
        assert!(!wanted(None, None, &["derived"]).takes(&record));
        assert!(!wanted(None, None, &[]).takes(&super::tests::record(Body::Session("".into()))));
    }
}
