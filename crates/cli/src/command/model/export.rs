//! `gemelli model export`: interfaces in other languages.

use super::interfaces;
use crate::{
    failure::{Exit, Failure},
    output,
};
use gemelli_model::{Interface, InterfaceId, Value, convert, ktwin, resolve};
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

/// Write interfaces as DTDL, for KTWIN, as JSON Schema or as W3C Thing Models
///
/// What the other language has no word for is said on stderr. Without --dir, everything goes to
/// stdout: JSON, as a list where there are several; YAML documents for KTWIN.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File or folder: DTDL (.json) or manifests (.yaml); may be repeated
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// The language: dtdl, ktwin, jsonschema (2020-12) or td (Thing Model 1.1)
    #[arg(long, value_name = "LANGUAGE", value_parser = ["dtdl", "ktwin", "jsonschema", "td"])]
    to: String,
    /// Write a file for each interface here
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

/// Documents in the order of the interfaces, and what they lack.
struct Exported {
    documents: Vec<(InterfaceId, Json)>,
    left_out: BTreeSet<String>,
    ending: &'static str,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failure> {
    let interfaces = interfaces::read(&args.paths)?;
    let names = convert::file_names(interfaces.iter().map(|interface| &interface.id));
    let exported = match args.to.as_str() {
        "dtdl" => dtdl(&interfaces),
        "ktwin" => for_ktwin(&interfaces),
        "td" => thing_models(&interfaces, &names),
        _ => json_schemas(&interfaces)?,
    };
    if !exported.left_out.is_empty() {
        let all: Vec<&str> = exported.left_out.iter().map(String::as_str).collect();
        output::say(&format!("note: left out: {}", all.join(", ")));
    }
    let yaml = exported.ending == "yaml";
    let write = |document: &Json| match yaml {
        true => output::yaml(document),
        false => output::json(document),
    };
    let Some(folder) = args.dir else {
        let mut documents: Vec<Json> = exported.documents.into_iter().map(|(_, d)| d).collect();
        return output::write(&match documents.len() {
            1 => write(&documents.remove(0))?,
            _ if yaml => {
                let each = documents
                    .iter()
                    .map(|d| write(d).map(|text| format!("---\n{text}")));
                each.collect::<Result<String, _>>()?
            }
            _ => write(&Json::Array(documents))?,
        });
    };
    fs::create_dir_all(&folder)?;
    for (id, document) in &exported.documents {
        let name = names.get(id).map(String::as_str).unwrap_or_default();
        fs::write(
            folder.join(format!("{name}.{}", exported.ending)),
            write(document)?,
        )?;
    }
    output::say(&format!(
        "{} files in {}",
        exported.documents.len(),
        folder.display()
    ));
    Ok(())
}

fn dtdl(interfaces: &[Interface]) -> Exported {
    let documents = convert::to_dtdl_set(interfaces);
    let ids = interfaces.iter().map(|interface| interface.id.clone());
    Exported {
        documents: ids
            .zip(documents.iter().map(|document| json!(document)))
            .collect(),
        left_out: BTreeSet::new(),
        ending: "json",
    }
}

fn for_ktwin(interfaces: &[Interface]) -> Exported {
    let mut left_out = BTreeSet::new();
    let documents = interfaces.iter().map(|interface| {
        let exported = ktwin::export(interface);
        left_out.extend(exported.left_out);
        (interface.id.clone(), json!(exported.manifest))
    });
    Exported {
        documents: documents.collect(),
        left_out,
        ending: "yaml",
    }
}

fn thing_models(interfaces: &[Interface], names: &BTreeMap<InterfaceId, String>) -> Exported {
    let mut left_out = BTreeSet::new();
    let href = |id: &InterfaceId| match names.get(id) {
        Some(name) => format!("./{name}.tm.jsonld"),
        None => convert::dtmi_of(id.as_str()),
    };
    let documents = interfaces.iter().map(|interface| {
        let model = convert::to_thing_model(interface, href);
        left_out.extend(model.left_out);
        (interface.id.clone(), json!(model.document))
    });
    Exported {
        documents: documents.collect(),
        left_out,
        ending: "tm.jsonld",
    }
}

fn json_schemas(interfaces: &[Interface]) -> Result<Exported, Failure> {
    let by_id = interfaces
        .iter()
        .map(|interface| (interface.id.clone(), interface.clone()));
    let resolved = resolve::all(&by_id.collect()).map_err(|faults| {
        let messages: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let first = faults.first();
        let code = first.map_or("unknown-interface", resolve::Fault::code);
        let remedy = first.map(resolve::Fault::remedy).unwrap_or_default();
        Failure::new(Exit::Refused, code, messages.join("; "), remedy)
    })?;
    let schema = |interface: &Interface| -> Option<(InterfaceId, Json)> {
        let schema: Value = convert::to_json_schema(resolved.get(&interface.id)?);
        Some((interface.id.clone(), json!(schema)))
    };
    Ok(Exported {
        documents: interfaces.iter().filter_map(schema).collect(),
        left_out: BTreeSet::new(),
        ending: "schema.json",
    })
}
