//! Reads the tables of an interface and checks that their rows rise and do not overlap.

use super::{
    reader::{Fields, Path, Reader},
    tree::Node,
};
use crate::interface::{Beyond, Row, Table};
use std::{collections::BTreeMap, sync::Arc};

/// Most rows of one table.
pub const MAX_ROWS: usize = 10_000;

/// The tables under `tables`; none if the field is absent.
pub(super) fn tables(fields: &Fields<'_>) -> BTreeMap<Arc<str>, Table> {
    let Some(node) = fields.get("tables") else {
        return BTreeMap::new();
    };
    let path = fields.path.name("tables");
    let Some(all) = Fields::any(fields.reader, node, &path, "tables") else {
        return BTreeMap::new();
    };
    all.all()
        .iter()
        .filter_map(|(key, node)| {
            Some((
                key.text.clone(),
                table(fields.reader, node, &path.name(&key.text))?,
            ))
        })
        .collect()
}

fn table(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Table> {
    const FIELDS: [&str; 5] = ["source", "edition", "unit", "above", "rows"];
    const BEYOND: [(&str, Beyond); 3] = [
        ("absent", Beyond::Absent),
        ("clamp", Beyond::Clamp),
        ("extend", Beyond::Extend),
    ];
    let fields = Fields::open(reader, node, path, "a table", &FIELDS)?;
    fields.need("rows")?;
    let rows = fields.each("rows", |node, path| row(reader, node, path));
    if rows.is_empty() || rows.len() > MAX_ROWS {
        let message = format!("a table has 1 to {MAX_ROWS} rows, this one {}", rows.len());
        reader.report(
            "limit-reached",
            node.at,
            path,
            message,
            "add or take out rows",
        );
    }
    if rows
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if b.from < a.to.unwrap_or(a.from) || b.from <= a.from))
    {
        let message = "the rows do not rise: each begins after the end of the one before";
        reader.report(
            "wrong-type",
            node.at,
            path,
            message,
            "put the rows in rising order without overlap",
        );
    }
    Some(Table {
        source: fields.text("source"),
        edition: fields.text("edition"),
        unit: fields.text("unit"),
        above: fields.word("above", &BEYOND).unwrap_or_default(),
        rows,
    })
}

fn row(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Row> {
    let fields = Fields::open(
        reader,
        node,
        path,
        "a row",
        &["from", "to", "low", "high", "class"],
    )?;
    fields.need("from")?;
    let row = Row {
        from: fields.number("from")?,
        to: fields.number("to"),
        low: fields.number("low"),
        high: fields.number("high"),
        class: fields.get("class").map(Node::value),
    };
    if row.to.is_some_and(|to| to < row.from) {
        let message = "the row ends before it begins";
        reader.report("wrong-type", node.at, path, message, "swap from and to");
    }
    Some(row)
}
