//! `/digitaltwins/{id}`: twins.

use super::{ask, refusal::Refusal};
use crate::{
    App,
    extract::{self, BODY_BYTES, Segments},
    problem::Problem,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use gemelli_engine::{Rejection, TwinRef};
use gemelli_event::record::Command;
use gemelli_model::Value;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route(
        "/digitaltwins/{id}",
        get(read).put(put).patch(patch).delete(delete),
    )
}

/// The twin that is there now.
pub fn twin(app: &App, id: &str) -> Result<TwinRef, Problem> {
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

/// An answer with an ETag.
pub fn with_etag(mut response: Response, etag: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
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
    let only_new = ask::only_new(request.headers())?;
    let bytes = extract::body(request, BODY_BYTES).await?;
    let body = ask::object(extract::json(&bytes)?)?;
    let model = body
        .get("$metadata")
        .and_then(|m| m.get("$model"))
        .and_then(Value::as_str);
    let Some(model) = model else {
        let problem = Problem::new(
            "missing-field",
            "the body names no model",
            "add \"$metadata\": {\"$model\": …}",
        );
        return Err(problem.at("/$metadata/$model").into());
    };
    check_components(&app, &id, model, &body)?;
    let command = Command::Put {
        twin: id.as_str().into(),
        interface: model.into(),
        properties: ask::plain(&body),
        only_new,
    };
    let done = app.command(command).await.map_err(Refusal::from);
    done.map_err(|r| r.renamed("limit-reached", "TwinLimitReached", StatusCode::BAD_REQUEST))?;
    let twin = twin(&app, &id)?;
    Ok(with_etag(Json(twin.to_adt()).into_response(), &twin.etag()))
}

/// A twin has its model's components from the beginning.
fn check_components(app: &App, id: &str, model: &str, body: &Value) -> Result<(), Problem> {
    let view = app.node.view();
    let Some(interface) = view.definitions().interface(model) else {
        return Ok(());
    };
    let open = interface.resolved().open;
    let missing = interface
        .parts()
        .filter(|(name, _)| !open && !matches!(body.get(name), Some(Value::Object(_))));
    let missing: Vec<_> = missing
        .map(|(name, part)| {
            let detail =
                format!("the model {model} has the component {name}, which is absent or no object");
            let remedy = format!(
                "add \"{name}\": {{\"$metadata\": {{}}}} with what {} has",
                part.interface
            );
            Rejection::new("missing-field", detail, remedy).at("Twin", id, format!("/{name}"))
        })
        .collect();
    match Problem::of_faults(missing.into_iter().map(Into::into).collect()) {
        Some(problem) => Err(problem),
        None => Ok(()),
    }
}

async fn patch(
    State(app): State<App>,
    Segments(id): Segments<String>,
    request: Request,
) -> Result<Response, Refusal> {
    let if_match = ask::if_match(request.headers());
    let bytes = extract::body(request, BODY_BYTES).await?;
    let patch = ask::patch(&bytes)?;
    app.command(Command::Patch {
        twin: id.as_str().into(),
        patch: ask::clean(&patch),
        if_match,
        strict: true,
    })
    .await?;
    Ok(changed(&app, &id))
}

/// 204, with the twin's ETag.
pub fn changed(app: &App, id: &str) -> Response {
    let etag = app.node.view().twin(id).map(|twin| twin.etag());
    with_etag(
        StatusCode::NO_CONTENT.into_response(),
        &etag.unwrap_or_default(),
    )
}

async fn delete(
    State(app): State<App>,
    Segments(id): Segments<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    app.command(Command::Delete {
        twin: id.as_str().into(),
        if_match: ask::if_match(&headers),
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
