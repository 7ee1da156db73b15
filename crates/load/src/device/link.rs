//! One connection that does not give up: publishes with QoS 1, reconnects, sends again.
//!
//! A message stays with its link until the server acknowledged it. After a lost connection all of
//! them go out again, in their order, with the packet ids they had and the DUP flag. Waits between
//! attempts grow; how many links connect at the same time is bounded for all of them together.

use crate::chance::Chance;
use bytes::BytesMut;
use gemelli_mqtt::{
    client::{Client, Event},
    codec::Outgoing,
    packet::{Connect, Publish, Qos, SubscribeOptions, Version},
};
use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    time::{sleep, timeout},
};

/// First wait after a failed attempt.
pub const FIRST_WAIT: Duration = Duration::from_millis(20);
/// Longest wait between attempts.
pub const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait for CONNACK and SUBACK.
pub const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// Links that connect at the same time: stays below the usual backlog of a listener.
pub const CONNECTING: usize = 200;
/// Messages that wait in a link before the sender must.
pub const INBOX: usize = 32;
/// Messages of a link that are on their way at the same time.
pub const IN_FLIGHT: usize = 1_000;
/// Bytes read at once.
const READ_BYTES: usize = 1 << 10;

/// A message to publish.
#[derive(Clone, Debug)]
pub struct Message {
    /// What the sender knows it by.
    pub tag: u64,
    /// Its topic.
    pub topic: Arc<str>,
    /// MQTT 5 properties in wire form; empty if none.
    pub properties: Vec<u8>,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// What a link tells.
#[derive(Clone, Debug)]
pub enum Signal {
    /// It is connected, and subscribed where it should be; so many messages were sent again.
    Up {
        /// Which link.
        link: u32,
        /// Messages sent again.
        repeated: u64,
    },
    /// It lost its connection with so many messages unacknowledged.
    Down {
        /// Which link.
        link: u32,
        /// Messages unacknowledged.
        unacknowledged: u64,
    },
    /// A message is acknowledged; `refused` says why the server did not take it.
    Acknowledged {
        /// Which link.
        link: u32,
        /// Which message.
        tag: u64,
        /// Why the server did not take it.
        refused: Option<String>,
    },
    /// A message came for it.
    Received {
        /// Which link.
        link: u32,
        /// The message.
        message: Box<Publish>,
    },
    /// The server does not want it: it does not try again.
    Refused {
        /// Which link.
        link: u32,
        /// The server's reason.
        reason: String,
    },
    /// It sent everything, said goodbye and ended.
    Ended {
        /// Which link.
        link: u32,
    },
}

/// What links of one run share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The server.
    pub address: SocketAddr,
    /// Where they tell what happens.
    pub signals: mpsc::Sender<Signal>,
    /// Who may connect now.
    pub connecting: Arc<Semaphore>,
    /// Messages written to the network, repetitions not counted.
    pub written: Arc<AtomicU64>,
}

impl Shared {
    /// For links to this server.
    pub fn new(address: SocketAddr, signals: mpsc::Sender<Signal>) -> Self {
        Self {
            address,
            signals,
            connecting: Arc::new(Semaphore::new(CONNECTING)),
            written: Arc::default(),
        }
    }
}

/// A link before it runs.
pub struct Link {
    number: u32,
    shared: Shared,
    client: Client,
    subscribe: Option<String>,
    inbox: mpsc::Receiver<Message>,
    pending: VecDeque<(u16, Message)>,
    input: BytesMut,
    output: BytesMut,
    /// The latest connection was greeted.
    greeted: bool,
}

/// How a connection ended.
enum End {
    /// The sender is done and everything is acknowledged.
    Done,
    /// The network or the server broke it.
    Lost,
    /// Nobody listens any more.
    Abandoned,
    /// The server does not want it.
    Refused(String),
}

impl Link {
    /// A link that will connect with `connect` and, where given, subscribe to a topic; the answer's
    /// second half takes its messages, and ends the link when dropped.
    pub fn new(
        number: u32,
        shared: Shared,
        connect: Connect,
        subscribe: Option<String>,
    ) -> (Self, mpsc::Sender<Message>) {
        let (sender, inbox) = mpsc::channel(INBOX);
        let link = Self {
            number,
            shared,
            client: Client::new(connect),
            subscribe,
            inbox,
            pending: VecDeque::new(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            greeted: false,
        };
        (link, sender)
    }

    /// Runs until its sender is dropped and everything is acknowledged, or the server refuses it.
    pub async fn run(mut self) {
        let mut chance = Chance::at(0, &[u64::from(self.number)]);
        let mut wait = FIRST_WAIT;
        loop {
            match self.connection().await {
                End::Done => break self.tell(Signal::Ended { link: self.number }).await,
                End::Refused(reason) => {
                    break self
                        .tell(Signal::Refused {
                            link: self.number,
                            reason,
                        })
                        .await;
                }
                End::Abandoned => break,
                End::Lost if self.greeted => wait = FIRST_WAIT,
                End::Lost => wait = (wait * 2).min(LONGEST_WAIT),
            }
            sleep(wait / 2 + wait.mul_f64(chance.decimal(0, 500, 1_000))).await;
        }
    }

    async fn tell(&self, signal: Signal) {
        // A conductor that is gone needs to hear nothing.
        let _ = self.shared.signals.send(signal).await;
    }

    /// One connection from its first to its last byte.
    async fn connection(&mut self) -> End {
        self.greeted = false;
        let stream = match self.greet().await {
            Ok(Ok(stream)) => stream,
            Ok(Err(end)) => return end,
            Err(_) => return End::Lost,
        };
        let end = match self.converse(stream).await {
            Ok(end) => end,
            Err(_) => End::Lost,
        };
        if matches!(end, End::Lost) {
            let unacknowledged = self.pending.len() as u64;
            self.tell(Signal::Down {
                link: self.number,
                unacknowledged,
            })
            .await;
        }
        end
    }

    /// Connects, subscribes, sends again what is pending.
    async fn greet(&mut self) -> io::Result<Result<TcpStream, End>> {
        let connecting = self.shared.connecting.clone();
        let Ok(_permit) = connecting.acquire().await else {
            return Ok(Err(End::Abandoned));
        };
        self.input.clear();
        self.output.clear();
        let mut stream = TcpStream::connect(self.shared.address).await?;
        stream.set_nodelay(true)?;
        self.client.connect(&mut self.output);
        let mut subscribed = self.subscribe.is_none();
        loop {
            stream.write_all_buf(&mut self.output).await?;
            let event = timeout(GREETING_LIMIT, self.next(&mut stream)).await;
            match event.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
                Event::Connected(ack) if ack.reason.is_failure() => {
                    let busy = [0x88, 0x89, 0x8B, 0x97, 0x9F].contains(&ack.reason.0);
                    return Ok(Err(if busy {
                        End::Lost
                    } else {
                        End::Refused(ack.reason.text().into())
                    }));
                }
                Event::Connected(ack) => {
                    subscribed |= ack.session_present;
                    if let (false, Some(filter)) = (subscribed, &self.subscribe) {
                        let options = SubscribeOptions {
                            qos: Qos::AtLeastOnce,
                            ..SubscribeOptions::default()
                        };
                        self.client
                            .subscribe(&[(filter, options)], None, &mut self.output);
                        continue;
                    }
                }
                Event::Subscribed(_) => subscribed = true,
                Event::Message(message) => self.received(message).await,
                Event::Disconnected(_) => return Ok(Err(End::Lost)),
                Event::Published { .. } | Event::Unsubscribed(_) | Event::Pong => {}
            }
            if subscribed {
                break;
            }
        }
        for (packet_id, message) in &self.pending {
            self.client
                .publish_again(*packet_id, outgoing(message), &mut self.output);
        }
        stream.write_all_buf(&mut self.output).await?;
        self.greeted = true;
        let repeated = self.pending.len() as u64;
        self.tell(Signal::Up {
            link: self.number,
            repeated,
        })
        .await;
        Ok(Ok(stream))
    }

    /// Publishes what comes in, hears acknowledgements and messages.
    async fn converse(&mut self, mut stream: TcpStream) -> io::Result<End> {
        let mut open = true;
        loop {
            while let Some(event) = self.decode()? {
                if let Some(end) = self.hear(event).await {
                    return Ok(end);
                }
            }
            stream.write_all_buf(&mut self.output).await?;
            if !open && self.pending.is_empty() {
                self.client.disconnect(&mut self.output);
                stream.write_all_buf(&mut self.output).await?;
                return Ok(End::Done);
            }
            let room = open && self.pending.len() < IN_FLIGHT && self.client.room() > 0;
            self.input.reserve(READ_BYTES);
            tokio::select! {
                message = self.inbox.recv(), if room => match message {
                    Some(message) => self.publish(message),
                    None => open = false,
                },
                read = stream.read_buf(&mut self.input) => {
                    if read? == 0 {
                        return Ok(End::Lost);
                    }
                }
            }
        }
    }

    fn publish(&mut self, message: Message) {
        if let Ok(packet_id) = self.client.publish(outgoing(&message), &mut self.output) {
            self.pending.push_back((packet_id, message));
            self.shared.written.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn hear(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Published {
                packet_id,
                reason,
                text,
            } => {
                let at = self.pending.iter().position(|(id, _)| *id == packet_id);
                if let Some((_, message)) = at.and_then(|at| self.pending.remove(at)) {
                    let refused = reason.is_failure().then(|| match text {
                        Some(text) => format!("{}: {text}", reason.text()),
                        None => reason.text().to_owned(),
                    });
                    self.tell(Signal::Acknowledged {
                        link: self.number,
                        tag: message.tag,
                        refused,
                    })
                    .await;
                }
            }
            Event::Message(message) => self.received(message).await,
            Event::Disconnected(_) => return Some(End::Lost),
            Event::Connected(_) | Event::Subscribed(_) | Event::Unsubscribed(_) | Event::Pong => {}
        }
        None
    }

    async fn received(&self, message: Publish) {
        self.tell(Signal::Received {
            link: self.number,
            message: Box::new(message),
        })
        .await;
    }

    fn decode(&mut self) -> io::Result<Option<Event>> {
        self.client
            .receive(&mut self.input, &mut self.output)
            .map_err(io::Error::other)
    }

    /// The next event of a connection that is being greeted.
    async fn next(&mut self, stream: &mut TcpStream) -> io::Result<Event> {
        loop {
            if let Some(event) = self.decode()? {
                return Ok(event);
            }
            self.input.reserve(READ_BYTES);
            if stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
    }
}

fn outgoing(message: &Message) -> Outgoing<'_> {
    Outgoing {
        qos: Qos::AtLeastOnce,
        topic: &message.topic,
        own: &message.properties,
        ..Outgoing::new(&message.payload)
    }
}

/// A CONNECT of a publisher: no keep-alive, because reports may be hours apart. With `durable` the
/// server keeps subscription and messages while it is away.
pub fn connect(
    version: Version,
    client_id: &str,
    durable: bool,
    login: Option<&(String, String)>,
) -> Connect {
    let mut connect = Connect::new(version, client_id);
    connect.clean_start = !durable;
    if durable && version == Version::V5 {
        connect.session_expiry_s = Some(SESSION_EXPIRY_S);
    }
    if let Some((name, password)) = login {
        connect.username = Some(name.as_str().into());
        connect.password = Some(password.clone().into_bytes().into());
    }
    connect
}

/// How long the server keeps the session of a device that is away.
const SESSION_EXPIRY_S: u32 = 3_600;
