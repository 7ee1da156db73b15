//! A twin of one interface becomes one of another, or of another version of the same.

use crate::{
    Compiled, Lifecycle,
    derive::Change,
    outbox::Places,
    timers::MAX_AGE,
    twin::{Cell, EMPTY, Twin},
};
use gemelli_model::{TwinId, Value};
use std::sync::Arc;

impl Twin {
    /// Packs the values in the new interface's order. What has no place there, or does not fit, goes.
    fn repack(&mut self, interface: &Arc<Compiled>) {
        let old = std::mem::replace(self, Self::new(self.id.clone(), interface.clone()));
        for (slot, info) in old.interface.slots().iter().enumerate() {
            let Some(new) = interface.slot_of(&info.name) else {
                continue;
            };
            let Some(target) = interface.slot(new) else {
                continue;
            };
            let Cell { value, time_ms } = old.cells.get(slot).cloned().unwrap_or(EMPTY);
            if target.derived() || info.derived() || value.is_null() {
                continue;
            }
            let Ok(value) = interface.fit(target, value) else {
                continue;
            };
            let at = usize::from(new);
            if let Some(place) = self.cells.get_mut(at) {
                *place = Cell { value, time_ms };
            }
            if let (Some(to), Some(from)) = (target.before, info.before)
                && let (Some(place), Some(value)) = (
                    self.before.get_mut(usize::from(to)),
                    old.before.get(usize::from(from)),
                )
            {
                *place = value.clone();
            }
            if let Some(to) = target.changed
                && let Some(place) = self.changed.get_mut(usize::from(to))
            {
                let known = info
                    .changed
                    .and_then(|from| old.changed.get(usize::from(from)));
                *place = known.copied().unwrap_or(time_ms);
            }
        }
        *self = Self {
            cells: std::mem::take(&mut self.cells),
            before: std::mem::take(&mut self.before),
            changed: std::mem::take(&mut self.changed),
            shares: interface.no_shares(),
            interface: interface.clone(),
            deadlines: Box::default(),
            ..old
        };
    }
}

impl Change<'_> {
    /// Makes the twin one of this interface: keeps its values, computes what is derived anew, and
    /// asks all related twins for their contributions again.
    pub(crate) fn migrate(&mut self, interface: &Arc<Compiled>) {
        let Self { twin, side, at } = self;
        side.outbox
            .settles
            .clear(&twin.id, twin.noted.settles, |_| true);
        let first = (twin.id.clone(), 0);
        let waiting: Vec<(TwinId, u16)> = side
            .outbox
            .emits
            .range(first..)
            .map(|(key, _)| key.clone())
            .take_while(|(id, _)| *id == twin.id)
            .collect();
        for key in waiting {
            side.outbox.emits.remove(&key);
        }
        let derived: Vec<(Arc<str>, Value)> = twin
            .interface
            .slots()
            .iter()
            .zip(&twin.cells)
            .filter(|(slot, _)| slot.derived())
            .map(|(slot, cell)| (slot.name.clone(), cell.value.clone()))
            .collect();
        side.tallies.remove(&twin.id);
        let former_ms = twin.interface.window_ms();
        twin.repack(interface);
        twin.recount(former_ms);
        let in_touch = matches!(
            twin.lifecycle,
            Lifecycle::Synchronized | Lifecycle::OutOfSync
        );
        if in_touch {
            twin.watch_rate(&mut side.timers, at.now_ms);
        }
        if let (true, Some(age)) = (in_touch, interface.max_age_ms()) {
            let due = twin.report_ms.saturating_add(age).saturating_add(1);
            side.timers.set(twin, MAX_AGE, Some(due));
        }
        for (name, value) in derived {
            if let Some(slot) = interface.slot_of(&name) {
                side.outbox.settle(twin, slot, &value, at.seq);
            }
        }
        side.outbox
            .contribute(twin, Places::ALL, at.position, at.seq);
        let out = twin.out().map(|(id, _)| (twin.id.clone(), id.clone()));
        let incoming = twin
            .incoming()
            .map(|edge| (edge.source.clone(), edge.id.clone()));
        for edge in out.chain(incoming) {
            side.outbox.edges.insert(edge, at.seq);
        }
        self.roll_up_all();
        self.wake_all();
        self.compute();
    }
}
