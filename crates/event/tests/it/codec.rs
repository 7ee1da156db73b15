//! Records go into bytes and come back equal; other bytes are refused.

use bytes::Bytes;
use gemelli_event::{
    Body, Category, Partition, Position, Record,
    codec::{Decoder, Encoder, MAX_DEPTH, TooDeep},
    record::*,
};
use gemelli_model::{InterfaceId, TwinId, Value};
use proptest::prelude::*;
use std::{path::PathBuf, sync::Arc};

const BASE_MS: i64 = 1_700_000_000_000;

fn text() -> impl Strategy<Value = Arc<str>> {
    prop_oneof!["[a-c]{0,6}", "twin-[0-9]{1,3}", "\\PC{0,40}", "x{250,260}"].prop_map(Arc::from)
}

fn twin() -> impl Strategy<Value = TwinId> {
    text().prop_map(TwinId::new)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        prop::num::f64::NORMAL.prop_map(Value::Double),
        text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| Value::Array(v.into())),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn position() -> impl Strategy<Value = Position> {
    (0..64u8, any::<u64>()).prop_map(|(p, offset)| Position {
        partition: Partition::new(p).unwrap(),
        offset,
    })
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn event() -> impl Strategy<Value = Event> {
    let command =
        (text(), prop::option::of(twin())).prop_map(|(name, sender)| CommandName { name, sender });
    let id = prop_oneof![
        Just(None),
        text().prop_map(|t| Some((false, t))),
        text().prop_map(|t| Some((true, t))),
    ];
    (
        (0..4usize, text(), twin(), prop::option::of(command)),
        (
            prop::option::of(text()),
            id,
            prop::option::of(any::<i64>()),
            bytes(),
        ),
    )
        .prop_map(
            |((category, interface, twin, command), (source, id, time_ms, payload))| {
                let owner = source.clone().unwrap_or_else(|| twin.as_str().into());
                let id = id.map(|(of_source, t)| {
                    if of_source {
                        format!("{owner}#{t}").into()
                    } else {
                        t
                    }
                });
                Event {
                    category: Category::ALL[category],
                    interface: InterfaceId::new(interface),
                    twin,
                    command,
                    source,
                    id,
                    time_ms,
                    payload,
                }
            },
        )
}

fn command() -> impl Strategy<Value = Command> {
    let edge = || {
        (text(), text(), twin(), twin(), value()).prop_map(
            |(id, name, source, target, properties)| Edge {
                id,
                name,
                source,
                target,
                properties,
            },
        )
    };
    prop_oneof![
        prop::collection::vec(value(), 0..3).prop_map(|manifests| Command::Apply { manifests }),
        (twin(), text(), value(), any::<bool>()).prop_map(|(twin, i, properties, only_new)| {
            Command::Put {
                twin,
                interface: InterfaceId::new(i),
                properties,
                only_new,
            }
        }),
        (twin(), value(), prop::option::of(text())).prop_map(|(twin, patch, if_match)| {
            Command::Patch {
                twin,
                patch,
                if_match,
                strict: false,
            }
        }),
        (twin(), prop::option::of(text()))
            .prop_map(|(twin, if_match)| Command::Delete { twin, if_match }),
        edge().prop_map(|edge| Command::Relate {
            edge,
            only_new: false
        }),
        (edge(), any::<bool>()).prop_map(|(edge, gone)| Command::Incoming { edge, gone }),
        (twin(), text()).prop_map(|(source, id)| Command::Unrelate {
            source,
            id,
            if_match: None
        }),
        (twin(), text(), value()).prop_map(|(source, id, patch)| Command::Amend {
            source,
            id,
            patch,
            if_match: Some("W/\"1\"".into()),
        }),
        (twin(), text(), value()).prop_map(|(twin, id, data)| Command::Telemetry {
            twin,
            interface: "pole".into(),
            component: None,
            id,
            time_ms: Some(-1),
            data,
        }),
        (text(), text()).prop_map(|(kind, name)| Command::Remove { kind, name }),
        any::<u64>().prop_map(|version| Command::Defined { version }),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        4 => event().prop_map(Body::Event),
        1 => (text(), bytes(), 0..3u8, bytes(), prop::option::of(any::<i64>())).prop_map(
            |(topic, payload, qos, properties, expires_ms)| Body::Message(Message { topic, payload, qos, properties, expires_ms })
        ),
        1 => command().prop_map(Body::Command),
        1 => (twin(), any::<bool>()).prop_map(|(twin, connected)| Body::Presence(Presence { twin, connected })),
        1 => (twin(), any::<u32>(), any::<i64>()).prop_map(|(twin, timer, due_ms)| Body::Timer(Timer { twin, timer, due_ms })),
        1 => (twin(), text(), twin(), (twin(), text()), value(), any::<bool>(), position()).prop_map(
            |(twin, property, from, edge, value, gone, stamp)| Body::Contribution(Contribution { twin, property, from, edge, value, gone, stamp })
        ),
        1 => (twin(), text(), any::<i64>(), prop::collection::vec((text(), value()), 0..4)).prop_map(
            |(twin, i, time_ms, values)| Body::Derived(Derived { twin, interface: InterfaceId::new(i), time_ms, values })
        ),
        1 => (text(), text(), text(), bytes(), any::<u64>()).prop_map(
            |(code, reason, origin, payload, dropped)| Body::DeadLetter(DeadLetter { code, reason, origin, payload, dropped })
        ),
        1 => bytes().prop_map(Body::Session),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    (
        position(),
        any::<i64>(),
        prop::option::of(any::<u32>()),
        body(),
    )
        .prop_map(|(position, accepted_ms, cause, body)| Record {
            position,
            accepted_ms,
            cause,
            body,
        })
}

fn encode(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
    let mut encoder = Encoder::default();
    encoder.begin(3, BASE_MS);
    let places = records.iter().map(|r| encoder.push(r).unwrap()).collect();
    (encoder.buffer()[3..].to_vec(), places)
}

fn decode(body: &[u8]) -> Vec<Record> {
    let mut decoder = Decoder::new(body, BASE_MS).unwrap();
    std::iter::from_fn(|| decoder.next().unwrap()).collect()
}

proptest! {
    #[test]
    fn records_come_back_equal(records in prop::collection::vec(record(), 0..12)) {
        let (body, places) = encode(&records);
        prop_assert_eq!(decode(&body), records.clone());
        for (record, place) in records.iter().zip(places).rev() {
            let mut alone = Decoder::new(&body, BASE_MS).unwrap();
            alone.seek(place);
            let read = alone.next().unwrap();
            prop_assert_eq!(read.as_ref(), Some(record));
        }
    }

    #[test]
    fn bytes_of_a_stranger_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), place in 0..400usize) {
        let mut body = vec![1u8];
        body.extend(bytes);
        let mut decoder = Decoder::new(&body, BASE_MS).unwrap();
        while let Ok(Some(_)) = decoder.next() {}
        decoder.seek(place);
        let _ = decoder.next();
    }

    #[test]
    fn damaged_bytes_never_panic(records in prop::collection::vec(record(), 1..6), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (mut body, _) = encode(&records);
        let at = at.index(body.len());
        body[at] ^= 1 << bit;
        if let Ok(mut decoder) = Decoder::new(&body, BASE_MS) {
            while let Ok(Some(_)) = decoder.next() {}
        }
    }
}

/// One record of every kind, fixed for ever: the samples are their bytes.
fn samples() -> Vec<(&'static str, Body)> {
    let json = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let twin = TwinId::from("ngsi-ld-city-airqualityobserved-nb001-p0001");
    let place = Position {
        partition: Partition::new(7).unwrap(),
        offset: 300,
    };
    vec![
        (
            "event",
            Body::Event(Event {
                category: Category::Command,
                interface: "city:airqualityobserved".into(),
                twin: twin.clone(),
                command: Some(CommandName {
                    name: "updateairqualityindex".into(),
                    sender: Some("pole-1".into()),
                }),
                source: Some("device-9".into()),
                id: Some("device-9#42".into()),
                time_ms: Some(BASE_MS - 1_500),
                payload: Bytes::from_static(br#"{"CO2Density":412.5}"#),
            }),
        ),
        (
            "message",
            Body::Message(Message {
                topic: "a/b/c".into(),
                payload: Bytes::from_static(b"\x00\x01"),
                qos: 2,
                properties: Bytes::from_static(b"props"),
                expires_ms: Some(BASE_MS + 60_000),
            }),
        ),
        (
            "command",
            Body::Command(Command::Patch {
                twin: twin.clone(),
                patch: json(r#"[{"op":"replace","path":"/a","value":1.25}]"#),
                if_match: Some("W/\"1\"".into()),
                strict: false,
            }),
        ),
        (
            "presence",
            Body::Presence(Presence {
                twin: twin.clone(),
                connected: true,
            }),
        ),
        (
            "timer",
            Body::Timer(Timer {
                twin: twin.clone(),
                timer: 3,
                due_ms: BASE_MS - 1,
            }),
        ),
        (
            "contribution",
            Body::Contribution(Contribution {
                twin: "city".into(),
                property: "worst".into(),
                from: twin.clone(),
                edge: (twin.clone(), "in-city".into()),
                value: Value::Double(17.5),
                gone: false,
                stamp: place,
            }),
        ),
        (
            "derived",
            Body::Derived(Derived {
                twin,
                interface: "city:airqualityobserved".into(),
                time_ms: BASE_MS,
                values: vec![
                    ("index".into(), Value::Int(-7)),
                    (
                        "all".into(),
                        json(r#"{"a":[1,2.5,null,true,false,"x"],"b":{}}"#),
                    ),
                ],
            }),
        ),
        (
            "dead-letter",
            Body::DeadLetter(DeadLetter {
                code: "malformed-json".into(),
                reason: "expected a value at byte 3".into(),
                origin: "ktwin/real/x/y".into(),
                payload: Bytes::from_static(b"{\"a"),
                dropped: 5,
            }),
        ),
        ("session", Body::Session(Bytes::from_static(b"opaque"))),
    ]
}

fn sample_path(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/samples")
        .join(format!("record-v1-{kind}.bin"))
}

/// To add a sample for a new kind, run with `GEMELLI_WRITE_SAMPLES=1`; existing files are never overwritten.
#[test]
fn bytes_of_every_kind_and_version_stay_readable() {
    for (kind, body) in samples() {
        let record = Record {
            position: Position {
                partition: Partition::new(63).unwrap(),
                offset: 1_000_000,
            },
            accepted_ms: BASE_MS + 250,
            cause: Some(2),
            body,
        };
        let path = sample_path(kind);
        if std::env::var_os("GEMELLI_WRITE_SAMPLES").is_some() && !path.exists() {
            std::fs::write(&path, encode(std::slice::from_ref(&record)).0).unwrap();
        }
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(decode(&bytes), [record], "{kind}");
    }
}

#[test]
fn repeated_texts_cost_two_or_three_bytes() {
    let event = |n: u64| Record {
        position: Position {
            partition: Partition::new(1).unwrap(),
            offset: 100_000 + n,
        },
        accepted_ms: BASE_MS + 3,
        cause: None,
        body: Body::Event(Event {
            category: Category::Real,
            interface: "ngsi-ld-city-airqualityobserved".into(),
            twin: "ngsi-ld-city-airqualityobserved-nb001-p0001".into(),
            command: None,
            source: None,
            id: Some(format!("ngsi-ld-city-airqualityobserved-nb001-p0001#{n}").into()),
            time_ms: Some(BASE_MS),
            payload: Bytes::from_static(&[b'x'; 100]),
        }),
    };
    let (first, _) = encode(&[event(1_000)]);
    let (both, _) = encode(&[event(1_000), event(1_001)]);
    assert!(
        first.len() <= 100 + 100,
        "the first occurrence costs its texts: {}",
        first.len()
    );
    assert!(
        both.len() - first.len() <= 100 + 24,
        "repetition is cheap: {}",
        both.len() - first.len()
    );
}

#[test]
fn what_nests_too_deep_is_refused_and_leaves_nothing() {
    let mut deep = Value::Null;
    for _ in 0..MAX_DEPTH + 1 {
        deep = Value::Array([deep].into());
    }
    let with = |body| Record {
        position: Position::default(),
        accepted_ms: BASE_MS,
        cause: None,
        body,
    };
    let derived = |value: Value| {
        with(Body::Derived(Derived {
            twin: "some-twin".into(),
            interface: "i".into(),
            time_ms: 0,
            values: vec![("deep".into(), value)],
        }))
    };
    let mut encoder = Encoder::default();
    encoder.begin(0, BASE_MS);
    assert_eq!(encoder.push(&derived(deep.clone())), Err(TooDeep));
    assert_eq!(
        encoder.push(&with(Body::Command(Command::Apply {
            manifests: vec![deep]
        }))),
        Err(TooDeep)
    );
    assert_eq!(encoder.body_len(), 1);
    let good = derived(Value::Bool(true));
    encoder.push(&good).unwrap();
    assert_eq!(decode(encoder.buffer()), [good]);
}

#[test]
fn what_a_json_parser_lets_in_can_be_written_and_read() {
    let limit = 128;
    let text = format!("{}1.5{}", "[".repeat(limit - 1), "]".repeat(limit - 1));
    let deep: Value = serde_json::from_str(&text).expect("the parser takes it");
    let record = |body| Record {
        position: Position::default(),
        accepted_ms: BASE_MS,
        cause: None,
        body,
    };
    let put = Command::Put {
        twin: "a".into(),
        interface: "i".into(),
        properties: Value::Object([("deep".into(), deep.clone())].into()),
        only_new: true,
    };
    let values = vec![("deep".into(), Value::Array([deep].into()))];
    let derived = Derived {
        twin: "a".into(),
        interface: "i".into(),
        time_ms: 0,
        values,
    };
    let records = [record(Body::Command(put)), record(Body::Derived(derived))];
    assert_eq!(decode(&encode(&records).0), records);
}
