//! Reading requests: path, query and body, with refusals as problem documents.

use crate::problem::Problem;
use axum::{
    body::Bytes,
    extract::{FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;

/// Largest body of most requests, bytes.
pub const BODY_BYTES: usize = 1 << 20;
/// Largest body of a batch of events, bytes.
pub const EVENTS_BYTES: usize = 8 << 20;
/// Largest set of manifests, bytes.
pub const APPLY_BYTES: usize = 64 << 20;

/// Path segments, percent-decoded.
pub struct Segments<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(why) => Err(Problem::new(
                "not-found",
                format!(
                    "the path `{}` cannot be read: {}",
                    parts.uri.path(),
                    why.body_text()
                ),
                "percent-encode ids as UTF-8",
            )),
        }
    }
}

/// The query.
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(why) => Err(Problem::new(
                "unknown-field",
                format!(
                    "the query `{}` cannot be read: {}",
                    parts.uri.query().unwrap_or_default(),
                    why.body_text()
                ),
                "correct the parameter named",
            )),
        }
    }
}

/// The whole body, at most so many bytes.
pub async fn body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            "too-large",
            format!("the body is larger than {limit} bytes"),
            "send it in smaller parts",
        )
    };
    let stated = request.headers().get(header::CONTENT_LENGTH);
    if stated
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok())
        .is_some_and(|n| n > limit)
    {
        return Err(too_large());
    }
    axum::body::to_bytes(request.into_body(), limit)
        .await
        .map_err(|_| too_large())
}

/// A JSON body.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed_json(&error))
}

/// A header's text.
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .map(str::trim)
        .filter(|t| !t.is_empty())
}

/// An id from a path or body, checked.
pub fn id(text: &str, what: &str) -> Result<(), Problem> {
    gemelli_model::id::check(text).map_err(|why| {
        Problem::new(
            "malformed-id",
            format!("the {what} cannot be used: {why}"),
            "use another id",
        )
    })
}

/// The size of a page: what is asked for, at least 1, at most `most`.
pub fn page_size(asked: Option<usize>, default: usize, most: usize) -> usize {
    asked.unwrap_or(default).clamp(1, most)
}

/// A time from a query: RFC 3339, or milliseconds since 1970.
pub fn time_ms(asked: Option<&str>, name: &str) -> Result<Option<i64>, Problem> {
    let Some(text) = asked.filter(|t| !t.is_empty()) else {
        return Ok(None);
    };
    let read = text
        .parse::<i64>()
        .ok()
        .or_else(|| gemelli_model::time::parse_ms(text));
    // A plus sign in a query stands for a space.
    let read = read.or_else(|| gemelli_model::time::parse_ms(&text.replace(' ', "+")));
    read.map(Some).ok_or_else(|| {
        Problem::new(
            "wrong-type",
            format!("`{name}={text}` is no time"),
            "write RFC 3339, as 2026-01-31T08:00:00Z",
        )
    })
}
