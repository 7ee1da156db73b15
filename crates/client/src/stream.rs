//! Server-sent events.

use crate::Error;
use serde::de::DeserializeOwned;
use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    time::Duration,
};

/// Longest line of a stream, bytes: the largest payload and its envelope.
pub const LINE_LIMIT: u64 = 4 << 20;

/// Which live events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Only of this twin.
    pub twin: Option<String>,
    /// Only of twins of this interface.
    pub interface: Option<String>,
    /// Only of this category.
    pub category: Option<String>,
    /// Only what follows this position: what the stream missed since comes first.
    pub after: Option<u64>,
    /// Give up when nothing, not even a heartbeat, came for this long.
    pub idle: Option<Duration>,
}

impl Watch {
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        [
            ("twin", &self.twin),
            ("interface", &self.interface),
            ("category", &self.category),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.clone().map(|value| (name, value)))
        .collect()
    }
}

/// One event of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// The record's place in the log: where to go on from.
    pub seq: Option<u64>,
    /// The event's type; empty if none was sent.
    pub event: String,
    /// The data, JSON.
    pub data: String,
}

impl Item {
    /// The data as a type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.data)
    }
}

/// Live events, one by one; each `next` waits for one.
pub struct Stream {
    server: String,
    lines: BufReader<Box<dyn Read + Send>>,
    done: bool,
}

impl Stream {
    pub(crate) fn new(server: String, body: impl Read + Send + 'static) -> Self {
        Self {
            server,
            lines: BufReader::new(Box::new(body)),
            done: false,
        }
    }

    /// Reads up to the empty line that ends an event; none at the end of the stream.
    fn read(&mut self) -> Result<Option<Item>, Error> {
        let mut item = Item::default();
        let mut filled = false;
        loop {
            let mut line = Vec::new();
            let read = (&mut self.lines)
                .take(LINE_LIMIT)
                .read_until(b'\n', &mut line);
            let read = read.map_err(|error| self.broken(error.to_string()))?;
            if read as u64 == LINE_LIMIT && line.last() != Some(&b'\n') {
                return Err(self.broken(format!("a line of more than {LINE_LIMIT} bytes")));
            }
            if read == 0 {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                if filled {
                    return Ok(Some(item));
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => item.seq = value.parse().ok(),
                "event" => item.event = value.into(),
                "data" => {
                    if filled {
                        item.data.push('\n');
                    }
                    item.data.push_str(value);
                    filled = true;
                }
                _ => {}
            }
        }
    }

    fn broken(&self, reason: String) -> Error {
        Error::Unreachable {
            server: self.server.clone(),
            reason: format!("the stream broke: {reason}"),
        }
    }
}

impl Iterator for Stream {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.read().transpose();
        self.done = !matches!(item, Some(Ok(_)));
        item
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn heartbeats_are_skipped_and_data_lines_joined() {
        let text = ": hello\n\nid: 7\nevent: real\ndata: {\"a\":\ndata: 1}\n\n: beat\n\nid: 8\ndata: {}\r\n\r\nid: 9\ndata: cut";
        let items: Vec<_> = Stream::new("s".into(), std::io::Cursor::new(text))
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(items.len(), 2, "what no empty line ends was not sent whole");
        assert_eq!(
            items[0],
            Item {
                seq: Some(7),
                event: "real".into(),
                data: "{\"a\":\n1}".into()
            }
        );
        assert_eq!(items[0].json::<serde_json::Value>().unwrap()["a"], 1);
        assert_eq!(items[1].seq, Some(8));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let endless = std::io::repeat(b'x').take(2 * LINE_LIMIT);
        let mut stream = Stream::new("s".into(), endless);
        assert!(
            stream
                .next()
                .unwrap()
                .unwrap_err()
                .to_string()
                .contains("bytes")
        );
        assert!(stream.next().is_none());
    }
}
