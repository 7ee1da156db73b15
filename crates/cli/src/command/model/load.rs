//! Documents from disk to a model, or everything that is wrong with them.

use super::files::{self, File};
use crate::{
    failure::{Exit, Failure, Place},
    output,
};
use gemelli_model::{
    convert::{self, Read, Refused},
    dtdl::{Fault, Model, Options, Source, json},
};
use std::path::PathBuf;

/// Errors that are told one by one.
pub const TOLD: usize = 50;

/// How much is let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing.
    Strict,
    /// What KTWIN's fork of the smart-city ontology does otherwise; each kind of it is said.
    Ktwin,
}

impl Reading {
    /// That of the flag `--lenient`.
    pub fn of(lenient: Option<&str>) -> Self {
        lenient.map_or(Self::Strict, |_| Self::Ktwin)
    }
}

/// A valid set of documents.
#[derive(Debug)]
pub struct Loaded {
    /// The documents, as elements number them.
    pub files: Vec<File>,
    /// What they mean.
    pub read: Read,
}

impl Loaded {
    /// The elements.
    pub fn model(&self) -> &Model {
        &self.read.model
    }
}

/// Reads documents as one set. Everything that is wrong is said before this fails.
pub fn load(paths: &[PathBuf], reading: Reading) -> Result<Loaded, Failure> {
    set(files::read(paths, &["json"])?, reading)
}

/// As [`load`], of files that are read already.
pub fn set(files: Vec<File>, reading: Reading) -> Result<Loaded, Failure> {
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
    if failures.is_empty() && reading == Reading::Ktwin {
        sources = mended(&sources)?;
    }
    if failures.is_empty() {
        let refused = match convert::read(&sources, &Options::default(), &mut |_| None) {
            Ok(read) => return Ok(Loaded { files, read }),
            Err(refused) => refused,
        };
        match refused {
            // Places in a document that was mended are not those of the file.
            Refused::Invalid(faults) if reading == Reading::Ktwin => {
                failures.extend(faults.iter().map(|fault| invalid(&[], fault)));
            }
            Refused::Invalid(faults) => failures.extend(faults.iter().map(|f| invalid(&files, f))),
            Refused::Incomplete(ids) => failures.extend(ids.iter().map(|id| undefined(id))),
            other => failures.push(Failure::new(
                Exit::Refused,
                "invalid-model",
                other.to_string(),
                "mend what it names",
            )),
        }
    }
    failures.iter().take(TOLD).for_each(Failure::print);
    if failures.len() > TOLD {
        output::say(&format!("and {} more", failures.len() - TOLD));
    }
    Err(Failure::silent(Exit::Refused))
}

/// The documents as the strict reader takes them; what is changed is said.
fn mended(sources: &[Source]) -> Result<Vec<Source>, Failure> {
    let mended = convert::mend_ktwin(sources).map_err(|(name, error)| {
        let text = sources.iter().find(|source| source.name == name);
        let text = text.map(|source| source.text.as_str()).unwrap_or_default();
        let (line, column) = (error.pos.line as usize, error.pos.column as usize);
        let remedy = "a document is JSON; mend it there";
        Failure::new(Exit::Refused, "invalid-model", error.to_string(), remedy)
            .at(Place::at(&name, text, line, column))
    })?;
    for (warning, count) in &mended.warnings {
        output::say(&format!("warning: {warning} ({count} times)"));
    }
    Ok(mended.sources)
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
