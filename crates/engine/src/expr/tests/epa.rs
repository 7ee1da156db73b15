//! The air-quality example against EPA's table: both ends of every row, what lies between two rows
//! after cutting, and the ends of the whole.

use super::*;
use gemelli_model::manifest::{self, Kind};

fn air() -> Option<(Names, BTreeMap<String, String>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/city/");
    let mut names = Names::new();
    let mut expressions = BTreeMap::new();
    for file in ["epa-aqi-2024.yaml", "airqualityobserved.yaml"] {
        let text = std::fs::read_to_string(format!("{folder}{file}")).ok()?;
        for manifest in manifest::parse(&text).into_result().unwrap() {
            let Kind::Interface(interface) = manifest.kind else { panic!("{file} holds an interface") };
            names = names.interface(&interface);
            for property in &interface.properties {
                let expression = property.derived.as_ref().and_then(|d| d.expression.as_ref());
                expressions.extend(expression.map(|e| (property.name.to_string(), e.to_string())));
            }
        }
    }
    Some((names, expressions))
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
    let Some((names, expressions)) = air() else {
        println!("skipped: boundaries_of_the_air_quality_index: examples/city is absent");
        return;
    };
    let run = |member: &str, twin: &Twin| {
        Program::compile(&expressions[member], &names).unwrap().eval(twin).unwrap()
    };
    for (pollutant, concentration, index, level) in CASES {
        let twin = Twin::of(&format!("{{\"{pollutant}Density\":{concentration}}}"));
        let place = format!("{pollutant} {concentration}");
        assert_eq!(run(&format!("{pollutant}Index"), &twin), Value::Int(index), "{place}");
        assert_eq!(run(&format!("{pollutant}Level"), &twin), Value::text(level), "{place}");
        let overall = Twin::of(&format!("{{\"airQualityIndex\":{index}}}"));
        assert_eq!(run("airQualityLevel", &overall), Value::text(level), "{place}");
    }
    let negative = Twin::of(r#"{"PM25Density":-0.1}"#);
    assert_eq!(run("PM25Index", &negative), Value::Null);
    let some = Twin::of(r#"{"PM25Index":12,"NO2Index":77}"#);
    assert_eq!(run("airQualityIndex", &some), Value::Int(77));
}
