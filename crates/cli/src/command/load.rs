//! `gemelli load`: generators of load, as processes apart from the server that they load.

use crate::{
    failure::{Exit, Failure},
    output,
    settings::Settings,
};
use gemelli_load::{
    bench::{self, Idle, Until, Version},
    device::{self, Protocol, Speed, notice},
    workload::{Plan, Style, Workload},
};
use serde_json::json;
use std::{io, net::SocketAddr, path::PathBuf, thread, time::Duration};

/// Generate load by MQTT: devices of the city, or messages as fast as they are acknowledged
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Publish(Publish),
    Idle(Idles),
    Devices(Devices),
}

/// Publish as fast as acknowledgements come; prints the figures as JSON
#[derive(Debug, clap::Args)]
struct Publish {
    /// Address of the MQTT listener
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt: SocketAddr,
    /// Protocol: 3 (3.1.1) or 5
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=5))]
    protocol: u8,
    /// Quality of service, 0 or 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    qos: u8,
    /// Connections
    #[arg(long, default_value_t = 100)]
    connections: usize,
    /// Messages in flight on each connection
    #[arg(long, default_value_t = 100)]
    in_flight: usize,
    /// Topic; {connection} becomes the connection's number
    #[arg(long)]
    topic: String,
    /// Payload: a number of bytes, or a text with {connection}, {n} and {t}
    #[arg(long, default_value = "100")]
    payload: String,
    /// MQTT 5: event id, a text as the payload's; empty for none
    #[arg(long, default_value = "")]
    event_id: String,
    /// Seconds to publish
    #[arg(long, conflicts_with = "messages")]
    seconds: Option<u64>,
    /// Messages to publish
    #[arg(long)]
    messages: Option<u64>,
}

/// Open connections that do nothing and keep them for a while
#[derive(Debug, clap::Args)]
struct Idles {
    /// Address of the MQTT listener
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt: SocketAddr,
    /// Connections
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Seconds to keep them
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Be the devices of the city: prints notices as JSON lines, ends with its standard input
#[derive(Clone, Debug, clap::Args)]
pub struct Devices {
    /// Address of the MQTT listener
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub mqtt: SocketAddr,
    /// Neighbourhoods
    #[arg(long, default_value_t = 1)]
    pub neighborhoods: u16,
    /// Simulated seconds per second, or max
    #[arg(long, default_value = "60")]
    pub speed: String,
    /// Days
    #[arg(long, default_value_t = 1)]
    pub days: u32,
    /// First day; a second run on the same data goes on where the first ended
    #[arg(long, default_value_t = 0)]
    pub first_day: u32,
    /// What values depend on
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// varied, or ktwin for the constants of its experiment
    #[arg(long, default_value = "varied", value_parser = ["varied", "ktwin"])]
    pub payload: String,
    /// Protocol: 3 (3.1.1) or 5
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=5))]
    pub protocol: u8,
    /// Where to write the journal of what was sent and acknowledged
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: Args, _: &Settings) -> Result<(), Failure> {
    match args.what {
        What::Publish(publish) => publish.run(),
        What::Idle(idle) => idle.run(),
        What::Devices(devices) => devices.run(),
    }
}

impl Publish {
    fn run(self) -> Result<(), Failure> {
        let payload = match self.payload.parse() {
            Ok(bytes) => bench::Options::payload_of(bytes),
            Err(_) => self.payload,
        };
        let until = match self.messages {
            Some(messages) => Until::Messages(messages),
            None => Until::Elapsed(Duration::from_secs(self.seconds.unwrap_or(5))),
        };
        let options = bench::Options {
            address: self.mqtt,
            version: version(self.protocol),
            qos: self.qos,
            connections: self.connections,
            in_flight: self.in_flight,
            topic: self.topic,
            payload,
            event_id: self.event_id,
            client: format!("load-{}-", std::process::id()),
            until,
        };
        let report = bench::run(&options).map_err(failed)?;
        output::write(&output::json(&report.to_json())?)
    }
}

impl Idles {
    fn run(self) -> Result<(), Failure> {
        let client = format!("idle-{}-", std::process::id());
        let (idle, report) =
            Idle::open(self.mqtt, Version::V5, &client, self.connections).map_err(failed)?;
        let report = json!({"open": report.open, "seconds": report.elapsed.as_secs_f64()});
        output::write(&format!("{report}\n"))?;
        thread::sleep(Duration::from_secs(self.seconds));
        idle.close();
        Ok(())
    }
}

impl Devices {
    fn run(self) -> Result<(), Failure> {
        let workload = Workload::new(self.plan());
        let options = device::Options {
            protocol: if self.protocol == 5 {
                Protocol::V5
            } else {
                Protocol::V311
            },
            speed: speed(&self.speed)?,
            journal: self.journal,
            ..device::Options::new(self.mqtt)
        };
        notice::serve(&workload, &options, io::stdout().lock())
            .map(drop)
            .map_err(failed)
    }

    /// What to simulate.
    pub fn plan(&self) -> Plan {
        Plan {
            neighborhoods: self.neighborhoods,
            days: self.days,
            first_day: self.first_day,
            seed: self.seed,
            style: style(&self.payload),
            ..Plan::default()
        }
    }
}

/// How fast simulated time passes.
pub fn speed(text: &str) -> Result<Speed, Failure> {
    match text {
        "max" => Ok(Speed::Max),
        _ => match text.parse() {
            Ok(times) if f64::is_finite(times) && times > 0.0 => Ok(Speed::Times(times)),
            _ => {
                let remedy = "write simulated seconds per second, for example 60, or max";
                Err(Failure::usage(
                    "bad-options",
                    format!("`{text}` is no speed"),
                    remedy,
                ))
            }
        },
    }
}

/// Which values devices report.
pub fn style(text: &str) -> Style {
    if text == "ktwin" {
        Style::Ktwin
    } else {
        Style::Varied
    }
}

fn version(protocol: u8) -> Version {
    if protocol == 5 {
        Version::V5
    } else {
        Version::V311
    }
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "load-failed",
        error.to_string(),
        "look at the server: gemelli logs, gemelli doctor",
    )
}
