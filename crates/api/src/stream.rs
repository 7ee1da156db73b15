//! `/v1/stream`: what happens, live, as server-sent events.
//!
//! Each event has the record's place in the log as its id; `Last-Event-ID` (or `?after=`) goes on from
//! there, out of the log, and whoever is too slow is served from it too. Nothing is left out silently: for what
//! the log does not hold, no longer or not yet, comes an event `gap` that says which records are missing.

use crate::{
    App,
    digitaltwins::unknown_twin,
    entry::{self, Wanted},
    extract::{self, Asked},
    problem::Problem,
    v1,
};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::stream;
use gemelli_event::{Record, Seq};
use gemelli_node::{Live, Node, driver::Frame};
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use tokio::sync::{broadcast, watch};

/// How often a stream on which nothing happens shows that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Text out of the log that waits for a reader, bytes: it may be more by one record.
const TEXT_BYTES: usize = 1 << 20;
/// Most live streams at a time.
pub const STREAMS: u64 = 1_000;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/v1/stream", get(open))
}

#[derive(Deserialize)]
struct Asking {
    twin: Option<String>,
    interface: Option<String>,
    category: Option<String>,
    after: Option<Seq>,
}

async fn open(
    State(app): State<App>,
    Asked(asked): Asked<Asking>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = [
        "real",
        "virtual",
        "command",
        "store",
        entry::DERIVED,
        entry::MESSAGE,
        entry::TELEMETRY,
    ];
    let categories: Vec<String> = asked
        .category
        .iter()
        .flat_map(|c| c.split(','))
        .map(str::to_owned)
        .collect();
    if let Some(odd) = categories.iter().find(|c| !known.contains(&c.as_str())) {
        let remedy = format!(
            "ask for {}, or several of them with commas between",
            known.join(", ")
        );
        return Err(Problem::new(
            "unknown-field",
            format!("there is no category `{odd}`"),
            remedy,
        ));
    }
    let twin = asked.twin.map(|id| {
        app.node
            .view()
            .canonical(&id)
            .map_or(id, |known| known.to_string())
    });
    let wanted = Wanted {
        twin,
        interface: asked.interface,
        categories,
    };
    let last = match extract::text(&headers, "last-event-id") {
        Some(text) => match text.parse::<Seq>() {
            Ok(seq) => Some(seq),
            Err(_) => {
                let detail = format!(
                    "Last-Event-ID `{}` is no place in the log",
                    text.chars().take(40).collect::<String>()
                );
                return Err(Problem::new(
                    "wrong-type",
                    detail,
                    "send back the id of the last event that came",
                ));
            }
        },
        None => asked.after,
    };
    v1::known_interface(&app.node.view(), wanted.interface.as_deref())?;
    // A twin that is gone still has its past.
    if let (None, Some(twin)) = (last, &wanted.twin)
        && app.node.view().twin(twin).is_none()
    {
        return Err(unknown_twin(twin));
    }
    let Some(permit) = Permit::take(&app.node) else {
        let detail = format!("{STREAMS} streams are open");
        return Err(Problem::new(
            "backlog-full",
            detail,
            "close some, or try again later",
        ));
    };
    let live = app.node.subscribe();
    let released = app.node.published().next_seq;
    let next = last.map_or(released, |seq| seq.saturating_add(1).min(released));
    // A place that this log has not reached: the folder was restored, or is another one.
    let ahead = last.filter(|seq| *seq >= released);
    let reader = Reader {
        node: app.node.clone(),
        wanted,
        live,
        stopping: app.node.stopping(),
        next,
        released,
        _permit: permit,
    };
    let mut hello = String::from(": gemelli\n\n");
    if let Some(last) = ahead {
        hello.push_str(&gap(released, last));
    }
    let hello = stream::iter([Ok::<_, Infallible>(Bytes::from(hello))]);
    let rest = stream::unfold(reader, |mut reader| async move {
        let text = reader.next().await?;
        Some((Ok::<_, Infallible>(text), reader))
    });
    Ok(response(futures_util::StreamExt::chain(hello, rest)))
}

/// A stream of text as the answer to a request for events.
pub fn response(
    events: impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let mut response = Body::from_stream(events).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Counts a stream as long as it is open.
pub struct Permit(Node);

impl Permit {
    /// None if too many are open.
    pub fn take(node: &Node) -> Option<Self> {
        let streams = &node.metrics().streams;
        if streams.inc() >= STREAMS {
            streams.dec();
            return None;
        }
        Some(Self(node.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.metrics().streams.dec();
    }
}

/// One reader of the stream.
struct Reader {
    node: Node,
    wanted: Wanted,
    live: broadcast::Receiver<Live>,
    stopping: watch::Receiver<bool>,
    /// The place of the next record to look at.
    next: Seq,
    /// Up to here the log has what was asked for; after it the live side has.
    released: Seq,
    _permit: Permit,
}

impl Reader {
    /// Some text to send; none when the stream ends.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.next < self.released {
                let text = self.catch_up(self.released).await;
                if text.is_empty() {
                    continue;
                }
                return Some(text);
            }
            let received = tokio::select! {
                received = tokio::time::timeout(HEARTBEAT, self.live.recv()) => received,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            match received {
                Err(_) => return Some(Bytes::from_static(b": alive\n\n")),
                Ok(Ok(Live {
                    first_seq,
                    frame: Some(frame),
                    ..
                })) if first_seq <= self.next => {
                    let text = self.text(&frame);
                    self.next = self.next.max(frame.next_seq());
                    if !text.is_empty() {
                        return Some(text.into());
                    }
                }
                Ok(Ok(live)) => self.released = self.released.max(live.next_seq),
                Ok(Err(broadcast::error::RecvError::Closed)) => return None,
                Ok(Err(broadcast::error::RecvError::Lagged(frames))) => {
                    self.node.metrics().stream_gaps.inc_by(frames);
                    self.released = self.node.published().next_seq;
                }
            }
        }
    }

    /// Says that records up to `until` are gone.
    fn gap(&mut self, until: Seq) -> Bytes {
        let text = gap(self.next, until.saturating_sub(1));
        self.next = self.next.max(until);
        text.into()
    }

    /// What the log has between here and `until`: one read of it, as much as a reader may keep waiting.
    async fn catch_up(&mut self, until: Seq) -> Bytes {
        let read = self
            .node
            .read_log(self.next, until, piece(self.wanted.clone()));
        let read = read.await;
        if read.lost > 0 {
            let until = self.next + read.lost;
            return self.gap(until);
        }
        if read.next <= self.next {
            return self.gap(until);
        }
        self.next = read.next;
        read.taken.into()
    }

    fn text(&self, frame: &Frame) -> Vec<u8> {
        let mut out = Vec::new();
        for (seq, record) in frame.placed() {
            if seq >= self.next && self.wanted.takes(record) {
                write(&mut out, seq, record);
            }
        }
        out
    }
}

/// Collects what is wanted, until there is as much text as a reader may keep waiting.
fn piece(wanted: Wanted) -> impl FnMut(&mut Vec<u8>, Seq, &Record) -> bool {
    move |out, seq, record| {
        if wanted.takes(record) {
            write(out, seq, record);
        }
        out.len() < TEXT_BYTES
    }
}

/// Says that the log has no records from `from` to `to`, both included.
fn gap(from: Seq, to: Seq) -> String {
    format!("event: gap\ndata: {{\"from\":{from},\"to\":{to}}}\n\n")
}

/// One record as a server-sent event.
fn write(out: &mut Vec<u8>, seq: Seq, record: &Record) {
    let category = entry::category(&record.body).unwrap_or_default();
    out.extend_from_slice(format!("id: {seq}\nevent: {category}\ndata: ").as_bytes());
    entry::write(out, seq, record);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use gemelli_event::{Body, Category, Partition, Position, record::Event};

    fn record(payload_bytes: usize) -> Record {
        Record {
            position: Position {
                partition: Partition::default(),
                offset: 0,
            },
            accepted_ms: 0,
            cause: None,
            body: Body::Event(Event {
                category: Category::Real,
                interface: "room".into(),
                twin: "office".into(),
                command: None,
                source: None,
                id: None,
                time_ms: None,
                payload: Bytes::from(format!("\"{}\"", "x".repeat(payload_bytes))),
            }),
        }
    }

    #[test]
    fn a_piece_of_catching_up_is_at_most_one_record_larger_than_its_bound() {
        let (mut take, mut out) = (piece(Wanted::default()), Vec::new());
        let record = record(10_000);
        let taken = (0..10_000).take_while(|seq| take(&mut out, *seq, &record));
        let taken = taken.count();
        assert!(out.len() >= TEXT_BYTES, "{}", out.len());
        assert!(out.len() < TEXT_BYTES + 11_000, "{}", out.len());
        assert_eq!(taken, TEXT_BYTES / (out.len() / (taken + 1)));
    }

    #[test]
    fn what_is_not_wanted_takes_no_room() {
        let nobody = Wanted {
            twin: Some("kitchen".into()),
            ..Wanted::default()
        };
        let (mut take, mut out) = (piece(nobody), Vec::new());
        assert!((0..1_000).all(|seq| take(&mut out, seq, &record(10_000))));
        assert!(out.is_empty());
    }
}
