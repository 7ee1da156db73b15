//! Patch: changes properties of a twin by JSON Patch, or moves it to another interface.

use super::{
    check_etag, etag, object,
    pointer::{self, Op, Operation},
    put,
};
use crate::{
    Compiled, Engine, Rejection, definitions::SlotKind, derive::Change, payload, state::State,
    twin::Twin,
};
use gemelli_event::{Record, Seq};
use gemelli_model::{TwinId, Value, time};
use std::{collections::BTreeMap, sync::Arc};

/// A patch that can be done.
pub(super) struct Plan {
    id: TwinId,
    interface: Arc<Compiled>,
    values: Vec<(u16, Value)>,
}

pub(super) fn plan(
    state: &State,
    twin: &TwinId,
    patch: &Value,
    if_match: Option<&str>,
    strict: bool,
) -> Result<Plan, Rejection> {
    let twin = state.find(twin.as_str())?;
    check_etag(twin, if_match)?;
    let about = format!("twin {}", twin.id);
    let operations = pointer::read(&about, patch)?;
    let mut interface = twin.interface.clone();
    for operation in operations.iter().filter(|o| is_model(o)) {
        let Value::Text(id) = operation.value else {
            let why = "/$metadata/$model takes the id of an interface";
            return Err(pointer::malformed(&about, why));
        };
        interface = state.definitions.find(id)?.clone();
        put::check_move(twin, &interface)?;
    }
    state.definitions.check_writable(interface.id())?;
    let mut patched = Patched {
        twin,
        interface: &interface,
        about: &about,
        strict,
        values: BTreeMap::new(),
    };
    for operation in &operations {
        match operation.path.first() {
            Some(first) if first.starts_with('$') => patched.metadata(operation)?,
            Some(name) => patched.member(operation, name)?,
            None => {}
        }
    }
    let values = patched.fit()?;
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

fn is_model(operation: &Operation<'_>) -> bool {
    matches!(operation.op, Op::Add | Op::Replace)
        && matches!(&*operation.path, [a, b] if a == "$metadata" && b == "$model")
}

/// A twin's members while operations change them.
struct Patched<'a> {
    twin: &'a Twin,
    /// The interface that it will be of.
    interface: &'a Compiled,
    about: &'a str,
    strict: bool,
    /// What was touched, by the name that a member has in the new interface, else in the old one.
    values: BTreeMap<Arc<str>, Value>,
}

impl Patched<'_> {
    /// An operation on what belongs to the service: the model, and times of sources.
    fn metadata(&self, operation: &Operation<'_>) -> Result<(), Rejection> {
        let path: Vec<&str> = operation.path.iter().map(String::as_str).collect();
        let of_member = |name: &str| self.interface.slot_of(name).is_some();
        match *path {
            _ if !self.strict || is_model(operation) => Ok(()),
            ["$metadata", member, "sourceTime"] if of_member(member) => {
                let timed = operation.op == Op::Remove
                    || operation
                        .value
                        .as_str()
                        .is_some_and(|t| time::parse_ms(t).is_some());
                match timed {
                    true => Ok(()),
                    false => Err(pointer::malformed(
                        self.about,
                        "sourceTime is a time such as 2026-03-29T12:00:00Z",
                    )),
                }
            }
            _ => {
                let why = format!("{} is not for clients to change", operation.pointer());
                Err(pointer::malformed(self.about, &why))
            }
        }
    }

    fn member(&mut self, operation: &Operation<'_>, name: &str) -> Result<(), Rejection> {
        let slot = |interface: &Compiled| {
            let at = interface.slot_of(name)?;
            interface.slot(at).cloned()
        };
        let (new, old) = (slot(self.interface), slot(&self.twin.interface));
        let Some(info) = new.or(old.filter(|_| self.strict)) else {
            return Err(payload::unknown(self.interface, name));
        };
        // One that the new interface does not have may go.
        let part =
            matches!(info.kind, SlotKind::Component(_)) && self.interface.slot_of(name).is_some();
        if self.strict && part && operation.op == Op::Remove && operation.path.len() == 1 {
            let why = format!("{} is a component, which stays", operation.pointer());
            return Err(pointer::malformed(self.about, &why));
        }
        let held = match self.values.get(&info.name) {
            Some(value) => value.clone(),
            None => {
                let old = self.twin.interface.slot_of(name);
                old.map(|slot| self.twin.value(slot).clone())
                    .unwrap_or_default()
            }
        };
        let held = match (held, info.part()) {
            (held, Some(part)) => part.present(&held),
            (held, None) => held,
        };
        let value = operation.apply(self.about, &held, self.strict)?;
        self.values.insert(info.name, value);
        Ok(())
    }

    /// The values by slot of the new interface; or all that does not fit.
    fn fit(self) -> Result<Vec<(u16, Value)>, Rejection> {
        let Self {
            twin,
            interface,
            strict,
            mut values,
            ..
        } = self;
        if strict && twin.interface.id() != interface.id() {
            // What is not touched has to fit its new place; components come and go with the model.
            for (slot, cell) in twin.interface.slots().iter().zip(&twin.cells) {
                let goes = slot.part().is_some() && interface.slot_of(&slot.name).is_none();
                if !goes && !slot.derived() && !cell.value.is_null() {
                    values
                        .entry(slot.name.clone())
                        .or_insert_with(|| cell.value.clone());
                }
            }
        }
        let mut fitting = Vec::with_capacity(values.len());
        let mut refused = Vec::new();
        for (name, value) in values {
            let fits = match interface.slot_of(&name) {
                Some(slot) => payload::fit(interface, slot, value).map(|value| (slot, value)),
                None if value.is_null() || interface.resolved().open => continue,
                None => Err(payload::unknown(interface, &name)),
            };
            match fits {
                Ok(pair) => fitting.push(pair),
                Err(why) => {
                    refused.push(why.at("Twin", twin.id.as_str(), pointer::of(&[&name])));
                }
            }
        }
        Rejection::any_of(refused)?;
        Ok(fitting)
    }
}
