//! `/digitaltwins/{id}/telemetry` and `…/components/{name}/telemetry`: measurements that a program
//! sends on a twin's behalf. They are part of history and streams, not of the twin's state.

use super::{components::component, refusal::Refusal, twins::twin};
use crate::{
    App,
    extract::{self, BODY_BYTES, Segments},
};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use gemelli_event::record::Command;
use gemelli_model::time;
use std::sync::Arc;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/digitaltwins/{id}/telemetry", post(of_twin))
        .route(
            "/digitaltwins/{id}/components/{name}/telemetry",
            post(of_component),
        )
}

async fn of_twin(
    State(app): State<App>,
    Segments(id): Segments<String>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    take(&app, &id, None, request).await
}

async fn of_component(
    State(app): State<App>,
    Segments((id, name)): Segments<(String, String)>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    take(&app, &id, Some(name.into()), request).await
}

async fn take(
    app: &App,
    id: &str,
    component_name: Option<Arc<str>>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let headers = request.headers();
    let message = extract::text(headers, "message-id").or_else(|| extract::text(headers, "dt-id"));
    let message: Arc<str> = message
        .ok_or_else(|| {
            Refusal::argument("the request has no message id", "add the header Message-Id")
        })?
        .into();
    let time_ms = source_time(headers)?;
    let bytes = extract::body(request, BODY_BYTES).await?;
    let data = extract::json(&bytes)?;
    let twin = twin(app, id)?;
    if let Some(name) = &component_name {
        component(&twin, name)?;
    }
    app.command(Command::Telemetry {
        twin: twin.id().clone(),
        interface: twin.interface().clone(),
        component: component_name,
        id: message,
        time_ms,
        data,
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// When it was measured. Clients write it with a zone or without; without, it is UTC.
fn source_time(headers: &HeaderMap) -> Result<Option<i64>, Refusal> {
    let text = extract::text(headers, "telemetry-source-time")
        .or_else(|| extract::text(headers, "dt-timestamp"));
    let Some(text) = text else {
        return Ok(None);
    };
    let read = time::parse_ms(text).or_else(|| time::parse_ms(&format!("{text}Z")));
    read.map(Some).ok_or_else(|| {
        Refusal::argument(
            format!("Telemetry-Source-Time is `{text}`"),
            "write RFC 3339, as 2026-01-31T08:00:00Z",
        )
    })
}
