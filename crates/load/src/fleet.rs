//! The devices of the city: which there are, what they are called, how often they report.
//!
//! Counts, ids and intervals are those of KTWIN's experiment as intended: 541 reporting devices
//! per neighbourhood. Twins that never report (poles, parking, neighbourhoods) are in [`crate::city`].

/// Poles of a neighbourhood; each carries one device of every pole kind and a street lamp.
pub const POLES: u16 = 50;
/// Parking spots of a neighbourhood's one car park.
pub const SPOTS: u16 = 20;
/// Reporting devices of a neighbourhood.
pub const DEVICES: usize = 541;
/// Windows of a day; intervals are constant within one.
pub const WINDOWS: usize = 6;
/// Simulated minutes of a window.
pub const WINDOW_MIN: u16 = 240;
/// The sensor of each neighbourhood that falls silent two hours before midnight.
pub const SILENT_PLACE: u16 = 50;
/// The lamp of each neighbourhood that stays off for days.
pub const STUCK_PLACE: u16 = 7;

/// What a device measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Air quality.
    Air,
    /// Weather.
    Weather,
    /// Noise level.
    Noise,
    /// Crowd flow.
    Crowd,
    /// Traffic flow.
    Traffic,
    /// A charging station for cars.
    Charging,
    /// A parking spot.
    Spot,
    /// A street lamp.
    Lamp,
    /// The battery of a device.
    Battery,
}

impl Kind {
    /// All kinds, in the order of tables.
    pub const ALL: [Self; 9] = [
        Self::Air,
        Self::Weather,
        Self::Noise,
        Self::Crowd,
        Self::Traffic,
        Self::Charging,
        Self::Spot,
        Self::Lamp,
        Self::Battery,
    ];

    /// The interface of its twins.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Air => "ngsi-ld-city-airqualityobserved",
            Self::Weather => "ngsi-ld-city-weatherobserved",
            Self::Noise => "ngsi-ld-city-noiselevelobserved",
            Self::Crowd => "ngsi-ld-city-crowdflowobserved",
            Self::Traffic => "ngsi-ld-city-trafficflowobserved",
            Self::Charging => "ngsi-ld-city-evchargingstation",
            Self::Spot => "ngsi-ld-city-parkingspot",
            Self::Lamp => "ngsi-ld-city-streetlight",
            Self::Battery => "ngsi-ld-city-device",
        }
    }

    /// Short name, for tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Air => "air quality",
            Self::Weather => "weather",
            Self::Noise => "noise",
            Self::Crowd => "crowd",
            Self::Traffic => "traffic",
            Self::Charging => "EV charging",
            Self::Spot => "parking spot",
            Self::Lamp => "street lamp",
            Self::Battery => "battery",
        }
    }

    /// Simulated minutes between reports in each window; 0: none in that window.
    pub fn intervals(self) -> [u16; WINDOWS] {
        match self {
            Self::Air | Self::Weather | Self::Noise => [10; WINDOWS],
            Self::Crowd => [30, 15, 5, 5, 15, 30],
            Self::Traffic => [10, 5, 5, 5, 5, 10],
            Self::Charging => [80, 15, 5, 5, 15, 80],
            Self::Spot => [80, 15, 2, 2, 15, 80],
            Self::Lamp => [0, 180, 0, 0, 180, 0],
            Self::Battery => [0, 220, 0, 0, 220, 0],
        }
    }

    /// Minutes of the day at which it reports. Counts are exact: a window has
    /// `ceil(window / interval)` reports, the last wait of a window is cut short by the next one.
    pub fn minutes(self) -> Vec<u16> {
        let mut minutes = Vec::new();
        for (start, interval) in (0..).step_by(usize::from(WINDOW_MIN)).zip(self.intervals()) {
            if interval > 0 {
                minutes.extend((start..start + WINDOW_MIN).step_by(usize::from(interval)));
            }
        }
        minutes
    }
}

/// A device of the city.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    /// What it measures.
    pub kind: Kind,
    /// Its neighbourhood, from 1.
    pub neighborhood: u16,
    /// Its pole, lamp, spot or station in the neighbourhood, from 1.
    pub place: u16,
    /// For a battery: the kind of device that it powers.
    pub powers: Option<Kind>,
}

impl Device {
    /// The id of its twin.
    pub fn id(&self) -> String {
        let place = place(
            self.powers.unwrap_or(self.kind),
            self.neighborhood,
            self.place,
        );
        match (self.kind, self.powers) {
            (Kind::Battery, Some(Kind::Air)) => format!("ngsi-ld-city-device-aqo-{place}"),
            (Kind::Battery, Some(Kind::Weather)) => format!("ngsi-ld-city-device-wo-{place}"),
            (Kind::Battery, Some(Kind::Noise)) => format!("ngsi-ld-city-device-nlo-{place}"),
            (Kind::Spot, _) => format!("ngsi-ld-city-offstreetparkingspot-{place}"),
            _ => format!("{}-{place}", self.kind.interface()),
        }
    }

    /// The topic that it publishes to, native spelling.
    pub fn topic(&self) -> String {
        format!("ktwin/real/{}/{}", self.kind.interface(), self.id())
    }

    /// The topic on which its twin answers.
    pub fn virtual_topic(&self) -> String {
        format!("ktwin/virtual/{}/{}", self.kind.interface(), self.id())
    }

    /// Minutes of the day at which it reports: those of its kind, except that the silent sensor
    /// sends the last window's reports in half the time and then says nothing until midnight.
    pub fn minutes(&self) -> Vec<u16> {
        let mut minutes = self.kind.minutes();
        if self.kind == Kind::Air && self.place == SILENT_PLACE {
            let last = WINDOW_MIN * (WINDOWS as u16 - 1);
            for minute in minutes.iter_mut().filter(|minute| **minute > last) {
                *minute = last + (*minute - last) / 2;
            }
        }
        minutes
    }
}

fn place(kind: Kind, neighborhood: u16, place: u16) -> String {
    match kind {
        Kind::Spot => format!("nb{neighborhood:03}-ofp0001-s{place:04}"),
        Kind::Lamp => format!("nb{neighborhood:03}-sl{place:05}"),
        Kind::Charging => format!("nb{neighborhood:03}-ev{place:05}"),
        _ => format!("nb{neighborhood:03}-p{place:05}"),
    }
}

/// All devices of a city, neighbourhood by neighbourhood, always in the same order: a device's
/// place in this list is its number everywhere in this crate.
pub fn devices(neighborhoods: u16) -> Vec<Device> {
    let mut devices = Vec::with_capacity(usize::from(neighborhoods) * DEVICES);
    for neighborhood in 1..=neighborhoods {
        let mut add = |kind, powers, count| {
            let places = 1..=count;
            devices.extend(places.map(|place| Device {
                kind,
                neighborhood,
                place,
                powers,
            }));
        };
        for kind in [
            Kind::Air,
            Kind::Weather,
            Kind::Noise,
            Kind::Crowd,
            Kind::Traffic,
        ] {
            add(kind, None, POLES);
        }
        add(Kind::Charging, None, 1);
        add(Kind::Spot, None, SPOTS);
        add(Kind::Lamp, None, POLES);
        for powers in [Kind::Air, Kind::Weather, Kind::Noise, Kind::Lamp] {
            add(Kind::Battery, Some(powers), POLES);
        }
        add(Kind::Battery, Some(Kind::Spot), SPOTS);
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_neighbourhood_has_the_devices_of_the_experiment_and_no_two_share_an_id() {
        let devices = devices(3);
        assert_eq!(devices.len(), 3 * DEVICES);
        let ids: BTreeSet<String> = devices.iter().map(Device::id).collect();
        assert_eq!(ids.len(), devices.len());
        let count = |kind| {
            devices
                .iter()
                .filter(|d| d.kind == kind && d.neighborhood == 2)
                .count()
        };
        assert_eq!(Kind::ALL.map(count), [50, 50, 50, 50, 50, 1, 20, 50, 220]);
    }

    #[test]
    fn ids_are_spelled_as_in_the_experiment() {
        let id = |kind, place, powers| {
            Device {
                kind,
                neighborhood: 1,
                place,
                powers,
            }
            .id()
        };
        for (kind, place, powers, expected) in [
            (
                Kind::Air,
                1,
                None,
                "ngsi-ld-city-airqualityobserved-nb001-p00001",
            ),
            (
                Kind::Spot,
                1,
                None,
                "ngsi-ld-city-offstreetparkingspot-nb001-ofp0001-s0001",
            ),
            (
                Kind::Battery,
                3,
                Some(Kind::Noise),
                "ngsi-ld-city-device-nlo-nb001-p00003",
            ),
            (
                Kind::Battery,
                9,
                Some(Kind::Lamp),
                "ngsi-ld-city-device-nb001-sl00009",
            ),
            (
                Kind::Battery,
                4,
                Some(Kind::Spot),
                "ngsi-ld-city-device-nb001-ofp0001-s0004",
            ),
            (
                Kind::Lamp,
                50,
                None,
                "ngsi-ld-city-streetlight-nb001-sl00050",
            ),
        ] {
            assert_eq!(id(kind, place, powers), expected);
        }
    }

    #[test]
    fn the_silent_sensor_reports_as_often_but_ends_two_hours_early() {
        let silent = Device {
            kind: Kind::Air,
            neighborhood: 1,
            place: SILENT_PLACE,
            powers: None,
        };
        assert_eq!(silent.minutes().len(), Kind::Air.minutes().len());
        assert_eq!(silent.minutes().last(), Some(&1_315));
        assert!(silent.minutes().is_sorted_by(|a, b| a < b));
    }
}
