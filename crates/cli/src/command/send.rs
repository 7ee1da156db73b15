//! `gemelli send`: one event for a twin.

use super::get;
use crate::{
    failure::{Exit, Failure, Place},
    kind::Kind,
    output,
    settings::Settings,
};
use clap_complete::ArgValueCandidates;
use serde_json::{Value as Json, json};
use std::{io, path::PathBuf};

/// Send an event to a twin, as its device would; returns when it is durable
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The twin
    #[arg(value_name = "TWIN", add = ArgValueCandidates::new(super::completion::twins))]
    twin: String,
    /// The payload, a JSON object; - reads it from stdin
    #[arg(value_name = "JSON", required_unless_present = "file")]
    payload: Option<String>,
    /// File that holds the payload
    #[arg(short, long, value_name = "FILE", conflicts_with = "payload", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// real (from the device), virtual (to the device) or store (kept, not routed)
    #[arg(long, default_value = "real", value_parser = ["real", "virtual", "store"])]
    category: String,
    /// The event's id: the same id is applied once; without one, an id is made
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The device's time, RFC 3339
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let payload = payload(&args)?;
    let client = settings.client()?;
    let twin = client
        .twin(&args.twin)
        .map_err(|error| get::suggest(&client, Kind::Twin, &args.twin, error.into()))?;
    let mut event = json!({
        "specversion": "1.0",
        "id": args.id.unwrap_or_else(made_id),
        "source": args.twin,
        "type": format!("ktwin.{}.{}", args.category, twin.interface),
        "datacontenttype": "application/json",
        "data": payload,
    });
    if let (Some(time), Some(fields)) = (args.time, event.as_object_mut()) {
        fields.insert("time".into(), json!(time));
    }
    client.send(&event)?;
    output::say(&format!(
        "sent {} event {} to {}",
        args.category,
        output::cell(&event, "/id"),
        args.twin
    ));
    Ok(())
}

fn payload(args: &Args) -> Result<Json, Failure> {
    let (name, text) = match (&args.file, args.payload.as_deref()) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).map_err(|error| {
                let message = format!("cannot read {}: {error}", file.display());
                Failure::new(
                    Exit::NotFound,
                    "not-found",
                    message,
                    "check the path given to --file",
                )
            })?;
            (file.display().to_string(), text)
        }
        (None, Some("-")) => ("<stdin>".into(), io::read_to_string(io::stdin())?),
        (None, text) => ("<payload>".into(), text.unwrap_or_default().to_owned()),
    };
    serde_json::from_str(&text).map_err(|error| {
        let remedy = "write a JSON object, for example '{\"temperature\": 21.5}'";
        Failure::new(
            Exit::Refused,
            "malformed-json",
            format!("the payload is not JSON: {error}"),
            remedy,
        )
        .at(Place::at(&name, &text, error.line(), error.column()))
    })
}

/// An id that this machine gives once: its process and its clock.
fn made_id() -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!("cli-{:x}-{}", now.as_nanos(), std::process::id())
}
