//! `/digitaltwins/{id}/components/{name}`: parts of twins. A part is guarded by its twin's ETag.

use super::{
    ask,
    refusal::Refusal,
    twins::{changed, twin, with_etag},
};
use crate::{
    App,
    extract::{self, BODY_BYTES, Segments},
    problem::Problem,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::get,
};
use gemelli_engine::TwinRef;
use gemelli_event::record::Command;
use gemelli_model::Value;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route(
        "/digitaltwins/{id}/components/{name}",
        get(read).patch(patch),
    )
}

/// The twin's component of this name, as it is shown.
pub fn component(twin: &TwinRef, name: &str) -> Result<Value, Problem> {
    twin.component_to_adt(name).ok_or_else(|| {
        let known: Vec<_> = twin.compiled().parts().map(|(name, _)| &**name).collect();
        let remedy = match known.is_empty() {
            true => format!("the model {} has no components", twin.interface()),
            false => format!("name one of {}", known.join(", ")),
        };
        let detail = format!("the twin `{}` has no component `{name}`", twin.id());
        Problem::new("unknown-component", detail, remedy)
    })
}

async fn read(
    State(app): State<App>,
    Segments((id, name)): Segments<(String, String)>,
) -> Result<Response, Refusal> {
    let twin = twin(&app, &id)?;
    let shown = component(&twin, &name)?;
    Ok(with_etag(Json(shown).into_response(), &twin.etag()))
}

async fn patch(
    State(app): State<App>,
    Segments((id, name)): Segments<(String, String)>,
    request: Request,
) -> Result<Response, Refusal> {
    let if_match = ask::if_match(request.headers());
    let bytes = extract::body(request, BODY_BYTES).await?;
    let patch = ask::patch(&bytes)?;
    component(&twin(&app, &id)?, &name)?;
    app.command(Command::Patch {
        twin: id.as_str().into(),
        patch: within(&ask::clean(&patch), &name),
        if_match,
        strict: true,
    })
    .await?;
    Ok(changed(&app, &id))
}

/// The patch of a twin that does this to one of its components. Times of sources are checked nowhere
/// and kept nowhere.
fn within(patch: &Value, name: &str) -> Value {
    let Value::Array(operations) = patch else {
        return patch.clone();
    };
    let place = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    let of_metadata = |operation: &&Value| {
        let path = operation.get("path").and_then(Value::as_str);
        path.is_some_and(|path| path.starts_with("/$metadata/"))
    };
    let moved = operations.iter().filter(|o| !of_metadata(o));
    let moved = moved.map(|operation| match operation {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(member, value)| match (&**member, value.as_str()) {
                    ("path", Some(path)) => (member.clone(), Value::text(format!("{place}{path}"))),
                    _ => (member.clone(), value.clone()),
                })
                .collect(),
        ),
        other => other.clone(),
    });
    Value::Array(moved.collect())
}
