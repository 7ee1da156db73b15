//! Listeners: accepting connections, the handshakes of TLS and WebSocket, limits, and the end.

use crate::{
    connection::{self, Arrival},
    host::{Host, Transport},
    io::{Io, Stream, WebSocket},
    metrics::add,
    shared::Shared,
};
use bytes::Bytes;
use std::{
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_tungstenite::tungstenite::{
    handshake::server::{ErrorResponse, Request, Response},
    http::{HeaderValue, StatusCode, header},
    protocol::WebSocketConfig,
};

/// Pause after a failed accept, milliseconds: most fail for want of file descriptors.
const ACCEPT_PAUSE_MS: u64 = 100;
/// How long connections may take to end when the server stops, milliseconds.
const STOP_MS: u64 = 5_000;
/// Most messages of a WebSocket that wait in it, bytes: MQTT's own limits are stricter.
const WEBSOCKET_BYTES: usize = 1 << 20;

/// Where and how to listen.
#[derive(Clone)]
pub struct Listen {
    /// Subprotocol `mqtt` over WebSocket instead of plain MQTT.
    pub websocket: bool,
    /// TLS: with a client certificate verifier in it, the certificate reaches [`Host::authenticate`].
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// Most connections of this listener.
    pub max_connections: usize,
}

impl Listen {
    fn transport(&self) -> Transport {
        match (self.websocket, self.tls.is_some()) {
            (false, false) => Transport::Tcp,
            (false, true) => Transport::Tls,
            (true, false) => Transport::WebSocket,
            (true, true) => Transport::SecureWebSocket,
        }
    }
}

/// Counts a connection for as long as it lives.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::AcqRel);
        let place = Self(count.clone());
        (before < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Accepts connections until `stop` is done, then ends them and waits for them.
pub async fn serve<H: Host>(
    shared: Arc<Shared<H>>,
    listener: TcpListener,
    listen: Listen,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let (stopping, stopped) = watch::channel(false);
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let here = Arc::new(AtomicUsize::new(0));
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%address, %error, "a connection could not be accepted: raise the limit of open files (ulimit -n) if it says so");
                tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                continue;
            }
        };
        let places = (
            Place::take(&here, listen.max_connections),
            Place::take(&shared.sockets, shared.options.max_connections),
        );
        let (Some(of_listener), Some(of_all)) = places else {
            add(&shared.counters.refused_connections, 1);
            tracing::debug!(%address, %peer, "connection refused: the limit of connections is reached (it follows the limit of open files)");
            continue;
        };
        let (shared, listen, stopped, alive) = (
            shared.clone(),
            listen.clone(),
            stopped.clone(),
            alive.clone(),
        );
        tokio::spawn(async move {
            let patience = Duration::from_millis(shared.options.connect_timeout_ms);
            let transport = listen.transport();
            let shaken =
                Box::pin(tokio::time::timeout(patience, shake(&shared, tcp, listen))).await;
            match shaken {
                Ok(Ok((io, certificate))) => {
                    connection::run(
                        shared,
                        Arrival {
                            io,
                            peer,
                            transport,
                            certificate,
                            patience,
                        },
                        stopped,
                    )
                    .await;
                }
                Ok(Err(error)) => {
                    add(&shared.counters.refused_connections, 1);
                    tracing::debug!(%address, %peer, %error, "handshake failed");
                }
                Err(_) => add(&shared.counters.refused_connections, 1),
            }
            drop((of_listener, of_all, alive));
        });
    }
    drop((listener, alive));
    stopping.send_replace(true);
    drop(tokio::time::timeout(Duration::from_millis(STOP_MS), all_gone.recv()).await);
    Ok(())
}

async fn shake<H: Host>(
    shared: &Arc<Shared<H>>,
    tcp: TcpStream,
    listen: Listen,
) -> io::Result<(Io, Option<Bytes>)> {
    tcp.set_nodelay(true)?;
    let Some(config) = listen.tls else {
        if !listen.websocket {
            return Ok((Io::new(Stream::Tcp(tcp)), None));
        }
        let socket = websocket(shared, tcp).await?;
        return Ok((Io::new(Stream::WebSocket(Box::new(socket))), None));
    };
    let tls = TlsAcceptor::from(config).accept(tcp).await?;
    let certificate = certificate(&tls);
    let stream = if listen.websocket {
        Stream::SecureWebSocket(Box::new(websocket(shared, tls).await?))
    } else {
        Stream::Tls(Box::new(tls))
    };
    Ok((Io::new(stream), certificate))
}

fn certificate(tls: &TlsStream<TcpStream>) -> Option<Bytes> {
    let (_, connection) = tls.get_ref();
    connection
        .peer_certificates()?
        .first()
        .map(|c| Bytes::copy_from_slice(c))
}

async fn websocket<H: Host, S>(shared: &Arc<Shared<H>>, stream: S) -> io::Result<WebSocket<S>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(WEBSOCKET_BYTES)
        .max_message_size(Some(WEBSOCKET_BYTES))
        .max_frame_size(Some(WEBSOCKET_BYTES));
    #[allow(clippy::result_large_err)] // the shape is the library's
    let judge = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let text = |name| {
            request
                .headers()
                .get(name)
                .and_then(|v: &HeaderValue| v.to_str().ok())
        };
        if !shared
            .host
            .allow_origin(text(header::HOST), text(header::ORIGIN))
        {
            return Err(refusal(
                StatusCode::FORBIDDEN,
                "this host or origin may not open WebSockets here",
            ));
        }
        let mut offered = request
            .headers()
            .get_all(header::SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(str::trim);
        let Some(protocol) = offered.find(|p| *p == "mqtt" || *p == "mqttv3.1") else {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "offer the WebSocket subprotocol \"mqtt\"",
            ));
        };
        if let Ok(value) = HeaderValue::from_str(protocol) {
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, value);
        }
        Ok(response)
    };
    tokio_tungstenite::accept_hdr_async_with_config(stream, judge, Some(config))
        .await
        .map(WebSocket::new)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn refusal(status: StatusCode, text: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(text.to_owned()));
    *response.status_mut() = status;
    response
}
