//! The example folders: every expression in them compiles, and the air-quality index agrees with EPA's
//! table at both ends of every row, between two rows, and past the last one.

use super::*;
use gemelli_model::{
    Interface, InterfaceId,
    manifest::{self, Connection, Kind},
    resolve::{self, Resolved},
};

/// Interfaces and connections of a folder of examples.
fn folder(name: &str) -> (BTreeMap<InterfaceId, Resolved>, Vec<Connection>) {
    let path = format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut interfaces: BTreeMap<InterfaceId, Interface> = BTreeMap::new();
    let mut connections = Vec::new();
    for entry in std::fs::read_dir(path).expect("the examples are there") {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for manifest in manifest::parse(&text)
            .into_result()
            .unwrap_or_else(|p| panic!("{path:?}: {p:?}"))
        {
            match manifest.kind {
                Kind::Interface(interface) => {
                    interfaces.insert(interface.id.clone(), interface);
                }
                Kind::Connection(connection) => connections.push(connection),
                Kind::Twin(_) => {}
            }
        }
    }
    (
        resolve::all(&interfaces).unwrap_or_else(|f| panic!("{name}: {f:?}")),
        connections,
    )
}

fn names_of(resolved: &Resolved) -> Names {
    let names = resolved
        .members
        .iter()
        .fold(Names::new(), |n, m| n.member(m.name().clone(), m.schema()));
    resolved.tables.iter().fold(names, |names, (name, table)| {
        names.table(name.clone(), table)
    })
}

fn compile(source: &str, names: &Names) -> Program {
    Program::compile(source, names).unwrap_or_else(|e| panic!("{source}: {e}; {}", e.remedy))
}

#[test]
fn every_expression_of_the_examples_compiles() {
    let mut compiled = 0;
    for name in ["city", "beijing", "room"] {
        let (interfaces, connections) = folder(name);
        for resolved in interfaces.values() {
            let derived = resolved
                .members
                .iter()
                .filter_map(|m| m.property()?.derived.as_ref());
            for derived in derived {
                if let Some(expression) = &derived.expression {
                    compile(expression, &names_of(resolved));
                    compiled += 1;
                }
                for member in &derived.on {
                    assert!(
                        resolved.member(member).is_some(),
                        "{} on {member}",
                        resolved.id
                    );
                }
                let Some(aggregate) = &derived.aggregate else {
                    continue;
                };
                let related = &interfaces[aggregate.interface.as_ref().unwrap()];
                assert!(
                    related.relationship(&aggregate.over).is_some(),
                    "{} over {}",
                    resolved.id,
                    aggregate.over
                );
                if let Some(of) = &aggregate.of {
                    assert!(related.member(of).is_some(), "{} of {of}", resolved.id);
                }
                if let Some(filter) = &aggregate.filter {
                    compile(filter, &names_of(related).variable("edge"));
                    compiled += 1;
                }
            }
        }
        for topic in connections.iter().flat_map(|c| &c.topics) {
            let names = ["station", "payload", "properties"]
                .iter()
                .fold(Names::new(), |n, v| n.variable(*v));
            let payload = topic
                .payload
                .iter()
                .flatten()
                .map(|(_, expression)| expression);
            for expression in payload.chain(&topic.time).chain(&topic.event_id) {
                compile(expression, &names);
                compiled += 1;
            }
        }
    }
    assert!(compiled > 50, "{compiled}");
}

/// A row of the data file, µg/m³, as the connection maps it; the gas law by another way:
/// one mole fills R·T/p litres.
#[test]
fn beijing_rows_are_converted() {
    let (_, connections) = folder("beijing");
    let topic = &connections[0].topics[0];
    let names = ["station", "payload", "properties"]
        .iter()
        .fold(Names::new(), |n, v| n.variable(*v));
    let row = Twin::of(
        r#"{"station":"Dongsi","payload":{"timestamp":"2016-03-01T00:00:00+08:00","pm2_5":"63","co":1200,
            "o3":"15","so2":"","wind_dir":"NA"}}"#,
    );
    let member = |name: &str| {
        let (_, source) = topic
            .payload
            .iter()
            .flatten()
            .find(|(n, _)| &**n == name)
            .unwrap();
        compile(source, &names).eval(&row).unwrap()
    };
    assert_eq!(member("PM25Density"), Value::Double(63.0));
    let litres = 8.314_462_618 * 298.15 / 101.325;
    for (name, grams, expected) in [("CODensity", 28.010, 1.2), ("O3Density", 47.998, 15.0)] {
        let ratio = member(name).as_f64().unwrap() / (expected * litres / grams);
        assert!((ratio - 1.0).abs() < 1e-3, "{name}: {ratio}");
    }
    for absent in ["SO2Density", "NO2Density", "rain"] {
        assert_eq!(member(absent), Value::Null, "{absent}");
    }
    let id = compile(topic.event_id.as_ref().unwrap(), &names)
        .eval(&row)
        .unwrap();
    assert_eq!(id, Value::text("Dongsi#404656"));
}

/// Pollutant, concentration, index, category.
const CASES: [(&str, &str, i64, &str); 64] = [
    ("PM25", "0", 0, "GOOD"),
    ("PM25", "9.0", 50, "GOOD"),
    ("PM25", "9.09", 50, "GOOD"),
    ("PM25", "9.1", 51, "MODERATE"),
    ("PM25", "35.4", 100, "MODERATE"),
    ("PM25", "35.49", 100, "MODERATE"),
    ("PM25", "35.5", 101, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("PM25", "55.4", 150, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("PM25", "55.5", 151, "UNHEALTHY"),
    ("PM25", "125.4", 200, "UNHEALTHY"),
    ("PM25", "125.5", 201, "VERY_UNHEALTHY"),
    ("PM25", "225.4", 300, "VERY_UNHEALTHY"),
    ("PM25", "225.5", 301, "HAZARDOUS"),
    ("PM25", "325.4", 500, "HAZARDOUS"),
    ("PM25", "1000", 500, "HAZARDOUS"),
    ("PM10", "54", 50, "GOOD"),
    ("PM10", "54.9", 50, "GOOD"),
    ("PM10", "55", 51, "MODERATE"),
    ("PM10", "154", 100, "MODERATE"),
    ("PM10", "155", 101, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("PM10", "254", 150, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("PM10", "255", 151, "UNHEALTHY"),
    ("PM10", "354", 200, "UNHEALTHY"),
    ("PM10", "355", 201, "VERY_UNHEALTHY"),
    ("PM10", "424", 300, "VERY_UNHEALTHY"),
    ("PM10", "425", 301, "HAZARDOUS"),
    ("PM10", "604", 500, "HAZARDOUS"),
    ("CO", "4.4", 50, "GOOD"),
    ("CO", "4.5", 51, "MODERATE"),
    ("CO", "8", 86, "MODERATE"),
    ("CO", "9.4", 100, "MODERATE"),
    ("CO", "9.5", 101, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("CO", "12.4", 150, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("CO", "12.5", 151, "UNHEALTHY"),
    ("CO", "15.4", 200, "UNHEALTHY"),
    ("CO", "15.5", 201, "VERY_UNHEALTHY"),
    ("CO", "30.4", 300, "VERY_UNHEALTHY"),
    ("CO", "30.5", 301, "HAZARDOUS"),
    ("CO", "50.4", 500, "HAZARDOUS"),
    // Exactly between 12 and 13: halves go up.
    ("CO", "1.1", 13, "GOOD"),
    ("O3", "54", 50, "GOOD"),
    ("O3", "55", 51, "MODERATE"),
    ("O3", "70", 100, "MODERATE"),
    ("O3", "71", 101, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("O3", "85", 150, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("O3", "86", 151, "UNHEALTHY"),
    ("O3", "105", 200, "UNHEALTHY"),
    ("O3", "106", 201, "VERY_UNHEALTHY"),
    ("O3", "200", 300, "VERY_UNHEALTHY"),
    ("O3", "201", 301, "HAZARDOUS"),
    ("SO2", "35", 50, "GOOD"),
    ("SO2", "36", 51, "MODERATE"),
    ("SO2", "75", 100, "MODERATE"),
    ("SO2", "185", 150, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("SO2", "186", 151, "UNHEALTHY"),
    ("SO2", "304", 200, "UNHEALTHY"),
    ("SO2", "305", 201, "VERY_UNHEALTHY"),
    ("SO2", "1004", 500, "HAZARDOUS"),
    ("NO2", "53", 50, "GOOD"),
    ("NO2", "54", 51, "MODERATE"),
    ("NO2", "100", 100, "MODERATE"),
    ("NO2", "360", 150, "UNHEALTHY_FOR_SENSITIVE_GROUPS"),
    ("NO2", "649", 200, "UNHEALTHY"),
    ("NO2", "1250", 301, "HAZARDOUS"),
];

#[test]
fn boundaries_of_the_air_quality_index() {
    let (interfaces, _) = folder("city");
    let air = &interfaces["ngsi-ld-city-airqualityobserved"];
    let names = names_of(air);
    let run = |member: &str, twin: &Twin| {
        let (_, member) = air.member(member).unwrap();
        let derived = member.property().unwrap().derived.as_ref().unwrap();
        compile(derived.expression.as_ref().unwrap(), &names)
            .eval(twin)
            .unwrap()
    };
    for (pollutant, concentration, index, level) in CASES {
        let twin = Twin::of(&format!("{{\"{pollutant}Density\":{concentration}}}"));
        let place = format!("{pollutant} {concentration}");
        assert_eq!(
            run(&format!("{pollutant}Index"), &twin),
            Value::Int(index),
            "{place}"
        );
        assert_eq!(
            run(&format!("{pollutant}Level"), &twin),
            Value::text(level),
            "{place}"
        );
        let overall = Twin::of(&format!("{{\"airQualityIndex\":{index}}}"));
        assert_eq!(
            run("airQualityLevel", &overall),
            Value::text(level),
            "{place}"
        );
    }
    let negative = Twin::of(r#"{"PM25Density":-0.1}"#);
    assert_eq!(run("PM25Index", &negative), Value::Null);
    let some = Twin::of(r#"{"PM25Index":12,"NO2Index":77}"#);
    assert_eq!(run("airQualityIndex", &some), Value::Int(77));
}
