//! A node on a disk in memory, and an MQTT client.

use bytes::BytesMut;
use gemelli_event::record::{Command, Event};
use gemelli_model::{Value, manifest};
use gemelli_mqtt::{
    Reason,
    client::{self, Client},
    codec::Outgoing,
    packet::{Connect, Publish, Qos, SubscribeOptions, Version},
    properties,
};
use gemelli_node::{MqttListener, Node, Options, Running};
use gemelli_store::disk::sim::Sim;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// No wait in these tests is longer.
pub const LIMIT: Duration = Duration::from_secs(20);

pub const ROOMS: &str = r#"
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: room }
spec:
  properties:
    - { name: temperature, schema: double }
    - { name: warm, schema: boolean, derived: { expression: temperature >= 19, emit: virtual } }
  relationships:
    - { name: partOf, target: house }
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: house }
spec:
  properties:
    - name: warmest
      schema: double
      derived: { aggregate: { op: max, over: partOf, direction: incoming, of: temperature } }
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: { name: home }
spec: { interface: house }
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: { name: kitchen }
spec: { interface: room, relationships: [ { name: partOf, target: home } ] }
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: { name: office }
spec: { interface: room, relationships: [ { name: partOf, target: home } ] }
"#;

/// A small node on this disk, with one MQTT listener.
pub fn options(disk: &Sim) -> Options {
    let mut options = Options::new("/data");
    options.store.segment_bytes = 1 << 20;
    options.store.disk = Arc::new(disk.clone());
    options.mqtt.push(MqttListener {
        address: "127.0.0.1:0".parse().unwrap(),
        websocket: false,
        tls: None,
    });
    options
}

pub async fn start(disk: &Sim) -> Running {
    tokio::time::timeout(LIMIT, Node::start(options(disk)))
        .await
        .unwrap()
        .unwrap()
}

/// Ends as a crash does: what was not synced is lost. The answer is the disk that is left.
pub async fn crash(running: Running, disk: &Sim, seed: u64) -> Sim {
    let left = disk.crash(seed);
    tokio::task::spawn_blocking(move || drop(running))
        .await
        .unwrap();
    left
}

pub async fn stop(running: Running) {
    tokio::time::timeout(LIMIT, running.stop()).await.unwrap();
}

pub fn manifests(yaml: &str) -> Command {
    let read = manifest::parse(yaml).into_result().unwrap();
    Command::Apply {
        manifests: read.iter().map(manifest::to_value).collect(),
    }
}

pub async fn rooms(node: &Node) {
    node.command(manifests(ROOMS)).await.unwrap();
}

pub fn event(twin: &str, id: &str, payload: &str) -> Event {
    Event {
        category: gemelli_event::Category::Real,
        interface: "room".into(),
        twin: twin.into(),
        command: None,
        source: None,
        id: Some(id.into()),
        time_ms: None,
        payload: payload.to_owned().into(),
    }
}

pub fn value(node: &Node, twin: &str, member: &str) -> Option<Value> {
    node.view().twin(twin)?.get(member).cloned()
}

/// Everything that readers see of the twins.
pub fn picture(node: &Node) -> Vec<String> {
    node.view()
        .twins()
        .map(|twin| twin.to_full().to_string())
        .collect()
}

/// Waits until something is so.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    let waited = tokio::time::timeout(LIMIT, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "not in time: {what}");
}

/// An MQTT client on a real socket.
pub struct Mqtt {
    pub socket: TcpStream,
    pub client: Client,
    pub input: BytesMut,
    pub output: BytesMut,
    /// Messages that came while something else was waited for.
    pub messages: Vec<Publish>,
}

impl Mqtt {
    pub async fn connect(address: SocketAddr, version: Version, id: &str) -> Self {
        Self::connect_with(address, Connect::new(version, id.to_owned()))
            .await
            .unwrap()
    }

    pub async fn connect_with(address: SocketAddr, connect: Connect) -> Result<Self, Reason> {
        let socket = TcpStream::connect(address).await.unwrap();
        let client = Client::new(connect);
        let mut mqtt = Self {
            socket,
            client,
            input: BytesMut::new(),
            output: BytesMut::new(),
            messages: Vec::new(),
        };
        mqtt.client.connect(&mut mqtt.output);
        match mqtt.next().await {
            Some(client::Event::Connected(ack)) if !ack.reason.is_failure() => Ok(mqtt),
            Some(client::Event::Connected(ack)) => Err(ack.reason),
            other => panic!("no CONNACK but {other:?}"),
        }
    }

    /// Sends what is to be sent and takes the next event; none once the server closed the connection.
    pub async fn next(&mut self) -> Option<client::Event> {
        tokio::time::timeout(LIMIT, async {
            loop {
                let event = self
                    .client
                    .receive(&mut self.input, &mut self.output)
                    .unwrap();
                if !self.output.is_empty() {
                    let bytes = self.output.split();
                    let _ = self.socket.write_all(&bytes).await;
                }
                if event.is_some() {
                    return event;
                }
                match self.socket.read_buf(&mut self.input).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
        .expect("an event in time")
    }

    /// Publishes and waits for the acknowledgement.
    pub async fn publish(
        &mut self,
        qos: Qos,
        topic: &str,
        id: Option<&str>,
        payload: &str,
    ) -> Reason {
        self.send(qos, topic, id, payload, false).await
    }

    /// As [`Mqtt::publish`], to be retained.
    pub async fn retain(
        &mut self,
        qos: Qos,
        topic: &str,
        id: Option<&str>,
        payload: &str,
    ) -> Reason {
        self.send(qos, topic, id, payload, true).await
    }

    async fn send(
        &mut self,
        qos: Qos,
        topic: &str,
        id: Option<&str>,
        payload: &str,
        retain: bool,
    ) -> Reason {
        let mut own = Vec::new();
        if let Some(id) = id {
            properties::put_user(&mut own, "ce-id", id);
        }
        let message = Outgoing {
            dup: false,
            retain,
            qos,
            packet_id: 0,
            topic,
            own: &own,
            expiry_s: None,
            topic_alias: None,
            subscription_ids: &[],
            payload: payload.as_bytes(),
        };
        let sent = self.client.publish(message, &mut self.output).unwrap();
        loop {
            match self.next().await {
                Some(client::Event::Published {
                    packet_id, reason, ..
                }) if packet_id == sent => return reason,
                Some(client::Event::Message(message)) => self.messages.push(message),
                other => panic!("no acknowledgement but {other:?}"),
            }
        }
    }

    pub async fn subscribe(&mut self, filter: &str) {
        let options = SubscribeOptions {
            qos: Qos::AtLeastOnce,
            ..SubscribeOptions::default()
        };
        self.client
            .subscribe(&[(filter, options)], None, &mut self.output);
        loop {
            match self.next().await {
                Some(client::Event::Subscribed(_)) => return,
                Some(client::Event::Message(message)) => self.messages.push(message),
                other => panic!("no SUBACK but {other:?}"),
            }
        }
    }

    pub async fn message(&mut self) -> Publish {
        if !self.messages.is_empty() {
            return self.messages.remove(0);
        }
        match self.next().await {
            Some(client::Event::Message(message)) => message,
            other => panic!("no message but {other:?}"),
        }
    }
}
