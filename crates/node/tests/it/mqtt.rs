//! Devices and subscribers by MQTT, over TCP.

use crate::rig::{Mqtt, crash, event, manifests, rooms, start, stop, until, value};
use gemelli_engine::Lifecycle;
use gemelli_model::Value;
use gemelli_mqtt::{
    Reason,
    packet::{Connect, Qos, Version},
};
use gemelli_store::disk::sim::Sim;

const OFFICE: &str = "ktwin/real/room/office";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_event_is_visible_and_durable() {
    for version in [Version::V311, Version::V5] {
        for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let disk = Sim::new();
            let running = start(&disk).await;
            rooms(running.node()).await;
            let mut device = Mqtt::connect(running.node().mqtt()[0], version, "device").await;
            let reason = device
                .publish(qos, OFFICE, None, r#"{"temperature":21,"ceId":"office#1"}"#)
                .await;
            assert_eq!(reason, Reason::SUCCESS);
            assert_eq!(
                value(running.node(), "office", "temperature"),
                Some(Value::Double(21.0))
            );
            assert_eq!(
                value(running.node(), "home", "warmest"),
                Some(Value::Double(21.0))
            );
            let disk = crash(running, &disk, 7).await;
            let running = start(&disk).await;
            assert_eq!(
                value(running.node(), "office", "temperature"),
                Some(Value::Double(21.0))
            );
            stop(running).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_counts_once_and_a_repetition_is_acknowledged() {
    let disk = Sim::new();
    let running = start(&disk).await;
    rooms(running.node()).await;
    let mut device = Mqtt::connect(running.node().mqtt()[0], Version::V5, "device").await;
    for degrees in [20, 30] {
        let payload = format!(r#"{{"temperature":{degrees}}}"#);
        assert_eq!(
            device
                .publish(Qos::AtLeastOnce, OFFICE, Some("office#1"), &payload)
                .await,
            Reason::SUCCESS
        );
    }
    assert_eq!(
        value(running.node(), "office", "temperature"),
        Some(Value::Double(20.0))
    );
    assert_eq!(running.node().metrics().duplicates.get(), 1);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_names_its_reason_and_the_connection_survives() {
    let disk = Sim::new();
    let running = start(&disk).await;
    rooms(running.node()).await;
    let mut device = Mqtt::connect(running.node().mqtt()[0], Version::V5, "device").await;
    for (topic, payload, reason) in [
        ("ktwin/real/room/nobody", "{}", Reason::TOPIC_NAME_INVALID),
        ("ktwin/reel/room/office", "{}", Reason::TOPIC_NAME_INVALID),
        ("ktwin/real/room", "{}", Reason::TOPIC_NAME_INVALID),
        (OFFICE, "{", Reason::PAYLOAD_FORMAT_INVALID),
        (
            OFFICE,
            r#"{"temperature":"hot"}"#,
            Reason::PAYLOAD_FORMAT_INVALID,
        ),
    ] {
        assert_eq!(
            device.publish(Qos::AtLeastOnce, topic, None, payload).await,
            reason,
            "{topic} {payload}"
        );
    }
    assert_eq!(running.node().letters(10, None).len(), 5);
    let good = device
        .publish(Qos::AtLeastOnce, OFFICE, None, r#"{"temperature":20}"#)
        .await;
    assert_eq!(good, Reason::SUCCESS);
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_accepted_publication_is_retained() {
    let disk = Sim::new();
    let mut running = start(&disk).await;
    rooms(running.node()).await;
    let mut device = Mqtt::connect(running.node().mqtt()[0], Version::V5, "device").await;
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for (topic, payload) in [
            ("ktwin/real/room/nobody", r#"{"temperature":1}"#),
            ("ktwin/reel/room/office", r#"{"temperature":1}"#),
            (OFFICE, r#"{"temperature":"hot"}"#),
        ] {
            let reason = device.retain(qos, topic, None, payload).await;
            assert!(reason.is_failure(), "{topic} {payload}");
        }
    }
    // The second repeats the first: what it holds was never taken.
    for degrees in [20, 30] {
        let payload = format!(r#"{{"temperature":{degrees}}}"#);
        let reason = device.retain(Qos::ExactlyOnce, OFFICE, Some("office#1"), &payload);
        assert_eq!(reason.await, Reason::SUCCESS);
    }
    device.retain(Qos::AtLeastOnce, "other", None, "x").await;
    for _ in 0..2 {
        let mut subscriber = Mqtt::connect(running.node().mqtt()[0], Version::V5, "s").await;
        subscriber.subscribe("#").await;
        for (topic, payload) in [(OFFICE, r#"{"temperature":20}"#), ("other", "x")] {
            let got = subscriber.message().await;
            assert_eq!((&*got.topic, &got.payload[..]), (topic, payload.as_bytes()));
            assert!(got.retain);
        }
        device.publish(Qos::AtLeastOnce, "after", None, "all").await;
        assert_eq!(&*subscriber.message().await.topic, "after");
        let disk = crash(running, &disk, 3).await;
        running = start(&disk).await;
        device = Mqtt::connect(running.node().mqtt()[0], Version::V5, "device").await;
    }
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_get_events_of_twins_and_foreign_messages() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    let mut subscriber = Mqtt::connect(node.mqtt()[0], Version::V5, "subscriber").await;
    subscriber.subscribe("ktwin/virtual/room/office").await;
    subscriber.subscribe("anything/#").await;
    node.events(vec![event("office", "office#1", r#"{"temperature":25}"#)])
        .await
        .unwrap();
    let told = subscriber.message().await;
    assert_eq!(
        (&*told.topic, &told.payload[..]),
        ("ktwin/virtual/room/office", &br#"{"warm":true}"#[..])
    );
    let mut other = Mqtt::connect(node.mqtt()[0], Version::V311, "other").await;
    other
        .publish(Qos::AtLeastOnce, "anything/at/all", None, "not json")
        .await;
    let told = subscriber.message().await;
    assert_eq!(
        (&*told.topic, &told.payload[..]),
        ("anything/at/all", &b"not json"[..])
    );
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_is_bound_while_its_device_is_connected() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    let life = |twin: &str| node.view().twin(twin).map(|t| t.lifecycle());
    assert_eq!(life("office"), Some(Lifecycle::Unbound));
    let mut device = Mqtt::connect(node.mqtt()[0], Version::V5, "device").await;
    device
        .publish(Qos::AtLeastOnce, OFFICE, None, r#"{"temperature":20}"#)
        .await;
    assert_ne!(life("office"), Some(Lifecycle::Unbound));
    assert_eq!(life("kitchen"), Some(Lifecycle::Unbound));
    drop(device);
    until("the twin is unbound", || {
        life("office") == Some(Lifecycle::Unbound)
    })
    .await;
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_maps_foreign_topics() {
    let disk = Sim::new();
    let running = start(&disk).await;
    let node = running.node();
    rooms(node).await;
    let mapping = r#"
apiVersion: gemelli.dev/v1
kind: Connection
metadata: { name: sensors }
spec:
  topics:
    - pattern: "sensors/{id}/t"
      category: real
      interface: room
      twin: "{id}"
      payload: { temperature: "payload.celsius" }
"#;
    node.command(manifests(mapping)).await.unwrap();
    let mut device = Mqtt::connect(node.mqtt()[0], Version::V5, "device").await;
    let good = device
        .publish(
            Qos::AtLeastOnce,
            "sensors/office/t",
            None,
            r#"{"celsius":22.5}"#,
        )
        .await;
    assert_eq!(good, Reason::SUCCESS);
    assert_eq!(
        value(node, "office", "temperature"),
        Some(Value::Double(22.5))
    );
    let lacking = device
        .publish(
            Qos::AtLeastOnce,
            "sensors/office/t",
            None,
            r#"{"kelvin":1}"#,
        )
        .await;
    assert!(lacking.is_failure(), "{lacking:?}");
    assert_eq!(node.letters(9, None).len(), 1);
    let broken = mapping.replace("payload.celsius", "payload.");
    assert!(node.command(manifests(&broken)).await.is_err());
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_were_away_find_their_messages_in_the_log() {
    let disk = Sim::new();
    let running = start(&disk).await;
    rooms(running.node()).await;
    let durable = |id: &str| {
        let mut connect = Connect::new(Version::V5, id.to_owned());
        connect.session_expiry_s = Some(3_600);
        connect
    };
    let address = running.node().mqtt()[0];
    for (id, filter) in [
        ("exact", "ktwin/virtual/room/office"),
        ("reports", "ktwin/real/room/#"),
        ("foreign", "x/+"),
    ] {
        let mut session = Mqtt::connect_with(address, durable(id)).await.unwrap();
        session.subscribe(filter).await;
    }
    let mut other = Mqtt::connect(address, Version::V5, "other").await;
    for n in 0..400 {
        // Every second report changes whether the office is warm, which is told to its device.
        let payload = format!(r#"{{"temperature":{}}}"#, 10 + 10 * (n % 2));
        let report = event("office", &format!("office#{n}"), &payload);
        running.node().events(vec![report]).await.unwrap();
        if n % 100 == 0 {
            other
                .publish(Qos::AtLeastOnce, &format!("x/{n}"), None, "foreign")
                .await;
        }
    }
    let disk = crash(running, &disk, 5).await;
    let running = start(&disk).await;
    let address = running.node().mqtt()[0];
    let told = running
        .node()
        .view()
        .twin("office")
        .map(|t| t.to_full())
        .unwrap();
    for (id, expected) in [("exact", 400), ("reports", 400), ("foreign", 4)] {
        let mut connect = durable(id);
        connect.clean_start = false;
        let mut session = Mqtt::connect_with(address, connect).await.unwrap();
        for n in 0..expected {
            let message = session.message().await;
            match id {
                "foreign" => assert_eq!(&*message.topic, format!("x/{}", n * 100)),
                "exact" => assert_eq!(&*message.topic, "ktwin/virtual/room/office"),
                _ => assert_eq!(&*message.topic, "ktwin/real/room/office"),
            }
        }
    }
    // And live from there.
    assert_eq!(
        running.node().view().twin("office").map(|t| t.to_full()),
        Some(told)
    );
    stop(running).await;
}
