//! The schedule: which device reports when, with which number.
//!
//! Deterministic and count-driven: a day of a neighbourhood has exactly 47,574 reports. Time is
//! simulated; how fast it passes is the business of whoever plays the schedule.

use crate::fleet::{self, Device, Kind};
use std::collections::BTreeMap;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;
/// When the simulation starts unless told otherwise: 2026-01-05T00:00:00Z, a Monday.
pub const START_MS: i64 = 1_767_571_200_000;
/// Reports of a neighbourhood in a day.
pub const REPORTS_PER_DAY: u64 = 47_574;
/// Most neighbourhoods: ids have three digits.
pub const MAX_NEIGHBORHOODS: u16 = 999;

/// What devices report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Values by seed that cross every threshold.
    #[default]
    Varied,
    /// The constants of KTWIN's experiment.
    Ktwin,
}

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Neighbourhoods, 1 to [`MAX_NEIGHBORHOODS`].
    pub neighborhoods: u16,
    /// Days.
    pub days: u32,
    /// The first day, counted from [`Plan::start_ms`]: a second run on the same data goes on where the first ended.
    pub first_day: u32,
    /// Where day 0 begins, milliseconds since 1970.
    pub start_ms: i64,
    /// What values depend on.
    pub seed: u64,
    /// Which values.
    pub style: Style,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            neighborhoods: 1,
            days: 1,
            first_day: 0,
            start_ms: START_MS,
            seed: 1,
            style: Style::Varied,
        }
    }
}

/// A report that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The device's number in [`Workload::devices`].
    pub device: u32,
    /// Its report's number, from 1, rising without gaps over all days.
    pub n: u32,
}

/// All reports of one simulated moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The moment, milliseconds since 1970.
    pub time_ms: i64,
    /// Who reports: each device at most once.
    pub due: Vec<Due>,
}

/// The schedule of a plan.
#[derive(Clone, Debug)]
pub struct Workload {
    plan: Plan,
    devices: Vec<Device>,
    /// Minute of the day → (device, how many reports it made before on that day).
    minutes: BTreeMap<u16, Vec<(u32, u16)>>,
    /// Reports of each device in a day.
    per_day: Vec<u16>,
}

impl Workload {
    /// The schedule of a plan.
    pub fn new(plan: Plan) -> Self {
        let devices = fleet::devices(plan.neighborhoods);
        let mut minutes: BTreeMap<u16, Vec<(u32, u16)>> = BTreeMap::new();
        let mut per_day = Vec::with_capacity(devices.len());
        for (number, device) in (0..).zip(&devices) {
            let times = device.minutes();
            per_day.push(times.len() as u16);
            for (before, minute) in (0..).zip(times) {
                minutes.entry(minute).or_default().push((number, before));
            }
        }
        Self {
            plan,
            devices,
            minutes,
            per_day,
        }
    }

    /// What it was made from.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// All devices, by number.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Reports that a device makes in a day.
    pub fn reports_per_day(&self, device: u32) -> u32 {
        self.per_day
            .get(device as usize)
            .copied()
            .unwrap_or_default()
            .into()
    }

    /// Reports of the whole plan.
    pub fn total(&self) -> u64 {
        u64::from(self.plan.days) * u64::from(self.plan.neighborhoods) * REPORTS_PER_DAY
    }

    /// Reports of the whole plan by kind.
    pub fn per_kind(&self) -> BTreeMap<Kind, u64> {
        let mut counts = BTreeMap::new();
        for (device, per_day) in self.devices.iter().zip(&self.per_day) {
            *counts.entry(device.kind).or_default() +=
                u64::from(*per_day) * u64::from(self.plan.days);
        }
        counts
    }

    /// The simulated moment at which the plan begins.
    pub fn begin_ms(&self) -> i64 {
        self.plan.start_ms + i64::from(self.plan.first_day) * DAY_MS
    }

    /// The simulated moment at which the plan ends.
    pub fn end_ms(&self) -> i64 {
        self.begin_ms() + i64::from(self.plan.days) * DAY_MS
    }

    /// All steps in order of time.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let first = self.plan.first_day;
        (first..first + self.plan.days).flat_map(move |day| {
            self.minutes.iter().map(move |(minute, entries)| Step {
                time_ms: self.plan.start_ms + i64::from(day) * DAY_MS + i64::from(*minute) * 60_000,
                due: entries
                    .iter()
                    .map(|(device, before)| Due {
                        device: *device,
                        n: day * self.reports_per_day(*device) + u32::from(*before) + 1,
                    })
                    .collect(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_day_has_the_counts_of_the_experiment_as_intended() {
        for (neighborhoods, days) in [(1, 1), (2, 1), (1, 3)] {
            let workload = Workload::new(Plan {
                neighborhoods,
                days,
                ..Plan::default()
            });
            let mut counted: BTreeMap<Kind, u64> = BTreeMap::new();
            for due in workload.steps().flat_map(|step| step.due) {
                *counted
                    .entry(workload.devices()[due.device as usize].kind)
                    .or_default() += 1;
            }
            let times = u64::from(neighborhoods) * u64::from(days);
            let table = [
                (Kind::Air, 7_200),
                (Kind::Weather, 7_200),
                (Kind::Noise, 7_200),
                (Kind::Crowd, 7_200),
                (Kind::Traffic, 12_000),
                (Kind::Charging, 134),
                (Kind::Spot, 5_560),
                (Kind::Lamp, 200),
                (Kind::Battery, 880),
            ];
            assert_eq!(
                counted,
                table.map(|(kind, count)| (kind, count * times)).into()
            );
            assert_eq!(counted, workload.per_kind());
            assert_eq!(counted.values().sum::<u64>(), workload.total());
            assert_eq!(workload.total(), times * 47_574);
        }
    }

    #[test]
    fn windows_have_the_intervals_of_the_experiment() {
        let counts = |kind: Kind| {
            let mut counts = [0; fleet::WINDOWS];
            for minute in kind.minutes() {
                counts[usize::from(minute / fleet::WINDOW_MIN)] += 1;
            }
            counts
        };
        for (kind, expected) in [
            (Kind::Air, [24, 24, 24, 24, 24, 24]),
            (Kind::Crowd, [8, 16, 48, 48, 16, 8]),
            (Kind::Traffic, [24, 48, 48, 48, 48, 24]),
            (Kind::Charging, [3, 16, 48, 48, 16, 3]),
            (Kind::Spot, [3, 16, 120, 120, 16, 3]),
            (Kind::Lamp, [0, 2, 0, 0, 2, 0]),
            (Kind::Battery, [0, 2, 0, 0, 2, 0]),
        ] {
            assert_eq!(counts(kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn numbers_of_a_device_rise_without_gaps_and_time_never_moves_back() {
        let workload = Workload::new(Plan {
            days: 2,
            first_day: 1,
            ..Plan::default()
        });
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        let mut now = 0;
        for step in workload.steps() {
            assert!(step.time_ms > now);
            now = step.time_ms;
            for due in step.due {
                let before = last.insert(due.device, due.n);
                let expected = before.unwrap_or(workload.reports_per_day(due.device)) + 1;
                assert_eq!(due.n, expected);
            }
        }
        assert_eq!(last.len(), fleet::DEVICES);
        assert_eq!(
            workload.steps().next().unwrap().time_ms,
            workload.begin_ms()
        );
        assert!(now < workload.end_ms());
    }

    #[test]
    fn the_first_step_falls_on_midnight() {
        assert_eq!(
            gemelli_model::time::format_ms(START_MS),
            "2026-01-05T00:00:00Z"
        );
    }
}
