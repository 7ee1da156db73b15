//! `gemelli model show`: one Interface with all it has.

use super::load::{self, Reading};
use crate::{
    failure::{Exit, Failure},
    output::{self, Column, Format, Sheet, cell},
    settings::Settings,
};
use gemelli_model::dtdl::{Element, Model, Value};
use serde_json::{Value as Json, json};
use std::path::PathBuf;

/// Schemas within schemas that are spelled out.
const DEPTH: usize = 3;

/// Show the contents of an Interface, inherited ones included
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Identifier of the Interface
    #[arg(value_name = "ID")]
    id: String,
    /// File, or folder with .json files (in its folders too); may be repeated
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
}

const SHEET: Sheet = Sheet {
    kind: "content",
    name: |item| cell(item, "/name"),
    columns: &[
        Column {
            heading: "NAME",
            wide: false,
            cell: |item| cell(item, "/name"),
        },
        Column {
            heading: "KIND",
            wide: false,
            cell: |item| cell(item, "/kind"),
        },
        Column {
            heading: "SCHEMA",
            wide: false,
            cell: |item| cell(item, "/schema"),
        },
        Column {
            heading: "FROM",
            wide: false,
            cell: |item| cell(item, "/from"),
        },
        Column {
            heading: "TYPES",
            wide: true,
            cell: |item| cell(item, "/types"),
        },
        Column {
            heading: "ID",
            wide: true,
            cell: |item| cell(item, "/id"),
        },
    ],
};

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let loaded = load::load(&args.paths, Reading::Strict)?;
    let model = loaded.model();
    let known = |id: &str| model.interfaces().any(|interface| &*interface.id == id);
    if !known(&args.id) {
        return Err(Failure::new(
            Exit::NotFound,
            "not-found",
            format!("there is no Interface `{}` in what was named", args.id),
            "`gemelli model check PATH` lists those that there are",
        ));
    }
    let contents = model.contents(&args.id);
    let rows: Vec<Json> = contents
        .values()
        .map(|content| row(model, content))
        .collect();
    output::list(format, &SHEET, &rows)
}

fn row(model: &Model, content: &Element) -> Json {
    let types: Vec<&str> = content.cotypes.iter().map(|id| term(id)).collect();
    json!({
        "name": content.text("name"),
        "kind": content.class,
        "schema": schema(model, content),
        "from": &*content.interface,
        "types": types.join(", "),
        "id": &*content.id,
    })
}

/// What a content carries: its schema, its target, or request and response.
fn schema(model: &Model, content: &Element) -> String {
    match content.class.as_str() {
        "Command" => {
            let payload = |property| {
                let payload = content.refs(property).next().and_then(|id| model.get(id))?;
                Some(of(model, payload, "schema", DEPTH))
            };
            let request = payload("request").unwrap_or_default();
            match payload("response") {
                Some(response) => format!("({request}) -> {response}"),
                None => format!("({request})"),
            }
        }
        "Relationship" => match content.properties.get("target").and_then(|all| all.first()) {
            Some(Value::Dtmi(id) | Value::Element(id)) => id.to_string(),
            _ => "any Interface".to_owned(),
        },
        _ => of(model, content, "schema", DEPTH),
    }
}

/// The schema that a property of an element names.
fn of(model: &Model, element: &Element, property: &str, depth: usize) -> String {
    let Some(id) = element.refs(property).next() else {
        return String::new();
    };
    let Some(schema) = model.get(id) else {
        return term(id).to_owned();
    };
    if depth == 0 || schema.class == "Interface" {
        return id.to_string();
    }
    let parts = |property: &str| -> Vec<String> {
        let parts = schema.refs(property).filter_map(|id| model.get(id));
        let name = |part: &Element| part.text("name").unwrap_or_default().to_owned();
        parts
            .map(|part| match property {
                "fields" => format!("{}: {}", name(part), of(model, part, "schema", depth - 1)),
                _ => name(part),
            })
            .collect()
    };
    match schema.class.as_str() {
        "Array" => format!("[{}]", of(model, schema, "elementSchema", depth - 1)),
        "Map" => {
            let value = schema.refs("mapValue").next().and_then(|id| model.get(id));
            let value = value.map(|value| of(model, value, "schema", depth - 1));
            format!("{{*: {}}}", value.unwrap_or_default())
        }
        "Object" => format!("{{{}}}", parts("fields").join(", ")),
        "Enum" => parts("enumValues").join(" | "),
        _ => id.to_string(),
    }
}

/// The last part of an identifier of the language.
fn term(id: &str) -> &str {
    let path = id.split(';').next().unwrap_or(id);
    path.rsplit(':').next().unwrap_or(path)
}
