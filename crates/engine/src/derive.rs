//! Values computed from a twin's own members, and what a changed value sets off.

use crate::{
    definitions::Local,
    engine::Side,
    expr::Scope,
    outbox::Emit,
    timers,
    twin::{NEVER, Twin},
};
use gemelli_event::{Position, Seq};
use gemelli_model::Value;

/// Where and when a record changes a twin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub seq: Seq,
    pub position: Position,
    pub accepted_ms: i64,
    /// By the clock of the twin's interface.
    pub now_ms: i64,
}

/// A twin while a record changes it: values are written, then what they set off is computed.
pub(crate) struct Change<'a> {
    pub twin: &'a mut Twin,
    pub side: &'a mut Side,
    pub at: Moment,
}

impl Change<'_> {
    /// Notes that this record changed the twin; to be called once.
    pub(crate) fn begin(&mut self) {
        self.twin.offset = self.at.position.offset;
        self.twin.accepted_ms = self.at.accepted_ms;
        self.side.wake.clear();
        self.side.note_dirty(self.twin);
    }

    /// Writes a slot, and notes what that sets off.
    pub(crate) fn set(&mut self, slot: u16, value: Value) {
        let interface = self.twin.interface.clone();
        let Some(info) = interface.slot(slot) else {
            return;
        };
        let derived = info.derived();
        let old = derived.then(|| self.twin.value(slot).clone());
        let absent = value.is_null();
        let changed = self.twin.write(slot, value, self.at.now_ms);
        self.side.wake.extend_from_slice(&info.sets_off);
        if changed {
            let Moment { seq, position, .. } = self.at;
            self.side
                .outbox
                .contribute(self.twin, info.watched_by, position, seq);
            if let Some(old) = old {
                self.side.outbox.settle(self.twin, slot, &old, seq);
                if info.emit.is_some() {
                    let key = (self.twin.id.clone(), slot);
                    let entry = self.side.outbox.emits.entry(key);
                    let entry = entry.or_insert(Emit {
                        before: old,
                        stamp: 0,
                        cause: seq,
                    });
                    (entry.stamp, entry.cause) = (position.offset, seq);
                }
            }
        }
        if let Some(expires_ms) = info.expires_ms {
            let life = i64::try_from(expires_ms).unwrap_or(i64::MAX);
            let due = (!absent).then(|| self.at.now_ms.saturating_add(life));
            self.side.timers.set(self.twin, timers::expiry(slot), due);
        }
    }

    /// Sets off every expression.
    pub(crate) fn wake_all(&mut self) {
        let all = 0..u16::try_from(self.twin.interface.locals().len()).unwrap_or(u16::MAX);
        self.side.wake.extend(all);
    }

    /// Computes what was set off, in the order of the interface: each expression once.
    pub(crate) fn compute(&mut self) {
        if self.side.wake.is_empty() {
            return;
        }
        let interface = self.twin.interface.clone();
        let mut done = 0;
        // An expression sets off later ones only, so the least one is always ready.
        while let Some(place) = self.side.wake.iter().copied().filter(|p| *p >= done).min() {
            done = place + 1;
            let Some(local) = interface.locals().get(usize::from(place)) else {
                break;
            };
            let scope = Own {
                twin: self.twin,
                local,
                now_ms: self.at.now_ms,
            };
            let value = local.program.eval(&scope).ok();
            let fitted = value.and_then(|v| interface.fit(interface.slot(local.slot)?, v).ok());
            if fitted.is_none() {
                self.side.counters.failed_expressions += 1;
            }
            self.set(local.slot, fitted.unwrap_or_default());
        }
        self.side.wake.clear();
    }
}

/// What an expression reads of its own twin.
struct Own<'a> {
    twin: &'a Twin,
    local: &'a Local,
    now_ms: i64,
}

impl Scope for Own<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        read(self.twin, name)
    }

    fn get_at(&self, index: usize, name: &str) -> Option<Value> {
        match self.local.members.get(index) {
            Some(slot) => Some(self.twin.value(*slot).clone()),
            None => self.get(name),
        }
    }

    fn prev(&self, name: &str) -> Option<Value> {
        before(self.twin, name)
    }

    fn since_ms(&self, name: &str) -> Option<i64> {
        since_ms(self.twin, name, self.now_ms)
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }
}

/// A member's present value.
pub(crate) fn read(twin: &Twin, name: &str) -> Option<Value> {
    Some(twin.value(twin.interface.slot_of(name)?).clone())
}

/// A member's value before its last write.
pub(crate) fn before(twin: &Twin, name: &str) -> Option<Value> {
    let slot = twin.interface.slot(twin.interface.slot_of(name)?)?;
    twin.before.get(usize::from(slot.before?)).cloned()
}

/// Milliseconds since a member's value changed.
pub(crate) fn since_ms(twin: &Twin, name: &str, now_ms: i64) -> Option<i64> {
    let slot = twin.interface.slot(twin.interface.slot_of(name)?)?;
    let changed = twin.changed.get(usize::from(slot.changed?)).copied()?;
    (changed != NEVER).then(|| now_ms.saturating_sub(changed).max(0))
}
