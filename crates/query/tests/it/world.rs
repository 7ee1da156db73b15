//! A small driver of the engine, and queries on its view.

use gemelli_engine::{Emission, Engine, Limits as Bounds, TwinRef, Verdict, View};
use gemelli_event::{
    Body, Partition, Position, Record, Seq,
    record::{Command, Edge, PARTITIONS},
};
use gemelli_model::{Value, manifest};
use gemelli_query::{Error, Limits, Page, Query, Render, Token, plan, run};

pub struct World {
    pub engine: Engine,
    seq: Seq,
    offsets: [u64; PARTITIONS],
}

impl World {
    pub fn new() -> Self {
        Self {
            engine: Engine::new(Bounds::default()),
            seq: 0,
            offsets: [0; PARTITIONS],
        }
    }

    pub fn of(manifests: &str) -> Self {
        let mut world = Self::new();
        world.apply(manifests);
        world
    }

    pub fn apply(&mut self, manifests: &str) {
        let manifests = manifest::parse(manifests).into_result().unwrap();
        let manifests = manifests.iter().map(manifest::to_value).collect();
        let verdict = self.command(Command::Apply { manifests });
        assert!(matches!(verdict, Verdict::Answer(_)), "{verdict:?}");
    }

    pub fn put(&mut self, twin: &str, interface: &str, properties: Value) -> Verdict {
        self.command(Command::Put {
            twin: twin.into(),
            interface: interface.into(),
            properties,
            only_new: false,
        })
    }

    pub fn relate(
        &mut self,
        source: &str,
        id: &str,
        name: &str,
        target: &str,
        properties: Value,
    ) -> Verdict {
        let edge = Edge {
            id: id.into(),
            name: name.into(),
            source: source.into(),
            target: target.into(),
            properties,
        };
        self.command(Command::Relate {
            edge,
            only_new: false,
        })
    }

    /// One command with everything that follows from it.
    pub fn command(&mut self, command: Command) -> Verdict {
        let partition = match &command {
            Command::Put { twin, .. }
            | Command::Patch { twin, .. }
            | Command::Delete { twin, .. } => Partition::of(twin.as_str()),
            Command::Relate { edge, .. } => Partition::of(edge.source.as_str()),
            Command::Unrelate { source, .. } => Partition::of(source.as_str()),
            _ => Partition::default(),
        };
        let verdict = self.step(partition, Body::Command(command));
        let mut emitted: Vec<Emission> = Vec::new();
        loop {
            self.engine.flush(&mut emitted);
            if emitted.is_empty() {
                break;
            }
            for emission in emitted.drain(..) {
                self.step(emission.partition, emission.body);
            }
        }
        self.engine.settle(&mut emitted);
        for emission in emitted.drain(..) {
            self.step(emission.partition, emission.body);
        }
        verdict
    }

    fn step(&mut self, partition: Partition, body: Body) -> Verdict {
        let offset = &mut self.offsets[partition.index()];
        let position = Position {
            partition,
            offset: *offset,
        };
        let record = Record {
            position,
            accepted_ms: 1_700_000_000_000,
            cause: None,
            body,
        };
        let verdict = self.engine.step(self.seq, &record);
        if matches!(verdict, Verdict::Accepted | Verdict::Answer(_)) {
            *offset += 1;
            self.seq += 1;
        }
        verdict
    }

    /// Goes on with the engine that a snapshot of this one gives.
    pub fn restart(&mut self) {
        let view = self.engine.view();
        let mut loaded = Engine::new(Bounds::default());
        loaded.load_meta(&self.engine.encode_meta()).unwrap();
        for twin in view.twins() {
            let bytes = view.encode_twin(twin.id()).unwrap();
            loaded.load_twin(twin.id(), &bytes).unwrap();
        }
        assert_eq!(loaded.finish_load(), 0);
        self.engine = loaded;
    }

    pub fn view(&self) -> View {
        self.engine.view()
    }

    /// All rows of a query, as JSON.
    pub fn rows(&self, query: &str) -> Vec<String> {
        let rows = ask(&self.view(), query).unwrap_or_else(|e| panic!("{query}: {e}"));
        rows.iter().map(ToString::to_string).collect()
    }
}

/// Twins without what changes from run to run.
pub struct Plain;

impl Render for Plain {
    fn twin(&self, twin: &TwinRef) -> Value {
        let model = object([("$model", Value::text(twin.interface().as_str()))]);
        let mut fields = vec![
            ("$dtId".into(), Value::text(twin.id().as_str())),
            ("$metadata".into(), model),
        ];
        let members = twin.members().into_iter();
        fields.extend(members.filter(|m| !m.telemetry).map(|m| (m.name, m.value)));
        Value::Object(fields.into())
    }

    fn relationship(&self, edge: &Edge) -> Value {
        let mut fields = vec![
            ("$relationshipId".into(), Value::Text(edge.id.clone())),
            ("$etag".into(), Value::text(format!("W/\"{}\"", edge.id))),
            ("$sourceId".into(), Value::text(edge.source.as_str())),
            ("$targetId".into(), Value::text(edge.target.as_str())),
            ("$relationshipName".into(), Value::Text(edge.name.clone())),
        ];
        if let Value::Object(own) = &edge.properties {
            fields.extend(own.iter().cloned());
        }
        Value::Object(fields.into())
    }
}

pub fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(fields.into_iter().map(|(n, v)| (n.into(), v)).collect())
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

pub fn page(
    view: &View,
    query: &str,
    limits: &Limits<'_>,
    from: Option<&Token>,
) -> Result<Page, Error> {
    let query = Query::parse(query)?;
    run(&plan(&query, view), view, limits, &Plain, from)
}

/// All pages, of an odd size so that there are several.
pub fn ask(view: &View, query: &str) -> Result<Vec<Value>, Error> {
    let limits = Limits {
        page: 7,
        ..Limits::default()
    };
    let mut rows = Vec::new();
    let mut from: Option<Token> = None;
    loop {
        let page = page(view, query, &limits, from.as_ref())?;
        assert!(page.rows.len() <= 7);
        rows.extend(page.rows);
        match page.next {
            // As it travels.
            Some(next) => from = Some(next.to_string().parse().unwrap()),
            None => return Ok(rows),
        }
    }
}
