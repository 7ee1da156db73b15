//! A node in memory: a log with group commit, that can crash and start again, and a client over TCP.

use bytes::{Bytes, BytesMut};
use gemelli_broker::{
    Broker, Delivery, Entry, Host, Item, Listen, Metrics, Options, Reason,
    host::{Action, Credentials, Principal, Refused, Scanned, Unavailable, Wanted},
};
use gemelli_event::{Seq, record::Message};
use gemelli_mqtt::{
    Client, Codec, Outgoing, Packet, Qos, Version,
    client::Event,
    packet::{ConnAck, Connect, Publish, SubscribeOptions},
};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
};

/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long "nothing comes" is waited for.
pub const QUIET: Duration = Duration::from_millis(250);

/// What the log holds.
#[derive(Clone, Debug)]
pub enum Logged {
    Message(Message),
    Session(Bytes),
}

/// The durable part: survives a crash of the rest.
#[derive(Default)]
pub struct Disk {
    pub log: Mutex<Vec<Logged>>,
    /// Added to the clock, milliseconds.
    pub ahead_ms: AtomicI64,
    /// Nothing is written while this is set: what is admitted is lost in a crash.
    pub stuck: AtomicBool,
    /// Nothing is admitted while this is set.
    pub full: AtomicBool,
    /// Whoever admits waits while this is set, as if the backlog were full.
    pub busy: AtomicBool,
    /// Codes of what the host was told of.
    pub told: Mutex<Vec<&'static str>>,
    /// Presences, in order.
    pub presences: Mutex<Vec<(String, bool)>>,
}

pub struct Memory {
    disk: Arc<Disk>,
    waiting: Mutex<(u64, VecDeque<Item>)>,
    released: watch::Sender<u64>,
    judged: watch::Sender<u64>,
    released_seq: Mutex<Seq>,
}

impl Host for Memory {
    async fn admit(&self, items: Vec<Item>) -> Result<u64, Unavailable> {
        if self.disk.full.load(Ordering::SeqCst) {
            return Err(Unavailable {
                code: "disk-full",
                reason: "the disk is full: free some space".into(),
            });
        }
        while self.disk.busy.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut waiting = self.waiting.lock();
        waiting.0 += items.len() as u64;
        waiting.1.extend(items);
        Ok(waiting.0)
    }

    fn released(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    fn judged(&self) -> watch::Receiver<u64> {
        self.judged.subscribe()
    }

    async fn scan(&self, from: Seq, limit: usize, wanted: Wanted<'_>) -> Scanned {
        let end = *self.released_seq.lock();
        let mut out = Scanned {
            next: from,
            ..Scanned::default()
        };
        for seq in from..end {
            if out.found.len() >= limit {
                break;
            }
            out.next = seq + 1;
            if let Some(Logged::Message(message)) = self.disk.log.lock().get(seq as usize)
                && wanted(&message.topic)
            {
                out.found.push(Delivery {
                    seq,
                    message: message.clone(),
                });
            }
        }
        out
    }

    fn authenticate(&self, who: &Credentials) -> Result<Principal, Refused> {
        if who.username.as_deref() == Some("stranger") {
            return Err(Refused {
                reason: Reason::BAD_USER_NAME_OR_PASSWORD,
                text: "unknown user: run auth add".into(),
            });
        }
        let name = if who.certificate.is_some() {
            "certified".into()
        } else {
            who.client.clone()
        };
        Ok(Principal { name })
    }

    fn allow(&self, _: &Principal, _: Action, topic: &str) -> bool {
        !topic.starts_with("forbidden")
    }

    fn allow_origin(&self, _: Option<&str>, origin: Option<&str>) -> bool {
        origin != Some("http://evil.example")
    }

    fn refused(&self, code: &'static str, _: &str, _: &str, _: &[u8]) {
        self.disk.told.lock().push(code);
    }

    fn now_ms(&self) -> i64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis() as i64;
        now + self.disk.ahead_ms.load(Ordering::SeqCst)
    }
}

pub struct Node {
    pub disk: Arc<Disk>,
    pub broker: Broker<Memory>,
    pub address: SocketAddr,
    runtime: Option<tokio::runtime::Runtime>,
    stop: Option<oneshot::Sender<()>>,
}

impl Node {
    pub fn start(options: Options) -> Self {
        Self::on(
            Arc::default(),
            options,
            Listen {
                websocket: false,
                tls: None,
                max_connections: 10_000,
            },
        )
    }

    /// Starts from a snapshot of all that the disk holds.
    pub fn from(disk: Arc<Disk>, snapshot: &[Entry]) -> Self {
        let listen = Listen {
            websocket: false,
            tls: None,
            max_connections: 10_000,
        };
        Self::begin(disk, Options::default(), listen, Some(snapshot))
    }

    /// Starts from what the disk holds.
    pub fn on(disk: Arc<Disk>, options: Options, listen: Listen) -> Self {
        Self::begin(disk, options, listen, None)
    }

    fn begin(
        disk: Arc<Disk>,
        options: Options,
        listen: Listen,
        snapshot: Option<&[Entry]>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (released, _) = watch::channel(0);
        let next = disk.log.lock().len() as Seq;
        let memory = Memory {
            disk: disk.clone(),
            waiting: Mutex::default(),
            released,
            judged: watch::Sender::new(0),
            released_seq: Mutex::new(next),
        };
        let host = Arc::new(memory);
        let broker = Broker::new(host.clone(), options);
        for entry in snapshot.into_iter().flatten() {
            if let Some(state) = &entry.state {
                broker.load(&entry.key, state).unwrap();
            }
        }
        for (seq, logged) in disk.log.lock().iter().enumerate() {
            if let (Logged::Session(record), None) = (logged, snapshot) {
                broker.fold(seq as Seq, record).unwrap();
            }
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, bound) = std::sync::mpsc::channel();
        let (serving, committing) = (broker.clone(), broker.clone());
        runtime.spawn(async move {
            serving.start(next, true);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            let stop = async {
                let _ = stopped.await;
            };
            serving.serve(listener, listen, stop).await.unwrap();
        });
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                commit(&host, &committing);
            }
        });
        Self {
            disk,
            broker,
            address: bound.recv().unwrap(),
            runtime: Some(runtime),
            stop: Some(stop),
        }
    }

    /// Ends it as SIGKILL would: nothing more is written.
    pub fn crash(mut self) -> Arc<Disk> {
        self.disk.stuck.store(true, Ordering::SeqCst);
        self.runtime
            .take()
            .unwrap()
            .shutdown_timeout(Duration::from_secs(5));
        self.disk.stuck.store(false, Ordering::SeqCst);
        self.disk.clone()
    }

    /// Crashes and starts again.
    pub fn restart(self, options: Options) -> Self {
        let listen = Listen {
            websocket: false,
            tls: None,
            max_connections: 10_000,
        };
        Self::on(self.crash(), options, listen)
    }

    /// Asks the listener to stop.
    pub fn stop(&mut self) {
        self.stop.take();
    }

    pub fn metrics(&self) -> Metrics {
        self.broker.metrics()
    }

    /// Waits until the counters are as they should be: they may rise after the client has seen the effect.
    pub fn eventually(&self, holds: impl Fn(&Metrics) -> bool) {
        let started = std::time::Instant::now();
        while !holds(&self.metrics()) {
            assert!(started.elapsed() < PATIENCE, "{:?}", self.metrics());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Messages in the log on this topic.
    pub fn logged(&self, topic: &str) -> usize {
        let log = self.disk.log.lock();
        log.iter()
            .filter(|l| matches!(l, Logged::Message(m) if *m.topic == *topic))
            .count()
    }

    pub fn run<T>(&self, what: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE * 3, what)
                .await
                .expect("the test hangs")
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

fn commit(host: &Memory, broker: &Broker<Memory>) {
    host.judged.send_replace(host.waiting.lock().0);
    if host.disk.stuck.load(Ordering::SeqCst) {
        return;
    }
    let (number, items) = {
        let mut waiting = host.waiting.lock();
        (waiting.0, std::mem::take(&mut waiting.1))
    };
    if items.is_empty() {
        return;
    }
    let mut log = host.disk.log.lock();
    let first = log.len();
    for item in items {
        match item {
            Item::Publish(p) => {
                if !p.journal.is_empty() {
                    log.push(Logged::Session(p.journal.clone()));
                }
                if p.topic.starts_with("refused") {
                    if let Some(reply) = &p.reply {
                        reply.refuse(Reason::TOPIC_NAME_INVALID, "no such twin: create it");
                    }
                    continue;
                }
                log.push(Logged::Message(Message {
                    topic: p.topic.clone(),
                    payload: p.payload.clone(),
                    qos: p.qos,
                    properties: p.properties.clone(),
                    expires_ms: p.expires_ms,
                }));
                if !p.retained.is_empty() {
                    log.push(Logged::Session(p.retained.clone()));
                }
            }
            Item::Session(record) => log.push(Logged::Session(record)),
            Item::Presence(p) => host
                .disk
                .presences
                .lock()
                .push((p.client.to_string(), p.connected)),
        }
    }
    let mut deliveries = Vec::new();
    for (seq, logged) in log.iter().enumerate().skip(first) {
        match logged {
            Logged::Session(record) => broker.fold(seq as Seq, record).unwrap(),
            Logged::Message(message) => deliveries.push(Delivery {
                seq: seq as Seq,
                message: message.clone(),
            }),
        }
    }
    let next = log.len() as Seq;
    drop(log);
    *host.released_seq.lock() = next;
    broker.deliver(&deliveries, next);
    host.released.send_replace(number);
}

pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A client over a stream.
pub struct Peer {
    pub client: Client,
    pub wire: Box<dyn Wire>,
    pub input: BytesMut,
    pub output: BytesMut,
    pub events: VecDeque<Event>,
}

impl Peer {
    pub async fn dial(address: SocketAddr, connect: Connect) -> Self {
        Self::over(
            Box::new(TcpStream::connect(address).await.unwrap()),
            connect,
        )
    }

    pub fn over(wire: Box<dyn Wire>, connect: Connect) -> Self {
        Self {
            client: Client::new(connect),
            wire,
            input: BytesMut::new(),
            output: BytesMut::new(),
            events: VecDeque::new(),
        }
    }

    /// Connects; panics unless accepted.
    pub async fn open(address: SocketAddr, connect: Connect) -> (Self, ConnAck) {
        let mut peer = Self::dial(address, connect).await;
        let ack = peer.greet().await;
        assert_eq!(ack.reason, Reason::SUCCESS, "{:?}", ack.reason_string);
        (peer, ack)
    }

    /// A clean MQTT 5 client.
    pub async fn new(node: &Node, client: &str) -> Self {
        Self::open(node.address, Connect::new(Version::V5, client.to_owned()))
            .await
            .0
    }

    /// Comes back over a new connection, with what the session has under way.
    pub async fn again(&mut self, address: SocketAddr) -> ConnAck {
        self.wire = Box::new(TcpStream::connect(address).await.unwrap());
        self.input.clear();
        self.output.clear();
        self.events.clear();
        self.greet().await
    }

    pub async fn greet(&mut self) -> ConnAck {
        self.client.connect(&mut self.output);
        match self.event().await {
            Event::Connected(ack) => *ack,
            other => panic!("{other:?} instead of CONNACK"),
        }
    }

    pub async fn flush(&mut self) {
        if !self.output.is_empty() {
            let out = self.output.split();
            let _ = self.wire.write_all(&out).await;
        }
    }

    /// The next event, or `None` if the connection ended.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            self.flush().await;
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            while let Some(event) = self
                .client
                .receive(&mut self.input, &mut self.output)
                .unwrap()
            {
                self.events.push_back(event);
            }
            if !self.events.is_empty() {
                continue;
            }
            self.flush().await;
            match self.wire.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub async fn event(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.next())
            .await
            .expect("no event in time")
            .expect("the connection ended")
    }

    pub async fn quiet(&mut self) {
        if let Ok(Some(event)) = tokio::time::timeout(QUIET, self.next()).await {
            panic!("{event:?} instead of nothing");
        }
    }

    pub async fn message(&mut self) -> Publish {
        loop {
            match self.event().await {
                Event::Message(publish) => return publish,
                Event::Published { .. } | Event::Pong => {}
                other => panic!("{other:?} instead of a message"),
            }
        }
    }

    /// Waits until the connection ends; the reason if it was told.
    pub async fn end(&mut self) -> Option<Reason> {
        let mut reason = None;
        let wait = async {
            while let Some(event) = self.next().await {
                if let Event::Disconnected(disconnect) = event {
                    reason = Some(disconnect.reason);
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("the connection stays open");
        reason
    }

    pub async fn subscribe(&mut self, filter: &str, qos: Qos) -> Vec<Reason> {
        self.subscribe_with(
            filter,
            SubscribeOptions {
                qos,
                ..SubscribeOptions::default()
            },
            None,
        )
        .await
    }

    pub async fn subscribe_with(
        &mut self,
        filter: &str,
        options: SubscribeOptions,
        id: Option<u32>,
    ) -> Vec<Reason> {
        self.client
            .subscribe(&[(filter, options)], id, &mut self.output);
        let mut kept = VecDeque::new();
        let reasons = loop {
            match self.event().await {
                Event::Subscribed(ack) => break ack.reasons,
                other => kept.push_back(other),
            }
        };
        self.events.extend(kept);
        reasons
    }

    /// Sends without waiting.
    pub async fn send(&mut self, topic: &str, payload: &[u8], qos: Qos) -> u16 {
        let id = self
            .client
            .publish(
                Outgoing {
                    topic,
                    qos,
                    ..Outgoing::new(payload)
                },
                &mut self.output,
            )
            .unwrap();
        self.flush().await;
        id
    }

    /// Publishes and waits for the verdict.
    pub async fn publish(&mut self, message: Outgoing<'_>) -> Reason {
        let id = self.client.publish(message, &mut self.output).unwrap();
        self.flush().await;
        if id == 0 {
            return Reason::SUCCESS;
        }
        let mut kept = VecDeque::new();
        let reason = loop {
            match self.event().await {
                Event::Published {
                    packet_id, reason, ..
                } if packet_id == id => break reason,
                other => kept.push_back(other),
            }
        };
        self.events.extend(kept);
        reason
    }

    pub async fn put(&mut self, topic: &str, payload: &str, qos: Qos) -> Reason {
        self.publish(Outgoing {
            topic,
            qos,
            ..Outgoing::new(payload.as_bytes())
        })
        .await
    }

    pub async fn retain(&mut self, topic: &str, payload: &str) -> Reason {
        self.publish(Outgoing {
            topic,
            qos: Qos::AtLeastOnce,
            retain: true,
            ..Outgoing::new(payload.as_bytes())
        })
        .await
    }

    /// Takes packets as they come, without answering, until it is quiet.
    pub async fn mute(&mut self) -> Vec<Packet> {
        let mut codec = Codec::client(self.client.version(), 1 << 20);
        let mut packets = Vec::new();
        loop {
            while let Some(packet) = codec.decode(&mut self.input).unwrap() {
                packets.push(packet);
            }
            match tokio::time::timeout(QUIET, self.wire.read_buf(&mut self.input)).await {
                Ok(Ok(n)) if n > 0 => {}
                _ => return packets,
            }
        }
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.wire.write_all(bytes).await;
    }
}

/// A connection that vanishes: the socket closes without DISCONNECT.
pub async fn vanish(peer: Peer) {
    drop(peer);
    tokio::time::sleep(Duration::from_millis(50)).await;
}

pub fn durable(client: &str) -> Connect {
    Connect {
        clean_start: false,
        session_expiry_s: Some(3_600),
        ..Connect::new(Version::V5, client.to_owned())
    }
}
