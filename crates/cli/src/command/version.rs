//! `gemelli version`: of the program, and of the server if one answers.

use crate::{
    failure::Failure,
    output::{self, Column, Format, Sheet, cell},
    settings::Settings,
};
use serde_json::json;

/// Print the versions of program and server
#[derive(Debug, clap::Args)]
pub struct Args {}

const SHEET: Sheet = Sheet {
    kind: "version",
    name: |item| cell(item, "/version"),
    columns: &[
        Column {
            heading: "PART",
            wide: false,
            cell: |item| cell(item, "/part"),
        },
        Column {
            heading: "VERSION",
            wide: false,
            cell: |item| cell(item, "/version"),
        },
        Column {
            heading: "ADDRESS",
            wide: false,
            cell: |item| cell(item, "/address"),
        },
    ],
};

/// Runs it.
pub fn run(_: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let mut rows = vec![json!({"part": "program", "version": env!("CARGO_PKG_VERSION")})];
    let server = settings
        .client()
        .ok()
        .and_then(|client| Some((client.status().ok()?, client)));
    if let Some((status, client)) = server {
        rows.push(json!({"part": "server", "version": status.version, "address": client.server(), "status": status}));
    }
    output::list(format, &SHEET, &rows)
}
