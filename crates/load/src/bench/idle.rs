//! Connections that do nothing, for figures of memory per connection.

use super::{Error, MAX_CONNECTIONS, Version, flow::greet, packet};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// Connections being opened at the same time.
const OPENING: usize = 50;
/// Keep-alive: longer than any measurement.
const KEEP_ALIVE_S: u16 = 3_600;

/// Open connections; dropping it closes them.
pub struct Idle {
    runtime: tokio::runtime::Runtime,
    streams: Vec<TcpStream>,
}

/// What opening them came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleReport {
    /// Connections that stand.
    pub open: usize,
    /// Time that it took.
    pub elapsed: Duration,
}

impl Idle {
    /// Opens `connections` connections and keeps them.
    pub fn open(
        address: SocketAddr,
        version: Version,
        client: &str,
        connections: usize,
    ) -> Result<(Self, IdleReport), Error> {
        if connections > MAX_CONNECTIONS {
            return Err(Error::Options(format!(
                "at most {MAX_CONNECTIONS} connections, not {connections}"
            )));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| Error::Options(format!("no runtime: {error}")))?;
        let begin = Instant::now();
        let streams = runtime.block_on(open_all(address, version, client, connections))?;
        let report = IdleReport {
            open: streams.len(),
            elapsed: begin.elapsed(),
        };
        Ok((Self { runtime, streams }, report))
    }

    /// How many stand.
    pub fn count(&self) -> usize {
        self.streams.len()
    }

    /// Closes them.
    pub fn close(self) {
        let Self { runtime, streams } = self;
        drop(streams);
        drop(runtime);
    }
}

async fn open_all(
    address: SocketAddr,
    version: Version,
    client: &str,
    connections: usize,
) -> Result<Vec<TcpStream>, Error> {
    let mut streams = Vec::with_capacity(connections);
    let mut opening = tokio::task::JoinSet::new();
    let mut next = 0;
    while next < connections || !opening.is_empty() {
        while next < connections && opening.len() < OPENING {
            let packet = packet::connect(version, &format!("{client}-{next}"), KEEP_ALIVE_S);
            let connection = next;
            opening.spawn(async move { (connection, greet(address, &packet).await) });
            next += 1;
        }
        if let Some(done) = opening.join_next().await {
            let (connection, stream) = done.map_err(|error| Error::Options(error.to_string()))?;
            streams.push(stream.map_err(|source| Error::Network {
                connection,
                address,
                source,
            })?);
        }
    }
    Ok(streams)
}
