//! `gemelli model import`: DTDL and KTWIN's resources as manifests of the product.

use super::{
    files,
    load::{self, Reading},
};
use crate::{failure::Failure, output, source};
use gemelli_model::{
    convert,
    manifest::{self, Manifest},
};
use std::path::PathBuf;

/// Write DTDL documents or KTWIN's resources as manifests that apply takes
///
/// Members are written in the product's own YAML, to be read and changed. What only the document
/// says (other languages, semantic types) is named on stderr; `apply -f` on the document keeps it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File or folder: DTDL (.json) or KTWIN's resources (.yaml); may be repeated
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Let pass what a fork of an ontology does otherwise, with warnings: ktwin
    #[arg(long, value_name = "FORK", value_parser = ["ktwin"])]
    lenient: Option<String>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failure> {
    let found = files::read(&args.paths, &["json", "yaml", "yml"])?;
    let (documents, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|file| file.name.ends_with(".json"));
    let mut manifests = Vec::new();
    if !documents.is_empty() {
        let set = load::set(documents, Reading::of(args.lenient.as_deref()))?;
        for (what, count) in convert::lost(&set.read) {
            output::say(&format!("note: lost: {what} ({count} times)"));
        }
        manifests.extend(set.read.interfaces.into_iter().map(|mut interface| {
            interface.dtdl = None;
            Manifest::of_interface(interface)
        }));
    }
    if !others.is_empty() {
        let paths: Vec<PathBuf> = others.into_iter().map(|file| file.name.into()).collect();
        manifests.extend(
            source::read(&paths)?
                .into_iter()
                .map(|manifest| manifest.object),
        );
    }
    output::write(&manifest::to_yaml(&manifests))
}
