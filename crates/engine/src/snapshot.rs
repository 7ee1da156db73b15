//! A twin, and what is nobody's twin, as bytes and back.
//!
//! Each entry begins with its format's version. Equal state gives equal bytes: the state hash is
//! taken over them. Tallies, timers' queue and indexes are rebuilt, not stored.

mod bytes;
mod meta;

use crate::{
    Damaged, Definitions, Engine, Lifecycle,
    fidelity::Arrivals,
    marks::{Marks, Window},
    outbox::Key,
    packed::Packed,
    rollup, timers,
    twin::{Cell, Incoming, Links, NEVER, Outgoing, Share, ShareKey, Twin},
};
use bytes::{Reader, Writer};
use gemelli_event::Partition;
use gemelli_model::{TwinId, Value, interface::Direction};
use std::sync::Arc;

/// Version of the bytes of an entry.
pub(crate) const FORMAT: u16 = 2;

/// The name of the rate's timer, which no member can have.
const RATE_NAME: &str = "$rate";

/// A twin's whole state.
pub(crate) fn encode_twin(twin: &Twin) -> Vec<u8> {
    let mut out = Writer::new(FORMAT);
    out.text(twin.interface.id().as_str());
    for number in [u64::from(twin.epoch), twin.offset, u64::from(twin.depth)] {
        out.number(number);
    }
    for time in [twin.accepted_ms, twin.clock_ms, twin.report_ms] {
        out.signed(time);
    }
    out.number(twin.lifecycle as u64);
    out.number(u64::from(twin.connected));
    let Arrivals {
        window,
        former,
        current,
    } = twin.arrivals;
    out.signed(window);
    out.number(u64::from(former));
    out.number(u64::from(current));
    // Slots go by name, so that an entry outlives a change of the interface's order.
    let slots = twin.interface.slots().iter().zip(&twin.cells);
    let held: Vec<_> = slots
        .filter(|(slot, cell)| {
            !cell.value.is_null()
                || cell.time_ms != NEVER
                || slot.before.is_some()
                || slot.changed.is_some()
        })
        .collect();
    out.count(held.len());
    for (slot, cell) in held {
        out.text(&slot.name);
        out.value(&cell.value);
        out.signed(cell.time_ms);
        out.value(
            slot.before
                .and_then(|at| twin.before.get(usize::from(at)))
                .unwrap_or(&Value::Null),
        );
        out.signed(
            slot.changed
                .and_then(|at| twin.changed.get(usize::from(at)))
                .copied()
                .unwrap_or(NEVER),
        );
    }
    out.count(twin.deadlines.len());
    for (timer, due) in &twin.deadlines {
        out.text(match (*timer, timers::slot(*timer)) {
            (timers::RATE, _) => RATE_NAME,
            (_, slot) => slot
                .and_then(|slot| twin.interface.slot(slot))
                .map_or("", |slot| &slot.name),
        });
        out.signed(*due);
    }
    marks(&mut out, &twin.marks);
    let links = twin.links.as_deref();
    out.count(links.map_or(0, |l| l.out.len()));
    for (id, edge) in twin.out() {
        out.text(id);
        out.text(&edge.name);
        out.text(edge.target.as_str());
        out.value(&edge.properties);
    }
    out.count(links.map_or(0, |l| l.incoming.len()));
    for edge in twin.incoming() {
        out.text(&edge.name);
        out.text(edge.source.as_str());
        out.text(&edge.id);
    }
    let shares = twin.shares.as_deref().unwrap_or_default();
    out.count(shares.len());
    for (slot, shares) in twin.interface.rollups().iter().zip(shares) {
        out.text(twin.interface.slot(*slot).map_or("", |slot| &slot.name));
        out.count(shares.len());
        for (key, share) in shares.iter() {
            out.text(key.from.as_str());
            out.text(&key.edge);
            out.value(&share.value);
            out.number(share.stamp);
        }
    }
    out.finish()
}

fn marks(out: &mut Writer, marks: &Marks) {
    out.count(marks.windows().count());
    for window in marks.windows() {
        out.number(window.source);
        out.number(window.used);
        out.number(window.noted);
        out.count(window.ids.len());
        for id in window.ids {
            out.number(*id);
        }
    }
}

fn read_marks(from: &mut Reader<'_>) -> Result<Marks, Damaged> {
    let read = from.list(|from| {
        Ok((
            from.number()?,
            from.number()?,
            from.number()?,
            from.list(Reader::number)?,
        ))
    })?;
    Ok(Marks::of(read.iter().map(|(source, used, noted, ids)| {
        Window {
            source: *source,
            used: *used,
            noted: *noted,
            ids,
        }
    })))
}

/// The twin of these bytes.
fn decode_twin(id: &TwinId, bytes: &[u8], definitions: &Definitions) -> Result<Twin, Damaged> {
    let mut from = Reader::new(id.as_str(), bytes, FORMAT)?;
    let interface = from.text()?;
    let Some(interface) = definitions.interface(&interface) else {
        return Err(from.broken(format!("its interface {interface} is not there")));
    };
    let mut twin = Twin::new(id.clone(), interface.clone());
    let interface = interface.clone();
    twin.epoch = from.small()?;
    twin.offset = from.number()?;
    twin.depth = u8::try_from(from.number()?).unwrap_or(u8::MAX);
    twin.accepted_ms = from.signed()?;
    twin.clock_ms = from.signed()?;
    twin.report_ms = from.signed()?;
    let state = from.small()? as usize;
    twin.lifecycle = Lifecycle::ALL
        .get(state)
        .copied()
        .ok_or_else(|| from.broken(format!("there is no state {state}")))?;
    twin.connected = from.number()? != 0;
    if from.version() >= 2 {
        let small = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
        twin.arrivals = Arrivals {
            window: from.signed()?,
            former: small(from.number()?),
            current: small(from.number()?),
        };
    } else {
        // Written before reports were counted.
        twin.recount(None);
    }
    for _ in 0..from.count()? {
        let (name, value, time_ms) = (from.text()?, from.value()?, from.signed()?);
        let (before, changed) = (from.value()?, from.signed()?);
        let Some(at) = interface.slot_of(&name) else {
            continue;
        };
        let Some(slot) = interface.slot(at) else {
            continue;
        };
        if let Some(place) = twin.cells.get_mut(usize::from(at)) {
            *place = Cell { value, time_ms };
        }
        if let Some(place) = slot
            .before
            .and_then(|at| twin.before.get_mut(usize::from(at)))
        {
            *place = before;
        }
        if let Some(place) = slot
            .changed
            .and_then(|at| twin.changed.get_mut(usize::from(at)))
        {
            *place = changed;
        }
    }
    for _ in 0..from.count()? {
        let (name, due) = (from.text()?, from.signed()?);
        let timer = match &*name {
            "" => Some(timers::MAX_AGE),
            RATE_NAME => Some(timers::RATE),
            name => interface.slot_of(name).map(timers::expiry),
        };
        if let Some(timer) = timer {
            twin.set_deadline(timer, Some(due));
        }
    }
    twin.marks = read_marks(&mut from)?;
    let out = from.list(|from| {
        let id = from.text()?;
        Ok((
            id,
            Outgoing {
                name: from.text()?,
                target: TwinId::new(from.text()?),
                properties: from.value()?,
            },
        ))
    })?;
    let incoming = from.list(|from| {
        Ok(Incoming {
            name: from.text()?,
            source: TwinId::new(from.text()?),
            id: from.text()?,
        })
    })?;
    if !out.is_empty() || !incoming.is_empty() {
        let mut links = Links::default();
        for (id, edge) in out {
            links.out.insert(id, edge);
        }
        for edge in incoming {
            links.incoming.insert(edge, ());
        }
        twin.links = Some(Arc::new(links));
    }
    for _ in 0..from.count()? {
        let name = from.text()?;
        let shares = from.list(|from| {
            let key = ShareKey {
                from: TwinId::new(from.text()?),
                edge: from.text()?,
            };
            Ok((
                key,
                Share {
                    value: from.value()?,
                    stamp: from.number()?,
                },
            ))
        })?;
        let place = interface
            .slot_of(&name)
            .and_then(|slot| interface.rollup(slot))
            .map(|(place, _)| place);
        let held = twin.shares.as_mut().map(Arc::make_mut);
        if let Some(held) = place.and_then(|place| held?.get_mut(usize::from(place))) {
            let mut all = Packed::default();
            for (key, share) in shares {
                all.insert(key, share);
            }
            *held = all;
        }
    }
    from.end()?;
    Ok(twin)
}

impl Engine {
    /// Everything that is not a twin's: definitions, clocks, tombstones, what is still to be emitted.
    pub fn encode_meta(&self) -> Vec<u8> {
        meta::encode(self, true)
    }

    /// First step of loading a snapshot.
    ///
    /// # Errors
    /// The bytes do not decode.
    pub fn load_meta(&mut self, bytes: &[u8]) -> Result<(), Damaged> {
        meta::load(self, bytes)
    }

    /// Then every twin, in any order.
    ///
    /// # Errors
    /// The bytes do not decode, or name an interface that is not there.
    pub fn load_twin(&mut self, id: &TwinId, bytes: &[u8]) -> Result<(), Damaged> {
        let twin = decode_twin(id, bytes, &self.state.definitions)?;
        self.state.remove(id);
        self.state.insert(twin);
        Ok(())
    }

    /// Last step of loading: timers and indexes. An edge that is noted at its target only is left
    /// out: the answer is how many were.
    pub fn finish_load(&mut self) -> usize {
        let halves = self.drop_halves();
        let Self { state, side } = self;
        side.timers = timers::Timers::default();
        side.tallies.clear();
        side.dangling.clear();
        let mut contributors = std::mem::take(&mut side.loaded);
        for id in state.ids() {
            let Some(twin) = state.get(id.as_str()) else {
                continue;
            };
            for (timer, due) in &twin.deadlines {
                side.timers.look(twin, *timer, *due);
            }
            if twin.shares.is_some() {
                side.tallies.insert(id.clone(), rollup::tallies(twin));
            }
            for (edge_id, edge) in twin.out() {
                if state.get(edge.target.as_str()).is_none() {
                    let waiting = side.dangling.entry(edge.target.clone()).or_default();
                    waiting.insert((id.clone(), edge_id.clone()));
                }
            }
        }
        for (id, watches, stamp, cause) in contributors.drain(..) {
            if let Some(shared) = state.get_mut(None, id.as_str()) {
                let stamp = gemelli_event::Position {
                    partition: Partition::of(id.as_str()),
                    offset: stamp,
                };
                side.outbox
                    .contribute(Arc::make_mut(shared), watches, stamp, cause);
            }
        }
        halves
    }

    /// Takes edges away that only their targets know of, with what came by them.
    fn drop_halves(&mut self) -> usize {
        let Self { state, side } = self;
        let mut halves: Vec<(TwinId, Incoming)> = Vec::new();
        for id in state.ids() {
            let edges = state
                .get(id.as_str())
                .into_iter()
                .flat_map(|t| t.incoming());
            let half = |edge: &&Incoming| {
                let there = state
                    .get(edge.source.as_str())
                    .and_then(|source| source.edge(&edge.id))
                    .is_some_and(|e| e.name == edge.name && e.target == *id);
                // One that is about to go is in good order.
                let going = || {
                    let Incoming {
                        name,
                        source,
                        id: e,
                    } = edge;
                    let key = Key::Incoming(id.clone(), source.clone(), e.clone(), name.clone());
                    side.outbox.commands.contains_key(&key)
                };
                !there && !going()
            };
            halves.extend(edges.filter(half).map(|edge| (id.clone(), edge.clone())));
        }
        for (id, edge) in &halves {
            let Some(shared) = state.get_mut(None, id.as_str()) else {
                continue;
            };
            let twin = Arc::make_mut(shared);
            twin.links_mut().incoming.remove(edge);
            twin.trim_links();
            let interface = twin.interface.clone();
            let rollups = interface.rollups().iter();
            for (place, aggregate) in rollups.filter_map(|slot| interface.rollup(*slot)) {
                let shares = twin.shares.as_mut().map(Arc::make_mut);
                if aggregate.direction == Direction::Incoming
                    && aggregate.over.eq_ignore_ascii_case(&edge.name)
                    && let Some(shares) = shares.and_then(|all| all.get_mut(usize::from(place)))
                {
                    shares.remove(&ShareKey {
                        from: edge.source.clone(),
                        edge: edge.id.clone(),
                    });
                }
            }
            side.note_dirty(twin);
        }
        halves.len()
    }

    /// A hash of the whole state: equal for equal records, however they were folded. What is still
    /// to be emitted is no part of it, being no state of any twin yet.
    pub fn state_hash(&self) -> u64 {
        let mut hash = xxhash_rust::xxh3::xxh3_64(&meta::encode(self, false));
        for id in self.state.ids() {
            if let Some(twin) = self.state.get(id.as_str()) {
                hash = xxhash_rust::xxh3::xxh3_64_with_seed(id.as_str().as_bytes(), hash);
                hash = xxhash_rust::xxh3::xxh3_64_with_seed(&encode_twin(twin), hash);
            }
        }
        hash
    }
}
