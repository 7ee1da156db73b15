//! Apply: a set of manifests takes effect together, or nothing of it does.
//!
//! Everything is checked first, as if the definitions, then the twins, then the relationships were
//! there one after the other. Then the definitions change, and what concerns twins becomes commands
//! of their partitions in the same frame. What a manifest does not name stays as it is.

use super::{edge, object, pointer, put};
use crate::{
    Compiled, Definitions, Engine, Rejection, definitions, engine::Side, outbox::Key, payload,
    state::State,
};
use gemelli_event::{
    Partition, Record, Seq,
    record::{Command, Edge},
};
use gemelli_model::{
    InterfaceId, TwinId, Value,
    manifest::{self, Kind, Manifest, Relation, Twin},
};
use std::{collections::BTreeMap, sync::Arc};

/// Faults of one manifest that an answer repeats.
const MOST_FAULTS: usize = 8;

/// An apply that can be done.
pub(super) struct Plan {
    /// The new definitions, if they change.
    definitions: Option<Definitions>,
    version: u64,
    commands: Vec<(Key, Command)>,
    objects: Vec<Value>,
    /// Interfaces that are new or another form of themselves.
    uploaded: Vec<InterfaceId>,
}

impl Plan {
    pub(super) fn answer(&self) -> Value {
        let version = i64::try_from(self.version).unwrap_or(i64::MAX);
        object([
            ("version", Value::Int(version)),
            ("objects", Value::Array(self.objects.clone().into())),
        ])
    }
}

pub(super) fn plan(state: &State, side: &Side, manifests: &[Value]) -> Result<Plan, Rejection> {
    let manifests = manifests.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (change, mut changes) = definitions_of(state, &manifests);
    let changed = changes.values().any(|c| *c != "unchanged");
    let uploaded: Vec<_> = change.interfaces.iter().map(|i| i.id.clone()).collect();
    let definitions = if changed {
        let brought: Vec<_> = change.connections.iter().map(|(n, _)| n.clone()).collect();
        let definitions = state.definitions.changed(change, side.judged)?;
        side.judged.by(|| {
            definitions.check_connections(brought.iter())?;
            definitions.check_held(state)
        })?;
        Some(definitions)
    } else {
        None
    };
    let mut twins = Twins {
        state,
        side,
        definitions: definitions.as_ref().unwrap_or(&state.definitions),
        new: BTreeMap::new(),
        edges: BTreeMap::new(),
        commands: Vec::new(),
    };
    let wanted: Vec<_> = manifests
        .iter()
        .filter_map(|m| match &m.kind {
            Kind::Twin(twin) => Some((&m.name, twin)),
            _ => None,
        })
        .collect();
    for (name, twin) in &wanted {
        let change = twins.twin(name, twin)?;
        changes.insert(("Twin", (*name).clone()), change);
    }
    for (name, twin) in &wanted {
        for (at, relation) in twin.relationships.iter().enumerate() {
            if twins.relation(name, at, relation)?
                && let Some(change) = changes.get_mut(&("Twin", (*name).clone()))
                && *change == "unchanged"
            {
                *change = "configured";
            }
        }
    }
    let commands = twins.commands;
    let objects = manifests.iter().map(|m| {
        let kind = m.kind.as_str();
        let change = changes
            .get(&(kind, m.name.clone()))
            .copied()
            .unwrap_or("unchanged");
        object([
            ("kind", Value::text(kind)),
            ("name", Value::Text(m.name.clone())),
            ("change", Value::text(change)),
        ])
    });
    let objects = objects.collect();
    let version = definitions
        .as_ref()
        .map_or(state.definitions.version(), Definitions::version);
    Ok(Plan {
        definitions,
        version,
        commands,
        objects,
        uploaded,
    })
}

pub(super) fn apply(engine: &mut Engine, seq: Seq, record: &Record, plan: Plan) -> Value {
    let answer = plan.answer();
    if let Some(mut definitions) = plan.definitions {
        definitions.uploaded(&plan.uploaded, record.accepted_ms);
        define(engine, seq, definitions);
    }
    for (key, command) in plan.commands {
        engine.side.outbox.command(key, command, seq);
    }
    answer
}

/// Puts new definitions in place, and tells every partition.
pub(super) fn define(engine: &mut Engine, seq: Seq, definitions: Definitions) {
    let Engine { state, side } = engine;
    let version = definitions.version();
    let stale = state
        .ids()
        .iter()
        .filter_map(|id| state.get(id.as_str()))
        .filter(|twin| {
            let now = definitions.interface(twin.interface.id().as_str());
            now.is_none_or(|now| !Arc::ptr_eq(now, &twin.interface))
        });
    for twin in stale {
        side.stale
            .entry(Partition::of(twin.id.as_str()))
            .or_default()
            .push(twin.id.clone());
    }
    state.definitions = Arc::new(definitions);
    for partition in Partition::all() {
        side.outbox
            .command(Key::Defined(partition), Command::Defined { version }, seq);
    }
}

fn read(value: &Value) -> Result<Manifest, Rejection> {
    manifest::from_value(value).map_err(|problems| {
        let name = value
            .get("metadata")
            .and_then(|m| m.get("name"))
            .and_then(Value::as_str);
        let faults: Vec<_> = problems
            .iter()
            .take(MOST_FAULTS)
            .map(|p| format!("{} (at {})", p.message, p.pointer))
            .collect();
        let (code, remedy) = problems
            .first()
            .map_or(("unknown-kind", String::new()), |p| {
                (p.code, p.remedy.clone())
            });
        Rejection::new(
            code,
            format!(
                "manifest {}: {}",
                name.unwrap_or("without a name"),
                faults.join("; ")
            ),
            remedy,
        )
    })
}

type Changes = BTreeMap<(&'static str, Arc<str>), &'static str>;

/// What the manifests change in the definitions.
fn definitions_of(state: &State, manifests: &[Manifest]) -> (definitions::Change, Changes) {
    let mut change = definitions::Change::default();
    let mut changes = Changes::new();
    for manifest in manifests {
        let outcome = match &manifest.kind {
            Kind::Interface(interface) => {
                let mut interface = interface.clone();
                interface.id = gemelli_model::InterfaceId::new(manifest.name.clone());
                let known = state
                    .definitions
                    .interface(&manifest.name)
                    .filter(|c| c.id() == &interface.id);
                let outcome = match known {
                    None => "created",
                    Some(known) if state.definitions.status(known.id()).withdrawn => "created",
                    Some(known) if **known.source() == interface => "unchanged",
                    Some(_) => "configured",
                };
                if outcome != "unchanged" {
                    change.interfaces.push(Arc::new(interface));
                }
                outcome
            }
            Kind::Connection(_) => {
                let value = manifest::to_value(manifest);
                let outcome = match state.definitions.connection(&manifest.name) {
                    None => "created",
                    Some(known) if *known == value => "unchanged",
                    Some(_) => "configured",
                };
                if outcome != "unchanged" {
                    change.connections.push((manifest.name.clone(), value));
                }
                outcome
            }
            Kind::Twin(_) => continue,
        };
        changes.insert((manifest.kind.as_str(), manifest.name.clone()), outcome);
    }
    (change, changes)
}

/// Twins and edges as they would be.
struct Twins<'a> {
    state: &'a State,
    side: &'a Side,
    definitions: &'a Definitions,
    new: BTreeMap<TwinId, Arc<Compiled>>,
    /// Edges to come, by source and relationship.
    edges: BTreeMap<(TwinId, Arc<str>), Vec<Arc<str>>>,
    commands: Vec<(Key, Command)>,
}

impl Twins<'_> {
    fn twin(&mut self, name: &Arc<str>, twin: &Twin) -> Result<&'static str, Rejection> {
        let id = TwinId::new(name.clone());
        let interface = self.definitions.find(twin.interface.as_str())?.clone();
        let about = |member: &str| {
            let path = pointer::of(&["spec", "properties", member]);
            ("Twin", name.clone(), path)
        };
        let values = payload::fit_all(&interface, &twin.properties, about)?;
        let Some(known) = self.state.get(name) else {
            put::check_new(self.state, self.side, &id, &interface)?;
            let clash = interface.resolved().ignore_case
                && self
                    .new
                    .keys()
                    .any(|other| other.as_str().eq_ignore_ascii_case(name));
            if clash {
                let reason =
                    format!("twin {name} comes twice, case apart, which its interface ignores");
                return Err(Rejection::new("duplicate-id", reason, "choose another id"));
            }
            let command = Command::Put {
                twin: id.clone(),
                interface: interface.id().clone(),
                properties: twin.properties.clone(),
                only_new: false,
            };
            self.commands.push((Key::Twin(id.clone()), command));
            self.new.insert(id, interface);
            return Ok("created");
        };
        let mut patch = Vec::new();
        let write = |path: String, value: Value| {
            object([
                ("op", Value::text("add")),
                ("path", Value::text(path)),
                ("value", value),
            ])
        };
        if known.interface.id() != interface.id() {
            put::check_move(known, &interface)?;
            patch.push(write(
                "/$metadata/$model".into(),
                Value::text(interface.id().as_str()),
            ));
            self.new.insert(id.clone(), interface.clone());
        }
        for (slot, value) in values {
            let Some(info) = interface.slot(slot) else {
                continue;
            };
            let held = known
                .interface
                .slot_of(&info.name)
                .map(|held| known.value(held));
            if held != Some(&value) {
                patch.push(write(pointer::of(&[&info.name]), value));
            }
        }
        if patch.is_empty() {
            return Ok("unchanged");
        }
        let command = Command::Patch {
            twin: id.clone(),
            patch: Value::Array(patch.into()),
            if_match: None,
            strict: false,
        };
        self.commands.push((Key::Twin(id), command));
        Ok("configured")
    }

    /// The interface that a twin will have.
    fn interface(&self, id: &TwinId) -> Option<&Arc<Compiled>> {
        if let Some(new) = self.new.get(id) {
            return Some(new);
        }
        let known = self.state.meant(id.as_str())?;
        self.definitions.interface(known.interface.id().as_str())
    }

    /// Plans an edge; whether it changes anything.
    fn relation(
        &mut self,
        name: &Arc<str>,
        at: usize,
        relation: &Relation,
    ) -> Result<bool, Rejection> {
        let source = TwinId::new(name.clone());
        let edge = Edge {
            id: relation.id.clone(),
            name: relation.name.clone(),
            source: source.clone(),
            target: relation.target.clone(),
            properties: relation.properties.clone(),
        };
        let Some(interface) = self.interface(&source) else {
            return Ok(false);
        };
        let held = self.state.get(name);
        let to_come = &self.edges;
        let same = |declared: &str| {
            let planned = to_come
                .get(&(source.clone(), declared.into()))
                .map_or(&[][..], Vec::as_slice);
            let planned: Vec<_> = planned.iter().filter(|id| **id != edge.id).collect();
            let kept = held.iter().flat_map(|twin| twin.out());
            let kept = kept
                .filter(|(id, e)| **id != edge.id && *e.name == *declared && !planned.contains(id));
            kept.count() + planned.len()
        };
        let (declared, properties) = edge::check(
            interface,
            &edge,
            self.interface(&edge.target).map(|i| &**i),
            same,
            |member| {
                let at = at.to_string();
                let steps = ["spec", "relationships", &at, "properties", member];
                ("Twin", name.clone(), pointer::of(&steps))
            },
        )?;
        let known = held
            .and_then(|twin| twin.edge(&edge.id))
            .is_some_and(|known| {
                known.target == edge.target
                    && known.name == declared
                    && known.properties == properties
            });
        self.edges
            .entry((source.clone(), declared))
            .or_default()
            .push(edge.id.clone());
        if !known {
            self.commands.push((
                Key::Edge(source, edge.id.clone()),
                Command::Relate {
                    edge,
                    only_new: false,
                },
            ));
        }
        Ok(!known)
    }
}
