//! Which roll-ups read which interfaces: known once, so that a change of a member looks up what it
//! concerns instead of asking every relative.

use super::{Draft, Watch};
use crate::{Rejection, definitions::SlotKind, expr::Program};
use gemelli_model::{
    InterfaceId,
    interface::{Aggregate, Direction},
    nearest,
};
use std::{collections::BTreeMap, sync::Arc};

/// Tells every interface which roll-ups of others may read its twins.
pub(super) fn all(drafts: &mut BTreeMap<InterfaceId, Draft>) -> Result<(), Rejection> {
    let mut readers: Vec<(InterfaceId, Arc<str>, Aggregate, Option<InterfaceId>)> = Vec::new();
    for draft in drafts.values() {
        for slot in draft.slots.iter().filter(|s| s.from == draft.source.id) {
            let SlotKind::Rollup { aggregate, .. } = &slot.kind else {
                continue;
            };
            let mut aggregate = aggregate.clone();
            let relationship = draft.resolved.relationship(&aggregate.over);
            let mut target = None;
            if let (Direction::Outgoing, Some(relationship)) = (aggregate.direction, relationship) {
                aggregate.over = relationship.name.clone();
                target = relationship.target.clone();
            }
            readers.push((
                draft.source.id.clone(),
                slot.name.clone(),
                aggregate,
                target,
            ));
        }
    }
    let mut refusals = Vec::new();
    for (reader, property, aggregate, target) in readers {
        let mut refused = None;
        let mut watched = false;
        for child in drafts.values_mut() {
            if aggregate
                .interface
                .as_ref()
                .is_some_and(|i| !child.resolved.is_a(i.as_str()))
                || target
                    .as_ref()
                    .is_some_and(|t| !child.resolved.is_a(t.as_str()))
            {
                continue;
            }
            let over = match aggregate.direction {
                Direction::Outgoing => aggregate.over.clone(),
                Direction::Incoming => match child.resolved.relationship(&aggregate.over) {
                    Some(relationship) => relationship.name.clone(),
                    None => continue,
                },
            };
            match child.watch(&reader, &property, &aggregate, over) {
                Ok(()) => watched = true,
                Err(rejection) => refused = refused.or(Some(rejection)),
            }
        }
        // A roll-up over twins of any kind reads those that have what it asks for.
        if let (false, Some(rejection)) = (watched, refused) {
            let rejection = match drafts.get(&reader) {
                Some(draft) => draft.placed(rejection, &property, "/aggregate"),
                None => rejection,
            };
            refusals.push(rejection);
        }
    }
    Rejection::any_of(refusals)
}

impl Draft {
    fn watch(
        &mut self,
        reader: &InterfaceId,
        property: &Arc<str>,
        aggregate: &Aggregate,
        over: Arc<str>,
    ) -> Result<(), Rejection> {
        let about = format!(
            "interface {reader}, derived property {property}, read from {}",
            self.source.id
        );
        let slot_named = |name: &str| match self.names.get(name) {
            None if self.resolved.ignore_case => {
                self.folded.get(&*name.to_ascii_lowercase()).copied()
            }
            found => found.copied(),
        };
        let of = aggregate
            .of
            .as_ref()
            .map(|name| slot_named(name).ok_or(name))
            .transpose()
            .map_err(|name| {
                let known: Vec<&str> = self.slots.iter().map(|s| &*s.name).collect();
                let remedy = nearest::name(name, known.iter().copied()).map_or_else(
                    || format!("it has {}", known.join(", ")),
                    |near| format!("did you mean {near}?"),
                );
                Rejection::new(
                    "unknown-field",
                    format!("{about}: it has no member {name}"),
                    remedy,
                )
            })?;
        let names = self.names_in_expressions.clone().variable("edge");
        let filter = match &aggregate.filter {
            None => None,
            Some(source) => Some(Program::compile(source, &names).map_err(|error| {
                Rejection::new(
                    "malformed-expression",
                    format!("{about}: {error}"),
                    error.remedy,
                )
            })?),
        };
        let number = u16::try_from(self.watches.len()).unwrap_or(u16::MAX);
        let read = filter
            .iter()
            .flat_map(|f| f.members().iter())
            .filter_map(|m| self.names.get(m).copied());
        let concerned: Vec<u16> = read.chain(of).collect();
        for slot in concerned {
            self.with_slot(slot, |s| s.watched_by = s.watched_by.with(number));
        }
        if let Some(filter) = &filter {
            self.remember(&filter.uses().clone());
        }
        let direction = aggregate.direction;
        self.watches.push(Watch {
            reader: reader.clone(),
            property: property.clone(),
            over,
            direction,
            of,
            filter,
        });
        Ok(())
    }
}
