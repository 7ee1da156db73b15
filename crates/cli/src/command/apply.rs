//! `gemelli apply`: makes the server hold what the files say.

use crate::{
    failure::{Exit, Failure},
    output::{self, Column, Format, Sheet},
    settings::Settings,
    source::{self, Manifest},
};
use gemelli_client::Outcome;
use serde_json::json;
use std::path::PathBuf;

/// Create or change objects so that they are as in files
///
/// Everything is checked by the server first; if one object is refused, none is applied.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File, folder (with its folders) or - for stdin; may be repeated
    #[arg(short, long = "filename", required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    filename: Vec<PathBuf>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
}

/// How outcomes are printed.
pub const SHEET: Sheet = Sheet {
    kind: "outcome",
    name: |item| {
        format!(
            "{}/{}",
            output::cell(item, "/kind").to_lowercase(),
            output::cell(item, "/name")
        )
    },
    columns: &[
        Column {
            heading: "KIND",
            wide: false,
            cell: |item| output::cell(item, "/kind"),
        },
        Column {
            heading: "NAME",
            wide: false,
            cell: |item| output::cell(item, "/name"),
        },
        Column {
            heading: "RESULT",
            wide: false,
            cell: |item| output::cell(item, "/result"),
        },
        Column {
            heading: "FILE",
            wide: true,
            cell: |item| output::cell(item, "/file"),
        },
    ],
};

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let manifests = source::read(&args.filename)?;
    let objects: Vec<_> = manifests
        .iter()
        .map(|manifest| manifest.object.clone())
        .collect();
    let applied = settings.client()?.apply(&objects, args.dry_run)?;
    let refused = refusals(&manifests, &applied.objects);
    let rows: Vec<_> = applied
        .objects
        .iter()
        .enumerate()
        .map(|(at, outcome)| {
            let mut row = json!(outcome);
            if let (Some(manifest), Some(row)) = (manifests.get(at), row.as_object_mut()) {
                row.insert("file".into(), json!(&*manifest.file));
            }
            row
        })
        .collect();
    match format {
        Format::Table if refused == 0 => summary(&applied.objects, args.dry_run)?,
        Format::Table => {}
        _ => output::list(format, &SHEET, &rows)?,
    }
    match refused {
        0 => Ok(()),
        n => {
            output::say(&format!(
                "{n} of {} objects refused; nothing was applied",
                manifests.len()
            ));
            Err(Failure::silent(Exit::Refused))
        }
    }
}

/// Says why objects were refused; how many.
fn refusals(manifests: &[Manifest], outcomes: &[Outcome]) -> usize {
    let refused = outcomes
        .iter()
        .enumerate()
        .filter(|(_, outcome)| outcome.result == "error");
    let mut count = 0;
    for (at, outcome) in refused {
        count += 1;
        let code = outcome.code.as_deref().unwrap_or("refused");
        let message = format!(
            "{} `{}`: {}",
            outcome.kind,
            outcome.name,
            outcome.detail.as_deref().unwrap_or_default()
        );
        let mut failure = Failure::new(
            Exit::Refused,
            code,
            message,
            outcome.remedy.clone().unwrap_or_default(),
        );
        if let Some(manifest) = manifests.get(at) {
            failure = failure.at(manifest.place());
        }
        failure.print();
    }
    count
}

/// One line for each object where they are few, else one for each kind and result.
fn summary(outcomes: &[Outcome], dry_run: bool) -> Result<(), Failure> {
    const FEW: usize = 20;
    let suffix = if dry_run { " (dry run)" } else { "" };
    let mut text = String::new();
    if outcomes.len() <= FEW {
        for outcome in outcomes {
            text += &format!(
                "{}/{} {}{suffix}\n",
                outcome.kind.to_lowercase(),
                outcome.name,
                outcome.result
            );
        }
    } else {
        let mut counts = std::collections::BTreeMap::new();
        for outcome in outcomes {
            *counts
                .entry((&outcome.kind, &outcome.result))
                .or_insert(0_usize) += 1;
        }
        for ((kind, result), count) in counts {
            text += &format!("{count} {} {result}{suffix}\n", kind.to_lowercase());
        }
    }
    output::write(&text)
}
