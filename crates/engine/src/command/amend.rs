//! Amend: changes the properties of an edge by JSON Patch; its ends and its name stay.

use super::{pointer, relate, unrelate};
use crate::{Rejection, engine::Side, state::State};
use gemelli_event::record::Edge;
use gemelli_model::{TwinId, Value};
use std::sync::Arc;

/// The edge as it will be: done as by Relate.
pub(super) fn plan(
    state: &State,
    side: &Side,
    source: &TwinId,
    id: &Arc<str>,
    patch: &Value,
    if_match: Option<&str>,
) -> Result<relate::Plan, Rejection> {
    let source = state.find(source.as_str())?;
    let edge = unrelate::known(source, id, if_match)?;
    let about = format!("relationship {id} of twin {}", source.id);
    let mut fields = match &edge.properties {
        Value::Object(fields) => fields.to_vec(),
        _ => Vec::new(),
    };
    for operation in pointer::read(&about, patch)? {
        let Some(name) = operation.path.first() else {
            continue;
        };
        if name.starts_with('$') {
            let why = format!("{} cannot be changed", operation.pointer());
            return Err(pointer::malformed(&about, &why));
        }
        let at = fields.iter().position(|(field, _)| **field == **name);
        let held = at.and_then(|at| fields.get(at)).map(|(_, v)| v.clone());
        let value = operation.apply(&about, &held.unwrap_or_default(), true)?;
        match at.and_then(|at| fields.get_mut(at)) {
            Some((_, place)) => *place = value,
            None => fields.push((name.as_str().into(), value)),
        }
        fields.retain(|(_, value)| !value.is_null());
    }
    let edge = Edge {
        id: id.clone(),
        name: edge.name.clone(),
        source: source.id.clone(),
        target: edge.target.clone(),
        properties: Value::Object(fields.into()),
    };
    relate::plan(state, side, &edge, false)
}
