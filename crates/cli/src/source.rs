//! Manifests on disk: files, folders or stdin, each object with the place where it stands.

use crate::failure::{Exit, Failure, Place};
use serde_json::Value as Json;
use std::{
    fs, io,
    path::{Path, PathBuf},
    rc::Rc,
};

/// A manifest and where it came from.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The file as the user named it.
    pub file: Rc<str>,
    /// The file's text.
    pub text: Rc<str>,
    /// The object.
    pub object: Json,
}

impl Manifest {
    /// Its kind.
    pub fn kind(&self) -> &str {
        self.object
            .get("kind")
            .and_then(Json::as_str)
            .unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.object
            .pointer("/metadata/name")
            .and_then(Json::as_str)
            .unwrap_or_default()
    }

    /// The line that names it, else the file's first.
    pub fn place(&self) -> Place {
        let named =
            |line: &&str| line.trim_start().starts_with("name:") && line.contains(self.name());
        let line = self
            .text
            .lines()
            .position(|line| named(&line))
            .unwrap_or_default()
            + 1;
        let row = self.text.lines().nth(line - 1).unwrap_or_default();
        let column = row.chars().take_while(|c| c.is_whitespace()).count() + 1;
        Place::at(&self.file, &self.text, line, column)
    }
}

/// Reads all manifests of files, folders (`.yaml`, `.yml` and `.json`, folders in them too, by name) and `-` for stdin.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Manifest>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        match path.to_str() {
            Some("-") => parse("<stdin>", &io::read_to_string(io::stdin())?, &mut found)?,
            _ => walk(path, true, &mut found)?,
        }
    }
    if found.is_empty() {
        let remedy = "name a file or folder with .yaml, .yml or .json manifests";
        return Err(Failure::usage(
            "not-found",
            "there is no manifest in what -f names",
            remedy,
        ));
    }
    Ok(found)
}

fn walk(path: &Path, named: bool, found: &mut Vec<Manifest>) -> Result<(), Failure> {
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
        return inside.iter().try_for_each(|path| walk(path, false, found));
    }
    let manifest = path
        .extension()
        .is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending == *known));
    if !named && !manifest {
        return Ok(());
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    parse(&path.display().to_string(), &text, found)
}

fn parse(file: &str, text: &str, found: &mut Vec<Manifest>) -> Result<(), Failure> {
    let objects: Vec<Json> = serde_saphyr::from_multiple(text).map_err(|error| {
        let (line, column) = error
            .location()
            .map_or((1, 1), |at| (at.line() as usize, at.column() as usize));
        Failure::new(
            Exit::Refused,
            "malformed-yaml",
            error.without_snippet().to_string(),
            "correct the text at the place shown",
        )
        .at(Place::at(file, text, line, column))
    })?;
    let (file, text): (Rc<str>, Rc<str>) = (file.into(), text.into());
    let objects = objects.into_iter().filter(|object| !object.is_null());
    found.extend(objects.map(|object| Manifest {
        file: file.clone(),
        text: text.clone(),
        object,
    }));
    Ok(())
}
