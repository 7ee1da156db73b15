//! `gemelli model diff`: what changes between two versions of interfaces, and what of it breaks.

use super::interfaces;
use crate::{
    failure::{Exit, Failure},
    output::{self, Column, Format, Sheet, cell},
    settings::Settings,
};
use gemelli_model::diff::{self, Change, Impact};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// Show what changes between two versions of interfaces; exit code 1 if anything breaks
///
/// A change is breaking if a value, a report, an edge or a name that was right may be wrong. An
/// interface that is gone is compared with the next version of its identifier.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File or folder of the old version: DTDL (.json) or manifests (.yaml)
    #[arg(value_name = "OLD", value_hint = clap::ValueHint::AnyPath)]
    old: PathBuf,
    /// File or folder of the new version
    #[arg(value_name = "NEW", value_hint = clap::ValueHint::AnyPath)]
    new: PathBuf,
}

const SHEET: Sheet = Sheet {
    kind: "change",
    name: |item| cell(item, "/interface"),
    columns: &[
        Column {
            heading: "IMPACT",
            wide: false,
            cell: |item| cell(item, "/impact"),
        },
        Column {
            heading: "INTERFACE",
            wide: false,
            cell: |item| cell(item, "/interface"),
        },
        Column {
            heading: "MEMBER",
            wide: false,
            cell: |item| cell(item, "/member"),
        },
        Column {
            heading: "REASON",
            wide: false,
            cell: |item| cell(item, "/reason"),
        },
    ],
};

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let old = interfaces::read(&[args.old])?;
    let new = interfaces::read(&[args.new])?;
    let changes = diff::diff(&old, &new);
    output::list(format, &SHEET, &changes.iter().map(row).collect::<Vec<_>>())?;
    let breaking = |change: &&Change| change.impact == Impact::Breaking;
    match changes.iter().filter(breaking).count() {
        0 => Ok(()),
        count => {
            output::say(&format!(
                "{count} of {} changes break something",
                changes.len()
            ));
            Err(Failure::silent(Exit::Failed))
        }
    }
}

fn row(change: &Change) -> Json {
    let impact = match change.impact {
        Impact::Compatible => "compatible",
        Impact::Breaking => "breaking",
    };
    json!({
        "impact": impact,
        "interface": change.interface.as_str(),
        "member": change.member.as_deref(),
        "reason": change.reason,
    })
}
