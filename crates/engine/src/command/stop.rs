//! Stop and start: a person halts a twin, or lets it go on.
//!
//! A stopped twin keeps what it holds, and its roll-ups stay up to date; what devices and others send
//! it is refused until it is started. It goes on as its connections are then: whether it is in sync
//! the next report says.

use crate::{Engine, Lifecycle, Rejection, derive::Change, state::State};
use gemelli_event::{Record, Seq};
use gemelli_model::TwinId;

/// What a twin is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    Stop,
    Start,
}

pub(super) fn plan(state: &State, twin: &TwinId) -> Result<TwinId, Rejection> {
    Ok(state.find(twin.as_str())?.id.clone())
}

pub(super) fn apply(engine: &mut Engine, seq: Seq, record: &Record, id: &TwinId, halt: Halt) {
    let Some((twin, side)) = engine.twin_mut(id) else {
        return;
    };
    let before = twin.lifecycle;
    let after = match (halt, before) {
        (Halt::Stop, _) => Lifecycle::Stopped,
        (Halt::Start, Lifecycle::Stopped) if twin.connected => Lifecycle::Bound,
        (Halt::Start, Lifecycle::Stopped) => Lifecycle::Unbound,
        (Halt::Start, running) => running,
    };
    if before == after {
        return;
    }
    let at = side.moment(seq, record, twin);
    Change { twin, side, at }.begin();
    twin.lifecycle = after;
    engine.state.count_lifecycle(before, -1);
    engine.state.count_lifecycle(after, 1);
}

/// The refusal of what is sent to a stopped twin.
pub(crate) fn stopped(id: &TwinId) -> Rejection {
    Rejection::new(
        "twin-stopped",
        format!("twin {id} is stopped: it takes no events"),
        format!("start it, then send again: gemelli twin start {id}"),
    )
}
