//! `gemelli apply`: makes the server hold what the files say.

use crate::{
    failure::{Exit, Failure},
    output::{self, Column, Format, Sheet},
    settings::Settings,
    source::{self, Manifest},
};
use gemelli_client::{Error, Outcome};
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
    let objects: Vec<_> = manifests.iter().map(Manifest::json).collect();
    let applied = settings.client()?.apply(&objects, args.dry_run);
    let applied = applied.map_err(|error| refusal(&manifests, error))?;
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
        Format::Table => summary(&applied.objects, args.dry_run),
        _ => output::list(format, &SHEET, &rows),
    }
}

/// A refusal with the place of the manifest that it speaks of. Of several faults all but the last are
/// told here.
pub fn refusal(manifests: &[Manifest], error: Error) -> Failure {
    let mut faults = Vec::new();
    if let Some(problem) = error.problem() {
        for fault in problem.errors.iter().take(source::TOLD) {
            let (Some(object), Some(pointer)) = (&fault.object, &fault.pointer) else {
                continue;
            };
            let exit = Exit::of(&fault.code, problem.status);
            let failure = Failure::new(exit, &fault.code, &fault.detail, &fault.remedy);
            faults.push(match source::pointed(manifests, object, pointer) {
                Some(place) => failure.at(place),
                None => failure,
            });
        }
    }
    if let Some(last) = faults.pop() {
        faults.iter().for_each(Failure::print);
        return last;
    }
    let failure = Failure::from(error);
    let meant = source::meant(manifests, &failure.message);
    match meant.filter(|_| failure.exit != Exit::Unreachable) {
        Some(place) => failure.at(place),
        None => failure,
    }
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
