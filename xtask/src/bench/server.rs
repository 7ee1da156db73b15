//! The servers that are measured: started on free ports in temporary folders, watched from outside.

use crate::step::{self, Done, Failed};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running server and where it listens.
pub struct Server {
    child: Child,
    folder: PathBuf,
    /// Port of its MQTT listener.
    pub mqtt: u16,
    /// Port of its HTTP listener; 0 if it has none.
    pub http: u16,
}

/// What the kernel says a process used.
#[derive(Clone, Copy)]
pub struct Usage {
    /// Seconds of processor time.
    pub cpu_s: f64,
    /// Resident megabytes.
    pub rss_mb: f64,
}

fn free_port() -> Done<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn folder(name: &str) -> Done<PathBuf> {
    let folder = std::env::temp_dir().join(format!("gemelli-bench-{name}-{}", std::process::id()));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

impl Server {
    /// Gemelli, durable as it always is.
    pub fn gemelli() -> Done<Self> {
        let (folder, mqtt, http) = (folder("gemelli")?, free_port()?, free_port()?);
        let child = Command::new(step::gemelli())
            .arg("up")
            .arg("--data")
            .arg(folder.join("data"))
            .args([
                "--http",
                &format!("127.0.0.1:{http}"),
                "--mqtt",
                &format!("127.0.0.1:{mqtt}"),
            ])
            .env("XDG_STATE_HOME", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Self {
            child,
            folder,
            mqtt,
            http,
        }
        .ready()
    }

    /// Mosquitto as it comes: no persistence, queues without limit so that it drops nothing.
    pub fn mosquitto() -> Done<Self> {
        let (folder, mqtt) = (folder("mosquitto")?, free_port()?);
        let config = folder.join("mosquitto.conf");
        fs::write(
            &config,
            format!(
                "listener {mqtt} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n\
                 max_inflight_messages 0\nmax_queued_messages 0\n"
            ),
        )?;
        let child = Command::new("mosquitto")
            .env("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| {
                Failed(format!(
                    "mosquitto: {e}; `apt-get install -y mosquitto` as root gets it"
                ))
            })?;
        Self {
            child,
            folder,
            mqtt,
            http: 0,
        }
        .ready()
    }

    fn ready(mut self) -> Done<Self> {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait()? {
                return Err(Failed(format!("the server ended at once: {status}")));
            }
            let up = |port| port == 0 || TcpStream::connect(("127.0.0.1", port)).is_ok();
            if up(self.mqtt) && up(self.http) {
                return Ok(self);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Failed("the server does not listen after 20 s".into()))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Processor time so far and memory now.
    pub fn usage(&self) -> Done<Usage> {
        let pid = self.child.id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let ticks: f64 = [11, 12]
            .iter()
            .filter_map(|at| fields.get(*at)?.parse::<f64>().ok())
            .sum();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kilobytes: f64 = status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .split(' ')
                    .next()?
                    .parse()
                    .ok()
            })
            .unwrap_or(f64::NAN);
        Ok(Usage {
            cpu_s: ticks / 100.0,
            rss_mb: kilobytes / 1024.0,
        })
    }

    /// Runs `gemelli` against this server and gives what it prints.
    pub fn gemelli_cli(&self, args: &[&str]) -> Done<String> {
        let output = Command::new(step::gemelli())
            .args(args)
            .env("GEMELLI_SERVER", format!("http://127.0.0.1:{}", self.http))
            .env("XDG_STATE_HOME", &self.folder)
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            return Err(Failed(format!(
                "gemelli {}: {}\n{}",
                args.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            )));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// How many rows of the whole history hold all of these texts, page by page as it comes.
    pub fn count_history(&self, with: &[&str]) -> Done<u64> {
        let (mut count, mut after) = (0, None);
        loop {
            let place = after.map_or(String::new(), |after: String| format!("&after={after}"));
            let (next, rows) = self.open(&format!("/v1/history?limit=50000{place}"))?;
            for row in rows.lines() {
                let row = row?;
                count += u64::from(with.iter().all(|text| row.contains(text)));
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(count),
            }
        }
    }

    /// The place of the next page, if there is one, and the body.
    fn open(&self, path: &str) -> Done<(Option<String>, BufReader<TcpStream>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http))?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\n\r\n",
            self.http
        )?;
        let mut reader = BufReader::new(stream);
        let (mut line, mut next) = (String::new(), None);
        while reader.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some(place) = line.strip_prefix("gemelli-next:") {
                next = Some(place.trim().to_owned());
            }
            line.clear();
        }
        Ok((next, reader))
    }

    /// Writes files into the server's own folder.
    pub fn file(&self, name: &str, text: &str) -> Done<String> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that is already gone needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
