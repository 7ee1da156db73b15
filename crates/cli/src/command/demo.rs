//! `gemelli demo`: a city that lives on this machine.
//!
//! The same server as `up`, the same files as `gemelli apply -f examples/city`, and the simulator as
//! a process of its own that knows nothing but the MQTT address.

use crate::{
    args::given,
    failure::{Exit, Failure},
    log, output,
    server::{Plan, Server},
    settings::{Origin, Settings},
};
use gemelli_client::{Client, Options};
use gemelli_load::{
    check, city,
    device::{self, Notice},
    simulate,
    workload::{self, Workload},
};
use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

/// Run a city with simulated devices that speak real MQTT
///
/// Without --check it runs until Ctrl-C, in a temporary folder unless --data names one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which demo
    #[arg(value_name = "NAME", default_value = "city", value_parser = ["city"])]
    name: String,
    /// Neighbourhoods, each with 593 twins
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=999))]
    neighborhoods: u16,
    /// Simulated seconds per second, or max [default: 60; with --check max]
    #[arg(long, value_name = "TIMES")]
    speed: Option<String>,
    /// Simulated days [default: until Ctrl-C; with --check 1]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    days: Option<u32>,
    /// varied (crosses every threshold), or ktwin (the constants of its paper)
    #[arg(long, default_value = "varied", value_parser = ["varied", "ktwin"])]
    payload: String,
    /// What varied values depend on
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// What the devices speak
    #[arg(long, value_name = "VERSION", default_value = "5", value_parser = ["5", "3.1.1"])]
    protocol: String,
    /// Run to the end, then compare every event and every derived value; exit code 1 on any difference
    #[arg(long)]
    check: bool,
    /// With --check: kill the server so many times with SIGKILL, events in flight
    #[arg(long, value_name = "COUNT", requires = "check", default_value_t = 0)]
    kill: u32,
    /// With --check: commit a fault that the check must find
    #[arg(long, value_name = "FAULT", requires = "check", hide = true, value_parser = ["drop", "double", "breakpoint"])]
    plant: Option<String>,
    /// Keep everything in this folder
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    data: Option<String>,
    /// Address of the HTTP API
    #[arg(long, value_name = "ADDRESS:PORT")]
    http: Option<String>,
    /// Address of the MQTT listener
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt: Option<String>,
    /// Do not open the browser
    #[arg(long)]
    no_open: bool,
}

/// Days of a demo without an end.
const ENDLESS: u32 = 3_650;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Where a folder that is kept notes the day on which the next run begins.
const NEXT_DAY: &str = "demo-day";

impl Args {
    /// The flags that were given, by the names of their keys.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        given([
            ("data", &self.data),
            ("http", &self.http),
            ("mqtt", &self.mqtt),
        ])
    }

    fn plan(&self, days: u32, first_day: u32) -> workload::Plan {
        let style = simulate::style(&self.payload).unwrap_or_default();
        workload::Plan {
            neighborhoods: self.neighborhoods,
            days,
            first_day,
            seed: self.seed,
            style,
            ..workload::Plan::default()
        }
    }

    fn devices(&self, address: SocketAddr, speed: &str) -> Result<device::Options, Failure> {
        let speed = simulate::speed(speed).ok_or_else(|| {
            let remedy = "write simulated seconds per second, for example 60, or max";
            Failure::usage("bad-options", format!("`{speed}` is no speed"), remedy)
        })?;
        let protocol = simulate::protocol(&self.protocol).unwrap_or_default();
        Ok(device::Options {
            speed,
            protocol,
            ..device::Options::new(address)
        })
    }
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    if args.check {
        check(&args, settings)
    } else {
        live(&args, settings)
    }
}

/// Runs whole days against a server of its own and compares everything.
fn check(args: &Args, settings: &Settings) -> Result<(), Failure> {
    let folder = Folder::of(settings);
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let devices = args.devices(address, args.speed.as_deref().unwrap_or("max"))?;
    let options = check::Options {
        program: env::current_exe()?,
        folder: folder.path.clone(),
        plan: args.plan(args.days.unwrap_or(1), 0),
        speed: devices.speed,
        protocol: devices.protocol,
        kills: args.kill,
        plant: args.plant.as_deref().and_then(|fault| fault.parse().ok()),
    };
    let outcome = check::run(&options, output::say);
    let outcome = outcome.map_err(|error| {
        let remedy = "look at server.log in the folder, kept with --data";
        Failure::new(Exit::Failed, "check-failed", error.to_string(), remedy)
    })?;
    output::write(&format!("{outcome}\n"))?;
    match outcome.good() {
        true => Ok(()),
        false => Err(Failure::silent(Exit::Failed)),
    }
}

/// The folder of a run; a temporary one goes with it.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn of(settings: &Settings) -> Self {
        match settings.origin("data") {
            Origin::Default => Self {
                path: env::temp_dir().join(format!("gemelli-demo-{}", std::process::id())),
                temporary: true,
            },
            _ => Self {
                path: settings.text("data").into(),
                temporary: false,
            },
        }
    }

    /// The day on which this run begins: after those that the folder holds.
    fn first_day(&self) -> u32 {
        fs::read_to_string(self.path.join(NEXT_DAY))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            output::say(&format!(
                "note: {} could not be removed: {error}",
                self.path.display()
            ));
        }
    }
}

/// Until Ctrl-C.
fn live(args: &Args, settings: &Settings) -> Result<(), Failure> {
    let folder = Folder::of(settings);
    let speed = args.speed.as_deref().unwrap_or("60");
    let workload = args.plan(args.days.unwrap_or(ENDLESS), folder.first_day());
    // Checked before anything is started.
    args.devices(SocketAddr::from(([127, 0, 0, 1], 1)), speed)?;
    log::start(&folder.path, settings.text("log-level"), false)?;
    let plan = Plan::of(settings, &folder.path, true)?;
    let moved = plan.moved.clone();
    let server = Server::start(plan)?;
    let done = play(args, &server, &folder, &workload, speed, &moved);
    server.stop();
    done
}

fn play(
    args: &Args,
    server: &Server,
    folder: &Folder,
    plan: &workload::Plan,
    speed: &str,
    moved: &[(&'static str, String)],
) -> Result<(), Failure> {
    let context = server.context();
    let client = Client::new(&Options::of(&context.server))?;
    let workload = Workload::new(plan.clone());
    let why = |key: &str| {
        moved
            .iter()
            .find(|(found, _)| *found == key)
            .map(|(_, why)| format!(" ({why})"))
            .unwrap_or_default()
    };
    let keeps = if folder.temporary {
        " (removed at the end; --data DIR keeps it)"
    } else {
        ""
    };
    output::write(&format!(
        "A city of {} twins: {} devices report by MQTT, {speed} simulated seconds a second\n  \
         page  {}{}\n  mqtt  {}{}\n  data  {}{keeps}\n  \
         try   gemelli get twins --interface ngsi-ld-city-neighborhood\n        \
         gemelli describe twin {}\n        gemelli watch --interface ngsi-ld-city-device\n  stop  Ctrl-C\n",
        1 + usize::from(args.neighborhoods) * city::TWINS,
        workload.devices().len(),
        context.server,
        why("http"),
        context.mqtt,
        why("mqtt"),
        context.data.display(),
        city::neighborhood(1),
    ))?;
    if !args.no_open {
        open_browser(&context.server);
    }
    // After the talk: thousands of twins take a moment.
    let mut manifests = city::interfaces();
    manifests.extend(city::twins(args.neighborhoods));
    client.apply(&manifests, false)?;
    let address = context.mqtt.parse().map_err(|_| {
        Failure::new(
            Exit::Failed,
            "bad-options",
            "the devices need an MQTT address",
            "name one with --mqtt",
        )
    })?;
    let words = simulate::words(plan, &args.devices(address, speed)?);
    let mut devices = Devices::start(&words)?;
    server.wait();
    devices.stop();
    if !folder.temporary {
        let time_ms = devices.time_ms.load(Ordering::Relaxed).max(plan.start_ms);
        let next = (time_ms - plan.start_ms) / DAY_MS + 1;
        fs::write(folder.path.join(NEXT_DAY), format!("{next}\n"))?;
    }
    Ok(())
}

/// The process of the devices.
struct Devices {
    child: Child,
    /// The simulated moment that they have reached, milliseconds since 1970.
    time_ms: Arc<AtomicI64>,
}

impl Devices {
    fn start(words: &[String]) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(
                Exit::Failed,
                "io-failed",
                format!("the devices' process does not start: {error}"),
                "check the system's limits",
            )
        };
        let program = env::current_exe().map_err(failed)?;
        let mut child = Command::new(program)
            .arg("simulate")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let time_ms = Arc::new(AtomicI64::new(i64::MIN));
        if let Some(out) = child.stdout.take() {
            let time_ms = time_ms.clone();
            thread::spawn(move || {
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    match serde_json::from_str(&line) {
                        Ok(Notice::Progress { time_ms: now, .. }) => {
                            time_ms.store(now, Ordering::Relaxed)
                        }
                        Ok(Notice::Done(_)) => {
                            output::say("the simulated time is over; the city stays until Ctrl-C")
                        }
                        Ok(Notice::Failed { reason }) => {
                            output::say(&format!("the devices stopped: {reason}"))
                        }
                        _ => {}
                    }
                }
            });
        }
        Ok(Self { child, time_ms })
    }

    /// Ends them: the end of their input is their sign.
    fn stop(&mut self) {
        if let Some(mut input) = self.child.stdin.take() {
            // They may be gone already.
            let _ = input.flush();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Opens the page where a person sits: on a terminal with a display, not over SSH, not in CI.
fn open_browser(page: &str) {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let remote = set("SSH_CONNECTION") || set("SSH_TTY") || set("CI");
    let display = cfg!(not(target_os = "linux")) || set("DISPLAY") || set("WAYLAND_DISPLAY");
    if remote || !display || !output::watched() {
        return;
    }
    let program = if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    };
    // Without a browser the printed address does.
    let _ = Command::new(program)
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
