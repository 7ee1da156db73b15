//! The interfaces that paths name, in either form: manifests, or DTDL documents as one set.

use super::{
    files,
    load::{self, Reading},
};
use crate::{failure::Failure, source};
use gemelli_model::{Interface, manifest::Kind};
use std::path::PathBuf;

/// The interfaces of files and folders. Everything that is wrong is said before this fails.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Interface>, Failure> {
    let files = files::read(paths, &["json", "yaml", "yml"])?;
    let (documents, manifests): (Vec<_>, Vec<_>) = files.into_iter().partition(is_document);
    let mut found = Vec::new();
    if !documents.is_empty() {
        let set = load::set(documents, Reading::Strict)?;
        found.extend(set.read.interfaces);
    }
    if !manifests.is_empty() {
        let paths: Vec<PathBuf> = manifests.into_iter().map(|file| file.name.into()).collect();
        found.extend(source::read(&paths)?.into_iter().filter_map(|manifest| {
            match manifest.object.kind {
                Kind::Interface(interface) => Some(interface),
                _ => None,
            }
        }));
    }
    Ok(found)
}

/// Whether a file is a DTDL document: JSON that is no manifest.
fn is_document(file: &files::File) -> bool {
    let is_json = file.name.ends_with(".json");
    is_json
        && !file
            .bytes
            .windows(12)
            .any(|bytes| bytes == b"\"apiVersion\"")
}
