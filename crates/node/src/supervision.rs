//! What goes on beside the driver: housekeeping of the store, bounds of memory and disk, gauges.

use crate::{
    admission::Closed,
    state::{Core, Health},
};
use gemelli_broker::Broker;
use gemelli_store::Space;
use std::{
    fmt::Write,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often bounds are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How often the store is kept.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// Log that sessions that are away may hold back, bytes.
const SESSIONS_QUOTA: u64 = 1 << 30;

/// Starts the threads of supervision: they end when the node stops.
pub(crate) fn start(
    core: &Arc<Core>,
    broker: &Broker<Core>,
) -> std::io::Result<[JoinHandle<()>; 2]> {
    let (supervised, kept, broker) = (core.clone(), core.clone(), broker.clone());
    let thread = |name: &str| thread::Builder::new().name(name.into());
    Ok([
        thread("supervisor").spawn(move || supervise(&supervised))?,
        // Of its own: it may take seconds, and the bounds are looked at meanwhile.
        thread("housekeeper").spawn(move || keep_house(&kept, &broker))?,
    ])
}

fn supervise(core: &Core) {
    while !*core.stopping.borrow() {
        thread::sleep(TICK);
        bounds(core);
        core.scans.rest();
    }
}

fn keep_house(core: &Core, broker: &Broker<Core>) {
    let mut kept = Instant::now();
    while !*core.stopping.borrow() {
        thread::sleep(TICK);
        if kept.elapsed() >= HOUSEKEEPING {
            keep(core, broker);
            merge(core);
            kept = Instant::now();
        }
    }
}

/// Closes and opens admission as disk and memory allow.
fn bounds(core: &Core) {
    let space = match core.store.space() {
        Space::Open => Space::Open,
        Space::Reserve { .. } => core.store.make_room(),
    };
    // A frame larger than the reserve finds no room while the reserve is whole.
    let full = core.stalled.load(Ordering::Acquire) || space != Space::Open;
    let limit = core.options.limits.memory_bytes;
    let memory = resident_bytes();
    core.metrics.memory.set(memory);
    let hold = match full {
        true => Some(Closed::DiskFull),
        false if memory > limit => Some(Closed::Memory(limit)),
        false => None,
    };
    match (full, core.health()) {
        (true, Health::Well) => {
            core.degrade(Health::DiskFull(format!(
                "no space is left in {}",
                core.options.data.display()
            )));
        }
        (false, Health::DiskFull(_)) => core.heal(),
        _ => {}
    }
    core.admission.hold(hold);
}

/// Housekeeping of the store: history, retention.
fn keep(core: &Core, broker: &Broker<Core>) {
    match broker.oldest_cursor() {
        Some(seq) => core.store.set_cursor("sessions", seq, SESSIONS_QUOTA),
        None => core.store.remove_cursor("sessions"),
    }
    match core.store.keep_house(core.clock.now_ms()) {
        Ok(kept) => {
            for name in &kept.dropped_cursors {
                tracing::warn!(
                    name,
                    "a reader lags more than its quota, the log no longer waits for it"
                );
            }
            if kept.wants_snapshot {
                core.wants_snapshot.store(true, Ordering::Release);
                core.admission.nudge();
            }
        }
        Err(error) => {
            tracing::error!(%error, "housekeeping of the data folder failed, it is tried again")
        }
    }
}

/// Makes one larger file of a run of small ones of history. A node that stops does not wait for it.
fn merge(core: &Core) {
    match core.store.merge_history(|| !*core.stopping.borrow()) {
        Ok(0) => {}
        Ok(files) => tracing::debug!(files, "small files of history became one"),
        Err(error) => tracing::error!(
            %error,
            "files of history could not be merged, they stay as they are until the next start"
        ),
    }
}

/// Resident memory of this process, bytes; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    const PAGE: u64 = 4_096;
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split_whitespace()
        .nth(1)
        .and_then(|n| n.parse::<u64>().ok())
        .unwrap_or(0)
        * PAGE
}

/// All metrics as text: the node's own, then the broker's and the store's under their names. What only rises is a
/// counter; a name that ends in `_now` there is a gauge, without that ending here.
pub(crate) fn render(core: &Core, broker: &Broker<Core>) -> String {
    let own = core.metrics.render();
    let mut text = own.strip_suffix("# EOF\n").unwrap_or(&own).to_owned();
    let store = core.store.metrics();
    let store = [
        ("log_segments_now", store.segments),
        ("log_size_bytes_now", store.log_bytes),
        ("log_truncated_bytes", store.truncated_bytes),
        ("history_files_now", store.history_files),
        ("history_bytes_now", store.history_bytes),
        ("history_files_merged", store.history_merged),
        ("history_rows_dropped", store.dropped_rows),
        ("log_cursors_dropped", store.dropped_cursors),
        ("log_segments_dropped", store.dropped_segments),
    ];
    let broker = broker.metrics();
    let broker = broker
        .entries()
        .into_iter()
        .map(|(name, value)| (format!("mqtt_{name}"), value));
    for (name, value) in store
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .chain(broker)
    {
        // Writing to a string cannot fail.
        let _ = match name.strip_suffix("_now") {
            Some(name) => writeln!(text, "# TYPE gemelli_{name} gauge\ngemelli_{name} {value}"),
            None => writeln!(
                text,
                "# TYPE gemelli_{name} counter\ngemelli_{name}_total {value}"
            ),
        };
    }
    text.push_str("# EOF\n");
    text
}
