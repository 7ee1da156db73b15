//! Calls: one function for each route that clients use.

use crate::{
    Applied, Context, DeadLetter, Entry, Error, Page, Pages, Problem, Span, Status, Stream, Twin,
    TwinFilter, Watch,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value as Json;
use std::{io, path::PathBuf, time::Duration};
use ureq::{
    Agent, Body,
    http::{Method, Request, Response, header},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

/// Longest time for one call, streams excepted.
pub const CALL_LIMIT: Duration = Duration::from_secs(60);
/// Longest time until a connection stands.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Largest answer that is read, bytes.
pub const ANSWER_LIMIT: u64 = 256 << 20;

/// What stays as it is in a path segment or a query value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Which server, and how to speak to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Base address, `http://HOST:PORT` or `https://HOST:PORT`; `HOST:PORT` alone is plain HTTP.
    pub server: String,
    /// Bearer token.
    pub token: Option<String>,
    /// Certificate of the authority to trust, PEM; without one, the web's usual authorities.
    pub ca: Option<PathBuf>,
    /// The context file that the address came from: then silence of the server is a stale context.
    pub from_context: Option<PathBuf>,
}

impl Options {
    /// A server without login.
    pub fn of(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            ..Self::default()
        }
    }

    /// The server that the context file names.
    pub fn from_context() -> Result<Self, Error> {
        let file = Context::path().ok_or_else(|| {
            Error::Options("neither XDG_STATE_HOME nor HOME is set, so there is no context; name the server with --server".into())
        })?;
        let context = Context::read(&file)?;
        Ok(Self {
            server: context.server,
            token: None,
            ca: context.ca,
            from_context: Some(file),
        })
    }
}

/// A client of one server. Cheap to clone: clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    base: String,
    token: Option<String>,
    from_context: Option<PathBuf>,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let base = base(&options.server)?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_LIMIT))
            .user_agent(concat!("gemelli/", env!("CARGO_PKG_VERSION")));
        if loopback(&base) {
            config = config.proxy(None);
        }
        if let Some(file) = &options.ca {
            let roots = RootCerts::new_with_certs(&certificates(file)?);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self {
            agent: config.build().new_agent(),
            base,
            token: options.token.clone(),
            from_context: options.from_context.clone(),
        })
    }

    /// The server's base address.
    pub fn server(&self) -> &str {
        &self.base
    }

    /// Version, addresses and data folder of the server.
    pub fn status(&self) -> Result<Status, Error> {
        self.get("/v1/status", &[])
    }

    /// Whether the server says that it is well.
    pub fn healthy(&self) -> bool {
        self.call(Method::GET, "/healthz", &[], None, Some(CONNECT_LIMIT))
            .is_ok()
    }

    /// What the overview page shows.
    pub fn overview(&self) -> Result<Json, Error> {
        self.get("/v1/overview", &[])
    }

    /// Metrics in Prometheus' text form.
    pub fn metrics(&self) -> Result<String, Error> {
        let mut answer = self.call(Method::GET, "/metrics", &[], None, Some(CALL_LIMIT))?;
        let text = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_LIMIT)
            .lossy_utf8(true)
            .read_to_string();
        text.map_err(|error| self.answer("/metrics", error))
    }

    /// A twin with lifecycle, derived properties and edges.
    pub fn twin(&self, id: &str) -> Result<Twin, Error> {
        self.get(&format!("/v1/twins/{}", encode(id)), &[])
    }

    /// Twins, page by page.
    pub fn twins(&self, filter: &TwinFilter) -> Pages<Twin> {
        Pages::new(self.clone(), "/v1/twins".into(), filter.query())
    }

    /// A twin in the shape of Azure Digital Twins.
    pub fn digital_twin(&self, id: &str) -> Result<Json, Error> {
        self.get(&format!("/digitaltwins/{}", encode(id)), &[])
    }

    /// Creates or replaces a twin: `{"$metadata":{"$model":…}, properties…}`. The answer is the twin.
    pub fn put_digital_twin(&self, id: &str, twin: &Json) -> Result<Json, Error> {
        self.send_json(
            Method::PUT,
            &format!("/digitaltwins/{}", encode(id)),
            &[],
            twin,
        )
    }

    /// Changes a twin by JSON Patch.
    pub fn patch_digital_twin(&self, id: &str, patch: &Json) -> Result<(), Error> {
        let path = format!("/digitaltwins/{}", encode(id));
        self.send_json::<Json>(Method::PATCH, &path, &[], patch)
            .map(drop)
    }

    /// Deletes a twin that has no relationships.
    pub fn delete_digital_twin(&self, id: &str) -> Result<(), Error> {
        self.delete(&format!("/digitaltwins/{}", encode(id)))
    }

    /// Halts a twin, or lets it go on; the twin as it is then.
    pub fn halt(&self, id: &str, stopped: bool) -> Result<Twin, Error> {
        let verb = if stopped { "stop" } else { "start" };
        let path = format!("/v1/twins/{}/{verb}", encode(id));
        self.send_json(Method::POST, &path, &[], &Json::Null)
    }

    /// Creates or replaces an edge: `{"$relationshipName":…, "$targetId":…, properties…}`.
    pub fn put_relationship(&self, source: &str, id: &str, edge: &Json) -> Result<Json, Error> {
        let path = format!(
            "/digitaltwins/{}/relationships/{}",
            encode(source),
            encode(id)
        );
        self.send_json(Method::PUT, &path, &[], edge)
    }

    /// Deletes an edge.
    pub fn delete_relationship(&self, source: &str, id: &str) -> Result<(), Error> {
        self.delete(&format!(
            "/digitaltwins/{}/relationships/{}",
            encode(source),
            encode(id)
        ))
    }

    /// Objects of a kind, as manifests; of twins those that the filter lets pass.
    pub fn objects(&self, kind: &str, filter: &TwinFilter) -> Pages<Json> {
        Pages::new(
            self.clone(),
            format!("/v1/objects/{}", encode(kind)),
            filter.query(),
        )
    }

    /// One object as a manifest.
    pub fn object(&self, kind: &str, name: &str) -> Result<Json, Error> {
        self.get(
            &format!("/v1/objects/{}/{}", encode(kind), encode(name)),
            &[],
        )
    }

    /// Deletes an object.
    pub fn delete_object(&self, kind: &str, name: &str) -> Result<(), Error> {
        self.delete(&format!("/v1/objects/{}/{}", encode(kind), encode(name)))
    }

    /// Applies manifests together, or with `dry_run` only says what would happen.
    pub fn apply(&self, manifests: &[Json], dry_run: bool) -> Result<Applied, Error> {
        let query = if dry_run {
            vec![("dryRun", "true".to_owned())]
        } else {
            Vec::new()
        };
        self.send_json(Method::POST, "/v1/apply", &query, &manifests)
    }

    /// Sends one CloudEvent (an object) or a batch (a list). Answered once durable.
    pub fn send(&self, events: &impl Serialize) -> Result<(), Error> {
        let body = encode_json(events)?;
        let kind = match body.first() {
            Some(b'[') => "application/cloudevents-batch+json",
            _ => "application/cloudevents+json",
        };
        self.call(
            Method::POST,
            "/events",
            &[],
            Some((kind, body)),
            Some(CALL_LIMIT),
        )
        .map(drop)
    }

    /// What happened to a twin, oldest first, page by page.
    pub fn history(&self, twin: &str, span: &Span) -> Pages<Entry> {
        Pages::new(
            self.clone(),
            format!("/v1/twins/{}/history", encode(twin)),
            span.query(),
        )
    }

    /// A page of everything that happened to all twins, in the order of the log: one JSON object a
    /// line, and the position after which the next page starts, if there is one.
    pub fn rows(&self, after: Option<u64>, limit: usize) -> Result<(Vec<u8>, Option<u64>), Error> {
        let path = "/v1/history";
        let mut query = vec![("limit", limit.to_string())];
        query.extend(after.map(|seq| ("after", seq.to_string())));
        let mut answer = self.call(Method::GET, path, &query, None, Some(CALL_LIMIT))?;
        let next = answer.headers().get("gemelli-next");
        let next = next.and_then(|next| next.to_str().ok()?.parse().ok());
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_LIMIT)
            .read_to_vec();
        Ok((body.map_err(|error| self.answer(path, error))?, next))
    }

    /// Input that could not be used, newest last, page by page.
    pub fn dead_letters(&self) -> Pages<DeadLetter> {
        Pages::new(self.clone(), "/v1/deadletters".into(), Vec::new())
    }

    /// Live events. The iterator ends when the server closes the stream.
    pub fn watch(&self, watch: &Watch) -> Result<Stream, Error> {
        let mut request = self.request(Method::GET, "/v1/stream", &watch.query());
        request = request.header(header::ACCEPT, "text/event-stream");
        if let Some(seq) = watch.after {
            request = request.header("last-event-id", seq.to_string());
        }
        let request = request
            .body(())
            .map_err(|error| Error::Options(error.to_string()))?;
        let request = self
            .agent
            .configure_request(request)
            .timeout_per_read(watch.idle)
            .build();
        let answer = self
            .agent
            .run(request)
            .map_err(|error| self.unreachable(error))?;
        let answer = self.checked(answer)?;
        Ok(Stream::new(
            self.base.clone(),
            answer
                .into_body()
                .into_with_config()
                .limit(u64::MAX)
                .reader(),
        ))
    }

    /// Reads any route that answers JSON.
    pub fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Error> {
        let answer = self.call(Method::GET, path, query, None, Some(CALL_LIMIT))?;
        self.read(path, answer)
    }

    pub(crate) fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Page<T>, Error> {
        self.get(path, query)
    }

    fn delete(&self, path: &str) -> Result<(), Error> {
        self.call(Method::DELETE, path, &[], None, Some(CALL_LIMIT))
            .map(drop)
    }

    fn send_json<T: DeserializeOwned + Default>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, Error> {
        let kind = if method == Method::PATCH {
            "application/json-patch+json"
        } else {
            "application/json"
        };
        let answer = self.call(
            method,
            path,
            query,
            Some((kind, encode_json(body)?)),
            Some(CALL_LIMIT),
        )?;
        match answer.status().as_u16() {
            204 => Ok(T::default()),
            _ => self.read(path, answer),
        }
    }

    fn read<T: DeserializeOwned>(
        &self,
        path: &str,
        mut answer: Response<Body>,
    ) -> Result<T, Error> {
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_LIMIT)
            .read_to_vec();
        let body = body.map_err(|error| self.answer(path, error))?;
        serde_json::from_slice(&body).map_err(|error| self.answer(path, error))
    }

    fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<(&str, Vec<u8>)>,
        limit: Option<Duration>,
    ) -> Result<Response<Body>, Error> {
        let request = self
            .request(method, path, query)
            .header(header::ACCEPT, "application/json");
        let built = match body {
            Some((kind, bytes)) => request.header(header::CONTENT_TYPE, kind).body(Some(bytes)),
            None => request.body(None),
        };
        let request = built.map_err(|error| Error::Options(error.to_string()))?;
        let (parts, bytes) = request.into_parts();
        let answer = match bytes {
            Some(bytes) => {
                let request = self
                    .agent
                    .configure_request(Request::from_parts(parts, bytes))
                    .timeout_global(limit);
                self.agent.run(request.build())
            }
            None => {
                let request = self
                    .agent
                    .configure_request(Request::from_parts(parts, ()))
                    .timeout_global(limit);
                self.agent.run(request.build())
            }
        };
        self.checked(answer.map_err(|error| self.unreachable(error))?)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
    ) -> ureq::http::request::Builder {
        let mut uri = format!("{}{path}", self.base);
        for (n, (name, value)) in query.iter().enumerate() {
            uri.push(if n == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            uri.push_str(&encode(value));
        }
        let request = Request::builder().method(method).uri(uri);
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    fn checked(&self, mut answer: Response<Body>) -> Result<Response<Body>, Error> {
        if answer.status().is_success() {
            return Ok(answer);
        }
        let body = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_LIMIT)
            .read_to_vec()
            .unwrap_or_default();
        Err(Error::Refused(Box::new(Problem::read(
            answer.status().as_u16(),
            &body,
        ))))
    }

    fn unreachable(&self, error: ureq::Error) -> Error {
        let reason = match error {
            ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                "nothing listens there".to_owned()
            }
            error => error.to_string(),
        };
        match &self.from_context {
            Some(file) => {
                let reason = format!("no answer from {}: {reason}", self.base);
                Error::StaleContext {
                    file: file.clone(),
                    reason,
                }
            }
            None => Error::Unreachable {
                server: self.base.clone(),
                reason,
            },
        }
    }

    fn answer(&self, path: &str, reason: impl ToString) -> Error {
        Error::Answer {
            server: self.base.clone(),
            path: path.into(),
            reason: reason.to_string(),
        }
    }
}

/// A path segment or query value with everything but unreserved characters percent-encoded.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn encode_json(body: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|error| Error::Options(format!("not JSON: {error}")))
}

/// `HOST:PORT` or a URL as a base address without a slash at its end.
fn base(server: &str) -> Result<String, Error> {
    let text = server.trim();
    let text = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let bad = || {
        Error::Options(format!(
            "`{server}` is not a server address; write http://HOST:PORT"
        ))
    };
    let uri: ureq::http::Uri = text.parse().map_err(|_| bad())?;
    let scheme = uri.scheme_str().unwrap_or_default();
    if !matches!(scheme, "http" | "https") || uri.host().is_none_or(str::is_empty) {
        return Err(bad());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Whether the address is on this machine, so that no proxy stands between.
fn loopback(base: &str) -> bool {
    let host = base
        .parse::<ureq::http::Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_owned))
        .unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn certificates(file: &PathBuf) -> Result<Vec<Certificate<'static>>, Error> {
    let bad = |reason: String| Error::Options(format!("the CA file {}: {reason}", file.display()));
    let text = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| bad(error.to_string()))? {
            found.push(certificate);
        }
    }
    match found.is_empty() {
        true => Err(bad("it holds no certificate".into())),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_come_in_two_spellings() {
        assert_eq!(base("127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(base("https://host:9/").unwrap(), "https://host:9");
        for bad in ["", "ftp://x", "http://", "a b"] {
            assert!(base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn loopback_needs_no_proxy() {
        assert!(
            loopback("http://127.0.0.1:1")
                && loopback("http://[::1]:1")
                && loopback("http://localhost:1")
        );
        assert!(!loopback("http://10.0.0.1:1") && !loopback("http://example.org"));
    }

    #[test]
    fn path_segments_hold_any_id() {
        assert_eq!(encode("a/b+c#ü"), "a%2Fb%2Bc%23%C3%BC");
    }
}
