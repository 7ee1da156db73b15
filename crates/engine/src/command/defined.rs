//! Defined: a change of definitions reaches a partition; its twins take their new form. The engine's
//! own command, emitted to every partition.

use super::put;
use crate::Engine;
use gemelli_event::{Record, Seq};

pub(super) fn apply(engine: &mut Engine, seq: Seq, record: &Record) {
    let stale = engine
        .side
        .stale
        .remove(&record.position.partition)
        .unwrap_or_default();
    for id in stale {
        let Some(twin) = engine.state.get(id.as_str()) else {
            continue;
        };
        let Some(interface) = engine
            .state
            .definitions
            .interface(twin.interface.id().as_str())
            .cloned()
        else {
            continue;
        };
        put::change_interface(engine, seq, record, &id, &interface);
    }
}
