//! Put: creates a twin, or replaces its reported properties and, if need be, its interface.

use super::{etag, object, pointer};
use crate::{
    Compiled, Engine, Rejection,
    definitions::SlotKind,
    derive::{Change, Moment},
    engine::{Judged, Side},
    outbox::Key,
    payload,
    state::State,
    twin::Twin,
};
use gemelli_event::{
    Record, Seq,
    record::{Command, Edge},
};
use gemelli_model::{InterfaceId, TwinId, Value, id};
use std::sync::Arc;

/// A put that can be done.
pub(super) struct Plan {
    id: TwinId,
    exists: bool,
    interface: Arc<Compiled>,
    values: Vec<(u16, Value)>,
}

pub(super) fn plan(
    state: &State,
    side: &Side,
    twin: &TwinId,
    interface: &InterfaceId,
    properties: &Value,
    only_new: bool,
) -> Result<Plan, Rejection> {
    let interface = state.definitions.find(interface.as_str())?.clone();
    let existing = state.get(twin.as_str());
    match existing {
        Some(known) if only_new && side.judged == Judged::Now => {
            let reason = format!("twin {} exists already", known.id);
            return Err(Rejection::new(
                "already-exists",
                reason,
                "choose another id, or replace it",
            ));
        }
        Some(known) => side.judged.by(|| check_move(known, &interface))?,
        None => side
            .judged
            .by(|| check_new(state, side, twin, &interface))?,
    }
    let retired = state.definitions.status(interface.id()).retired;
    if existing.is_none() && retired && side.judged == Judged::Now {
        let reason = format!(
            "interface {} is decommissioned: no new twin may be of it",
            interface.id()
        );
        let remedy = "choose a newer interface, or put this one back in service";
        return Err(Rejection::new("retired-interface", reason, remedy));
    }
    let about = |name: &str| ("Twin", twin.as_str().into(), pointer::of(&[name]));
    let values = payload::fit_all(&interface, properties, about)?;
    Ok(Plan {
        id: existing.map_or(twin, |known| &known.id).clone(),
        exists: existing.is_some(),
        interface,
        values,
    })
}

/// A new twin needs a usable id that no other twin has, case apart where it is ignored.
pub(super) fn check_new(
    state: &State,
    side: &Side,
    twin: &TwinId,
    interface: &Compiled,
) -> Result<(), Rejection> {
    id::check(twin.as_str()).map_err(|why| {
        Rejection::new(
            "malformed-id",
            format!("twin {twin} cannot be created: {why}"),
            "choose another id",
        )
    })?;
    if let (Some(known), true) = (state.meant(twin.as_str()), interface.resolved().ignore_case) {
        let reason = format!(
            "twin {twin} differs from {} by case alone, which its interface ignores",
            known.id
        );
        return Err(Rejection::new("duplicate-id", reason, "choose another id"));
    }
    if state.count() >= side.limits.twins {
        let reason = format!(
            "there are {} twins, the most this node takes",
            state.count()
        );
        return Err(Rejection::new(
            "limit-reached",
            reason,
            "raise the limit, or delete twins",
        ));
    }
    Ok(())
}

/// A twin may move to an interface that has all its relationships.
pub(super) fn check_move(twin: &Twin, interface: &Compiled) -> Result<(), Rejection> {
    if twin.interface.id() == interface.id() || interface.resolved().open {
        return Ok(());
    }
    match twin
        .out()
        .find(|(_, edge)| interface.resolved().relationship(&edge.name).is_none())
    {
        None => Ok(()),
        Some((id, edge)) => {
            let reason = format!(
                "twin {} has the relationship {id}, and interface {} has no {}",
                twin.id,
                interface.id(),
                edge.name
            );
            Err(Rejection::new(
                "has-relationships",
                reason,
                "delete the relationship first",
            ))
        }
    }
}

pub(super) fn apply(engine: &mut Engine, seq: Seq, record: &Record, plan: Plan) -> Value {
    let Plan {
        id,
        exists,
        interface,
        values,
    } = plan;
    if exists {
        replace(engine, seq, record, &id, &interface, values);
    } else {
        create(engine, seq, record, &id, interface, values);
    }
    let etag = engine
        .state
        .get(id.as_str())
        .map(|twin| etag(twin))
        .unwrap_or_default();
    object([("etag", Value::text(etag))])
}

fn create(
    engine: &mut Engine,
    seq: Seq,
    record: &Record,
    id: &TwinId,
    interface: Arc<Compiled>,
    values: Vec<(u16, Value)>,
) {
    let Engine { state, side } = engine;
    let mut twin = Twin::new(id.clone(), interface);
    twin.epoch = 1;
    if let Some(former) = side.tombstones.take(id) {
        twin.epoch = former.epoch + 1;
        twin.marks = former.marks;
    }
    side.tallies.remove(id);
    let at = side.moment(seq, record, &twin);
    let mut change = Change {
        twin: &mut twin,
        side,
        at,
    };
    change.begin();
    change.roll_up_all();
    for (slot, value) in values {
        change.set(slot, value);
    }
    change.wake_all();
    change.compute();
    state.insert(twin);
    // Edges that waited for it.
    for (source, edge_id) in side.dangling.remove(id).unwrap_or_default() {
        let Some(edge) = state.get(source.as_str()).and_then(|s| s.edge(&edge_id)) else {
            continue;
        };
        let edge = Edge {
            id: edge_id,
            name: edge.name.clone(),
            source,
            target: id.clone(),
            properties: edge.properties.clone(),
        };
        let key = Key::incoming(&edge);
        side.outbox
            .command(key, Command::Incoming { edge, gone: false }, seq);
    }
}

fn replace(
    engine: &mut Engine,
    seq: Seq,
    record: &Record,
    id: &TwinId,
    interface: &Arc<Compiled>,
    values: Vec<(u16, Value)>,
) {
    change_interface(engine, seq, record, id, interface);
    let Some((twin, side)) = engine.twin_mut(id) else {
        return;
    };
    let at: Moment = side.moment(seq, record, twin);
    let mut change = Change { twin, side, at };
    change.begin();
    for (slot, info) in (0_u16..).zip(interface.slots()) {
        let written = matches!(info.kind, SlotKind::Reported | SlotKind::Component(_));
        if written && !change.twin.value(slot).is_null() && !values.iter().any(|(s, _)| *s == slot)
        {
            change.set(slot, Value::Null);
        }
    }
    for (slot, value) in values {
        change.set(slot, value);
    }
    change.compute();
}

/// Moves a twin to another interface, or to another version of its own; nothing if it is there.
pub(super) fn change_interface(
    engine: &mut Engine,
    seq: Seq,
    record: &Record,
    id: &TwinId,
    interface: &Arc<Compiled>,
) {
    let Some((twin, side)) = engine.twin_mut(id) else {
        return;
    };
    if Arc::ptr_eq(&twin.interface, interface) {
        return;
    }
    let from = twin.interface.id().clone();
    let at = side.moment(seq, record, twin);
    let mut change = Change { twin, side, at };
    change.begin();
    change.migrate(interface);
    engine.state.moved(&from, interface.id(), id);
}
