//! `gemelli model check`: whether documents are a valid set, or one for another service, and what is in it.

use super::load::{self, Reading};
use crate::{
    failure::{Exit, Failure, Place},
    output::{self, Column, Format, Sheet, cell},
    settings::Settings,
};
use gemelli_model::dtdl::{
    Model,
    adt::{self, Breach},
};
use serde_json::{Value as Json, json};
use std::{collections::BTreeMap, path::PathBuf};

/// Check documents as one set; every error at once, else the tree of Interfaces with counts
///
/// Counts include what an Interface inherits. Exit code 5 if a document is refused or an
/// identifier is not defined in the set.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File, or folder with .json files (in its folders too); may be repeated
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Refuse too what a service refuses that takes less than the language: adt (Azure Digital Twins)
    #[arg(long, value_name = "SERVICE", value_parser = ["adt"])]
    strict: Option<String>,
    /// Let pass what a fork of an ontology does otherwise, with warnings: ktwin
    #[arg(long, value_name = "FORK", value_parser = ["ktwin"])]
    lenient: Option<String>,
}

/// The counted kinds of contents: class, member of a row.
const COUNTED: [(&str, &str); 5] = [
    ("Property", "properties"),
    ("Telemetry", "telemetries"),
    ("Command", "commands"),
    ("Relationship", "relationships"),
    ("Component", "components"),
];

const SHEET: Sheet = Sheet {
    kind: "interface",
    name: |item| cell(item, "/id"),
    columns: &[
        Column {
            heading: "INTERFACE",
            wide: false,
            cell: |item| {
                let depth = item["depth"].as_u64().unwrap_or_default();
                let indent = "  ".repeat(usize::try_from(depth).unwrap_or_default());
                indent + &cell(item, "/id")
            },
        },
        Column {
            heading: "PROPERTIES",
            wide: false,
            cell: |item| cell(item, "/properties"),
        },
        Column {
            heading: "TELEMETRIES",
            wide: false,
            cell: |item| cell(item, "/telemetries"),
        },
        Column {
            heading: "COMMANDS",
            wide: false,
            cell: |item| cell(item, "/commands"),
        },
        Column {
            heading: "RELATIONSHIPS",
            wide: false,
            cell: |item| cell(item, "/relationships"),
        },
        Column {
            heading: "COMPONENTS",
            wide: false,
            cell: |item| cell(item, "/components"),
        },
        Column {
            heading: "DTDL",
            wide: true,
            cell: |item| cell(item, "/version"),
        },
        Column {
            heading: "FILE",
            wide: true,
            cell: |item| cell(item, "/file"),
        },
    ],
};

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let reading = Reading::of(args.lenient.as_deref());
    let loaded = load::load(&args.paths, reading)?;
    if args.strict.is_some() {
        portable(&loaded, reading)?;
    }
    let rows = Tree::of(&loaded).rows();
    output::list(format, &SHEET, &rows)?;
    output::say(&format!(
        "valid: {} interfaces, {} elements in {} files",
        rows.len(),
        loaded.model().element_count(),
        loaded.files.len(),
    ));
    Ok(())
}

/// Refuses what Azure Digital Twins does; every breach is said before this fails.
fn portable(loaded: &load::Loaded, reading: Reading) -> Result<(), Failure> {
    let breaches = adt::breaches(loaded.model());
    if breaches.is_empty() {
        let count = loaded.model().interfaces().count();
        if count > adt::MAX_UPLOAD {
            output::say(&format!(
                "note: upload them in {} parts: one takes at most {} models",
                count.div_ceil(adt::MAX_UPLOAD),
                adt::MAX_UPLOAD,
            ));
        }
        return Ok(());
    }
    for breach in breaches.iter().take(load::TOLD) {
        told(loaded, breach, reading).print();
    }
    if breaches.len() > load::TOLD {
        output::say(&format!("and {} more", breaches.len() - load::TOLD));
    }
    Err(Failure::silent(Exit::Refused))
}

fn told(loaded: &load::Loaded, breach: &Breach, reading: Reading) -> Failure {
    let remedy = match &breach.element {
        Some(element) => format!("look at {element}, or check without --strict adt"),
        None => "check without --strict adt".to_owned(),
    };
    let failure = Failure::new(Exit::Refused, "not-portable", &breach.message, remedy);
    let file = loaded.files.get(breach.source);
    match file.filter(|_| breach.element.is_some() && reading == Reading::Strict) {
        Some(file) => {
            let text = String::from_utf8_lossy(&file.bytes);
            let (line, column) = (breach.pos.line as usize, breach.pos.column as usize);
            failure.at(Place::at(&file.name, &text, line, column))
        }
        None => failure,
    }
}

/// Interfaces under the first of those that they extend.
struct Tree<'a> {
    loaded: &'a load::Loaded,
    children: BTreeMap<&'a str, Vec<&'a str>>,
    roots: Vec<&'a str>,
}

impl<'a> Tree<'a> {
    fn of(loaded: &'a load::Loaded) -> Self {
        let mut tree = Self {
            loaded,
            children: BTreeMap::new(),
            roots: Vec::new(),
        };
        for interface in loaded.model().interfaces() {
            match interface.refs("extends").next() {
                Some(parent) => tree.children.entry(parent).or_default().push(&interface.id),
                None => tree.roots.push(&interface.id),
            }
        }
        tree
    }

    /// One row for each Interface, those that extend one after it.
    fn rows(&self) -> Vec<Json> {
        let mut rows = Vec::new();
        let mut next: Vec<(&str, usize)> = self.roots.iter().rev().map(|id| (*id, 0)).collect();
        while let Some((id, depth)) = next.pop() {
            rows.push(self.row(id, depth));
            let children = self.children.get(id).into_iter().flatten().rev();
            next.extend(children.map(|child| (*child, depth + 1)));
        }
        rows
    }

    fn row(&self, id: &str, depth: usize) -> Json {
        let mut row = json!({ "id": id, "depth": depth });
        let counts = counts(self.loaded.model(), id);
        for ((_, member), count) in COUNTED.iter().zip(counts) {
            row[*member] = json!(count);
        }
        if let Some(interface) = self.loaded.model().get(id) {
            row["version"] = json!(interface.version);
            let file = self.loaded.files.get(interface.source);
            row["file"] = json!(file.map(|file| &file.name));
        }
        row
    }
}

/// How many contents of each kind an Interface has, inherited ones included.
fn counts(model: &Model, id: &str) -> [usize; COUNTED.len()] {
    let contents = model.contents(id);
    COUNTED.map(|(class, _)| contents.values().filter(|c| c.class == class).count())
}
