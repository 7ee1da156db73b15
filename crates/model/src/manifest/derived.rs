//! Reads how a derived property comes about, and checks that it says one thing only.

use super::{
    reader::{Fields, Path, Reader},
    tree::{Node, Shape},
};
use crate::{
    InterfaceId, Value,
    interface::{Aggregate, Derived, Direction, Emit, Op},
};

pub(super) fn derived(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Derived> {
    const FIELDS: [&str; 5] = ["expression", "aggregate", "on", "expiresMs", "emit"];
    let fields = Fields::open(reader, node, path, "derived", &FIELDS)?;
    let expression = fields.text("expression");
    let aggregate = fields
        .get("aggregate")
        .map(|node| aggregate(reader, node, &path.name("aggregate")));
    if expression.is_some() == aggregate.is_some() {
        let message = "a derived property has exactly one of expression and aggregate";
        let remedy = if expression.is_some() {
            "keep one of the two"
        } else {
            "add one of the two"
        };
        reader.report("missing-field", node.at, path, message, remedy);
    }
    if expression
        .as_ref()
        .is_some_and(|text| text.trim().is_empty())
    {
        let message = "the expression is empty";
        reader.report(
            "malformed-expression",
            node.at,
            &path.name("expression"),
            message,
            "write a CEL expression",
        );
    }
    let on = fields.each("on", |node, path| reader.text(node, path));
    if !on.is_empty() && aggregate.is_some() {
        let message = "an aggregate follows its related twins, so it has no on";
        reader.report(
            "unknown-field",
            node.at,
            &path.name("on"),
            message,
            "take out on",
        );
    }
    let expires_ms = fields.whole("expiresMs");
    if expires_ms == Some(0) {
        let message = "a value that expires at once is never there";
        reader.report(
            "wrong-type",
            node.at,
            &path.name("expiresMs"),
            message,
            "give milliseconds from 1 on",
        );
    }
    Some(Derived {
        expression,
        aggregate: match aggregate {
            Some(None) => return None,
            other => other.flatten(),
        },
        on,
        expires_ms,
        emit: fields
            .get("emit")
            .and_then(|node| emit(reader, node, &path.name("emit"))),
    })
}

fn aggregate(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Aggregate> {
    const FIELDS: [&str; 6] = ["op", "over", "direction", "interface", "of", "where"];
    const OPS: [(&str, Op); 7] = [
        ("sum", Op::Sum),
        ("avg", Op::Avg),
        ("min", Op::Min),
        ("max", Op::Max),
        ("count", Op::Count),
        ("any", Op::Any),
        ("all", Op::All),
    ];
    let fields = Fields::open(reader, node, path, "an aggregate", &FIELDS)?;
    let op = fields
        .need("op")
        .and_then(|node| reader.word(node, &path.name("op"), &OPS));
    let over = fields.need_text("over");
    let direction = fields.need("direction").and_then(|node| {
        let words = [
            ("outgoing", Direction::Outgoing),
            ("incoming", Direction::Incoming),
        ];
        reader.word(node, &path.name("direction"), &words)
    });
    let interface = fields.text("interface").map(InterfaceId::new);
    let (of, filter) = (fields.text("of"), fields.text("where"));
    let lacking = match op {
        Some(Op::Sum | Op::Avg | Op::Min | Op::Max) if of.is_none() => Some("of"),
        Some(Op::Any | Op::All) if of.is_none() && filter.is_none() => Some("of or where"),
        _ => None,
    };
    if let Some(lacking) = lacking {
        let message = format!(
            "this aggregate needs {lacking}: what of the related twins it is computed from"
        );
        reader.report(
            "missing-field",
            node.at,
            path,
            message,
            format!("add {lacking}"),
        );
    }
    Some(Aggregate {
        op: op?,
        over: over?,
        direction: direction?,
        interface,
        of,
        filter,
    })
}

fn emit(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Emit> {
    if matches!(&node.shape, Shape::Scalar(Value::Text(word)) if &**word == "command") {
        let message = "emit: command names no command";
        let remedy = "write emit: { command: { name: …, relationship: … } }";
        reader.report("missing-field", node.at, path, message, remedy);
        return None;
    }
    if matches!(node.shape, Shape::Scalar(_)) {
        return reader
            .word(node, path, &[("virtual", ())])
            .map(|()| Emit::Virtual);
    }
    let fields = Fields::open(reader, node, path, "emit", &["command"])?;
    let inner = path.name("command");
    let fields = Fields::open(
        reader,
        fields.need("command")?,
        &inner,
        "a command to emit",
        &["name", "relationship"],
    )?;
    let (name, relationship) = (fields.need_text("name"), fields.need_text("relationship"));
    Some(Emit::Command {
        name: name?,
        relationship: relationship?,
    })
}
