//! What a report says: typed members, and their JSON.
//!
//! Every reading follows from (seed, device, number) alone. Varied readings cross every threshold
//! that the city's derived values know, bounds included; [`Style::Ktwin`] gives the constants of
//! KTWIN's experiment. Members are those of its nine generators, spelled as they spell them.

mod varied;

use crate::{
    fleet::{Device, Kind, WINDOW_MIN, WINDOWS},
    workload::{DAY_MS, Due, Style, Workload},
};
use std::io::Write as _;

/// A member's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Member {
    /// A number that may have a fraction.
    Number(f64),
    /// A whole number.
    Whole(i64),
    /// A word.
    Word(&'static str),
    /// A moment, milliseconds since 1970, written in whole seconds of UTC.
    Time(i64),
}

/// What a device reports at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The simulated moment, milliseconds since 1970.
    pub time_ms: i64,
    /// Members in the order in which they are written.
    pub members: Vec<(&'static str, Member)>,
}

impl Reading {
    /// A number of the reading, whole or not.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.member(name)? {
            Member::Number(number) => Some(number),
            Member::Whole(number) => Some(number as f64),
            Member::Word(_) | Member::Time(_) => None,
        }
    }

    /// A word of the reading.
    pub fn word(&self, name: &str) -> Option<&'static str> {
        match self.member(name)? {
            Member::Word(word) => Some(word),
            _ => None,
        }
    }

    fn member(&self, name: &str) -> Option<Member> {
        self.members
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, member)| *member)
    }

    /// Appends the reading as a JSON object. With an event id, it stands in the payload as `ceId`
    /// (MQTT 3.1.1 has no other place for it).
    pub fn write_json(&self, event_id: Option<&str>, out: &mut Vec<u8>) {
        out.push(b'{');
        for (at, (name, member)) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            // Writing to a Vec cannot fail.
            let _ = match member {
                Member::Number(number) => write!(out, "\"{name}\":{number}"),
                Member::Whole(number) => write!(out, "\"{name}\":{number}"),
                Member::Word(word) => write!(out, "\"{name}\":\"{word}\""),
                Member::Time(ms) => {
                    write!(
                        out,
                        "\"{name}\":\"{}\"",
                        gemelli_model::time::format_ms(*ms)
                    )
                }
            };
        }
        if let Some(id) = event_id {
            let _ = write!(out, ",\"ceId\":\"{id}\"");
        }
        out.push(b'}');
    }
}

/// What a device says in a report that is due at `time_ms`.
pub fn reading(workload: &Workload, due: Due, time_ms: i64) -> Option<Reading> {
    let device = workload.devices().get(due.device as usize)?;
    let plan = workload.plan();
    let since_start = time_ms - plan.start_ms;
    let moment = Moment {
        device,
        number: due.device,
        n: due.n,
        day: u32::try_from(since_start.div_euclid(DAY_MS)).unwrap_or_default(),
        minute: (since_start.rem_euclid(DAY_MS) / 60_000) as u16,
        last_of_day: due
            .n
            .is_multiple_of(workload.reports_per_day(due.device).max(1)),
        time_ms,
        seed: plan.seed,
    };
    let mut members = match plan.style {
        Style::Varied => varied::members(&moment),
        Style::Ktwin => constants(&moment),
    };
    stamp(&moment, &mut members);
    Some(Reading { time_ms, members })
}

/// A report about to be filled.
struct Moment<'a> {
    device: &'a Device,
    number: u32,
    n: u32,
    day: u32,
    minute: u16,
    last_of_day: bool,
    time_ms: i64,
    seed: u64,
}

/// Members that every generator adds: its count, and when it measured.
fn stamp(moment: &Moment<'_>, members: &mut Vec<(&'static str, Member)>) {
    members.push(("msg_count", Member::Whole(i64::from(moment.n))));
    match moment.device.kind {
        Kind::Crowd | Kind::Traffic => {
            let window = usize::from(moment.minute / WINDOW_MIN);
            let minutes = moment
                .device
                .kind
                .intervals()
                .get(window)
                .copied()
                .unwrap_or(1);
            let from = moment.time_ms - i64::from(minutes) * 60_000;
            members.push(("dateObservedFrom", Member::Time(from)));
            members.push(("dateObservedTo", Member::Time(moment.time_ms)));
        }
        _ => members.push(("timestamp", Member::Time(moment.time_ms))),
    }
}

/// Members of the air-quality generator that no derived value reads.
const AIR_OTHER: [&str; 12] = [
    "ASDensity",
    "C6H6Density",
    "CDDensity",
    "CO2Density",
    "NIDensity",
    "NODensity",
    "PBDensity",
    "PM1Density",
    "SH2Density",
    "WindDirection",
    "WindSpeed",
    "precipitation",
];

/// The constants of KTWIN's generators; the last window differs for flows, spots and charging.
fn constants(moment: &Moment<'_>) -> Vec<(&'static str, Member)> {
    let whole = |name, value| (name, Member::Whole(value));
    let last = usize::from(moment.minute / WINDOW_MIN) == WINDOWS - 1;
    let eights = |names: &[&'static str]| -> Vec<(&'static str, Member)> {
        names.iter().map(|name| (*name, Member::Whole(8))).collect()
    };
    match moment.device.kind {
        Kind::Air => {
            let mut members = eights(&AIR_OTHER);
            members.extend(eights(&[
                "CODensity",
                "NO2Density",
                "O3Density",
                "PM10Density",
            ]));
            members.extend(eights(&["PM25Density", "SO2Density", "relativeHumidity"]));
            members.extend(eights(&["reliability", "temperature"]));
            members.push(whole("volatileOrganicCompoundsTotal", 0));
            members
        }
        Kind::Weather => {
            let mut members = eights(&["WindDirection", "WindSpeed", "dewpoint", "illuminance"]);
            members.extend(eights(&["precipitation", "relativeHumidity", "snowHeight"]));
            members.extend(eights(&["solarRadiation", "streamGauge", "temperature"]));
            members.extend(eights(&["uVIndexMax", "visibility"]));
            members.push(whole("atmosphericPressure", 10));
            members
        }
        Kind::Noise => {
            let mut members = vec![whole("LASSoundPressure", 10)];
            members.extend(eights(&["LAeqSoundPressure", "LAeq_dSoundPressure"]));
            members.extend(eights(&["LAmaxSoundPressure"]));
            members
        }
        Kind::Crowd => vec![
            whole("averageCrowdSpeed", if last { 10 } else { 2 }),
            whole("averageHeadwayTime", if last { 10 } else { 1 }),
            whole("peopleCount", 50),
        ],
        Kind::Traffic => vec![
            whole("averageVehicleSpeed", if last { 40 } else { 10 }),
            whole("averageHeadwayTime", if last { 10 } else { 1 }),
            whole("averageGapDistance", 3),
            whole("averageVehicleLength", 200),
        ],
        Kind::Charging => vec![whole("availableCapacity", if last { 3 } else { 1 })],
        Kind::Spot => vec![(
            "status",
            Member::Word(if last { "occupied" } else { "free" }),
        )],
        Kind::Lamp => vec![("powerState", Member::Word("off"))],
        Kind::Battery => vec![whole("batteryLevel", 90), whole("measurementFrequency", 15)],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::workload::Plan;
    use std::collections::{BTreeMap, BTreeSet};

    fn all(plan: Plan) -> Vec<(Device, Reading)> {
        let workload = Workload::new(plan);
        let devices = workload.devices().to_vec();
        let mut readings = Vec::new();
        for step in workload.steps() {
            for due in step.due {
                let reading = reading(&workload, due, step.time_ms).unwrap();
                readings.push((devices[due.device as usize], reading));
            }
        }
        readings
    }

    #[test]
    fn json_is_what_the_members_say() {
        for (_, reading) in all(Plan::default()).into_iter().step_by(97) {
            let mut text = Vec::new();
            reading.write_json(Some("x#1"), &mut text);
            let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(json["ceId"], "x#1");
            assert_eq!(json.as_object().unwrap().len(), reading.members.len() + 1);
            for (name, member) in &reading.members {
                match member {
                    Member::Number(n) => assert_eq!(json[name].as_f64(), Some(*n)),
                    Member::Whole(n) => assert_eq!(json[name].as_i64(), Some(*n)),
                    Member::Word(word) => assert_eq!(json[name], *word),
                    Member::Time(ms) => {
                        let text = json[name].as_str().unwrap();
                        assert_eq!(gemelli_model::time::parse_ms(text), Some(*ms));
                    }
                }
            }
        }
    }

    #[test]
    fn both_styles_have_the_same_members() {
        let names = |style| -> BTreeMap<Kind, BTreeSet<&'static str>> {
            let mut names: BTreeMap<Kind, BTreeSet<&'static str>> = BTreeMap::new();
            for (device, reading) in all(Plan {
                style,
                ..Plan::default()
            }) {
                let members = reading.members.iter().map(|(name, _)| *name);
                names.entry(device.kind).or_default().extend(members);
            }
            names
        };
        assert_eq!(names(Style::Varied), names(Style::Ktwin));
    }

    #[test]
    fn another_seed_gives_other_readings_and_the_same_seed_the_same() {
        let first = all(Plan::default());
        assert_eq!(first, all(Plan::default()));
        let second = all(Plan {
            seed: 2,
            ..Plan::default()
        });
        let same = first.iter().zip(&second).filter(|(a, b)| a == b).count();
        assert!(
            same * 3 < first.len(),
            "{same} of {} readings are the same",
            first.len()
        );
    }

    #[test]
    fn varied_readings_cross_every_threshold() {
        let readings = all(Plan::default());
        let values = |kind: Kind, name: &str| -> BTreeSet<String> {
            let of_kind = readings.iter().filter(|(device, _)| device.kind == kind);
            of_kind
                .filter_map(|(_, r)| Some(r.number(name)?.to_string()))
                .collect()
        };
        for (kind, name, expected) in [
            (Kind::Crowd, "averageCrowdSpeed", ["3.9", "4", "4.1"]),
            (Kind::Crowd, "averageHeadwayTime", ["1.9", "2", "2.1"]),
            (Kind::Traffic, "averageVehicleSpeed", ["11.9", "12", "12.1"]),
            (Kind::Traffic, "averageHeadwayTime", ["1.9", "2", "2.1"]),
            (Kind::Battery, "batteryLevel", ["14", "15", "16"]),
            (Kind::Charging, "availableCapacity", ["0", "1", "3"]),
        ] {
            let values = values(kind, name);
            for value in expected {
                assert!(values.contains(value), "{kind:?} {name} {value}");
            }
        }
        let words = |kind: Kind, name: &str| -> BTreeSet<&'static str> {
            let of_kind = readings.iter().filter(|(device, _)| device.kind == kind);
            of_kind.filter_map(|(_, r)| r.word(name)).collect()
        };
        assert_eq!(
            words(Kind::Spot, "status"),
            BTreeSet::from(["free", "occupied"])
        );
        assert_eq!(
            words(Kind::Lamp, "powerState"),
            BTreeSet::from(["off", "on"])
        );
    }
}
