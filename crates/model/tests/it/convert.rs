//! Interfaces go to DTDL and back, and to KTWIN's form and back, without loss.

use gemelli_model::{
    Interface, Schema, Value, convert,
    dtdl::{self, Options, Outcome, Source, object},
    interface::{
        Aggregate, Beyond, Clock, Command, Component, Derived, Direction, Emit, Fidelity, Op,
        Property, Relationship, Routing, Row, Table, Telemetry,
    },
    ktwin,
    manifest::{self, Kind},
    schema::{Enum, EnumMember, Field, Object},
};
use proptest::{collection::vec, option, prelude::*};
use std::{fs, path::Path, sync::Arc};

/// The interfaces of an example's files.
fn example(name: &str) -> Vec<Interface> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut files: Vec<_> = fs::read_dir(Path::new(folder).join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    let mut found = Vec::new();
    for file in files {
        for manifest in manifest::parse(&fs::read_to_string(file).unwrap()).manifests {
            if let Kind::Interface(interface) = manifest.kind {
                found.push(interface);
            }
        }
    }
    found.sort_by(|a, b| a.id.cmp(&b.id));
    found
}

/// To DTDL, checked as one set, and back.
fn round(interfaces: &[Interface]) -> Vec<Interface> {
    let documents = convert::to_dtdl_set(interfaces);
    let text = Value::Array(documents.into()).to_string();
    let source = Source {
        name: "set.json".into(),
        text,
    };
    let read = convert::read(&[source], &Options::default(), &mut |_| None);
    let mut back = read.unwrap().interfaces;
    back.sort_by(|a, b| a.id.cmp(&b.id));
    for interface in &mut back {
        assert!(interface.dtdl.take().is_some(), "the document is kept");
    }
    back
}

#[test]
fn every_example_can_be_said_in_dtdl_and_comes_back_equal() {
    for name in ["city", "room", "beijing"] {
        let interfaces = example(name);
        assert!(!interfaces.is_empty(), "{name}");
        assert_eq!(round(&interfaces), interfaces, "{name}");
    }
}

#[test]
fn the_city_in_dtdl_uses_words_and_not_only_exact_forms() {
    let documents = convert::to_dtdl_set(&example("city"));
    let text = Value::Array(documents.into()).to_string();
    assert!(
        !text.contains("\"exact\""),
        "everything of the city has a word"
    );
    assert!(text.contains("\"derived\"") && text.contains("\"tables\""));
}

fn name() -> impl Strategy<Value = Arc<str>> {
    prop_oneof![
        4 => "[a-zA-Z][a-zA-Z0-9_]{0,6}",
        1 => "[ -.0-~]{1,8}".prop_filter("no dollar in front", |name| !name.starts_with('$')),
        1 => "[äöπ名]{1,3}",
    ]
    .prop_map(Into::into)
}

fn label() -> impl Strategy<Value = Option<Arc<str>>> {
    option::of(prop_oneof![6 => "[ -~é]{1,20}", 1 => "[a-z]{600}"].prop_map(Into::into))
}

fn schema() -> impl Strategy<Value = Schema> {
    let words: Vec<Schema> = Schema::words().filter_map(Schema::of_word).collect();
    let value = prop_oneof![
        "[a-z]{1,5}".prop_map(Value::text),
        any::<i64>().prop_map(Value::Int)
    ];
    let members = vec((name(), value), 1..4).prop_map(|all| {
        let mut values: Vec<EnumMember> = Vec::new();
        for (name, value) in all {
            if values
                .iter()
                .all(|known| known.name != name && known.value != value)
            {
                values.push(EnumMember { name, value });
            }
        }
        Schema::Enum(Enum {
            values: values.into(),
        })
    });
    prop_oneof![4 => proptest::sample::select(words), 1 => members].prop_recursive(
        3,
        12,
        3,
        |inner| {
            let object = vec((name(), inner.clone()), 0..4).prop_map(|all| {
                let mut fields: Vec<Field> = Vec::new();
                for (name, schema) in all {
                    if fields.iter().all(|known| known.name != name) {
                        fields.push(Field { name, schema });
                    }
                }
                Schema::Object(Object {
                    fields: fields.into(),
                })
            });
            prop_oneof![
                inner.clone().prop_map(|of| Schema::Array(Arc::new(of))),
                inner.prop_map(|of| Schema::Map(Arc::new(of))),
                object,
            ]
        },
    )
}

fn derived() -> impl Strategy<Value = Derived> {
    let emit = prop_oneof![
        Just(Emit::Virtual),
        (name(), name()).prop_map(|(name, relationship)| Emit::Command { name, relationship }),
    ];
    let aggregate = name().prop_map(|over| Aggregate {
        op: Op::Max,
        over,
        direction: Direction::Incoming,
        interface: Some("other thing".into()),
        of: Some("x".into()),
        filter: None,
    });
    let how = prop_oneof![
        name().prop_map(|on| (Some("a + 1".into()), None, vec![on])),
        aggregate.prop_map(|aggregate| (None, Some(aggregate), Vec::new())),
    ];
    (how, option::of(1_u64..9), option::of(emit)).prop_map(
        |((expression, aggregate, on), expires_ms, emit)| Derived {
            expression,
            aggregate,
            on,
            expires_ms,
            emit,
        },
    )
}

prop_compose! {
    fn property()(name in name(), schema in schema(), display_name in label(), description in label(),
        unit in label(), writable in any::<bool>(), derived in option::of(derived())) -> Property {
        let writable = writable && derived.is_none();
        Property { name, schema, display_name, description, unit, writable, derived }
    }
}

prop_compose! {
    fn telemetry()(name in name(), schema in schema(), display_name in label(), description in label(),
        unit in label(), last in any::<bool>(), history in any::<bool>()) -> Telemetry {
        Telemetry { name, schema, display_name, description, unit, last, history }
    }
}

prop_compose! {
    fn command()(name in name(), display_name in label(), description in label(), request in option::of(schema()),
        request_name in option::of(name()), response in option::of(schema()), response_name in option::of(name())) -> Command {
        Command { name, display_name, description, request, request_name, response, response_name }
    }
}

prop_compose! {
    fn relationship()(name in name(), display_name in label(), description in label(), target in option::of(name()),
        min_multiplicity in option::of(0_u32..3), max_multiplicity in option::of(prop_oneof![3_u32..600, Just(u32::MAX)]),
        properties in vec(property(), 0..3), aggregate_data in any::<bool>()) -> Relationship {
        let target = target.map(|target| (&*target).into());
        let properties = unique(properties, |p| &p.name);
        Relationship { name, display_name, description, target, min_multiplicity, max_multiplicity, properties, aggregate_data }
    }
}

prop_compose! {
    fn interface()(id in name(), display_name in label(), description in label(), properties in vec(property(), 0..4),
        telemetry in vec(telemetry(), 0..3), commands in vec(command(), 0..3), relationships in vec(relationship(), 0..3),
        part in option::of(name()), event in any::<bool>(), real in any::<bool>(), age in option::of(1_u64..99),
        service in option::of(Just(Value::text("x"))), ignore_case in any::<bool>(), open in any::<bool>(),
        table in option::of(name())) -> Interface {
        let components = part.into_iter().map(|name| Component {
            name, display_name: None, description: None, interface: "the part".into(),
        });
        let row = Row { from: 0.5, to: Some(2.0), low: Some(1.0), high: Some(3.0), class: Some(Value::text("GOOD")) };
        let tables = table.into_iter().map(|name| {
            let table = Table { above: Beyond::Clamp, rows: vec![row.clone()], ..Table::default() };
            (name, table)
        });
        let mut whole = Interface {
            id: (&*id).into(), display_name, description, properties, telemetry, commands, relationships,
            components: components.collect(), tables: tables.collect(),
            time: if event { Clock::Event } else { Clock::Accepted },
            routing: Routing { persist_real: real, persist_virtual: true },
            fidelity: age.map(|age| Fidelity { max_age_ms: Some(age), rate_per_hour: Some(2.5), min_availability: None }),
            service, ignore_case, open, ..Interface::default()
        };
        let mut taken: Vec<Arc<str>> = Vec::new();
        let mut fresh = |name: &Arc<str>| { let new = !taken.contains(name); taken.push(name.clone()); new };
        whole.properties.retain(|m| fresh(&m.name));
        whole.telemetry.retain(|m| fresh(&m.name));
        whole.commands.retain(|m| fresh(&m.name));
        whole.relationships.retain(|m| fresh(&m.name));
        whole.components.retain(|m| fresh(&m.name));
        whole
    }
}

fn unique<T>(items: Vec<T>, name: fn(&T) -> &Arc<str>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        if kept.iter().all(|known| name(known) != name(&item)) {
            kept.push(item);
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_interface_goes_to_dtdl_and_back(interface in interface()) {
        let manifest = manifest::Manifest::of_interface(interface.clone());
        // What the reader of manifests refuses is no interface to begin with.
        let Ok(sound) = manifest::from_value(&manifest::to_value(&manifest)) else {
            return Err(TestCaseError::reject("not a manifest"));
        };
        let Kind::Interface(interface) = sound.kind else { unreachable!() };
        let part = Interface { id: "the part".into(), ..Interface::default() };
        let mut back = round(&[interface.clone(), part]);
        back.retain(|found| found.id == interface.id);
        prop_assert_eq!(back, vec![interface]);
    }

    #[test]
    fn any_name_has_a_dtmi_of_its_own(name in "\\PC{1,20}") {
        let back = convert::id_of(&convert::dtmi_of(&name));
        prop_assert_eq!(back.as_str(), &*name);
    }
}

const KTWIN: &str = "
apiVersion: dtd.ktwin/v0
kind: TwinInterface
metadata: { name: ngsi-ld-city-device }
spec:
  id: ngsi-ld-city-device
  displayName: Device
  extendsInterface: ngsi-ld-city-thing
  properties:
    - { name: batteryLevel, displayName: Level, schema: { primitiveType: double }, writable: true }
    - { name: anything }
    - name: state
      schema: { enumType: { valueSchema: integer, enumValues: [{ name: 'on', enumValue: '1' }, { name: 'off', enumValue: '0' }] } }
    - name: place
      schema: { complexType: { type: Object, fields: [{ name: lat, schema: { primitiveType: double } }] } }
  telemetries: [{ name: rssi, schema: { primitiveType: integer } }]
  commands:
    - { name: updateFrequency, request: { name: minutes, schema: { primitiveType: integer } }, response: { name: ok, schema: { primitiveType: boolean } } }
  relationships:
    - { name: refPole, interface: ngsi-ld-city-pole, maxMultiplicity: 1, aggregateData: true, properties: [{ name: since, schema: { primitiveType: dateTime } }] }
  eventStore: { persistRealEvent: true, persistVirtualEvent: false }
  service:
    template: { spec: { containers: [{ image: 'x:1' }] } }
    autoScaling: { minScale: 0, maxScale: 20, metric: concurrency }
---
apiVersion: dtd.ktwin/v0
kind: TwinInterface
metadata: { name: ngsi-ld-city-thing }
spec: { id: ngsi-ld-city-thing }
";

#[test]
fn ktwins_interfaces_go_to_dtdl_and_back_to_ktwin() {
    let parsed = manifest::parse(KTWIN);
    assert_eq!(parsed.problems, []);
    let interfaces: Vec<Interface> = parsed
        .manifests
        .into_iter()
        .filter_map(|manifest| match manifest.kind {
            Kind::Interface(interface) => Some(interface),
            _ => None,
        })
        .collect();
    let back = round(&interfaces);
    assert_eq!(back, interfaces);
    for interface in &back {
        let exported = ktwin::export(interface);
        assert_eq!(exported.left_out, Vec::<String>::new());
        let again = manifest::parse(&exported.manifest.to_string());
        let Kind::Interface(again) = &again.manifests[0].kind else {
            unreachable!()
        };
        assert_eq!(again, interface);
    }
}

#[test]
fn the_smart_city_interfaces_load_as_one_set() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/opendigitaltwins-smartcities/Ontology"
    );
    let mut folders = vec![Path::new(folder).to_path_buf()];
    if !folders[0].is_dir() {
        println!("skipped: shared-data: {folder} is not there");
        return;
    }
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "json") {
                let text = fs::read_to_string(&path).unwrap();
                let name = path.display().to_string();
                sources.push(Source { name, text });
            }
        }
    }
    let read = convert::read(&sources, &Options::default(), &mut |_| None).unwrap();
    assert_eq!(read.interfaces.len(), 63);
    let documents = read.interfaces.iter().filter(|i| i.dtdl.is_some()).count();
    assert_eq!(documents, 63, "each keeps its document");
    // As KTWIN's fork has them: without scheme and version, with changing capitals.
    let forked = sources.iter().map(|source| {
        let text = source
            .text
            .replace("\"dtmi:digitaltwins:", "\"digitaltwins:");
        let text = text
            .replace(";1\"", "\"")
            .replace("\"dateTime\"", "\"datetime\"");
        Source {
            name: source.name.clone(),
            text,
        }
    });
    let forked: Vec<Source> = forked.collect();
    assert!(convert::read(&forked, &Options::default(), &mut |_| None).is_err());
    let mended = convert::mend_ktwin(&forked).unwrap();
    assert!(!mended.warnings.is_empty());
    let again = convert::read(&mended.sources, &Options::default(), &mut |_| None).unwrap();
    assert_eq!(again.interfaces.len(), 63);
}

/// How often a value of the sample is taken and refused, by what the sample says of it.
#[test]
fn values_of_the_sample_fare_as_it_says() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/dtdl/cases"
    );
    let (mut right, mut loose) = (0, Vec::new());
    for file in ["models-v2.jsonl", "models-v3.jsonl", "models-v4.jsonl"] {
        let Ok(cases) = fs::read_to_string(Path::new(folder).join(file)) else {
            println!("skipped: shared-data: {folder} is not there");
            return;
        };
        for case in cases.lines() {
            let case: serde_json::Value = serde_json::from_str(case).unwrap();
            let instances = case["instances"].as_array().cloned().unwrap_or_default();
            let documents = case["input"].as_array().cloned().unwrap_or_default();
            let sources: Vec<Source> = documents
                .iter()
                .map(|document| Source {
                    name: "case".into(),
                    text: document.to_string(),
                })
                .collect();
            if instances.is_empty() || case["valid"] != true {
                continue;
            }
            let Outcome::Valid(model) = dtdl::parse(&sources, &Options::default(), &mut |_| None)
            else {
                continue;
            };
            for instance in instances {
                let id = instance["subject"].as_str().unwrap();
                let known = ["Array", "Enum", "Map", "Object"];
                if !model
                    .get(id)
                    .is_some_and(|e| known.contains(&e.class.as_str()))
                {
                    continue;
                }
                let schema = object::schema(&model, id).unwrap();
                let submitted = instance["submit"].as_str().unwrap();
                let value = serde_json::from_str::<Value>(submitted);
                let taken = value.is_ok_and(|value| schema.check(&value).is_ok());
                match instance["outcome"].as_str().unwrap() {
                    "conforms" => assert!(taken, "{id} refuses {submitted}"),
                    _ if taken => loose.push(submitted.to_owned()),
                    _ => right += 1,
                }
            }
        }
    }
    assert!(right > 0, "the sample has values that violate");
    // Two things are let pass on purpose: a fraction of zero, and the range of a float.
    let zero = |text: &String| text.contains(".0") || text.contains("e") || text.contains("E");
    let unexpected: Vec<_> = loose.iter().filter(|text| !zero(text)).collect();
    assert!(
        unexpected.is_empty(),
        "refused {right}, let pass {unexpected:?}"
    );
}
