//! Telemetry: what a program measured on a twin's behalf. Kept in history and passed on; no part of
//! the state, and not checked against the interface.

use crate::{Rejection, state::State};
use gemelli_model::{TwinId, nearest};

/// The twin is there, and so is the component.
pub(super) fn plan(state: &State, twin: &TwinId, component: Option<&str>) -> Result<(), Rejection> {
    let twin = state.find(twin.as_str())?;
    let Some(component) = component else {
        return Ok(());
    };
    match twin.interface.parts().any(|(name, _)| **name == *component) {
        true => Ok(()),
        false => {
            let known = twin.interface.parts().map(|(name, _)| &**name);
            let remedy = nearest::name(component, known).map_or_else(
                || "name one of the components of its interface".into(),
                |near| format!("did you mean {near}?"),
            );
            let reason = format!("twin {} has no component {component}", twin.id);
            Err(Rejection::new("unknown-component", reason, remedy))
        }
    }
}
