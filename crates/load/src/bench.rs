//! A publisher that costs almost nothing, so that a server is what a benchmark measures.
//!
//! Packets are made once and copied; per message only the packet id and ten digits are written.
//! What comes back is scanned for acknowledgements, nothing else is parsed. Works against any MQTT
//! 3.1.1 or 5 server. One thread, one task per connection. It measures time from handing a batch to
//! the kernel to reading its acknowledgements; it does not read events back.

mod flow;
mod histogram;
mod idle;
mod packet;

pub use histogram::Histogram;
pub use idle::{Idle, IdleReport};
pub use packet::{MAX_MESSAGES, Version};

use flow::Flow;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Most connections of one run: one loopback address has no more ports to spare.
pub const MAX_CONNECTIONS: usize = 20_000;
/// Most messages in flight on a connection: packet ids are 16 bits.
pub const MAX_IN_FLIGHT: usize = 65_535;
/// Longest silence of the server while acknowledgements are due.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After this many messages over all connections.
    Messages(u64),
    /// After this time; what is in flight is still awaited.
    Elapsed(Duration),
}

/// What to send, where, how much of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub address: SocketAddr,
    /// Protocol.
    pub version: Version,
    /// 0 or 1. With 0, a PINGREQ closes each batch and its answer stands for the acknowledgement.
    pub qos: u8,
    /// Connections.
    pub connections: usize,
    /// Messages in flight on each connection.
    pub in_flight: usize,
    /// Topic; `{connection}` becomes the connection's number from 0.
    pub topic: String,
    /// Payload; `{connection}` as in the topic, `{n}` ten digits that rise by one per message of a
    /// connection, from 1000000000 (a JSON number never begins with 0), `{t}` a changing 10.0 to 99.9.
    pub payload: String,
    /// MQTT 5: the user property `ce-id`; holes as in the payload. Empty: none.
    pub event_id: String,
    /// Start of client ids; must differ between runs at the same time.
    pub client: String,
    /// When to stop.
    pub until: Until,
}

impl Options {
    /// A JSON payload of `bytes` bytes: a count, a temperature that changes, and a filler.
    pub fn payload_of(bytes: usize) -> String {
        const FRAME: usize = r#"{"n":1000000000,"temperature":10.0,"pad":""}"#.len();
        let filler = "x".repeat(bytes.saturating_sub(FRAME));
        format!(r#"{{"n":{{n}},"temperature":{{t}},"pad":"{filler}"}}"#)
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Messages handed to the kernel.
    pub sent: u64,
    /// Messages acknowledged with success.
    pub acknowledged: u64,
    /// Messages acknowledged with an error code (MQTT 5).
    pub refused: u64,
    /// Acknowledgements that came in another order than their messages.
    pub out_of_order: u64,
    /// Sent messages of each connection: what a reader must find.
    pub per_connection: Vec<u64>,
    /// From the first message to the last acknowledgement.
    pub elapsed: Duration,
    /// Time from sending to acknowledgement.
    pub latency: Histogram,
    /// Processor time of this process during the run; none where the system does not tell.
    pub cpu: Option<Duration>,
}

impl Report {
    /// Acknowledged messages per second.
    pub fn rate(&self) -> f64 {
        self.acknowledged as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The report as the JSON object that `gemelli load publish` prints.
    pub fn to_json(&self) -> serde_json::Value {
        let ms = |share| self.latency.quantile(share).as_secs_f64() * 1e3;
        serde_json::json!({
            "sent": self.sent,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "outOfOrder": self.out_of_order,
            "seconds": self.elapsed.as_secs_f64(),
            "rate": self.rate(),
            "p50Ms": ms(0.5),
            "p99Ms": ms(0.99),
            "ownCpuUs": self.cpu_us(),
            "perConnection": self.per_connection,
        })
    }

    /// Processor time of this process per message, microseconds.
    pub fn cpu_us(&self) -> Option<f64> {
        let messages = self.acknowledged.max(1) as f64;
        self.cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / messages)
    }
}

/// Why a run could not be made or finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options make no run.
    #[error("{0}")]
    Options(String),
    /// The network failed.
    #[error("connection {connection} to {address}: {source}")]
    Network {
        /// Which connection, from 0.
        connection: usize,
        /// The server.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs to the end on a runtime of its own.
pub fn run(options: &Options) -> Result<Report, Error> {
    check(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Error::Options(format!("no runtime: {error}")))?;
    runtime.block_on(ingest(options))
}

fn check(options: &Options) -> Result<(), Error> {
    let refuse = |what: String| Err(Error::Options(what));
    if options.connections == 0 || options.connections > MAX_CONNECTIONS {
        return refuse(format!(
            "connections must be 1 to {MAX_CONNECTIONS}, not {}",
            options.connections
        ));
    }
    if options.in_flight == 0 || options.in_flight > MAX_IN_FLIGHT {
        return refuse(format!(
            "in flight must be 1 to {MAX_IN_FLIGHT}, not {}",
            options.in_flight
        ));
    }
    if options.qos > 1 {
        return refuse(format!(
            "quality of service must be 0 or 1, not {}",
            options.qos
        ));
    }
    match options.until {
        Until::Messages(n) if n > MAX_MESSAGES * options.connections as u64 => refuse(format!(
            "a connection sends at most {MAX_MESSAGES} messages"
        )),
        _ => Ok(()),
    }
}

/// Opens all connections, then publishes on all of them until the end.
pub async fn ingest(options: &Options) -> Result<Report, Error> {
    check(options)?;
    let mut flows = Vec::with_capacity(options.connections);
    for connection in 0..options.connections {
        let flow = Flow::open(options, connection).await;
        flows.push(flow.map_err(|source| Error::Network {
            connection,
            address: options.address,
            source,
        })?);
    }
    let cpu = crate::process::cpu(std::process::id());
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (connection, flow) in flows.into_iter().enumerate() {
        let quota = quota(options, connection);
        let stop = match options.until {
            Until::Elapsed(time) => Some(begin + time),
            Until::Messages(_) => None,
        };
        tasks.spawn(async move { (connection, flow.run(quota, stop).await) });
    }
    let mut report = Report {
        per_connection: vec![0; options.connections],
        ..Report::default()
    };
    while let Some(done) = tasks.join_next().await {
        let (connection, counts) = done.map_err(|error| Error::Options(error.to_string()))?;
        let counts = counts.map_err(|source| Error::Network {
            connection,
            address: options.address,
            source,
        })?;
        report.sent += counts.sent;
        report.acknowledged += counts.acknowledged;
        report.refused += counts.refused;
        report.out_of_order += counts.out_of_order;
        report.latency.merge(&counts.latency);
        if let Some(slot) = report.per_connection.get_mut(connection) {
            *slot = counts.sent;
        }
    }
    report.elapsed = begin.elapsed();
    report.cpu = cpu
        .zip(crate::process::cpu(std::process::id()))
        .map(|(a, b)| b.saturating_sub(a));
    Ok(report)
}

/// Messages of one connection.
fn quota(options: &Options, connection: usize) -> u64 {
    match options.until {
        Until::Elapsed(_) => MAX_MESSAGES,
        Until::Messages(all) => {
            let connections = options.connections as u64;
            all / connections + u64::from((connection as u64) < all % connections)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn payloads_have_the_size_asked_for() {
        for bytes in [100, 200, 1_000] {
            let text = Options::payload_of(bytes)
                .replace("{n}", "1000000000")
                .replace("{t}", "10.0");
            assert_eq!(text.len(), bytes);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn quotas_add_up() {
        let mut options = options("127.0.0.1:1".parse().unwrap());
        options.connections = 7;
        options.until = Until::Messages(100);
        assert_eq!((0..7).map(|c| quota(&options, c)).sum::<u64>(), 100);
    }

    #[test]
    fn options_that_make_no_run_are_refused() {
        let good = options("127.0.0.1:1".parse().unwrap());
        for bad in [
            Options {
                connections: 0,
                ..good.clone()
            },
            Options {
                connections: MAX_CONNECTIONS + 1,
                ..good.clone()
            },
            Options {
                in_flight: MAX_IN_FLIGHT + 1,
                ..good.clone()
            },
            Options {
                qos: 2,
                ..good.clone()
            },
            Options {
                until: Until::Messages(MAX_MESSAGES * 4 + 1),
                ..good.clone()
            },
        ] {
            assert!(matches!(check(&bad), Err(Error::Options(_))), "{bad:?}");
        }
        assert!(check(&good).is_ok());
    }

    fn options(address: SocketAddr) -> Options {
        Options {
            address,
            version: Version::V5,
            qos: 1,
            connections: 4,
            in_flight: 10,
            topic: "bench/{connection}".into(),
            payload: Options::payload_of(100),
            event_id: "bench-{connection}#{n}".into(),
            client: "bench".into(),
            until: Until::Messages(1_000),
        }
    }
}
