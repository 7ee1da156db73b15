//! `gemelli replay`: the rows of a CSV file as events.

use crate::{
    failure::{Exit, Failure, Place},
    output,
    settings::Settings,
};
use gemelli_client::{Context, Error as ClientError};
use gemelli_load::{
    replay::{self, Error, Map, Target, Version, synthetic},
    simulate,
};
use gemelli_model::manifest::{self, Manifest};
use std::{fs, net::SocketAddr, path::PathBuf};

/// Send the rows of a CSV file as events, in their order, at a chosen speed
///
/// The header names the members. A row is sent once and acknowledged; what cannot be used is counted
/// and named.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// CSV with a header, plain or gzip
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// What a row means: a Connection's manifest, a file (topic, time, eventId, members), or a topic such as sensors/{station}/aq
    #[arg(long, value_name = "FILE|TOPIC", required_unless_present = "synthetic")]
    map: Option<String>,
    /// Column that holds a row's time, where the map names none
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// Seconds of the file's time per second, or max
    #[arg(long, value_name = "TIMES", default_value = "max")]
    speed: String,
    /// How the rows travel
    #[arg(long, default_value = "mqtt", value_parser = ["mqtt", "http"])]
    by: String,
    /// Address of the MQTT listener [default: that of the server that `up` or `demo` last started here]
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt: Option<SocketAddr>,
    /// What is spoken by MQTT
    #[arg(long, value_name = "VERSION", default_value = "5", value_parser = ["5", "3.1.1"])]
    protocol: String,
    /// At most so many rows
    #[arg(long, value_name = "COUNT")]
    limit: Option<u64>,
    /// Write a made-up year of twelve air-quality stations to FILE instead; so many hours of it
    #[arg(long, value_name = "HOURS", num_args = 0..=1, default_missing_value = "8760", conflicts_with_all = ["map", "limit"])]
    synthetic: Option<u32>,
}

/// Seed of the made-up file.
const SEED: u64 = 1;

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    if let Some(hours) = args.synthetic {
        let rows = synthetic::write(&args.file, hours, SEED)?;
        output::say(&format!("wrote {rows} rows to {}", args.file.display()));
        return Ok(());
    }
    let speed = simulate::speed(&args.speed).ok_or_else(|| {
        let remedy = "write seconds of the file's time per second, for example 3600, or max";
        Failure::usage(
            "bad-options",
            format!("`{}` is no speed", args.speed),
            remedy,
        )
    })?;
    let options = replay::Options {
        map: map(&args)?,
        target: target(&args, settings)?,
        file: args.file,
        speed,
        limit: args.limit,
        progress: output::watched(),
    };
    let report = replay::run(&options).map_err(failed)?;
    for row in &report.examples {
        output::say(&format!("note: {}: {row}", options.file.display()));
    }
    for (reason, times) in &report.refused {
        output::say(&format!("refused {times} times: {reason}"));
    }
    let seconds = report.elapsed.as_secs_f64();
    output::say(&format!(
        "{} rows sent, {} acknowledged, {} refused, {} skipped in {seconds:.1} s",
        report.sent,
        report.acknowledged,
        report.refused.values().sum::<u64>(),
        report.skipped
    ));
    match report.acknowledged == report.sent {
        true => Ok(()),
        false => Err(Failure::silent(Exit::Failed)),
    }
}

/// The map that a file holds, or that a topic alone makes.
fn map(args: &Args) -> Result<Map, Failure> {
    let text = args.map.as_deref().unwrap_or_default();
    let looks_like_file = [".yaml", ".yml", ".json"]
        .iter()
        .any(|ending| text.ends_with(ending));
    if !looks_like_file {
        return Ok(Map::of(text, args.time.clone()));
    }
    let read = fs::read_to_string(text).map_err(|error| {
        let message = format!("cannot read the map {text}: {error}");
        Failure::new(
            Exit::NotFound,
            "not-found",
            message,
            "check the path given to --map",
        )
    })?;
    let mut map = match manifest::parse(&read).into_result() {
        Ok(manifests) if !manifests.is_empty() => of_connection(text, &manifests)?,
        _ => Map::parse(&read).map_err(|error| failed(error).at(Place::at(text, &read, 1, 1)))?,
    };
    map.time = map.time.or_else(|| args.time.clone());
    Ok(map)
}

/// The map that a Connection means: rows go to its pattern, and what the Connection makes of a
/// message, its event's id too, the server makes.
fn of_connection(file: &str, manifests: &[Manifest]) -> Result<Map, Failure> {
    let connections = manifests
        .iter()
        .filter_map(|manifest| match &manifest.kind {
            manifest::Kind::Connection(connection) => Some(connection),
            _ => None,
        });
    let topics: Vec<_> = connections.flat_map(|c| &c.topics).collect();
    let [topic] = topics.as_slice() else {
        let message = format!(
            "{file} has {} topics of Connections, and a file of rows goes to one",
            topics.len()
        );
        let remedy =
            "write the topic itself, for example --map 'beijing/{station}/air' --time timestamp";
        return Err(Failure::usage("bad-options", message, remedy));
    };
    // A time that is computed is no column; --time names one.
    let time = topic
        .time
        .as_deref()
        .and_then(|time| time.strip_prefix("payload."));
    let column = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    Ok(Map::of(
        &*topic.pattern,
        time.filter(column).map(str::to_owned),
    ))
}

fn target(args: &Args, settings: &Settings) -> Result<Target, Failure> {
    if args.by == "http" {
        return Ok(Target::Http(settings.client()?));
    }
    let version = if args.protocol == "5" {
        Version::V5
    } else {
        Version::V311
    };
    let address = match args.mqtt {
        Some(address) => address,
        None => {
            let file = Context::path().ok_or_else(|| {
                Failure::from(ClientError::NoContext {
                    file: PathBuf::new(),
                })
            })?;
            let mqtt = Context::read(&file)?.mqtt;
            mqtt.parse().map_err(|_| {
                Failure::usage(
                    "bad-options",
                    "the server has no MQTT listener",
                    "name one with --mqtt, or use --by http",
                )
            })?
        }
    };
    let login = settings.token()?.map(|token| ("token".to_owned(), token));
    Ok(Target::Mqtt {
        address,
        version,
        login,
    })
}

fn failed(error: Error) -> Failure {
    match error {
        Error::Http { source, line } => {
            let failure = Failure::from(source);
            let message = format!("rows up to line {line}: {}", failure.message);
            Failure { message, ..failure }
        }
        Error::Map(message) => Failure::usage(
            "bad-options",
            message,
            "correct --map; the file's header names the columns",
        ),
        Error::File { .. } => Failure::new(
            Exit::NotFound,
            "not-found",
            error.to_string(),
            "check the path of the file",
        ),
        Error::Mqtt { .. } => Failure::new(
            Exit::Unreachable,
            "unreachable",
            error.to_string(),
            "look at the server: gemelli logs, gemelli doctor",
        ),
    }
}
