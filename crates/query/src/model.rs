//! Which interfaces belong to a model that IS_OF_MODEL names: the model, its later versions, and
//! what extends one of them; with `exact` the model alone.

use crate::ast::Model;
use gemelli_engine::{Compiled, View};
use gemelli_model::{InterfaceId, dtdl::dtmi::Dtmi};
use std::collections::BTreeSet;

/// The interfaces with twins that belong to it.
pub(crate) fn members(model: &Model, view: &View) -> BTreeSet<InterfaceId> {
    // Another spelling of an interface that ignores case.
    let known = view.definitions().interface(&model.id).map(|i| i.id());
    let wanted = known.map_or(&*model.id, InterfaceId::as_str);
    let kinds = view.kinds();
    kinds
        .filter(|(id, _, definition)| match model.exact {
            true => id.as_str() == wanted,
            false => belongs(wanted, id, definition.as_deref()),
        })
        .map(|(id, _, _)| id.clone())
        .collect()
}

fn belongs(wanted: &str, id: &InterfaceId, definition: Option<&Compiled>) -> bool {
    let ancestors = definition.map_or(&[][..], |d| &d.resolved().ancestors);
    let mut lineage = ancestors.iter().chain([id]).map(InterfaceId::as_str);
    let Ok(wanted) = Dtmi::parse(wanted) else {
        return lineage.any(|one| one == wanted);
    };
    lineage.any(|one| {
        Dtmi::parse(one).is_ok_and(|one| {
            one.unversioned() == wanted.unversioned() && one.version >= wanted.version
        })
    })
}
