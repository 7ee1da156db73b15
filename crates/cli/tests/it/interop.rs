//! Clients that we did not write, against the real program: paho-mqtt, mqtt.js, mosquitto_pub and
//! mosquitto_sub, by MQTT 3.1.1 and 5, plain, over TLS and over WebSocket.

use super::fixture::{Home, Ran, Server, root, wait};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Whether a program can be run.
pub fn on_path(program: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// The folder that the program was built in.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_gemelli"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

/// A server with all listeners, and what its clients need to trust it.
struct Secure {
    server: Server,
    tls: u16,
    ws: u16,
    wss: u16,
    ca: String,
    token: String,
}

impl Secure {
    fn start() -> Self {
        let home = Home::new();
        let data = home.path.join("data");
        let ran = home.run(&[
            "auth",
            "init",
            "--data",
            data.to_str().unwrap(),
            "-o",
            "json",
        ]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let made: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let text = |name: &str| {
            made[name]
                .as_str()
                .unwrap()
                .replace('~', home.path.to_str().unwrap())
        };
        let (ca, token) = (text("ca"), text("token"));
        let free = "127.0.0.1:0";
        let server = Server::start_in(
            home,
            &["--mqtt-tls", free, "--mqtt-ws", free, "--mqtt-wss", free],
        );
        let status: serde_json::Value =
            serde_json::from_str(&server.ok(&["version", "-o", "json"])).unwrap();
        let listeners = &status[1]["status"]["addresses"]["mqtt"];
        // In the order of the flags: plain, TLS, WebSocket, WebSocket with TLS.
        let port = |at: usize| {
            let address = listeners[at]
                .as_str()
                .unwrap_or_else(|| panic!("no listener {at} in {status}"));
            address.rsplit(':').next().unwrap().parse().unwrap()
        };
        Self {
            tls: port(1),
            ws: port(2),
            wss: port(3),
            server,
            ca,
            token,
        }
    }
}

/// A suite in another language went through.
pub fn suite(name: &str, what: &str, ran: Ran) {
    assert!(
        ran.code == 0 && !ran.out.contains("FAIL") && ran.out.contains("ok "),
        "{name} {what}\n{}{}",
        ran.out,
        ran.err
    );
}

#[test]
fn paho_mqtt() {
    let python = target().join("venv/bin/python");
    let found = Command::new(&python)
        .args(["-c", "import paho.mqtt"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: paho-mqtt: it is not in target/venv");
        return;
    }
    let secure = Secure::start();
    let script = root().join("crates/cli/tests/interop/paho_suite.py");
    let (plain, ca, token) = (
        secure.server.mqtt_port(),
        secure.ca.as_str(),
        secure.token.as_str(),
    );
    for version in ["3", "5"] {
        for (transport, port, trust) in [
            ("tcp", plain.to_owned(), false),
            ("websockets", secure.ws.to_string(), false),
            ("tcp+tls", secure.tls.to_string(), true),
            ("websockets+tls", secure.wss.to_string(), true),
        ] {
            let mut command = Command::new(&python);
            command.arg(&script).args([&port, version, transport]);
            if trust {
                command.args([ca, token]);
            }
            secure.server.home.settle(&mut command);
            suite(
                "paho",
                &format!("{version} {transport}"),
                secure.server.home.finish(command),
            );
        }
    }
}

#[test]
fn mqtt_js() {
    let modules = root().join("ui/node_modules");
    if !on_path("node") || !modules.join("mqtt/package.json").exists() {
        println!("skipped: mqtt.js: it is not in ui/node_modules, or node is missing");
        return;
    }
    let secure = Secure::start();
    let script = root().join("crates/cli/tests/interop/mqttjs_suite.mjs");
    for version in ["3", "5"] {
        for (url, trust) in [
            (format!("mqtt://{}", secure.server.mqtt), false),
            (format!("ws://127.0.0.1:{}/mqtt", secure.ws), false),
            (format!("mqtts://127.0.0.1:{}", secure.tls), true),
            (format!("wss://127.0.0.1:{}/mqtt", secure.wss), true),
        ] {
            let mut command = Command::new("node");
            command
                .arg(&script)
                .arg(&modules)
                .args([url.as_str(), version]);
            if trust {
                command.args([&secure.ca, &secure.token]);
            }
            secure.server.home.settle(&mut command);
            suite(
                "mqtt.js",
                &format!("{version} {url}"),
                secure.server.home.finish(command),
            );
        }
    }
}

/// mosquitto_sub in the background, its lines in a file.
struct Subscriber {
    child: Child,
    out: PathBuf,
}

impl Subscriber {
    fn start(home: &Home, name: &str, args: &[&str]) -> Self {
        let out = home.path.join(name);
        // Line by line even into a file, so that its SUBACK is seen when it comes.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "mosquitto_sub"]);
        home.settle(&mut command);
        let file = fs::File::create(&out).unwrap();
        let child = command
            .args(args)
            .args(["-d", "-W", "60"])
            .stdout(file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let subscriber = Self { child, out };
        subscriber.sees("SUBACK");
        subscriber
    }

    fn sees(&self, text: &str) {
        wait(&format!("{text} in {}", self.out.display()), || {
            fs::read_to_string(&self.out)
                .ok()?
                .contains(text)
                .then_some(())
        });
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn mosquitto_clients() {
    if ["mosquitto_pub", "mosquitto_sub", "stdbuf"]
        .iter()
        .any(|program| !on_path(program))
    {
        println!("skipped: mosquitto: mosquitto_pub and mosquitto_sub are not installed");
        return;
    }
    let secure = Secure::start();
    let home = &secure.server.home;
    let publish = |args: &[&str]| {
        let mut command = Command::new("mosquitto_pub");
        home.settle(&mut command);
        command.args(args);
        let ran = home.finish(command);
        assert_eq!(ran.code, 0, "mosquitto_pub {args:?}\n{}", ran.err);
    };
    let (plain, tls) = (secure.server.mqtt_port().to_owned(), secure.tls.to_string());
    let ca = secure.ca.as_str();
    for version in ["mqttv311", "mqttv5"] {
        for (kind, port) in [("plain", &plain), ("tls", &tls)] {
            let mut base = vec!["-V", version, "-h", "localhost", "-p", port.as_str()];
            if kind == "tls" {
                base.extend(["--cafile", ca, "-u", "token", "-P", &secure.token]);
            }
            let with = |more: &[&'static str], topic: &str| {
                let mut args: Vec<String> = base.iter().map(|arg| (*arg).to_owned()).collect();
                args.extend(["-t".into(), format!("{version}/{kind}/{topic}")]);
                args.extend(more.iter().map(|arg| (*arg).to_owned()));
                args
            };
            let call =
                |args: &[String]| publish(&args.iter().map(String::as_str).collect::<Vec<_>>());
            for qos in ["0", "1", "2"] {
                let args = with(&["-q"], "q")
                    .into_iter()
                    .chain([qos.to_owned()])
                    .collect::<Vec<_>>();
                let subscriber = Subscriber::start(
                    home,
                    &format!("{version}-{kind}-{qos}"),
                    &args.iter().map(String::as_str).collect::<Vec<_>>(),
                );
                call(
                    &args
                        .iter()
                        .cloned()
                        .chain(["-m".into(), format!("hello-{qos}")])
                        .collect::<Vec<_>>(),
                );
                subscriber.sees(&format!("hello-{qos}"));
            }
            call(&with(&["-q", "1", "-r", "-m", "kept"], "retained"));
            let late = with(&[], "retained");
            Subscriber::start(
                home,
                &format!("{version}-{kind}-late"),
                &late.iter().map(String::as_str).collect::<Vec<_>>(),
            )
            .sees("kept");
        }
    }
}
