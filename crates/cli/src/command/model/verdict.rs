//! `gemelli model verdict`: verdicts on a file of cases.

use crate::{
    failure::{Exit, Failure, Place},
    output,
};
use gemelli_model::dtdl::verdict;
use std::{fs, io, path::PathBuf};

/// Decide the cases of a file (a JSON object a line), one JSON line each
///
/// A case has `input` (the documents), `options`, `resolution` (what a resolver answers) and
/// `instances` (values to check); whatever else it says is not looked at. Its verdict has `valid`,
/// `errorIds`, `unresolved`, `elementCount` (0 unless valid) and `instances`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file, or - for stdin
    #[arg(value_name = "CASES.jsonl", value_hint = clap::ValueHint::FilePath)]
    cases: PathBuf,
}

/// Runs it: nothing is written unless every line is a case.
pub fn run(args: Args) -> Result<(), Failure> {
    let file = args.cases.display().to_string();
    let text = match args.cases.to_str() {
        Some("-") => io::read_to_string(io::stdin()),
        _ => fs::read_to_string(&args.cases),
    };
    let text = text.map_err(|error| super::files::unreadable(&args.cases, &error))?;
    let mut verdicts = String::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let verdict =
            verdict::line(line).map_err(|fault| {
                let remedy =
                    "put one case in each line; `gemelli model verdict --help` lists its fields";
                Failure::new(Exit::Refused, "malformed-json", fault.to_string(), remedy)
                    .at(Place::at(&file, &text, at + 1, 1))
            })?;
        verdicts.push_str(&verdict);
        verdicts.push('\n');
    }
    output::write(&verdicts)
}
