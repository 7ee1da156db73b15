//! What changes between two versions of interfaces, and whether twins and clients bear it.
//!
//! A change is *breaking* when something that was right under the old version may be wrong under the
//! new one: a value that is held, a report that a device sends, a name that a client asks for, an edge
//! that exists. Whatever only adds is compatible. Own members are compared; inherited ones are where
//! they are declared. Does not: compare expressions for meaning; a text that differs is a change.

use crate::{
    Interface, InterfaceId, Schema,
    dtdl::dtmi::{Dtmi, Version},
    interface::{Command, Property, Relationship, Telemetry},
};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// Whether what was right stays right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// What was right stays right.
    Compatible,
    /// What was right may be wrong.
    Breaking,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The interface.
    pub interface: InterfaceId,
    /// The member; none for the interface itself.
    pub member: Option<Arc<str>>,
    /// Whether it breaks something.
    pub impact: Impact,
    /// What differs and, if it breaks something, what.
    pub reason: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.impact {
            Impact::Compatible => "compatible",
            Impact::Breaking => "breaking",
        };
        write!(f, "{word}: {}", self.interface)?;
        if let Some(member) = &self.member {
            write!(f, " {member}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Every difference between two sets of interfaces, by interface. An interface that is gone is compared
/// with the next version of its identifier, if the new set has one.
///
/// ```
/// use gemelli_model::{Interface, diff::{Impact, diff}};
/// let old = Interface { id: "lamp".into(), ..Interface::default() };
/// let new = Interface { open: true, ..old.clone() };
/// let changes = diff(&[old], &[new]);
/// assert_eq!(changes[0].impact, Impact::Compatible);
/// ```
pub fn diff(old: &[Interface], new: &[Interface]) -> Vec<Change> {
    let by_id = |all: &[Interface]| -> BTreeMap<InterfaceId, Interface> {
        all.iter().map(|i| (i.id.clone(), i.clone())).collect()
    };
    let (old, new) = (by_id(old), by_id(new));
    let successors = successors(&old, &new);
    let mut changes = Vec::new();
    for (id, before) in &old {
        let mut found = Changes {
            interface: id,
            list: &mut changes,
        };
        let next = successors.get(id);
        if let Some(next) = next {
            found.compatible(None, format!("its next version is {next}"));
        }
        match new.get(next.unwrap_or(id)) {
            Some(after) => found.interfaces(&renamed(before, &successors), after),
            None => found.breaking(None, "it is gone, and twins of it have no interface"),
        }
    }
    let known = |id: &&InterfaceId| old.contains_key(*id) || successors.values().any(|n| n == *id);
    for id in new.keys().filter(|id| !known(id)) {
        changes.push(Change {
            interface: id.clone(),
            member: None,
            impact: Impact::Compatible,
            reason: "it is new".into(),
        });
    }
    changes
}

/// The interfaces that are gone, each with the highest of the new versions of its identifier.
fn successors(
    old: &BTreeMap<InterfaceId, Interface>,
    new: &BTreeMap<InterfaceId, Interface>,
) -> BTreeMap<InterfaceId, InterfaceId> {
    let mut latest: BTreeMap<&str, (Option<Version>, &InterfaceId)> = BTreeMap::new();
    for id in new.keys().filter(|id| !old.contains_key(*id)) {
        if let Ok(dtmi) = Dtmi::parse(id.as_str()) {
            let entry = latest.entry(dtmi.path).or_insert((dtmi.version, id));
            *entry = (*entry).max((dtmi.version, id));
        }
    }
    let gone = old.keys().filter(|id| !new.contains_key(*id));
    gone.filter_map(|id| {
        let dtmi = Dtmi::parse(id.as_str()).ok()?;
        let (version, next) = latest.get(dtmi.path)?;
        (*version > dtmi.version).then(|| (id.clone(), (*next).clone()))
    })
    .collect()
}

/// An interface with the next versions of those that it names.
fn renamed(interface: &Interface, to: &BTreeMap<InterfaceId, InterfaceId>) -> Interface {
    let mut interface = interface.clone();
    let next = |id: &mut InterfaceId| {
        if let Some(next) = to.get(id) {
            *id = next.clone();
        }
    };
    interface.extends.iter_mut().for_each(next);
    let targets = interface.relationships.iter_mut();
    targets.filter_map(|r| r.target.as_mut()).for_each(next);
    let parts = interface.components.iter_mut();
    parts.for_each(|component| next(&mut component.interface));
    let derived = interface.properties.iter_mut();
    let derived = derived.filter_map(|property| property.derived.as_mut());
    let aggregates = derived.filter_map(|derived| derived.aggregate.as_mut());
    aggregates
        .filter_map(|a| a.interface.as_mut())
        .for_each(next);
    interface
}

struct Changes<'a> {
    interface: &'a InterfaceId,
    list: &'a mut Vec<Change>,
}

impl Changes<'_> {
    fn note(&mut self, member: Option<&Arc<str>>, impact: Impact, reason: String) {
        self.list.push(Change {
            interface: self.interface.clone(),
            member: member.cloned(),
            impact,
            reason,
        });
    }

    fn breaking(&mut self, member: Option<&Arc<str>>, reason: impl Into<String>) {
        self.note(member, Impact::Breaking, reason.into());
    }

    fn compatible(&mut self, member: Option<&Arc<str>>, reason: impl Into<String>) {
        self.note(member, Impact::Compatible, reason.into());
    }

    fn interfaces(&mut self, old: &Interface, new: &Interface) {
        for parent in old.extends.iter().filter(|id| !new.extends.contains(id)) {
            self.breaking(
                None,
                format!("it no longer extends {parent}, whose members are gone"),
            );
        }
        for parent in new.extends.iter().filter(|id| !old.extends.contains(id)) {
            self.compatible(None, format!("it extends {parent}"));
        }
        self.members(
            &old.properties,
            &new.properties,
            |p| &p.name,
            Self::property,
        );
        self.members(&old.telemetry, &new.telemetry, |t| &t.name, Self::telemetry);
        self.members(&old.commands, &new.commands, |c| &c.name, Self::command);
        self.members(
            &old.relationships,
            &new.relationships,
            |r| &r.name,
            Self::relationship,
        );
        self.members(
            &old.components,
            &new.components,
            |c| &c.name,
            |changes, old, new| {
                if old.interface != new.interface {
                    let reason = format!(
                        "its interface was {} and is {}",
                        old.interface, new.interface
                    );
                    changes.breaking(Some(&new.name), reason);
                }
            },
        );
        if old.open && !new.open {
            self.breaking(
                None,
                "payloads may no longer hold members that are not declared",
            );
        }
        if old.ignore_case && !new.ignore_case {
            self.breaking(None, "names no longer match without case");
        }
        for (differs, what) in [
            (old.time != new.time, "the clock"),
            (old.routing != new.routing, "routing"),
            (old.fidelity != new.fidelity, "fidelity"),
            (old.tables != new.tables, "a table"),
            (old.service != new.service, "service settings"),
            (!old.open && new.open, "open"),
            (!old.ignore_case && new.ignore_case, "ignoreCase"),
        ] {
            if differs {
                self.compatible(None, format!("{what} differs"));
            }
        }
    }

    fn members<T: PartialEq>(
        &mut self,
        old: &[T],
        new: &[T],
        name: fn(&T) -> &Arc<str>,
        compare: fn(&mut Self, &T, &T),
    ) {
        for before in old {
            match new.iter().find(|after| name(after) == name(before)) {
                Some(after) if after == before => {}
                Some(after) => {
                    let told = self.list.len();
                    compare(self, before, after);
                    if self.list.len() == told {
                        self.compatible(
                            Some(name(after)),
                            "how it is described or computed differs",
                        );
                    }
                }
                None => self.breaking(Some(name(before)), "it is gone, or of another kind"),
            }
        }
        for after in new {
            if !old.iter().any(|before| name(before) == name(after)) {
                self.compatible(Some(name(after)), "it is new");
            }
        }
    }

    fn property(&mut self, old: &Property, new: &Property) {
        self.schema(&new.name, "", &old.schema, &new.schema);
        self.unit(&new.name, old.unit.as_deref(), new.unit.as_deref());
        if old.writable && !new.writable {
            self.breaking(Some(&new.name), "it is no longer writable");
        }
        if old.derived.is_none() && new.derived.is_some() {
            self.breaking(
                Some(&new.name),
                "it is computed now, so reports no longer set it",
            );
        }
        if old.derived.is_some() && new.derived.is_none() {
            self.breaking(Some(&new.name), "it is no longer computed");
        }
    }

    fn telemetry(&mut self, old: &Telemetry, new: &Telemetry) {
        self.schema(&new.name, "", &old.schema, &new.schema);
        self.unit(&new.name, old.unit.as_deref(), new.unit.as_deref());
        if old.last && !new.last {
            self.breaking(
                Some(&new.name),
                "its last value is no longer part of the state",
            );
        }
        if old.history && !new.history {
            self.breaking(Some(&new.name), "its values are no longer kept in history");
        }
    }

    fn unit(&mut self, name: &Arc<str>, old: Option<&str>, new: Option<&str>) {
        if let Some(unit) = old
            && new != Some(unit)
        {
            let new = new.unwrap_or("none");
            self.breaking(
                Some(name),
                format!("its unit was {unit} and is {new}, so old values mean something else"),
            );
        }
    }

    fn command(&mut self, old: &Command, new: &Command) {
        match (&old.request, &new.request) {
            (Some(old), Some(new_schema)) => {
                self.schema(&new.name, "the request: ", old, new_schema)
            }
            (Some(_), None) => self.breaking(Some(&new.name), "it takes no request any more"),
            (None, Some(_)) => self.breaking(Some(&new.name), "it asks for a request now"),
            (None, None) => {}
        }
        match (&old.response, &new.response) {
            // An answer must stay one that the old schema has: the direction is the other way round.
            (Some(before), Some(after)) => self.schema(&new.name, "the response: ", after, before),
            (Some(_), None) => self.breaking(Some(&new.name), "it answers nothing any more"),
            _ => {}
        }
    }

    fn relationship(&mut self, old: &Relationship, new: &Relationship) {
        let name = Some(&new.name);
        if old.target != new.target {
            match &new.target {
                Some(target) => self.breaking(
                    name,
                    format!("its target is {target} now, and edges to others exist"),
                ),
                None => self.compatible(name, "any twin may be its target"),
            }
        }
        let most = |r: &Relationship| r.max_multiplicity.unwrap_or(u32::MAX);
        if most(new) < most(old) {
            self.breaking(name, format!("a twin may have {} of it at most", most(new)));
        }
        let least = |r: &Relationship| r.min_multiplicity.unwrap_or(0);
        if least(new) > least(old) {
            self.breaking(name, format!("a twin needs {} of it at least", least(new)));
        }
        self.members(
            &old.properties,
            &new.properties,
            |p| &p.name,
            Self::property,
        );
    }

    fn schema(&mut self, name: &Arc<str>, part: &str, old: &Schema, new: &Schema) {
        if old == new {
            return;
        }
        match narrower(old, new) {
            Some(why) => self.breaking(Some(name), format!("{part}{why}")),
            None => self.compatible(
                Some(name),
                format!("{part}its schema differs, and what was right stays right"),
            ),
        }
    }
}

/// Why a value of the old schema may be none of the new one; nothing if each is.
fn narrower(old: &Schema, new: &Schema) -> Option<String> {
    match (old, new) {
        (_, Schema::Any) => None,
        (a, b) if a == b => None,
        (Schema::Array(a), Schema::Array(b)) | (Schema::Map(a), Schema::Map(b)) => narrower(a, b),
        (Schema::Object(a), Schema::Object(b)) => a.fields.iter().find_map(|field| {
            match b.fields.iter().find(|other| other.name == field.name) {
                Some(other) => narrower(&field.schema, &other.schema)
                    .map(|why| format!("in the field {}, {why}", field.name)),
                None => Some(format!("the field {} is gone", field.name)),
            }
        }),
        (Schema::Enum(a), Schema::Enum(b)) => {
            let gone = |value| !b.values.iter().any(|other| other.value == value);
            let lost = a.values.iter().find(|member| gone(member.value.clone()));
            lost.map(|member| format!("the value {} is gone", member.value))
        }
        (a, b) if within(a, b) => None,
        (a, b) => Some(format!("it was {} and is {}", a.describe(), b.describe())),
    }
}

/// Whether every value of one primitive is one of another.
fn within(old: &Schema, new: &Schema) -> bool {
    use Schema::{
        Byte, Double, Float, Integer, Long, Short, UnsignedByte, UnsignedInteger, UnsignedLong,
        UnsignedShort,
    };
    match new {
        Short => matches!(old, Byte | UnsignedByte),
        Integer => matches!(old, Byte | UnsignedByte | Short | UnsignedShort),
        Long => matches!(
            old,
            Byte | UnsignedByte | Short | UnsignedShort | Integer | UnsignedInteger
        ),
        UnsignedShort => matches!(old, UnsignedByte),
        UnsignedInteger => matches!(old, UnsignedByte | UnsignedShort),
        UnsignedLong => matches!(old, UnsignedByte | UnsignedShort | UnsignedInteger),
        Float => matches!(old, Byte | UnsignedByte | Short | UnsignedShort),
        Double => matches!(
            old,
            Byte | UnsignedByte | Short | UnsignedShort | Integer | UnsignedInteger | Float
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::manifest::{self, Kind};

    fn interface(spec: &str) -> Interface {
        let text = format!(
            "apiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: {{ name: lamp }}\nspec: {spec}"
        );
        let manifest = manifest::parse(&text).into_result().unwrap().remove(0);
        match manifest.kind {
            Kind::Interface(interface) => interface,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_are_breaking_where_what_was_right_may_be_wrong() {
        for (old, new, wanted) in [
            (
                "{ properties: [{ name: a, schema: integer }] }",
                "{ properties: [{ name: a, schema: long }] }",
                "compatible: lamp a: its schema differs, and what was right stays right",
            ),
            (
                "{ properties: [{ name: a, schema: long }] }",
                "{ properties: [{ name: a, schema: integer }] }",
                "breaking: lamp a: it was a whole number of 64 bits and is a whole number of 32 bits",
            ),
            (
                "{ properties: [{ name: a, schema: { enum: [x, y] } }] }",
                "{ properties: [{ name: a, schema: { enum: [x] } }] }",
                "breaking: lamp a: the value \"y\" is gone",
            ),
            (
                "{ properties: [{ name: a, schema: { enum: [x] } }] }",
                "{ properties: [{ name: a, schema: { enum: [x, y] } }] }",
                "compatible: lamp a: its schema differs, and what was right stays right",
            ),
            (
                "{ properties: [{ name: a, schema: long }] }",
                "{ telemetry: [{ name: a, schema: long }] }",
                "breaking: lamp a: it is gone, or of another kind\ncompatible: lamp a: it is new",
            ),
            (
                "{ properties: [{ name: a, schema: double, unit: K }] }",
                "{ properties: [{ name: a, schema: double, unit: C }] }",
                "breaking: lamp a: its unit was K and is C, so old values mean something else",
            ),
            (
                "{ commands: [{ name: c, response: long }] }",
                "{ commands: [{ name: c, response: integer }] }",
                "compatible: lamp c: the response: its schema differs, and what was right stays right",
            ),
            (
                "{ relationships: [{ name: r, maxMultiplicity: 3 }] }",
                "{ relationships: [{ name: r, maxMultiplicity: 1 }] }",
                "breaking: lamp r: a twin may have 1 of it at most",
            ),
            (
                "{ properties: [{ name: a, schema: long }] }",
                "{ properties: [{ name: a, schema: long, description: x }] }",
                "compatible: lamp a: how it is described or computed differs",
            ),
            (
                "{ extends: [thing] }",
                "{}",
                "breaking: lamp: it no longer extends thing, whose members are gone",
            ),
            ("{}", "{}", ""),
        ] {
            let changes = diff(&[interface(old)], &[interface(new)]);
            let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
            assert_eq!(told.join("\n"), wanted, "{old} -> {new}");
        }
    }

    #[test]
    fn the_next_version_of_an_identifier_is_compared_with_the_last() {
        let versioned = |id: &str, spec: &str| {
            let mut interface = interface(spec);
            interface.id = id.into();
            interface
        };
        let one = "{ properties: [{ name: a, schema: long }], relationships: [{ name: r, target: 'dtmi:t:lamp;1' }] }";
        let two = one.replace("lamp;1", "lamp;3");
        let changes = diff(
            &[versioned("dtmi:t:lamp;1", one)],
            &[
                versioned("dtmi:t:lamp;2", "{}"),
                versioned("dtmi:t:lamp;3", &two.replace("long", "integer")),
            ],
        );
        let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let wanted = [
            "compatible: dtmi:t:lamp;1: its next version is dtmi:t:lamp;3",
            "breaking: dtmi:t:lamp;1 a: it was a whole number of 64 bits and is a whole number of 32 bits",
            "compatible: dtmi:t:lamp;2: it is new",
        ];
        assert_eq!(told, wanted);
        let back = diff(
            &[versioned("dtmi:t:lamp;2", "{}")],
            &[versioned("dtmi:t:lamp;1", "{}")],
        );
        assert!(
            back.iter().any(|c| c.impact == Impact::Breaking),
            "{back:?}"
        );
    }

    #[test]
    fn interfaces_come_and_go() {
        let lamp = interface("{}");
        let told = |changes: Vec<Change>| changes.iter().map(|c| c.impact).collect::<Vec<_>>();
        assert_eq!(
            told(diff(std::slice::from_ref(&lamp), &[])),
            [Impact::Breaking]
        );
        assert_eq!(told(diff(&[], &[lamp])), [Impact::Compatible]);
    }
}
