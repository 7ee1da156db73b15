//! A small driver: batches of inputs go in, frames of records come out, as in a node.

use bytes::Bytes;
use gemelli_engine::{Emission, Engine, Limits, TwinRef, Verdict};
use gemelli_event::{
    Body, Category, Partition, Position, Record, Seq,
    codec::{Decoder, Encoder},
    record::{Command, CommandName, Edge, Event, PARTITIONS, Presence},
};
use gemelli_model::{Value, manifest};

/// Waves of a batch.
const WAVES: usize = 16;

pub struct World {
    pub engine: Engine,
    pub limits: Limits,
    pub log: Vec<Record>,
    /// Records of the last batch.
    pub frame: Vec<Record>,
    pub now_ms: i64,
    pub waves: usize,
    /// Where frames end in the log: where a snapshot may be taken.
    frames: Vec<usize>,
    offsets: [u64; PARTITIONS],
}

impl Default for World {
    fn default() -> Self {
        Self::with(Limits::default())
    }
}

impl World {
    pub fn with(limits: Limits) -> Self {
        Self {
            engine: Engine::new(limits.clone()),
            limits,
            log: Vec::new(),
            frame: Vec::new(),
            now_ms: 1_700_000_000_000,
            waves: WAVES,
            frames: vec![0],
            offsets: [0; PARTITIONS],
        }
    }

    /// A world of these manifests.
    pub fn of(manifests: &str) -> Self {
        let mut world = Self::default();
        let verdict = world.apply(manifests);
        assert!(matches!(verdict, Verdict::Answer(_)), "{verdict:?}");
        world
    }

    pub fn apply(&mut self, manifests: &str) -> Verdict {
        let manifests = manifest::parse(manifests).into_result().unwrap();
        let manifests = manifests.iter().map(manifest::to_value).collect();
        self.command(Command::Apply { manifests })
    }

    pub fn command(&mut self, command: Command) -> Verdict {
        self.batch(vec![Body::Command(command)]).remove(0)
    }

    /// A report of a device.
    pub fn report(&mut self, twin: &str, payload: &str) -> Verdict {
        self.batch(vec![Body::Event(real(&self.engine, twin, payload))])
            .remove(0)
    }

    /// A report with the device's own time.
    pub fn report_at(&mut self, twin: &str, time_ms: i64, payload: &str) -> Verdict {
        let event = Event {
            time_ms: Some(time_ms),
            ..real(&self.engine, twin, payload)
        };
        self.batch(vec![Body::Event(event)]).remove(0)
    }

    pub fn report_id(&mut self, twin: &str, id: &str, payload: &str) -> Verdict {
        let event = Event {
            id: Some(id.into()),
            ..real(&self.engine, twin, payload)
        };
        self.batch(vec![Body::Event(event)]).remove(0)
    }

    pub fn relate(&mut self, source: &str, name: &str, target: &str) -> Verdict {
        self.command(Command::Relate {
            edge: edge(source, name, target),
            only_new: false,
        })
    }

    pub fn unrelate(&mut self, source: &str, id: &str) -> Verdict {
        self.command(Command::Unrelate {
            source: source.into(),
            id: id.into(),
            if_match: None,
        })
    }

    pub fn presence(&mut self, twin: &str, connected: bool) -> Verdict {
        self.batch(vec![Body::Presence(Presence {
            twin: twin.into(),
            connected,
        })])
        .remove(0)
    }

    /// Time passes, with nothing but timers.
    pub fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        self.batch(Vec::new());
    }

    /// One batch: timers, inputs, waves, final values. The verdicts of the inputs.
    pub fn batch(&mut self, inputs: Vec<Body>) -> Vec<Verdict> {
        self.frame.clear();
        let mut emitted = Vec::new();
        self.engine.due(self.now_ms, 4_096, &mut emitted);
        self.step_all(&mut emitted);
        let verdicts = inputs
            .into_iter()
            .map(|body| self.step(partition(&body), body))
            .collect();
        for _ in 0..self.waves {
            self.engine.flush(&mut emitted);
            if emitted.is_empty() {
                break;
            }
            self.step_all(&mut emitted);
        }
        self.engine.settle(&mut emitted);
        self.step_all(&mut emitted);
        self.frames.push(self.log.len());
        verdicts
    }

    fn step_all(&mut self, emitted: &mut Vec<Emission>) {
        for Emission {
            partition, body, ..
        } in emitted.drain(..)
        {
            let verdict = self.step(partition, body.clone());
            assert!(
                !matches!(verdict, Verdict::Rejected(_)),
                "{body:?}: {verdict:?}"
            );
        }
    }

    fn step(&mut self, partition: Partition, body: Body) -> Verdict {
        let offset = &mut self.offsets[partition.index()];
        let position = Position {
            partition,
            offset: *offset,
        };
        let record = Record {
            position,
            accepted_ms: self.now_ms,
            cause: None,
            body,
        };
        let verdict = self.engine.step(self.log.len() as Seq, &record);
        if matches!(verdict, Verdict::Accepted | Verdict::Answer(_)) {
            *offset += 1;
            self.log.push(record.clone());
            self.frame.push(record);
        }
        verdict
    }

    pub fn twin(&self, id: &str) -> TwinRef {
        self.engine
            .view()
            .twin(id)
            .unwrap_or_else(|| panic!("no twin {id}"))
    }

    /// A member's value as JSON; `null` if absent.
    pub fn get(&self, id: &str, member: &str) -> String {
        self.twin(id)
            .get(member)
            .map_or("null".into(), Value::to_string)
    }

    /// The state that a replay of the log gives.
    pub fn replayed(&self) -> Engine {
        replay(self.limits.clone(), None, &self.stored())
    }

    /// The log as it comes back from the disk.
    pub fn stored(&self) -> Vec<Record> {
        let mut encoder = Encoder::default();
        encoder.begin(0, self.now_ms);
        for record in &self.log {
            encoder.push(record).unwrap();
        }
        let mut decoder = Decoder::new(encoder.buffer(), self.now_ms).unwrap();
        std::iter::from_fn(|| decoder.next().unwrap()).collect()
    }

    /// What is left to be emitted after a restart that the live engine does not have to: nothing that
    /// would become a record.
    pub fn check_nothing_left(&self) {
        let mut emitted = Vec::new();
        let mut replayed = self.replayed();
        replayed.flush(&mut emitted);
        replayed.settle(&mut emitted);
        assert_eq!(emitted, [], "a restart says again what the log has");
    }

    /// Live state, replay, and a snapshot taken after the frame of the record `cut` with the tail
    /// replayed: one hash.
    pub fn check_hashes(&self, cut: usize) {
        let live = self.engine.state_hash();
        assert_eq!(
            self.replayed().state_hash(),
            live,
            "a replay gives another state"
        );
        self.check_nothing_left();
        let stored = self.stored();
        let (head, tail) = stored.split_at(
            self.frames
                .iter()
                .copied()
                .find(|end| *end >= cut)
                .unwrap_or_default(),
        );
        let snapshot = replay(self.limits.clone(), None, head);
        let mut loaded = reload(self.limits.clone(), &snapshot);
        assert_eq!(
            loaded.state_hash(),
            snapshot.state_hash(),
            "a snapshot gives another state"
        );
        for (n, record) in tail.iter().enumerate() {
            loaded.fold((head.len() + n) as Seq, record);
        }
        assert_eq!(
            loaded.state_hash(),
            live,
            "snapshot and tail give another state"
        );
    }

    /// Goes on with an engine at the end of another world's log.
    pub fn resume(&mut self, engine: Engine, other: &Self) {
        self.engine = engine;
        self.log = other.log.clone();
        self.offsets = other.offsets;
        self.now_ms = other.now_ms;
    }

    /// The engine's own outputs of the last batch, in short.
    pub fn sent(&self) -> Vec<String> {
        let sent = self.frame.iter().filter_map(|record| match &record.body {
            Body::Event(e) if matches!(e.category, Category::Virtual | Category::Command) => {
                let command = e
                    .command
                    .as_ref()
                    .map_or(String::new(), |c| format!(".{}", c.name));
                Some(format!(
                    "{}{command} {} {}",
                    e.category,
                    e.twin,
                    String::from_utf8_lossy(&e.payload)
                ))
            }
            Body::Derived(d) => {
                let values: Vec<_> = d.values.iter().map(|(n, v)| format!("{n}={v}")).collect();
                Some(format!("derived {} {}", d.twin, values.join(" ")))
            }
            _ => None,
        });
        sent.collect()
    }

    pub fn contributions(&self) -> usize {
        self.frame
            .iter()
            .filter(|r| matches!(r.body, Body::Contribution(_)))
            .count()
    }
}

pub fn replay(limits: Limits, from: Option<Engine>, log: &[Record]) -> Engine {
    let mut engine = from.unwrap_or_else(|| Engine::new(limits));
    for (seq, record) in log.iter().enumerate() {
        let verdict = engine.fold(seq as Seq, record);
        assert!(
            matches!(verdict, Verdict::Accepted | Verdict::Answer(_)),
            "replay of {record:?}: {verdict:?}"
        );
    }
    engine
}

/// The engine that the snapshot of another one gives.
pub fn reload(limits: Limits, engine: &Engine) -> Engine {
    let view = engine.view();
    let mut loaded = Engine::new(limits);
    loaded.load_meta(&engine.encode_meta()).unwrap();
    for twin in view.twins() {
        loaded
            .load_twin(twin.id(), &view.encode_twin(twin.id()).unwrap())
            .unwrap();
    }
    assert_eq!(loaded.finish_load(), 0, "an edge is noted at one end only");
    loaded
}

pub fn real(engine: &Engine, twin: &str, payload: &str) -> Event {
    let interface = engine
        .view()
        .twin(twin)
        .map_or("none".into(), |t| t.interface().clone());
    Event {
        category: Category::Real,
        interface,
        twin: twin.into(),
        command: None,
        source: None,
        id: None,
        time_ms: None,
        payload: Bytes::copy_from_slice(payload.as_bytes()),
    }
}

pub fn command(
    engine: &Engine,
    sender: Option<&str>,
    receiver: &str,
    name: &str,
    payload: &str,
) -> Body {
    Body::Event(Event {
        category: Category::Command,
        command: Some(CommandName {
            name: name.into(),
            sender: sender.map(Into::into),
        }),
        ..real(engine, receiver, payload)
    })
}

pub fn edge(source: &str, name: &str, target: &str) -> Edge {
    Edge {
        id: format!("{name}-{target}").into(),
        name: name.into(),
        source: source.into(),
        target: target.into(),
        properties: Value::Null,
    }
}

fn partition(body: &Body) -> Partition {
    match body {
        Body::Event(e) => Partition::of(e.twin.as_str()),
        Body::Presence(p) => Partition::of(p.twin.as_str()),
        Body::Command(
            Command::Put { twin, .. }
            | Command::Patch { twin, .. }
            | Command::Delete { twin, .. }
            | Command::Stop { twin }
            | Command::Start { twin },
        ) => Partition::of(twin.as_str()),
        Body::Command(Command::Relate { edge, .. }) => Partition::of(edge.source.as_str()),
        Body::Command(Command::Unrelate { source, .. }) => Partition::of(source.as_str()),
        _ => Partition::default(),
    }
}

/// The rejection's code, or what else the verdict is.
pub fn code(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Answer(_) => "answer",
        Verdict::Duplicate => "duplicate",
        Verdict::Rejected(rejection) => rejection.code,
    }
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
