//! What the node counts, in Prometheus' form.
//!
//! Labels name kinds of things, never a twin, a client or a topic: their number is bounded by the
//! interfaces, not by the twins.

use gemelli_event::Category;
use gemelli_model::InterfaceId;
use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::{fmt, sync::Arc, sync::atomic::AtomicU64, time::Duration};

/// Most interfaces that are told apart in labels; the rest counts as `other`.
pub const INTERFACES: usize = 1_000;

/// The label set of events.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    category: &'static str,
    interface: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

/// A way of an input through the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// From admission until the driver takes it (the oldest of each batch).
    Admit,
    /// Stepping of a batch, waves and encoding included.
    Step,
    /// Writing and syncing of a frame.
    Sync,
    /// Releasing of a frame: view, acknowledgements, deliveries, answers.
    Release,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Admit, Self::Step, Self::Sync, Self::Release];

    fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Step => "step",
            Self::Sync => "sync",
            Self::Release => "release",
        }
    }
}

type Level = Gauge<u64, AtomicU64>;

/// What the node counts.
pub struct Metrics {
    registry: Mutex<Registry>,
    events: Family<EventLabels, Counter>,
    /// The counters by category and interface, found without building labels anew.
    found: Mutex<Vec<((Category, InterfaceId), Counter)>>,
    other: Mutex<Vec<(Category, Counter)>>,
    stages: [Histogram; 4],
    rejected: Family<CodeLabel, Counter>,
    /// Records of all kinds that became durable.
    pub records: Counter,
    /// Frames written.
    pub frames: Counter,
    /// Bytes of frames written.
    pub bytes: Counter,
    /// Inputs that repeated an earlier one.
    pub duplicates: Counter,
    /// Dead letters written.
    pub dead_letters: Counter,
    /// Dead letters counted but left out by the rate limit.
    pub dead_letters_dropped: Counter,
    /// Frames that a live stream was too slow for.
    pub stream_gaps: Counter,
    /// Refusals at admission.
    pub refused: Counter,
    /// Snapshots written.
    pub snapshots: Counter,
    /// Snapshots that could not be written: the next one holds more.
    pub snapshots_failed: Counter,
    /// Inputs that wait for the driver.
    pub waiting: Level,
    /// Bytes that wait for the driver.
    pub waiting_bytes: Level,
    /// Twins.
    pub twins: Level,
    /// Live streams.
    pub streams: Level,
    /// Resident bytes of the process.
    pub memory: Level,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("records", &self.records.get())
            .finish_non_exhaustive()
    }
}

/// From 50 µs, doubling, to 13 s.
fn latency() -> Histogram {
    Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(
        0.000_05, 2.0, 19,
    ))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::with_prefix("gemelli");
        let events = Family::<EventLabels, Counter>::default();
        all.register(
            "events",
            "Events that became durable, by category and interface",
            events.clone(),
        );
        let rejected = Family::<CodeLabel, Counter>::default();
        all.register(
            "rejected",
            "Inputs that were refused, by error code",
            rejected.clone(),
        );
        let stages = Family::<StageLabel, Histogram>::new_with_constructor(latency);
        all.register_with_unit(
            "stage",
            "Time spent in each stage",
            Unit::Seconds,
            stages.clone(),
        );
        let stages = Stage::ALL.map(|stage| {
            stages.get_or_create_owned(&StageLabel {
                stage: stage.name(),
            })
        });
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            all.register(name, help, counter.clone());
            counter
        };
        let records = counter("records", "Records that became durable, of all kinds");
        let frames = counter("frames", "Frames written to the log");
        let bytes = counter("log_bytes", "Bytes written to the log");
        let duplicates = counter("duplicates", "Inputs that repeated an earlier one");
        let dead_letters = counter("dead_letters", "Dead letters written");
        let dead_letters_dropped = counter(
            "dead_letters_dropped",
            "Dead letters left out by the rate limit",
        );
        let stream_gaps = counter(
            "stream_gaps",
            "Frames that slow live streams had to read from the log",
        );
        let refused = counter(
            "refused",
            "Inputs refused at admission: backlog, disk, read-only",
        );
        let snapshots = counter("snapshots", "Snapshots written");
        let snapshots_failed = counter("snapshots_failed", "Snapshots that could not be written");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Level::default();
            all.register(name, help, gauge.clone());
            gauge
        };
        let waiting = gauge("backlog_inputs", "Inputs that wait for the driver");
        let waiting_bytes = gauge("backlog_bytes", "Bytes that wait for the driver");
        let twins = gauge("twins", "Twins");
        let streams = gauge("streams", "Live streams");
        let memory = gauge("memory_bytes", "Resident memory");
        Self {
            registry: Mutex::new(all),
            events,
            found: Mutex::default(),
            other: Mutex::default(),
            stages,
            rejected,
            records,
            frames,
            bytes,
            duplicates,
            dead_letters,
            dead_letters_dropped,
            stream_gaps,
            refused,
            snapshots,
            snapshots_failed,
            waiting,
            waiting_bytes,
            twins,
            streams,
            memory,
        }
    }
}

impl Metrics {
    /// Notes how long a stage took.
    pub fn stage(&self, stage: Stage, took: Duration) {
        let at = Stage::ALL
            .iter()
            .position(|s| *s == stage)
            .unwrap_or_default();
        if let Some(histogram) = self.stages.get(at) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// Counts one refused input.
    pub fn reject(&self, code: &str) {
        self.rejected
            .get_or_create(&CodeLabel {
                code: code.to_owned(),
            })
            .inc();
    }

    /// Counts the events of a frame: few kinds, so that a linear search beats hashing.
    pub fn count(&self, tally: &Tally) {
        let mut found = self.found.lock();
        for ((category, interface), number) in &tally.kinds {
            let known = found
                .iter()
                .find(|((c, i), _)| c == category && i == interface);
            if let Some((_, counter)) = known {
                counter.inc_by(*number);
                continue;
            }
            if found.len() >= INTERFACES {
                self.uncommon(*category).inc_by(*number);
                continue;
            }
            let labels = EventLabels {
                category: category.as_str(),
                interface: interface.as_str().to_owned(),
            };
            let counter = self.events.get_or_create_owned(&labels);
            counter.inc_by(*number);
            found.push(((*category, interface.clone()), counter));
        }
    }

    fn uncommon(&self, category: Category) -> Counter {
        let mut other = self.other.lock();
        if let Some((_, counter)) = other.iter().find(|(c, _)| *c == category) {
            return counter.clone();
        }
        let labels = EventLabels {
            category: category.as_str(),
            interface: "other".to_owned(),
        };
        let counter = self.events.get_or_create_owned(&labels);
        other.push((category, counter.clone()));
        counter
    }

    /// Adds metrics of another part under the same prefix.
    pub fn extend(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock());
    }

    /// All of it as text.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry.lock());
        text
    }
}

/// The events of one frame by kind.
#[derive(Default)]
pub struct Tally {
    kinds: Vec<((Category, InterfaceId), u64)>,
}

impl Tally {
    /// Counts one.
    pub fn add(&mut self, category: Category, interface: &InterfaceId) {
        match self
            .kinds
            .iter_mut()
            .find(|((c, i), _)| *c == category && i == interface)
        {
            Some((_, number)) => *number += 1,
            None => self.kinds.push(((category, interface.clone()), 1)),
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.kinds.iter().map(|(_, n)| n).sum()
    }
}

/// Shared by all parts of a node.
pub type Shared = Arc<Metrics>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_by_kind_and_stages_by_name() {
        let metrics = Metrics::default();
        let mut tally = Tally::default();
        tally.add(Category::Real, &"pole".into());
        tally.add(Category::Real, &"pole".into());
        tally.add(Category::Command, &"pole".into());
        metrics.count(&tally);
        metrics.count(&tally);
        metrics.stage(Stage::Sync, Duration::from_millis(3));
        metrics.reject("wrong-type");
        let text = metrics.render();
        for line in [
            r#"gemelli_events_total{category="real",interface="pole"} 4"#,
            r#"gemelli_events_total{category="command",interface="pole"} 2"#,
            r#"gemelli_stage_seconds_count{stage="sync"} 1"#,
            r#"gemelli_rejected_total{code="wrong-type"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
