//! `/v1/objects` and `/v1/apply`: every object as the manifest that makes it.

use crate::{
    App,
    digitaltwins::unknown_twin,
    extract::{self, APPLY_BYTES, Asked, Segments},
    problem::Problem,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use gemelli_engine::{TwinRef, View};
use gemelli_event::record::Command;
use gemelli_model::{
    Value, id,
    manifest::{self, API_VERSION, Manifest},
};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

/// Objects of one page unless the client asks for another number.
const PAGE: usize = 500;
/// Most objects of one page.
const PAGE_MOST: usize = 5_000;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/apply", post(apply))
        .route("/v1/objects/{kind}", get(list))
        .route("/v1/objects/{kind}/{name}", get(read).delete(remove))
}

/// The kinds of objects.
#[derive(Clone, Copy)]
enum Kind {
    Interface,
    Twin,
    Connection,
}

impl Kind {
    fn of(text: &str) -> Result<Self, Problem> {
        match text.to_ascii_lowercase().as_str() {
            "interface" | "interfaces" => Ok(Self::Interface),
            "twin" | "twins" => Ok(Self::Twin),
            "connection" | "connections" => Ok(Self::Connection),
            _ => {
                let near =
                    gemelli_model::nearest::name(text, ["interfaces", "twins", "connections"]);
                let remedy = near.map_or("ask for interfaces, twins or connections".into(), |n| {
                    format!("did you mean {n}?")
                });
                Err(Problem::new(
                    "unknown-kind",
                    format!("there is no kind `{text}`"),
                    remedy,
                ))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Interface => "Interface",
            Self::Twin => "Twin",
            Self::Connection => "Connection",
        }
    }
}

#[derive(Deserialize)]
struct Listing {
    limit: Option<usize>,
    after: Option<String>,
    interface: Option<String>,
}

async fn list(
    State(app): State<App>,
    Segments(kind): Segments<String>,
    Asked(asked): Asked<Listing>,
) -> Result<Json<Json_>, Problem> {
    let kind = Kind::of(&kind)?;
    let view = app.node.view();
    let size = extract::page_size(asked.limit, PAGE, PAGE_MOST);
    let after = asked.after.as_deref();
    let mut items: Vec<(String, Value)> = match kind {
        Kind::Twin => {
            let wanted = |t: &TwinRef| {
                asked
                    .interface
                    .as_ref()
                    .is_none_or(|i| t.interface().as_str().eq_ignore_ascii_case(i))
            };
            let twins = view.twins_after(after).filter(wanted).take(size + 1);
            twins.map(|t| (t.id().to_string(), of_twin(&t))).collect()
        }
        Kind::Interface => {
            let all = view.definitions().interfaces();
            let rest = all
                .filter(|i| after.is_none_or(|a| i.id().as_str() > a))
                .take(size + 1);
            rest.map(|i| (i.id().to_string(), of_interface(i)))
                .collect()
        }
        Kind::Connection => {
            let all = view.definitions().connections();
            let rest = all
                .filter(|(name, _)| after.is_none_or(|a| &***name > a))
                .take(size + 1);
            rest.map(|(name, value)| (name.to_string(), value.clone()))
                .collect()
        }
    };
    let more = items.len() > size;
    items.truncate(size);
    let next = items.last().filter(|_| more).map(|(name, _)| name.clone());
    let items: Vec<_> = items.into_iter().map(|(_, value)| value).collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

async fn read(
    State(app): State<App>,
    Segments((kind, name)): Segments<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let kind = Kind::of(&kind)?;
    let view = app.node.view();
    find(&view, kind, &name).map(Json)
}

fn find(view: &View, kind: Kind, name: &str) -> Result<Value, Problem> {
    let found = match kind {
        Kind::Twin => {
            return view
                .twin(name)
                .map(|t| of_twin(&t))
                .ok_or_else(|| unknown_twin(name));
        }
        Kind::Interface => view.definitions().interface(name).map(|i| of_interface(i)),
        Kind::Connection => view.definitions().connection(name).cloned(),
    };
    found.ok_or_else(|| Problem::not_found(&kind.name().to_ascii_lowercase(), name))
}

async fn remove(
    State(app): State<App>,
    Segments((kind, name)): Segments<(String, String)>,
) -> Result<StatusCode, Problem> {
    let kind = Kind::of(&kind)?;
    find(&app.node.view(), kind, &name)?;
    let command = match kind {
        Kind::Twin => Command::Delete {
            twin: name.as_str().into(),
            if_match: None,
        },
        Kind::Interface | Kind::Connection => Command::Remove {
            kind: kind.name().into(),
            name: name.into(),
        },
    };
    app.command(command).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn of_interface(compiled: &gemelli_engine::Compiled) -> Value {
    manifest::to_value(&Manifest::of_interface((**compiled.source()).clone()))
}

/// A twin as the manifest that would make it: reported properties and relationships, nothing derived.
fn of_twin(twin: &TwinRef) -> Value {
    let object = |fields: Vec<(&str, Value)>| {
        Value::Object(fields.into_iter().map(|(n, v)| (n.into(), v)).collect())
    };
    let text = |text: &str| Value::text(text);
    let members = twin
        .members()
        .into_iter()
        .filter(|m| !m.derived && !m.telemetry);
    let properties = Value::Object(members.map(|m| (m.name, m.value)).collect());
    let edges = twin.relationships().into_iter().map(|edge| {
        let mut fields = vec![
            ("id", text(&edge.id)),
            ("name", text(&edge.name)),
            ("target", text(edge.target.as_str())),
        ];
        if !edge.properties.is_null() {
            fields.push(("properties", edge.properties));
        }
        object(fields)
    });
    let edges: Vec<_> = edges.collect();
    let mut spec = vec![("interface", text(twin.interface().as_str()))];
    if !matches!(&properties, Value::Object(fields) if fields.is_empty()) {
        spec.push(("properties", properties));
    }
    if !edges.is_empty() {
        spec.push(("relationships", Value::Array(edges.into())));
    }
    object(vec![
        ("apiVersion", text(API_VERSION)),
        ("kind", text("Twin")),
        ("metadata", object(vec![("name", text(twin.id().as_str()))])),
        ("spec", object(spec)),
        (
            "status",
            object(vec![("lifecycle", text(twin.lifecycle().as_str()))]),
        ),
    ])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manner {
    #[serde(default)]
    dry_run: bool,
}

/// Manifests as JSON or YAML, applied together or not at all.
async fn apply(
    State(app): State<App>,
    Asked(manner): Asked<Manner>,
    request: Request,
) -> Result<Response, Problem> {
    let bytes = extract::body(request, APPLY_BYTES).await?;
    // Reading many manifests takes a while: not on a thread that serves others.
    let text = bytes.clone();
    let read = tokio::task::spawn_blocking(move || manifests(&bytes)).await;
    let manifests = match read {
        Ok(Ok(manifests)) => manifests,
        Ok(Err(refusal)) => return Ok(refusal.into_response()),
        Err(_) => {
            return Err(Problem::new(
                "internal",
                "reading the manifests failed",
                "report this with the manifests",
            ));
        }
    };
    if manifests.is_empty() {
        return Err(Problem::new(
            "missing-field",
            "the body holds no manifest",
            "send a list of manifests as JSON or YAML",
        ));
    }
    let command = Command::Apply { manifests };
    let answer = match manner.dry_run {
        true => app.check(command).await,
        false => app.command(command).await,
    };
    let answer = answer.map_err(|problem| problem.located(&text))?;
    Ok(Json(outcome(&answer)).into_response())
}

/// The manifests in their canonical form, or everything that is wrong with them.
fn manifests(bytes: &[u8]) -> Result<Vec<Value>, Faults> {
    let text = std::str::from_utf8(bytes).map_err(|why| {
        Faults::from(Problem::new(
            "malformed-yaml",
            format!("the manifests are not UTF-8: {why}"),
            "save them as UTF-8",
        ))
    })?;
    let parsed = manifest::parse(text);
    let read = parsed.into_result().map_err(Faults::of)?;
    for one in &read {
        id::check(&one.name).map_err(|why| {
            let detail = format!(
                "the name `{}` cannot be used: {why}",
                one.name.chars().take(60).collect::<String>()
            );
            Faults::from(Problem::new("malformed-id", detail, "use another name"))
        })?;
    }
    Ok(read.iter().map(manifest::to_value).collect())
}

/// A refusal with all that is wrong: the first as the problem itself, all of them in `errors`.
struct Faults {
    first: Problem,
    all: Vec<Json_>,
}

impl From<Problem> for Faults {
    fn from(problem: Problem) -> Self {
        Self {
            first: problem,
            all: Vec::new(),
        }
    }
}

impl Faults {
    fn of(problems: Vec<manifest::Problem>) -> Self {
        let place = |n: u32| usize::try_from(n).ok().filter(|n| *n > 0);
        let all = problems.iter().map(|p| {
            json!({
                "code": p.code, "detail": p.message, "remedy": p.remedy, "pointer": p.pointer,
                "document": p.document, "line": place(p.line), "column": place(p.column),
            })
        });
        let all = all.collect();
        let first = match problems.into_iter().next() {
            Some(p) => {
                Problem::new(p.code, p.message, p.remedy).placed(p.pointer, p.line, p.column)
            }
            None => Problem::new(
                "malformed-yaml",
                "the manifests cannot be read",
                "correct them",
            ),
        };
        Self { first, all }
    }
}

impl IntoResponse for Faults {
    fn into_response(self) -> Response {
        self.first.with("errors", self.all.into())
    }
}

/// The engine's answer in the words of the API: `result` beside the engine's `change`.
fn outcome(answer: &Value) -> Json_ {
    let mut out = serde_json::to_value(answer).unwrap_or_default();
    if let Some(Json_::Array(objects)) = out.get_mut("objects") {
        for object in objects {
            if let Json_::Object(fields) = object
                && let Some(change) = fields.remove("change")
            {
                fields.insert("result".into(), change);
            }
        }
    }
    out
}
