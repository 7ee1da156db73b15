//! What every answer of this data plane has, whatever it is about: the caller's request id, and its
//! place in a distributed trace.

use super::refusal::Refusal;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::hash::{BuildHasher, Hasher, RandomState};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Answers a request, unless its `api-version` is none.
pub async fn wrap(request: Request, next: Next) -> Response {
    let echoed = request.headers().get(&REQUEST_ID).cloned();
    let trace = trace(request.headers());
    let mut response = match version(request.uri().query().unwrap_or_default()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    if let Some(id) = echoed {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(trace) = trace {
        headers.insert(TRACE_RESPONSE, trace);
    }
    response
}

/// Each `api-version` is a date, with `-preview` or without.
fn version(query: &str) -> Result<(), Refusal> {
    let versions = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("api-version="));
    for version in versions {
        let date = version.strip_suffix("-preview").unwrap_or(version);
        if !gemelli_model::time::is_date(date) {
            return Err(Refusal::argument(
                format!("`api-version={version}` is no version of this API"),
                "write api-version=2023-10-31, or leave it out",
            ));
        }
    }
    Ok(())
}

/// The trace of a W3C `traceparent`, with a step of our own.
fn trace(headers: &HeaderMap) -> Option<HeaderValue> {
    let parent = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = parent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex =
        |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    let well = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    let step = RandomState::new().build_hasher().finish() | 1;
    well.then(|| HeaderValue::from_str(&format!("00-{trace}-{step:016x}-{flags}")).ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions_are_dates() {
        for good in [
            "",
            "api-version=2023-10-31",
            "api-version=2020-05-31-preview&api-version=2023-10-31",
            "api-version=2021-06-30-preview&a=b",
        ] {
            assert!(version(good).is_ok(), "{good}");
        }
        for bad in ["api-version=", "a=b&api-version=latest", "api-version=1"] {
            assert!(version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_trace_goes_on_and_nonsense_does_not() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", text.parse().unwrap());
            trace(&headers).map(|v| v.to_str().unwrap().to_owned())
        };
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let answer = of(parent).unwrap();
        assert!(answer.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
        assert!(answer != parent && answer.ends_with("-01") && answer.len() == parent.len());
        assert_eq!(of("00-zz-b7ad6b7169203331-01"), None);
        assert_eq!(of(""), None);
    }
}
