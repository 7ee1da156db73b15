//! The hidden command `gemelli load`: what benchmarks run as processes of their own.
//!
//! `publish` keeps connections busy, `hold` keeps them idle, `city` makes a city's twins. Each prints
//! one JSON object. Words come in pairs: a name and its value.

use crate::{
    bench::{self, Idle, Options, Until, Version},
    city,
    process::{self, Shortfall},
};
use gemelli_client::Client;
use serde_json::{Value as Json, json};
use std::{collections::BTreeMap, net::SocketAddr, str::FromStr, time::Duration};

/// How long `hold` waits before it reads the memory of the server.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Files that a process needs besides its connections.
const OTHER_FILES: u64 = 64;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Words that make no command.
    #[error("{0}")]
    Words(String),
    /// The generator failed.
    #[error(transparent)]
    Bench(#[from] bench::Error),
    /// Too few files may be open.
    #[error(transparent)]
    Files(#[from] Shortfall),
    /// The server refused.
    #[error(transparent)]
    Http(#[from] gemelli_client::Error),
}

/// Runs a command; `client` makes the client of the server to talk to, where one is needed.
pub fn run(
    words: &[String],
    client: impl FnOnce() -> Result<Client, gemelli_client::Error>,
) -> Result<Json, Error> {
    let Some((command, words)) = words.split_first() else {
        return Err(Error::Words("publish, hold or city is missing".into()));
    };
    let pairs = Pairs::read(words)?;
    match command.as_str() {
        "publish" => publish(&pairs),
        "hold" => hold(&pairs),
        "city" => {
            pairs.only(&["neighborhoods"])?;
            make_city(&client()?, pairs.number("neighborhoods", 1)?)
        }
        other => Err(Error::Words(format!(
            "{other} is not publish, hold or city"
        ))),
    }
}

fn publish(pairs: &Pairs) -> Result<Json, Error> {
    pairs.only(&[
        "mqtt",
        "protocol",
        "qos",
        "connections",
        "in-flight",
        "payload",
        "topic",
        "event-ids",
        "seconds",
        "messages",
    ])?;
    let connections = pairs.number("connections", 1)?;
    process::allow_files(connections as u64 + OTHER_FILES)?;
    let messages: u64 = pairs.number("messages", 0)?;
    let ids: bool = pairs.number("event-ids", false)?;
    let report = bench::run(&Options {
        address: pairs.number("mqtt", SocketAddr::from(([127, 0, 0, 1], 1883)))?,
        version: pairs.version()?,
        qos: pairs.number("qos", 1)?,
        connections,
        in_flight: pairs.number("in-flight", 100)?,
        topic: pairs.number("topic", "bench/{connection}".to_owned())?,
        payload: Options::payload_of(pairs.number("payload", 100)?),
        event_id: if ids {
            "bench-{connection}#{n}".into()
        } else {
            String::new()
        },
        client: format!("bench-{}", std::process::id()),
        until: match messages {
            0 => Until::Elapsed(Duration::from_secs_f64(pairs.number("seconds", 5.0)?)),
            _ => Until::Messages(messages),
        },
    })?;
    Ok(report.to_json())
}

fn hold(pairs: &Pairs) -> Result<Json, Error> {
    pairs.only(&["mqtt", "protocol", "connections", "watch-pid"])?;
    let connections = pairs.number("connections", 1_000)?;
    process::allow_files(connections as u64 + OTHER_FILES)?;
    let address = pairs.number("mqtt", SocketAddr::from(([127, 0, 0, 1], 1883)))?;
    let watched: u32 = pairs.number("watch-pid", 0)?;
    let before = process::resident(watched);
    let client = format!("idle-{}", std::process::id());
    let (idle, report) = Idle::open(address, pairs.version()?, &client, connections)?;
    std::thread::sleep(SETTLE);
    let after = process::resident(watched);
    idle.close();
    Ok(json!({
        "open": report.open,
        "seconds": report.elapsed.as_secs_f64(),
        "rssBeforeBytes": before,
        "rssBytes": after,
    }))
}

fn make_city(client: &Client, neighborhoods: u16) -> Result<Json, Error> {
    let interfaces = city::interfaces();
    client.apply(&interfaces, false)?;
    let twins = city::twins(neighborhoods);
    client.apply(&twins, false)?;
    Ok(json!({ "interfaces": interfaces.len(), "twins": twins.len() }))
}

/// Names with their values.
struct Pairs<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Pairs<'a> {
    fn read(words: &'a [String]) -> Result<Self, Error> {
        let mut pairs = BTreeMap::new();
        for pair in words.chunks(2) {
            let [name, value] = pair else {
                return Err(Error::Words(format!("{} needs a value", pair.concat())));
            };
            let name = name
                .strip_prefix("--")
                .ok_or_else(|| Error::Words(format!("{name} does not begin with --")))?;
            pairs.insert(name, value.as_str());
        }
        Ok(Self(pairs))
    }

    fn only(&self, known: &[&str]) -> Result<(), Error> {
        match self.0.keys().find(|name| !known.contains(name)) {
            Some(name) => Err(Error::Words(format!(
                "--{name} is not known; known are --{}",
                known.join(", --")
            ))),
            None => Ok(()),
        }
    }

    fn number<T: FromStr>(&self, name: &str, default: T) -> Result<T, Error> {
        match self.0.get(name) {
            None => Ok(default),
            Some(value) => value
                .parse()
                .map_err(|_| Error::Words(format!("--{name} does not take {value}"))),
        }
    }

    fn version(&self) -> Result<Version, Error> {
        match self.0.get("protocol") {
            None | Some(&"5") => Ok(Version::V5),
            Some(&"3.1.1") => Ok(Version::V311),
            Some(other) => Err(Error::Words(format!(
                "--protocol takes 5 or 3.1.1, not {other}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn wrong_words_are_named() {
        for (words, expected) in [
            ("", "publish, hold or city is missing"),
            ("dance", "dance is not publish, hold or city"),
            ("publish --qos", "--qos needs a value"),
            ("publish --qos two", "--qos does not take two"),
            ("publish qos 1", "qos does not begin with --"),
            ("hold --protocol 4", "--protocol takes 5 or 3.1.1, not 4"),
            (
                "city --days 1",
                "--days is not known; known are --neighborhoods",
            ),
            (
                "publish --connections 0",
                "connections must be 1 to 20000, not 0",
            ),
        ] {
            let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
            let error = run(&words, || {
                Err(gemelli_client::Error::Options("no server".into()))
            })
            .unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
