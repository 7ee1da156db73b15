//! `TwinInstance` becomes a twin; its edges are kept even where nothing is at their end.

use super::{Gaps, items, text};
use crate::{
    InterfaceId, TwinId, Value, id,
    manifest::{
        Relation, Twin,
        reader::{Path, Reader},
        tree::{Node, Shape},
    },
};
use std::sync::Arc;

pub(super) fn twin(reader: &Reader, spec: &Node, path: &Path<'_>, gaps: &mut Gaps) -> Option<Twin> {
    let Some(interface) = text(spec, "interface") else {
        let remedy = "add spec.interface";
        reader.report(
            "missing-field",
            spec.at,
            path,
            "this TwinInstance names no interface",
            remedy,
        );
        return None;
    };
    if spec.field("endpointSettings").is_some_and(names_a_topic) {
        let message =
            "the topics under endpointSettings are not used: a Connection maps foreign topics";
        gaps.note(message.into(), spec.at);
    }
    let properties = spec.field("data").map(properties).unwrap_or_default();
    Some(Twin {
        interface: InterfaceId::new(interface),
        properties: Value::Object(properties.into()),
        relationships: relationships(spec, gaps),
    })
}

/// Initial values; empty text is what KTWIN's tool writes where there is none.
fn properties(data: &Node) -> Vec<(Arc<str>, Value)> {
    let mut found: Vec<(Arc<str>, Value)> = Vec::new();
    for node in items(data, "properties") {
        let (Some(name), Some(value)) = (text(node, "name"), node.field("value")) else {
            continue;
        };
        let value = value.value();
        let absent = value.is_null() || value.as_str().is_some_and(str::is_empty);
        if !absent && found.iter().all(|(known, _)| *known != name) {
            found.push((name, value));
        }
    }
    found
}

fn relationships(spec: &Node, gaps: &mut Gaps) -> Vec<Relation> {
    struct Read {
        written: Arc<str>,
        name: Arc<str>,
        target: Arc<str>,
    }
    let mut read: Vec<Read> = Vec::new();
    for node in items(spec, "twinInstanceRelationships") {
        let (Some(written), Some(target)) = (text(node, "name"), text(node, "instance")) else {
            gaps.note(
                "a relationship without name or instance is left out".into(),
                node.at,
            );
            continue;
        };
        if id::check(&written).is_err() || id::check(&target).is_err() {
            gaps.note(
                "a relationship whose name or instance cannot be an id is left out".into(),
                node.at,
            );
            continue;
        }
        let name: Arc<str> = unnumbered(&written).into();
        if read
            .iter()
            .any(|known| known.written == written && known.target == target)
        {
            gaps.note(
                "a relationship that is listed twice is taken once".into(),
                node.at,
            );
            continue;
        }
        gaps.edge(text(node, "interface"), &target, node.at);
        read.push(Read {
            written,
            name,
            target,
        });
    }
    let edge = |one: &Read| {
        let alone = read
            .iter()
            .filter(|other| other.written == one.written)
            .count()
            == 1;
        let id = if alone {
            one.written.clone()
        } else {
            format!("{}-{}", one.written, one.target).into()
        };
        Relation {
            id,
            name: one.name.clone(),
            target: TwinId::new(one.target.clone()),
            properties: Value::Null,
        }
    };
    read.iter().map(edge).collect()
}

/// A relationship's name without the instance number (`refPole-001`) that KTWIN's tool gives it.
pub(super) fn unnumbered(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((stem, number)) if number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()) => {
            stem
        }
        _ => name,
    }
}

fn names_a_topic(settings: &Node) -> bool {
    match &settings.shape {
        Shape::Scalar(value) => value.as_str().is_some_and(|text| !text.is_empty()),
        Shape::List(items) => items.iter().any(names_a_topic),
        Shape::Map(entries) => entries.iter().any(|(_, node)| names_a_topic(node)),
    }
}
