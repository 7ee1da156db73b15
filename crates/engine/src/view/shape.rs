//! The forms in which a twin is shown.

use super::{Member, TwinRef};
use crate::{
    Entanglement, Part,
    definitions::SlotKind,
    twin::{Cell, NEVER, Twin},
};
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

/// A time as that data plane writes it, with seven digits after the point.
fn fine(ms: i64) -> Value {
    let text = time::format_ms(ms.div_euclid(1_000) * 1_000);
    let whole = text.strip_suffix('Z').unwrap_or(&text);
    Value::text(format!("{whole}.{:03}0000Z", ms.rem_euclid(1_000)))
}

fn updated(ms: i64) -> Value {
    object(vec![("lastUpdateTime", fine(ms))])
}

pub(super) fn adt(twin: &TwinRef) -> Value {
    let Twin {
        interface, cells, ..
    } = &*twin.0;
    let mut metadata: Vec<(Arc<str>, Value)> = vec![
        ("$model".into(), Value::text(twin.interface().as_str())),
        ("$lastUpdateTime".into(), fine(twin.last_update_ms())),
    ];
    let mut members = Vec::new();
    for (slot, cell) in interface.slots().iter().zip(cells) {
        if let Some(part) = slot.part() {
            let ms = component_ms(twin, cell);
            members.push((slot.name.clone(), of_part(part, &cell.value, ms)));
        } else if !cell.value.is_null() && !matches!(slot.kind, SlotKind::Telemetry { .. }) {
            metadata.push((slot.name.clone(), updated(cell.time_ms)));
            members.push((slot.name.clone(), cell.value.clone()));
        }
    }
    let mut fields: Vec<(Arc<str>, Value)> = vec![
        ("$dtId".into(), Value::text(twin.id().as_str())),
        ("$etag".into(), Value::text(twin.etag())),
    ];
    fields.append(&mut members);
    fields.push(("$metadata".into(), Value::Object(metadata.into())));
    Value::Object(fields.into())
}

pub(super) fn component(twin: &TwinRef, name: &str) -> Option<Value> {
    let slot = twin.0.interface.slot_of(name)?;
    let part = twin.0.interface.slot(slot)?.part()?;
    let cell = twin.0.cells.get(usize::from(slot))?;
    Some(of_part(part, &cell.value, component_ms(twin, cell)))
}

/// When a component changed; one that was never written is as old as its twin's last change.
fn component_ms(twin: &TwinRef, cell: &Cell) -> i64 {
    match cell.time_ms {
        NEVER => twin.last_update_ms(),
        ms => ms,
    }
}

fn of_part(part: &Part, value: &Value, ms: i64) -> Value {
    let fields = match value {
        Value::Object(fields) => &**fields,
        _ => &[],
    };
    let mut metadata: Vec<(Arc<str>, Value)> = vec![("$lastUpdateTime".into(), fine(ms))];
    let mut shown = Vec::new();
    for (name, value) in fields
        .iter()
        .filter(|(name, _)| !part.parts.contains_key(name))
    {
        metadata.push((name.clone(), updated(ms)));
        shown.push((name.clone(), value.clone()));
    }
    for (name, inner) in &part.parts {
        let held = value.get(name).unwrap_or(&Value::Null);
        shown.push((name.clone(), of_part(inner, held, ms)));
    }
    shown.push(("$metadata".into(), Value::Object(metadata.into())));
    Value::Object(shown.into())
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

pub(super) fn entangled(twin: &TwinRef, fidelity: Entanglement) -> Value {
    let mut fields = match full(twin) {
        Value::Object(fields) => fields.to_vec(),
        _ => Vec::new(),
    };
    let Entanglement {
        timeliness,
        reliability,
        availability,
    } = fidelity;
    fields.push(("entanglement".into(), share(fidelity.value())));
    let parts = object(vec![
        ("timeliness", share(timeliness)),
        ("reliability", share(reliability)),
        ("availability", share(availability)),
    ]);
    fields.push(("fidelity".into(), parts));
    Value::Object(fields.into())
}

/// To four places: more would pretend to know.
fn share(part: f64) -> Value {
    Value::Double(libm::round(part * 1e4) / 1e4)
}

fn relationship(edge: &Edge) -> Value {
    object(vec![
        ("id", Value::Text(edge.id.clone())),
        ("name", Value::Text(edge.name.clone())),
        ("target", Value::text(edge.target.as_str())),
        ("properties", edge.properties.clone()),
    ])
}
