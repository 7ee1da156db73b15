//! `gemelli watch`: events as they happen.

use super::get;
use crate::{
    failure::{Exit, Failure},
    kind::Kind,
    output::{self, Format, cell, first},
    settings::Settings,
};
use clap_complete::ArgValueCandidates;
use gemelli_client::{Client, Item, Watch};
use serde_json::Value as Json;
use std::{thread, time::Duration};

/// Show events as they happen, until interrupted
///
/// A broken connection is taken up again where it broke, so no event is left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this twin
    #[arg(value_name = "TWIN", add = ArgValueCandidates::new(super::completion::twins))]
    twin: Option<String>,
    /// Only of twins of this interface
    #[arg(long, value_name = "INTERFACE")]
    interface: Option<String>,
    /// Only of this category: real, virtual, command, store or derived
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// End after so many
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
    /// Start after this position of the log
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
}

/// Times that a broken stream is taken up again without an event in between.
const RETRIES: u32 = 5;
/// Silence after which the stream counts as broken; the server sends heartbeats.
const IDLE: Duration = Duration::from_secs(60);

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let client = settings.client()?;
    let mut watch = Watch {
        twin: args.twin,
        interface: args.interface,
        category: args.category,
        after: args.after,
        idle: Some(IDLE),
    };
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut failed = 0;
    while left > 0 {
        match follow(&client, &mut watch, format, &mut left) {
            Ok(seen) => failed = if seen { 1 } else { failed + 1 },
            // The first connection that fails is told at once; later ones may be a restart.
            Err(failure)
                if failure.exit != Exit::Unreachable || failed == 0 || failed >= RETRIES =>
            {
                return Err(match &watch.twin {
                    Some(twin) if failure.code == "unknown-twin" => {
                        get::suggest(&client, Kind::Twin, twin, failure)
                    }
                    _ => failure,
                });
            }
            Err(_) => failed += 1,
        }
        if left > 0 {
            if failed > RETRIES {
                let remedy = "look at `gemelli logs` and `gemelli doctor`";
                return Err(Failure::new(
                    Exit::Unreachable,
                    "unreachable",
                    "the server keeps closing the stream",
                    remedy,
                ));
            }
            thread::sleep(Duration::from_secs(1));
        }
    }
    Ok(())
}

/// Prints until the stream ends; whether anything came.
fn follow(
    client: &Client,
    watch: &mut Watch,
    format: Format,
    left: &mut u64,
) -> Result<bool, Failure> {
    let mut seen = false;
    for item in client.watch(watch)? {
        let Ok(item) = item else { return Ok(true) };
        print(format, &item)?;
        seen = true;
        watch.after = item.seq.or(watch.after);
        *left -= 1;
        if *left == 0 {
            break;
        }
    }
    Ok(seen)
}

fn print(format: Format, item: &Item) -> Result<(), Failure> {
    let mut data: Json = item
        .json()
        .unwrap_or_else(|_| Json::String(item.data.clone()));
    if let (Some(fields), Some(seq)) = (data.as_object_mut(), item.seq) {
        fields.entry("seq").or_insert_with(|| seq.into());
    }
    let text = match format {
        Format::Json => format!("{data}\n"),
        Format::Yaml => format!("---\n{}", output::yaml(&data)?),
        Format::Name => format!("twin/{}\n", first(&data, &["/twin", "/source", "/subject"])),
        Format::Table | Format::Wide => line(item, &data, format == Format::Wide),
    };
    output::write(&text)
}

fn line(item: &Item, data: &Json, wide: bool) -> String {
    let time = first(data, &["/time", "/accepted"]);
    let category = first(data, &["/category", "/kind", "/type"]);
    let category = if category.is_empty() {
        item.event.clone()
    } else {
        category
    };
    let twin = first(data, &["/twin", "/topic", "/source"]);
    let body = first(data, &["/data", "/payload", "/values"]);
    let place = if wide {
        format!("{:>8}  {}  ", cell(data, "/seq"), cell(data, "/id"))
    } else {
        String::new()
    };
    format!("{place}{time}  {category:<8}  {twin}  {body}\n")
}
