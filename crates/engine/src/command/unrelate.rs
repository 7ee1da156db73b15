//! Unrelate: an edge goes, at its source at once, at its target by a record of its own.

use super::{check_tag, edge_etag};
use crate::{
    Engine, Rejection,
    derive::Change,
    engine::Side,
    outbox::Key,
    state::State,
    twin::{Outgoing, Twin},
};
use gemelli_event::{
    Record, Seq,
    record::{Command, Edge},
};
use gemelli_model::{TwinId, interface::Direction};
use std::sync::Arc;

/// The edge that goes.
pub(super) struct Plan {
    source: TwinId,
    id: Arc<str>,
}

pub(super) fn plan(
    state: &State,
    source: &TwinId,
    id: &Arc<str>,
    if_match: Option<&str>,
) -> Result<Plan, Rejection> {
    let source = state.find(source.as_str())?;
    known(source, id, if_match)?;
    Ok(Plan {
        source: source.id.clone(),
        id: id.clone(),
    })
}

/// The edge of this id, as the caller last saw it.
pub(super) fn known<'a>(
    source: &'a Twin,
    id: &Arc<str>,
    if_match: Option<&str>,
) -> Result<&'a Outgoing, Rejection> {
    let Some(edge) = source.edge(id) else {
        let reason = format!("twin {} has no relationship {id}", source.id);
        return Err(Rejection::new(
            "not-found",
            reason,
            "list its relationships",
        ));
    };
    let about = format!("relationship {id} of twin {}", source.id);
    check_tag(&about, &edge_etag(id, edge), if_match)?;
    Ok(edge)
}

pub(super) fn apply(engine: &mut Engine, seq: Seq, record: &Record, plan: Plan) {
    let Plan { source, id } = plan;
    let Some((twin, side)) = engine.twin_mut(&source) else {
        return;
    };
    let at = side.moment(seq, record, twin);
    let mut change = Change { twin, side, at };
    change.begin();
    let Some(edge) = change.twin.links_mut().out.remove(&id) else {
        return;
    };
    change.twin.trim_links();
    change.unwatch(Direction::Outgoing, &edge.target, &id);
    change.compute();
    tell(side, seq, &source, &id, edge);
    engine.state.index.count_relationships(-1);
}

/// Tells the former target of an edge that it is gone.
pub(super) fn tell(side: &mut Side, seq: Seq, source: &TwinId, id: &Arc<str>, edge: Outgoing) {
    let place = (source.clone(), id.clone());
    side.outbox.edges.remove(&place);
    if let Some(waiting) = side.dangling.get_mut(&edge.target)
        && waiting.remove(&place)
    {
        if waiting.is_empty() {
            side.dangling.remove(&edge.target);
        }
        return;
    }
    let Outgoing {
        name,
        target,
        properties,
    } = edge;
    let edge = Edge {
        id: id.clone(),
        name,
        source: source.clone(),
        target,
        properties,
    };
    let key = Key::incoming(&edge);
    side.outbox
        .command(key, Command::Incoming { edge, gone: true }, seq);
}
