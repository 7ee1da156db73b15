//! Readings by seed: plausible between the thresholds, and on them often enough.

use super::{AIR_OTHER, Member, Moment};
use crate::{
    chance::Chance,
    fleet::{Kind, STUCK_PLACE},
    reference::air,
};

/// Spots change state once in this many reports at the earliest.
const SPOT_HOLDS: u32 = 6;

/// Members of a varied reading.
pub(super) fn members(moment: &Moment<'_>) -> Vec<(&'static str, Member)> {
    let chance = Chance::at(
        moment.seed,
        &[u64::from(moment.number), u64::from(moment.n)],
    );
    match moment.device.kind {
        Kind::Air => air(moment, chance),
        Kind::Weather => weather(moment, chance),
        Kind::Noise => noise(chance),
        Kind::Crowd => vec![
            number("averageCrowdSpeed", near(&mut chance.clone(), 40, 0, 90)),
            number(
                "averageHeadwayTime",
                near(&mut skip(chance.clone()), 20, 0, 80),
            ),
            whole("peopleCount", skip(skip(chance)).whole(0, 200)),
        ],
        Kind::Traffic => traffic(chance),
        Kind::Charging => vec![whole("availableCapacity", { chance }.whole(0, 3))],
        Kind::Spot => vec![("status", Member::Word(spot(moment)))],
        Kind::Lamp => vec![("powerState", Member::Word(lamp(moment)))],
        Kind::Battery => vec![
            whole(
                "batteryLevel",
                { chance }.pick(&[100, 90, 47, 16, 15, 14, 15, 14, 3, 0]),
            ),
            whole("measurementFrequency", 15),
        ],
    }
}

fn number(name: &'static str, value: f64) -> (&'static str, Member) {
    (name, Member::Number(value))
}

fn whole(name: &'static str, value: i64) -> (&'static str, Member) {
    (name, Member::Whole(value))
}

fn skip(mut chance: Chance) -> Chance {
    chance.next();
    chance
}

/// Tenths around a threshold half of the time (it, one above, one below), anywhere otherwise.
fn near(chance: &mut Chance, threshold: i64, low: i64, high: i64) -> f64 {
    match chance.below(6) {
        0 => threshold as f64 / 10.0,
        1 => (threshold - 1) as f64 / 10.0,
        2 => (threshold + 1) as f64 / 10.0,
        _ => chance.decimal(low, high, 10),
    }
}

/// One pollutant decides a reading, the others stay good. Which category it may reach at most
/// follows the hour and the neighbourhood, so that a neighbourhood's worst level comes and goes;
/// the last reading of a day may be any, so that the day ends on every bound of every table.
fn air(moment: &Moment<'_>, mut chance: Chance) -> Vec<(&'static str, Member)> {
    let ceiling = match moment.last_of_day {
        true => air::WORST,
        false => ceiling(moment.minute, moment.device.neighborhood),
    };
    let cases: Vec<(&'static str, f64)> = air::bounds(ceiling).collect();
    let decisive = match moment.last_of_day || chance.one_in(2) {
        true => {
            let at = u64::from(moment.number) + 7 * u64::from(moment.n) + moment.seed;
            cases
                .get((at % cases.len().max(1) as u64) as usize)
                .copied()
        }
        false => {
            let table = air::TABLES.get(chance.below(air::TABLES.len() as u64) as usize);
            table.map(|table| (table.member, table.between(&mut chance, ceiling)))
        }
    };
    let mut members: Vec<(&'static str, Member)> = Vec::with_capacity(26);
    for table in &air::TABLES {
        let value = match decisive {
            Some((member, value)) if member == table.member => value,
            _ => table.between(&mut chance, 0),
        };
        members.push(number(table.member, value));
    }
    for name in AIR_OTHER {
        members.push(number(name, chance.decimal(0, 200, 10)));
    }
    members.push(whole("relativeHumidity", chance.whole(10, 100)));
    members.push(whole("reliability", chance.whole(80, 100)));
    members.push(number("temperature", chance.decimal(-100, 400, 10)));
    members.push(whole("volatileOrganicCompoundsTotal", chance.whole(0, 500)));
    members
}

/// The worst category of the hour: up and down once in a day, each neighbourhood at its own time.
fn ceiling(minute: u16, neighborhood: u16) -> usize {
    let phase = usize::from(minute / 120 + 2 * neighborhood) % 12;
    phase.min(11 - phase).min(air::WORST)
}

fn weather(moment: &Moment<'_>, mut chance: Chance) -> Vec<(&'static str, Member)> {
    let swing = (f64::from(moment.minute) / 1_440.0 * std::f64::consts::TAU).sin();
    let warm = (150.0 - 80.0 * swing) as i64;
    vec![
        number("WindDirection", chance.decimal(0, 3_599, 10)),
        number(
            "WindSpeed",
            match chance.below(8) {
                0 => 0.0,
                _ => chance.decimal(0, 250, 10),
            },
        ),
        number("dewpoint", chance.decimal(-100, 200, 10)),
        whole("illuminance", chance.whole(0, 100_000)),
        number("precipitation", chance.decimal(0, 50, 10)),
        whole(
            "relativeHumidity",
            chance.pick(&[100, 99, 80, 65, 50, 35, 20]),
        ),
        number("snowHeight", 0.0),
        whole("solarRadiation", chance.whole(0, 1_000)),
        number("streamGauge", chance.decimal(0, 90, 10)),
        number("temperature", (warm + chance.whole(-60, 60)) as f64 / 10.0),
        whole("uVIndexMax", chance.whole(0, 11)),
        whole("visibility", chance.whole(0, 10_000)),
        // Few values, so that it often stays as it was.
        number("atmosphericPressure", chance.decimal(2_026, 2_030, 2)),
    ]
}

fn noise(mut chance: Chance) -> Vec<(&'static str, Member)> {
    [
        "LASSoundPressure",
        "LAeqSoundPressure",
        "LAeq_dSoundPressure",
        "LAmaxSoundPressure",
    ]
    .map(|name| number(name, chance.decimal(300, 950, 10)))
    .into()
}

fn traffic(mut chance: Chance) -> Vec<(&'static str, Member)> {
    vec![
        number("averageVehicleSpeed", near(&mut chance, 120, 0, 600)),
        number("averageHeadwayTime", near(&mut chance, 20, 0, 150)),
        number("averageGapDistance", chance.decimal(10, 500, 10)),
        whole("averageVehicleLength", chance.whole(150, 1_200)),
    ]
}

/// A spot keeps its state for some reports and repeats it: a repeated word must change nothing.
fn spot(moment: &Moment<'_>) -> &'static str {
    let block = u64::from(moment.n / SPOT_HOLDS);
    let mut chance = Chance::at(moment.seed, &[u64::from(moment.number), 1 << 32 | block]);
    if chance.one_in(2) { "occupied" } else { "free" }
}

/// Lamps burn at night. One lamp of each neighbourhood stays off for more than 48 hours and comes
/// on again with the last report of every third day.
fn lamp(moment: &Moment<'_>) -> &'static str {
    let evening = moment.minute >= 1_080;
    let on = match moment.device.place == STUCK_PLACE {
        true => moment.last_of_day && moment.day % 3 == 2,
        false => evening || moment.minute < 360,
    };
    if on { "on" } else { "off" }
}
