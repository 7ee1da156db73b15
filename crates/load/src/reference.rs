//! What the city must come to: every derived value, computed by plain code from the schedule.
//!
//! Written from the formulas in `examples/city/README.md`, not from the interfaces: it shares no
//! code with the engine, so that a mistake in either shows as a difference. It folds the readings
//! in order of their time and then computes every roll-up once, from scratch.

pub mod air;
mod lamp;
mod rollup;
mod weather;

use crate::{
    fleet::{Device, Kind},
    payload::{self, Reading},
    workload::{Step, Workload},
};
use std::collections::BTreeMap;

/// A derived value; one that is not listed is absent.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// A number.
    Number(f64),
    /// A word.
    Word(&'static str),
    /// A truth value.
    Truth(bool),
}

impl From<f64> for Expected {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Expected {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<&'static str> for Expected {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

/// The derived values of a twin: those that must be there, and (`None`) those that must be absent.
pub type Values = BTreeMap<&'static str, Option<Expected>>;

/// The city after a run.
#[derive(Clone, Debug, Default)]
pub struct City {
    /// Derived values by twin.
    pub twins: BTreeMap<String, Values>,
    /// Virtual events that each battery device must have been sent, and the last frequency, by
    /// device number.
    pub told: BTreeMap<u32, (u64, f64)>,
    /// Lamps that were defective at some time, by twin: how often the flag rose and fell.
    pub lamps: BTreeMap<String, lamp::Flips>,
}

pub use lamp::Flips;

/// What is remembered of a device.
#[derive(Clone, Debug, Default)]
struct Latest {
    reading: Option<Reading>,
    /// Pressure of the report before the latest.
    pressure_before: Option<f64>,
    lamp: lamp::Lamp,
    /// Virtual events: how many, and the frequency of the last one.
    orders: u64,
    frequency: Option<f64>,
}

/// Computes the whole city from its schedule.
pub fn city(workload: &Workload) -> City {
    let mut latest: Vec<Latest> = vec![Latest::default(); workload.devices().len()];
    let mut now = workload.begin_ms();
    for step in workload.steps() {
        now = step.time_ms;
        fold(workload, &step, &mut latest);
    }
    let mut city = City::default();
    for (number, (device, latest)) in (0..).zip(workload.devices().iter().zip(&latest)) {
        let values = values(device, latest, now);
        if !values.is_empty() {
            city.twins.insert(device.id(), values);
        }
        if let Some(frequency) = latest.frequency {
            city.told.insert(number, (latest.orders, frequency));
        }
        if latest.lamp.flips != Flips::default() {
            city.lamps.insert(device.id(), latest.lamp.flips);
        }
    }
    rollup::fill(workload, &latest, &mut city);
    city
}

fn fold(workload: &Workload, step: &Step, latest: &mut [Latest]) {
    for due in &step.due {
        let Some(reading) = payload::reading(workload, *due, step.time_ms) else {
            continue;
        };
        let Some(latest) = latest.get_mut(due.device as usize) else {
            continue;
        };
        if let Some(before) = &latest.reading {
            latest.pressure_before = before.number("atmosphericPressure");
        }
        if let Some(word) = reading.word("powerState") {
            latest.lamp.report(word, reading.time_ms);
        }
        if let Some(level) = reading.number("batteryLevel") {
            let frequency = frequency(level);
            if latest.frequency != Some(frequency) {
                latest.orders += 1;
                latest.frequency = Some(frequency);
            }
        }
        latest.reading = Some(reading);
    }
}

/// Minutes between measurements that a battery can bear.
fn frequency(battery_level: f64) -> f64 {
    if battery_level < 15.0 { 60.0 } else { 15.0 }
}

/// The derived values of a device's own twin.
fn values(device: &Device, latest: &Latest, now_ms: i64) -> Values {
    let Some(reading) = &latest.reading else {
        return Values::new();
    };
    match device.kind {
        Kind::Air => air::values(reading, now_ms),
        Kind::Weather => weather::values(reading, latest.pressure_before),
        Kind::Crowd => congested(reading, "averageCrowdSpeed", 4.0),
        Kind::Traffic => congested(reading, "averageVehicleSpeed", 12.0),
        Kind::Lamp => [("defectiveLamp", Some(latest.lamp.defective.into()))].into(),
        Kind::Battery => [("measurementFrequency", latest.frequency.map(Expected::from))].into(),
        Kind::Noise | Kind::Charging | Kind::Spot => Values::new(),
    }
}

/// Slower than walking pace of its kind, or closer than two seconds.
fn is_congested(reading: &Reading, speed: &str, least: f64) -> bool {
    reading.number(speed).is_some_and(|speed| speed < least)
        || reading
            .number("averageHeadwayTime")
            .is_some_and(|headway| headway < 2.0)
}

fn congested(reading: &Reading, speed: &str, least: f64) -> Values {
    [(
        "congested",
        Some(is_congested(reading, speed, least).into()),
    )]
    .into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        city,
        fleet::{SILENT_PLACE, STUCK_PLACE},
        workload::{Plan, Style},
    };
    use std::collections::BTreeSet;

    fn run(plan: Plan) -> City {
        super::city(&Workload::new(plan))
    }

    fn id(kind: Kind, place: u16) -> String {
        Device {
            kind,
            neighborhood: 1,
            place,
            powers: None,
        }
        .id()
    }

    #[test]
    fn the_constants_of_the_experiment_come_to_its_published_results() {
        let city = run(Plan {
            style: Style::Ktwin,
            ..Plan::default()
        });
        let value = |twin: &str, name: &str| city.twins[twin][name].clone().unwrap();
        let air = id(Kind::Air, 1);
        assert_eq!(value(&air, "COLevel"), "MODERATE".into());
        assert_eq!(value(&air, "PM25Level"), "GOOD".into());
        assert_eq!(value(&air, "airQualityIndex"), 86.0.into());
        for twin in [
            &city::pole(1, 1),
            &city::neighborhood(1),
            &city::CITY.to_owned(),
        ] {
            assert_eq!(value(twin, "airQualityLevel"), "MODERATE".into());
        }
        let weather = id(Kind::Weather, 9);
        assert_eq!(value(&weather, "dewpoint"), (8.0 - 92.0 / 5.0).into());
        assert_eq!(value(&weather, "pressureTendency"), "steady".into());
        let felt = value(&weather, "feelsLikeTemperature");
        assert!(
            matches!(felt, Expected::Number(felt) if (felt - -1.9253).abs() < 1e-4),
            "{felt:?}"
        );
        assert_eq!(value(&id(Kind::Crowd, 1), "congested"), false.into());
        assert_eq!(value(&city::parking(1), "occupiedSpotNumber"), 20.0.into());
        assert_eq!(value(&city::parking(1), "availableSpotNumber"), 0.0.into());
        assert_eq!(value(city::CITY, "availableCapacity"), 3.0.into());
        assert_eq!(value(city::CITY, "congestedFlows"), 0.0.into());
        assert_eq!(value(city::CITY, "averageNoise"), 8.0.into());
        assert!(city.told.values().all(|told| *told == (1, 15.0)));
        assert_eq!(city.told.len(), 220);
    }

    #[test]
    fn the_silent_sensor_has_no_index_at_midnight_and_its_pole_neither() {
        let city = run(Plan::default());
        let silent = &city.twins[&id(Kind::Air, SILENT_PLACE)];
        assert_eq!(
            (&silent["airQualityIndex"], &silent["airQualityLevel"]),
            (&None, &None)
        );
        assert!(
            silent["COIndex"].is_some(),
            "only the overall index expires"
        );
        assert_eq!(
            city.twins[&city::pole(1, SILENT_PLACE)]["airQualityIndex"],
            None
        );
        assert!(city.twins[&id(Kind::Air, 1)]["airQualityIndex"].is_some());
    }

    #[test]
    fn one_lamp_is_defective_for_a_while_in_three_days() {
        let stuck = id(Kind::Lamp, STUCK_PLACE);
        for (days, flips, defective) in [
            (1, None, false),
            (2, None, false),
            (
                3,
                Some(Flips {
                    raised: 1,
                    cleared: 1,
                }),
                false,
            ),
        ] {
            let city = run(Plan {
                days,
                ..Plan::default()
            });
            assert_eq!(city.lamps.get(&stuck).copied(), flips, "{days} days");
            assert_eq!(city.lamps.len(), usize::from(flips.is_some()));
            assert_eq!(city.twins[&stuck]["defectiveLamp"], Some(defective.into()));
        }
    }

    #[test]
    fn a_day_ends_on_every_category_and_both_sides_of_most_thresholds() {
        let city = run(Plan::default());
        let words = |name: &str| -> BTreeSet<&'static str> {
            let values = city
                .twins
                .values()
                .filter_map(|values| values.get(name)?.as_ref());
            values
                .filter_map(|value| {
                    if let Expected::Word(word) = value {
                        Some(*word)
                    } else {
                        None
                    }
                })
                .collect()
        };
        assert_eq!(words("airQualityLevel"), air::CATEGORIES.into());
        assert_eq!(
            words("pressureTendency"),
            BTreeSet::from(["falling", "raising", "steady"])
        );
        let both = |name: &str| {
            let values = city
                .twins
                .values()
                .filter_map(|values| values.get(name)?.as_ref());
            values
                .filter(|value| **value == Expected::Truth(true))
                .count()
        };
        assert!((1..99).contains(&both("congested")));
        let frequencies: BTreeSet<u64> = city.told.values().map(|(_, last)| *last as u64).collect();
        assert_eq!(frequencies, BTreeSet::from([15, 60]));
    }

    #[test]
    fn a_battery_at_exactly_fifteen_measures_often() {
        assert_eq!([14.9, 15.0, 15.1].map(frequency), [60.0, 15.0, 15.0]);
    }
}
