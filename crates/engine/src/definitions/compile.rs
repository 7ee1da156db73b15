//! From interfaces as written to interfaces as they run.

mod emit;
mod part;
mod watch;

use super::compiled::{Compiled, Local, Slot, SlotKind, Watch};
use crate::{
    Rejection,
    engine::Judged,
    expr::{Names, Program, Uses},
    hashing::{Hashing, mark},
    outbox::Places,
};
use gemelli_model::{
    Interface, InterfaceId, Schema,
    interface::{Derived, Direction, Emit, Op},
    nearest,
    resolve::{self, MemberKind, Resolved},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// All interfaces, compiled; or the first thing that is wrong with them.
pub(super) fn all(
    sources: &BTreeMap<InterfaceId, Arc<Interface>>,
    judged: Judged,
) -> Result<BTreeMap<InterfaceId, Arc<Compiled>>, Rejection> {
    let mut drafts = BTreeMap::new();
    let mut refused = Vec::new();
    for (id, source) in sources {
        match Draft::new(source, sources, judged) {
            Ok(draft) => drop(drafts.insert(id.clone(), draft)),
            Err(rejection) => refused.push(rejection),
        }
    }
    Rejection::any_of(refused)?;
    let read = watch::all(&mut drafts);
    judged.by(|| read.and_then(|()| emit::check(&drafts)))?;
    Ok(drafts
        .into_iter()
        .map(|(id, draft)| (id, Arc::new(draft.finish())))
        .collect())
}

struct Draft {
    source: Arc<Interface>,
    /// What it extends and itself, as written.
    lineage: Vec<Arc<Interface>>,
    resolved: Resolved,
    names_in_expressions: Names,
    slots: Vec<Slot>,
    names: HashMap<Arc<str>, u16, Hashing>,
    folded: HashMap<Arc<str>, u16, Hashing>,
    locals: Vec<Local>,
    rollups: Vec<u16>,
    watches: Vec<Watch>,
    before_slots: usize,
    changed_slots: usize,
    /// Ancestors as written, for the fingerprint.
    ancestry: String,
}

impl Draft {
    fn new(
        source: &Arc<Interface>,
        sources: &BTreeMap<InterfaceId, Arc<Interface>>,
        judged: Judged,
    ) -> Result<Self, Rejection> {
        let resolved =
            resolve::one(source, |id| sources.get(id).map(|i| &**i)).map_err(|faults| {
                let code = faults
                    .first()
                    .map_or("unknown-interface", resolve::Fault::code);
                let reasons: Vec<_> = faults.iter().map(ToString::to_string).collect();
                let remedy = faults
                    .first()
                    .map(resolve::Fault::remedy)
                    .unwrap_or_default();
                Rejection::new(code, reasons.join("; "), remedy)
            })?;
        let ancestors = resolved.ancestors.iter().filter_map(|id| sources.get(id));
        let lineage: Vec<_> = ancestors.chain([source]).cloned().collect();
        let names_in_expressions = lineage
            .iter()
            .fold(Names::new(), |names, i| names.interface(i));
        let ancestry = format!("{lineage:?}");
        let mut draft = Self {
            source: source.clone(),
            lineage,
            resolved,
            names_in_expressions,
            slots: Vec::new(),
            names: HashMap::default(),
            folded: HashMap::default(),
            locals: Vec::new(),
            rollups: Vec::new(),
            watches: Vec::new(),
            before_slots: 0,
            changed_slots: 0,
            ancestry,
        };
        draft.lay_out(&|id| sources.get(id).map(|i| &**i));
        draft.compile_locals(judged)?;
        Ok(draft)
    }

    /// Gives every member its slot.
    fn lay_out(&mut self, sources: &part::Sources<'_>) {
        let members = self.resolved.members.iter().map(|member| {
            let blank = Slot::blank(member.name(), &member.from, member.schema());
            match &member.kind {
                MemberKind::Telemetry(telemetry) => Slot {
                    kind: SlotKind::Telemetry {
                        last: telemetry.last,
                    },
                    ..blank
                },
                MemberKind::Property(property) => match &property.derived {
                    None => blank,
                    Some(derived) => {
                        let kind = match &derived.aggregate {
                            Some(aggregate) => SlotKind::Rollup {
                                place: 0,
                                aggregate: aggregate.clone(),
                            },
                            None => SlotKind::Local,
                        };
                        Slot {
                            kind,
                            expires_ms: derived.expires_ms,
                            emit: derived.emit.clone(),
                            ..blank
                        }
                    }
                },
            }
        });
        let components = self.resolved.components.iter().map(|component| {
            let (part, schema) = part::of(&component.item.interface, sources);
            Slot {
                kind: SlotKind::Component(Arc::new(part)),
                ..Slot::blank(&component.item.name, &component.from, &schema)
            }
        });
        self.slots = members.chain(components).collect();
        for (number, slot) in (0_u16..).zip(&mut self.slots) {
            self.names.insert(slot.name.clone(), number);
            self.folded
                .entry(slot.name.to_ascii_lowercase().into())
                .or_insert(number);
            if let SlotKind::Rollup { place, .. } = &mut slot.kind {
                *place = u16::try_from(self.rollups.len()).unwrap_or(u16::MAX);
                self.rollups.push(number);
            }
        }
    }

    fn compile_locals(&mut self, judged: Judged) -> Result<(), Rejection> {
        let mut found = Vec::new();
        let mut refused = Vec::new();
        for member in &self.resolved.members {
            let Some((name, derived)) = member
                .property()
                .and_then(|p| Some((&p.name, p.derived.as_ref()?)))
            else {
                continue;
            };
            if let Err(rejection) = self.check_derived(name, derived) {
                refused.push(rejection);
                continue;
            }
            let (Some(source), Some(slot)) = (&derived.expression, self.names.get(name)) else {
                continue;
            };
            let program = match self.program(name, source, &self.names_in_expressions) {
                Ok(program) => program,
                Err(rejection) => {
                    refused.push(rejection);
                    continue;
                }
            };
            let members: Box<[u16]> = program
                .members()
                .iter()
                .filter_map(|m| self.names.get(m).copied())
                .collect();
            let sets_off: Vec<u16> = if !derived.on.is_empty() {
                derived
                    .on
                    .iter()
                    .filter_map(|m| self.names.get(m).copied())
                    .collect()
            } else if members.is_empty() {
                (0..)
                    .zip(&self.slots)
                    .filter(|(_, s)| !s.derived())
                    .map(|(n, _)| n)
                    .collect()
            } else {
                members.iter().copied().filter(|m| m != slot).collect()
            };
            found.push((
                Local {
                    slot: *slot,
                    program,
                    members,
                },
                sets_off,
            ));
        }
        judged.by(|| Rejection::any_of(refused))?;
        let ordered = self.order(found, judged)?;
        for (place, (local, sets_off)) in (0_u16..).zip(ordered) {
            for slot in sets_off {
                self.with_slot(slot, |s| push(&mut s.sets_off, place));
            }
            self.remember(local.program.uses());
            self.locals.push(local);
        }
        Ok(())
    }

    fn with_slot(&mut self, slot: u16, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
            change(slot);
        }
    }

    fn program(&self, name: &str, source: &str, names: &Names) -> Result<Program, Rejection> {
        Program::compile(source, names).map_err(|error| {
            let reason = format!(
                "interface {}, derived property {name}: {error}",
                self.source.id
            );
            self.placed(
                Rejection::new("malformed-expression", reason, error.remedy),
                name,
                "/expression",
            )
        })
    }

    /// A rejection with its place below a property's `derived`, in the interface that declares it.
    fn placed(&self, rejection: Rejection, property: &str, field: &str) -> Rejection {
        let place = self.lineage.iter().rev().find_map(|interface| {
            let at = interface
                .properties
                .iter()
                .position(|p| *p.name == *property)?;
            Some((
                interface.id.as_str(),
                format!("/spec/properties/{at}/derived{field}"),
            ))
        });
        match place {
            Some((name, pointer)) => rejection.at("Interface", name, pointer),
            None => rejection,
        }
    }

    /// Gives the slots that a program reads through `prev` and `since` a place for what they were.
    fn remember(&mut self, uses: &Uses) {
        for name in &uses.prev {
            let fresh = u16::try_from(self.before_slots).unwrap_or(u16::MAX);
            if let Some(slot) = self
                .names
                .get(name)
                .and_then(|n| self.slots.get_mut(usize::from(*n)))
                && slot.before.is_none()
            {
                slot.before = Some(fresh);
                self.before_slots += 1;
            }
        }
        for name in &uses.since {
            let fresh = u16::try_from(self.changed_slots).unwrap_or(u16::MAX);
            if let Some(slot) = self
                .names
                .get(name)
                .and_then(|n| self.slots.get_mut(usize::from(*n)))
                && slot.changed.is_none()
            {
                slot.changed = Some(fresh);
                self.changed_slots += 1;
            }
        }
    }

    fn fault(
        &self,
        (name, field): (&str, &str),
        code: &'static str,
        what: impl std::fmt::Display,
        remedy: &str,
    ) -> Rejection {
        let reason = format!(
            "interface {}, derived property {name}: {what}",
            self.source.id
        );
        self.placed(Rejection::new(code, reason, remedy), name, field)
    }

    fn check_derived(&self, name: &str, derived: &Derived) -> Result<(), Rejection> {
        if derived.expression.is_some() == derived.aggregate.is_some() {
            let remedy = "give exactly one of expression and aggregate";
            return Err(self.fault(
                (name, ""),
                "missing-field",
                "it needs either an expression or an aggregate",
                remedy,
            ));
        }
        for member in &derived.on {
            if !self.names.contains_key(member) {
                return Err(self.unknown(name, "on", member, self.names.keys().map(|n| &**n)));
            }
        }
        if let Some(aggregate) = &derived.aggregate {
            let question = matches!(aggregate.op, Op::Any | Op::All) && aggregate.filter.is_some();
            if aggregate.of.is_none() && aggregate.op != Op::Count && !question {
                let remedy = "name the related twins' member under of";
                return Err(self.fault(
                    (name, "/aggregate"),
                    "missing-field",
                    "the aggregate needs a member to read",
                    remedy,
                ));
            }
            if aggregate.direction == Direction::Outgoing
                && self.resolved.relationship(&aggregate.over).is_none()
            {
                let known = self.resolved.relationships.iter().map(|r| &*r.item.name);
                return Err(self.unknown(name, "over", &aggregate.over, known));
            }
        }
        if let Some(Emit::Command { relationship, .. }) = &derived.emit
            && self.resolved.relationship(relationship).is_none()
        {
            let known = self.resolved.relationships.iter().map(|r| &*r.item.name);
            return Err(self.unknown(name, "emit", relationship, known));
        }
        Ok(())
    }

    fn unknown<'a>(
        &self,
        name: &str,
        field: &str,
        written: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Rejection {
        let mut known: Vec<_> = known.collect();
        known.sort_unstable();
        let remedy = nearest::name(written, known.iter().copied()).map_or_else(
            || format!("it has {}", known.join(", ")),
            |near| format!("did you mean {near}?"),
        );
        let place = match field {
            "over" => "/aggregate/over",
            "emit" => "/emit",
            _ => "/on",
        };
        self.fault(
            (name, place),
            "unknown-field",
            format!("{field} names {written}, which the interface does not have"),
            &remedy,
        )
    }

    /// Locals such that each comes after those that it reads.
    fn order(
        &self,
        mut waiting: Vec<(Local, Vec<u16>)>,
        judged: Judged,
    ) -> Result<Vec<(Local, Vec<u16>)>, Rejection> {
        let mut ordered = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let open: Vec<u16> = waiting.iter().map(|(l, _)| l.slot).collect();
            let ready = waiting
                .iter()
                .position(|(l, _)| !l.members.iter().any(|m| *m != l.slot && open.contains(m)));
            match ready {
                Some(at) => ordered.push(waiting.remove(at)),
                None if judged == Judged::Before => break,
                None => {
                    let names: Vec<&str> = open
                        .iter()
                        .filter_map(|s| self.slots.get(usize::from(*s)).map(|s| &*s.name))
                        .collect();
                    let reason = format!(
                        "interface {}: the derived properties {} read each other in a circle",
                        self.source.id,
                        names.join(", ")
                    );
                    let remedy = "take one of them out of another's expression";
                    return Err(Rejection::new("malformed-expression", reason, remedy));
                }
            }
        }
        Ok(ordered)
    }

    fn finish(self) -> Compiled {
        let mut text = format!("{}{:?}", self.ancestry, self.watches);
        // What a component holds is declared elsewhere.
        for slot in self.slots.iter().filter(|slot| slot.part().is_some()) {
            text.push_str(&format!("{slot:?}"));
        }
        let fingerprint = mark(&text);
        Compiled {
            source: self.source,
            resolved: self.resolved,
            slots: self.slots.into(),
            names: self.names,
            folded: self.folded,
            locals: self.locals.into(),
            rollups: self.rollups.into(),
            watches: self.watches.into(),
            before_slots: self.before_slots,
            changed_slots: self.changed_slots,
            fingerprint,
        }
    }
}

impl Slot {
    fn blank(name: &Arc<str>, from: &InterfaceId, schema: &Schema) -> Self {
        Self {
            name: name.clone(),
            from: from.clone(),
            schema: schema.clone(),
            kind: SlotKind::Reported,
            before: None,
            changed: None,
            sets_off: Box::default(),
            watched_by: Places::default(),
            expires_ms: None,
            emit: None,
        }
    }
}

fn push(list: &mut Box<[u16]>, number: u16) {
    if !list.contains(&number) {
        let mut longer = std::mem::take(list).into_vec();
        longer.push(number);
        *list = longer.into();
    }
}
