#![allow(clippy::unwrap_used)]

use crate::{Mapped, Mapping, Message};
use bytes::Bytes;
use gemelli_model::{manifest, time};

const BEIJING: &str = r#"
apiVersion: gemelli.dev/v1
kind: Connection
metadata: { name: beijing }
spec:
  topics:
    - pattern: "sensors/{id}/aq"
      interface: station
      twin: "station-{id}"
      payload:
        co: "payload.CO / 1000.0"
        place: id
        pm25: payload.PM25
        pm10: "has(payload.PM10) ? payload.PM10 : null"
        source: 7
      time: payload.at
      eventId: "id + '#' + string(int(payload.seq))"
    - pattern: "raw/{kind}/#"
      category: virtual
      interface: "{kind}"
      twin: "payload.device"
    - pattern: "value/{id}"
      interface: thermometer
      twin: "{id}"
      payload: { temperature: payload }
  presence:
    pattern: "sensors/{id}/online"
    twin: "station-{id}"
    connected: "payload == 'yes'"
"#;

fn mapping(text: &str) -> Mapping {
    let manifests = manifest::parse(text).into_result().unwrap();
    let values: Vec<_> = manifests.iter().map(manifest::to_value).collect();
    Mapping::of_manifests(&values).unwrap()
}

fn map(mapping: &Mapping, topic: &str, payload: &str, properties: &[(&str, &str)]) -> String {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    match mapping.map(Message {
        topic,
        payload: &payload,
        properties,
        now_ms: 0,
    }) {
        Ok(Mapped {
            event: None,
            presence: None,
        }) => "nothing".into(),
        Ok(Mapped { event: Some(e), .. }) => {
            let time = e
                .time_ms
                .map(time::format_ms)
                .unwrap_or_else(|| "none".into());
            let payload = String::from_utf8(e.payload.to_vec()).unwrap();
            let id = e.id.unwrap_or_else(|| "none".into());
            format!(
                "{} {} {} id {id} time {time} {payload}",
                e.category, e.interface, e.twin
            )
        }
        Ok(Mapped {
            presence: Some(p), ..
        }) => format!("{} connected {}", p.twin, p.connected),
        Err(fault) => format!("{}: {fault}; {}", fault.code, fault.remedy),
    }
}

#[test]
fn messages_of_foreign_topics_become_events() {
    let mapping = mapping(BEIJING);
    for (topic, payload, wanted) in [
        (
            "sensors/7/aq",
            r#"{"CO":800,"PM25":12,"at":"2017-02-28T23:00:00+08:00","seq":41}"#,
            r##"real station station-7 id 7#41 time 2017-02-28T15:00:00Z {"co":0.8,"place":"7","pm25":12,"source":7}"##,
        ),
        (
            "sensors/7/aq",
            r#"{"CO":800,"PM25":null,"at":1488294000,"seq":41}"#,
            r##"real station station-7 id 7#41 time 2017-02-28T15:00:00Z {"co":0.8,"place":"7","source":7}"##,
        ),
        (
            "raw/lamp/a/b",
            r#"{"device": 12, "x":1.50}"#,
            r#"virtual lamp 12 id none time none {"device": 12, "x":1.50}"#,
        ),
        (
            "value/t1",
            "23.5",
            r#"real thermometer t1 id none time none {"temperature":23.5}"#,
        ),
        (
            "value/t1",
            "warm",
            r#"real thermometer t1 id none time none {"temperature":"warm"}"#,
        ),
        ("sensors/7/online", "yes", "station-7 connected true"),
        ("sensors/7/online", "no", "station-7 connected false"),
        ("sensors/7", "{}", "nothing"),
    ] {
        assert_eq!(
            map(&mapping, topic, payload, &[]),
            wanted,
            "{topic} {payload}"
        );
    }
    let properties = [("ce-id", "t1#1"), ("ce-time", "2026-01-01T00:00:00Z")];
    assert_eq!(
        map(&mapping, "value/t1", "1", &properties),
        r##"real thermometer t1 id t1#1 time 2026-01-01T00:00:00Z {"temperature":1}"##
    );
}

#[test]
fn what_a_message_lacks_is_named_with_connection_field_and_topic() {
    let mapping = mapping(BEIJING);
    for (topic, payload, wanted) in [
        (
            "sensors/7/aq",
            r#"{"at":"2017-02-28T23:00:00Z","seq":1}"#,
            "missing-field: connection beijing: the message has no payload.CO, which payload.CO / 1000.0 needs at /spec/topics/0/payload/co, topic sensors/7/aq; send the field, or guard it with has(…) in the expression if it may be absent",
        ),
        (
            "sensors/7/aq",
            r#"{"CO":1,"PM25":1,"seq":1}"#,
            "missing-field: connection beijing: the message has no payload.at, which payload.at needs at /spec/topics/0/time, topic sensors/7/aq; send the field, or guard it with has(…) in the expression if it may be absent",
        ),
        (
            "sensors/7/aq",
            r#"{"CO":1,"PM25":1,"at":"noon","seq":1}"#,
            "wrong-type: connection beijing: payload.at gives string where a time such as 2026-03-29T12:00:00Z is needed at /spec/topics/0/time, topic sensors/7/aq; change the expression, or what the device sends",
        ),
        (
            "sensors/7/aq",
            r#"{"CO":1,"#,
            "malformed-json: connection beijing: the payload is not JSON: EOF while parsing an object at line 1 column 8 at /spec/topics/0/payload/co, topic sensors/7/aq; send JSON, or map the payload as text",
        ),
        (
            "raw/lamp/a",
            r#"{"device":""}"#,
            "wrong-type: connection beijing: an identifier needs at least one character at /spec/topics/1/twin, topic raw/lamp/a; map to another id",
        ),
    ] {
        assert_eq!(map(&mapping, topic, payload, &[]), wanted, "{payload}");
    }
}

#[test]
fn connections_with_faults_are_refused_with_all_of_them() {
    let text = r#"
apiVersion: gemelli.dev/v1
kind: Connection
metadata: { name: c }
spec:
  topics:
    - { pattern: "a/{id}", interface: "{kind}", twin: "{id}", payload: { x: "payload.(", y: "nothing" } }
  presence: { pattern: "b/{id}", connected: "1 +" }
"#;
    let manifests = manifest::parse(text).into_result().unwrap();
    let faults = Mapping::of_manifests(&[manifest::to_value(&manifests[0])]).unwrap_err();
    let found: Vec<_> = faults
        .iter()
        .map(|f| format!("{} {}", f.code, f.pointer))
        .collect();
    assert_eq!(
        found,
        [
            "malformed-expression /spec/topics/0/payload/x",
            "malformed-expression /spec/topics/0/payload/y",
            "malformed-topic /spec/topics/0/interface",
            "malformed-expression /spec/presence/connected",
        ]
    );
}

#[test]
fn a_name_that_no_level_captures_is_told_with_those_that_are() {
    let text = r#"
apiVersion: gemelli.dev/v1
kind: Connection
metadata: { name: c }
spec:
  topics:
    - { pattern: "{site}/{id}", interface: "{kind}", twin: "{idd}", time: "idd" }
"#;
    let manifests = manifest::parse(text).into_result().unwrap();
    let faults = Mapping::of_manifests(&[manifest::to_value(&manifests[0])]).unwrap_err();
    let found: Vec<_> = faults
        .iter()
        .map(|f| {
            format!(
                "{}: {}; {}; {}:{}",
                f.pointer, f.message, f.remedy, f.line, f.column
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "/spec/topics/0/time: there is no member `idd` (line 1, column 1 of the expression); did you mean `id`?; 0:0",
            "/spec/topics/0/interface: kind is not captured by the pattern; captures: site, id; name a capture, or add {kind} to the pattern; 0:0",
            "/spec/topics/0/twin: idd is not captured by the pattern; captures: site, id; did you mean {id}?; 0:0",
        ]
    );
}

#[test]
fn the_examples_connections_compile() {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/beijing/connection.yaml"
    );
    let mapping = mapping(&std::fs::read_to_string(root).unwrap());
    let row = r#"{"timestamp":"2016-03-01T00:00:00Z","pm2_5":"7","pm10":"","co":"300","o3":"85","so2":"3","no2":"7","temp":"-2.3","dewp":"-19.7","pres":"1021","rain":"0","wind_speed":"0.5"}"#;
    let wanted = "real beijing-station beijing-station-Dongsi id Dongsi#404664 time 2016-03-01T00:00:00Z \
        {\"PM25Density\":7,\"CODensity\":0.261";
    let found = map(&mapping, "beijing/Dongsi/air", row, &[]);
    assert!(found.starts_with(wanted), "{found}");
    assert!(
        !found.contains("PM10Density") && !found.contains("windDirection"),
        "{found}"
    );
}
