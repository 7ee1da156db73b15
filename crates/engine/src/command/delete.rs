//! Delete: a twin that no relationship touches goes, and leaves a tombstone.

use super::check_etag;
use crate::{Engine, Rejection, engine::Side, state::State, tombstones::Tombstone};
use gemelli_model::TwinId;

pub(super) fn plan(
    state: &State,
    side: &Side,
    twin: &TwinId,
    if_match: Option<&str>,
) -> Result<TwinId, Rejection> {
    let twin = state.find(twin.as_str())?;
    side.judged.by(|| check_etag(twin, if_match))?;
    let (out, incoming) = (twin.out().count(), twin.incoming().count());
    if out + incoming > 0 || side.outbox.reserves(&twin.id) {
        let reason = format!(
            "twin {} has {out} relationships and {incoming} end at it",
            twin.id
        );
        return Err(Rejection::new(
            "has-relationships",
            reason,
            "delete them first",
        ));
    }
    Ok(twin.id.clone())
}

pub(super) fn apply(engine: &mut Engine, id: &TwinId) {
    let Engine { state, side } = engine;
    let Some(twin) = state.remove(id) else { return };
    side.tallies.remove(id);
    side.outbox.settles.clear(id, twin.noted.settles, |_| true);
    side.outbox
        .contributors
        .clear(id, twin.noted.contributes, |_| true);
    side.tombstones.put(
        id.clone(),
        Tombstone {
            epoch: twin.epoch,
            marks: twin.marks.clone(),
        },
    );
    if twin.noted.dirty != side.dirty_round {
        side.dirty.push(id.clone());
    }
}
