//! A home folder of its own for each test, and servers on free ports that end with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for anything that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// An empty home folder, removed at the end.
pub struct Home {
    pub path: PathBuf,
}

impl Home {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "gemelli-it-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    /// Writes a file and gives its path as text.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The program with this home and nothing else of the caller's settings.
    pub fn gemelli(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gemelli"));
        command.args(args);
        self.settle(&mut command);
        command
    }

    /// Gives a command this home.
    pub fn settle(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GEMELLI_") {
                command.env_remove(name);
            }
        }
        command
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("COMPLETE");
        command
            .env("HOME", &self.path)
            .env("NO_COLOR", "1")
            .current_dir(root())
            .stdin(Stdio::null());
    }

    /// Runs the program to its end; the home's path is written `~` in what it said.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.finish(self.gemelli(args))
    }

    /// Runs a command to its end.
    pub fn finish(&self, mut command: Command) -> Ran {
        let output = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let text =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(self.path.to_str().unwrap(), "~");
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A server of the program, killed at the end if it did not stop by itself.
pub struct Server {
    pub home: Home,
    pub http: String,
    pub mqtt: String,
    child: Child,
}

impl Server {
    /// `gemelli up` on free ports, with more flags.
    pub fn start(flags: &[&str]) -> Self {
        Self::start_in(Home::new(), flags)
    }

    /// The same in a home that there is.
    pub fn start_in(home: Home, flags: &[&str]) -> Self {
        Self::start_at(home, "127.0.0.1:0", flags)
    }

    /// The same with HTTP and MQTT at this address.
    pub fn start_at(home: Home, free: &str, flags: &[&str]) -> Self {
        let data = home.path.join("data");
        let mut args = vec![
            "up",
            "--data",
            data.to_str().unwrap(),
            "--http",
            free,
            "--mqtt",
            free,
        ];
        args.extend(flags);
        Self::launch(home, &args)
    }

    /// `gemelli` with these arguments, which run a server in the foreground.
    pub fn launch(home: Home, args: &[&str]) -> Self {
        let log = fs::File::create(home.path.join("up.log")).unwrap();
        let mut command = home.gemelli(args);
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let context = home.path.join(".local/state/gemelli/context.json");
        let started = Instant::now();
        let context: serde_json::Value = loop {
            if let Ok(text) = fs::read(&context)
                && let Ok(context) = serde_json::from_slice::<serde_json::Value>(&text)
                && context["pid"] == child.id()
            {
                break context;
            }
            let said = || fs::read_to_string(home.path.join("up.log")).unwrap_or_default();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended at once: {status}\n{}", said());
            }
            assert!(
                started.elapsed() < PATIENCE,
                "the server does not start:\n{}",
                said()
            );
            thread::sleep(Duration::from_millis(10));
        };
        let text = |name: &str| context[name].as_str().unwrap().to_owned();
        Self {
            http: text("server"),
            mqtt: text("mqtt"),
            home,
            child,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The port of the MQTT listener.
    pub fn mqtt_port(&self) -> &str {
        self.mqtt.rsplit(':').next().unwrap()
    }

    /// Runs the program beside the server.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.home.run(args)
    }

    /// Runs the program and wants it to succeed; its output.
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(
            ran.code,
            0,
            "gemelli {}\n{}{}",
            args.join(" "),
            ran.out,
            ran.err
        );
        ran.out
    }

    /// Asks it to stop as Ctrl-C does, and waits until it has.
    pub fn stop(mut self) -> (Home, i32) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        let started = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code().unwrap_or(-1);
            }
            assert!(started.elapsed() < PATIENCE, "the server does not stop");
            thread::sleep(Duration::from_millis(10));
        };
        let home = Home {
            path: std::mem::take(&mut self.home.path),
        };
        (home, code)
    }

    /// Kills it without a word.
    pub fn kill(mut self) -> Home {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Home {
            path: std::mem::take(&mut self.home.path),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is there.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{what}: nothing after {PATIENCE:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}
