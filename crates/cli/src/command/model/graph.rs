//! `gemelli model graph`: Interfaces and what ties them together, to be drawn.

use super::{
    load::{self, Reading},
    picture::{Arrow, Line, Picture},
};
use crate::{failure::Failure, output};
use gemelli_model::dtdl::{Element, Model, Value};
use std::path::PathBuf;

/// Draw inheritance, components and relationships of a valid set of documents
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File, or folder with .json files (in its folders too); may be repeated
    #[arg(required = true, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// dot (Graphviz) or mermaid
    #[arg(long, default_value = "dot", value_name = "LANGUAGE", value_parser = ["dot", "mermaid"])]
    to: String,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failure> {
    let picture = picture(load::load(&args.paths, Reading::Strict)?.model());
    output::write(&match args.to.as_str() {
        "mermaid" => picture.mermaid(),
        _ => picture.dot(),
    })
}

/// A model as boxes and arrows; contents stand at the Interface that defines them.
fn picture(model: &Model) -> Picture {
    let mut picture = Picture::default();
    for interface in model.interfaces() {
        let id = interface.id.to_string();
        picture.boxes.push((id.clone(), label(interface)));
        for parent in interface.refs("extends") {
            picture.arrows.push(Arrow {
                from: id.clone(),
                to: parent.to_string(),
                label: "extends".to_owned(),
                line: Line::Inherits,
            });
        }
        let contents = interface.refs("contents").filter_map(|id| model.get(id));
        picture.arrows.extend(contents.filter_map(|content| {
            let (property, line) = match content.class.as_str() {
                "Component" => ("schema", Line::Holds),
                "Relationship" => ("target", Line::Relates),
                _ => return None,
            };
            Some(Arrow {
                from: id.clone(),
                to: target(content, property)?,
                label: content.text("name").unwrap_or_default().to_owned(),
                line,
            })
        }));
    }
    picture
}

/// The identifier that a property names, defined or not.
fn target(element: &Element, property: &str) -> Option<String> {
    match element.properties.get(property)?.first()? {
        Value::Dtmi(id) | Value::Element(id) => Some(id.to_string()),
        _ => None,
    }
}

/// The name to show for an Interface: English if there is one, else any, else its identifier.
fn label(interface: &Element) -> String {
    let shown = match interface
        .properties
        .get("displayName")
        .and_then(|all| all.first())
    {
        Some(Value::Texts(texts)) => texts.get("en").or_else(|| texts.values().next()),
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    shown.map_or_else(|| interface.id.to_string(), Clone::clone)
}
