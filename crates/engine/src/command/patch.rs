//! Patch: changes properties of a twin by JSON Patch, or moves it to another interface.

use super::{check_etag, etag, object, put};
use crate::{Compiled, Engine, Rejection, derive::Change, payload, state::State, twin::Twin};
use gemelli_event::{Record, Seq};
use gemelli_model::{TwinId, Value};
use std::{collections::BTreeMap, sync::Arc};

/// A patch that can be done.
pub(super) struct Plan {
    id: TwinId,
    interface: Arc<Compiled>,
    values: BTreeMap<u16, Value>,
}

pub(super) fn plan(
    state: &State,
    twin: &TwinId,
    patch: &Value,
    if_match: Option<&str>,
) -> Result<Plan, Rejection> {
    let twin = state.find(twin.as_str())?;
    check_etag(twin, if_match)?;
    let Value::Array(operations) = patch else {
        return Err(malformed(twin, "a JSON Patch is a list of operations"));
    };
    let operations = operations
        .iter()
        .map(|op| Operation::read(twin, op))
        .collect::<Result<Vec<_>, _>>()?;
    let mut interface = twin.interface.clone();
    for operation in operations.iter().filter(|o| o.is_model()) {
        let Some(Value::Text(id)) = operation.value else {
            return Err(malformed(
                twin,
                "/$metadata/$model takes the id of an interface",
            ));
        };
        interface = state.definitions.find(id)?.clone();
        put::check_move(twin, &interface)?;
    }
    let mut values = BTreeMap::new();
    for operation in operations.iter().filter(|o| !o.is_metadata()) {
        operation.apply(twin, &interface, &mut values)?;
    }
    for (slot, value) in &mut values {
        *value = payload::fit(&interface, *slot, std::mem::take(value))?;
    }
    Ok(Plan {
        id: twin.id.clone(),
        interface,
        values,
    })
}

pub(super) fn apply(engine: &mut Engine, seq: Seq, record: &Record, plan: Plan) -> Value {
    let Plan {
        id,
        interface,
        values,
    } = plan;
    put::change_interface(engine, seq, record, &id, &interface);
    let Some((twin, side)) = engine.twin_mut(&id) else {
        return Value::Null;
    };
    let at = side.moment(seq, record, twin);
    let mut change = Change { twin, side, at };
    change.begin();
    for (slot, value) in values {
        change.set(slot, value);
    }
    change.compute();
    object([("etag", Value::text(etag(twin)))])
}

fn malformed(twin: &Twin, why: &str) -> Rejection {
    let remedy = "send [{\"op\": \"replace\", \"path\": \"/member\", \"value\": 1}]";
    Rejection::new(
        "malformed-json",
        format!("patch of twin {}: {why}", twin.id),
        remedy,
    )
}

/// One operation of a JSON Patch.
struct Operation<'a> {
    kind: Kind,
    path: Vec<String>,
    value: Option<&'a Value>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Write,
    Remove,
    Test,
}

impl<'a> Operation<'a> {
    fn read(twin: &Twin, operation: &'a Value) -> Result<Self, Rejection> {
        let kind = match operation.get("op").and_then(Value::as_str) {
            Some("add" | "replace") => Kind::Write,
            Some("remove") => Kind::Remove,
            Some("test") => Kind::Test,
            _ => return Err(malformed(twin, "op is one of add, replace, remove, test")),
        };
        let path = operation
            .get("path")
            .and_then(Value::as_str)
            .and_then(|p| p.strip_prefix('/'));
        let Some(path) = path else {
            return Err(malformed(twin, "path is a JSON pointer such as /member"));
        };
        let path = path
            .split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect();
        let value = operation.get("value");
        if kind != Kind::Remove && value.is_none() {
            return Err(malformed(
                twin,
                "an operation other than remove needs a value",
            ));
        }
        Ok(Self { kind, path, value })
    }

    fn is_metadata(&self) -> bool {
        self.path
            .first()
            .is_some_and(|first| first.starts_with('$'))
    }

    fn is_model(&self) -> bool {
        self.kind == Kind::Write
            && matches!(&*self.path, [a, b] if a == "$metadata" && b == "$model")
    }

    fn apply(
        &self,
        twin: &Twin,
        interface: &Compiled,
        values: &mut BTreeMap<u16, Value>,
    ) -> Result<(), Rejection> {
        let Some((name, rest)) = self.path.split_first() else {
            return Ok(());
        };
        let slot = interface
            .slot_of(name)
            .ok_or_else(|| payload::unknown(interface, name))?;
        let held = || {
            let old = twin.interface.slot_of(name);
            old.map(|slot| twin.value(slot).clone()).unwrap_or_default()
        };
        let place = values.entry(slot).or_insert_with(held);
        let missing = || malformed(twin, &format!("/{} does not exist", self.path.join("/")));
        match self.kind {
            Kind::Test => {
                let at = rest
                    .iter()
                    .try_fold(&*place, |value, step| child(value, step))
                    .ok_or_else(missing)?;
                if Some(at) == self.value {
                    return Ok(());
                }
                let reason = format!("twin {}: /{} is {at}", twin.id, self.path.join("/"));
                Err(Rejection::new(
                    "precondition-failed",
                    reason,
                    "read it again, then repeat the change",
                ))
            }
            Kind::Write | Kind::Remove => {
                *place = write(place, rest, self.value.filter(|_| self.kind == Kind::Write))
                    .ok_or_else(missing)?;
                Ok(())
            }
        }
    }
}

fn child<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => value.get(step),
    }
}

/// The value with another one put at a path, or with what is there taken out; none if there is no way.
fn write(held: &Value, path: &[String], new: Option<&Value>) -> Option<Value> {
    let Some((step, rest)) = path.split_first() else {
        return Some(new.cloned().unwrap_or_default());
    };
    match held {
        Value::Object(fields) => {
            let mut fields = fields.to_vec();
            let at = fields.iter().position(|(name, _)| **name == **step);
            match (at, rest.is_empty(), new) {
                (Some(at), true, None) => {
                    fields.remove(at);
                }
                (Some(at), ..) => {
                    let (_, place) = fields.get_mut(at)?;
                    *place = write(place, rest, new)?;
                }
                (None, true, Some(new)) => fields.push((step.as_str().into(), new.clone())),
                (None, ..) => return None,
            }
            Some(Value::Object(fields.into()))
        }
        Value::Array(items) => {
            let mut items = items.to_vec();
            match (step.as_str(), rest.is_empty(), new) {
                ("-", true, Some(new)) => items.push(new.clone()),
                (index, true, None) => {
                    let index = index.parse::<usize>().ok().filter(|i| *i < items.len())?;
                    items.remove(index);
                }
                (index, ..) => {
                    let place = items.get_mut(index.parse::<usize>().ok()?)?;
                    *place = write(place, rest, new)?;
                }
            }
            Some(Value::Array(items.into()))
        }
        Value::Null if rest.is_empty() => Some(Value::Object(
            [(Arc::from(step.as_str()), new?.clone())].into(),
        )),
        _ => None,
    }
}
