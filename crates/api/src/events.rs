//! `/events`: CloudEvents in their three HTTP forms; answered once they are durable and visible.

use crate::{
    App,
    extract::{self, EVENTS_BYTES},
    guard::Caller,
    problem::Problem,
};
use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use gemelli_auth::{Action, Resource};
use gemelli_engine::{Rejection, Verdict, View};
use gemelli_event::{
    Category,
    cloudevent::{self, Fault, Graph},
    record::{DeadLetter, Event},
};
use gemelli_model::TwinId;
use serde_json::{Value as Json_, json};
use std::sync::Arc;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/events", post(take))
}

/// What the twins of a view say about the ends of commands.
struct Twins<'a>(&'a View);

impl Graph for Twins<'_> {
    fn is_a(&self, twin: &str, interface: &str) -> Option<bool> {
        let id = self.0.canonical(twin)?;
        let twin = self.0.twin(id.as_str())?;
        let own = twin.interface().as_str();
        let compiled = self.0.definitions().interface(own);
        Some(own.eq_ignore_ascii_case(interface) || compiled.is_some_and(|c| c.is_a(interface)))
    }

    fn related(&self, twin: &str, interface: &str) -> Vec<TwinId> {
        let Some(twin) = self
            .0
            .canonical(twin)
            .and_then(|id| self.0.twin(id.as_str()))
        else {
            return Vec::new();
        };
        let mut targets: Vec<_> = twin
            .relationships()
            .into_iter()
            .map(|edge| edge.target)
            .collect();
        targets.sort();
        targets.dedup();
        targets.retain(|target| self.is_a(target.as_str(), interface) == Some(true));
        targets
    }
}

async fn take(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let caller = request.extensions().get::<Caller>().cloned();
    let bytes = extract::body(request, EVENTS_BYTES).await?;
    let content_type = extract::text(&headers, header::CONTENT_TYPE.as_str());
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()));
    let read = cloudevent::read(content_type, pairs, &bytes);
    let (owners, events): (Vec<usize>, Vec<Event>) =
        match read.and_then(|events| meant(&app.node.view(), &events)) {
            Ok(events) => events.into_iter().unzip(),
            Err(faults) => {
                app.node.dead_letter(letter(&faults, &bytes));
                return Ok(Refusal::of(faults).into_response());
            }
        };
    if let Some(caller) = &caller {
        allowed(caller, &events, &app.node.view())?;
    }
    if events.len() > cloudevent::MAX_BATCH {
        let detail = format!(
            "the batch means {} events, at most {} go at once",
            events.len(),
            cloudevent::MAX_BATCH
        );
        return Err(Problem::new(
            "limit-reached",
            detail,
            "send it in smaller parts",
        ));
    }
    let verdicts = app
        .node
        .events(events)
        .await
        .map_err(|closed| app.closed(closed))?;
    let last = owners.last().copied();
    let refused = verdicts
        .into_iter()
        .zip(owners)
        .filter_map(|(verdict, owner)| match verdict {
            Verdict::Rejected(rejection) => Some((owner, rejection)),
            _ => None,
        });
    let refused: Vec<_> = refused.collect();
    match refused.is_empty() {
        true => Ok(StatusCode::ACCEPTED.into_response()),
        false => Ok(partly(last.map_or(0, |last| last + 1), refused)),
    }
}

/// Whether who sends events may do so for each of their twins: all of them, or none is taken.
fn allowed(caller: &Caller, events: &[Event], view: &View) -> Result<(), Problem> {
    for event in events {
        let action = match event.category {
            Category::Real => Action::Report,
            _ => Action::Write,
        };
        let what = Resource::Twin(event.twin.as_str());
        caller.may(action, what, view.clone())?;
    }
    Ok(())
}

/// The events of the log that CloudEvents mean, each with the place of its CloudEvent.
fn meant(
    view: &View,
    events: &[cloudevent::CloudEvent],
) -> Result<Vec<(usize, Event)>, Vec<Fault>> {
    let graph = Twins(view);
    let several = events.len() > 1;
    let mut all = Vec::with_capacity(events.len());
    let mut faults = Vec::new();
    for (n, event) in events.iter().enumerate() {
        match event.events(&graph) {
            Ok(events) => all.extend(events.into_iter().map(|event| (n, event))),
            Err(mut fault) => {
                if several {
                    fault.pointer = format!("/{n}{}", fault.pointer);
                }
                faults.push(fault);
            }
        }
    }
    if faults.is_empty() {
        Ok(all)
    } else {
        Err(faults)
    }
}

fn letter(faults: &[Fault], body: &Bytes) -> DeadLetter {
    let (code, reason) = match faults.first() {
        Some(fault) => (fault.code, format!("{fault}; {}", fault.remedy)),
        None => ("malformed-cloudevent", "it cannot be read".into()),
    };
    DeadLetter {
        code: code.into(),
        reason: reason.into(),
        origin: Arc::from("/events"),
        payload: body.clone(),
        dropped: 0,
    }
}

/// All that is wrong with a request: the first as the problem, all of them in `errors`.
struct Refusal {
    first: Problem,
    all: Vec<Json_>,
}

impl Refusal {
    fn of(faults: Vec<Fault>) -> Self {
        let place = |n: u32| usize::try_from(n).ok().filter(|n| *n > 0);
        let all = faults.iter().map(|f| {
            json!({ "code": f.code, "detail": f.message, "remedy": f.remedy, "pointer": f.pointer, "line": place(f.line), "column": place(f.column) })
        });
        let all = all.collect();
        let first = match faults.into_iter().next() {
            Some(f) => {
                Problem::new(f.code, f.message, f.remedy).placed(f.pointer, f.line, f.column)
            }
            None => Problem::new(
                "malformed-cloudevent",
                "the request holds no event",
                "send one",
            ),
        };
        Self { first, all }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.first.with("errors", self.all.into())
    }
}

/// Some of so many CloudEvents were refused by the twins: the others, told in `applied`, are done. The
/// same batch may be sent again, because an event counts once by its id.
fn partly(sent: usize, refused: Vec<(usize, Rejection)>) -> Response {
    let applied: Vec<usize> = (0..sent)
        .filter(|n| refused.iter().all(|(r, _)| r != n))
        .collect();
    let all: Vec<_> = refused
        .iter()
        .map(|(n, r)| json!({ "index": n, "code": r.code, "detail": r.reason, "remedy": r.remedy }))
        .collect();
    let first = refused.into_iter().next().map(|(n, mut rejection)| {
        if !applied.is_empty() {
            rejection.remedy.push_str("; what `applied` lists is done, and sending the batch again with the same ids is safe");
        }
        Problem::from(rejection).at(format!("/{n}"))
    });
    let first =
        first.unwrap_or_else(|| Problem::new("internal", "a refusal got lost", "report this"));
    first.with_all([("errors", all.into()), ("applied", applied.into())])
}
