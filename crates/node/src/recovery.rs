//! A node's start: the newest snapshot, then the tail of the log.

use crate::{
    access::Access,
    clock::Clock,
    driver::{Driver, ENGINE_VERSION, Tail, UNFINISHED},
    keeping::Keeping,
    letters::{Letter, Letters},
    metrics::Metrics,
    node::StartError,
    options::Options,
    presence::GRACE_MS,
    snapshot,
    state::{Core, Parts, Published},
};
use gemelli_broker::Broker;
use gemelli_engine::{Engine, Rejection, TwinRef, Verdict};
use gemelli_event::{Body, Record, Seq};
use gemelli_model::TwinId;
use gemelli_store::{LogWriter, Store};
use std::sync::Arc;

/// A node that is ready to run.
pub(crate) struct Recovered {
    pub core: Arc<Core>,
    pub broker: Broker<Core>,
    pub engine: Engine,
    pub tail: Tail,
    pub writer: LogWriter,
    /// The last stop was in good order.
    pub clean: bool,
}

/// Opens the folder and brings engine and broker to the end of the log. Waits for the disk.
pub(crate) fn open(
    mut options: Options,
    clock: Arc<dyn Clock>,
    access: Access,
) -> Result<Recovered, StartError> {
    let keeping = Keeping::default();
    let (kept, also) = (keeping.clone(), options.store.keep.clone());
    options.store.keep = Arc::new(move |record| kept.keeps(record) && also(record));
    let (store, found) = Store::open(&options.data, options.store.clone())?;
    if found.truncated_bytes > 0 {
        let at = found
            .truncated_at
            .as_ref()
            .map(|(file, offset)| format!("{} at {offset}", file.display()));
        tracing::warn!(
            bytes = found.truncated_bytes,
            at,
            "an interrupted write was cut from the end of the log"
        );
    }
    let mut engine = Engine::new(options.limits.engine.clone());
    let letters = Letters::new(options.limits.dead_letters);
    let broker_options = options.broker.clone();
    let parts = Parts {
        clock,
        access,
        view: engine.view(),
        next_seq: 0,
        letters,
        metrics: Arc::new(Metrics::default()),
        store: store.clone(),
        keeping,
        options,
    };
    let core = Arc::new(Core::new(parts));
    let broker = Broker::new(core.clone(), broker_options);
    let from = load(&store, &mut engine, &broker)?;
    let mut tail = Tail {
        next_seq: from,
        offsets: found.offsets,
        last_ms: found.accepted_ms,
    };
    replay(&store, &core, &mut engine, &broker, from)?;
    tail.next_seq = found.next_seq;
    let view = engine.view();
    core.metrics.twins.set(view.count() as u64);
    core.publish(Published {
        view,
        next_seq: found.next_seq,
    });
    let writer = store.writer()?;
    Ok(Recovered {
        core,
        broker,
        engine,
        tail,
        writer,
        clean: found.clean,
    })
}

/// Loads the newest snapshot; the answer is where replay starts.
fn load(store: &Store, engine: &mut Engine, broker: &Broker<Core>) -> Result<Seq, StartError> {
    let mut twins: Vec<(TwinId, Vec<u8>)> = Vec::new();
    let mut odd = None;
    let loaded = store.load_snapshot(|entry| match entry.kind {
        snapshot::TWIN => twins.push((entry.key.into(), entry.value.to_vec())),
        snapshot::BROKER => {
            let loaded = snapshot::broker_key(entry.key).map(|key| broker.load(&key, entry.value));
            match loaded {
                Some(Ok(())) => {}
                Some(Err(error)) => odd = Some(error.to_string()),
                None => odd = Some(format!("the snapshot holds an entry named {}", entry.key)),
            }
        }
        kind => odd = Some(format!("the snapshot holds entries of kind {kind}")),
    })?;
    if let Some(odd) = odd {
        return Err(StartError::Damaged(odd));
    }
    for (file, why) in &loaded.damaged {
        tracing::warn!(file = %file.display(), why, "a damaged snapshot was set aside, an earlier one is used");
    }
    let Some(meta) = loaded.meta else {
        return Ok(0);
    };
    let damaged = |error: gemelli_engine::Damaged| StartError::Damaged(error.to_string());
    engine.load_meta(&meta).map_err(damaged)?;
    for (id, state) in &twins {
        engine.load_twin(id, state).map_err(damaged)?;
    }
    let halves = engine.finish_load();
    if halves > 0 {
        tracing::warn!(
            halves,
            "relationships that only their targets knew of were left out"
        );
    }
    Ok(loaded.seq)
}

/// Folds the records after the snapshot. What they made necessary is in the log too: nothing is emitted.
fn replay(
    store: &Store,
    core: &Core,
    engine: &mut Engine,
    broker: &Broker<Core>,
    from: Seq,
) -> Result<(), StartError> {
    let mut unread = Unread::default();
    let mut frames = store.frames(from)?;
    while let Some(frame) = frames.next_frame()? {
        let version = frame.engine & !UNFINISHED;
        if version > ENGINE_VERSION {
            let what = format!(
                "frame {} was written by engine {version}, this is {ENGINE_VERSION}",
                frame.number
            );
            return Err(StartError::Damaged(what));
        }
        for (seq, record) in (frame.first_seq..).zip(&frame.records) {
            if seq >= from {
                fold(core, engine, broker, &mut unread, seq, record)?;
            }
        }
        if frame.engine & UNFINISHED == 0 {
            engine.rest();
        }
    }
    if let Some((seq, why)) = &unread.first {
        tracing::warn!(
            records = unread.count,
            seq,
            %why,
            "records of the log cannot be read any more: they changed nothing, the first of them is named"
        );
    }
    Ok(())
}

/// Records that the engine of today cannot make sense of.
#[derive(Default)]
struct Unread {
    count: u64,
    first: Option<(Seq, Rejection)>,
}

fn fold(
    core: &Core,
    engine: &mut Engine,
    broker: &Broker<Core>,
    unread: &mut Unread,
    seq: Seq,
    record: &Record,
) -> Result<(), StartError> {
    if let Verdict::Rejected(why) = engine.fold(seq, record) {
        unread.count += 1;
        unread.first.get_or_insert((seq, why));
    }
    match &record.body {
        Body::Session(bytes) => {
            let folded = broker.fold(seq, bytes);
            folded.map_err(|error| StartError::Damaged(format!("record {seq}: {error}")))
        }
        Body::DeadLetter(letter) => {
            let letter = Letter {
                seq,
                accepted_ms: record.accepted_ms,
                letter: letter.clone(),
            };
            core.letters.lock().push(letter);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Nobody is connected yet: twins that were bound wait for their clients.
pub(crate) fn expect_clients(driver: &mut Driver, now_ms: i64) {
    let view = driver.engine().view();
    let bound: Vec<_> = view
        .twins()
        .filter(TwinRef::connected)
        .map(|t| t.id().clone())
        .collect();
    driver.expect(bound.into_iter(), now_ms.saturating_add(GRACE_MS));
}
