//! A node with its HTTP server in a temporary folder, and a plain HTTP client.

use gemelli_api::{App, Listen, serve};
use gemelli_node::{MqttListener, Node, Options, Running};
use serde_json::Value as Json;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// No wait in these tests is longer.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A folder that goes with its owner.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("gemelli-api-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A node that serves HTTP and MQTT on free ports.
pub struct Server {
    pub running: Option<Running>,
    pub http: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Server {
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(options(folder)).await
    }

    pub async fn start_with(options: Options) -> Self {
        let running = Node::start(options).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        let app = App::new(running.node().clone(), vec![format!("http://{http}")]);
        let mut stopping = running.node().stopping();
        let stop = async move { drop(stopping.wait_for(|s| *s).await) };
        let serving =
            tokio::spawn(
                async move { serve(app, listener, Listen::default(), stop).await.unwrap() },
            );
        Self {
            running: Some(running),
            http,
            serving,
        }
    }

    pub fn node(&self) -> &Node {
        self.running.as_ref().unwrap().node()
    }

    /// In good order.
    pub async fn stop(mut self) {
        let running = self.running.take().unwrap();
        tokio::time::timeout(LIMIT, running.stop()).await.unwrap();
        tokio::time::timeout(LIMIT, &mut self.serving)
            .await
            .unwrap()
            .unwrap();
    }

    /// As a crash would: nothing is finished. (The process stays; what is in the page cache does too.)
    pub async fn kill(mut self) {
        let running = self.running.take().unwrap();
        tokio::task::spawn_blocking(move || drop(running))
            .await
            .unwrap();
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let host = self.http.to_string();
        let mut all = vec![("host", host.as_str())];
        all.extend(headers.iter().copied());
        self.raw(method, path, &all, body).await
    }

    /// With exactly these headers.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        request(self.http, method, path, headers, body).await
    }

    pub async fn apply(&self, yaml: &str) -> Json {
        self.send(
            "POST",
            "/v1/apply",
            &[("content-type", "application/yaml")],
            yaml,
        )
        .await
        .expect(200)
        .json()
    }

    /// Opens a stream and reads its events until `enough`.
    pub async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut text = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n", self.http);
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        let mut socket = TcpStream::connect(self.http).await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        Events {
            socket,
            text: String::new(),
        }
    }
}

/// One request with exactly these headers.
pub async fn request(
    http: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    let answer = tokio::time::timeout(LIMIT, async {
        let mut socket = TcpStream::connect(http).await.unwrap();
        // A refusal may come, and the connection close, before the whole body was sent.
        let _ = socket.write_all(text.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        answer
    });
    parse(&answer.await.expect("an answer in time"))
}

/// The events of a stream.
pub struct Events {
    socket: TcpStream,
    text: String,
}

/// One event: its id, its name, its data.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: Option<u64>,
    pub name: String,
    pub data: Json,
}

impl Events {
    /// The next one; comments are passed over.
    pub async fn next(&mut self) -> Event {
        tokio::time::timeout(LIMIT, self.read())
            .await
            .expect("an event in time")
    }

    async fn read(&mut self) -> Event {
        loop {
            if let Some(event) = self.take() {
                return event;
            }
            let mut buffer = [0; 4096];
            let n = self.socket.read(&mut buffer).await.unwrap();
            assert!(n > 0, "the stream ended: {}", self.text);
            self.text
                .push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        }
    }

    /// Chunk sizes and heads are lines of their own that no event begins with.
    fn take(&mut self) -> Option<Event> {
        let lines: Vec<_> = self
            .text
            .split('\n')
            .map(|l| l.trim_end_matches('\r'))
            .collect();
        let start = lines.iter().position(|l| {
            ["id: ", "event: ", "data: "]
                .iter()
                .any(|f| l.starts_with(f))
        })?;
        // What stands behind the last line's end may be the beginning of a line that is not here yet.
        let whole = &lines[..lines.len() - 1];
        let end = start + whole.get(start..)?.iter().position(|l| l.is_empty())?;
        let mut event = Event {
            id: None,
            name: "message".into(),
            data: Json::Null,
        };
        for line in &lines[start..end] {
            if let Some(id) = line.strip_prefix("id: ") {
                event.id = id.parse().ok();
            } else if let Some(name) = line.strip_prefix("event: ") {
                event.name = name.into();
            } else if let Some(data) = line.strip_prefix("data: ") {
                event.data = serde_json::from_str(data).unwrap_or_else(|e| panic!("{e}: {data}"));
            }
        }
        self.text = lines[end + 1..].join("\n");
        Some(event)
    }
}

fn parse(answer: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(answer).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers: Vec<_> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let chunked = headers
        .iter()
        .any(|(n, v)| n == "transfer-encoding" && v == "chunked");
    let body = if chunked {
        unchunk(body)
    } else {
        body.to_owned()
    };
    Answer {
        status,
        headers,
        body,
    }
}

fn unchunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        out.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    out
}

/// Small files, one MQTT listener.
pub fn options(folder: &Path) -> Options {
    let mut options = Options::new(folder);
    options.store.segment_bytes = 4 << 20;
    options.mqtt.push(MqttListener {
        address: "127.0.0.1:0".parse().unwrap(),
        websocket: false,
        tls: None,
    });
    options
}

/// A room with a derived value, and two twins.
pub const ROOMS: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: room }
spec:
  properties:
    - { name: temperature, schema: double }
    - { name: humidity, schema: double }
    - { name: note, schema: string }
    - { name: warm, schema: boolean, derived: { expression: temperature >= 19 } }
  relationships:
    - { name: beside, target: room }
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: { name: kitchen }
spec: { interface: room, relationships: [ { name: beside, target: office } ] }
---
apiVersion: gemelli.dev/v1
kind: Twin
metadata: { name: office }
spec: { interface: room, properties: { temperature: 18.5 } }
";
