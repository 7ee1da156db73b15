//! The HTTP server: one router, served on each listener with the guard that fits its address.

use crate::{
    digitaltwins, events,
    guard::{self, Asked, Caller, Peer},
    listen::Door,
    objects,
    overview::{self, Picture},
    page,
    problem::{self, Problem},
    stream, v1,
};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use gemelli_auth::{Access, loopback};
use gemelli_event::record::{Command, DeadLetter};
use gemelli_model::Value;
use gemelli_node::{Node, Refused, admission::Closed};
use serde_json::{Value as Json_, json};
use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;

/// How long requests have to end at a stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// How a listener is served.
#[derive(Clone, Default)]
pub struct Listen {
    /// TLS, with a certificate.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who may use it: needed beyond loopback, and used on loopback where it is set.
    pub auth: Option<Arc<Access>>,
}

/// Why a listener is not served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Beyond loopback without authentication.
    #[error(
        "{0} is not a loopback address and there is no authentication: run `gemelli auth init` first, or listen on 127.0.0.1"
    )]
    NeedsAuth(SocketAddr),
    /// The socket.
    #[error("cannot serve HTTP: {0}")]
    Io(#[from] io::Error),
}

impl ServeError {
    /// The error's stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeedsAuth(_) => "unauthorized",
            Self::Io(_) => "cannot-listen",
        }
    }
}

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    /// The node.
    pub node: Node,
    shared: Arc<Shared>,
}

struct Shared {
    http: Vec<String>,
    picture: Picture,
}

impl App {
    /// For a node that is served at these base addresses.
    pub fn new(node: Node, http: Vec<String>) -> Self {
        Self {
            node,
            shared: Arc::new(Shared {
                http,
                picture: Picture::default(),
            }),
        }
    }

    pub(crate) fn http(&self) -> &[String] {
        &self.shared.http
    }

    pub(crate) fn picture(&self) -> &Picture {
        &self.shared.picture
    }

    pub(crate) fn addresses(&self) -> Json_ {
        let mqtt: Vec<_> = self.node.mqtt().iter().map(ToString::to_string).collect();
        json!({ "http": self.shared.http, "mqtt": mqtt })
    }

    pub(crate) async fn command(&self, command: Command) -> Result<Value, Problem> {
        self.node
            .command(command)
            .await
            .map_err(|refused| self.refused(refused))
    }

    pub(crate) async fn check(&self, command: Command) -> Result<Value, Problem> {
        self.node
            .check(command)
            .await
            .map_err(|refused| self.refused(refused))
    }

    fn refused(&self, refused: Refused) -> Problem {
        match refused {
            Refused::Closed(closed) => self.closed(closed),
            Refused::Rejected(rejection) => rejection.into(),
            Refused::Mapping(faults) => Problem::of_faults(
                faults
                    .into_iter()
                    .map(|fault| {
                        let detail = format!("connection {}: {}", fault.connection, fault.message);
                        problem::Fault {
                            object: Some(problem::Object {
                                kind: "Connection".into(),
                                name: fault.connection.to_string(),
                            }),
                            pointer: Some(fault.pointer.into_string()),
                            ..problem::Fault::new(fault.code, detail, fault.remedy)
                        }
                    })
                    .collect(),
            )
            .unwrap_or_else(|| {
                Problem::new(
                    "malformed-expression",
                    "a Connection cannot be compiled",
                    "correct it",
                )
            }),
        }
    }

    pub(crate) fn closed(&self, closed: Closed) -> Problem {
        let remedy = match &closed {
            Closed::Full(_) => "send more slowly, and again after the time in Retry-After",
            Closed::Memory(_) => "wait, or start the node with a higher memory limit",
            Closed::DiskFull => "free space in the data folder: writes go on by themselves",
            Closed::ReadOnly(_) => "check the disk and restart the node; reads go on",
            Closed::Stopping => "connect again once the node is back",
        };
        Problem::new(closed.code(), closed.to_string(), remedy)
    }
}

/// Serves a listener until `stop` is done; requests in flight have some seconds to end.
///
/// # Errors
/// The address is not loopback and there are no tokens; the socket fails.
pub async fn serve(
    app: App,
    listener: TcpListener,
    listen: Listen,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let local = listener.local_addr()?;
    if !loopback::is_loopback(local.ip()) && listen.auth.is_none() {
        return Err(ServeError::NeedsAuth(local));
    }
    let door = Door::open(listener, listen.tls.clone())?;
    let gate = Gate {
        local,
        auth: listen.auth,
        node: app.node.clone(),
    };
    let router = routes()
        .with_state(app)
        .layer(middleware::from_fn_with_state(gate, Gate::pass));
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let stopped = async move {
        stop.await;
        // Nobody waits for it only if the server ended by itself.
        let _ = tell.send(());
    };
    let served = async {
        axum::serve(door, router.into_make_service_with_connect_info::<Peer>())
            .with_graceful_shutdown(stopped)
            .await
    };
    let patience = async {
        if told.await.is_ok() {
            tokio::time::sleep(FAREWELL).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        served = served => Ok(served?),
        () = patience => {
            tracing::debug!(%local, "some HTTP connections did not end in time");
            Ok(())
        }
    }
}

/// Everything that is served. Each operation has a row in `guard/routes.rs`.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .merge(page::routes())
        .merge(digitaltwins::routes())
        .merge(events::routes())
        .merge(objects::routes())
        .merge(overview::routes())
        .merge(stream::routes())
        .merge(v1::routes())
        .fallback(nothing)
        .method_not_allowed_fallback(not_so)
}

async fn nothing(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::new(
        "not-found",
        format!("there is nothing at `{path}`"),
        "see the list of routes in docs/http.md",
    )
}

async fn not_so(request: Request) -> Response {
    let detail = format!(
        "{} is not possible at `{}`",
        request.method(),
        request.uri().path()
    );
    Problem::new(
        "method-not-allowed",
        detail,
        "use one of the methods in the header Allow",
    )
    .into_response()
}

/// Guards one listener.
#[derive(Clone)]
struct Gate {
    local: SocketAddr,
    auth: Option<Arc<Access>>,
    node: Node,
}

/// What is kept of a request whose body was not read.
fn too_large(method: &Method, path: &str) -> DeadLetter {
    let path: String = path.chars().take(200).collect();
    let reason = format!(
        "the body of {method} {path} is over its limit, and was not read; send it in smaller parts"
    );
    DeadLetter {
        code: "too-large".into(),
        reason: reason.into(),
        origin: path.into(),
        payload: Bytes::new(),
        dropped: 0,
    }
}

impl Gate {
    async fn pass(State(gate): State<Self>, mut request: Request, next: Next) -> Response {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let asked = Asked::of(&request);
        let checked = match gate.check_loopback(&request) {
            Ok(()) => gate.check_token(asked).await,
            Err(problem) => Err(problem),
        };
        let mut response = match checked {
            Ok(caller) => {
                if let Some(caller) = caller {
                    request.extensions_mut().insert(caller);
                }
                next.run(request).await
            }
            Err(problem) => digitaltwins::refused(uri.path(), problem),
        };
        let headers = response.headers_mut();
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read.
            gate.node.dead_letter(too_large(&method, uri.path()));
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn check_loopback(&self, request: &Request) -> Result<(), Problem> {
        match loopback::is_loopback(self.local.ip()) {
            true => guard::check_loopback(self.local, request.headers(), request.uri()),
            false => Ok(()),
        }
    }

    async fn check_token(&self, asked: Asked) -> Result<Option<Caller>, Problem> {
        let Some(access) = &self.auth else {
            return Ok(None);
        };
        let checked = guard::check_token(access, asked, || self.node.view()).await;
        checked.inspect_err(|why| self.node.metrics().reject(&why.code))
    }
}
