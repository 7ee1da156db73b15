//! Roll-ups: poles, car parks, neighbourhoods and the city, each computed once from what it holds.

use super::{City, Expected, Latest, Values, air, is_congested};
use crate::{
    city,
    fleet::{Device, Kind, POLES},
    workload::Workload,
};

/// What a pole, a neighbourhood or the city holds.
#[derive(Clone, Debug, Default)]
struct Sum {
    index: Option<f64>,
    noise: Vec<f64>,
    crowds: f64,
    traffic: f64,
    lamps: f64,
    spots: f64,
    occupied: f64,
    capacity: f64,
}

impl Sum {
    /// Averages are averages of averages: a part without noise has no share.
    fn average_noise(&self) -> Option<f64> {
        let count = self.noise.len();
        (count > 0).then(|| exact_sum(&self.noise) / count as f64)
    }

    fn add(&mut self, part: &Self) {
        self.index = worst(self.index, part.index);
        self.noise.extend(part.average_noise());
        self.crowds += part.crowds;
        self.traffic += part.traffic;
        self.lamps += part.lamps;
        self.spots += part.spots;
        self.occupied += part.occupied;
        self.capacity += part.capacity;
    }

    fn device(&mut self, device: &Device, latest: &Latest, values: Option<&Values>) {
        let Some(reading) = &latest.reading else {
            return;
        };
        let counted = |yes: bool| f64::from(u8::from(yes));
        match device.kind {
            Kind::Air => {
                if let Some(Some(Expected::Number(index))) =
                    values.and_then(|v| v.get("airQualityIndex"))
                {
                    self.index = worst(self.index, Some(*index));
                }
            }
            Kind::Noise => self.noise.extend(reading.number("LAeqSoundPressure")),
            Kind::Crowd => self.crowds += counted(is_congested(reading, "averageCrowdSpeed", 4.0)),
            Kind::Traffic => {
                self.traffic += counted(is_congested(reading, "averageVehicleSpeed", 12.0))
            }
            Kind::Lamp => self.lamps += counted(latest.lamp.defective),
            Kind::Spot => {
                self.spots += 1.0;
                self.occupied += counted(reading.word("status") == Some("occupied"));
            }
            Kind::Charging => {
                self.capacity += reading.number("availableCapacity").unwrap_or_default()
            }
            Kind::Weather | Kind::Battery => {}
        }
    }

    fn air(&self) -> [(&'static str, Option<Expected>); 2] {
        [
            ("airQualityIndex", self.index.map(Into::into)),
            (
                "airQualityLevel",
                self.index.map(|index| air::level(index).into()),
            ),
        ]
    }

    fn pole(&self) -> Values {
        let mut values: Values = self.air().into();
        values.insert("averageNoise", self.average_noise().map(Into::into));
        values.insert("congestedCrowds", Some(self.crowds.into()));
        values.insert("congestedTraffic", Some(self.traffic.into()));
        values.insert("congestedFlows", Some((self.crowds + self.traffic).into()));
        values.insert("defectiveLamps", Some(self.lamps.into()));
        values
    }

    fn spots(&self) -> Values {
        [
            ("totalSpotNumber", Some(self.spots.into())),
            ("occupiedSpotNumber", Some(self.occupied.into())),
            (
                "availableSpotNumber",
                Some((self.spots - self.occupied).into()),
            ),
        ]
        .into()
    }

    fn area(&self) -> Values {
        let mut values: Values = self.air().into();
        values.extend(self.spots());
        values.insert("averageNoise", self.average_noise().map(Into::into));
        values.insert("congestedFlows", Some((self.crowds + self.traffic).into()));
        values.insert("defectiveLamps", Some(self.lamps.into()));
        values.insert("availableCapacity", Some(self.capacity.into()));
        values
    }
}

fn worst(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

/// A sum that is rounded once: Shewchuk's partials, in any order the same.
fn exact_sum(terms: &[f64]) -> f64 {
    let mut partials: Vec<f64> = Vec::new();
    for term in terms {
        let mut x = *term;
        let mut kept = Vec::with_capacity(partials.len() + 1);
        for mut y in partials {
            if x.abs() < y.abs() {
                std::mem::swap(&mut x, &mut y);
            }
            let high = x + y;
            let low = y - (high - x);
            if low != 0.0 {
                kept.push(low);
            }
            x = high;
        }
        kept.push(x);
        partials = kept;
    }
    // The partials do not overlap: adding from the largest down, the first inexact step decides.
    let mut rest = partials.into_iter().rev();
    let mut sum = rest.next().unwrap_or_default();
    while let Some(y) = rest.next() {
        let high = sum + y;
        let low = y - (high - sum);
        sum = high;
        if low != 0.0 {
            let next = rest.next().unwrap_or_default();
            let twice = 2.0 * low;
            let rounded = high + twice;
            if (low > 0.0) == (next > 0.0) && next != 0.0 && twice == rounded - high {
                sum = rounded;
            }
            break;
        }
    }
    sum
}

/// Adds the values of all twins without a device.
pub(super) fn fill(workload: &Workload, latest: &[Latest], city: &mut City) {
    let mut whole = Sum::default();
    for neighborhood in 1..=workload.plan().neighborhoods {
        let mut poles = vec![Sum::default(); usize::from(POLES)];
        let (mut parking, mut charging) = (Sum::default(), Sum::default());
        let devices = workload.devices().iter().zip(latest);
        for (device, latest) in devices.filter(|(device, _)| device.neighborhood == neighborhood) {
            let sum = match device.kind {
                Kind::Spot => Some(&mut parking),
                Kind::Charging => Some(&mut charging),
                Kind::Battery => None,
                _ => poles.get_mut(usize::from(device.place - 1)),
            };
            let values = city.twins.get(&device.id());
            if let Some(sum) = sum {
                sum.device(device, latest, values);
            }
        }
        let mut area = Sum::default();
        for (number, pole) in (1..).zip(&poles) {
            area.add(pole);
            city.twins
                .insert(city::pole(neighborhood, number), pole.pole());
        }
        area.add(&parking);
        area.add(&charging);
        city.twins
            .insert(city::parking(neighborhood), parking.spots());
        city.twins
            .insert(city::neighborhood(neighborhood), area.area());
        whole.add(&area);
    }
    city.twins.insert(city::CITY.into(), whole.area());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_rounded_once_and_know_no_order() {
        assert_eq!(exact_sum(&[]), 0.0);
        assert_eq!(exact_sum(&[0.1; 10]), 1.0);
        assert_eq!(exact_sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(exact_sum(&[1e16, 1.0, 1e-16]), 10_000_000_000_000_002.0);
        let terms: Vec<f64> = (0..500)
            .map(|k| f64::from(k * 7_919 % 1_000) / 10.0)
            .collect();
        let backwards: Vec<f64> = terms.iter().rev().copied().collect();
        assert_eq!(exact_sum(&terms), exact_sum(&backwards));
    }

    #[test]
    fn what_is_absent_has_no_share() {
        let mut sum = Sum::default();
        sum.add(&Sum {
            index: Some(40.0),
            noise: vec![50.0, 60.0],
            ..Sum::default()
        });
        sum.add(&Sum::default());
        sum.add(&Sum {
            index: Some(101.0),
            noise: vec![70.0],
            ..Sum::default()
        });
        assert_eq!((sum.index, sum.average_noise()), (Some(101.0), Some(62.5)));
        assert_eq!(Sum::default().pole().get("averageNoise"), Some(&None));
    }
}
