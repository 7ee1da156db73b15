#![allow(clippy::unwrap_used)]

use super::*;
use gemelli_model::TwinId;

/// Faults as `code line:column pointer: message`.
fn faults(faults: &[Fault]) -> String {
    let lines: Vec<_> = faults
        .iter()
        .map(|f| {
            format!(
                "{} {}:{} {}: {}",
                f.code, f.line, f.column, f.pointer, f.message
            )
        })
        .collect();
    lines.join("\n")
}

/// The city, as far as commands need it: pole-1 relates to nb-1.
struct City;

impl Graph for City {
    fn is_a(&self, twin: &str, interface: &str) -> Option<bool> {
        ["pole-1", "nb-1", "nb-2"]
            .contains(&twin)
            .then(|| twin.starts_with(interface))
    }

    fn related(&self, twin: &str, interface: &str) -> Vec<TwinId> {
        match (twin, interface) {
            ("pole-1", "nb") => vec!["nb-1".into()],
            ("pole-1", "any") => vec!["nb-1".into(), "nb-2".into()],
            _ => Vec::new(),
        }
    }
}

fn meaning(kind: &str, source: &str, subject: Option<&str>) -> String {
    let event = CloudEvent {
        id: "7".into(),
        source: source.into(),
        kind: kind.into(),
        subject: subject.map(Into::into),
        time_ms: None,
        content_type: None,
        extensions: Vec::new(),
        data: None,
    };
    match event.events(&City) {
        Ok(events) => {
            let lines: Vec<_> = events
                .iter()
                .map(|e| {
                    let sender = e.command.as_ref().and_then(|c| c.sender.as_ref());
                    let sender = sender.map(|s| format!(" sent by {s}")).unwrap_or_default();
                    let command = e
                        .command
                        .as_ref()
                        .map(|c| format!(" {}", c.name))
                        .unwrap_or_default();
                    let source = e
                        .source
                        .as_ref()
                        .map(|s| format!(" source {s}"))
                        .unwrap_or_default();
                    let id =
                        e.id.as_ref()
                            .map(|s| format!(" id {s}"))
                            .unwrap_or_default();
                    format!(
                        "{}{command} for {} of {}{sender}{source}{id}",
                        e.category, e.twin, e.interface
                    )
                })
                .collect();
            lines.join("\n")
        }
        Err(fault) => format!(
            "{}: {} at {}; {}",
            fault.code, fault.message, fault.pointer, fault.remedy
        ),
    }
}

#[test]
fn types_sources_and_subjects_have_a_meaning() {
    for (kind, source, subject, wanted) in [
        (
            "ktwin.real.pole",
            "pole-1",
            None,
            "real for pole-1 of pole id 7",
        ),
        (
            "ktwin.real.my.pole",
            "pole-1",
            None,
            "real for pole-1 of my.pole id 7",
        ),
        (
            "ktwin.real.pole",
            "urn:gateway",
            Some("pole-1"),
            "real for pole-1 of pole source urn:gateway id 7",
        ),
        (
            "ktwin.real.pole",
            "pole-1",
            Some("a remark"),
            "real for pole-1 of pole id 7",
        ),
        (
            "ktwin.virtual.pole",
            "unknown",
            None,
            "virtual for unknown of pole id 7",
        ),
        (
            "ktwin.store.pole",
            "pole-1",
            None,
            "store for pole-1 of pole",
        ),
        (
            "ktwin.command.nb.update",
            "nb-1",
            None,
            "command update for nb-1 of nb id 7",
        ),
        (
            "ktwin.command.nb.update",
            "pole-1",
            None,
            "command update for nb-1 of nb sent by pole-1 source pole-1 id 7",
        ),
        (
            "ktwin.command.nb.update",
            "pole-1",
            Some("nb-2"),
            "command update for nb-2 of nb sent by pole-1 source pole-1 id 7",
        ),
        (
            "ktwin.command.any.update",
            "pole-1",
            None,
            "command update for nb-1 of any sent by pole-1 source pole-1 id 7@nb-1\n\
             command update for nb-2 of any sent by pole-1 source pole-1 id 7@nb-2",
        ),
        (
            "ktwin.command.lamp.on",
            "pole-1",
            None,
            "no-relationship: the twin pole-1 sends on to twins of lamp, and has no relationship with one at /source; give it the relationship, or name the receiver as subject",
        ),
        (
            "ktwin.reel.pole",
            "pole-1",
            None,
            "malformed-cloudevent: \"reel\" in the type \"ktwin.reel.pole\" is no category at /type; did you mean real?",
        ),
        (
            "ktwin.command.nb",
            "pole-1",
            None,
            "malformed-cloudevent: the type \"ktwin.command.nb\" names no command at /type; write ktwin.<category>.<interface>, for commands ktwin.command.<interface>.<command>",
        ),
        (
            "com.example.thing",
            "pole-1",
            None,
            "malformed-cloudevent: the type \"com.example.thing\" does not begin with ktwin. at /type; write ktwin.<category>.<interface>, for commands ktwin.command.<interface>.<command>",
        ),
    ] {
        assert_eq!(
            meaning(kind, source, subject),
            wanted,
            "{kind} {source} {subject:?}"
        );
    }
}

#[test]
fn structured_events_are_read_and_written() {
    let text = r#"{"specversion":"1.0","id":"a","source":"pole-1","type":"ktwin.real.pole","time":"2026-03-29T12:00:00.250Z","datacontenttype":"application/json","traceparent":"00-x","n":3,"data":{"co": 8.50}}"#;
    let event = structured(text.as_bytes()).unwrap();
    assert_eq!(event.time_ms, Some(1_774_785_600_250));
    assert_eq!(event.data.as_deref(), Some(&br#"{"co": 8.50}"#[..]));
    assert_eq!(event.to_json(), text);
    let bytes = r#"{"specversion":"1.0","id":"a","source":"s","type":"t","datacontenttype":"image/png","data_base64":"AP8="}"#;
    let event = structured(bytes.as_bytes()).unwrap();
    assert_eq!(event.data.as_deref(), Some(&[0, 255][..]));
    assert_eq!(event.to_json(), bytes);
}

#[test]
fn times_before_1971_and_empty_subjects_count_as_none() {
    for time in ["0001-01-01T00:00:00Z", "1970-06-01T00:00:00Z", ""] {
        let text = format!(
            r#"{{"specversion":"1.0","id":"a","source":"s","type":"t","subject":"","time":"{time}"}}"#
        );
        let event = structured(text.as_bytes()).unwrap();
        assert_eq!((event.time_ms, event.subject), (None, None), "{time}");
    }
}

#[test]
fn faults_of_structured_events_have_a_place() {
    for (text, wanted) in [
        (
            "{\"id\":",
            "malformed-json 1:6 : the body is not JSON: EOF while parsing a value at line 1 column 6",
        ),
        (
            "7",
            "malformed-cloudevent 1:1 : an event as an object was expected: invalid type: integer `7`, expected an event as an object at line 1 column 1",
        ),
        (
            r#"{"specversion":"0.3","id":7,"source":"s","time":"noon"}"#,
            "malformed-cloudevent 0:0 /id: the attribute id is text, not integer\n\
             malformed-cloudevent 0:0 /time: the time \"noon\" is not in the form of RFC 3339\n\
             malformed-cloudevent 0:0 /specversion: CloudEvents of version \"0.3\" are not known\n\
             missing-field 0:0 /id: the event has no id\n\
             missing-field 0:0 /type: the event has no type",
        ),
    ] {
        assert_eq!(faults(&structured(text.as_bytes()).unwrap_err()), wanted);
    }
}

#[test]
fn batches_are_read_whole_or_not_at_all() {
    let good = r#"{"specversion":"1.0","id":"a","source":"s","type":"t"}"#;
    assert_eq!(
        batch(format!("[{good},{good}]").as_bytes()).unwrap().len(),
        2
    );
    assert_eq!(batch(b"[]").unwrap(), []);
    let bad = format!("[{good},{{\"specversion\":\"1.0\",\"id\":\"a\",\"type\":\"t\"}}]");
    assert_eq!(
        faults(&batch(bad.as_bytes()).unwrap_err()),
        "missing-field 0:0 /1/source: the event has no source"
    );
    let many = format!("[{}]", vec![good; MAX_BATCH + 1].join(","));
    assert!(faults(&batch(many.as_bytes()).unwrap_err()).starts_with("limit-reached"));
}

#[test]
fn binary_events_are_read_from_headers() {
    let headers: [(&str, &[u8]); 7] = [
        ("Ce-Id", b"a"),
        ("ce-source", b"pole%201"),
        ("CE-TYPE", b"ktwin.real.pole"),
        ("ce-specversion", b"1.0"),
        ("ce-subject", b""),
        ("ce-traceparent", b"00-x"),
        ("accept", b"*/*"),
    ];
    let body = Bytes::from_static(b"{\"co\":8}");
    let events = read(Some("application/json; charset=utf-8"), headers, &body).unwrap();
    assert_eq!(
        events[0].to_json(),
        r#"{"specversion":"1.0","id":"a","source":"pole 1","type":"ktwin.real.pole","datacontenttype":"application/json; charset=utf-8","traceparent":"00-x","data":{"co":8}}"#
    );
    let without = read(None, headers.into_iter().skip(1), &body).unwrap_err();
    assert_eq!(
        faults(&without),
        "missing-field 0:0 ce-id: the event has no id"
    );
    let plain = read(Some("application/json"), [], &body).unwrap_err();
    assert!(
        faults(&plain).starts_with("malformed-cloudevent 0:0 : the request carries no CloudEvent")
    );
}

#[test]
fn events_of_the_log_become_cloudevents() {
    let event = structured(br#"{"specversion":"1.0","id":"a","source":"pole-1","type":"ktwin.command.nb.update","data":{"level":"GOOD"}}"#);
    let events = event.unwrap().events(&City).unwrap();
    assert_eq!(
        CloudEvent::of(&events[0], || "1".into()).to_json(),
        r#"{"specversion":"1.0","id":"a","source":"pole-1","type":"ktwin.command.nb.update","subject":"nb-1","datacontenttype":"application/json","data":{"level":"GOOD"}}"#
    );
}
