//! `/v1`: twins with everything, history, dead letters, status.

use crate::{
    App,
    digitaltwins::unknown_twin,
    entry,
    extract::{self, Asked, Segments},
    problem::Problem,
};
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use gemelli_engine::View;
use gemelli_event::record::Command;
use gemelli_model::{Value, nearest, time::format_ms};
use gemelli_node::{
    Node,
    reading::{Query, Unreadable},
};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

/// Twins of one page unless the client asks for another number, and at most.
const TWINS: (usize, usize) = (100, 1_000);
/// Rows of history of one page unless the client asks for another number, and at most.
const ROWS: (usize, usize) = (1_000, 10_000);
/// Most rows of one page of all history.
const EXPORT: usize = 500_000;
/// Bytes after which a page of all history ends, however many rows were asked for.
const EXPORT_BYTES: usize = 32 << 20;
/// Dead letters of one page unless the client asks for another number, and at most.
const LETTERS: (usize, usize) = (100, 10_000);

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/twins", get(twins))
        .route("/v1/twins/{id}", get(twin))
        .route("/v1/twins/{id}/history", get(history))
        .route("/v1/twins/{id}/stop", post(stop))
        .route("/v1/twins/{id}/start", post(start))
        .route("/v1/history", get(all_history))
        .route("/v1/deadletters", get(dead_letters))
        .route("/v1/status", get(status))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
}

#[derive(Deserialize)]
struct Listing {
    interface: Option<String>,
    limit: Option<usize>,
    after: Option<String>,
}

async fn twins(
    State(app): State<App>,
    Asked(asked): Asked<Listing>,
) -> Result<Json<Json_>, Problem> {
    let view = app.node.view();
    known_interface(&view, asked.interface.as_deref())?;
    let size = extract::page_size(asked.limit, TWINS.0, TWINS.1);
    let wanted = |i: &str| {
        asked
            .interface
            .as_ref()
            .is_none_or(|a| i.eq_ignore_ascii_case(a))
    };
    let twins = view
        .twins_after(asked.after.as_deref())
        .filter(|t| wanted(t.interface().as_str()));
    let mut page: Vec<_> = twins.take(size + 1).collect();
    let more = page.len() > size;
    page.truncate(size);
    let next = page.last().filter(|_| more).map(|t| t.id().to_string());
    let now_ms = app.node.now_ms();
    let items: Vec<Value> = page.iter().map(|t| view.full(t, now_ms)).collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

/// Refuses a filter by an interface that does not exist: it would find nothing, for ever.
pub fn known_interface(view: &View, asked: Option<&str>) -> Result<(), Problem> {
    let Some(asked) = asked else { return Ok(()) };
    let ids = || view.definitions().interfaces().map(|i| i.id().as_str());
    if ids().any(|id| id.eq_ignore_ascii_case(asked)) {
        return Ok(());
    }
    let remedy = match nearest::name(asked, ids()) {
        Some(near) => format!("did you mean {near}?"),
        None => "list what there is: gemelli get interfaces".into(),
    };
    Err(Problem::new(
        "unknown-interface",
        format!("there is no interface `{asked}`"),
        remedy,
    )
    .missing())
}

async fn twin(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, Problem> {
    shown(&app, &id)
}

/// A twin with everything.
fn shown(app: &App, id: &str) -> Result<Response, Problem> {
    let view = app.node.view();
    let twin = view.twin(id).ok_or_else(|| unknown_twin(id))?;
    let mut response = Json(view.full(&twin, app.node.now_ms())).into_response();
    if let Ok(tag) = HeaderValue::from_str(&twin.etag()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Halts a twin: what is sent to it is refused until it is started.
async fn stop(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, Problem> {
    let twin = id.as_str().into();
    app.command(Command::Stop { twin }).await?;
    shown(&app, &id)
}

/// Lets a stopped twin go on.
async fn start(
    State(app): State<App>,
    Segments(id): Segments<String>,
) -> Result<Response, Problem> {
    let twin = id.as_str().into();
    app.command(Command::Start { twin }).await?;
    shown(&app, &id)
}

#[derive(Deserialize)]
struct Span {
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    after: Option<u64>,
}

async fn history(
    State(app): State<App>,
    Segments(id): Segments<String>,
    Asked(span): Asked<Span>,
) -> Result<Response, Problem> {
    let id = app
        .node
        .view()
        .canonical(&id)
        .unwrap_or_else(|| id.as_str().into());
    let query = Query {
        from_ms: extract::time_ms(span.from.as_deref(), "from")?.unwrap_or(i64::MIN),
        to_ms: extract::time_ms(span.to.as_deref(), "to")?.unwrap_or(i64::MAX),
        after: span.after,
        ..Query::of(id.clone(), extract::page_size(span.limit, ROWS.0, ROWS.1))
    };
    let page = app.node.history(query).await.map_err(unreadable)?;
    // A twin that is gone still has its history.
    if page.rows.is_empty() && span.after.is_none() && app.node.view().twin(id.as_str()).is_none() {
        return Err(unknown_twin(id.as_str()));
    }
    let mut body = Vec::with_capacity(256 * page.rows.len() + 64);
    body.extend_from_slice(b"{\"items\":[");
    for (n, row) in page.rows.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        entry::write_row(&mut body, row);
    }
    let next = page.next.map_or("null".into(), |seq| seq.to_string());
    body.extend_from_slice(format!("],\"next\":{next}}}").as_bytes());
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

#[derive(Deserialize)]
struct Export {
    limit: Option<usize>,
    after: Option<u64>,
}

/// A page of all history.
#[derive(Default)]
struct Lines {
    rows: usize,
    text: Vec<u8>,
}

/// All rows in the order of the log, one JSON object a line; the header `gemelli-next` says where the
/// next page starts (`after`), and is absent on the last one.
async fn all_history(
    State(app): State<App>,
    Asked(asked): Asked<Export>,
) -> Result<Response, Problem> {
    let size = extract::page_size(asked.limit, ROWS.0, EXPORT);
    let read = app
        .node
        .all_history(asked.after, move |page: &mut Lines, row| {
            if page.rows == size || page.text.len() >= EXPORT_BYTES {
                return false;
            }
            page.rows += 1;
            entry::write_row(&mut page.text, row);
            page.text.push(b'\n');
            true
        });
    let (page, next) = read.await.map_err(unreadable)?;
    let mut response = Body::from(page.text).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    if let Some(next) = next {
        headers.insert("gemelli-next", HeaderValue::from(next));
    }
    Ok(response)
}

fn unreadable(error: Unreadable) -> Problem {
    Problem::new(
        error.code(),
        format!("the history cannot be read: {error}"),
        error.remedy(),
    )
}

#[derive(Deserialize)]
struct Letters {
    limit: Option<usize>,
    after: Option<u64>,
}

/// The newest first; `after` goes on towards older ones.
async fn dead_letters(State(app): State<App>, Asked(asked): Asked<Letters>) -> Json<Json_> {
    let size = extract::page_size(asked.limit, LETTERS.0, LETTERS.1);
    let mut letters = app.node.letters(size + 1, asked.after);
    let more = letters.len() > size;
    letters.truncate(size);
    let next = letters.last().filter(|_| more).map(|l| l.seq);
    let items: Vec<_> = letters.iter().map(letter).collect();
    Json(json!({ "items": items, "next": next }))
}

/// A dead letter as JSON: its payload as text where it is some.
pub fn letter(letter: &gemelli_node::letters::Letter) -> Json_ {
    let l = &letter.letter;
    json!({
        "seq": letter.seq,
        "accepted": format_ms(letter.accepted_ms),
        "code": &*l.code,
        "reason": &*l.reason,
        "origin": &*l.origin,
        "payload": String::from_utf8_lossy(&l.payload),
        "dropped": l.dropped,
    })
}

async fn status(State(app): State<App>) -> Json<Json_> {
    let now_ms = app.node.now_ms();
    let published = app.node.published();
    Json(json!({
        "version": app.node.version(),
        "node": app.node.id(),
        "data": app.node.data().display().to_string(),
        "started": format_ms(app.node.started_ms()),
        "uptimeSeconds": (now_ms - app.node.started_ms()).max(0) / 1_000,
        "health": health_json(&app.node),
        "addresses": app.addresses(),
        "twins": published.view.count(),
        "records": published.next_seq,
        "definitions": published.view.definitions().version(),
        "pid": std::process::id(),
    }))
}

/// How the node is, as JSON.
pub fn health_json(node: &Node) -> Json_ {
    use gemelli_node::Health;
    match node.health() {
        Health::Well => json!({ "status": "ok" }),
        Health::DiskFull(reason) => json!({
            "status": "disk-full", "code": "disk-full", "reason": reason,
            "remedy": "free space in the data folder; writes go on by themselves",
        }),
        Health::ReadOnly(reason) => json!({
            "status": "read-only", "code": "read-only", "reason": reason,
            "remedy": "check the disk and restart: the last durable state is served until then",
        }),
    }
}

async fn health(State(app): State<App>) -> Response {
    let status = match app.node.health() {
        gemelli_node::Health::Well => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health_json(&app.node))).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.node.metrics_text()).into_response()
}
