//! `$SYS`: what the broker tells about itself on topics. Not logged, QoS 0.

use crate::{
    host::{Delivery, Host},
    record::Kept,
    session::NOT_LOGGED,
    shared::Shared,
};
use bytes::Bytes;
use gemelli_event::record::Message;
use gemelli_mqtt::Qos;

fn values<H: Host>(shared: &Shared<H>) -> Vec<(&'static str, String)> {
    let m = shared.counters.read();
    let uptime_s = shared.host.now_ms().saturating_sub(shared.started_ms) / 1_000;
    let (retained, _) = shared.image.lock().retained_size();
    vec![
        ("$SYS/broker/version", shared.options.version.clone()),
        ("$SYS/broker/uptime", format!("{uptime_s} seconds")),
        (
            "$SYS/broker/clients/connected",
            m.connections_now.to_string(),
        ),
        ("$SYS/broker/clients/total", m.sessions_now.to_string()),
        (
            "$SYS/broker/subscriptions/count",
            m.subscriptions_now.to_string(),
        ),
        ("$SYS/broker/retained messages/count", retained.to_string()),
        ("$SYS/broker/messages/received", m.received.to_string()),
        ("$SYS/broker/messages/sent", m.sent.to_string()),
        (
            "$SYS/broker/publish/messages/dropped",
            (m.dropped_qos0 + m.dropped_slow + m.dropped_expired + m.dropped_too_large).to_string(),
        ),
        (
            "$SYS/broker/publish/bytes/received",
            m.received_bytes.to_string(),
        ),
        ("$SYS/broker/publish/bytes/sent", m.sent_bytes.to_string()),
    ]
}

/// The values now, as if they were retained.
pub fn current<H: Host>(shared: &Shared<H>) -> Vec<Kept> {
    let kept = |(topic, value): (&str, String)| Kept {
        seq: NOT_LOGGED,
        topic: topic.into(),
        payload: value.into(),
        qos: Qos::AtMostOnce,
        retain: true,
        properties: Bytes::new(),
        expires_ms: None,
        ids: Vec::new(),
    };
    values(shared).into_iter().map(kept).collect()
}

/// Delivers the values to whoever subscribed.
pub fn publish<H: Host>(shared: &Shared<H>) {
    let delivery = |(topic, value): (&str, String)| Delivery {
        seq: NOT_LOGGED,
        message: Message {
            topic: topic.into(),
            payload: value.into(),
            qos: 0,
            properties: Bytes::new(),
            expires_ms: None,
        },
    };
    let messages: Vec<_> = values(shared).into_iter().map(delivery).collect();
    shared.deliver(&messages, 0);
}
