//! Incoming: the other end of an edge learns that it came or went. The engine's own command.

use crate::{Engine, derive::Change, twin};
use gemelli_event::{Record, Seq, record::Edge};
use gemelli_model::interface::Direction;

pub(super) fn apply(engine: &mut Engine, seq: Seq, record: &Record, edge: &Edge, gone: bool) {
    let Some((twin, side)) = engine.twin_mut(&edge.target) else {
        return;
    };
    let at = side.moment(seq, record, twin);
    let mut change = Change { twin, side, at };
    change.begin();
    let incoming = twin::Incoming {
        name: edge.name.clone(),
        source: edge.source.clone(),
        id: edge.id.clone(),
    };
    if gone {
        change.twin.links_mut().incoming.remove(&incoming);
        change.twin.trim_links();
        change.unwatch(Direction::Incoming, &edge.source, &edge.id);
        change.compute();
    } else {
        change.twin.links_mut().incoming.insert(incoming, ());
        // From here on both ends know of each other: contributions may flow either way.
        side.outbox
            .edges
            .insert((edge.source.clone(), edge.id.clone()), seq);
    }
}
