//! Interfaces with everything they inherit: what an interface's twins really have.
//!
//! Members of ancestors come first, in the order of `extends`, then the interface's own, so that
//! values can be packed in this order. A member met twice by different ways is one member; two
//! different members of one name are a conflict. Nothing here looks at expressions.

use crate::{
    Interface, InterfaceId, Schema, Value,
    interface::{
        Clock, Command, Component, Fidelity, Property, Relationship, Routing, Table, Telemetry,
    },
    schema::Mismatch,
};
use std::{collections::BTreeMap, sync::Arc};

/// Longest chain of `extends`.
pub const MAX_ANCESTRY: usize = 32;

/// Most members (properties, telemetry, commands, relationships, components) of one interface, inherited ones included.
pub const MAX_MEMBERS: usize = 4_096;

/// An interface with everything it inherits.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Its id.
    pub id: InterfaceId,
    /// All ancestors, farthest first; without the interface itself.
    pub ancestors: Vec<InterfaceId>,
    /// Properties and telemetry in the order in which values are packed.
    pub members: Vec<Member>,
    /// Commands.
    pub commands: Vec<Inherited<Command>>,
    /// Kinds of edges.
    pub relationships: Vec<Inherited<Relationship>>,
    /// Parts.
    pub components: Vec<Inherited<Component>>,
    /// Tables of breakpoints.
    pub tables: BTreeMap<Arc<str>, Table>,
    /// [`Clock::Event`] if it or an ancestor says so.
    pub time: Clock,
    /// Its own.
    pub routing: Routing,
    /// Its own, else that of the nearest ancestor that has one.
    pub fidelity: Option<Fidelity>,
    /// Its own, else that of the nearest ancestor that has one.
    pub service: Option<Value>,
    /// Names match without case, if it or an ancestor says so.
    pub ignore_case: bool,
    /// Payloads may hold undeclared members, if it or an ancestor says so.
    pub open: bool,
}

/// Something declared, and the interface that declares it.
#[derive(Clone, Debug, PartialEq)]
pub struct Inherited<T> {
    /// The interface that declares it.
    pub from: InterfaceId,
    /// What it declares.
    pub item: T,
}

/// A property or a telemetry: what holds values.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The interface that declares it.
    pub from: InterfaceId,
    /// What it declares.
    pub kind: MemberKind,
}

/// The two kinds of members that hold values.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberKind {
    /// State that is kept.
    Property(Property),
    /// Measurements that are passed on.
    Telemetry(Telemetry),
}

impl Member {
    /// Its name, in the spelling of the interface.
    pub fn name(&self) -> &Arc<str> {
        match &self.kind {
            MemberKind::Property(p) => &p.name,
            MemberKind::Telemetry(t) => &t.name,
        }
    }

    /// What it holds.
    pub fn schema(&self) -> &Schema {
        match &self.kind {
            MemberKind::Property(p) => &p.schema,
            MemberKind::Telemetry(t) => &t.schema,
        }
    }

    /// The property, if it is one.
    pub fn property(&self) -> Option<&Property> {
        match &self.kind {
            MemberKind::Property(p) => Some(p),
            MemberKind::Telemetry(_) => None,
        }
    }

    /// The telemetry, if it is one.
    pub fn telemetry(&self) -> Option<&Telemetry> {
        match &self.kind {
            MemberKind::Property(_) => None,
            MemberKind::Telemetry(t) => Some(t),
        }
    }
}

impl Resolved {
    /// Place and declaration of the member with this name; case is ignored where the interface says so.
    pub fn member(&self, name: &str) -> Option<(usize, &Member)> {
        let exact = self.members.iter().position(|m| &**m.name() == name);
        let place = match exact {
            None if self.ignore_case => self
                .members
                .iter()
                .position(|m| m.name().eq_ignore_ascii_case(name)),
            found => found,
        }?;
        Some((place, self.members.get(place)?))
    }

    /// The command with this name; KTWIN's programs send it in lower case, so case never matters.
    pub fn command(&self, name: &str) -> Option<&Command> {
        let commands = || self.commands.iter().map(|c| &c.item);
        commands()
            .find(|c| &*c.name == name)
            .or_else(|| commands().find(|c| c.name.eq_ignore_ascii_case(name)))
    }

    /// The kind of edge with this name; case is ignored where the interface says so.
    pub fn relationship(&self, name: &str) -> Option<&Relationship> {
        let all = || self.relationships.iter().map(|r| &r.item);
        all().find(|r| &*r.name == name).or_else(|| {
            self.ignore_case
                .then(|| all().find(|r| r.name.eq_ignore_ascii_case(name)))
                .flatten()
        })
    }

    /// Whether its twins count as twins of that interface.
    pub fn is_a(&self, interface: &str) -> bool {
        self.id.as_str() == interface || self.ancestors.iter().any(|a| a.as_str() == interface)
    }

    /// A member's value in the form of its schema: strictly, or leniently where the interface is open.
    pub fn check(&self, member: &Member, value: &Value) -> Result<Value, Mismatch> {
        if self.open {
            member.schema().check_leniently(value)
        } else {
            member.schema().check(value)
        }
    }
}

/// Why an interface cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An ancestor does not exist.
    #[error("interface {interface} extends {parent}, which does not exist")]
    Unknown {
        /// The interface that names it.
        interface: InterfaceId,
        /// What it names.
        parent: InterfaceId,
    },
    /// It extends itself.
    #[error("interface {interface} extends itself: {}", .path.join(" -> "))]
    Cycle {
        /// The interface.
        interface: InterfaceId,
        /// The way back to it.
        path: Vec<String>,
    },
    /// The chain of ancestors is too long.
    #[error("interface {interface} has more than {MAX_ANCESTRY} generations of ancestors")]
    TooDeep {
        /// The interface.
        interface: InterfaceId,
    },
    /// It has too many members.
    #[error("interface {interface} has more than {MAX_MEMBERS} members, inherited ones included")]
    TooMany {
        /// The interface.
        interface: InterfaceId,
    },
    /// Two different members have one name.
    #[error(
        "interface {interface} gets two different members named {name}: from {first} and from {second}"
    )]
    Conflict {
        /// The interface.
        interface: InterfaceId,
        /// The name.
        name: Arc<str>,
        /// Where one comes from.
        first: InterfaceId,
        /// Where the other comes from.
        second: InterfaceId,
    },
}

impl Fault {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown-interface",
            Self::Cycle { .. } => "inheritance-cycle",
            Self::TooDeep { .. } | Self::TooMany { .. } => "limit-reached",
            Self::Conflict { .. } => "duplicate-id",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unknown { parent, .. } => {
                format!(
                    "apply {parent} together with it or before it, or mend the name under extends"
                )
            }
            Self::Cycle { .. } => "take one of these names out of extends".into(),
            Self::TooDeep { .. } => "flatten the upper generations into one interface".into(),
            Self::TooMany { .. } => {
                "move some of its members to components or related twins".into()
            }
            Self::Conflict { name, .. } => format!("rename {name} in one of the two interfaces"),
        }
    }
}

/// All interfaces with what they inherit, or everything that is wrong with them.
pub fn all(
    interfaces: &BTreeMap<InterfaceId, Interface>,
) -> Result<BTreeMap<InterfaceId, Resolved>, Vec<Fault>> {
    let mut resolved = BTreeMap::new();
    let mut faults: Vec<Fault> = Vec::new();
    for interface in interfaces.values() {
        match one(interface, |id| interfaces.get(id)) {
            Ok(whole) => {
                resolved.insert(interface.id.clone(), whole);
            }
            Err(found) => faults.extend(found),
        }
    }
    let mut unique: Vec<Fault> = Vec::new();
    for fault in faults {
        if !unique.contains(&fault) {
            unique.push(fault);
        }
    }
    if unique.is_empty() {
        Ok(resolved)
    } else {
        Err(unique)
    }
}

/// One interface with what it inherits; `lookup` finds the others.
pub fn one<'a>(
    interface: &'a Interface,
    lookup: impl Fn(&InterfaceId) -> Option<&'a Interface>,
) -> Result<Resolved, Vec<Fault>> {
    let mut walk = Walk {
        lookup: &lookup,
        path: Vec::new(),
        order: Vec::new(),
        faults: Vec::new(),
    };
    walk.visit(interface);
    let Walk { order, faults, .. } = walk;
    if !faults.is_empty() {
        return Err(faults);
    }
    assemble(interface, &order)
}

/// A walk over ancestors, farthest first.
struct Walk<'a, 'b> {
    lookup: &'b dyn Fn(&InterfaceId) -> Option<&'a Interface>,
    path: Vec<&'a InterfaceId>,
    order: Vec<&'a Interface>,
    faults: Vec<Fault>,
}

impl<'a> Walk<'a, '_> {
    fn visit(&mut self, interface: &'a Interface) {
        if self.order.iter().any(|known| known.id == interface.id) {
            return;
        }
        if let Some(start) = self.path.iter().position(|id| **id == interface.id) {
            let steps = self.path.iter().skip(start).copied().chain([&interface.id]);
            let path = steps.map(ToString::to_string).collect();
            self.faults.push(Fault::Cycle {
                interface: interface.id.clone(),
                path,
            });
            return;
        }
        if self.path.len() >= MAX_ANCESTRY {
            if let Some(first) = self.path.first() {
                self.faults.push(Fault::TooDeep {
                    interface: (*first).clone(),
                });
            }
            return;
        }
        self.path.push(&interface.id);
        for parent in &interface.extends {
            match (self.lookup)(parent) {
                Some(found) => self.visit(found),
                None => self.faults.push(Fault::Unknown {
                    interface: interface.id.clone(),
                    parent: parent.clone(),
                }),
            }
        }
        self.path.pop();
        self.order.push(interface);
    }
}

fn assemble(own: &Interface, order: &[&Interface]) -> Result<Resolved, Vec<Fault>> {
    let mut names = Names {
        own,
        open: order.iter().any(|i| i.open),
        seen: BTreeMap::new(),
        faults: Vec::new(),
    };
    let mut whole = Resolved {
        id: own.id.clone(),
        ancestors: order
            .iter()
            .map(|i| i.id.clone())
            .filter(|id| *id != own.id)
            .collect(),
        members: Vec::new(),
        commands: Vec::new(),
        relationships: Vec::new(),
        components: Vec::new(),
        tables: BTreeMap::new(),
        time: if order.iter().any(|i| i.time == Clock::Event) {
            Clock::Event
        } else {
            Clock::Accepted
        },
        routing: own.routing.clone(),
        fidelity: order.iter().rev().find_map(|i| i.fidelity.clone()),
        service: order.iter().rev().find_map(|i| i.service.clone()),
        ignore_case: order.iter().any(|i| i.ignore_case),
        open: order.iter().any(|i| i.open),
    };
    for interface in order {
        let from = &interface.id;
        for property in &interface.properties {
            if names.take(from, &property.name, Declared::Property(property)) {
                whole.members.push(Member {
                    from: from.clone(),
                    kind: MemberKind::Property(property.clone()),
                });
            }
        }
        for telemetry in &interface.telemetry {
            if names.take(from, &telemetry.name, Declared::Telemetry(telemetry)) {
                whole.members.push(Member {
                    from: from.clone(),
                    kind: MemberKind::Telemetry(telemetry.clone()),
                });
            }
        }
        for item in &interface.commands {
            if names.take(from, &item.name, Declared::Command(item)) {
                whole.commands.push(Inherited {
                    from: from.clone(),
                    item: item.clone(),
                });
            }
        }
        for item in &interface.relationships {
            if names.take(from, &item.name, Declared::Relationship(item)) {
                whole.relationships.push(Inherited {
                    from: from.clone(),
                    item: item.clone(),
                });
            }
        }
        for item in &interface.components {
            if names.take(from, &item.name, Declared::Component(item)) {
                whole.components.push(Inherited {
                    from: from.clone(),
                    item: item.clone(),
                });
            }
        }
    }
    names.faults.extend(tables(&mut whole.tables, own, order));
    if names.seen.len() > MAX_MEMBERS {
        names.faults.push(Fault::TooMany {
            interface: own.id.clone(),
        });
    }
    if names.faults.is_empty() {
        Ok(whole)
    } else {
        Err(names.faults)
    }
}

/// Collects tables, which have names of their own; says which differ under one name.
fn tables(
    all: &mut BTreeMap<Arc<str>, Table>,
    own: &Interface,
    order: &[&Interface],
) -> Vec<Fault> {
    let mut from: BTreeMap<&Arc<str>, &InterfaceId> = BTreeMap::new();
    let mut faults = Vec::new();
    for interface in order {
        for (name, table) in &interface.tables {
            let first = *from.entry(name).or_insert(&interface.id);
            if all.entry(name.clone()).or_insert_with(|| table.clone()) != table {
                faults.push(Fault::Conflict {
                    interface: own.id.clone(),
                    name: name.clone(),
                    first: first.clone(),
                    second: interface.id.clone(),
                });
            }
        }
    }
    faults
}

#[derive(Clone, Copy, PartialEq)]
enum Declared<'a> {
    Property(&'a Property),
    Telemetry(&'a Telemetry),
    Command(&'a Command),
    Relationship(&'a Relationship),
    Component(&'a Component),
}

/// One namespace for all that an interface declares, as DTDL has it.
struct Names<'a> {
    own: &'a Interface,
    open: bool,
    seen: BTreeMap<Arc<str>, (&'a InterfaceId, Declared<'a>)>,
    faults: Vec<Fault>,
}

impl<'a> Names<'a> {
    /// Whether this is the first declaration of the name. A second one must say the same, but for
    /// open interfaces, where the first one stays whatever the second one says.
    fn take(&mut self, from: &'a InterfaceId, name: &Arc<str>, declared: Declared<'a>) -> bool {
        match self.seen.get(name) {
            None => {
                self.seen.insert(name.clone(), (from, declared));
                true
            }
            Some((first, known)) => {
                if *known != declared && !self.open {
                    self.faults.push(Fault::Conflict {
                        interface: self.own.id.clone(),
                        name: name.clone(),
                        first: (*first).clone(),
                        second: from.clone(),
                    });
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
