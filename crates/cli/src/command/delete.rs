//! `gemelli delete`: removes objects.

use super::get;
use crate::{
    failure::{Exit, Failure},
    kind::Kind,
    output,
    settings::Settings,
    source,
};
use clap_complete::ArgValueCandidates;
use gemelli_client::Client;
use serde_json::Value as Json;
use std::path::PathBuf;

/// Delete objects by kind and name, or those in files
#[derive(Debug, clap::Args)]
pub struct Args {
    /// twin, interface or connection
    #[arg(
        value_name = "KIND",
        required_unless_present = "filename",
        conflicts_with = "filename",
        requires = "names"
    )]
    #[arg(add = ArgValueCandidates::new(super::completion::kinds))]
    kind: Option<String>,
    /// Their names
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(super::completion::twins))]
    names: Vec<String>,
    /// File, folder (with its folders) or - for stdin: delete what it holds, relationships first
    #[arg(short, long = "filename", value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    filename: Vec<PathBuf>,
    /// Relationships of the twins, in both directions, go too
    #[arg(long)]
    cascade: bool,
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let client = settings.client()?;
    let Some(word) = &args.kind else {
        return files(&client, &args.filename);
    };
    let kind = Kind::parse(word)?;
    for name in &args.names {
        if args.cascade && kind == Kind::Twin {
            unrelate(&client, name, &["relationships", "incomingrelationships"])?;
        }
        remove(&client, kind, name)?;
    }
    Ok(())
}

/// Deletes what files hold in the order that leaves nothing pointing nowhere.
fn files(client: &Client, paths: &[PathBuf]) -> Result<(), Failure> {
    let manifests = source::read(paths)?;
    let of = |kind: Kind| {
        let own = manifests
            .iter()
            .filter(move |manifest| manifest.kind() == kind.name());
        own.map(|manifest| manifest.name())
    };
    for twin in of(Kind::Twin) {
        match unrelate(client, twin, &["relationships"]) {
            Err(failure) if failure.exit == Exit::NotFound => {}
            done => done?,
        }
    }
    for kind in [Kind::Twin, Kind::Connection, Kind::Interface] {
        for name in of(kind) {
            match remove(client, kind, name) {
                Err(failure) if failure.exit == Exit::NotFound => {
                    output::say(&format!("{}/{name} was not there", word(kind)))
                }
                done => done?,
            }
        }
    }
    Ok(())
}

fn remove(client: &Client, kind: Kind, name: &str) -> Result<(), Failure> {
    match kind {
        Kind::Twin => client.delete_digital_twin(name),
        Kind::Interface | Kind::Connection => client.delete_object(kind.name(), name),
        Kind::DeadLetter => {
            let remedy = "nothing needs to be done: the oldest make room for new ones";
            return Err(Failure::usage(
                "unknown-kind",
                "dead letters cannot be deleted",
                remedy,
            ));
        }
    }
    .map_err(|error| get::suggest(client, kind, name, error.into()))?;
    output::write(&format!("{}/{name} deleted\n", word(kind)))
}

fn unrelate(client: &Client, twin: &str, sides: &[&str]) -> Result<(), Failure> {
    for side in sides {
        let path = format!("/digitaltwins/{}/{side}", gemelli_client::encode(twin));
        let page: Json = client.get(&path, &[])?;
        for edge in page
            .get("value")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            let source = match *side {
                "relationships" => twin.to_owned(),
                _ => output::cell(edge, "/$sourceId"),
            };
            client.delete_relationship(&source, &output::cell(edge, "/$relationshipId"))?;
        }
    }
    Ok(())
}

fn word(kind: Kind) -> String {
    kind.name().to_lowercase()
}
