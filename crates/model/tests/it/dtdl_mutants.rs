//! Valid cases of the sample, changed in one place: each is judged as the specification says.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use gemelli_model::dtdl::{self, Extensions, Options, Outcome, Source};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::OnceLock;

const CASES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/dtdl/cases"
);

/// The inputs of the sample that are valid where nothing undefined is tolerated.
fn inputs() -> &'static [Vec<Value>] {
    static INPUTS: OnceLock<Vec<Vec<Value>>> = OnceLock::new();
    INPUTS.get_or_init(|| {
        let mut inputs = Vec::new();
        for version in [2, 3, 4] {
            let path = format!("{CASES}/models-v{version}.jsonl");
            let Ok(text) = std::fs::read_to_string(&path) else {
                println!("skipped: dtdl-mutants: {path} is not there");
                continue;
            };
            for line in text.lines() {
                let case: Value = serde_json::from_str(line).unwrap();
                let input = case["input"].as_array().unwrap().clone();
                let whole = input.iter().all(|document| document["@type"].is_string());
                if whole && judged(&input) == ["valid"] {
                    inputs.push(input);
                }
            }
        }
        inputs
    })
}

fn judged(input: &[Value]) -> Vec<String> {
    let texts: Vec<String> = input.iter().map(ToString::to_string).collect();
    judged_texts(&texts)
}

fn judged_texts(texts: &[String]) -> Vec<String> {
    let sources: Vec<Source> = texts
        .iter()
        .map(|text| Source {
            name: "mutant".into(),
            text: text.clone(),
        })
        .collect();
    let options = Options {
        undefined_extensions: Extensions::Never,
        ..Options::default()
    };
    match dtdl::parse(&sources, &options, &mut |_| None) {
        Outcome::Valid(_) => vec!["valid".into()],
        Outcome::Incomplete(_) => vec!["incomplete".into()],
        Outcome::Invalid(faults) => faults.iter().map(|fault| fault.kind.to_owned()).collect(),
    }
}

fn version(input: &[Value]) -> u64 {
    let context = &input[0]["@context"];
    let first = context.as_str().or_else(|| context[0].as_str()).unwrap();
    let version = first.split(';').nth(1).unwrap();
    version.split('#').next().unwrap().parse().unwrap()
}

/// A change and the kinds of fault of which one must be told.
type Mutator = fn(&mut Map<String, Value>, u64) -> Vec<&'static str>;

fn set(interface: &mut Map<String, Value>, key: &str, value: Value) {
    interface.insert(key.into(), value);
}

const MUTATORS: &[Mutator] = &[
    |interface, _| {
        interface.remove("@id");
        vec!["missingTopLevelId"]
    },
    |interface, _| {
        interface.remove("@type");
        vec!["typeNotRootable"]
    },
    |interface, _| {
        interface.remove("@context");
        vec!["missingContext"]
    },
    |interface, _| {
        set(interface, "@type", json!("Telemetry"));
        vec!["typeNotRootable"]
    },
    |interface, _| {
        set(interface, "@type", json!(["Interface", "Telemetry"]));
        vec!["multipleMaterialTypes"]
    },
    |interface, _| {
        set(interface, "@context", json!("dtmi:dtdl:context;9"));
        vec!["unrecognizedContextVersion"]
    },
    |interface, _| {
        set(interface, "@id", json!("dtmi:9;1"));
        vec!["invalidId"]
    },
    |interface, _| {
        set(interface, "@id", json!(["dtmi:a;1"]));
        vec!["idNotString"]
    },
    |interface, version| {
        set(interface, "xyzzy", json!(1));
        match version {
            2 => vec!["noTypeThatAllows"],
            _ => vec!["propertyUndefinedTerm"],
        }
    },
    |interface, version| {
        let most = if version == 2 { 64 } else { 512 };
        set(interface, "displayName", json!("x".repeat(most + 1)));
        vec!["langStringValueTooLong"]
    },
    |interface, _| {
        set(interface, "displayName", json!({"English": "x"}));
        vec!["langStringInvalidCode"]
    },
    |interface, _| {
        set(
            interface,
            "contents",
            json!([{"@type": "Relationship", "name": "same"}, {"@type": "Relationship", "name": "same"}]),
        );
        vec!["nonUniquePropertyValue"]
    },
    |interface, _| {
        set(
            interface,
            "contents",
            json!([{"@type": "Relationship", "name": "9"}]),
        );
        vec!["stringInvalid"]
    },
    |interface, _| {
        set(
            interface,
            "contents",
            json!([{"@type": "Telemetry", "name": "t"}]),
        );
        vec!["missingObjectProperty"]
    },
    |interface, _| {
        set(
            interface,
            "contents",
            json!([{"@type": "Telemetry", "name": "t", "schema": 7}]),
        );
        vec!["refNotStringOrObject"]
    },
    |interface, _| {
        set(
            interface,
            "contents",
            json!([{"@type": "Telemetry", "name": "t", "schema": "Interface"}]),
        );
        vec!["undefinedReservedId"]
    },
    |interface, _| {
        set(
            interface,
            "contents",
            json!([{"@type": "Field", "name": "t", "schema": "double"}]),
        );
        vec!["badType"]
    },
    |interface, _| {
        set(
            interface,
            "contents",
            json!([{"@type": "Property", "name": "p", "schema": "double", "writable": "yes"}]),
        );
        vec!["booleanNotBoolean"]
    },
    |interface, _| {
        set(
            interface,
            "schemas",
            json!([{"@type": "Array", "elementSchema": "double"}]),
        );
        vec!["missingRequiredId"]
    },
    |interface, _| {
        let id = interface["@id"].clone();
        set(interface, "extends", id);
        vec!["recursiveStructureNarrow"]
    },
    |interface, _| {
        set(interface, "extends", json!("dtmi:dtdl:nothing;1"));
        vec!["undefinedReservedId"]
    },
    |interface, _| {
        set(interface, "extends", json!("dtmi:not:there;1"));
        vec!["incomplete"]
    },
];

/// Members in another order, which depends on a number.
fn shuffled(value: &Value, by: usize) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}: {}", json!(key), shuffled(value, by)))
                .collect();
            let size = members.len().max(1);
            members.rotate_left(by % size);
            format!("{{ {} }}", members.join(" ,\n"))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| shuffled(item, by)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_change_in_one_place_is_told(pick in any::<prop::sample::Index>(), which in 0..MUTATORS.len()) {
        let Some(input) = chosen(&pick) else { return Ok(()) };
        let mut input = input.clone();
        let version = version(&input);
        // What else the case says of the Interface must not get in the way.
        let (id, context) = (input[0]["@id"].clone(), input[0]["@context"].clone());
        let mut interface = json!({"@id": id, "@context": context, "@type": "Interface"});
        let wanted = MUTATORS[which](interface.as_object_mut().unwrap(), version);
        input[0] = interface;
        let found = judged(&input[..1]);
        prop_assert!(wanted.iter().all(|kind| found.iter().any(|found| found == kind)), "{input:?}: {found:?}, not {wanted:?}");
    }

    #[test]
    fn the_order_of_members_and_blanks_changes_nothing(pick in any::<prop::sample::Index>(), by in 0..50_usize) {
        let Some(input) = chosen(&pick) else { return Ok(()) };
        let texts: Vec<String> = input.iter().map(|value| shuffled(value, by)).collect();
        prop_assert_eq!(judged_texts(&texts), ["valid"], "{:?}", texts);
    }

    #[test]
    fn damaged_texts_are_judged_without_panic(pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in 0_u8..128, cut in any::<bool>()) {
        let Some(input) = chosen(&pick) else { return Ok(()) };
        let mut bytes = input[0].to_string().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(!judged_texts(&[text]).is_empty());
        }
    }
}

fn chosen(pick: &prop::sample::Index) -> Option<&'static Vec<Value>> {
    let inputs = inputs();
    (!inputs.is_empty()).then(|| pick.get(inputs))
}
