//! `gemelli up`: runs a node until it is asked to stop.

use crate::{
    args::given,
    failure::Failure,
    log, output,
    server::{Plan, Server},
    settings::Settings,
};
use gemelli_client::Context;
use std::path::PathBuf;

/// Start a server on this machine
///
/// It starts empty and keeps everything in the data folder. On loopback addresses nobody logs in;
/// any other address needs `gemelli auth init` first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Data folder; made if absent [default: ./gemelli-data]
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    data: Option<String>,
    /// Address of the HTTP API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    http: Option<String>,
    /// Address of the MQTT listener [default: 127.0.0.1:1883]
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt: Option<String>,
    /// Address of an MQTT listener with TLS
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt_tls: Option<String>,
    /// Address of an MQTT listener over WebSocket
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt_ws: Option<String>,
    /// Address of an MQTT listener over WebSocket with TLS
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt_wss: Option<String>,
    /// When an event is acknowledged: synced (on disk) or relaxed (power loss may take the last moments)
    #[arg(long, value_name = "MODE")]
    durability: Option<String>,
    /// Resident memory past which new input is refused [default: 4GiB]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Least severe log line: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl Args {
    /// The flags that were given, by the names of their keys.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        given([
            ("data", &self.data),
            ("http", &self.http),
            ("mqtt", &self.mqtt),
            ("mqtt-tls", &self.mqtt_tls),
            ("mqtt-ws", &self.mqtt_ws),
            ("mqtt-wss", &self.mqtt_wss),
            ("durability", &self.durability),
            ("memory", &self.memory),
            ("log-level", &self.log_level),
        ])
    }
}

/// Runs it.
pub fn run(_: Args, settings: &Settings) -> Result<(), Failure> {
    let data = PathBuf::from(settings.text("data"));
    log::start(&data, settings.text("log-level"), true)?;
    let plan = Plan::of(settings, &data, output::watched())?;
    for (key, why) in &plan.moved {
        output::say(&format!("note: {why}, so {key} listens elsewhere"));
    }
    let server = Server::start(plan)?;
    let Context {
        server: http,
        mqtt,
        data,
        ..
    } = server.context();
    output::say(&format!(
        "gemelli {} runs: {http} (HTTP and page), {mqtt} (MQTT), data in {}; Ctrl-C stops it",
        env!("CARGO_PKG_VERSION"),
        data.display()
    ));
    server.wait();
    output::say("stopping");
    server.stop();
    Ok(())
}
