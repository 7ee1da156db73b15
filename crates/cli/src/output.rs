//! The one output layer: every command prints objects through here, so all take `-o`.

use crate::{failure::Failure, settings::Settings};
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde_json::Value as Json;
use std::io::{self, IsTerminal, Write};

/// How objects are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns.
    Table,
    /// More columns.
    Wide,
    /// JSON: one object, or a list.
    Json,
    /// YAML: documents.
    Yaml,
    /// `kind/name`, one a line.
    Name,
}

impl Format {
    /// The format that the settings name.
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        match settings.text("output") {
            "table" => Ok(Self::Table),
            "wide" => Ok(Self::Wide),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            "name" => Ok(Self::Name),
            other => {
                let remedy = format!(
                    "write table, wide, json, yaml or name ({})",
                    settings.origin("output")
                );
                Err(Failure::usage(
                    "bad-options",
                    format!("there is no output format `{other}`"),
                    remedy,
                ))
            }
        }
    }
}

/// A column: its heading, whether only `wide` shows it, and its cell for an object.
#[derive(Clone, Copy)]
pub struct Column {
    /// Heading, in capitals.
    pub heading: &'static str,
    /// Only with `-o wide`.
    pub wide: bool,
    /// The text for an object.
    pub cell: fn(&Json) -> String,
}

/// How one kind of object is printed.
#[derive(Clone, Copy)]
pub struct Sheet {
    /// The kind, in lower case, for `-o name`.
    pub kind: &'static str,
    /// Its name, for `-o name`.
    pub name: fn(&Json) -> String,
    /// Its columns.
    pub columns: &'static [Column],
}

/// Prints a list.
pub fn list(format: Format, sheet: &Sheet, items: &[Json]) -> Result<(), Failure> {
    let text = match format {
        Format::Json => json(&Json::Array(items.to_vec())),
        Format::Yaml => items
            .iter()
            .map(|item| yaml(item).map(|text| format!("---\n{text}")))
            .collect::<Result<String, _>>(),
        Format::Name => Ok(items
            .iter()
            .map(|item| format!("{}/{}\n", sheet.kind, (sheet.name)(item)))
            .collect()),
        Format::Table | Format::Wide => Ok(table(format == Format::Wide, sheet, items)),
    }?;
    write(&text)?;
    if items.is_empty() && matches!(format, Format::Table | Format::Wide) {
        say(&format!("no {}s", sheet.kind));
    }
    Ok(())
}

/// Prints one object.
pub fn one(format: Format, sheet: &Sheet, item: &Json) -> Result<(), Failure> {
    match format {
        Format::Json => write(&json(item)?),
        Format::Yaml => write(&yaml(item)?),
        _ => list(format, sheet, std::slice::from_ref(item)),
    }
}

/// The table of a list, without its last line's end; empty for an empty list.
pub fn table(wide: bool, sheet: &Sheet, items: &[Json]) -> String {
    let columns: Vec<_> = sheet
        .columns
        .iter()
        .filter(|column| wide || !column.wide)
        .collect();
    let rows = items
        .iter()
        .map(|item| columns.iter().map(|column| (column.cell)(item)).collect());
    rows_text(
        columns
            .iter()
            .map(|column| column.heading.to_owned())
            .collect(),
        rows.collect(),
    )
}

/// Rows under headings, columns aligned; empty if there are no rows.
pub fn rows_text(headings: Vec<String>, rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// JSON with two spaces of indentation.
pub fn json(item: &Json) -> Result<String, Failure> {
    serde_json::to_string_pretty(item)
        .map(|text| text + "\n")
        .map_err(|error| Failure::from(io::Error::other(error)))
}

/// YAML.
pub fn yaml(item: &Json) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(item)
        .map_err(|error| Failure::from(io::Error::other(error.to_string())))?;
    Ok(if text.ends_with('\n') {
        text
    } else {
        text + "\n"
    })
}

/// Writes data to stdout.
pub fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Talks on stderr.
pub fn say(text: &str) {
    // Nobody is left to be told when stderr itself is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether a person watches stderr.
pub fn watched() -> bool {
    io::stderr().is_terminal()
}

/// The text at a JSON pointer: texts as they are, the rest as JSON, nothing if absent or null.
pub fn cell(item: &Json, pointer: &str) -> String {
    match item.pointer(pointer) {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The first of several pointers that leads to something.
pub fn first(item: &Json, pointers: &[&str]) -> String {
    pointers
        .iter()
        .map(|pointer| cell(item, pointer))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}
