//! `/digitaltwins`: twins and relationships in the shape of the Azure Digital Twins data plane.
//!
//! Refusals here carry that service's envelope, `{"error": {"code", "message", "details"}}`, with the
//! members of a problem document beside it.

use crate::{
    App,
    extract::{self, Asked, BODY_BYTES, Segments},
    problem::Problem,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use gemelli_engine::TwinRef;
use gemelli_event::record::{Command, Edge};
use gemelli_model::{TwinId, Value};
use serde::Deserialize;
use serde_json::{Value as Json_, json};
use std::sync::Arc;

/// Relationships of one page unless the client asks for another number.
const PAGE: usize = 100;
/// Most relationships of one page.
const PAGE_MOST: usize = 1_000;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route(
            "/digitaltwins/{id}",
            get(read).put(put).patch(patch).delete(delete),
        )
        .route("/digitaltwins/{id}/relationships", get(relationships))
        .route("/digitaltwins/{id}/incomingrelationships", get(incoming))
        .route(
            "/digitaltwins/{id}/relationships/{rid}",
            get(relationship).put(relate).delete(unrelate),
        )
}

/// A refusal in the envelope of this data plane.
pub struct Refusal(Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

fn azure(code: &str) -> (&'static str, StatusCode) {
    match code {
        "unknown-twin" | "not-found" => ("DigitalTwinNotFound", StatusCode::NOT_FOUND),
        "no-relationship" => ("RelationshipNotFound", StatusCode::NOT_FOUND),
        "unknown-target" => ("TargetTwinNotFound", StatusCode::NOT_FOUND),
        "has-relationships" => ("RelationshipsNotDeleted", StatusCode::BAD_REQUEST),
        "precondition-failed" | "already-exists" => {
            ("PreconditionFailed", StatusCode::PRECONDITION_FAILED)
        }
        "malformed-json" => ("InvalidArgument", StatusCode::BAD_REQUEST),
        "malformed-patch" => ("JsonPatchInvalid", StatusCode::BAD_REQUEST),
        "limit-reached" => ("QuotaReachedError", StatusCode::TOO_MANY_REQUESTS),
        "too-large" => ("RequestBodyTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
        "backlog-full" => ("TooManyRequests", StatusCode::TOO_MANY_REQUESTS),
        "read-only" | "disk-full" => ("ServiceUnavailable", StatusCode::SERVICE_UNAVAILABLE),
        "unauthorized" => ("Unauthorized", StatusCode::UNAUTHORIZED),
        _ => ("ValidationFailed", StatusCode::BAD_REQUEST),
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let (code, status) = azure(&problem.code);
        let retry_after = problem.retry_after();
        let message = match problem.remedy.as_str() {
            "" => problem.detail.clone(),
            remedy => format!("{}; {remedy}", problem.detail),
        };
        let mut body = serde_json::to_value(&problem).unwrap_or_default();
        if let Json_::Object(members) = &mut body {
            members.insert("status".into(), status.as_u16().into());
            members.insert(
                "error".into(),
                json!({ "code": code, "message": message, "details": [] }),
            );
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            HeaderName::from_static("x-ms-error-code"),
            HeaderValue::from_static(code),
        );
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn twin(app: &App, id: &str) -> Result<TwinRef, Problem> {
    app.node.view().twin(id).ok_or_else(|| unknown_twin(id))
}

/// There is no such twin.
pub fn unknown_twin(id: &str) -> Problem {
    Problem::new(
        "unknown-twin",
        format!("there is no twin `{id}`"),
        "create it first, or list what there is: gemelli get twins",
    )
}

fn with_etag(mut response: Response, etag: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// The ETag that has to match; `*` and none: any.
fn if_match(headers: &HeaderMap) -> Option<Arc<str>> {
    extract::text(headers, "if-match")
        .filter(|tag| *tag != "*")
        .map(Arc::from)
}

async fn read(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, Refusal> {
    let twin = twin(&app, &id)?;
    Ok(with_etag(Json(twin.to_adt()).into_response(), &twin.etag()))
}

async fn put(
    State(app): State<App>,
    Segments(id): Segments<String>,
    request: Request,
) -> Result<Response, Refusal> {
    extract::id(&id, "twin's id")?;
    let only_new = extract::text(request.headers(), "if-none-match") == Some("*");
    let bytes = extract::body(request, BODY_BYTES).await?;
    let body: Value = extract::json(&bytes)?;
    let model = body
        .get("$metadata")
        .and_then(|m| m.get("$model"))
        .and_then(Value::as_str);
    let Some(model) = model else {
        let problem = Problem::new(
            "missing-field",
            "the body names no interface",
            "add \"$metadata\": {\"$model\": …}",
        );
        return Err(problem.at("/$metadata/$model").into());
    };
    let command = Command::Put {
        twin: id.as_str().into(),
        interface: model.into(),
        properties: plain(&body)?,
        only_new,
    };
    app.command(command).await?;
    let twin = twin(&app, &id)?;
    Ok(with_etag(Json(twin.to_adt()).into_response(), &twin.etag()))
}

/// The members of a body that are the user's own: what begins with `$` is the service's.
fn plain(body: &Value) -> Result<Value, Problem> {
    let Value::Object(fields) = body else {
        return Err(Problem::new(
            "wrong-type",
            format!("the body is a JSON {}, not an object", body.kind()),
            "send one object",
        ));
    };
    Ok(Value::Object(
        fields
            .iter()
            .filter(|(name, _)| !name.starts_with('$'))
            .cloned()
            .collect(),
    ))
}

async fn patch(
    State(app): State<App>,
    Segments(id): Segments<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let if_match = if_match(request.headers());
    let bytes = extract::body(request, BODY_BYTES).await?;
    let patch: Value = extract::json(&bytes)?;
    app.command(Command::Patch {
        twin: id.as_str().into(),
        patch,
        if_match,
    })
    .await?;
    let etag = app
        .node
        .view()
        .twin(&id)
        .map(|twin| twin.etag())
        .unwrap_or_default();
    Ok(with_etag(StatusCode::NO_CONTENT.into_response(), &etag))
}

async fn delete(
    State(app): State<App>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    app.command(Command::Delete {
        twin: id.as_str().into(),
        if_match: if_match(&headers),
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn edge(edge: &Edge) -> Json_ {
    let mut out = json!({
        "$relationshipId": &*edge.id,
        "$etag": etag(edge),
        "$sourceId": edge.source.as_str(),
        "$targetId": edge.target.as_str(),
        "$relationshipName": &*edge.name,
    });
    if let (Json_::Object(members), Ok(Json_::Object(own))) =
        (&mut out, serde_json::to_value(&edge.properties))
    {
        members.extend(own);
    }
    out
}

/// An edge has no history of its own: its tag is made from what it says.
fn etag(edge: &Edge) -> String {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    (
        &edge.id,
        &edge.name,
        &edge.source,
        &edge.target,
        edge.properties.to_string(),
    )
        .hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

fn known_edge(twin: &TwinRef, rid: &str) -> Result<Edge, Problem> {
    twin.relationship(rid).ok_or_else(|| {
        let detail = format!("the twin `{}` has no relationship `{rid}`", twin.id());
        Problem::new(
            "no-relationship",
            detail,
            "list them: GET /digitaltwins/{id}/relationships",
        )
    })
}

async fn relationship(
    State(app): State<App>,
    Segments((id, rid)): Segments<(String, String)>,
) -> Result<Response, Refusal> {
    let known = known_edge(&twin(&app, &id)?, &rid)?;
    Ok(with_etag(Json(edge(&known)).into_response(), &etag(&known)))
}

async fn relate(
    State(app): State<App>,
    Segments((id, rid)): Segments<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    extract::id(&rid, "relationship's id")?;
    let only_new = extract::text(request.headers(), "if-none-match") == Some("*");
    let bytes = extract::body(request, BODY_BYTES).await?;
    let body: Value = extract::json(&bytes)?;
    let text = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
            .ok_or_else(|| {
                Problem::new(
                    "missing-field",
                    format!("the body has no text `{name}`"),
                    format!("add \"{name}\""),
                )
                .at(format!("/{name}"))
            })
    };
    let (name, target) = (text("$relationshipName")?, text("$targetId")?);
    if only_new && twin(&app, &id)?.relationship(&rid).is_some() {
        let detail = format!("the twin `{id}` has a relationship `{rid}` already");
        return Err(Problem::new(
            "already-exists",
            detail,
            "leave If-None-Match out to replace it",
        )
        .into());
    }
    let made = Edge {
        id: rid.as_str().into(),
        name: name.into(),
        source: id.as_str().into(),
        target: TwinId::new(target),
        properties: plain(&body)?,
    };
    app.command(Command::Relate { edge: made }).await?;
    let known = known_edge(&twin(&app, &id)?, &rid)?;
    Ok(with_etag(Json(edge(&known)).into_response(), &etag(&known)))
}

async fn unrelate(
    State(app): State<App>,
    Segments((id, rid)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    if let Some(tag) = if_match(&headers) {
        let now = etag(&known_edge(&twin(&app, &id)?, &rid)?);
        if *now != *tag {
            let detail = format!("the relationship `{rid}` is at {now}, not at {tag}");
            return Err(Problem::new("precondition-failed", detail, "read it again").into());
        }
    }
    app.command(Command::Unrelate {
        source: id.as_str().into(),
        id: rid.as_str().into(),
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    relationship_name: Option<String>,
    after: Option<usize>,
}

async fn relationships(
    State(app): State<App>,
    Segments(id): Segments<String>,
    Asked(asked): Asked<Listing>,
    headers: HeaderMap,
) -> Result<Json<Json_>, Refusal> {
    let edges = twin(&app, &id)?.relationships();
    let wanted = |e: &&Edge| {
        asked
            .relationship_name
            .as_ref()
            .is_none_or(|n| **n == *e.name)
    };
    let edges: Vec<_> = edges.iter().filter(wanted).map(edge).collect();
    Ok(Json(page(
        edges,
        &asked,
        &headers,
        &format!("/digitaltwins/{}/relationships", encode(&id)),
    )))
}

async fn incoming(
    State(app): State<App>,
    Segments(id): Segments<String>,
    Asked(asked): Asked<Listing>,
    headers: HeaderMap,
) -> Result<Json<Json_>, Refusal> {
    let edges = twin(&app, &id)?.incoming();
    let edges = edges.iter().map(|e| {
        json!({
            "$relationshipId": &*e.id,
            "$sourceId": e.source.as_str(),
            "$relationshipName": &*e.name,
            "$relationshipLink": format!("/digitaltwins/{}/relationships/{}", encode(e.source.as_str()), encode(&e.id)),
        })
    });
    let path = format!("/digitaltwins/{}/incomingrelationships", encode(&id));
    Ok(Json(page(edges.collect(), &asked, &headers, &path)))
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn page(edges: Vec<Json_>, asked: &Listing, headers: &HeaderMap, path: &str) -> Json_ {
    let size = extract::text(headers, "max-items-per-page").and_then(|n| n.parse().ok());
    let size = extract::page_size(size, PAGE, PAGE_MOST);
    let start = asked.after.unwrap_or(0);
    let total = edges.len();
    let value: Vec<_> = edges.into_iter().skip(start).take(size).collect();
    let next = start.saturating_add(size);
    let link = (next < total).then(|| {
        let name = asked
            .relationship_name
            .as_ref()
            .map(|n| format!("&relationshipName={}", encode(n)));
        format!("{path}?after={next}{}", name.unwrap_or_default())
    });
    json!({ "value": value, "nextLink": link })
}
