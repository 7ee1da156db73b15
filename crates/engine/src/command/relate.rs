//! Relate: creates or replaces an edge.
//!
//! The edge is checked against both ends, kept by its source, and noted at its target by a record of
//! the target's partition in the same frame. Until that is stepped the waiting record reserves the
//! target: a delete sees it.

use super::{edge, edge_etag, object, pointer};
use crate::{
    Engine, Rejection,
    derive::Change,
    engine::{Judged, Side},
    outbox::Key,
    state::State,
    twin::Outgoing,
};
use gemelli_event::{
    Record, Seq,
    record::{Command, Edge},
};
use gemelli_model::{Value, interface::Direction};

/// A relate that can be done.
pub(super) struct Plan {
    edge: Edge,
    target_exists: bool,
    change: &'static str,
}

impl Plan {
    pub(super) fn answer(&self) -> Value {
        object([("change", Value::text(self.change))])
    }
}

pub(super) fn plan(
    state: &State,
    side: &Side,
    edge: &Edge,
    only_new: bool,
) -> Result<Plan, Rejection> {
    let source = state.find(edge.source.as_str())?;
    if only_new && source.edge(&edge.id).is_some() {
        let reason = format!("twin {} has a relationship {} already", source.id, edge.id);
        return Err(Rejection::new(
            "already-exists",
            reason,
            "choose another id, or replace it",
        ));
    }
    let target = state.meant(edge.target.as_str());
    let others = |name: &str| {
        source
            .out()
            .filter(|(id, e)| **id != edge.id && *e.name == *name)
            .count()
    };
    let interface = target.map(|t| &*t.interface);
    let place = |member: &str| ("Relationship", edge.id.clone(), pointer::of(&[member]));
    let (name, properties) = edge::check(&source.interface, edge, interface, others, place)?;
    let known = source.edge(&edge.id);
    let most = side.limits.outgoing;
    if side.judged == Judged::Now
        && known.is_none()
        && source.links.as_ref().is_some_and(|l| l.out.len() >= most)
    {
        let reason = format!(
            "twin {} has {most} relationships, the most a twin may have",
            source.id
        );
        return Err(Rejection::new(
            "limit-reached",
            reason,
            "delete some of them first",
        ));
    }
    let target_id = target.map_or(&edge.target, |t| &t.id).clone();
    let new = Outgoing {
        name: name.clone(),
        target: target_id.clone(),
        properties: properties.clone(),
    };
    let change = match known {
        None => "created",
        Some(known) if *known == new => "unchanged",
        Some(_) => "configured",
    };
    let edge = Edge {
        id: edge.id.clone(),
        name,
        source: source.id.clone(),
        target: target_id,
        properties,
    };
    Ok(Plan {
        edge,
        target_exists: target.is_some(),
        change,
    })
}

pub(super) fn apply(engine: &mut Engine, seq: Seq, record: &Record, plan: Plan) -> Value {
    let Plan {
        edge,
        target_exists,
        change: outcome,
    } = plan;
    let Some((twin, side)) = engine.twin_mut(&edge.source) else {
        return Value::Null;
    };
    if outcome != "unchanged" {
        let at = side.moment(seq, record, twin);
        let mut change = Change { twin, side, at };
        change.begin();
        let new = Outgoing {
            name: edge.name.clone(),
            target: edge.target.clone(),
            properties: edge.properties.clone(),
        };
        let former = change.twin.links_mut().out.insert(edge.id.clone(), new);
        if let Some(former) = former.filter(|f| f.target != edge.target || f.name != edge.name) {
            change.unwatch(Direction::Outgoing, &former.target, &edge.id);
            change.compute();
            super::unrelate::tell(side, seq, &edge.source, &edge.id, former);
        }
        if target_exists {
            let key = Key::incoming(&edge);
            let command = Command::Incoming {
                edge: edge.clone(),
                gone: false,
            };
            side.outbox.command(key, command, seq);
        } else {
            let waiting = side.dangling.entry(edge.target.clone()).or_default();
            waiting.insert((edge.source.clone(), edge.id.clone()));
        }
    }
    if outcome == "created" {
        engine.state.index.count_relationships(1);
    }
    let made = engine.state.get(edge.source.as_str());
    let made = made.and_then(|twin| twin.edge(&edge.id));
    let etag = made
        .map(|made| edge_etag(&edge.id, made))
        .unwrap_or_default();
    object([
        ("etag", Value::text(etag)),
        ("change", Value::text(outcome)),
    ])
}
