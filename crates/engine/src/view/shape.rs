//! The forms in which a twin is shown.

use super::{Member, TwinRef};
use gemelli_event::record::Edge;
use gemelli_model::{Value, time};
use std::sync::Arc;

fn object(fields: Vec<(&str, Value)>) -> Value {
    Value::Object(
        fields
            .into_iter()
            .map(|(name, value)| (Arc::from(name), value))
            .collect(),
    )
}

fn moment(ms: i64) -> Value {
    Value::text(time::format_ms(ms))
}

pub(super) fn adt(twin: &TwinRef) -> Value {
    let members: Vec<Member> = twin
        .members()
        .into_iter()
        .filter(|m| !m.telemetry)
        .collect();
    let mut metadata: Vec<(Arc<str>, Value)> = vec![
        ("$model".into(), Value::text(twin.interface().as_str())),
        ("$lastUpdateTime".into(), moment(twin.last_update_ms())),
    ];
    for member in &members {
        let updated = object(vec![("lastUpdateTime", moment(member.updated_ms))]);
        metadata.push((member.name.clone(), updated));
    }
    let mut fields: Vec<(Arc<str>, Value)> = vec![
        ("$dtId".into(), Value::text(twin.id().as_str())),
        ("$etag".into(), Value::text(twin.etag())),
        ("$metadata".into(), Value::Object(metadata.into())),
    ];
    fields.extend(members.into_iter().map(|m| (m.name, m.value)));
    Value::Object(fields.into())
}

pub(super) fn full(twin: &TwinRef) -> Value {
    let members = twin.members();
    let part = |wanted: fn(&Member) -> bool| {
        let shown = members.iter().filter(|m| wanted(m)).map(|m| {
            let shown = object(vec![
                ("value", m.value.clone()),
                ("updated", moment(m.updated_ms)),
            ]);
            (m.name.clone(), shown)
        });
        Value::Object(shown.collect())
    };
    let edges = twin.relationships();
    let incoming = twin.incoming().into_iter().map(|edge| {
        object(vec![
            ("id", Value::Text(edge.id)),
            ("name", Value::Text(edge.name)),
            ("source", Value::text(edge.source.as_str())),
        ])
    });
    object(vec![
        ("id", Value::text(twin.id().as_str())),
        ("interface", Value::text(twin.interface().as_str())),
        ("etag", Value::text(twin.etag())),
        ("lifecycle", Value::text(twin.lifecycle().as_str())),
        ("connected", Value::Bool(twin.connected())),
        ("lastUpdateTime", moment(twin.last_update_ms())),
        (
            "lastReportTime",
            twin.last_report_ms().map(moment).unwrap_or_default(),
        ),
        ("properties", part(|m| !m.derived && !m.telemetry)),
        ("telemetry", part(|m| m.telemetry)),
        ("derived", part(|m| m.derived)),
        (
            "relationships",
            Value::Array(edges.iter().map(relationship).collect()),
        ),
        ("incoming", Value::Array(incoming.collect())),
    ])
}

fn relationship(edge: &Edge) -> Value {
    object(vec![
        ("id", Value::Text(edge.id.clone())),
        ("name", Value::Text(edge.name.clone())),
        ("target", Value::text(edge.target.as_str())),
        ("properties", edge.properties.clone()),
    ])
}
