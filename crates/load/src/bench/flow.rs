//! One connection of a benchmark: keeps its window full.

use super::{
    Histogram, Options, SILENCE_LIMIT,
    packet::{self, Publish, Received},
};
use std::{collections::VecDeque, io, time::Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// Messages in a batch of QoS 0.
const PING_BATCH: u64 = 50;
/// Seconds without a packet after which the server may close.
const KEEP_ALIVE_S: u16 = 600;

/// A connection that is ready to publish.
pub(super) struct Flow {
    stream: TcpStream,
    publish: Publish,
    qos: u8,
    window: u64,
}

/// What a connection came to.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) out_of_order: u64,
    pub(super) latency: Histogram,
}

impl Flow {
    /// Connects and waits for CONNACK.
    pub(super) async fn open(options: &Options, connection: usize) -> io::Result<Self> {
        let number = connection.to_string();
        let client = format!("{}-{number}", options.client);
        let fill = |template: &str| template.replace("{connection}", &number);
        let publish = Publish::new(
            options.version,
            options.qos,
            &fill(&options.topic),
            &fill(&options.payload),
            &fill(&options.event_id),
        );
        let packet = packet::connect(options.version, &client, KEEP_ALIVE_S);
        let stream = greet(options.address, &packet).await?;
        Ok(Self {
            stream,
            publish,
            qos: options.qos,
            window: options.in_flight as u64,
        })
    }

    /// Publishes `quota` messages, or until the moment `stop`, and awaits every acknowledgement.
    pub(super) async fn run(mut self, quota: u64, stop: Option<Instant>) -> io::Result<Counts> {
        let mut counts = Counts::default();
        let mut waiting = Waiting::default();
        let mut out = Vec::with_capacity(64 << 10);
        let mut input = Vec::with_capacity(READ_BYTES);
        loop {
            let now = Instant::now();
            let over = stop.is_some_and(|stop| now >= stop);
            let room = if over {
                0
            } else {
                self.window - waiting.messages
            };
            let more = room.min(quota - counts.sent);
            self.fill(more, &mut counts, &mut waiting, now, &mut out);
            if !out.is_empty() {
                self.stream.write_all(&out).await?;
                out.clear();
            }
            if waiting.messages == 0 {
                break;
            }
            input.reserve(READ_BYTES);
            let read = timeout(SILENCE_LIMIT, self.stream.read_buf(&mut input)).await;
            if read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            let now = Instant::now();
            let mut rest = input.as_slice();
            while let Some(received) = packet::next(&mut rest) {
                waiting.take(received, now, &mut counts)?;
            }
            let used = input.len() - rest.len();
            input.drain(..used);
        }
        self.stream.write_all(&packet::DISCONNECT).await?;
        Ok(counts)
    }

    fn fill(
        &self,
        more: u64,
        counts: &mut Counts,
        waiting: &mut Waiting,
        now: Instant,
        out: &mut Vec<u8>,
    ) {
        let mut left = more;
        while left > 0 {
            let batch = if self.qos == 0 {
                left.min(PING_BATCH)
            } else {
                left
            };
            for _ in 0..batch {
                waiting.last_id = if waiting.last_id == u16::MAX {
                    1
                } else {
                    waiting.last_id + 1
                };
                self.publish.write(waiting.last_id, counts.sent, out);
                counts.sent += 1;
            }
            if self.qos == 0 {
                out.extend(packet::PING);
            }
            waiting.batches.push_back((batch, now));
            waiting.messages += batch;
            left -= batch;
        }
    }
}

/// Opens a connection: CONNECT out, CONNACK in.
pub(super) async fn greet(address: std::net::SocketAddr, connect: &[u8]) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(connect).await?;
    let mut input = Vec::with_capacity(64);
    loop {
        let read = timeout(SILENCE_LIMIT, stream.read_buf(&mut input)).await;
        if read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        match packet::next(&mut input.as_slice()) {
            None => {}
            Some(Received::Connected(0)) => return Ok(stream),
            Some(other) => {
                return Err(io::Error::other(format!(
                    "the server answered CONNECT with {other:?}"
                )));
            }
        }
    }
}

/// Messages that are not acknowledged yet: acknowledgements come in their order.
#[derive(Default)]
struct Waiting {
    batches: VecDeque<(u64, Instant)>,
    messages: u64,
    last_id: u16,
    acknowledged_id: u16,
}

impl Waiting {
    fn take(&mut self, received: Received, now: Instant, counts: &mut Counts) -> io::Result<()> {
        match received {
            Received::Acknowledged(id, refused) => {
                let expected = if self.acknowledged_id == u16::MAX {
                    1
                } else {
                    self.acknowledged_id + 1
                };
                counts.out_of_order += u64::from(id != expected);
                self.acknowledged_id = expected;
                counts.refused += u64::from(refused);
                counts.acknowledged += u64::from(!refused);
                self.done(1, now, counts);
            }
            Received::Pong => {
                let batch = self.batches.front().map_or(0, |(batch, _)| *batch);
                counts.acknowledged += batch;
                self.done(batch, now, counts);
            }
            Received::Disconnected(reason) => {
                return Err(io::Error::other(format!(
                    "the server disconnected with reason 0x{reason:02X}"
                )));
            }
            Received::Connected(_) | Received::Other => {}
        }
        Ok(())
    }

    fn done(&mut self, messages: u64, now: Instant, counts: &mut Counts) {
        let Some((batch, sent)) = self.batches.front_mut() else {
            return;
        };
        counts
            .latency
            .add(now.saturating_duration_since(*sent), messages);
        self.messages -= messages;
        *batch -= messages;
        if *batch == 0 {
            self.batches.pop_front();
        }
    }
}
