//! The twins of a city as manifests, in the words of `examples/city`.
//!
//! 593 twins per neighbourhood (its own included) and one city. Coordinates lie inside a synthetic
//! city: neighbourhoods in a grid, poles in a grid within each.

use crate::fleet::{self, Device, Kind, POLES, SPOTS};
use gemelli_model::manifest;
use serde_json::{Value, json};

/// Twins of a neighbourhood, its own included.
pub const TWINS: usize = 593;
/// The city's twin.
pub const CITY: &str = "ngsi-ld-city-city-001";
/// Interfaces of twins that have no device.
pub const PASSIVE: [&str; 4] = [CITY_INTERFACE, NEIGHBORHOOD, POLE, PARKING];

const CITY_INTERFACE: &str = "ngsi-ld-city-city";
const NEIGHBORHOOD: &str = "ngsi-ld-city-neighborhood";
const POLE: &str = "ngsi-ld-city-pole";
const PARKING: &str = "ngsi-ld-city-offstreetparking";

/// South-west corner of the city, degrees.
const CORNER: (f64, f64) = (45.0, 10.0);
/// Side of a neighbourhood, degrees of latitude and of longitude: about a kilometre each.
const SIDE: (f64, f64) = (0.009, 0.0127);
/// Neighbourhoods in a row.
const ROW: u16 = 5;

/// The neighbourhood's twin.
pub fn neighborhood(neighborhood: u16) -> String {
    format!("{NEIGHBORHOOD}-nb{neighborhood:03}")
}

/// A pole's twin.
pub fn pole(neighborhood: u16, place: u16) -> String {
    format!("{POLE}-nb{neighborhood:03}-p{place:05}")
}

/// The car park's twin.
pub fn parking(neighborhood: u16) -> String {
    format!("{PARKING}-nb{neighborhood:03}-ofp0001")
}

/// The interfaces of the city: the files of `examples/city`, as they were when this was built.
const INTERFACES: [&str; 16] = [
    include_str!("../../../examples/city/epa-aqi-2024.yaml"),
    include_str!("../../../examples/city/epa-air-quality.yaml"),
    include_str!("../../../examples/city/place.yaml"),
    include_str!("../../../examples/city/city.yaml"),
    include_str!("../../../examples/city/neighborhood.yaml"),
    include_str!("../../../examples/city/pole.yaml"),
    include_str!("../../../examples/city/offstreetparking.yaml"),
    include_str!("../../../examples/city/device.yaml"),
    include_str!("../../../examples/city/airqualityobserved.yaml"),
    include_str!("../../../examples/city/weatherobserved.yaml"),
    include_str!("../../../examples/city/noiselevelobserved.yaml"),
    include_str!("../../../examples/city/crowdflowobserved.yaml"),
    include_str!("../../../examples/city/trafficflowobserved.yaml"),
    include_str!("../../../examples/city/evchargingstation.yaml"),
    include_str!("../../../examples/city/parkingspot.yaml"),
    include_str!("../../../examples/city/streetlight.yaml"),
];

/// Manifests of all interfaces, as their files say.
pub fn interfaces() -> Vec<Value> {
    let manifests = INTERFACES
        .iter()
        .flat_map(|text| manifest::parse(text).manifests);
    manifests
        .map(|manifest| json!(manifest::to_value(&manifest)))
        .collect()
}

/// Manifests of all twins; targets of relationships come before their sources.
pub fn twins(neighborhoods: u16) -> Vec<Value> {
    let mut twins = Vec::with_capacity(1 + usize::from(neighborhoods) * TWINS);
    twins.push(twin(
        CITY,
        CITY_INTERFACE,
        place("Gemelli City", CORNER),
        &[],
    ));
    for nb in 1..=neighborhoods {
        let name = format!("Neighbourhood {nb}");
        let city = [("refCity", CITY.to_owned())];
        let within = [("refNeighborhood", neighborhood(nb))];
        twins.push(twin(
            &neighborhood(nb),
            NEIGHBORHOOD,
            place(&name, at(nb, 0.5, 0.5)),
            &city,
        ));
        let name = format!("Car park {nb}");
        twins.push(twin(
            &parking(nb),
            PARKING,
            place(&name, at(nb, 0.9, 0.9)),
            &within,
        ));
        for number in 1..=POLES {
            let name = format!("Pole {nb}-{number}");
            twins.push(twin(
                &pole(nb, number),
                POLE,
                place(&name, pole_at(nb, number)),
                &within,
            ));
        }
    }
    let (batteries, others): (Vec<_>, Vec<_>) = fleet::devices(neighborhoods)
        .into_iter()
        .partition(|device| device.kind == Kind::Battery);
    twins.extend(batteries.iter().chain(&others).map(device));
    twins
}

fn device(device: &Device) -> Value {
    let (nb, number) = (device.neighborhood, device.place);
    let pole = ("refPole", pole(nb, number));
    let battery = || {
        (
            "refDevice",
            Device {
                kind: Kind::Battery,
                powers: Some(device.kind),
                ..*device
            }
            .id(),
        )
    };
    let edges = match device.kind {
        Kind::Air | Kind::Weather | Kind::Noise | Kind::Lamp => vec![pole, battery()],
        Kind::Crowd | Kind::Traffic => vec![pole],
        Kind::Charging => vec![("refNeighborhood", neighborhood(nb))],
        Kind::Spot => vec![("refOffStreetParking", parking(nb)), battery()],
        Kind::Battery => Vec::new(),
    };
    let name = format!("{} {nb}-{number}", device.kind.label());
    let spot = match device.powers.unwrap_or(device.kind) {
        Kind::Spot => at(nb, 0.9, 0.85 + f64::from(number) * 0.1 / f64::from(SPOTS)),
        Kind::Charging => at(nb, 0.85, 0.9),
        _ => pole_at(nb, number),
    };
    twin(
        &device.id(),
        device.kind.interface(),
        place(&name, spot),
        &edges,
    )
}

fn twin(id: &str, interface: &str, properties: Value, edges: &[(&str, String)]) -> Value {
    let edges: Vec<Value> = edges
        .iter()
        .map(|(name, target)| json!({"name": name, "target": target}))
        .collect();
    let mut spec = json!({"interface": interface, "properties": properties});
    if let (false, Some(spec)) = (edges.is_empty(), spec.as_object_mut()) {
        spec.insert("relationships".into(), edges.into());
    }
    json!({"apiVersion": "gemelli.dev/v1", "kind": "Twin", "metadata": {"name": id}, "spec": spec})
}

fn place(name: &str, (latitude, longitude): (f64, f64)) -> Value {
    json!({"name": name, "latitude": latitude, "longitude": longitude})
}

/// Poles stand in five rows of ten.
fn pole_at(neighborhood: u16, number: u16) -> (f64, f64) {
    let index = number.saturating_sub(1);
    at(
        neighborhood,
        f64::from(index / 10) * 0.18 + 0.1,
        f64::from(index % 10) * 0.08 + 0.08,
    )
}

/// A point of a neighbourhood; north and east are shares of its side.
fn at(neighborhood: u16, north: f64, east: f64) -> (f64, f64) {
    let index = neighborhood.saturating_sub(1);
    let latitude = CORNER.0 + (f64::from(index / ROW) + north) * SIDE.0;
    let longitude = CORNER.1 + (f64::from(index % ROW) + east) * SIDE.1;
    let whole = |degrees: f64| (degrees * 1e6).round() / 1e6;
    (whole(latitude), whole(longitude))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        payload,
        workload::{Plan, Workload},
    };
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_neighbourhood_has_593_twins_and_no_edge_dangles() {
        for (neighborhoods, count) in [(1, 594), (5, 2_966), (20, 11_861)] {
            let twins = twins(neighborhoods);
            assert_eq!(twins.len(), count);
            let mut known = BTreeSet::new();
            for twin in &twins {
                for edge in twin["spec"]["relationships"]
                    .as_array()
                    .unwrap_or(&Vec::new())
                {
                    assert!(
                        known.contains(edge["target"].as_str().unwrap()),
                        "{edge} comes too early"
                    );
                }
                assert!(
                    known.insert(twin["metadata"]["name"].as_str().unwrap()),
                    "{twin} comes twice"
                );
            }
        }
    }

    #[test]
    fn interfaces_have_every_member_that_devices_report_and_every_relationship() {
        let interfaces = interfaces();
        assert_eq!(interfaces.len(), INTERFACES.len());
        let spec = |name: &str| {
            interfaces
                .iter()
                .find(|i| i["metadata"]["name"] == name)
                .unwrap()["spec"]
                .clone()
        };
        fn has(spec: &dyn Fn(&str) -> Value, interface: &str, list: &str, name: &str) -> bool {
            let own = spec(interface);
            let among = |list: &str| own[list].as_array().cloned().unwrap_or_default();
            among(list).iter().any(|member| member["name"] == name)
                || among("extends")
                    .iter()
                    .any(|parent| has(spec, parent.as_str().unwrap(), list, name))
        }
        let workload = Workload::new(Plan::default());
        for step in workload.steps().take(40) {
            for due in step.due {
                let kind = workload.devices()[due.device as usize].kind;
                for (name, _) in payload::reading(&workload, due, step.time_ms)
                    .unwrap()
                    .members
                {
                    let known = ["properties", "telemetry"]
                        .iter()
                        .any(|list| has(&spec, kind.interface(), list, name));
                    assert!(known, "{} lacks {name}", kind.interface());
                }
            }
        }
        for twin in twins(1) {
            let interface = twin["spec"]["interface"].as_str().unwrap();
            for edge in twin["spec"]["relationships"]
                .as_array()
                .unwrap_or(&Vec::new())
            {
                assert!(
                    has(
                        &spec,
                        interface,
                        "relationships",
                        edge["name"].as_str().unwrap()
                    ),
                    "{twin}"
                );
            }
        }
    }

    #[test]
    fn twins_of_each_interface() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for twin in twins(2) {
            *counts
                .entry(twin["spec"]["interface"].as_str().unwrap().into())
                .or_default() += 1;
        }
        let of = |interface: &str| counts[interface];
        assert_eq!(
            [CITY_INTERFACE, NEIGHBORHOOD, POLE, PARKING].map(of),
            [1, 2, 100, 2]
        );
        assert_eq!(
            Kind::ALL.map(|kind| of(kind.interface())),
            [100, 100, 100, 100, 100, 2, 40, 100, 440]
        );
        assert_eq!(counts.len(), 13);
    }

    #[test]
    fn neighbourhoods_do_not_overlap() {
        let twins = twins(7);
        let cell = |twin: &Value| {
            let spec = &twin["spec"]["properties"];
            let north = (spec["latitude"].as_f64().unwrap() - CORNER.0) / SIDE.0;
            let east = (spec["longitude"].as_f64().unwrap() - CORNER.1) / SIDE.1;
            (north.floor() as i64, east.floor() as i64)
        };
        for twin in twins.iter().skip(1) {
            let id = twin["metadata"]["name"].as_str().unwrap();
            let nb: i64 = id
                .split("nb")
                .nth(1)
                .unwrap()
                .get(..3)
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(cell(twin), ((nb - 1) / 5, (nb - 1) % 5), "{id}");
        }
    }
}
