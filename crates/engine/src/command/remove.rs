//! Remove: an interface that no twin is of, or a connection, goes.

use super::{apply::define, object};
use crate::{
    Definitions, Engine, Rejection, definitions,
    engine::{Judged, Side},
    state::State,
};
use gemelli_event::Seq;
use gemelli_model::{InterfaceId, Value};
use std::sync::Arc;

/// A removal that can be done.
pub(super) struct Plan {
    definitions: Definitions,
    kind: Arc<str>,
    name: Arc<str>,
}

impl Plan {
    pub(super) fn answer(&self) -> Value {
        let removed = object([
            ("kind", Value::Text(self.kind.clone())),
            ("name", Value::Text(self.name.clone())),
            ("change", Value::text("removed")),
        ]);
        let version = i64::try_from(self.definitions.version()).unwrap_or(i64::MAX);
        object([
            ("version", Value::Int(version)),
            ("objects", Value::Array([removed].into())),
        ])
    }
}

pub(super) fn plan(
    state: &State,
    side: &Side,
    kind: &Arc<str>,
    name: &Arc<str>,
) -> Result<Plan, Rejection> {
    let mut change = definitions::Change::default();
    match &**kind {
        "Interface" => {
            let id: &InterfaceId = state.definitions.find(name)?.id();
            if let (Some(count), Judged::Now) = (state.per_interface().get(id), side.judged) {
                let reason = format!("interface {id} has {count} twins");
                return Err(Rejection::new(
                    "in-use",
                    reason,
                    "delete them first, or move them to another interface",
                ));
            }
            change.without_interfaces.push(id.clone());
        }
        "Connection" => {
            if state.definitions.connection(name).is_none() {
                let reason = format!("connection {name} does not exist");
                return Err(Rejection::new("not-found", reason, "list the connections"));
            }
            change.without_connections.push(name.clone());
        }
        _ => {
            let reason = format!("objects of kind {kind} cannot be removed from the definitions");
            return Err(Rejection::new(
                "unknown-kind",
                reason,
                "remove an Interface or a Connection",
            ));
        }
    }
    let definitions = state.definitions.changed(change, side.judged)?;
    Ok(Plan {
        definitions,
        kind: kind.clone(),
        name: name.clone(),
    })
}

pub(super) fn apply(engine: &mut Engine, seq: Seq, plan: Plan) -> Value {
    let answer = plan.answer();
    define(engine, seq, plan.definitions);
    answer
}
