//! The city example, as its files stand: reports go in, every derived value is asked for by name.

use gemelli_engine::{Emission, Engine, Limits, Verdict};
use gemelli_event::{
    Body, Category, Partition, Position, Record,
    record::{Command, Event},
};
use gemelli_model::{
    Value,
    manifest::{self, Kind},
};
use serde_json::json;
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
/// Long after all devices' times: by event time it must not matter.
const ACCEPTED_MS: i64 = 4_000_000_000_000;
/// 29 March 2026, 00:00 UTC.
const MIDNIGHT_MS: i64 = 1_774_742_400_000;

/// An engine and what a driver does with it: waves until nothing follows, timers as further inputs.
struct City {
    engine: Engine,
    seq: u64,
    offsets: [u64; 64],
    /// Virtual events: twin and payload.
    sent: Vec<(String, String)>,
    /// When each twin's derived values were last others, by its clock.
    derived_ms: BTreeMap<String, i64>,
}

impl City {
    /// With the interfaces of the folder.
    fn new(folder: &str) -> Self {
        let path = format!("{}/../../examples/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut manifests = Vec::new();
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "yaml") {
                let text = std::fs::read_to_string(path).unwrap();
                manifests.extend(manifest::parse(&text).into_result().unwrap());
            }
        }
        // Interfaces before the twins that are of them.
        manifests.sort_by_key(|m| matches!(m.kind, Kind::Twin(_)));
        let manifests = manifests.iter().map(manifest::to_value).collect();
        let engine = Engine::new(Limits::default());
        let mut city = Self {
            engine,
            seq: 0,
            offsets: [0; 64],
            sent: Vec::new(),
            derived_ms: BTreeMap::new(),
        };
        city.input(
            Partition::default(),
            Body::Command(Command::Apply { manifests }),
        );
        city
    }

    /// Makes a twin with edges: relationship and target.
    fn twin(&mut self, id: &str, interface: &str, edges: &[(&str, &str)]) {
        let relationships: Vec<_> = edges
            .iter()
            .map(|(name, target)| json!({"name": name, "target": target}))
            .collect();
        let twin = json!({
            "apiVersion": "gemelli.dev/v1", "kind": "Twin", "metadata": {"name": id},
            "spec": {"interface": format!("ngsi-ld-city-{interface}"), "relationships": relationships},
        });
        let manifests = vec![Value::from(&twin)];
        self.input(
            Partition::of(id),
            Body::Command(Command::Apply { manifests }),
        );
    }

    /// A report, at this hour of the first day.
    fn report(&mut self, id: &str, hour: f64, payload: serde_json::Value) {
        let interface = self.engine.view().twin(id).unwrap().interface().clone();
        let event = Event {
            category: Category::Real,
            interface,
            twin: id.into(),
            command: None,
            source: None,
            id: None,
            time_ms: Some(MIDNIGHT_MS + (hour * HOUR_MS as f64) as i64),
            payload: payload.to_string().into(),
        };
        self.input(Partition::of(id), Body::Event(event));
        let mut due = Vec::new();
        self.engine.due(0, 1_000, &mut due);
        for emission in due {
            self.input(emission.partition, emission.body);
        }
    }

    fn input(&mut self, partition: Partition, body: Body) {
        self.step(partition, body);
        for _ in 0..100 {
            let mut wave: Vec<Emission> = Vec::new();
            self.engine.flush(&mut wave);
            if wave.is_empty() {
                let mut derived = Vec::new();
                self.engine.settle(&mut derived);
                for emission in derived {
                    self.step(emission.partition, emission.body);
                }
                return;
            }
            for emission in wave {
                self.step(emission.partition, emission.body);
            }
        }
        panic!("more than 100 waves");
    }

    fn step(&mut self, partition: Partition, body: Body) {
        if let Body::Event(event) = &body
            && event.category == Category::Virtual
        {
            let payload = String::from_utf8(event.payload.to_vec()).unwrap();
            self.sent.push((event.twin.to_string(), payload));
        }
        if let Body::Derived(derived) = &body {
            self.derived_ms
                .insert(derived.twin.to_string(), derived.time_ms);
        }
        let offset = self.offsets[partition.index()];
        self.offsets[partition.index()] += 1;
        let record = Record {
            position: Position { partition, offset },
            accepted_ms: ACCEPTED_MS,
            cause: None,
            body,
        };
        let verdict = self.engine.step(self.seq, &record);
        assert!(
            !matches!(verdict, Verdict::Rejected(_)),
            "{verdict:?} for {record:?}"
        );
        self.seq += 1;
    }

    /// A member's value as JSON; `null` if it is absent.
    #[track_caller]
    fn is(&self, id: &str, member: &str, expected: &str) {
        let view = self.engine.view();
        let value = view
            .twin(id)
            .unwrap()
            .get(member)
            .cloned()
            .unwrap_or_default();
        assert_eq!(value.to_string(), expected, "{id} {member}");
    }

    /// A number, up to rounding.
    #[track_caller]
    fn is_near(&self, id: &str, member: &str, expected: f64) {
        let view = self.engine.view();
        let value = view
            .twin(id)
            .unwrap()
            .get(member)
            .and_then(Value::as_f64)
            .unwrap();
        assert!(
            (value - expected).abs() < 1e-4,
            "{id} {member}: {value}, not {expected}"
        );
    }
}

/// A city of one neighbourhood with two poles and a car park of three spots.
fn city() -> City {
    let mut city = City::new("city");
    city.twin("c", "city", &[]);
    city.twin("n", "neighborhood", &[("refCity", "c")]);
    for pole in ["p1", "p2"] {
        city.twin(pole, "pole", &[("refNeighborhood", "n")]);
        for (id, interface) in [
            ("air", "airqualityobserved"),
            ("weather", "weatherobserved"),
            ("noise", "noiselevelobserved"),
            ("crowd", "crowdflowobserved"),
            ("traffic", "trafficflowobserved"),
            ("lamp", "streetlight"),
        ] {
            city.twin(&format!("{id}-{pole}"), interface, &[("refPole", pole)]);
        }
    }
    city.twin("battery", "device", &[]);
    city.twin("charger", "evchargingstation", &[("refNeighborhood", "n")]);
    city.twin("park", "offstreetparking", &[("refNeighborhood", "n")]);
    for spot in ["s1", "s2", "s3"] {
        city.twin(
            spot,
            "parkingspot",
            &[("refOffStreetParking", "park"), ("refDevice", "battery")],
        );
    }
    city
}

/// KTWIN's constants: 8 for everything, so CO decides.
fn eights() -> serde_json::Value {
    json!({"CODensity": 8, "NO2Density": 8, "O3Density": 8, "PM10Density": 8, "PM25Density": 8, "SO2Density": 8})
}

#[test]
fn the_worst_air_rises_from_sensor_to_city() {
    let mut city = city();
    city.report("air-p1", 0.0, eights());
    for (member, expected) in [
        ("COIndex", "86"),
        ("COLevel", r#""MODERATE""#),
        ("PM25Index", "44"),
        ("PM25Level", r#""GOOD""#),
        ("airQualityIndex", "86"),
        ("airQualityLevel", r#""MODERATE""#),
    ] {
        city.is("air-p1", member, expected);
    }
    city.report("air-p2", 0.1, json!({"PM25Density": 130.0}));
    city.is("air-p2", "airQualityIndex", "205");
    city.is("p1", "airQualityIndex", "86");
    for above in ["p2", "n", "c"] {
        city.is(above, "airQualityIndex", "205");
        city.is(above, "airQualityLevel", r#""VERY_UNHEALTHY""#);
    }
    city.report("air-p2", 0.2, json!({"PM25Density": 3}));
    for above in ["n", "c"] {
        city.is(above, "airQualityIndex", "86");
        city.is(above, "airQualityLevel", r#""MODERATE""#);
    }
}

#[test]
fn an_index_ends_an_hour_after_the_last_report() {
    let mut city = city();
    city.report("air-p1", 0.0, eights());
    city.report("air-p2", 0.0, json!({"PM25Density": 3}));
    city.report("air-p2", 0.9, json!({"PM25Density": 3}));
    city.is("n", "airQualityIndex", "86");
    // The time of any device is the city's: the first sensor has been silent for an hour.
    city.report("noise-p1", 1.0, json!({"LAeqSoundPressure": 60}));
    city.is("air-p1", "airQualityIndex", "null");
    city.is("air-p1", "airQualityLevel", "null");
    city.is("p1", "airQualityIndex", "null");
    city.is("p1", "airQualityLevel", "null");
    city.is("n", "airQualityIndex", "17");
    city.is("c", "airQualityLevel", r#""GOOD""#);
    city.report("air-p1", 1.1, eights());
    city.is("c", "airQualityIndex", "86");
}

#[test]
fn weather_is_felt_and_its_pressure_compared() {
    let mut city = city();
    let eights = |pressure: i32| json!({"temperature": 8, "relativeHumidity": 8, "WindSpeed": 8, "dewpoint": 8, "atmosphericPressure": pressure});
    city.report("weather-p1", 0.0, eights(10));
    city.is_near("weather-p1", "dewpoint", -10.4);
    city.is_near("weather-p1", "feelsLikeTemperature", -1.9253);
    city.is("weather-p1", "pressureTendency", "null");
    for (hour, pressure, tendency) in [
        (0.2, 10, "steady"),
        (0.4, 11, "raising"),
        (0.6, 9, "falling"),
        (0.8, 9, "steady"),
    ] {
        city.report("weather-p1", hour, eights(pressure));
        city.is("weather-p1", "pressureTendency", &format!("\"{tendency}\""));
    }
}

#[test]
fn noise_congestion_and_capacity_add_up() {
    let mut city = city();
    for above in ["p1", "n", "c"] {
        city.is(above, "averageNoise", "null");
        city.is(above, "congestedFlows", "0");
    }
    city.report("noise-p1", 0.0, json!({"LAeqSoundPressure": 60}));
    city.report("noise-p2", 0.0, json!({"LAeqSoundPressure": 61}));
    city.is("n", "averageNoise", "60.5");
    city.is("c", "averageNoise", "60.5");
    city.report(
        "crowd-p1",
        0.0,
        json!({"averageCrowdSpeed": 2, "averageHeadwayTime": 10}),
    );
    city.report(
        "traffic-p1",
        0.0,
        json!({"averageVehicleSpeed": 40, "averageHeadwayTime": 1.9}),
    );
    city.report(
        "traffic-p2",
        0.0,
        json!({"averageVehicleSpeed": 11.9, "averageHeadwayTime": 5}),
    );
    city.is("p1", "congestedFlows", "2");
    city.is("c", "congestedFlows", "3");
    city.report(
        "crowd-p1",
        0.1,
        json!({"averageCrowdSpeed": 4, "averageHeadwayTime": 2}),
    );
    city.report(
        "traffic-p2",
        0.1,
        json!({"averageVehicleSpeed": 12, "averageHeadwayTime": 2}),
    );
    city.is("crowd-p1", "congested", "false");
    city.is("p1", "congestedFlows", "1");
    city.is("c", "congestedFlows", "1");
    city.report("charger", 0.0, json!({"availableCapacity": 3}));
    city.is("c", "availableCapacity", "3");
}

#[test]
fn a_lamp_is_defective_after_48_hours_and_sound_when_it_switches() {
    let mut city = city();
    city.is("c", "defectiveLamps", "0");
    for (hour, state, defective) in [
        (4.0, "off", "false"),
        (28.0, "off", "false"),
        (52.0, "off", "false"),
        (55.0, "off", "true"),
        (64.0, "on", "false"),
        (70.0, "on", "false"),
    ] {
        city.report("lamp-p1", hour, json!({"powerState": state}));
        city.is("lamp-p1", "defectiveLamp", defective);
        city.is(
            "c",
            "defectiveLamps",
            if defective == "true" { "1" } else { "0" },
        );
    }
}

#[test]
fn a_weak_battery_makes_its_device_measure_less() {
    let mut city = city();
    for (hour, level, frequency) in [
        (0.0, 90, "15"),
        (1.0, 15, "15"),
        (2.0, 14, "60"),
        (3.0, 13, "60"),
        (4.0, 80, "15"),
    ] {
        city.report(
            "battery",
            hour,
            json!({"batteryLevel": level, "measurementFrequency": 99}),
        );
        city.is("battery", "measurementFrequency", frequency);
    }
    let told: Vec<&str> = city
        .sent
        .iter()
        .map(|(_, payload)| payload.as_str())
        .collect();
    let to_15 = r#"{"measurementFrequency":15}"#;
    assert_eq!(told, [to_15, r#"{"measurementFrequency":60}"#, to_15]);
    assert!(city.sent.iter().all(|(twin, _)| twin == "battery"));
}

#[test]
fn a_car_park_counts_its_spots_however_often_they_report() {
    let mut city = city();
    city.is("park", "totalSpotNumber", "3");
    city.is("park", "availableSpotNumber", "3");
    for hour in [0.0, 0.1, 0.2] {
        city.report("s1", hour, json!({"status": "occupied"}));
    }
    city.report("s2", 0.2, json!({"status": "free"}));
    city.is("park", "occupiedSpotNumber", "1");
    city.report("s2", 0.3, json!({"status": "occupied"}));
    for above in ["park", "n", "c"] {
        city.is(above, "totalSpotNumber", "3");
        city.is(above, "occupiedSpotNumber", "2");
        city.is(above, "availableSpotNumber", "1");
    }
    city.report("s1", 0.4, json!({"status": "free"}));
    city.is("c", "occupiedSpotNumber", "1");
}

#[test]
fn beijing_has_its_twelve_stations_and_rolls_them_up() {
    let mut city = City::new("beijing");
    let stations = |city: &City| {
        let view = city.engine.view();
        view.twins()
            .filter(|t| t.interface().as_str() == "beijing-station")
            .count()
    };
    assert_eq!(stations(&city), 12);
    city.report(
        "beijing-station-Dongsi",
        0.0,
        json!({"PM25Density": 63, "CODensity": 1.0}),
    );
    city.report("beijing-station-Tiantan", 0.0, json!({"PM25Density": 40}));
    city.report("beijing-station-Wanliu", 0.0, json!({"PM25Density": 7}));
    // Values computed before any device had a time do not move the clock past all of them.
    assert_eq!(city.derived_ms["beijing"], MIDNIGHT_MS);
    assert_eq!(city.derived_ms["beijing-district-Dongcheng"], MIDNIGHT_MS);
    city.is("beijing-district-Dongcheng", "averagePM25", "51.5");
    city.is(
        "beijing-district-Dongcheng",
        "airQualityLevel",
        r#""UNHEALTHY""#,
    );
    city.is("beijing-district-Dongcheng", "stationsReporting", "2");
    city.is("beijing", "averagePM25", "29.25");
    city.is("beijing", "stationsReporting", "3");
    city.is("beijing", "unhealthyDistricts", "1");
    city.report("beijing-station-Wanliu", 3.0, json!({"PM25Density": 7}));
    city.is("beijing", "stationsReporting", "1");
    city.is("beijing", "airQualityLevel", r#""GOOD""#);
}
