//! The benchmark's generator against a broker that we did not write.

use crate::mosquitto;
use gemelli_load::bench::{self, Idle, Options, Until, Version};
use std::{net::TcpListener, time::Duration};

#[test]
fn every_message_is_acknowledged() {
    let Some(server) = mosquitto::start("every_message_is_acknowledged") else {
        return;
    };
    for (version, qos) in [
        (Version::V311, 0),
        (Version::V311, 1),
        (Version::V5, 0),
        (Version::V5, 1),
    ] {
        let report = bench::run(&Options {
            address: server.address,
            version,
            qos,
            connections: 7,
            in_flight: 20,
            topic: "bench/{connection}".into(),
            payload: Options::payload_of(100),
            event_id: "bench-{connection}#{n}".into(),
            client: format!("it-{qos}-{version:?}"),
            until: Until::Messages(3_001),
        })
        .unwrap();
        assert_eq!(
            (report.sent, report.acknowledged),
            (3_001, 3_001),
            "{version:?} {qos}"
        );
        assert_eq!((report.refused, report.out_of_order), (0, 0));
        assert_eq!(report.per_connection, [429, 429, 429, 429, 429, 428, 428]);
        assert_eq!(report.latency.total(), 3_001);
    }
}

#[test]
fn a_run_by_time_ends_with_nothing_in_flight() {
    let Some(server) = mosquitto::start("a_run_by_time_ends_with_nothing_in_flight") else {
        return;
    };
    let report = bench::run(&Options {
        address: server.address,
        version: Version::V311,
        qos: 1,
        connections: 1,
        in_flight: 100,
        topic: "bench/{connection}".into(),
        payload: Options::payload_of(200),
        event_id: String::new(),
        client: "timed".into(),
        until: Until::Elapsed(Duration::from_millis(300)),
    })
    .unwrap();
    assert!(report.sent > 0);
    assert_eq!(report.sent, report.acknowledged);
    println!("{:.0}/s, {:?} us", report.rate(), report.cpu_us());
}

#[test]
fn idle_connections_stand_until_closed() {
    let Some(server) = mosquitto::start("idle_connections_stand_until_closed") else {
        return;
    };
    let (idle, report) = Idle::open(server.address, Version::V5, "idle", 120).unwrap();
    assert_eq!((idle.count(), report.open), (120, 120));
    idle.close();
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let Err(error) = Idle::open(address, Version::V5, "idle", 1) else {
        panic!("nobody listens there")
    };
    assert!(error.to_string().contains(&address.to_string()));
}
