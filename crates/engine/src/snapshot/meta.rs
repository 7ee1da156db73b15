//! What belongs to no twin: definitions, the event clock, tombstones, the outbox.

use super::{
    FORMAT,
    bytes::{Reader, Writer},
    marks, read_marks,
};
use crate::{
    Damaged, Definitions, Engine, Status,
    clock::EventClock,
    engine::Judged,
    outbox::{Emit, Key, Outbox, Places},
    tombstones::{Tombstone, Tombstones},
};
use gemelli_event::{Partition, record::Command};
use gemelli_model::{Interface, InterfaceId, TwinId, Value};
use std::{collections::BTreeMap, sync::Arc};

/// Beside an interface's own members: what is known of it besides. Left out where there is nothing.
const STATUS: &str = "$status";

/// The outbox is left out of the state hash: live it is empty where a replay still holds what
/// turned out to need no record.
pub(super) fn encode(engine: &Engine, with_outbox: bool) -> Vec<u8> {
    let mut out = Writer::new(FORMAT);
    let definitions = &engine.state.definitions;
    out.number(definitions.version());
    out.count(definitions.interfaces().count());
    for interface in definitions.interfaces() {
        out.text(interface.id().as_str());
        let mut json = serde_json::to_value(&**interface.source()).unwrap_or_default();
        let status = definitions.status(interface.id());
        if let (Some(fields), true) = (json.as_object_mut(), status != Status::default()) {
            let status = serde_json::to_value(status).unwrap_or_default();
            fields.insert(STATUS.into(), status);
        }
        out.value(&Value::from(&json));
    }
    out.count(definitions.connections().count());
    for (name, manifest) in definitions.connections() {
        out.text(name);
        out.value(manifest);
    }
    let EventClock { now_ms, ahead } = engine.side.clock;
    out.number(u64::from(now_ms.is_some()));
    out.signed(now_ms.unwrap_or_default());
    let (ahead_ms, twin, times) = ahead.unwrap_or_default();
    out.number(u64::from(ahead.is_some()));
    out.signed(ahead_ms);
    out.number(twin);
    out.number(u64::from(times));
    let tombstones: Vec<_> = engine.side.tombstones.iter().collect();
    out.count(tombstones.len());
    for (id, tombstone) in tombstones {
        out.text(id.as_str());
        out.number(u64::from(tombstone.epoch));
        marks(&mut out, &tombstone.marks);
    }
    if with_outbox {
        outbox(&mut out, engine);
    }
    out.finish()
}

fn outbox(out: &mut Writer, engine: &Engine) {
    let Outbox {
        commands,
        contributors,
        edges,
        emits,
        ..
    } = &engine.side.outbox;
    out.count(commands.len());
    for (key, (command, cause)) in commands {
        let partition = match key {
            Key::Defined(partition) => u64::from(partition.number()) + 1,
            _ => 0,
        };
        out.number(partition);
        out.value(
            &serde_json::to_value(command)
                .map(|json| Value::from(&json))
                .unwrap_or_default(),
        );
        out.number(*cause);
    }
    out.count(contributors.iter().count());
    for contributor in contributors.iter() {
        out.text(contributor.twin.as_str());
        out.number(contributor.watches.0);
        out.number(contributor.stamp);
        out.number(contributor.cause);
    }
    out.count(edges.len());
    for ((source, id), cause) in edges {
        out.text(source.as_str());
        out.text(id);
        out.number(*cause);
    }
    out.count(emits.len());
    for ((twin, slot), emit) in emits {
        out.text(twin.as_str());
        out.number(u64::from(*slot));
        out.value(&emit.before);
        out.number(emit.stamp);
        out.number(emit.cause);
    }
}

pub(super) fn load(engine: &mut Engine, bytes: &[u8]) -> Result<(), Damaged> {
    let mut from = Reader::new("meta", bytes, FORMAT)?;
    let version = from.number()?;
    let mut sources = BTreeMap::new();
    let mut status = BTreeMap::new();
    for _ in 0..from.count()? {
        let (id, value) = (from.text()?, from.value()?);
        let mut json = serde_json::to_value(&value).map_err(|e| from.broken(e.to_string()))?;
        let known = json.as_object_mut().and_then(|f| f.remove(STATUS));
        if let Some(known) = known {
            let known: Status = serde_json::from_value(known)
                .map_err(|e| from.broken(format!("interface {id}: {e}")))?;
            status.insert(InterfaceId::new(id.clone()), known);
        }
        let mut interface: Interface = serde_json::from_value(json)
            .map_err(|e| from.broken(format!("interface {id}: {e}")))?;
        interface.id = InterfaceId::new(id);
        sources.insert(interface.id.clone(), Arc::new(interface));
    }
    let connections = from
        .list(|from| Ok((from.text()?, from.value()?)))?
        .into_iter()
        .collect();
    let mut definitions = Definitions::of(version, &sources, connections, None, Judged::Before)
        .map_err(|why| from.broken(why.to_string()))?;
    definitions.set_status(status);
    engine.state.definitions = Arc::new(definitions);
    let (known, now_ms) = (from.number()? != 0, from.signed()?);
    let (far, ahead) = (
        from.number()? != 0,
        (from.signed()?, from.number()?, from.small()?),
    );
    engine.side.clock = EventClock {
        now_ms: known.then_some(now_ms),
        ahead: far.then_some(ahead),
    };
    let mut tombstones = Tombstones::default();
    for _ in 0..from.count()? {
        let id = TwinId::new(from.text()?);
        let tombstone = Tombstone {
            epoch: from.small()?,
            marks: read_marks(&mut from)?,
        };
        tombstones.put(id, tombstone);
    }
    engine.side.tombstones = tombstones;
    load_outbox(&mut from, engine)?;
    from.end()
}

fn load_outbox(from: &mut Reader<'_>, engine: &mut Engine) -> Result<(), Damaged> {
    let mut outbox = Outbox::default();
    for _ in 0..from.count()? {
        let (partition, value, cause) = (from.number()?, from.value()?, from.number()?);
        let command: Option<Command> = serde_json::to_value(&value)
            .ok()
            .and_then(|json| serde_json::from_value(json).ok());
        let key = match &command {
            Some(Command::Put { twin, .. } | Command::Patch { twin, .. }) => {
                Some(Key::Twin(twin.clone()))
            }
            Some(Command::Relate { edge, .. }) => {
                Some(Key::Edge(edge.source.clone(), edge.id.clone()))
            }
            Some(Command::Incoming { edge, .. }) => Some(Key::incoming(edge)),
            Some(Command::Defined { .. }) => {
                let number = partition.checked_sub(1).and_then(|n| u8::try_from(n).ok());
                number.and_then(Partition::new).map(Key::Defined)
            }
            _ => None,
        };
        let (Some(key), Some(command)) = (key, command) else {
            return Err(from.broken("a command that waits cannot be read"));
        };
        outbox.command(key, command, cause);
    }
    engine.side.loaded = from.list(|from| {
        let twin = TwinId::new(from.text()?);
        Ok((twin, Places(from.number()?), from.number()?, from.number()?))
    })?;
    for _ in 0..from.count()? {
        let edge = (TwinId::new(from.text()?), from.text()?);
        outbox.edges.insert(edge, from.number()?);
    }
    for _ in 0..from.count()? {
        let twin = TwinId::new(from.text()?);
        let slot = u16::try_from(from.number()?).unwrap_or(u16::MAX);
        let emit = Emit {
            before: from.value()?,
            stamp: from.number()?,
            cause: from.number()?,
        };
        outbox.emits.insert((twin, slot), emit);
    }
    engine.side.outbox = outbox;
    Ok(())
}
