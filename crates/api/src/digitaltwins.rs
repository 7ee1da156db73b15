//! The Azure Digital Twins data plane at its own paths, so that its clients work unchanged.
//!
//! One file an area. Refusals carry that service's envelope, `{"error": {"code", "message", "details",
//! "innererror"}}`, with the members of a problem document beside it. Any `api-version` that the
//! service ever had is taken, twice too, or none.

mod ask;
mod components;
mod envelope;
mod paging;
mod refusal;
mod relationships;
mod telemetry;
mod twins;

use crate::App;
use axum::{Router, middleware};

pub use twins::unknown_twin;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .merge(twins::routes())
        .merge(components::routes())
        .merge(relationships::routes())
        .merge(telemetry::routes())
        .layer(middleware::from_fn(envelope::wrap))
}
