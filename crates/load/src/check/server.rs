//! The server under check: a process that can be killed and started again on the same data.

use super::Error;
use gemelli_client::{Client, Options};
use std::{
    fs::OpenOptions,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Longest time until a started server answers.
pub const START_LIMIT: Duration = Duration::from_secs(30);
/// Longest time for a server to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Time between two questions whether it answers.
const ASK_EVERY: Duration = Duration::from_millis(5);
/// Bytes of its log that an error shows.
const LOG_TAIL: usize = 600;

/// A server on free loopback ports.
#[derive(Debug)]
pub struct Server {
    program: PathBuf,
    folder: PathBuf,
    http: SocketAddr,
    mqtt: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts `program up` with its data, log and context below `folder` and waits until it answers.
    pub fn start(program: &Path, folder: &Path) -> Result<Self, Error> {
        let (http, mqtt) = free_ports().map_err(Error::io("no free ports"))?;
        let child = spawn(program, folder, http, mqtt)?;
        let mut server = Self {
            program: program.into(),
            folder: folder.into(),
            http,
            mqtt,
            child,
        };
        server.wait()?;
        Ok(server)
    }

    /// Its HTTP address.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Its MQTT listener.
    pub fn mqtt(&self) -> SocketAddr {
        self.mqtt
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client with connections of its own.
    pub fn client(&self) -> Result<Client, Error> {
        Client::new(&Options::of(self.url())).map_err(Error::http("making a client"))
    }

    /// SIGKILL, then a start on the same data; how long the start took until it answered.
    pub fn kill_and_restart(&mut self) -> Result<Duration, Error> {
        self.child.kill().map_err(Error::io("killing the server"))?;
        self.child.wait().map_err(Error::io("killing the server"))?;
        let begin = Instant::now();
        self.child = spawn(&self.program, &self.folder, self.http, self.mqtt)?;
        self.wait()?;
        Ok(begin.elapsed())
    }

    /// Asks it to end, and makes it end if it does not.
    pub fn stop(&mut self) {
        crate::process::ask_to_end(self.child.id());
        let limit = Instant::now() + STOP_LIMIT;
        while Instant::now() < limit {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(ASK_EVERY),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait(&mut self) -> Result<(), Error> {
        let client = self.client()?;
        let limit = Instant::now() + START_LIMIT;
        while Instant::now() < limit {
            if client.healthy() {
                return Ok(());
            }
            if let Ok(Some(_)) = self.child.try_wait() {
                break;
            }
            std::thread::sleep(ASK_EVERY);
        }
        Err(Error::NotHealthy { log: self.log() })
    }

    fn log(&self) -> String {
        let text = std::fs::read(log_file(&self.folder)).unwrap_or_default();
        let tail = text
            .get(text.len().saturating_sub(LOG_TAIL)..)
            .unwrap_or_default();
        String::from_utf8_lossy(tail).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn spawn(
    program: &Path,
    folder: &Path,
    http: SocketAddr,
    mqtt: SocketAddr,
) -> Result<Child, Error> {
    let file = log_file(folder);
    let log = OpenOptions::new().create(true).append(true).open(&file);
    let log = log.map_err(Error::io(format!("{}", file.display())))?;
    let mut command = Command::new(program);
    command.arg("up").arg("--data").arg(folder.join("data"));
    command.args([
        "--http",
        &http.to_string(),
        "--mqtt",
        &mqtt.to_string(),
        "--log-level",
        "warn",
    ]);
    // The user's own context must go on naming the user's own server.
    command.env("XDG_STATE_HOME", folder.join("state"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().map_err(Error::io("starting the server"))
}

/// Two ports that are free now: both are held until both are known.
fn free_ports() -> std::io::Result<(SocketAddr, SocketAddr)> {
    let (first, second) = (
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    );
    Ok((first.local_addr()?, second.local_addr()?))
}
