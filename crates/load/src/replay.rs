//! Sends the rows of a CSV file as events, by MQTT or by HTTP.
//!
//! Every row becomes a JSON object with the header's names as members: numbers where they read as
//! numbers, texts otherwise, empty cells left out. Topic, time and event id come from a [`Map`].
//! Rows go out in the file's order over one connection, QoS 1, and are sent again after a lost
//! connection. A row that cannot be used is counted and named, never sent in part.

mod map;
mod rows;
pub mod synthetic;

pub use map::Map;
pub use rows::{Row, Rows, Skipped};

use crate::device::{
    Speed,
    link::{self, Link, Message, Shared, Signal},
};
use gemelli_client::Client;
use gemelli_event::{Category, topic::Topic};
pub use gemelli_mqtt::packet::Version;
use gemelli_mqtt::properties;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    time::{sleep_until, timeout},
};

/// Longest wait for any acknowledgement while some are due.
pub const STALL_LIMIT: Duration = Duration::from_secs(60);
/// Events of one HTTP request.
pub const BATCH: usize = 200;
/// Skipped rows that are kept for printing; the rest is only counted.
pub const SKIPPED: usize = 10;
/// Signals that wait for the sender before the link must.
const SIGNALS: usize = 1_024;

/// Where rows go.
#[derive(Clone, Debug)]
pub enum Target {
    /// An MQTT listener.
    Mqtt {
        /// Its address.
        address: SocketAddr,
        /// What to speak; before MQTT 5 time and event id are not sent apart from the payload.
        version: Version,
        /// User name and password.
        login: Option<(String, String)>,
    },
    /// The HTTP API: as batches of CloudEvents. The topic must then name interface and twin.
    Http(Client),
}

/// What to send, where, how fast.
#[derive(Clone, Debug)]
pub struct Options {
    /// CSV with a header, plain or gzip.
    pub file: PathBuf,
    /// What a row means.
    pub map: Map,
    /// Where it goes.
    pub target: Target,
    /// Seconds of the file's time per second.
    pub speed: Speed,
    /// Rows to send at most.
    pub limit: Option<u64>,
    /// Show a progress bar on a terminal's stderr.
    pub progress: bool,
}

/// What a replay came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rows sent.
    pub sent: u64,
    /// Rows acknowledged with success.
    pub acknowledged: u64,
    /// Rows that the server refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Rows that could not be used.
    pub skipped: u64,
    /// The first of them.
    pub examples: Vec<Skipped>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Why a replay could not start or finish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The map does not fit the file.
    #[error("{0}")]
    Map(String),
    /// The server does not take the connection, or went silent.
    #[error("{address}: {reason}")]
    Mqtt {
        /// The server.
        address: SocketAddr,
        /// What is wrong.
        reason: String,
    },
    /// The HTTP API refused a batch.
    #[error("rows up to line {line}: {source}")]
    Http {
        /// The last line of the batch.
        line: u64,
        /// The refusal.
        source: gemelli_client::Error,
    },
}

/// Sends the file and waits until everything is acknowledged.
pub fn run(options: &Options) -> Result<Report, Error> {
    let mut rows = Rows::open(&options.file, &options.map)?;
    let bar = bar(options, rows.bytes());
    let begin = Instant::now();
    let mut report = match &options.target {
        Target::Http(client) => http(options, client, &mut rows, &bar),
        Target::Mqtt {
            address,
            version,
            login,
        } => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let failed = |error: io::Error| Error::Mqtt {
                address: *address,
                reason: error.to_string(),
            };
            runtime.map_err(failed)?.block_on(async {
                let connect = link::connect(*version, &client_id(), false, login.as_ref());
                let mut sender = Sender::start(*address, connect);
                sender.send_all(options, &mut rows, &bar, *version).await
            })
        }
    }?;
    bar.finish_and_clear();
    report.skipped = rows.skipped();
    report.examples = rows.examples();
    report.elapsed = begin.elapsed();
    Ok(report)
}

fn client_id() -> String {
    format!("replay-{}", std::process::id())
}

fn bar(options: &Options, bytes: u64) -> ProgressBar {
    if !options.progress {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    // The template is fixed and known to be one.
    if let Ok(style) = ProgressStyle::with_template(
        "{wide_bar} {percent}% · {msg} · {elapsed} of about {duration}",
    ) {
        bar.set_style(style);
    }
    bar
}

/// When rows are due, from their own times.
struct Pace {
    speed: Speed,
    begin: Instant,
    first_ms: Option<i64>,
}

impl Pace {
    fn new(speed: Speed) -> Self {
        Self {
            speed,
            begin: Instant::now(),
            first_ms: None,
        }
    }

    /// The moment at which a row of this time goes out; now where no speed is set.
    fn due(&mut self, time_ms: Option<i64>) -> Instant {
        let (Speed::Times(times), Some(time_ms)) = (self.speed, time_ms) else {
            return Instant::now();
        };
        let first = *self.first_ms.get_or_insert(time_ms);
        let ahead = Duration::from_millis(u64::try_from(time_ms - first).unwrap_or_default());
        self.begin + ahead.div_f64(times.max(f64::MIN_POSITIVE))
    }
}

/// One MQTT connection and what is on its way.
struct Sender {
    address: SocketAddr,
    outbox: Option<mpsc::Sender<Message>>,
    signals: mpsc::Receiver<Signal>,
    report: Report,
}

impl Sender {
    fn start(address: SocketAddr, connect: gemelli_mqtt::packet::Connect) -> Self {
        let (signal, signals) = mpsc::channel(SIGNALS);
        let (link, outbox) = Link::new(0, Shared::new(address, signal), connect, None);
        tokio::spawn(link.run());
        Self {
            address,
            outbox: Some(outbox),
            signals,
            report: Report::default(),
        }
    }

    async fn send_all(
        &mut self,
        options: &Options,
        rows: &mut Rows,
        bar: &ProgressBar,
        version: Version,
    ) -> Result<Report, Error> {
        let mut pace = Pace::new(options.speed);
        while options.limit.is_none_or(|limit| self.report.sent < limit) {
            let Some(row) = rows.next_row()? else { break };
            let due = pace.due(row.time_ms).into();
            while tokio::time::Instant::now() < due {
                tokio::select! {
                    biased;
                    signal = self.signals.recv() => self.hear(signal)?,
                    () = sleep_until(due) => {}
                }
            }
            self.send(message(row, version)).await?;
            bar.set_position(rows.position());
            bar.set_message(format!("{} rows", self.report.sent));
        }
        self.outbox = None;
        while self.in_flight() > 0 {
            self.hear_next().await?;
        }
        Ok(std::mem::take(&mut self.report))
    }

    /// Hands a message over, hearing acknowledgements while the link has no room.
    async fn send(&mut self, message: Message) -> Result<(), Error> {
        let mut message = Some(message);
        while let (Some(waiting), Some(outbox)) = (message.take(), self.outbox.clone()) {
            tokio::select! {
                permit = outbox.reserve() => {
                    let permit = permit.map_err(|_| self.failed("the connection ended"))?;
                    permit.send(waiting);
                    self.report.sent += 1;
                }
                signal = timeout(STALL_LIMIT, self.signals.recv()) => {
                    message = Some(waiting);
                    self.hear(signal.map_err(|_| self.silent())?)?;
                }
            }
        }
        Ok(())
    }

    async fn hear_next(&mut self) -> Result<(), Error> {
        let signal = timeout(STALL_LIMIT, self.signals.recv()).await;
        self.hear(signal.map_err(|_| self.silent())?)
    }

    fn hear(&mut self, signal: Option<Signal>) -> Result<(), Error> {
        match signal {
            Some(Signal::Acknowledged { refused: None, .. }) => self.report.acknowledged += 1,
            Some(Signal::Acknowledged {
                refused: Some(reason),
                ..
            }) => {
                *self.report.refused.entry(reason).or_default() += 1;
            }
            Some(Signal::Refused { reason, .. }) => return Err(self.failed(&reason)),
            None => return Err(self.failed("the connection ended")),
            Some(
                Signal::Up { .. }
                | Signal::Down { .. }
                | Signal::Received { .. }
                | Signal::Ended { .. },
            ) => {}
        }
        Ok(())
    }

    fn in_flight(&self) -> u64 {
        let done = self.report.acknowledged + self.report.refused.values().sum::<u64>();
        self.report.sent.saturating_sub(done)
    }

    fn failed(&self, reason: &str) -> Error {
        Error::Mqtt {
            address: self.address,
            reason: reason.to_owned(),
        }
    }

    fn silent(&self) -> Error {
        let seconds = STALL_LIMIT.as_secs();
        self.failed(&format!(
            "no acknowledgement for {seconds} s while {} rows wait for one",
            self.in_flight()
        ))
    }
}

fn message(row: Row, version: Version) -> Message {
    let mut own = Vec::new();
    if version == Version::V5 {
        if let Some(id) = &row.event_id {
            properties::put_user(&mut own, "ce-id", id);
        }
        if let Some(ms) = row.time_ms {
            properties::put_user(&mut own, "ce-time", &gemelli_model::time::format_ms(ms));
        }
    }
    Message {
        tag: row.line,
        topic: row.topic.as_str().into(),
        properties: own,
        payload: row.payload.to_string().into_bytes(),
    }
}

fn http(
    options: &Options,
    client: &Client,
    rows: &mut Rows,
    bar: &ProgressBar,
) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut pace = Pace::new(options.speed);
    let mut batch = Vec::with_capacity(BATCH);
    let mut line = 0;
    while options.limit.is_none_or(|limit| report.sent < limit) {
        let Some(row) = rows.next_row()? else { break };
        let wait = pace
            .due(row.time_ms)
            .saturating_duration_since(Instant::now());
        if batch.len() >= BATCH || !wait.is_zero() {
            flush(client, &mut batch, line, &mut report)?;
            std::thread::sleep(wait);
        }
        line = row.line;
        batch.push(cloud_event(&options.file, row)?);
        report.sent += 1;
        bar.set_position(rows.position());
        bar.set_message(format!("{} rows", report.sent));
    }
    flush(client, &mut batch, line, &mut report)?;
    Ok(report)
}

fn flush(
    client: &Client,
    batch: &mut Vec<Json>,
    line: u64,
    report: &mut Report,
) -> Result<(), Error> {
    if batch.is_empty() {
        return Ok(());
    }
    client
        .send(batch)
        .map_err(|source| Error::Http { line, source })?;
    report.acknowledged += batch.len() as u64;
    batch.clear();
    Ok(())
}

fn cloud_event(file: &Path, row: Row) -> Result<Json, Error> {
    let (interface, twin) = twin_of(&row.topic)?;
    let id = row
        .event_id
        .unwrap_or_else(|| format!("{}#{}", file.display(), row.line));
    let mut event = json!({
        "specversion": "1.0",
        "type": format!("ktwin.real.{interface}"),
        "source": twin,
        "id": id,
        "datacontenttype": "application/json",
        "data": row.payload,
    });
    if let (Some(ms), Some(event)) = (row.time_ms, event.as_object_mut()) {
        event.insert("time".into(), gemelli_model::time::format_ms(ms).into());
    }
    Ok(event)
}

/// Interface and twin that a topic names: HTTP knows no other topics.
fn twin_of(topic: &str) -> Result<(String, String), Error> {
    match Topic::parse(topic) {
        Ok(Some(topic)) if topic.category == Category::Real => {
            Ok((topic.interface.into(), topic.twin.into()))
        }
        _ => Err(Error::Map(format!(
            "over HTTP the topic must be ktwin/real/<interface>/<twin>, not {topic}; send by MQTT, where Connections map topics"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_are_due_by_their_own_times() {
        let mut pace = Pace::new(Speed::Times(3_600.0));
        let begin = pace.begin;
        for (hours, seconds) in [(5, 0), (6, 1), (5, 0), (4, 0), (15, 10)] {
            let due = pace.due(Some(hours * 3_600_000));
            assert_eq!(due - begin, Duration::from_secs(seconds), "hour {hours}");
        }
    }

    #[test]
    fn over_http_only_native_topics_name_a_twin() {
        let names = |topic| twin_of(topic).ok();
        assert_eq!(names("ktwin/real/a/b"), Some(("a".into(), "b".into())));
        assert_eq!(names("ktwin.real.a.b"), Some(("a".into(), "b".into())));
        for topic in ["ktwin/virtual/a/b", "ktwin/real/a", "beijing/x/air"] {
            assert_eq!(names(topic), None, "{topic}");
        }
    }
}
