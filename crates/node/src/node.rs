//! A node as the surfaces see it: start, stop, ask, read.

use crate::{
    access::{Access, NeedsAuth},
    admission::{Closed, Entry, Offer},
    answer::{Answer, Outcome},
    clock::{Clock, System},
    connections,
    driver::Driver,
    intake,
    letters::{Allowance, Letter},
    metrics::Metrics,
    options::Options,
    pipeline::Threads,
    rate::Rate,
    reading::{self, Page, Query, Read, Row, Unreadable},
    recovery,
    snapshot::Snapshotter,
    state::{Core, Health, Live, Published},
    supervision,
};
use gemelli_broker::{Broker, Listen, Reason};
use gemelli_connect::Fault;
use gemelli_engine::{Rejection, Verdict, View};
use gemelli_event::{
    Body, Record, Seq,
    record::{Command, DeadLetter, Event},
};
use gemelli_model::Value;
use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{broadcast, oneshot, watch},
    task::JoinHandle,
};

/// How long a caller of the API waits for room in the backlog before it is told to come back.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How long connections have to end at a stop.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long a caller whose answer was dropped waits for the reason.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How often a node whose log failed looks for connections.
const TURN_AWAY: Duration = Duration::from_millis(500);

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Store(#[from] gemelli_store::Error),
    /// A snapshot or a record cannot be read by this version.
    #[error("the data folder cannot be loaded: {0}")]
    Damaged(String),
    /// An address that is taken.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener beyond loopback without authentication.
    #[error(transparent)]
    NeedsAuth(#[from] NeedsAuth),
    /// The system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl StartError {
    /// The error's stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Damaged(_) => "damaged-log",
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "port-taken"
            }
            Self::Listen { .. } => "cannot-listen",
            Self::NeedsAuth(_) => "unauthorized",
            Self::Thread(_) => "internal",
        }
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Store(error) => error.remedy(),
            Self::Damaged(_) => "start the version that wrote it, or restore a backup",
            Self::Listen { .. } => {
                "stop the program that uses it, or choose another address with --mqtt"
            }
            Self::NeedsAuth(_) => "run `gemelli auth init` first, or listen on 127.0.0.1",
            Self::Thread(_) => "check the system's limits",
        }
    }
}

/// Why a command has no effect.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The node takes nothing.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// It cannot be.
    #[error("{0}")]
    Rejected(Rejection),
    /// Connections that it brings cannot be compiled.
    #[error("{}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Mapping(Vec<Fault>),
}

/// A handle on a running node. Clones share it.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    broker: Broker<Core>,
    mqtt: Vec<SocketAddr>,
    started_ms: i64,
}

/// A running node and what keeps it running. Dropping it without [`Running::stop`] is a crash on purpose.
pub struct Running {
    node: Node,
    threads: Option<Threads>,
    supervisors: Option<[std::thread::JoinHandle<()>; 2]>,
    listeners: Vec<JoinHandle<()>>,
}

impl Node {
    /// Opens the data folder, brings the state to the end of the log, and serves.
    ///
    /// Has to be called on a tokio runtime, which then serves the connections.
    pub async fn start(options: Options) -> Result<Running, StartError> {
        Self::start_with(options, Arc::new(System)).await
    }

    /// As [`Node::start`], by another clock.
    pub async fn start_with(
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Running, StartError> {
        let access = Access::of(options.mqtt.iter().map(|l| l.address), options.auth.clone())?;
        let mut sockets = Vec::new();
        for listener in &options.mqtt {
            let address = listener.address;
            let socket = TcpListener::bind(address)
                .await
                .map_err(|source| StartError::Listen { address, source })?;
            let address = socket
                .local_addr()
                .map_err(|source| StartError::Listen { address, source })?;
            sockets.push((socket, listener.clone(), address));
        }
        let opened = tokio::task::spawn_blocking({
            let clock = clock.clone();
            move || recovery::open(options, clock, access)
        });
        let recovered = opened
            .await
            .map_err(|e| StartError::Thread(io::Error::other(e)))??;
        let recovery::Recovered {
            core,
            broker,
            engine,
            tail,
            writer,
            clean,
        } = recovered;
        let limits = &core.options.limits;
        let allowance = Allowance::new(limits.dead_letters_per_second);
        let mut driver = Driver::new(engine, tail, limits.waves, allowance, core.metrics.clone());
        recovery::expect_clients(&mut driver, clock.now_ms());
        let next_seq = core.published().next_seq;
        let snapshots = Snapshotter::new(core.options.snapshot);
        let threads = Threads::start(&core, &broker, driver, writer, snapshots)
            .map_err(StartError::Thread)?;
        broker.start(next_seq, !clean);
        let supervisors = supervision::start(&core, &broker).map_err(StartError::Thread)?;
        let mut listeners = Vec::new();
        let mut mqtt = Vec::new();
        for (socket, listener, address) in sockets {
            mqtt.push(address);
            let listen = Listen {
                websocket: listener.websocket,
                tls: listener.tls.clone(),
                max_connections: core.options.broker.max_connections,
            };
            let (broker, mut stopping) = (broker.clone(), core.stopping.subscribe());
            listeners.push(tokio::spawn(async move {
                // The sender is gone only when the node is.
                let stop = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
                if let Err(error) = broker.serve(socket, listen, stop).await {
                    tracing::error!(%address, %error, "the MQTT listener ended");
                }
            }));
        }
        tokio::spawn(turn_away(core.clone(), broker.clone()));
        let started_ms = clock.now_ms();
        tracing::info!(data = %core.options.data.display(), records = next_seq, clean, ?mqtt, "node started");
        let node = Self {
            inner: Arc::new(Inner {
                core,
                broker,
                mqtt,
                started_ms,
            }),
        };
        Ok(Running {
            node,
            threads: Some(threads),
            supervisors: Some(supervisors),
            listeners,
        })
    }

    /// What readers see now: everything that was answered before.
    pub fn published(&self) -> Arc<Published> {
        self.inner.core.published()
    }

    /// The twins and definitions of now.
    pub fn view(&self) -> View {
        self.published().view.clone()
    }

    /// Does something, durably: the answer comes when every later read sees it.
    pub async fn command(&self, command: Command) -> Result<Value, Refused> {
        connections::check(&command).map_err(Refused::Mapping)?;
        let outcome = self.ask(Entry::Record(Body::Command(command))).await?;
        verdict(outcome.verdict)
    }

    /// What [`Node::command`] would say, without doing it.
    pub async fn check(&self, command: Command) -> Result<Value, Refused> {
        connections::check(&command).map_err(Refused::Mapping)?;
        let outcome = self.ask(Entry::Check(command)).await?;
        verdict(outcome.verdict)
    }

    async fn ask(&self, entry: Entry) -> Result<Outcome, Closed> {
        let (caller, answered) = oneshot::channel();
        let offer = Offer {
            entry,
            answer: Answer::Caller(caller),
        };
        self.admit(vec![offer]).await?;
        match answered.await {
            Ok(outcome) => Ok(outcome),
            Err(_) => Err(self.gone().await),
        }
    }

    async fn admit(&self, offers: Vec<Offer>) -> Result<u64, Closed> {
        let admitted = self
            .inner
            .core
            .admission
            .admit_within(offers, PATIENCE)
            .await;
        if admitted.is_err() {
            self.inner.core.metrics.refused.inc();
        }
        admitted
    }

    /// Why an answer never came: whoever dropped it is about to say so.
    async fn gone(&self) -> Closed {
        let core = &self.inner.core;
        let (mut failed, mut stopping) = (core.failed.subscribe(), core.stopping.subscribe());
        let told = async {
            tokio::select! {
                _ = failed.wait_for(|failed| *failed) => {}
                _ = stopping.wait_for(|stopping| *stopping) => {}
            }
        };
        // After that the caller is not kept waiting for the right word.
        let _ = tokio::time::timeout(LAST_WORD, told).await;
        core.admission.closed().unwrap_or(Closed::Stopping)
    }

    /// Takes events, durably; the answer has one verdict for each, in their order, and comes when every
    /// later read sees them. What is refused is a dead letter too.
    pub async fn events(&self, events: Vec<Event>) -> Result<Vec<Verdict>, Closed> {
        let view = self.view();
        let mut offers = Vec::with_capacity(events.len());
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            let (caller, answered) = oneshot::channel();
            let body = Body::Event(intake::canonical(&view, event));
            offers.push(Offer {
                entry: Entry::Record(body),
                answer: Answer::Caller(caller),
            });
            answers.push(answered);
        }
        self.admit(offers).await?;
        let mut verdicts = Vec::with_capacity(answers.len());
        for answered in answers {
            match answered.await {
                Ok(outcome) => verdicts.push(outcome.verdict),
                Err(_) => return Err(self.gone().await),
            }
        }
        Ok(verdicts)
    }

    /// Notes input that could not be used. Never waits: when the backlog is full it is only counted.
    pub fn dead_letter(&self, letter: DeadLetter) {
        self.inner.core.dead_letter(letter);
    }

    /// The newest dead letters first, at most `limit`, older than `before`.
    pub fn letters(&self, limit: usize, before: Option<Seq>) -> Vec<Letter> {
        self.inner.core.letters.lock().newest(limit, before)
    }

    /// How many dead letters there were since the start, those left out by the rate limit included.
    pub fn letters_total(&self) -> u64 {
        self.inner.core.letters.lock().total()
    }

    /// Released frames from now on. Whoever lags finds what was missed in the log.
    pub fn subscribe(&self) -> broadcast::Receiver<Live> {
        self.inner.core.stream.subscribe()
    }

    /// Released records from `from` on, before `until`: `take` collects of them what it wants until it answers
    /// false, or many were looked at. The answer is what it collected, and where to go on.
    pub async fn read_log<T: Default + Send + 'static>(
        &self,
        from: Seq,
        until: Seq,
        take: impl FnMut(&mut T, Seq, &Record) -> bool + Send + 'static,
    ) -> Read<T> {
        let until = until.min(self.published().next_seq);
        let store = self.inner.core.store.clone();
        let read =
            tokio::task::spawn_blocking(move || reading::log(&store, from, until, take)).await;
        // Reads are only given up when the runtime ends.
        read.unwrap_or_default()
    }

    /// One twin's history.
    pub async fn history(&self, query: Query) -> Result<Page, Unreadable> {
        self.read(move |store| store.history(&query)).await
    }

    /// The history of all twins after a place, in the order of the log: `take` collects rows until it
    /// answers false. The answer is what it collected, and where to go on.
    pub async fn all_history<T: Default + Send + 'static>(
        &self,
        after: Option<Seq>,
        mut take: impl FnMut(&mut T, &Row) -> bool + Send + 'static,
    ) -> Result<(T, Option<Seq>), Unreadable> {
        self.read(move |store| {
            let mut taken = T::default();
            let next = reading::rows(store, after, |row| take(&mut taken, row))?;
            Ok((taken, next))
        })
        .await
    }

    /// Reads on a thread that may wait for the disk.
    async fn read<T: Default + Send + 'static>(
        &self,
        read: impl FnOnce(&gemelli_store::Store) -> Result<T, Unreadable> + Send + 'static,
    ) -> Result<T, Unreadable> {
        let store = self.inner.core.store.clone();
        let read = tokio::task::spawn_blocking(move || read(&store)).await;
        // Reads are only given up when the runtime ends.
        read.unwrap_or_else(|_| Ok(T::default()))
    }

    /// What the node counts.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.core.metrics
    }

    /// What the node, its broker and its store count, in Prometheus' form.
    pub fn metrics_text(&self) -> String {
        supervision::render(&self.inner.core, &self.inner.broker)
    }

    /// What the broker counts.
    pub fn broker(&self) -> gemelli_broker::Metrics {
        self.inner.broker.metrics()
    }

    /// Ends one MQTT client's connection.
    pub fn kick(&self, client: &str) -> bool {
        self.inner.broker.kick(client)
    }

    /// Events per second.
    pub fn rate(&self) -> &Rate {
        &self.inner.core.rate
    }

    /// How the node is.
    pub fn health(&self) -> Health {
        self.inner.core.health()
    }

    /// Becomes true when the node stops: streams end then.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.inner.core.stopping.subscribe()
    }

    /// The version of the program.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The random identity of the data folder.
    pub fn id(&self) -> String {
        format!("{:016x}", self.inner.core.store.incarnation())
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.inner.core.options.data
    }

    /// Where MQTT is served, in the order of the options.
    pub fn mqtt(&self) -> &[SocketAddr] {
        &self.inner.mqtt
    }

    /// When the node started, milliseconds since 1970.
    pub fn started_ms(&self) -> i64 {
        self.inner.started_ms
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.inner.core.clock.now_ms()
    }
}

/// Once the log failed, ends the connections, whose clients would wait for ever for what was not released.
async fn turn_away(core: Arc<Core>, broker: Broker<Core>) {
    let (mut failed, mut stopping) = (core.failed.subscribe(), core.stopping.subscribe());
    tokio::select! {
        _ = failed.wait_for(|failed| *failed) => {}
        _ = stopping.wait_for(|stopping| *stopping) => return,
    }
    while !*core.stopping.borrow() {
        // Again and again: some may have been about to come.
        broker.end_all(Reason::SERVER_BUSY);
        tokio::time::sleep(TURN_AWAY).await;
    }
}

fn verdict(verdict: Verdict) -> Result<Value, Refused> {
    match verdict {
        Verdict::Accepted | Verdict::Duplicate => Ok(Value::Null),
        Verdict::Answer(value) => Ok(value),
        Verdict::Rejected(rejection) => Err(Refused::Rejected(rejection)),
    }
}

impl Running {
    /// The handle.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Ends in good order: connections are closed, what was admitted is served, a snapshot is written,
    /// the log is closed.
    pub async fn stop(mut self) {
        let core = self.node.inner.core.clone();
        core.stopping.send_replace(true);
        for listener in std::mem::take(&mut self.listeners) {
            if tokio::time::timeout(FAREWELL, listener).await.is_err() {
                tracing::warn!("MQTT connections did not end in time");
            }
        }
        core.admission.close(Closed::Stopping);
        let (threads, supervisors) = (self.threads.take(), self.supervisors.take());
        let joined = tokio::task::spawn_blocking(move || {
            if let Some(threads) = threads {
                threads.join();
            }
            for supervisor in supervisors.into_iter().flatten() {
                if supervisor.join().is_err() {
                    tracing::error!("a supervisor ended by a fault of the program");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("the node's threads could not be waited for");
        }
        tracing::info!("node stopped");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(threads) = self.threads.take() else {
            return;
        };
        self.node.inner.core.abandon();
        for listener in &self.listeners {
            listener.abort();
        }
        threads.join();
        for supervisor in self.supervisors.take().into_iter().flatten() {
            // A fault there was reported by its own message.
            let _ = supervisor.join();
        }
    }
}
