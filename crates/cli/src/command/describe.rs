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
use std::collections::VecDeque;

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

/// Edges shown of each direction; all are in the other formats.
const EDGES: usize = 10;
/// Events shown.
const EVENTS: usize = 5;
/// How far back events are looked for, records of the log; at last all of history.
const BACK: [u64; 3] = [1_000, 100_000, u64::MAX];

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let kind = Kind::parse(&args.kind)?;
    let client = settings.client()?;
    let mut object = get::named(&client, kind, &args.name, false)?;
    if kind == Kind::Twin
        && let events = last_events(&client, &args.name)?
        && let Some(fields) = object.as_object_mut()
    {
        fields.insert("events".into(), json!(events));
    }
    match format {
        Format::Table | Format::Wide if kind == Kind::Twin => output::write(&twin(&object)),
        Format::Table | Format::Wide => output::write(&output::yaml(&object)?),
        _ => output::one(format, get::sheet(kind), &object),
    }
}

/// The events accepted last, whatever the device's time: looked for from the end of the log, over a
/// stretch that widens until there are enough.
fn last_events(client: &Client, twin: &str) -> Result<Vec<Json>, Failure> {
    let status = client.status()?;
    let end = status.more.get("records").and_then(Json::as_u64);
    let end = end.unwrap_or_default();
    let mut last = VecDeque::new();
    for back in BACK {
        let span = Span {
            after: end.checked_sub(back),
            ..Span::default()
        };
        last.clear();
        for entry in client.history(twin, &span) {
            if last.len() == EVENTS {
                last.pop_front();
            }
            last.push_back(json!(entry?));
        }
        if last.len() == EVENTS || span.after.is_none() {
            break;
        }
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
    if object.get("entanglement").is_some() {
        text += &format!(
            "Fidelity:   {} (timeliness {}, reliability {}, availability {})\n",
            cell(object, "/entanglement"),
            cell(object, "/fidelity/timeliness"),
            cell(object, "/fidelity/reliability"),
            cell(object, "/fidelity/availability"),
        );
    }
    for (title, pointer) in [
        ("Properties", "/properties"),
        ("Telemetry", "/telemetry"),
        ("Derived", "/derived"),
    ] {
        let rows = fields(object.pointer(pointer));
        if !rows.is_empty() {
            text += &section(
                title,
                &output::rows_text(vec!["NAME".into(), "VALUE".into(), "UPDATED".into()], rows),
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
        text += &edges_text(&cell(object, "/id"), title, edges, &end);
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

/// The edges of one direction, the first of them if there are many.
fn edges_text(twin: &str, title: &str, edges: Option<&Vec<Json>>, end: &[&str]) -> String {
    let edges = edges.map(Vec::as_slice).unwrap_or_default();
    if edges.is_empty() {
        return String::new();
    }
    let row = |edge: &Json| {
        vec![
            output::first(edge, &["/name", "/$relationshipName"]),
            output::first(edge, end),
            output::first(edge, &["/id", "/$relationshipId"]),
        ]
    };
    let rows: Vec<_> = edges.iter().take(EDGES).map(row).collect();
    let mut body = output::rows_text(vec!["NAME".into(), "TWIN".into(), "ID".into()], rows);
    if let Some(more @ 1..) = edges.len().checked_sub(EDGES) {
        body += &format!("… {more} more; all: gemelli describe twin {twin} -o yaml\n");
    }
    section(&format!("{title} ({})", edges.len()), &body)
}

fn section(title: &str, body: &str) -> String {
    let body: String = body.lines().map(|line| format!("  {line}\n")).collect();
    format!("{title}:\n{body}")
}

fn fields(object: Option<&Json>) -> Vec<Vec<String>> {
    let fields = object.and_then(Json::as_object);
    let row = |(name, member): (&String, &Json)| {
        vec![name.clone(), get::value(member), cell(member, "/updated")]
    };
    fields.into_iter().flatten().map(row).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with_incoming(count: usize) -> String {
        let edge =
            |n: usize| json!({"name": "in", "source": format!("spot-{n}"), "id": format!("e{n}")});
        let edges: Vec<Json> = (0..count).map(edge).collect();
        twin(&json!({"id": "lot", "edges": {"in": edges}}))
    }

    #[test]
    fn many_edges_are_counted_and_the_way_to_all_is_named() {
        let text = with_incoming(EDGES + 41);
        assert_eq!(text.matches("spot-").count(), EDGES, "{text}");
        assert!(text.contains("Incoming (51):"), "{text}");
        let last = text.lines().last().unwrap();
        assert_eq!(last, "  … 41 more; all: gemelli describe twin lot -o yaml");
    }

    #[test]
    fn few_edges_are_all_there() {
        let text = with_incoming(EDGES);
        assert_eq!(text.matches("spot-").count(), EDGES, "{text}");
        assert!(!text.contains("more"), "{text}");
    }
}
