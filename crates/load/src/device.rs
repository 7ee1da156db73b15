//! The city's devices as MQTT clients: one connection each, in lock-step with simulated time.
//!
//! A step's reports are sent when all reports of the step before are acknowledged, and not before
//! their time where a speed is set: no device is ever more than one step ahead of the slowest.
//! Every report has an event id made from the device's id and the report's number, and keeps it
//! through reconnects, when everything unacknowledged is sent again, in order. What was sent and
//! what was acknowledged stands in a journal that another process can read.
//!
//! The devices know the server only by its MQTT address.

mod conductor;
pub mod journal;
pub mod link;
pub mod notice;

pub use conductor::Conductor;
pub use journal::Journal;
pub use notice::{Notice, Summary};

use crate::{
    process::{self, Shortfall},
    workload::Workload,
};
use std::{collections::BTreeMap, io, net::SocketAddr, path::PathBuf, time::Duration};

/// Longest wait for any acknowledgement while some are due; a restart of the server takes part of it.
pub const STALL_LIMIT: Duration = Duration::from_secs(60);
/// How long virtual events must have stayed away at the end until they count as complete.
pub const QUIET: Duration = Duration::from_millis(300);
/// Files that the process needs besides its connections.
const OTHER_FILES: u64 = 64;

/// Protocol of the devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1: event id and time stand in the payload.
    V311,
    /// MQTT 5: event id and time are user properties.
    #[default]
    V5,
}

/// How fast simulated time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Simulated seconds per second, at most.
    Times(f64),
    /// As fast as acknowledgements come.
    Max,
}

/// How the devices reach their server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server's MQTT listener.
    pub address: SocketAddr,
    /// What they speak.
    pub protocol: Protocol,
    /// How fast time passes.
    pub speed: Speed,
    /// Where to write the journal; none: only in memory.
    pub journal: Option<PathBuf>,
    /// User name and password, where the server asks for them.
    pub login: Option<(String, String)>,
    /// A fault to commit, so that a checker can be checked.
    pub plant: Option<Plant>,
}

/// A fault of the devices, committed once in the middle of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// A report is journalled as acknowledged that was never sent.
    Drop,
    /// A report is sent a second time, without an event id.
    Double,
}

impl Options {
    /// Devices of MQTT 5 without login at top speed.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            protocol: Protocol::V5,
            speed: Speed::Max,
            journal: None,
            login: None,
            plant: None,
        }
    }
}

/// What the devices were told by their twins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Virtual events received; after a crash of the server some may come twice.
    pub events: u64,
    /// The last measurement frequency.
    pub frequency: Option<f64>,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Reports handed to the network at least once.
    pub sent: u64,
    /// Reports acknowledged with success: the highest number of each device, and all below it.
    pub acknowledged: Vec<u32>,
    /// Reports that the server refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Reports sent again after a connection was lost.
    pub repeated: u64,
    /// Virtual events, by device number.
    pub told: BTreeMap<u32, Told>,
    /// From the first report to the last acknowledgement.
    pub elapsed: Duration,
}

impl Report {
    /// Acknowledged reports beyond those of earlier runs.
    pub fn acknowledged_total(&self, workload: &Workload) -> u64 {
        let first_day = workload.plan().first_day;
        let before = |device: u32| first_day * workload.reports_per_day(device);
        let counts = (0..).zip(&self.acknowledged);
        counts
            .map(|(device, n)| u64::from(n.saturating_sub(before(device))))
            .sum()
    }
}

/// Why a run could not start or finish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system does not allow as many connections.
    #[error(
        "{devices} devices need a connection each, but {source}; raise the limit (ulimit -n) or simulate fewer neighbourhoods"
    )]
    Files {
        /// Devices of the plan.
        devices: usize,
        /// By how much.
        source: Shortfall,
    },
    /// The server does not take a device.
    #[error("the server at {address} refused {device}: {reason}")]
    Refused {
        /// The server.
        address: SocketAddr,
        /// The device's id.
        device: String,
        /// Its reason.
        reason: String,
    },
    /// Nothing was acknowledged for too long.
    #[error("no acknowledgement from {address} for {} s while {in_flight} reports wait for one (first: {device})", STALL_LIMIT.as_secs())]
    Stalled {
        /// The server.
        address: SocketAddr,
        /// Reports that wait.
        in_flight: u64,
        /// A device that waits.
        device: String,
    },
    /// The journal or the runtime failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Plays the whole schedule on a runtime of its own. `notify` hears what happens, in order.
pub fn run(
    workload: &Workload,
    options: &Options,
    notify: impl FnMut(&Notice),
) -> Result<Report, Error> {
    let devices = workload.devices().len();
    process::allow_files(devices as u64 + OTHER_FILES)
        .map_err(|source| Error::Files { devices, source })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| Error::Io {
        what: "no runtime for the devices".into(),
        source,
    })?;
    runtime.block_on(async {
        let (_arm, commands) = tokio::sync::mpsc::channel(1);
        Conductor::new(workload, options, commands, notify)?
            .run()
            .await
    })
}
