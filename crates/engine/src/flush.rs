//! What follows from the steps so far: the records of the next wave.
//!
//! Commands come first and alone, so that no contribution is computed between a definition and the
//! twins, or an edge and its other end. Then contributions, one per contributor, roll-up and edge,
//! from the contributor's present state. Events of `emit` come when no contribution is left: once,
//! with the final value.

use crate::{
    Emission, Engine, aggregate,
    definitions::Watch,
    derive,
    expr::Scope,
    outbox::{Contributor, Key},
    state::State,
    twin::{NEVER, Outgoing, Share, ShareKey, Twin},
};
use bytes::Bytes;
use gemelli_event::{
    Body, Category, Partition, Position, Seq,
    record::{CommandName, Contribution, Derived, Event},
};
use gemelli_model::{
    TwinId, Value,
    interface::{self, Direction},
};
use std::sync::Arc;

impl Engine {
    /// End of a wave, live only: the records that the steps since the last flush make necessary, to
    /// be stepped next, in this order. About [`crate::Limits::fan_out`] at most; the rest comes with
    /// the next flush. Empty when nothing follows any more.
    pub fn flush(&mut self, out: &mut Vec<Emission>) {
        let start = out.len();
        self.flush_commands(start, out);
        if out.len() == start {
            self.flush_contributions(start, out);
        }
        if out.len() == start && self.side.outbox.contributors.is_empty() {
            self.flush_emits(start, out);
        }
    }

    fn flush_commands(&mut self, start: usize, out: &mut Vec<Emission>) {
        // Definitions reach all partitions in the frame that changes them, whatever the limit.
        let defines = |key: &Key| matches!(key, Key::Defined(_));
        while out.len() - start < self.side.limits.fan_out
            || self
                .side
                .outbox
                .commands
                .first_key_value()
                .is_some_and(|(key, _)| defines(key))
        {
            let Some((key, (command, cause))) = self.side.outbox.commands.pop_first() else {
                return;
            };
            let partition = match &key {
                Key::Defined(partition) => *partition,
                Key::Twin(id) | Key::Edge(id, _) | Key::Incoming(id, ..) => {
                    Partition::of(id.as_str())
                }
            };
            out.push(Emission {
                partition,
                body: Body::Command(command),
                cause_seq: Some(cause),
            });
        }
    }

    fn flush_contributions(&mut self, start: usize, out: &mut Vec<Emission>) {
        let Self { state, side } = self;
        let fan_out = side.limits.fan_out;
        while out.len() - start < fan_out {
            let Some(((source, id), cause)) = side.outbox.edges.pop_first() else {
                break;
            };
            contribute_along(state, &source, &id, cause, out);
        }
        if !side.outbox.edges.is_empty() {
            return;
        }
        let mut waiting = side.outbox.contributors.take();
        while out.len() - start < fan_out {
            let Some(contributor) = waiting.next() else {
                return;
            };
            contribute(state, &contributor, out);
        }
        for Contributor {
            twin,
            watches,
            stamp,
            cause,
        } in waiting
        {
            if let Some(shared) = state.get_mut(None, twin.as_str()) {
                let stamp = Position {
                    partition: Partition::of(twin.as_str()),
                    offset: stamp,
                };
                side.outbox
                    .contribute(Arc::make_mut(shared), watches, stamp, cause);
            }
        }
    }

    fn flush_emits(&mut self, start: usize, out: &mut Vec<Emission>) {
        while out.len() - start < self.side.limits.fan_out {
            let Some(((id, slot), emit)) = self.side.outbox.emits.pop_first() else {
                return;
            };
            let Some(twin) = self.state.get(id.as_str()) else {
                continue;
            };
            let value = twin.value(slot);
            if *value == emit.before || value.is_null() {
                continue;
            }
            emit_events(&self.state, twin, slot, emit.stamp, emit.cause, out);
        }
    }

    /// After the last wave, live only: one `Body::Derived` per twin whose derived values are others
    /// than before the batch, to be logged.
    pub fn settle(&mut self, out: &mut Vec<Emission>) {
        for mut settle in self.side.outbox.settles.take() {
            settle.more.push(settle.before);
            settle.more.sort_unstable_by_key(|(slot, _)| *slot);
            let Some(twin) = self.state.get(settle.twin.as_str()) else {
                continue;
            };
            let changed = settle.more.iter().filter_map(|(slot, before)| {
                let value = twin.value(*slot);
                (value != before)
                    .then(|| Some((twin.interface.slot(*slot)?.name.clone(), value.clone())))?
            });
            let values: Vec<_> = changed.collect();
            if values.is_empty() {
                continue;
            }
            let time_ms = match twin.clock_ms {
                NEVER => twin.accepted_ms,
                _ if !twin.interface.event_time() => twin.accepted_ms,
                clock_ms => clock_ms,
            };
            out.push(Emission {
                partition: Partition::of(twin.id.as_str()),
                body: Body::Derived(Derived {
                    twin: twin.id.clone(),
                    interface: twin.interface.id().clone(),
                    time_ms,
                    values,
                }),
                cause_seq: Some(settle.cause),
            });
        }
    }
}

/// Contributions of a twin whose members changed.
fn contribute(state: &State, contributor: &Contributor, out: &mut Vec<Emission>) {
    let Some(child) = state.get(contributor.twin.as_str()) else {
        return;
    };
    let watches = child.interface.watches().iter().enumerate();
    for (_, watch) in watches.filter(|(place, _)| contributor.watches.has(*place)) {
        let link = Link {
            child,
            watch,
            stamp: contributor.stamp,
            cause: contributor.cause,
        };
        match watch.direction {
            Direction::Incoming => {
                for (id, edge) in child.out().filter(|(_, edge)| edge.name == watch.over) {
                    link.contribute(state, &edge.target, &child.id, id, edge, out);
                }
            }
            Direction::Outgoing => {
                for incoming in child.incoming_named(&watch.over) {
                    let source = state.get(incoming.source.as_str());
                    if let Some(edge) = source.and_then(|s| s.edge(&incoming.id)) {
                        link.contribute(
                            state,
                            &incoming.source,
                            &incoming.source,
                            &incoming.id,
                            edge,
                            out,
                        );
                    }
                }
            }
        }
    }
}

/// Contributions along one edge, either way.
fn contribute_along(
    state: &State,
    source: &TwinId,
    id: &Arc<str>,
    cause: Seq,
    out: &mut Vec<Emission>,
) {
    let Some(from) = state.get(source.as_str()) else {
        return;
    };
    let Some(edge) = from.edge(id) else { return };
    let Some(to) = state.get(edge.target.as_str()) else {
        return;
    };
    for (child, reader, direction) in [
        (from, to, Direction::Incoming),
        (to, from, Direction::Outgoing),
    ] {
        let watches = child.interface.watches().iter();
        for watch in watches.filter(|w| w.direction == direction && w.over == edge.name) {
            let link = Link {
                child,
                watch,
                stamp: child.offset,
                cause,
            };
            link.contribute(state, &reader.id, source, id, edge, out);
        }
    }
}

/// A twin and a roll-up that may read it.
struct Link<'a> {
    child: &'a Twin,
    watch: &'a Watch,
    stamp: u64,
    cause: Seq,
}

impl Link<'_> {
    /// The contribution to one reader, if it is another than the reader has.
    fn contribute(
        &self,
        state: &State,
        reader: &TwinId,
        source: &TwinId,
        id: &Arc<str>,
        edge: &Outgoing,
        out: &mut Vec<Emission>,
    ) {
        let Self { child, watch, .. } = self;
        let Some(reader) = state.get(reader.as_str()) else {
            return;
        };
        let slot = reader.interface.slot_of(&watch.property);
        let Some((slot, (place, aggregate))) =
            slot.and_then(|s| Some((s, reader.interface.rollup(s)?)))
        else {
            return;
        };
        if reader
            .interface
            .slot(slot)
            .is_none_or(|s| s.from != watch.reader)
        {
            return;
        }
        let passes = match &watch.filter {
            None => Some(true),
            Some(filter) => {
                let reads_edge = filter.members().iter().any(|m| &**m == "edge");
                let edge = if reads_edge {
                    describe(source, id, edge)
                } else {
                    Value::Null
                };
                let now_ms = if child.clock_ms == NEVER {
                    child.accepted_ms
                } else {
                    child.clock_ms
                };
                filter
                    .eval(&Related {
                        child,
                        edge,
                        now_ms,
                    })
                    .ok()
                    .and_then(|v| v.as_bool())
            }
        };
        let of = watch.of.map(|slot| child.value(slot).clone());
        let value = aggregate::contribution(aggregate, of, passes);
        let key = ShareKey {
            from: child.id.clone(),
            edge: id.clone(),
        };
        let held = reader
            .shares
            .as_ref()
            .and_then(|all| all.get(usize::from(place))?.get(&key));
        if same(held, value.as_ref()) {
            return;
        }
        out.push(Emission {
            partition: Partition::of(reader.id.as_str()),
            body: Body::Contribution(Contribution {
                twin: reader.id.clone(),
                property: watch.property.clone(),
                from: child.id.clone(),
                edge: (source.clone(), id.clone()),
                gone: value.is_none(),
                value: value.unwrap_or_default(),
                stamp: Position {
                    partition: Partition::of(child.id.as_str()),
                    offset: self.stamp,
                },
            }),
            cause_seq: Some(self.cause),
        });
    }
}

/// Whether a contribution is the one that is held, in value and kind.
fn same(held: Option<&Share>, value: Option<&Value>) -> bool {
    match (held, value) {
        (None, None) => true,
        (Some(share), Some(value)) => share.value == *value && share.value.kind() == value.kind(),
        _ => false,
    }
}

/// An edge as a filter sees it: its properties, and `id`, `name`, `source`, `target`.
fn describe(source: &TwinId, id: &Arc<str>, edge: &Outgoing) -> Value {
    let mut fields: Vec<(Arc<str>, Value)> = match &edge.properties {
        Value::Object(fields) => fields.to_vec(),
        _ => Vec::new(),
    };
    let own = [
        ("id", Value::Text(id.clone())),
        ("name", Value::Text(edge.name.clone())),
        ("source", Value::text(source.as_str())),
        ("target", Value::text(edge.target.as_str())),
    ];
    for (name, value) in own {
        if !fields.iter().any(|(n, _)| &**n == name) {
            fields.push((name.into(), value));
        }
    }
    Value::Object(fields.into())
}

/// What a roll-up's filter reads.
struct Related<'a> {
    child: &'a Twin,
    edge: Value,
    now_ms: i64,
}

impl Scope for Related<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        if name == "edge" {
            Some(self.edge.clone())
        } else {
            derive::read(self.child, name)
        }
    }

    fn prev(&self, name: &str) -> Option<Value> {
        derive::before(self.child, name)
    }

    fn since_ms(&self, name: &str) -> Option<i64> {
        derive::since_ms(self.child, name, self.now_ms)
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }
}

/// The events that a derived value's change sends.
fn emit_events(
    state: &State,
    twin: &Twin,
    slot: u16,
    stamp: u64,
    cause: Seq,
    out: &mut Vec<Emission>,
) {
    let Some(info) = twin.interface.slot(slot) else {
        return;
    };
    let fields = [(info.name.clone(), twin.value(slot).clone())];
    let payload = Bytes::from(Value::Object(fields.into()).to_string());
    let id: Arc<str> = emit_id(&twin.id, &info.name, stamp).into();
    let time_ms = (twin.interface.event_time() && twin.clock_ms != NEVER).then_some(twin.clock_ms);
    let mut send = |category, to: &Twin, command: Option<CommandName>| {
        let source = command.as_ref().map(|_| twin.id.as_str().into());
        let event = Event {
            category,
            interface: to.interface.id().clone(),
            twin: to.id.clone(),
            command,
            source,
            id: Some(id.clone()),
            time_ms,
            payload: payload.clone(),
        };
        out.push(Emission {
            partition: Partition::of(to.id.as_str()),
            body: Body::Event(event),
            cause_seq: Some(cause),
        });
    };
    match &info.emit {
        Some(interface::Emit::Virtual) => send(Category::Virtual, twin, None),
        Some(interface::Emit::Command { name, relationship }) => {
            for (_, edge) in twin
                .out()
                .filter(|(_, e)| e.name.eq_ignore_ascii_case(relationship))
            {
                if let Some(to) = state.get(edge.target.as_str()) {
                    let command = CommandName {
                        name: name.clone(),
                        sender: Some(twin.id.clone()),
                    };
                    send(Category::Command, to, Some(command));
                }
            }
        }
        None => {}
    }
}

/// The id of an event that the engine makes: from twin, property and the position it follows from.
fn emit_id(twin: &TwinId, property: &str, offset: u64) -> String {
    format!("{twin}#{property}@{offset}")
}

/// Property and offset of an event's id, if the engine may have made it.
pub(crate) fn parse_emit_id(id: &str) -> Option<(&str, u64)> {
    let (_, rest) = id.rsplit_once('#')?;
    let (property, offset) = rest.rsplit_once('@')?;
    Some((property, offset.parse().ok()?))
}
