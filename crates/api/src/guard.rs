//! Who may speak to a listener at all.
//!
//! On loopback nobody logs in, so requests have to come from this machine's own programs and pages;
//! everywhere else a bearer token is needed.

pub mod routes;

use crate::{listen::Door, problem::Problem};
use axum::{
    extract::{ConnectInfo, MatchedPath, Request, connect_info::Connected},
    http::{HeaderMap, Method, Uri, header},
    serve::IncomingStream,
};
use gemelli_auth::{
    Access, Action, Decision, Principal, Refused, Resource,
    loopback::{self, Foreign},
};
use gemelli_engine::View;
use gemelli_node::access::TwinFacts;
use percent_encoding::percent_decode_str;
use routes::{About, Needs};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::SystemTime,
};

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

/// Who sent a request, where somebody has to log in: an extension of the request.
#[derive(Clone)]
pub struct Caller {
    access: Arc<Access>,
    principal: Principal,
}

impl Caller {
    /// Whether it may.
    pub fn may(&self, action: Action, what: Resource<'_>, view: View) -> Result<(), Problem> {
        match self
            .access
            .decide(&self.principal, action, what, &TwinFacts(view))
        {
            Decision::Allowed => Ok(()),
            Decision::Denied(why) => Err(Problem::new(
                "forbidden",
                why,
                "use a token with that role, or a policy that allows it: gemelli auth",
            )),
        }
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// What the guard looks at of a request.
pub struct Asked {
    method: Method,
    /// The path as it was sent.
    path: String,
    /// The path as the router has it.
    matched: Option<MatchedPath>,
    token: Option<String>,
    from: IpAddr,
}

impl Asked {
    /// Of a request.
    pub fn of(request: &Request) -> Self {
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            matched: request.extensions().get::<MatchedPath>().cloned(),
            token: bearer(request.headers()).map(str::to_owned),
            from: peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.0.ip()),
        }
    }
}

/// Whether whoever shows the request's token may do what it asks for; none if nobody is asked.
pub async fn check_token(
    access: &Arc<Access>,
    asked: Asked,
    view: impl FnOnce() -> View,
) -> Result<Option<Caller>, Problem> {
    let matched = asked.matched.as_ref().map(MatchedPath::as_str);
    let (needs, about) = needs(&asked.method, matched);
    if needs == Needs::Nothing {
        return Ok(None);
    }
    let (method, path, from) = (&asked.method, &*asked.path, asked.from);
    let token = asked.token;
    let known = token.as_ref().is_none_or(|token| access.is_known(token));
    let look = {
        let access = access.clone();
        move || access.authenticate(token.as_deref(), from, SystemTime::now())
    };
    // Hashing and asking an issuer take long: not on a thread that serves others.
    let principal = match known {
        true => look(),
        false => tokio::task::spawn_blocking(look)
            .await
            .unwrap_or(Err(Refused::Token)),
    };
    let principal = principal.map_err(|refused| {
        let code = refused.code();
        tracing::info!(target: "gemelli::audit", peer = %from, %method, path, code, "login refused");
        Problem::new(code, refused.to_string(), refused.remedy())
    })?;
    let caller = Caller {
        access: access.clone(),
        principal,
    };
    let Needs::Action(action) = needs else {
        return Ok(Some(caller));
    };
    let twin = match about {
        About::Node => None,
        About::Twin(n) => {
            let segment = path.split('/').nth(n + 1);
            segment.and_then(|segment| percent_decode_str(segment).decode_utf8().ok())
        }
    };
    let what = twin.as_deref().map_or(Resource::Node, Resource::Twin);
    let held = &caller.principal;
    let allowed = match held.may_everywhere(action) && held.expires_ms.is_none() {
        true => Ok(()),
        false => caller.may(action, what, view()),
    };
    let principal = &held.name;
    match (&allowed, action) {
        (Err(_), _) => {
            tracing::info!(target: "gemelli::audit", %principal, %method, path, "denied");
        }
        (Ok(()), Action::Administer) => {
            tracing::info!(target: "gemelli::audit", %principal, %method, path, "allowed");
        }
        (Ok(()), _) => {
            tracing::debug!(target: "gemelli::audit", %principal, %method, path, "allowed");
        }
    }
    allowed.map(|()| Some(caller))
}

/// What an operation needs. What has no row is for administrators: nothing is open by forgetting it.
fn needs(method: &Method, path: Option<&str>) -> (Needs, About) {
    match path {
        Some(path) => routes::find(method.as_str(), path)
            .map_or((Needs::Action(Action::Administer), About::Node), |route| {
                (route.needs, route.about)
            }),
        // There is nothing: whoever is known may hear it.
        None => (Needs::Login, About::Node),
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
        let ask = |method: Method, path| needs(&method, path).0;
        let administer = Needs::Action(Action::Administer);
        assert_eq!(ask(Method::GET, Some("/v1/forgotten")), administer);
        assert_eq!(ask(Method::TRACE, Some("/v1/twins")), administer);
        assert_eq!(
            ask(Method::HEAD, Some("/v1/twins")),
            Needs::Action(Action::Read)
        );
        assert_eq!(ask(Method::GET, Some("/healthz")), Needs::Nothing);
        assert_eq!(ask(Method::POST, None), Needs::Login);
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
