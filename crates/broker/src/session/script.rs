//! Sessions as data: what comes in and what must go out, line by line.
//!
//! `> …` the client sends · `= …` the node or time acts · `< …` the client gets · `! …` the log gets.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{
    Session,
    inbound::{Gate, Inbound, Settings},
    outbound::{Flow, Link, Message, Outbound, Wanted},
};
use crate::{
    host::{Item, Unavailable},
    metrics::Counters,
    options::Options,
    record,
};
use bytes::{Bytes, BytesMut};
use gemelli_mqtt::{
    Codec, Packet, Qos, Reason, Version,
    packet::{Ack, Publish},
};
use std::{fmt::Write, sync::Arc};

struct Open;

impl Gate for Open {
    fn may_publish(&self, topic: &str) -> bool {
        topic != "forbidden"
    }
    fn may_retain(&self, _: &str, _: usize) -> bool {
        true
    }
    fn names_senders(&self) -> bool {
        false
    }
}

/// Runs the lines that start with `>` and `=`, and puts what follows from each below it.
fn play(version: Version, durable: bool, script: &str) -> String {
    let session = Session::new("c".into(), 1, Outbound::new());
    let settings = || Settings {
        client: "c".into(),
        version,
        receive_maximum: 3,
        topic_aliases: 0,
        durable,
        reason_strings: false,
        relaxed: false,
    };
    let link = Link {
        version,
        window: 2,
        max_packet_bytes: 1_000,
        topic_aliases: 0,
        durable,
    };
    let (codec, counters) = (Codec::client(version, 1_000), Counters::default());
    let options = Options {
        queue_bytes: 800,
        ..Options::default()
    };
    let mut inbound = Inbound::new(settings(), 0);
    let mut out = BytesMut::new();
    let mut changes = Vec::new();
    session
        .outbound
        .lock()
        .attach(link, &session.client, &codec, 0, &mut out, &mut changes);
    let (mut text, mut seq) = (String::new(), 0);
    let (mut admitting, mut behind) = (false, None);
    for line in script
        .lines()
        .map(str::trim)
        .filter(|l| l.starts_with(['>', '=']))
    {
        writeln!(text, "{line}").unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let number = || {
            words
                .iter()
                .find_map(|w| w.strip_prefix('#'))
                .map_or(0, |n| n.parse().unwrap())
        };
        let qos = || {
            Qos::new(
                words
                    .iter()
                    .find_map(|w| w.strip_prefix('q'))
                    .map_or(0, |n| n.parse().unwrap()),
            )
            .unwrap()
        };
        let ack = || {
            Ack::new(
                number() as u16,
                if words.contains(&"failed") {
                    Reason::UNSPECIFIED
                } else {
                    Reason::SUCCESS
                },
            )
        };
        match words[1] {
            "publish" => {
                let publish = Publish {
                    topic: words[2].into(),
                    qos: qos(),
                    packet_id: number() as u16,
                    retain: words.contains(&"retain"),
                    payload: Bytes::from_static(b"x"),
                    ..Publish::default()
                };
                if let Err(malformed) =
                    inbound.publish(publish, &mut session.received.lock(), 0, &Open)
                {
                    writeln!(text, "closed: {}", malformed.reason).unwrap();
                }
            }
            "pubrel" => inbound.pubrel(number() as u16, &mut session.received.lock()),
            "puback" => session.outbound.lock().puback(number() as u16, &counters),
            "pubrec" => session.outbound.lock().pubrec(
                &session.client,
                &ack(),
                &codec,
                &mut out,
                &mut changes,
                &counters,
            ),
            "pubcomp" => session.outbound.lock().pubcomp(
                &session.client,
                number() as u16,
                &mut changes,
                &counters,
            ),
            "admitted" => inbound.admitted(number()),
            "unavailable" => {
                let why = Unavailable {
                    code: "disk-full",
                    reason: "full".into(),
                };
                if let Some(d) = inbound.unavailable(&why, &mut session.received.lock()) {
                    writeln!(text, "closed: {}", d.reason).unwrap();
                }
            }
            "released" => inbound.released(number().into(), &codec, 0, &session, &mut out),
            "deliver" => {
                let message = Message {
                    seq,
                    topic: words[2].into(),
                    payload: Bytes::from_static(b"x"),
                    properties: Bytes::new(),
                    qos: qos(),
                    expires_ms: None,
                };
                seq += 1;
                let wanted = Wanted {
                    qos: qos(),
                    ..Wanted::default()
                };
                session
                    .outbound
                    .lock()
                    .offer(&Arc::new(message), wanted, &options, &counters);
            }
            "break" => {
                inbound.forget(&mut session.received.lock());
                session.outbound.lock().detach(seq, &counters);
                let last = inbound.last_number();
                inbound = Inbound::new(settings(), last);
                (out, changes) = (BytesMut::new(), Vec::new());
                session.outbound.lock().attach(
                    link,
                    &session.client,
                    &codec,
                    0,
                    &mut out,
                    &mut changes,
                );
            }
            other => panic!("{other}?"),
        }
        session
            .outbound
            .lock()
            .pull(&session.client, 0, &mut out, &mut changes, &counters);
        inbound.outbound_changes(std::mem::take(&mut changes));
        admitting &= !["admitted", "unavailable", "break"].contains(&words[1]);
        if !admitting {
            let items = inbound.take_items();
            admitting = !items.is_empty();
            log(&items, &mut text);
        }
        wire(version, &mut out, &mut text);
        if let Flow::Behind { from } = session.outbound.lock().flow()
            && behind.replace(from) != Some(from)
        {
            writeln!(text, "behind from {from}").unwrap();
        }
    }
    text
}

fn log(items: &[Item], text: &mut String) {
    let mut note = |bytes: &[u8]| {
        record::decode(bytes, |change| {
            let name = format!("{change:?}");
            let name = name.split(' ').next().unwrap().to_lowercase();
            writeln!(text, "! {name}").unwrap();
        })
        .unwrap();
    };
    for item in items {
        match item {
            Item::Publish(p) => {
                note(&p.journal);
                note(&p.retained);
            }
            Item::Session(record) => note(record),
            Item::Presence(_) => {}
        }
    }
    let published = items
        .iter()
        .filter(|i| matches!(i, Item::Publish(_)))
        .count();
    if published > 0 {
        writeln!(text, "! {published} published").unwrap();
    }
}

fn wire(version: Version, out: &mut BytesMut, text: &mut String) {
    let mut codec = Codec::client(version, 10_000);
    while let Some(packet) = codec.decode(out).unwrap() {
        let said = |name: &str, ack: &Ack| {
            format!(
                "< {name} #{}{}",
                ack.packet_id,
                if ack.reason.is_failure() {
                    " failed"
                } else {
                    ""
                }
            )
        };
        let line = match &packet {
            Packet::Publish(p) => format!(
                "< publish {} q{} #{}{}",
                p.topic,
                p.qos.number(),
                p.packet_id,
                if p.dup { " dup" } else { "" }
            ),
            Packet::PubAck(a) => said("puback", a),
            Packet::PubRec(a) => said("pubrec", a),
            Packet::PubRel(a) => said("pubrel", a),
            Packet::PubComp(a) => said("pubcomp", a),
            other => panic!("{other:?}"),
        };
        writeln!(text, "{line}").unwrap();
    }
}

fn check(version: Version, durable: bool, script: &str) {
    let expected: Vec<&str> = script
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let got = play(version, durable, script);
    assert_eq!(got.lines().collect::<Vec<_>>(), expected, "\n{got}");
}

#[test]
fn acknowledgements_wait_for_their_release_and_keep_their_order() {
    check(
        Version::V5,
        false,
        "> publish a q1 #1
         ! 1 published
         = admitted #7
         > publish a q1 #2
         ! 1 published
         > publish forbidden q1 #3
         = admitted #9
         = released #8
         < puback #1
         = released #9
         < puback #2
         < puback #3 failed",
    );
}

#[test]
fn exactly_once_inbound_of_a_durable_session() {
    check(
        Version::V5,
        true,
        "> publish a q2 #1
         ! received
         ! 1 published
         = admitted #1
         > publish a q2 #1
         = released #1
         < pubrec #1
         < pubrec #1
         = break
         behind from 0
         > publish a q2 #1
         = released #1
         < pubrec #1
         > pubrel #1
         ! released
         = released #1
         = admitted #2
         = released #2
         < pubcomp #1
         > pubrel #1
         = released #2
         < pubcomp #1 failed",
    );
}

#[test]
fn what_was_never_admitted_is_not_a_duplicate() {
    check(
        Version::V5,
        true,
        "> publish a q2 #1
         ! received
         ! 1 published
         = break
         behind from 0
         > publish a q2 #1
         ! received
         ! 1 published
         = unavailable
         = released #0
         ! released
         < pubrec #1 failed",
    );
}

#[test]
fn an_older_client_is_disconnected_when_nothing_is_taken() {
    check(
        Version::V311,
        false,
        "> publish a q1 #1
         ! 1 published
         = unavailable
         closed: quota exceeded (0x97)",
    );
}

#[test]
fn more_than_the_receive_maximum_is_a_fault() {
    check(
        Version::V5,
        false,
        "> publish a q1 #1
         ! 1 published
         > publish a q2 #2
         > publish a q1 #3
         > publish a q0
         > publish a q1 #4
         closed: receive maximum exceeded (0x93)",
    );
}

#[test]
fn exactly_once_outbound_is_recorded_before_each_step() {
    check(
        Version::V5,
        true,
        "= deliver a q2
         ! sending
         = released #0
         = admitted #1
         = released #1
         < publish a q2 #1
         > pubrec #1
         ! sent
         = admitted #2
         = released #2
         < pubrel #1
         > pubcomp #1
         ! done",
    );
}

#[test]
fn a_broken_connection_repeats_what_was_under_way() {
    check(
        Version::V311,
        false,
        "= deliver a q1
         < publish a q1 #1
         = deliver b q2
         < publish b q2 #2
         = deliver c q1
         > pubrec #2
         < pubrel #2
         = break
         < publish a q1 #1 dup
         < pubrel #2
         > puback #1
         > pubcomp #2",
    );
}

#[test]
fn a_full_queue_sends_a_durable_session_to_the_log() {
    check(
        Version::V5,
        true,
        "= deliver a q1
         < publish a q1 #1
         = deliver a q1
         < publish a q1 #2
         = deliver a q1
         = deliver a q1
         = deliver a q1
         behind from 4
         = deliver a q1
         = break
         < publish a q1 #1 dup
         < publish a q1 #2 dup
         behind from 2",
    );
}

#[test]
fn a_session_whose_change_was_refused_is_disconnected() {
    check(
        Version::V5,
        true,
        "= deliver a q2
         ! sending
         = released #0
         = admitted #1
         = released #1
         < publish a q2 #1
         > pubrec #1
         ! sent
         = admitted #2
         = released #2
         < pubrel #1
         > pubcomp #1
         ! done
         = unavailable
         closed: quota exceeded (0x97)",
    );
}
