//! Commands of the API, one a file: its checks, what it changes, its tests.
//!
//! Each command first plans, reading only, and then applies its plan: so a dry run says exactly what
//! the step would say, and a refused command leaves no trace.

mod amend;
mod apply;
mod defined;
mod delete;
mod edge;
mod incoming;
mod patch;
mod pointer;
mod put;
mod relate;
mod remove;
mod retire;
pub(crate) mod stop;
mod telemetry;
mod unrelate;

use crate::{
    Engine, Rejection, Verdict,
    engine::Side,
    outbox::Key,
    state::State,
    twin::{Outgoing, Twin},
};
use gemelli_event::{Record, Seq, record::Command};
use gemelli_model::Value;
use std::sync::Arc;

/// What a step of the command would answer, without stepping it.
pub(crate) fn check(state: &State, side: &Side, command: &Command) -> Result<Value, Rejection> {
    match command {
        Command::Apply { manifests } => {
            apply::plan(state, side, manifests).map(|plan| plan.answer())
        }
        Command::Put {
            twin,
            interface,
            properties,
            only_new,
        } => put::plan(state, side, twin, interface, properties, *only_new).map(|_| Value::Null),
        Command::Patch {
            twin,
            patch,
            if_match,
            strict,
        } => patch::plan(state, twin, patch, if_match.as_deref(), *strict).map(|_| Value::Null),
        Command::Delete { twin, if_match } => {
            delete::plan(state, side, twin, if_match.as_deref()).map(|_| Value::Null)
        }
        Command::Relate { edge, only_new } => {
            relate::plan(state, side, edge, *only_new).map(|plan| plan.answer())
        }
        Command::Amend {
            source,
            id,
            patch,
            if_match,
        } => amend::plan(state, side, source, id, patch, if_match.as_deref())
            .map(|plan| plan.answer()),
        Command::Unrelate {
            source,
            id,
            if_match,
        } => unrelate::plan(state, source, id, if_match.as_deref()).map(|_| Value::Null),
        Command::Telemetry {
            twin, component, ..
        } => telemetry::plan(state, twin, component.as_deref()).map(|()| Value::Null),
        Command::Remove { kind, name } => {
            remove::plan(state, side, kind, name).map(|plan| plan.answer())
        }
        Command::Stop { twin } | Command::Start { twin } => {
            stop::plan(state, twin).map(|_| Value::Null)
        }
        Command::Retire { interface, retired } => {
            retire::retire(state, side, interface, *retired).map(|_| Value::Null)
        }
        Command::Withdraw { interface } => {
            retire::withdraw(state, side, interface).map(|_| Value::Null)
        }
        Command::Incoming { .. } | Command::Defined { .. } => Err(internal()),
    }
}

fn internal() -> Rejection {
    Rejection::new(
        "unknown-kind",
        "this command is the engine's own",
        "send one of the API's commands",
    )
}

/// Folds a command.
pub(crate) fn step(
    engine: &mut Engine,
    seq: Seq,
    record: &Record,
    command: &Command,
) -> Result<Verdict, Rejection> {
    if !engine.side.outbox.commands.is_empty() {
        said(engine, record, command);
    }
    let Engine { state, side } = engine;
    match command {
        Command::Apply { manifests } => {
            let plan = apply::plan(state, side, manifests)?;
            Ok(Verdict::Answer(apply::apply(engine, seq, record, plan)))
        }
        Command::Put {
            twin,
            interface,
            properties,
            only_new,
        } => {
            let plan = put::plan(state, side, twin, interface, properties, *only_new)?;
            Ok(Verdict::Answer(put::apply(engine, seq, record, plan)))
        }
        Command::Patch {
            twin,
            patch,
            if_match,
            strict,
        } => {
            let plan = patch::plan(state, twin, patch, if_match.as_deref(), *strict)?;
            Ok(Verdict::Answer(patch::apply(engine, seq, record, plan)))
        }
        Command::Delete { twin, if_match } => {
            let id = delete::plan(state, side, twin, if_match.as_deref())?;
            delete::apply(engine, &id);
            Ok(Verdict::Accepted)
        }
        Command::Relate { edge, only_new } => {
            let plan = relate::plan(state, side, edge, *only_new)?;
            Ok(Verdict::Answer(relate::apply(engine, seq, record, plan)))
        }
        Command::Amend {
            source,
            id,
            patch,
            if_match,
        } => {
            let plan = amend::plan(state, side, source, id, patch, if_match.as_deref())?;
            Ok(Verdict::Answer(relate::apply(engine, seq, record, plan)))
        }
        Command::Telemetry {
            twin, component, ..
        } => {
            telemetry::plan(state, twin, component.as_deref())?;
            Ok(Verdict::Accepted)
        }
        Command::Unrelate {
            source,
            id,
            if_match,
        } => {
            let plan = unrelate::plan(state, source, id, if_match.as_deref())?;
            unrelate::apply(engine, seq, record, plan);
            Ok(Verdict::Accepted)
        }
        Command::Remove { kind, name } => {
            let plan = remove::plan(state, side, kind, name)?;
            Ok(Verdict::Answer(remove::apply(engine, seq, plan)))
        }
        Command::Stop { twin } | Command::Start { twin } => {
            let halt = match command {
                Command::Stop { .. } => stop::Halt::Stop,
                _ => stop::Halt::Start,
            };
            let id = stop::plan(state, twin)?;
            stop::apply(engine, seq, record, &id, halt);
            Ok(Verdict::Accepted)
        }
        Command::Retire { interface, retired } => {
            let definitions = retire::retire(state, side, interface, *retired)?;
            retire::apply(engine, seq, definitions);
            Ok(Verdict::Accepted)
        }
        Command::Withdraw { interface } => {
            let definitions = retire::withdraw(state, side, interface)?;
            retire::apply(engine, seq, definitions);
            Ok(Verdict::Accepted)
        }
        Command::Incoming { edge, gone } => {
            incoming::apply(engine, seq, record, edge, *gone);
            Ok(Verdict::Accepted)
        }
        Command::Defined { .. } => {
            defined::apply(engine, seq, record);
            Ok(Verdict::Accepted)
        }
    }
}

/// A command that waited is in the log now.
fn said(engine: &mut Engine, record: &Record, command: &Command) {
    let key = match command {
        Command::Put { twin, .. } | Command::Patch { twin, .. } => Key::Twin(twin.clone()),
        Command::Relate { edge, .. } => Key::Edge(edge.source.clone(), edge.id.clone()),
        Command::Incoming { edge, .. } => Key::incoming(edge),
        Command::Defined { .. } => Key::Defined(record.position.partition),
        _ => return,
    };
    engine.side.outbox.said(&key, command);
}

/// An object value.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Object(
        fields
            .into_iter()
            .map(|(name, value)| (Arc::from(name), value))
            .collect(),
    )
}

/// A twin's ETag.
pub(crate) fn etag(twin: &Twin) -> String {
    format!("W/\"{:x}-{:x}\"", twin.epoch, twin.offset)
}

/// An edge's ETag. An edge keeps no count of its changes: the tag is made from what it says.
pub(crate) fn edge_etag(id: &str, edge: &Outgoing) -> String {
    let said = [id, &edge.name, edge.target.as_str()].join("\0");
    let hash = xxhash_rust::xxh3::xxh3_64(said.as_bytes());
    let properties = edge.properties.to_string();
    let hash = xxhash_rust::xxh3::xxh3_64_with_seed(properties.as_bytes(), hash);
    format!("W/\"{hash:016x}\"")
}

/// The twin must be as the caller last saw it.
fn check_etag(twin: &Twin, if_match: Option<&str>) -> Result<(), Rejection> {
    check_tag(&format!("twin {}", twin.id), &etag(twin), if_match)
}

fn check_tag(about: &str, now: &str, if_match: Option<&str>) -> Result<(), Rejection> {
    match if_match {
        None | Some("*") => Ok(()),
        Some(wanted) if wanted == now => Ok(()),
        Some(wanted) => {
            let reason = format!("{about} has changed: its etag is {now}, not {wanted}");
            Err(Rejection::new(
                "precondition-failed",
                reason,
                "read it again, then repeat the change",
            ))
        }
    }
}
