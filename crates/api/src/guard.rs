//! Who may speak to a listener at all.
//!
//! On loopback nobody logs in, so requests have to come from this machine's own programs and pages;
//! everywhere else a bearer token is needed.

pub mod routes;

use crate::problem::Problem;
use axum::http::{HeaderMap, Method, Uri, header};
use gemelli_auth::{
    Action, Decision, Refused, Tokens,
    loopback::{self, Foreign},
};
use routes::Needs;
use std::net::SocketAddr;

/// Whether the request comes from this machine's own programs and pages, by its headers.
pub fn check_loopback(local: SocketAddr, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let refused = |detail: String| {
        let remedy = format!(
            "use http://{local}, or listen on another address with a token: gemelli auth init"
        );
        Problem::new(Foreign::CODE, detail, remedy)
    };
    let mut hosts = headers
        .get_all(header::HOST)
        .iter()
        .map(|h| h.to_str().unwrap_or("?"));
    let host = hosts.next().or_else(|| uri.authority().map(|a| a.as_str()));
    let mut origins = headers
        .get_all(header::ORIGIN)
        .iter()
        .map(|o| o.to_str().unwrap_or("?"));
    let origin = origins.next();
    if hosts.next().is_some() || origins.next().is_some() {
        return Err(refused("the request names several hosts or origins".into()));
    }
    loopback::check(host, origin).map_err(|foreign| refused(foreign.to_string()))
}

/// Whether whoever shows the request's token may do what it asks for. `path` is the router's, if it has one.
pub fn check_token(
    tokens: &Tokens,
    method: &Method,
    path: Option<&str>,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let needs = needs(method, path);
    let Needs::Action(action) = needs else {
        return Ok(());
    };
    let known = bearer(headers)
        .ok_or(Refused)
        .and_then(|token| tokens.verify(token));
    let principal = known
        .map_err(|refused| Problem::new(Refused::CODE, refused.to_string(), Refused::REMEDY))?;
    match principal.decide(action) {
        Decision::Allowed => Ok(()),
        Decision::Denied(why) => Err(Problem::new(
            "forbidden",
            why,
            "use a token with that role: gemelli auth token",
        )),
    }
}

/// What an operation needs. What has no row is for administrators: nothing is open by forgetting it.
fn needs(method: &Method, path: Option<&str>) -> Needs {
    match path {
        Some(path) => routes::find(method.as_str(), path)
            .map_or(Needs::Action(Action::Administer), |route| route.needs),
        // There is nothing: whoever is known may hear it.
        None => Needs::Action(Action::Read),
    }
}

/// The bearer token of a request.
fn bearer(headers: &HeaderMap) -> Option<&str> {
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
            check_loopback(
                "127.0.0.1:8080".parse().unwrap(),
                headers,
                &Uri::from_static("/"),
            )
            .is_ok()
        };
        let mut headers = HeaderMap::new();
        assert!(!ask(&headers));
        headers.append(header::HOST, "localhost".parse().unwrap());
        assert!(ask(&headers));
        headers.append(header::HOST, "localhost".parse().unwrap());
        assert!(!ask(&headers));
    }

    #[test]
    fn an_operation_without_a_row_is_for_administrators() {
        let ask = |method: Method, path| needs(&method, path);
        let administer = Needs::Action(Action::Administer);
        assert_eq!(ask(Method::GET, Some("/v1/forgotten")), administer);
        assert_eq!(ask(Method::TRACE, Some("/v1/twins")), administer);
        assert_eq!(
            ask(Method::HEAD, Some("/v1/twins")),
            Needs::Action(Action::Read)
        );
        assert_eq!(ask(Method::GET, Some("/healthz")), Needs::Nothing);
        assert_eq!(ask(Method::POST, None), Needs::Action(Action::Read));
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
