//! Who may speak to a listener at all.
//!
//! On loopback nobody logs in, so requests have to come from this machine's own programs and pages;
//! everywhere else a bearer token is needed.

use crate::problem::Problem;
use axum::http::{HeaderMap, Uri, header};
use std::net::SocketAddr;

/// Whether the request comes from this machine's own programs and pages, by its headers.
pub fn check_loopback(local: SocketAddr, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let refused = |detail: String| {
        let remedy = format!("use http://{local}, or listen on another address with a token: gemelli auth init");
        Problem::new("forbidden-host", detail, remedy)
    };
    let mut hosts = headers.get_all(header::HOST).iter().map(|h| h.to_str().unwrap_or("?"));
    let host = hosts.next().or_else(|| uri.authority().map(|a| a.as_str()));
    let mut origins = headers.get_all(header::ORIGIN).iter().map(|o| o.to_str().unwrap_or("?"));
    let origin = origins.next();
    if hosts.next().is_some() || origins.next().is_some() {
        return Err(refused("the request names several hosts or origins".into()));
    }
    gemelli_node::origin::check_loopback(host, origin).map_err(refused)
}

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_host_is_refused() {
        let ask = |headers: &HeaderMap| {
            check_loopback("127.0.0.1:8080".parse().unwrap(), headers, &Uri::from_static("/")).is_ok()
        };
        let mut headers = HeaderMap::new();
        assert!(!ask(&headers));
        headers.append(header::HOST, "localhost".parse().unwrap());
        assert!(ask(&headers));
        headers.append(header::HOST, "localhost".parse().unwrap());
        assert!(!ask(&headers));
    }

    #[test]
    fn tokens_are_read_with_any_case_of_the_scheme() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        headers.insert(header::AUTHORIZATION, "bearer abc".parse().unwrap());
        assert_eq!(bearer(&headers), Some("abc"));
        headers.insert(header::AUTHORIZATION, "Basic abc".parse().unwrap());
        assert_eq!(bearer(&headers), None);
    }
}
