//! Retire and Withdraw: an interface takes no new twins, or is deleted while twins are of it.

use super::apply::define;
use crate::{Definitions, Engine, Rejection, Status, definitions, engine::Side, state::State};
use gemelli_event::Seq;
use gemelli_model::InterfaceId;

/// The definitions with an interface retired, or not.
pub(super) fn retire(
    state: &State,
    side: &Side,
    interface: &InterfaceId,
    retired: bool,
) -> Result<Definitions, Rejection> {
    with(state, side, interface, |status| status.retired = retired)
}

/// The definitions with an interface withdrawn.
pub(super) fn withdraw(
    state: &State,
    side: &Side,
    interface: &InterfaceId,
) -> Result<Definitions, Rejection> {
    with(state, side, interface, |status| status.withdrawn = true)
}

fn with(
    state: &State,
    side: &Side,
    interface: &InterfaceId,
    set: impl Fn(&mut Status),
) -> Result<Definitions, Rejection> {
    let id = state.definitions.find(interface.as_str())?.id().clone();
    let mut status = state.definitions.status(&id);
    set(&mut status);
    let change = definitions::Change {
        status: vec![(id, status)],
        ..Default::default()
    };
    state.definitions.changed(change, side.judged)
}

pub(super) fn apply(engine: &mut Engine, seq: Seq, definitions: Definitions) {
    define(engine, seq, definitions);
}
