//! The Azure Digital Twins data plane at its own paths, so that its clients work unchanged.
//!
//! One file an area. Refusals carry that service's envelope, `{"error": {"code", "message", "details",
//! "innererror"}}`, with the members of a problem document beside it. Any `api-version` that the
//! service ever had is taken, twice too, or none.

mod ask;
mod components;
mod envelope;
mod models;
mod paging;
mod query;
mod refusal;
mod relationships;
mod telemetry;
mod twins;

use crate::{App, problem::Problem};
use axum::{
    Router, middleware,
    response::{IntoResponse, Response},
};
use refusal::Refusal;

pub use twins::unknown_twin;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .merge(twins::routes())
        .merge(components::routes())
        .merge(relationships::routes())
        .merge(telemetry::routes())
        .merge(models::routes())
        .merge(query::routes())
        .layer(middleware::from_fn(envelope::wrap))
}

/// What the guard answers to whoever may not: in the envelope of the paths that have it.
pub fn refused(path: &str, problem: Problem) -> Response {
    let ours = [
        "/digitaltwins",
        "/models",
        "/query",
        "/eventroutes",
        "/jobs",
    ];
    match ours.iter().any(|start| path.starts_with(start)) {
        true => Refusal::from(problem).into_response(),
        false => problem.into_response(),
    }
}
