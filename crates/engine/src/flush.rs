//! What follows from the steps so far: the records of the next wave.
//!
//! Commands come first and alone, so that no contribution is computed between a definition and the
//! twins, or an edge and its other end. Then contributions, one per contributor, roll-up and edge,
//! from the contributor's present state. Events of `emit` come when no contribution is left: once,
//! with the final value.

use crate::{
    Emission, Engine, Lifecycle, aggregate,
    definitions::Watch,
    derive,
    expr::Scope,
    outbox::{Contributor, Key, Outbox, TOGETHER},
    state::State,
    twin::{NEVER, Outgoing, Share, ShareKey, Twin},
};
use bytes::Bytes;
use gemelli_event::{
    Body, Category, Partition, Position, Seq,
    record::{CommandName, Contribution, DeadLetter, Derived, Event},
};
use gemelli_model::{
    TwinId, Value,
    interface::{self, Direction},
};
use std::sync::Arc;

impl Engine {
    /// End of a wave, live only: the records that the steps since the last flush make necessary, to
    /// be stepped next, in this order. At most [`crate::Limits::fan_out`] contributions, more only if
    /// a single edge carries more; the rest comes with the next flush. Empty when nothing follows any more.
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

    /// The commands among them alone, live only: what an apply or an edge makes necessary, to be
    /// stepped before anything else is. About [`crate::Limits::fan_out`] at most.
    pub fn follow(&mut self, out: &mut Vec<Emission>) {
        if !self.side.outbox.commands.is_empty() {
            self.flush_commands(out.len(), out);
        }
    }

    /// Whether nothing is left to be emitted.
    pub fn at_rest(&self) -> bool {
        self.side.outbox.is_empty()
    }

    /// End of a frame after which the live engine was at rest, on replay only: whatever the steps
    /// left in the outbox turned out to need no record.
    pub fn rest(&mut self) {
        if !self.at_rest() {
            self.side.outbox = Outbox::default();
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
        if !self.flush_edges(start, out) {
            return;
        }
        let Self { state, side } = self;
        let most = start.saturating_add(side.limits.fan_out);
        let most_bytes = side.limits.flush_bytes;
        let mut bytes = bytes_of(out, start);
        let mut waiting = side.outbox.contributors.take();
        let mut spilled = false;
        while out.len() < most && bytes < most_bytes && !spilled {
            let Some(contributor) = waiting.next() else {
                return;
            };
            let before = out.len();
            contribute(state, &contributor, out);
            bytes += bytes_of(out, before);
            if out.len() > most || (bytes > most_bytes && out.len() - before > TOGETHER) {
                out.truncate(before);
                spilled = true;
                side.outbox.spill(state, &contributor);
            }
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
        if spilled {
            self.flush_edges(start, out);
        }
    }

    /// Contributions along the edges that wait; false if some wait still.
    fn flush_edges(&mut self, start: usize, out: &mut Vec<Emission>) -> bool {
        let Self { state, side } = self;
        let most = start.saturating_add(side.limits.fan_out);
        let mut bytes = 0;
        while out.len() < most && bytes < side.limits.flush_bytes {
            let Some((edge, cause)) = side.outbox.edges.pop_first() else {
                return true;
            };
            let before = out.len();
            contribute_along(state, &edge.0, &edge.1, cause, out);
            bytes += bytes_of(out, before);
            // What one edge carries goes together, alone if it must.
            if out.len() > most && before > start {
                out.truncate(before);
                side.outbox.edges.insert(edge, cause);
                return false;
            }
        }
        side.outbox.edges.is_empty()
    }

    fn flush_emits(&mut self, start: usize, out: &mut Vec<Emission>) {
        let most = self.side.limits.flush_bytes;
        let mut bytes = 0;
        while out.len() - start < self.side.limits.fan_out && bytes < most {
            let Some(((id, slot), emit)) = self.side.outbox.emits.pop_first() else {
                return;
            };
            let Some(twin) = self.state.get(id.as_str()) else {
                continue;
            };
            let value = twin.value(slot);
            let silent = twin.lifecycle == Lifecycle::Stopped;
            if silent || *value == emit.before || value.is_null() {
                continue;
            }
            let from = out.len();
            emit_events(&self.state, twin, slot, emit.stamp, emit.cause, out);
            bytes += bounded(out, from, most, &id);
        }
    }

    /// After the last wave, live only: one `Body::Derived` per twin whose derived values are others
    /// than before the batch, to be logged. About [`crate::Limits::flush_bytes`] at most; the rest
    /// comes after the next batch.
    pub fn settle(&mut self, out: &mut Vec<Emission>) {
        let Self { state, side } = self;
        let mut waiting = side.outbox.settles.take();
        let mut bytes = 0;
        while bytes < side.limits.flush_bytes {
            let Some(mut settle) = waiting.next() else {
                return;
            };
            settle.more.push(settle.before);
            settle.more.sort_unstable_by_key(|(slot, _)| *slot);
            let Some(twin) = state.get(settle.twin.as_str()) else {
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
            let written = settle.more.iter().filter_map(|(slot, _)| {
                let time_ms = twin.cells.get(usize::from(*slot))?.time_ms;
                (time_ms != NEVER).then_some(time_ms)
            });
            let time_ms = match twin.clock_ms {
                NEVER => twin.accepted_ms,
                _ if !twin.interface.event_time() => twin.accepted_ms,
                clock_ms => written.max().map_or(clock_ms, |ms| ms.max(clock_ms)),
            };
            let emission = Emission {
                partition: Partition::of(twin.id.as_str()),
                body: Body::Derived(Derived {
                    twin: twin.id.clone(),
                    interface: twin.interface.id().clone(),
                    time_ms,
                    values,
                }),
                cause_seq: Some(settle.cause),
            };
            bytes += emission.bytes();
            out.push(emission);
        }
        for mut settle in waiting {
            let Some(shared) = state.get_mut(None, settle.twin.as_str()) else {
                continue;
            };
            settle.more.push(settle.before);
            for (slot, before) in settle.more {
                side.outbox
                    .settle(Arc::make_mut(shared), slot, &before, settle.cause);
            }
        }
    }
}

/// What the emissions from this place on take, about, bytes.
fn bytes_of(out: &[Emission], from: usize) -> usize {
    let sent = out.get(from..).unwrap_or_default();
    sent.iter().map(Emission::bytes).sum()
}

/// The events that a twin's change necessary, from this place on, takes this many bytes. More than `most`
/// is not sent: a dead letter stands in its place.
fn bounded(out: &mut Vec<Emission>, from: usize, most: usize, twin: &TwinId) -> usize {
    let bytes = bytes_of(out, from);
    let sent = out.get(from..).unwrap_or_default();
    let (Some(first), true) = (sent.first(), bytes > most) else {
        return bytes;
    };
    let payload = match &first.body {
        Body::Event(event) => event.payload.clone(),
        _ => Bytes::new(),
    };
    let origin = format!("emit/{twin}");
    let reason = format!(
        "a change of twin {twin} would send {} events of {bytes} bytes together, more than {most}: \
         nothing of it was sent, give it fewer relationships or a shorter value",
        sent.len()
    );
    let letter = Emission {
        partition: Partition::of(&origin),
        cause_seq: first.cause_seq,
        body: Body::DeadLetter(DeadLetter {
            code: "limit-reached".into(),
            reason: reason.into(),
            origin: origin.into(),
            payload,
            dropped: 0,
        }),
    };
    let bytes = letter.bytes();
    out.truncate(from);
    out.push(letter);
    bytes
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
            stamp: child.offset,
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
