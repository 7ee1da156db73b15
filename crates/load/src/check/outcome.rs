//! What a check came to, and how it is printed.

use super::DIFFERENCES;
use crate::{
    device::Summary,
    fleet::Kind,
    reference::{City, Expected},
    workload::Workload,
};
use serde_json::Value as Json;
use std::{collections::BTreeMap, fmt, time::Duration};

/// Reports of one kind of device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Handed to the network.
    pub sent: u64,
    /// Acknowledged, by the devices' journal.
    pub acknowledged: u64,
    /// Found in the server's history.
    pub in_history: u64,
    /// Found there more than once, or without their id.
    pub duplicates: u64,
    /// Acknowledged, but not found.
    pub lost: u64,
}

/// One kill of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kill {
    /// Reports that were on their way.
    pub in_flight: u64,
    /// Reports acknowledged until then.
    pub acknowledged: u64,
    /// Reports sent again afterwards.
    pub repeated: u64,
    /// From the start of the new process to its first answer.
    pub restart: Duration,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            in_flight,
            acknowledged,
            repeated,
            restart,
        } = self;
        let ms = restart.as_millis();
        write!(
            f,
            "{in_flight} in flight, {acknowledged} acknowledged, {repeated} replayed, restart {ms} ms"
        )
    }
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// An acknowledged report that history lacks: its event id.
    Lost(String),
    /// A twin with reports that are there twice: how many.
    Twice(String, u64),
    /// A row of history that no device sent.
    Unexpected(String),
    /// A twin that is not there.
    Missing(String),
    /// A derived value that is wrong.
    Value {
        /// The twin.
        twin: String,
        /// The property.
        property: String,
        /// What it must be; none: absent.
        expected: Option<Expected>,
        /// What it is; none: absent.
        found: Option<Json>,
    },
    /// A lamp whose flag rose and fell another number of times.
    Lamp {
        /// The twin.
        twin: String,
        /// Rose, fell.
        expected: (u32, u32),
        /// Rose, fell.
        found: (u32, u32),
    },
    /// A device that was told something else.
    Told {
        /// The twin.
        twin: String,
        /// Virtual events, last frequency.
        expected: (u64, f64),
        /// Virtual events, last frequency.
        found: (u64, Option<f64>),
    },
    /// Reports that the server refused: why, how many.
    Refused(String, u64),
    /// Reports of a kind that were not sent as planned.
    Count {
        /// The kind.
        kind: Kind,
        /// Planned.
        expected: u64,
        /// Acknowledged.
        found: u64,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(id) => write!(f, "acknowledged, but not in history: {id}"),
            Self::Twice(twin, times) => {
                write!(f, "{twin}: {times} events in history more than were sent")
            }
            Self::Unexpected(row) => write!(f, "in history, but sent by no device: {row}"),
            Self::Missing(twin) => write!(f, "{twin} is not there"),
            Self::Value {
                twin,
                property,
                expected,
                found,
            } => {
                write!(f, "{twin} {property}: expected ")?;
                match expected {
                    None => write!(f, "nothing")?,
                    Some(Expected::Number(number)) => write!(f, "{number}")?,
                    Some(Expected::Word(word)) => write!(f, "{word}")?,
                    Some(Expected::Truth(truth)) => write!(f, "{truth}")?,
                }
                match found {
                    None => write!(f, ", found nothing"),
                    Some(Json::String(word)) => write!(f, ", found {word}"),
                    Some(found) => write!(f, ", found {found}"),
                }
            }
            Self::Lamp {
                twin,
                expected,
                found,
            } => write!(
                f,
                "{twin} defectiveLamp: expected to rise {} and fall {} times, rose {} and fell {}",
                expected.0, expected.1, found.0, found.1
            ),
            Self::Told {
                twin,
                expected,
                found,
            } => write!(
                f,
                "{twin}: expected {} virtual events, the last with {}, received {}, the last with {}",
                expected.0,
                expected.1,
                found.0,
                found
                    .1
                    .map_or("nothing".into(), |frequency| frequency.to_string())
            ),
            Self::Refused(reason, times) => {
                write!(f, "refused by the server: {times} reports: {reason}")
            }
            Self::Count {
                kind,
                expected,
                found,
            } => {
                write!(
                    f,
                    "{}: {expected} reports planned, {found} acknowledged",
                    kind.label()
                )
            }
        }
    }
}

/// What a check came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Reports by kind.
    pub rows: BTreeMap<Kind, Row>,
    /// Kills of the server.
    pub kills: Vec<Kill>,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// All differences.
    pub differences_total: u64,
    /// Derived values compared.
    pub values: u64,
    /// Virtual events that devices received.
    pub told: u64,
    /// Lamps that must have been defective for a while.
    pub lamps_flipped: usize,
    /// Rows of history that were read.
    pub rows_read: u64,
    /// Time that the devices took.
    pub device_seconds: f64,
    /// Time that the whole check took.
    pub elapsed: Duration,
    /// The way of each lamp's flag, from history.
    pub(super) lamps: BTreeMap<String, Vec<bool>>,
}

impl Outcome {
    /// Whether everything is as it must be.
    pub fn good(&self) -> bool {
        self.differences_total == 0
    }

    pub(super) fn differ(&mut self, difference: Difference) {
        self.differences_total += 1;
        if self.differences.len() < DIFFERENCES {
            self.differences.push(difference);
        }
    }

    /// Compares virtual events. A crash between delivery and its acknowledgement may repeat some:
    /// after kills there may be more, never fewer.
    pub(super) fn told(&mut self, expected: &City, summary: &Summary, workload: &Workload) {
        let found: BTreeMap<u32, (u64, Option<f64>)> = summary
            .told
            .iter()
            .map(|(device, events, last)| (*device, (*events, *last)))
            .collect();
        self.told = found.values().map(|(events, _)| events).sum();
        for (device, (events, last)) in &expected.told {
            let (received, frequency) = found.get(device).copied().unwrap_or_default();
            let count = if self.kills.is_empty() {
                received == *events
            } else {
                received >= *events
            };
            if !count || frequency != Some(*last) {
                let twin = workload
                    .devices()
                    .get(*device as usize)
                    .map(|device| device.id())
                    .unwrap_or_default();
                self.differ(Difference::Told {
                    twin,
                    expected: (*events, *last),
                    found: (received, frequency),
                });
            }
        }
    }

    pub(super) fn refused(&mut self, summary: &Summary) {
        for (reason, times) in &summary.refused {
            self.differ(Difference::Refused(reason.clone(), *times));
        }
    }

    /// Every planned report must have been sent and acknowledged in the end.
    pub(super) fn sent_as_planned(&mut self, workload: &Workload) {
        for (kind, expected) in workload.per_kind() {
            let row = self.rows.get(&kind).cloned().unwrap_or_default();
            if row.acknowledged != expected || row.sent != expected {
                self.differ(Difference::Count {
                    kind,
                    expected,
                    found: row.acknowledged,
                });
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<14}{:>10}{:>14}{:>12}{:>12}{:>8}",
            "EVENTS", "SENT", "ACKNOWLEDGED", "IN HISTORY", "DUPLICATES", "LOST"
        )?;
        let mut total = Row::default();
        for (kind, row) in &self.rows {
            line(f, kind.label(), row)?;
            total.sent += row.sent;
            total.acknowledged += row.acknowledged;
            total.in_history += row.in_history;
            total.duplicates += row.duplicates;
            total.lost += row.lost;
        }
        line(f, "all", &total)?;
        if !self.kills.is_empty() {
            writeln!(
                f,
                "\n{:<6}{:>10}{:>14}{:>10}{:>12}",
                "KILL", "IN FLIGHT", "ACKNOWLEDGED", "REPLAYED", "RESTART MS"
            )?;
        }
        for (number, kill) in (1..).zip(&self.kills) {
            let ms = kill.restart.as_millis();
            writeln!(
                f,
                "{number:<6}{:>10}{:>14}{:>10}{ms:>12}",
                kill.in_flight, kill.acknowledged, kill.repeated
            )?;
        }
        let rate = total.sent as f64 / self.device_seconds.max(f64::EPSILON);
        writeln!(
            f,
            "\n{} derived values compared, {} virtual events received, {} lamps defective for a while",
            self.values, self.told, self.lamps_flipped
        )?;
        writeln!(
            f,
            "{:.1} s for the devices ({rate:.0} events/s), {:.1} s in all",
            self.device_seconds,
            self.elapsed.as_secs_f64()
        )?;
        for difference in &self.differences {
            writeln!(f, "DIFFERENCE  {difference}")?;
        }
        let more = self.differences_total - self.differences.len() as u64;
        if more > 0 {
            writeln!(f, "… and {more} more differences")?;
        }
        match self.good() {
            true => write!(f, "everything is as it must be"),
            false => write!(f, "{} differences", self.differences_total),
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, row: &Row) -> fmt::Result {
    let Row {
        sent,
        acknowledged,
        in_history,
        duplicates,
        lost,
    } = row;
    writeln!(
        f,
        "{label:<14}{sent:>10}{acknowledged:>14}{in_history:>12}{duplicates:>12}{lost:>8}"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{reference, workload::Plan};

    #[test]
    fn differences_are_all_counted_and_the_first_are_kept() {
        let mut outcome = Outcome::default();
        assert!(outcome.good());
        for n in 0..100 {
            outcome.differ(Difference::Lost(format!("x#{n}")));
        }
        assert_eq!(
            (outcome.differences.len(), outcome.differences_total),
            (DIFFERENCES, 100)
        );
        let text = outcome.to_string();
        assert!(
            text.contains("DIFFERENCE  acknowledged, but not in history: x#0"),
            "{text}"
        );
        assert!(
            text.ends_with("… and 80 more differences\n100 differences"),
            "{text}"
        );
    }

    #[test]
    fn devices_must_be_told_what_the_reference_says() {
        let workload = Workload::new(Plan::default());
        let expected = reference::city(&workload);
        let right: Vec<_> = expected
            .told
            .iter()
            .map(|(device, (events, last))| (*device, *events, Some(*last)))
            .collect();
        let judge = |told: Vec<(u32, u64, Option<f64>)>, kills: usize| {
            let mut outcome = Outcome {
                kills: vec![Kill::default(); kills],
                ..Outcome::default()
            };
            outcome.told(
                &expected,
                &Summary {
                    told,
                    ..Summary::default()
                },
                &workload,
            );
            outcome.differences_total
        };
        assert_eq!(judge(right.clone(), 0), 0);
        let mut again = right.clone();
        again[0].1 += 1;
        assert_eq!((judge(again.clone(), 0), judge(again, 1)), (1, 0));
        let mut wrong = right.clone();
        wrong[0].2 = Some(7.0);
        assert_eq!((judge(wrong.clone(), 0), judge(wrong, 1)), (1, 1));
        assert_eq!(judge(Vec::new(), 1), 220);
    }
}
