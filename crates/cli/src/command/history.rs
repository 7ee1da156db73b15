//! `gemelli history`: what happened to a twin.

use super::get;
use crate::{
    failure::Failure,
    kind::Kind,
    output::{self, Column, Format, Sheet, cell},
    settings::Settings,
};
use clap_complete::ArgValueCandidates;
use gemelli_client::Span;
use serde_json::{Value as Json, json};

/// Show what happened to a twin, oldest first
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The twin
    #[arg(value_name = "TWIN", add = ArgValueCandidates::new(super::completion::twins))]
    twin: String,
    /// Not before: RFC 3339, for example 2026-11-21T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before: RFC 3339
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
}

/// How entries are printed.
pub const SHEET: Sheet = Sheet {
    kind: "entry",
    name: |item| cell(item, "/seq"),
    columns: &[
        Column {
            heading: "ACCEPTED",
            wide: false,
            cell: |item| cell(item, "/accepted"),
        },
        Column {
            heading: "TIME",
            wide: false,
            cell: |item| cell(item, "/time"),
        },
        Column {
            heading: "CATEGORY",
            wide: false,
            cell: |item| cell(item, "/category"),
        },
        Column {
            heading: "DATA",
            wide: false,
            cell: |item| cell(item, "/data"),
        },
        Column {
            heading: "ID",
            wide: true,
            cell: |item| cell(item, "/id"),
        },
        Column {
            heading: "SEQ",
            wide: true,
            cell: |item| cell(item, "/seq"),
        },
    ],
};

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let client = settings.client()?;
    let span = Span {
        from: args.from,
        to: args.to,
        ..Span::default()
    };
    let entries = client
        .history(&args.twin, &span)
        .take(args.limit.unwrap_or(usize::MAX));
    let entries: Result<Vec<Json>, _> = entries
        .map(|entry| entry.map(|entry| json!(entry)))
        .collect();
    let entries =
        entries.map_err(|error| get::suggest(&client, Kind::Twin, &args.twin, error.into()))?;
    output::list(format, &SHEET, &entries)
}
