//! What a device process tells, one JSON object a line, and what it is told.
//!
//! The checker reads these lines from the process's output and writes one word a line to its input:
//! `arm` asks for an `armed` notice as soon as reports are on their way. The end of the input ends
//! the process: nobody is interested any more.

use super::{Conductor, Error, Options, Report};
use crate::{process, workload::Workload};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, Write},
};
use tokio::sync::mpsc;

/// Something that happened to the devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "notice",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Notice {
    /// All devices are connected; the first report follows.
    Connected {
        /// How many.
        devices: usize,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// How far the simulation is; not every step tells.
    Progress {
        /// Simulated moment, milliseconds since 1970.
        time_ms: i64,
        /// Reports sent.
        sent: u64,
        /// Reports acknowledged.
        acknowledged: u64,
        /// Reports of the whole plan.
        total: u64,
    },
    /// Reports are on their way right now, as asked for by `arm`.
    Armed {
        /// How many.
        in_flight: u64,
    },
    /// Every connection was lost.
    Lost {
        /// Reports unacknowledged.
        in_flight: u64,
        /// Reports acknowledged so far.
        acknowledged: u64,
    },
    /// Every connection stands again.
    Back {
        /// Reports sent again.
        repeated: u64,
    },
    /// The end.
    Done(Summary),
    /// The devices could not go on.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
}

/// What a run came to, as it travels between processes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Reports sent.
    pub sent: u64,
    /// Reports acknowledged.
    pub acknowledged: u64,
    /// Reports that the server refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Reports sent again.
    pub repeated: u64,
    /// Virtual events: the device's number, how many, the last measurement frequency.
    pub told: Vec<(u32, u64, Option<f64>)>,
    /// From the first report to the last acknowledgement.
    pub elapsed_ms: u64,
    /// Processor time of the process.
    pub cpu_ms: Option<u64>,
}

impl Summary {
    fn of(report: &Report, workload: &Workload) -> Self {
        Self {
            sent: report.sent,
            acknowledged: report.acknowledged_total(workload),
            refused: report.refused.clone(),
            repeated: report.repeated,
            told: report
                .told
                .iter()
                .map(|(device, told)| (*device, told.events, told.frequency))
                .collect(),
            elapsed_ms: report.elapsed.as_millis() as u64,
            cpu_ms: process::cpu(std::process::id()).map(|cpu| cpu.as_millis() as u64),
        }
    }
}

/// The body of the device process: plays the schedule, tells on `out`, listens on standard input.
pub fn serve(workload: &Workload, options: &Options, mut out: impl Write) -> Result<Report, Error> {
    let mut tell = |notice: &Notice| {
        // A checker that is gone is noticed by the end of the input.
        let mut line = serde_json::to_vec(notice).unwrap_or_default();
        line.push(b'\n');
        let _ = out.write_all(&line).and_then(|()| out.flush());
    };
    let devices = workload.devices().len();
    process::allow_files(devices as u64 + super::OTHER_FILES)
        .map_err(|source| Error::Files { devices, source })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| Error::Io {
        what: "no runtime for the devices".into(),
        source,
    })?;
    let (arm, commands) = mpsc::channel(1);
    // Blocks in a read until the input ends, so it is not waited for.
    std::thread::spawn(move || {
        listen(&arm);
        std::process::exit(0);
    });
    let played = runtime.block_on(async {
        Conductor::new(workload, options, commands, &mut tell)?
            .run()
            .await
    });
    match &played {
        Ok(report) => tell(&Notice::Done(Summary::of(report, workload))),
        Err(error) => tell(&Notice::Failed {
            reason: error.to_string(),
        }),
    }
    played
}

fn listen(arm: &mpsc::Sender<()>) {
    for line in io::stdin().lock().lines() {
        match line.as_deref() {
            Ok("arm") => drop(arm.try_send(())),
            Ok(_) => {}
            Err(_) => break,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn notices_survive_their_line() {
        for (notice, line) in [
            (
                Notice::Armed { in_flight: 3 },
                r#"{"notice":"armed","inFlight":3}"#,
            ),
            (
                Notice::Lost {
                    in_flight: 1,
                    acknowledged: 2,
                },
                r#"{"notice":"lost","inFlight":1,"acknowledged":2}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&notice).unwrap(), line);
            assert_eq!(serde_json::from_str::<Notice>(line).unwrap(), notice);
        }
        let done = Notice::Done(Summary {
            told: vec![(7, 2, Some(15.0))],
            ..Summary::default()
        });
        let line = serde_json::to_string(&done).unwrap();
        assert_eq!(serde_json::from_str::<Notice>(&line).unwrap(), done);
    }
}
