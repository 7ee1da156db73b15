//! `gemelli diff`: what `apply` would change.

use crate::{
    failure::{Exit, Failure},
    kind::Kind,
    output::{self, Format},
    settings::Settings,
    source::{self, Manifest},
};
use gemelli_client::{Client, Outcome};
use serde_json::{Value as Json, json};
use similar::TextDiff;
use std::path::PathBuf;

/// Show what apply would change; exit code 1 if it would change anything
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File, folder (with its folders) or - for stdin; may be repeated
    #[arg(short, long = "filename", required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    filename: Vec<PathBuf>,
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let manifests = source::read(&args.filename)?;
    let objects: Vec<_> = manifests.iter().map(Manifest::json).collect();
    let client = settings.client()?;
    let planned = client.apply(&objects, true);
    let planned = planned
        .map_err(|error| super::apply::refusal(&manifests, error))?
        .objects;
    let changed: Vec<_> = planned
        .iter()
        .zip(&objects)
        .filter(|(outcome, _)| outcome.result != "unchanged")
        .collect();
    match format {
        Format::Table | Format::Wide => {
            for (outcome, object) in &changed {
                output::write(&unified(&client, outcome, object)?)?;
            }
        }
        _ => {
            let rows: Vec<_> = changed.iter().map(|(outcome, _)| json!(outcome)).collect();
            output::list(format, &super::apply::SHEET, &rows)?;
        }
    }
    match changed.is_empty() {
        true => Ok(()),
        false => Err(Failure::silent(Exit::Failed)),
    }
}

/// The difference between what the server holds and what the file says.
fn unified(client: &Client, outcome: &Outcome, wanted: &Json) -> Result<String, Failure> {
    let kind = Kind::parse(&outcome.kind)?;
    let held = match outcome.result.as_str() {
        "created" => String::new(),
        _ => output::yaml(&ordered(&plain(client.object(kind.name(), &outcome.name)?)))?,
    };
    let wanted = output::yaml(&ordered(&plain(wanted.clone())))?;
    let name = format!("{}/{}", outcome.kind.to_lowercase(), outcome.name);
    let diff = TextDiff::from_lines(&held, &wanted);
    Ok(diff
        .unified_diff()
        .header(&format!("server {name}"), &format!("file {name}"))
        .to_string())
}

/// Without what only the server writes.
fn plain(mut object: Json) -> Json {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    object
}

/// With the fields of objects in alphabetical order, so that order is no difference.
fn ordered(value: &Json) -> Json {
    match value {
        Json::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(b.0));
            Json::Object(
                sorted
                    .into_iter()
                    .map(|(name, value)| (name.clone(), ordered(value)))
                    .collect(),
            )
        }
        Json::Array(items) => Json::Array(items.iter().map(ordered).collect()),
        other => other.clone(),
    }
}
