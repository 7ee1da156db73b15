//! Runs a whole city against a server of its own and judges the result from outside.
//!
//! The server and the devices are processes of their own. Devices journal what they sent and what
//! was acknowledged; afterwards everything is read back over public HTTP: each report by its event
//! id, each derived value of each twin against [`crate::reference`]. On the way the server may be
//! killed, each time while reports are on their way. Any difference makes the outcome bad.

mod history;
mod outcome;
mod server;
mod values;

pub use outcome::{Difference, Kill, Outcome, Row};
pub use server::Server;

use crate::{
    chance::Chance,
    city,
    device::{self, Notice, Summary, journal},
    process, reference, simulate,
    workload::{Plan, Workload},
};
use serde_json::{Value as Json, json};
use std::{
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// Attempts to find reports on their way at the moment of one kill.
const ATTEMPTS: u32 = 50;
/// Differences that are kept for printing; the rest is only counted.
pub const DIFFERENCES: usize = 20;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `gemelli` program: `up` starts the server, `simulate` the devices.
    pub program: PathBuf,
    /// A folder for data, journal and logs; it must be empty or absent.
    pub folder: PathBuf,
    /// What the devices do.
    pub plan: Plan,
    /// How fast.
    pub speed: device::Speed,
    /// What they speak.
    pub protocol: device::Protocol,
    /// How often the server is killed.
    pub kills: u32,
    /// A fault to commit: the check must find it.
    pub plant: Option<Plant>,
}

/// A fault to commit, so that the check is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// An acknowledged report never reaches the server.
    Drop,
    /// A report reaches it twice.
    Double,
    /// The server's table has a wrong breakpoint.
    Breakpoint,
}

impl std::str::FromStr for Plant {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "drop" => Ok(Self::Drop),
            "double" => Ok(Self::Double),
            "breakpoint" => Ok(Self::Breakpoint),
            _ => Err(()),
        }
    }
}

/// Why a check came to no outcome.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A process or a file failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server did not become healthy; the end of its log is attached.
    #[error("the server did not answer within {} s; its log ends with: {log}", server::START_LIMIT.as_secs())]
    NotHealthy {
        /// The end of what it wrote.
        log: String,
    },
    /// The server refused something, or its answer cannot be read.
    #[error("{what}: {source}")]
    Http {
        /// What was asked for.
        what: String,
        /// The refusal.
        source: gemelli_client::Error,
    },
    /// An answer of the server is not what its API promises.
    #[error("{0}")]
    Answer(String),
    /// The devices gave up.
    #[error("the devices gave up: {0}")]
    Devices(String),
    /// The server could not be killed with reports on their way.
    #[error(
        "in {ATTEMPTS} attempts no report was on its way when the server was killed; use more neighbourhoods"
    )]
    NothingInFlight,
}

impl Error {
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    fn http(what: impl Into<String>) -> impl FnOnce(gemelli_client::Error) -> Self {
        let what = what.into();
        move |source| Self::Http { what, source }
    }
}

/// Runs the check; `say` hears one line per stage.
pub fn run(options: &Options, mut say: impl FnMut(&str)) -> Result<Outcome, Error> {
    let begin = Instant::now();
    std::fs::create_dir_all(&options.folder)
        .map_err(Error::io(format!("{}", options.folder.display())))?;
    let workload = Workload::new(options.plan.clone());
    let mut server = Server::start(&options.program, &options.folder)?;
    let twins = apply(&server, options)?;
    say(&format!(
        "server at {} with {twins} twins after {:.1} s",
        server.url(),
        begin.elapsed().as_secs_f64()
    ));

    let journal = options.folder.join("devices.journal");
    let mut devices = Devices::start(options, &server, journal.clone())?;
    let (summary, kills) = devices.play(&mut server, &workload, options.kills, &mut say)?;
    devices.end();
    let seconds = summary.elapsed_ms as f64 / 1e3;
    let cpu =
        |cpu: Option<Duration>| cpu.map_or("?".into(), |cpu| format!("{:.1}", cpu.as_secs_f64()));
    say(&format!(
        "devices sent {} reports in {seconds:.1} s (processor time: devices {} s, server {} s)",
        summary.sent,
        cpu(summary.cpu_ms.map(Duration::from_millis)),
        cpu(process::cpu(server.pid()))
    ));

    let marks = journal::read(&journal, workload.devices().len())
        .map_err(Error::io(format!("{}", journal.display())))?;
    let client = server.client()?;
    let mut outcome = Outcome {
        kills,
        ..Outcome::default()
    };
    history::read_back(&client, &workload, &marks, &mut outcome)?;
    say(&format!(
        "read {} rows of history after {:.1} s (processor time: check {} s, server {} s)",
        outcome.rows_read,
        begin.elapsed().as_secs_f64(),
        cpu(process::cpu(std::process::id())),
        cpu(process::cpu(server.pid()))
    ));
    let expected = reference::city(&workload);
    values::compare(&client, &expected, &mut outcome)?;
    outcome.told(&expected, &summary, &workload);
    outcome.refused(&summary);
    outcome.sent_as_planned(&workload);
    outcome.elapsed = begin.elapsed();
    outcome.device_seconds = seconds;
    server.stop();
    Ok(outcome)
}

/// Applies interfaces and twins; how many twins there are.
fn apply(server: &Server, options: &Options) -> Result<usize, Error> {
    let client = server.client()?;
    let mut interfaces = city::interfaces();
    if options.plant == Some(Plant::Breakpoint) {
        interfaces.iter_mut().for_each(move_breakpoint);
    }
    client
        .apply(&interfaces, false)
        .map_err(Error::http("applying the city's interfaces"))?;
    let twins = city::twins(options.plan.neighborhoods);
    client
        .apply(&twins, false)
        .map_err(Error::http("applying the city's twins"))?;
    Ok(twins.len())
}

/// Moves the first bound of PM10 by one: 54 becomes 55, and 55 becomes 56.
fn move_breakpoint(interface: &mut Json) {
    for (pointer, to) in [
        ("/spec/tables/pm10/rows/0/to", 55),
        ("/spec/tables/pm10/rows/1/from", 56),
    ] {
        if let Some(bound) = interface.pointer_mut(pointer) {
            *bound = json!(to);
        }
    }
}

/// The device process.
struct Devices {
    child: Child,
    words: Option<ChildStdin>,
    notices: BufReader<ChildStdout>,
}

impl Devices {
    fn start(options: &Options, server: &Server, journal: PathBuf) -> Result<Self, Error> {
        let device = device::Options {
            speed: options.speed,
            protocol: options.protocol,
            journal: Some(journal),
            plant: match options.plant {
                Some(Plant::Drop) => Some(device::Plant::Drop),
                Some(Plant::Double) => Some(device::Plant::Double),
                Some(Plant::Breakpoint) | None => None,
            },
            ..device::Options::new(server.mqtt())
        };
        let mut command = Command::new(&options.program);
        command
            .arg("simulate")
            .args(simulate::words(&options.plan, &device));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Error::io("starting the devices"))?;
        let words = child.stdin.take();
        let lost = || io::Error::from(io::ErrorKind::BrokenPipe);
        let out = child
            .stdout
            .take()
            .ok_or_else(lost)
            .map_err(Error::io("starting the devices"))?;
        Ok(Self {
            child,
            words,
            notices: BufReader::new(out),
        })
    }

    /// Hears the devices until they are done, and kills the server on the way.
    fn play(
        &mut self,
        server: &mut Server,
        workload: &Workload,
        kills: u32,
        say: &mut impl FnMut(&str),
    ) -> Result<(Summary, Vec<Kill>), Error> {
        let mut chance = Chance::new(workload.plan().seed);
        let mut done: Vec<Kill> = Vec::new();
        let mut now = Kill::default();
        let (mut armed, mut attempts) = (false, 0);
        let due = |done: usize| workload.total() * (done as u64 + 1) / (u64::from(kills) + 1);
        loop {
            match self.hear()? {
                Notice::Connected {
                    devices,
                    elapsed_ms,
                } => {
                    say(&format!(
                        "{devices} devices connected in {:.1} s",
                        elapsed_ms as f64 / 1e3
                    ));
                }
                Notice::Progress { sent, .. } => {
                    if !armed && done.len() < kills as usize && sent >= due(done.len()) {
                        self.say("arm")?;
                        armed = true;
                    }
                }
                Notice::Armed { .. } => {
                    // Some of the kills fall before the frame is on disk, some after.
                    std::thread::sleep(Duration::from_micros(chance.below(2_000)));
                    now = Kill {
                        restart: server.kill_and_restart()?,
                        ..Kill::default()
                    };
                }
                Notice::Lost {
                    in_flight,
                    acknowledged,
                } => {
                    (now.in_flight, now.acknowledged) = (in_flight, acknowledged);
                }
                Notice::Back { repeated } => {
                    now.repeated = repeated;
                    attempts += 1;
                    if now.in_flight > 0 {
                        say(&format!("kill {} of {kills}: {now}", done.len() + 1));
                        done.push(now);
                        attempts = 0;
                    } else if attempts >= ATTEMPTS {
                        return Err(Error::NothingInFlight);
                    }
                    armed = false;
                }
                Notice::Done(summary) => return Ok((summary, done)),
                Notice::Failed { reason } => return Err(Error::Devices(reason)),
            }
        }
    }

    fn hear(&mut self) -> Result<Notice, Error> {
        let mut line = String::new();
        match self
            .notices
            .read_line(&mut line)
            .map_err(Error::io("hearing the devices"))?
        {
            0 => Err(Error::Devices("their process ended without a word".into())),
            _ => serde_json::from_str(&line)
                .map_err(|error| Error::Devices(format!("{error}: {line}"))),
        }
    }

    fn say(&mut self, word: &str) -> Result<(), Error> {
        let Some(words) = &mut self.words else {
            return Ok(());
        };
        writeln!(words, "{word}")
            .and_then(|()| words.flush())
            .map_err(Error::io("telling the devices"))
    }

    /// Closes their input, which ends them, and waits.
    fn end(&mut self) {
        self.words = None;
        // An end that cannot be awaited has come already.
        let _ = self.child.wait();
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_planted_breakpoint_moves_one_bound_and_nothing_else() {
        let mut changed = 0;
        for before in city::interfaces() {
            let mut after = before.clone();
            move_breakpoint(&mut after);
            if before == after {
                continue;
            }
            changed += 1;
            let bound = |interface: &Json, pointer| {
                interface.pointer(pointer).and_then(Json::as_f64).unwrap()
            };
            assert_eq!(bound(&before, "/spec/tables/pm10/rows/0/to"), 54.0);
            assert_eq!(bound(&after, "/spec/tables/pm10/rows/0/to"), 55.0);
            assert_eq!(bound(&after, "/spec/tables/pm10/rows/1/from"), 56.0);
            assert_eq!(
                before.pointer("/spec/tables/co"),
                after.pointer("/spec/tables/co")
            );
        }
        assert_eq!(changed, 1, "one interface holds the tables");
    }
}
