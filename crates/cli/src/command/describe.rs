//! `gemelli describe`: one object with everything that belongs to it.

use super::get;
use crate::{
    failure::Failure,
    kind::Kind,
    output::{self, Format, cell},
    settings::Settings,
};
use clap_complete::ArgValueCandidates;
use gemelli_client::{Client, Span};
use serde_json::{Value as Json, json};

/// Show one object with its values, edges and last events
#[derive(Debug, clap::Args)]
pub struct Args {
    /// twin, interface, connection or deadletter
    #[arg(value_name = "KIND", add = ArgValueCandidates::new(super::completion::kinds))]
    kind: String,
    /// Its name
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(super::completion::twins))]
    name: String,
}

/// Events shown.
const EVENTS: usize = 5;

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let kind = Kind::parse(&args.kind)?;
    let client = settings.client()?;
    let mut object = get::named(&client, kind, &args.name, false)?;
    if kind == Kind::Twin
        && let Some(fields) = object.as_object_mut()
    {
        fields.insert("events".into(), json!(last_events(&client, &args.name)?));
    }
    match format {
        Format::Table | Format::Wide if kind == Kind::Twin => output::write(&twin(&object)),
        Format::Table | Format::Wide => output::write(&output::yaml(&object)?),
        _ => output::one(format, get::sheet(kind), &object),
    }
}

fn last_events(client: &Client, twin: &str) -> Result<Vec<Json>, Failure> {
    let day = Span {
        limit: Some(1_000),
        ..Span::default()
    };
    let mut last = std::collections::VecDeque::new();
    for entry in client.history(twin, &day) {
        if last.len() == EVENTS {
            last.pop_front();
        }
        last.push_back(json!(entry?));
    }
    Ok(last.into())
}

/// A twin as sections of text.
fn twin(object: &Json) -> String {
    let mut text = format!(
        "Name:       {}\nInterface:  {}\nLifecycle:  {}\n",
        cell(object, "/id"),
        cell(object, "/interface"),
        cell(object, "/lifecycle")
    );
    for (title, pointer) in [("Properties", "/properties"), ("Derived", "/derived")] {
        let rows = fields(object.pointer(pointer));
        if !rows.is_empty() {
            text += &section(
                title,
                &output::rows_text(vec!["NAME".into(), "VALUE".into()], rows),
            );
        }
    }
    for (title, pointers, end) in [
        (
            "Relationships",
            ["/relationships", "/edges/out", "/outgoing"],
            ["/target", "/$targetId"],
        ),
        (
            "Incoming",
            ["/incomingRelationships", "/edges/in", "/incoming"],
            ["/source", "/$sourceId"],
        ),
    ] {
        let edges = pointers
            .iter()
            .find_map(|pointer| object.pointer(pointer))
            .and_then(Json::as_array);
        let row = |edge: &Json| {
            vec![
                output::first(edge, &["/name", "/$relationshipName"]),
                output::first(edge, &end),
                output::first(edge, &["/id", "/$relationshipId"]),
            ]
        };
        let rows: Vec<_> = edges.into_iter().flatten().map(row).collect();
        if !rows.is_empty() {
            text += &section(
                title,
                &output::rows_text(vec!["NAME".into(), "TWIN".into(), "ID".into()], rows),
            );
        }
    }
    let events = object.get("events").and_then(Json::as_array);
    let events: Vec<_> = events.into_iter().flatten().cloned().collect();
    if !events.is_empty() {
        text += &section(
            "Last events",
            &output::table(false, &super::history::SHEET, &events),
        );
    }
    text
}

fn section(title: &str, body: &str) -> String {
    let body: String = body.lines().map(|line| format!("  {line}\n")).collect();
    format!("{title}:\n{body}")
}

fn fields(object: Option<&Json>) -> Vec<Vec<String>> {
    let fields = object.and_then(Json::as_object);
    fields
        .into_iter()
        .flatten()
        .map(|(name, value)| vec![name.clone(), value.to_string()])
        .collect()
}
