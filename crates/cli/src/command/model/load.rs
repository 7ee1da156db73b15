//! Documents from disk to a model, or everything that is wrong with them.

use super::files::{self, File};
use crate::{
    failure::{Exit, Failure, Place},
    output,
};
use gemelli_model::dtdl::{self, Fault, Model, Options, Outcome, Source, json};
use std::path::PathBuf;

/// Errors that are told one by one.
const TOLD: usize = 50;

/// A valid set of documents.
#[derive(Debug)]
pub struct Loaded {
    /// The documents, as elements number them.
    pub files: Vec<File>,
    /// What they mean.
    pub model: Model,
}

/// Reads documents as one set. Everything that is wrong is said before this fails.
pub fn load(paths: &[PathBuf]) -> Result<Loaded, Failure> {
    let files = files::read(paths)?;
    let mut sources = Vec::new();
    let mut failures = Vec::new();
    for file in &files {
        match std::str::from_utf8(&file.bytes) {
            Ok(text) => sources.push(Source {
                name: file.name.clone(),
                text: text.to_owned(),
            }),
            Err(_) => failures.extend(json::parse(&file.bytes).err().map(|e| not_text(file, &e))),
        }
    }
    if failures.is_empty() {
        match dtdl::parse(&sources, &Options::default(), &mut |_| None) {
            Outcome::Valid(model) => return Ok(Loaded { files, model }),
            Outcome::Invalid(faults) => failures.extend(faults.iter().map(|f| invalid(&files, f))),
            Outcome::Incomplete(ids) => failures.extend(ids.iter().map(|id| undefined(id))),
        }
    }
    failures.iter().take(TOLD).for_each(Failure::print);
    if failures.len() > TOLD {
        output::say(&format!("and {} more", failures.len() - TOLD));
    }
    Err(Failure::silent(Exit::Refused))
}

fn not_text(file: &File, error: &json::Error) -> Failure {
    let text = String::from_utf8_lossy(&file.bytes);
    let (line, column) = (error.pos.line as usize, error.pos.column as usize);
    let remedy = "save the file as UTF-8";
    Failure::new(Exit::Refused, "invalid-model", error.to_string(), remedy)
        .at(Place::at(&file.name, &text, line, column))
}

fn invalid(files: &[File], fault: &Fault) -> Failure {
    let message = format!("{}: {}", fault.kind, fault.message);
    let remedy = match (&fault.element, &fault.property) {
        (Some(element), Some(property)) => format!("look at `{property}` of {element}"),
        (Some(element), None) => format!("look at {element}"),
        _ => String::new(),
    };
    let failure = Failure::new(Exit::Refused, "invalid-model", message, remedy);
    match files.get(fault.source) {
        Some(file) => {
            let text = String::from_utf8_lossy(&file.bytes);
            let (line, column) = (fault.pos.line as usize, fault.pos.column as usize);
            failure.at(Place::at(&file.name, &text, line, column))
        }
        None => failure,
    }
}

fn undefined(id: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        "incomplete-model",
        format!("{id} is not defined"),
        "name the file that defines it too, or the folder that holds all files",
    )
}
