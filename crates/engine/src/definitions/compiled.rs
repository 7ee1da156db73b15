//! An interface made ready: slots in packing order, names to slots, expressions in evaluation order.

use crate::{expr::Program, hashing::Hashing, outbox::Places, twin::Shares};
use gemelli_model::{
    Interface, InterfaceId, Schema, Value,
    interface::{Aggregate, Clock, Direction, Emit},
    resolve::Resolved,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// An interface, its inherited members included, ready for twins.
#[derive(Debug)]
pub struct Compiled {
    pub(super) source: Arc<Interface>,
    pub(super) resolved: Resolved,
    pub(super) slots: Box<[Slot]>,
    /// Names to slots; never iterated.
    pub(super) names: HashMap<Arc<str>, u16, Hashing>,
    /// As `names`, in lower case, where the interface ignores case.
    pub(super) folded: HashMap<Arc<str>, u16, Hashing>,
    /// Derived properties with an expression, in the order in which they are computed.
    pub(super) locals: Box<[Local]>,
    /// Slots of derived properties that roll up related twins.
    pub(super) rollups: Box<[u16]>,
    /// Roll-ups of other twins that may read twins of this interface.
    pub(super) watches: Box<[Watch]>,
    /// Slots that are read through `prev` and through `since`.
    pub(crate) before_slots: usize,
    pub(crate) changed_slots: usize,
    /// Text that is the same for the same compiled interface.
    pub(super) fingerprint: u64,
}

/// A place for a value.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub name: Arc<str>,
    /// The interface that declares it.
    pub from: InterfaceId,
    pub schema: Schema,
    pub kind: SlotKind,
    /// Place of the value before the last write.
    pub before: Option<u16>,
    /// Place of the time of the last change.
    pub changed: Option<u16>,
    /// Expressions, as places in the order of computing, that a write sets off.
    pub sets_off: Box<[u16]>,
    /// Watches that a change concerns.
    pub watched_by: Places,
    pub expires_ms: Option<u64>,
    pub emit: Option<Emit>,
}

/// Where a slot's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SlotKind {
    /// A property that is reported.
    Reported,
    /// A telemetry: whether its last value is kept.
    Telemetry { last: bool },
    /// A part's values, as one object.
    Component(Arc<Part>),
    /// An expression.
    Local,
    /// A roll-up: its place among the roll-ups.
    Rollup { place: u16, aggregate: Aggregate },
}

/// A part of a twin, as its interface declares it.
#[derive(Debug, PartialEq)]
pub struct Part {
    /// The part's own interface.
    pub interface: InterfaceId,
    /// Its own parts, by name.
    pub parts: BTreeMap<Arc<str>, Arc<Part>>,
}

impl Part {
    /// The value of such a part with all its own parts in it, empty where they were never written.
    pub(crate) fn present(&self, value: &Value) -> Value {
        let mut fields = match value {
            Value::Object(fields) => fields.to_vec(),
            Value::Null => Vec::new(),
            other => return other.clone(),
        };
        for (name, part) in &self.parts {
            match fields.iter_mut().find(|(n, _)| n == name) {
                Some((_, value)) => *value = part.present(value),
                None => fields.push((name.clone(), part.present(&Value::Null))),
            }
        }
        Value::Object(fields.into())
    }
}

impl Slot {
    /// The part that it is, if it is one.
    pub(crate) fn part(&self) -> Option<&Arc<Part>> {
        match &self.kind {
            SlotKind::Component(part) => Some(part),
            _ => None,
        }
    }

    /// Whether it is computed.
    pub(crate) fn derived(&self) -> bool {
        matches!(self.kind, SlotKind::Local | SlotKind::Rollup { .. })
    }
}

/// A derived property with an expression.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub slot: u16,
    pub program: Program,
    /// The slot of each of the program's members.
    pub members: Box<[u16]>,
}

/// A roll-up of another interface that may read twins of this one.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    /// The interface that declares the roll-up, and its name.
    pub reader: InterfaceId,
    pub property: Arc<str>,
    /// The relationship, and which way the reader looks along it.
    pub over: Arc<str>,
    pub direction: Direction,
    /// The slot that contributes.
    pub of: Option<u16>,
    pub filter: Option<Program>,
}

impl Compiled {
    /// Its id.
    pub fn id(&self) -> &InterfaceId {
        &self.source.id
    }

    /// As its author wrote it.
    pub fn source(&self) -> &Arc<Interface> {
        &self.source
    }

    /// With everything that it inherits.
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// Whether it is that interface or extends it.
    pub fn is_a(&self, interface: &str) -> bool {
        self.resolved.is_a(interface)
    }

    /// Its parts, by name.
    pub fn parts(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Part>)> {
        self.slots.iter().filter_map(|s| Some((&s.name, s.part()?)))
    }

    /// Whether ages and timers follow the device's time.
    pub fn event_time(&self) -> bool {
        self.resolved.time == Clock::Event
    }

    /// The last report's greatest age while in sync, milliseconds.
    pub(crate) fn max_age_ms(&self) -> Option<i64> {
        let age = self.resolved.fidelity.as_ref()?.max_age_ms?;
        i64::try_from(age).ok()
    }

    /// The time in which ten reports are expected, milliseconds.
    pub(crate) fn window_ms(&self) -> Option<i64> {
        let rate = self.resolved.fidelity.as_ref()?.rate_per_hour?;
        Some(crate::fidelity::window_ms(rate))
    }

    /// Least share of expected reports while in sync; none where no rate is expected.
    pub(crate) fn min_availability(&self) -> Option<f64> {
        let fidelity = self.resolved.fidelity.as_ref()?;
        fidelity.rate_per_hour.and(fidelity.min_availability)
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(crate) fn slot(&self, slot: u16) -> Option<&Slot> {
        self.slots.get(usize::from(slot))
    }

    /// The slot of a name, without case where the interface ignores it.
    pub(crate) fn slot_of(&self, name: &str) -> Option<u16> {
        if let Some(slot) = self.names.get(name) {
            return Some(*slot);
        }
        if self.resolved.ignore_case {
            return self.folded.get(&*name.to_ascii_lowercase()).copied();
        }
        None
    }

    pub(crate) fn locals(&self) -> &[Local] {
        &self.locals
    }

    pub(crate) fn rollups(&self) -> &[u16] {
        &self.rollups
    }

    pub(crate) fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// The aggregate of a roll-up's slot, with its place among the roll-ups.
    pub(crate) fn rollup(&self, slot: u16) -> Option<(u16, &Aggregate)> {
        match &self.slot(slot)?.kind {
            SlotKind::Rollup { place, aggregate } => Some((*place, aggregate)),
            _ => None,
        }
    }

    pub(crate) fn no_shares(&self) -> Option<Arc<[Shares]>> {
        (!self.rollups.is_empty()).then(|| vec![Shares::default(); self.rollups.len()].into())
    }

    /// Whether a twin of the other one needs no change to be a twin of this.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.source == other.source
    }

    /// The value in the form of the slot's schema.
    pub(crate) fn fit(
        &self,
        slot: &Slot,
        value: Value,
    ) -> Result<Value, gemelli_model::schema::Mismatch> {
        match (&slot.schema, value) {
            (Schema::Double | Schema::Float, Value::Double(x)) if x.is_finite() => {
                Ok(Value::Double(x))
            }
            (Schema::Double | Schema::Float, Value::Int(n)) => Ok(Value::Double(n as f64)),
            (_, Value::Null) => Ok(Value::Null),
            (Schema::String, Value::Text(text)) => Ok(Value::Text(text)),
            (Schema::Any, value) => Ok(value),
            (Schema::Boolean, Value::Bool(b)) => Ok(Value::Bool(b)),
            (schema, value) if self.resolved.open => schema.check_leniently(&value),
            (schema, value) => schema.check(&value),
        }
    }
}
