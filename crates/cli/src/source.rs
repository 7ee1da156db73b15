//! Manifests on disk: files, folders or stdin, each object with the place where it stands.

use crate::{
    failure::{Exit, Failure, Place},
    output,
};
use gemelli_client::Object;
use gemelli_model::manifest;
use serde_json::{Value as Json, json};
use std::{
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

/// Problems that are told one by one.
pub const TOLD: usize = 20;

/// A manifest and where it came from.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The file as the user named it.
    pub file: Rc<str>,
    /// The file's text.
    pub text: Rc<str>,
    /// Where it begins in the text.
    pub at: manifest::Place,
    /// What it is, as it was read.
    pub object: manifest::Manifest,
}

impl Manifest {
    /// Its kind as manifests name it.
    pub fn kind(&self) -> &'static str {
        self.object.kind.as_str()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.object.name
    }

    /// Its canonical form.
    pub fn json(&self) -> Json {
        json!(manifest::to_value(&self.object))
    }

    /// The line where it begins.
    pub fn place(&self) -> Place {
        Place::at(
            &self.file,
            &self.text,
            self.at.line as usize,
            self.at.column as usize,
        )
    }
}

/// Reads all manifests of files, folders (`.yaml`, `.yml` and `.json`, folders in them too, by
/// name) and `-` for stdin. Everything that is wrong is said before this fails.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Manifest>, Failure> {
    let mut reading = Reading::default();
    for path in paths {
        match path.to_str() {
            Some("-") => reading.parse("<stdin>", &io::read_to_string(io::stdin())?),
            _ => reading.walk(path, true)?,
        }
    }
    let Reading {
        found,
        mut problems,
    } = reading;
    if let Some(last) = problems.pop() {
        problems.truncate(TOLD);
        problems.iter().for_each(Failure::print);
        return Err(last);
    }
    if found.is_empty() {
        let remedy = "name a file or folder with .yaml, .yml or .json manifests";
        let named: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(Failure::new(
            Exit::NotFound,
            "not-found",
            format!("there is no manifest in {}", named.join(", ")),
            remedy,
        ));
    }
    Ok(found)
}

/// Where a pointer into an object leads to in its file.
pub fn pointed(manifests: &[Manifest], object: &Object, pointer: &str) -> Option<Place> {
    let manifest = manifests
        .iter()
        .find(|m| m.kind() == object.kind && m.name() == object.name)?;
    let at = manifest::place_of(&manifest.text, manifest.at, pointer)?;
    let (line, column) = (at.line as usize, at.column as usize);
    Some(Place::at(&manifest.file, &manifest.text, line, column))
}

/// Where a refusal's words point: at the manifest with the longest name among them, else at the
/// first value that is one of them.
pub fn meant(manifests: &[Manifest], words: &str) -> Option<Place> {
    let words: Vec<&str> = words
        .split_whitespace()
        .map(|word| word.trim_matches(['`', '"', '\'', ',', ':', ';']))
        .collect();
    let named = manifests
        .iter()
        .filter(|manifest| words.contains(&manifest.name()));
    if let Some(manifest) = named.max_by_key(|manifest| manifest.name().len()) {
        return Some(manifest.place());
    }
    words.iter().filter(|word| word.len() > 2).find_map(|word| {
        let manifest = manifests
            .iter()
            .find(|manifest| holds(&manifest.json(), word))?;
        let from = (manifest.at.line as usize).saturating_sub(1);
        let (line, column) = manifest
            .text
            .lines()
            .enumerate()
            .skip(from)
            .find_map(|(line, text)| Some((line, text.find(word)?)))?;
        let row = manifest.text.lines().nth(line)?;
        let column = row.get(..column)?.chars().count() + 1;
        Some(Place::at(&manifest.file, &manifest.text, line + 1, column))
    })
}

/// Whether a text somewhere in a value is this word.
fn holds(value: &Json, word: &str) -> bool {
    match value {
        Json::String(text) => text == word,
        Json::Array(items) => items.iter().any(|item| holds(item, word)),
        Json::Object(fields) => fields.values().any(|field| holds(field, word)),
        _ => false,
    }
}

#[derive(Default)]
struct Reading {
    found: Vec<Manifest>,
    problems: Vec<Failure>,
}

impl Reading {
    fn walk(&mut self, path: &Path, named: bool) -> Result<(), Failure> {
        let unreadable = |error: io::Error| {
            let exit = if error.kind() == io::ErrorKind::NotFound {
                Exit::NotFound
            } else {
                Exit::Failed
            };
            Failure::new(
                exit,
                "not-found",
                format!("cannot read {}: {error}", path.display()),
                "check the path given to -f",
            )
        };
        if path.is_dir() {
            let entries: io::Result<Vec<_>> = fs::read_dir(path).map_err(unreadable)?.collect();
            let mut inside: Vec<_> = entries
                .map_err(unreadable)?
                .into_iter()
                .map(|entry| entry.path())
                .collect();
            inside.sort();
            return inside.iter().try_for_each(|path| self.walk(path, false));
        }
        let manifest = path
            .extension()
            .is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known));
        if named || manifest {
            self.parse(
                &path.display().to_string(),
                &fs::read_to_string(path).map_err(unreadable)?,
            );
        }
        Ok(())
    }

    fn parse(&mut self, file: &str, text: &str) {
        let (file, text): (Rc<str>, Rc<str>) = (file.into(), text.into());
        let parsed = manifest::parse(&text);
        self.problems
            .extend(parsed.problems.into_iter().map(|problem| {
                Failure::new(Exit::Refused, problem.code, problem.message, problem.remedy).at(
                    Place::at(&file, &text, problem.line as usize, problem.column as usize),
                )
            }));
        for warning in &parsed.warnings {
            output::say(&format!("note: {file}: {warning}"));
        }
        let objects = parsed.manifests.into_iter().zip(parsed.places);
        self.found.extend(objects.map(|(object, at)| Manifest {
            file: file.clone(),
            text: text.clone(),
            at,
            object,
        }));
    }
}
