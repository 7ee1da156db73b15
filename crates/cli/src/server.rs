//! A node with its surfaces, as `up` and `demo` run it: started whole or not at all, stopped in order.

use crate::{
    command::auth,
    failure::{Exit, Failure},
    output, port,
    settings::{Origin, Settings},
    signal,
};
use gemelli_api::{App, Listen};
use gemelli_auth::{Access, IssuerOptions, Tokens};
use gemelli_client::Context;
use gemelli_node::{Durability, MqttListener, Node, Options, Running, StartError};
use rustls::ServerConfig;
use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch, task::JoinHandle};

/// What to run.
pub struct Plan {
    /// The node's own options.
    pub node: Options,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// How HTTP is guarded beyond loopback.
    guard: Listen,
    /// The certificate that clients beyond loopback have to trust.
    ca: Option<PathBuf>,
    /// Default addresses that were taken: the key and what is said about it.
    pub moved: Vec<(&'static str, String)>,
}

impl Plan {
    /// What the settings ask for. `moves` says whether default ports may move to free ones.
    pub fn of(settings: &Settings, data: &Path, moves: bool) -> Result<Self, Failure> {
        let mut node = Options::new(data);
        node.durability = durability(settings)?;
        node.limits.memory_bytes = bytes(settings, "memory")?;
        node.limits.relaxed_ms = milliseconds(settings, "relaxed-ms")?;
        let mut moved = Vec::new();
        let mut keys = Keys::of(data, issuers(settings)?)?;
        node.auth.clone_from(&keys.auth);
        let http = listen(settings, "http", moves, &mut moved)?;
        let guard = match http.ip().is_loopback() {
            true => Listen::default(),
            false => Listen {
                tls: Some(keys.tls(http, &["http/1.1"])?),
                auth: keys.auth.clone(),
            },
        };
        for (key, websocket, secure) in LISTENERS {
            if settings.given(key).is_none() {
                continue;
            }
            let address = listen(settings, key, moves && *key == "mqtt", &mut moved)?;
            let secure = *secure || !address.ip().is_loopback();
            let protocols: &[&str] = if *websocket { &["http/1.1"] } else { &["mqtt"] };
            let tls = if secure {
                Some(keys.tls(address, protocols)?)
            } else {
                None
            };
            node.mqtt.push(MqttListener {
                address,
                websocket: *websocket,
                tls,
            });
        }
        let ca = guard
            .tls
            .as_ref()
            .map(|_| data.join(gemelli_auth::FOLDER).join("ca.pem"));
        Ok(Self {
            node,
            http,
            guard,
            ca,
            moved,
        })
    }
}

/// Certificates and tokens of a data folder, where `gemelli auth init` made them.
struct Keys {
    data: PathBuf,
    auth: Option<Arc<Access>>,
}

impl Keys {
    fn of(data: &Path, issuers: Vec<IssuerOptions>) -> Result<Self, Failure> {
        let auth = match Tokens::exists(data) {
            true => Some(Arc::new(Access::open(data, issuers).map_err(auth::failed)?)),
            false => None,
        };
        Ok(Self {
            data: data.into(),
            auth,
        })
    }

    /// TLS for an address; without certificates nothing is served there.
    fn tls(
        &mut self,
        address: SocketAddr,
        protocols: &[&str],
    ) -> Result<Arc<ServerConfig>, Failure> {
        if self.auth.is_none() {
            let message = match address.ip().is_loopback() {
                true => format!(
                    "TLS on {address} needs a certificate, and there is none in {}",
                    self.data.display()
                ),
                false => format!(
                    "{address} is not a loopback address, and there is no authentication in {}",
                    self.data.display()
                ),
            };
            let remedy = "run `gemelli auth init` first, or listen on 127.0.0.1 without TLS";
            return Err(Failure::new(Exit::Failed, "unauthorized", message, remedy));
        }
        gemelli_auth::server_config(&self.data, protocols).map_err(auth::failed)
    }
}

/// Keys of MQTT listeners: whether over WebSocket, whether with TLS.
const LISTENERS: &[(&str, bool, bool)] = &[
    ("mqtt", false, false),
    ("mqtt-tls", false, true),
    ("mqtt-ws", true, false),
    ("mqtt-wss", true, true),
];

/// A running node with HTTP, and the context that names it.
pub struct Server {
    runtime: Runtime,
    running: Running,
    http: JoinHandle<()>,
    stop: watch::Sender<bool>,
    context: Context,
    file: Option<PathBuf>,
}

impl Server {
    /// Starts everything; the context is written when all of it listens.
    pub fn start(mut plan: Plan) -> Result<Self, Failure> {
        let failed = |what: &str, error: io::Error| {
            Failure::new(
                Exit::Failed,
                "io-failed",
                format!("{what}: {error}"),
                "check the system's limits",
            )
        };
        fs::create_dir_all(&plan.node.data).map_err(|error| {
            let message = format!(
                "cannot make the data folder {}: {error}",
                plan.node.data.display()
            );
            Failure::new(
                Exit::Failed,
                "io-failed",
                message,
                "choose another with --data, or correct its owner",
            )
        })?;
        let data = fs::canonicalize(&plan.node.data).map_err(|error| {
            failed(
                &format!("the data folder {} of --data", plan.node.data.display()),
                error,
            )
        })?;
        plan.node.data.clone_from(&data);
        let scheme = if plan.guard.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let ca = plan.ca.clone();
        let runtime = Runtime::new().map_err(|error| failed("cannot start threads", error))?;
        let started = runtime.block_on(async {
            let listener = TcpListener::bind(plan.http)
                .await
                .map_err(|error| unable(plan.http, "--http", &error))?;
            let local = listener
                .local_addr()
                .map_err(|error| failed("the HTTP socket", error))?;
            let running = Node::start(plan.node).await.map_err(refused)?;
            let (stop, stopped) = watch::channel(false);
            let app = App::new(
                running.node().clone(),
                vec![format!("{scheme}://{}", reachable(local))],
            );
            let http = tokio::spawn(serve(app, listener, plan.guard, stopped));
            Ok::<_, Failure>((running, http, stop, local))
        });
        let (running, http, stop, local) = started?;
        let mqtt = running
            .node()
            .mqtt()
            .first()
            .map(|address| reachable(*address).to_string());
        let context = Context {
            server: format!("{scheme}://{}", reachable(local)),
            mqtt: mqtt.unwrap_or_default(),
            pid: std::process::id(),
            data,
            ca: ca.map(|file| fs::canonicalize(&file).unwrap_or(file)),
        };
        let file = Context::path();
        if let Some(file) = &file
            && let Err(error) = context.write(file)
        {
            output::say(&format!(
                "note: commands need --server {}, because {} cannot be written: {error}",
                context.server,
                file.display()
            ));
        }
        Ok(Self {
            runtime,
            running,
            http,
            stop,
            context,
            file,
        })
    }

    /// Addresses and data folder.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Waits until the program is asked to stop.
    pub fn wait(&self) {
        self.runtime.block_on(signal::asked_to_stop());
    }

    /// Stops in order: the context goes first, then HTTP, then the node, which closes its log.
    pub fn stop(self) {
        if let Some(file) = &self.file
            && let Err(error) = self.context.remove(file)
        {
            output::say(&format!(
                "note: {} could not be removed: {error}",
                file.display()
            ));
        }
        let Self {
            runtime,
            running,
            http,
            stop,
            ..
        } = self;
        runtime.block_on(async {
            stop.send_replace(true);
            running.stop().await;
            // A server that ended by a fault has said so in the log.
            let _ = http.await;
        });
    }
}

async fn serve(app: App, listener: TcpListener, guard: Listen, mut stopped: watch::Receiver<bool>) {
    let stop = async move {
        // The sender lives as long as the server.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    if let Err(error) = gemelli_api::serve(app, listener, guard, stop).await {
        tracing::error!(%error, "the HTTP listener ended");
    }
}

/// The address by which this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(_) => SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), address.port()),
    }
}

fn refused(error: StartError) -> Failure {
    if let StartError::Listen { address, source } = &error {
        return unable(*address, "--mqtt", source);
    }
    let exit = if error.code() == "folder-locked" {
        Exit::Conflict
    } else {
        Exit::Failed
    };
    Failure::new(exit, error.code(), error.to_string(), error.remedy())
}

fn unable(address: SocketAddr, flag: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AddrInUse => port::taken(address, flag),
        _ => {
            let remedy = format!("name an address of this machine with {flag}");
            Failure::new(
                Exit::Failed,
                "bad-options",
                format!("cannot listen on {address}: {error}"),
                remedy,
            )
        }
    }
}

/// The address of a key: moved to the next free port if it is a default and may move.
fn listen(
    settings: &Settings,
    key: &'static str,
    moves: bool,
    moved: &mut Vec<(&'static str, String)>,
) -> Result<SocketAddr, Failure> {
    let text = settings.text(key);
    let address: SocketAddr = text
        .replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| {
            let remedy = format!(
                "write ADDRESS:PORT, for example 127.0.0.1:8080 ({})",
                settings.origin(key)
            );
            Failure::usage(
                "bad-options",
                format!("`{text}` is no address for {key}"),
                remedy,
            )
        })?;
    let may_move = moves && settings.origin(key) == Origin::Default;
    let free = port::free(address, may_move, &format!("--{key}"))?;
    if free.port() != address.port() {
        moved.push((key, format!("{address} is taken{}", held(address))));
    }
    Ok(free)
}

fn held(address: SocketAddr) -> String {
    port::holder(address.port())
        .map(|holder| format!(" by {holder}"))
        .unwrap_or_default()
}

/// The issuers of tokens that count beside our own.
fn issuers(settings: &Settings) -> Result<Vec<IssuerOptions>, Failure> {
    let Some(text) = settings.given("issuers") else {
        return Ok(Vec::new());
    };
    serde_json::from_str(text).map_err(|why| {
        let code = if why.to_string().starts_with("unknown field") {
            "unknown-key"
        } else {
            "bad-options"
        };
        let remedy = format!(
            "write a list of issuers with name, url, audience and roles, as docs/security.md shows ({})",
            settings.origin("issuers")
        );
        Failure::usage(code, format!("issuers: {why}"), remedy)
    })
}

fn durability(settings: &Settings) -> Result<Durability, Failure> {
    match settings.text("durability") {
        "synced" => Ok(Durability::Synced),
        "relaxed" => Ok(Durability::Relaxed),
        other => {
            let remedy = format!(
                "write synced or relaxed ({})",
                settings.origin("durability")
            );
            Err(Failure::usage(
                "bad-options",
                format!("there is no durability `{other}`"),
                remedy,
            ))
        }
    }
}

fn milliseconds(settings: &Settings, key: &str) -> Result<u64, Failure> {
    let text = settings.text(key);
    text.parse().map_err(|_| {
        let remedy = format!("write a number, for example 100 ({})", settings.origin(key));
        let what = format!("`{text}` is no number of milliseconds");
        Failure::usage("bad-options", what, remedy)
    })
}

/// A size such as 512MiB.
fn bytes(settings: &Settings, key: &str) -> Result<u64, Failure> {
    let text = settings.text(key);
    size(text).ok_or_else(|| {
        let remedy = format!(
            "write a number with KiB, MiB or GiB, for example 512MiB ({})",
            settings.origin(key)
        );
        Failure::usage("bad-options", format!("`{text}` is no size"), remedy)
    })
}

fn size(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let shift = match unit.trim() {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        let cases = [
            ("4GiB", Some(4 << 30)),
            ("512 MiB", Some(512 << 20)),
            ("7", Some(7)),
            ("x", None),
            ("1GB", None),
            ("99999999999GiB", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(size(text), wanted, "{text}");
        }
    }
}
