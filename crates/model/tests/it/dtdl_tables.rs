//! The language's tables hold what the metamodel's facts say: derived again where they are at hand.
//!
//! `GEMELLI_DERIVE=1` writes the tables instead of comparing them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::format_push_string
)]

use serde_json::{Map, Value, json};

const FACTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/dtdl/metamodel-digest.json"
);
const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/dtdl/tables.json");

#[test]
fn tables_hold_the_facts_of_the_metamodel() {
    let Ok(text) = std::fs::read_to_string(FACTS) else {
        println!("skipped: shared-data: {FACTS} is not there");
        return;
    };
    let facts: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    let derived = derive(&facts);
    if std::env::var_os("GEMELLI_DERIVE").is_some() {
        std::fs::write(TABLES, &derived).unwrap();
    }
    let held = std::fs::read_to_string(TABLES).unwrap();
    let held: Value = serde_json::from_str(&held).unwrap();
    let derived: Value = serde_json::from_str(&derived).unwrap();
    for (section, entries) in derived.as_object().unwrap() {
        assert!(held[section] == *entries, "section {section} differs");
    }
}

/// The tables as text: one line for each entry of each section.
fn derive(facts: &Value) -> String {
    let mut shapes: Vec<Value> = Vec::new();
    let classes = each(&facts["materialClasses"], |_, class| {
        derive_class(class, &mut shapes)
    });
    let (units, elements) = gathered(&standard(&facts["elements"], &facts["contexts"]));
    let sections = [
        (
            "contexts",
            each(&facts["contexts"], |_, terms| grouped(terms)),
        ),
        ("classes", classes),
        (
            "types",
            each(&facts["supplementalTypes"], |_, cotype| derive_type(cotype)),
        ),
        ("units", units),
        ("elements", elements),
        ("limits", facts["limitContexts"].clone()),
        ("reserved", facts["reservedIdPrefixes"].clone()),
        (
            "affiliates",
            facts["affiliateContextsImplicitDtdlVersions"].clone(),
        ),
        ("apocrypha", facts["apocrypha"].clone()),
        ("partitions", facts["partitions"].clone()),
    ];
    let mut text = String::from("{\n\"shapes\":[\n");
    let lines: Vec<String> = shapes.iter().map(Value::to_string).collect();
    text.push_str(&lines.join(",\n"));
    text.push_str("\n],\n\"descents\":[\n");
    let rules = facts["descendantControls"].as_array().unwrap();
    let lines: Vec<String> = rules.iter().map(|rule| lean(rule).to_string()).collect();
    text.push_str(&lines.join(",\n"));
    text.push_str("\n]");
    for (name, section) in sections {
        text.push_str(&format!(",\n\"{name}\":{{\n"));
        let lines: Vec<String> = section
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{}:{value}", json!(key)))
            .collect();
        text.push_str(&lines.join(",\n"));
        text.push_str("\n}");
    }
    text.push_str("\n}\n");
    text
}

fn each(section: &Value, mut derive: impl FnMut(&str, &Value) -> Value) -> Value {
    let entries = section.as_object().unwrap().iter();
    entries
        .map(|(key, value)| (key.clone(), derive(key, value)))
        .collect::<Map<_, _>>()
        .into()
}

/// Without what is false, null or empty, and without prose.
fn lean(value: &Value) -> Value {
    let Some(members) = value.as_object() else {
        return value.clone();
    };
    let prose = [
        "description",
        "patternDesc",
        "requiredTypesString",
        "requiredValuesString",
        "requiredTypeNames",
        "requiredValueNames",
        "disallowedTypeName",
        "altcotypeNames",
    ];
    let kept = members.iter().filter(|(key, value)| {
        !prose.contains(&key.as_str())
            && **value != json!(false)
            && !value.is_null()
            && value.as_array().is_none_or(|items| !items.is_empty())
            && value.as_object().is_none_or(|items| !items.is_empty())
    });
    let lean = |key: &String, value: &Value| match value {
        Value::String(pattern) if key == "pattern" => json!(named_pattern(pattern)),
        Value::Array(items) if key == "constraints" || key == "siblings" => {
            items.iter().map(lean).collect()
        }
        value => value.clone(),
    };
    kept.map(|(key, value)| (key.clone(), lean(key, value)))
        .collect::<Map<_, _>>()
        .into()
}

fn named_pattern(pattern: &str) -> &'static str {
    match pattern {
        p if p.starts_with("^[A-Za-z]") => "name",
        p if p.starts_with("^dtmi:") => "dtmi",
        p if p.starts_with("^[!$") => "label",
        p if p.starts_with("^(?:(?:[!%") => "topic",
        p => panic!("a pattern of another kind: {p}"),
    }
}

/// Terms under the form of their identifier, a star where the term stands.
fn grouped(terms: &Value) -> Value {
    let mut groups: Map<String, Value> = Map::new();
    for (term, id) in terms.as_object().unwrap() {
        let id = id.as_str().unwrap();
        let form = match id.rfind(term.as_str()) {
            Some(at) => format!("{}*{}", &id[..at], &id[at + term.len()..]),
            None => id.to_owned(),
        };
        let group = groups.entry(form).or_insert_with(|| json!(""));
        let so_far = group.as_str().unwrap();
        *group = json!(if so_far.is_empty() {
            term.clone()
        } else {
            format!("{so_far} {term}")
        });
    }
    groups.into()
}

fn derive_class(class: &Value, shapes: &mut Vec<Value>) -> Value {
    let properties = each(&class["properties"], |_, property| {
        let mut shape = lean(&property["_"]);
        let inner = shape.as_object_mut().unwrap();
        for gone in [
            "inherited",
            "inheritedFrom",
            "abstract",
            "shadowed",
            "breakout",
            "reverseAs",
            "dictionaryKey",
        ] {
            inner.remove(gone);
        }
        for version in ["2", "3", "4"] {
            if property[version]["allowed"] == json!(true) {
                let mut of = lean(&property[version]);
                let of = of.as_object_mut().unwrap();
                for gone in [
                    "allowed",
                    "uniqueAmong",
                    "defaultLanguage",
                    "values",
                    "deprecated",
                    "hidden",
                ] {
                    of.remove(gone);
                }
                inner.insert(version.to_owned(), of.clone().into());
            }
        }
        if !["2", "3", "4"]
            .iter()
            .any(|version| inner.contains_key(*version))
        {
            return Value::Null;
        }
        let at = shapes
            .iter()
            .position(|known| *known == shape)
            .unwrap_or_else(|| {
                shapes.push(shape);
                shapes.len() - 1
            });
        json!(at)
    });
    let mut of = json!({
        "versions": class["dtdlVersions"], "abstract": class["abstract"], "parent": class["parentClass"],
        "concrete": class["concreteSubclasses"], "standard": class["elementalSubclasses"],
        "rootable": class["rootable"], "idRequired": class["idRequiredVersions"], "typeOptional": class["typeOptionalVersions"],
        "hidden": class["overt"] == json!(false), "instance": class["instance"],
    });
    let mut wanted: Map<String, Value> = Map::new();
    for (version, places) in class["idRequiredWhen"].as_object().unwrap() {
        let mut named: Vec<Value> = Vec::new();
        for place in places.as_array().unwrap() {
            let pair = json!([place["class"], place["property"]]);
            if !named.contains(&pair) {
                named.push(pair);
            }
        }
        if !named.is_empty() {
            wanted.insert(version.clone(), named.into());
        }
    }
    let of = of.as_object_mut().unwrap();
    if let Some(instance) = of["instance"].as_object_mut() {
        instance.retain(|key, _| !key.ends_with("Text"));
    }
    of.insert("idRequiredIn".to_owned(), wanted.into());
    let properties: Map<String, Value> = properties
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, at)| !at.is_null())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    of.insert("properties".to_owned(), properties.into());
    lean(&of.clone().into())
}

fn derive_type(cotype: &Value) -> Value {
    let mut of = lean(cotype);
    let inner = of.as_object_mut().unwrap();
    for gone in ["elements", "extensionKind", "extensionContext", "mergeable"] {
        inner.remove(gone);
    }
    inner.insert(
        "properties".to_owned(),
        each(&cotype["properties"], |_, property| {
            let mut of = lean(property);
            for gone in ["typeName", "typeRequired", "idRequired", "deprecated"] {
                of.as_object_mut().unwrap().remove(gone);
            }
            of
        }),
    );
    lean(&of)
}

/// The standard elements, each by its identifier, those within others included.
fn standard(elements: &Value, contexts: &Value) -> Value {
    let mut flat = Map::new();
    for element in elements.as_array().unwrap() {
        let context = &element["@context"];
        let contexts: Vec<&Value> = match context.as_array() {
            Some(all) => all
                .iter()
                .map(|one| &contexts[one.as_str().unwrap()])
                .collect(),
            None => vec![&contexts[context.as_str().unwrap()]],
        };
        flatten(element, None, &contexts, &mut flat);
    }
    flat.into()
}

/// Elements that only differ in their name, by form, types and the element that they lie in; and
/// all others.
fn gathered(elements: &Value) -> (Value, Value) {
    let (mut units, mut others) = (Map::new(), Map::new());
    for (id, element) in elements.as_object().unwrap() {
        let within = element["in"].as_str().unwrap_or_default();
        let plain = element
            .as_object()
            .unwrap()
            .keys()
            .all(|key| key == "types" || key == "in");
        let (path, version) = id
            .split_once(';')
            .map_or((id.as_str(), String::new()), |(path, version)| {
                (path, format!(";{version}"))
            });
        let (front, name) = path.rsplit_once(':').unwrap();
        if !plain {
            others.insert(id.clone(), element.clone());
            continue;
        }
        let types: Vec<&str> = element["types"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        let key = format!("{front}:*{version}|{}|{within}", types.join(" "));
        let so_far = units
            .get(&key)
            .and_then(Value::as_str)
            .map(|terms| format!("{terms} "))
            .unwrap_or_default();
        units.insert(key, json!(format!("{so_far}{name}")));
    }
    (units.into(), others.into())
}

fn flatten(
    element: &Value,
    within: Option<&str>,
    contexts: &[&Value],
    flat: &mut Map<String, Value>,
) -> String {
    let full = |term: &Value| {
        let term = term.as_str().unwrap();
        let known = contexts.iter().find_map(|terms| terms[term].as_str());
        known.unwrap_or(term).to_owned()
    };
    let id = match (element["@id"].as_str(), within) {
        (Some(id), _) => id.to_owned(),
        (None, within) => format!(
            "{}:{}",
            within.unwrap(),
            element["name"].as_str().unwrap_or("_")
        ),
    };
    let types: Vec<String> = match element["@type"].as_array() {
        Some(all) => all.iter().map(full).collect(),
        None if element["@type"].is_null() => Vec::new(),
        None => vec![full(&element["@type"])],
    };
    let aside = [
        "Unit;2",
        "Symbolic",
        "Alias",
        "UnitPrefix",
        "Ratio",
        "DecimalUnit",
        "BinaryUnit",
    ];
    let wanted = |id: &&String| {
        id.contains("Prefix;2")
            || id.contains(":class:")
                && !aside
                    .iter()
                    .any(|name| id.contains(&format!(":class:{name}")))
    };
    let types: Vec<&String> = types.iter().filter(wanted).collect();
    let mut of = Map::new();
    of.insert("types".to_owned(), json!(types));
    if let Some(within) = within {
        of.insert("in".to_owned(), json!(within));
    }
    for (key, value) in element.as_object().unwrap() {
        let alone = element["fields"].is_null() && element["schema"].is_null();
        let same = |value: &Value| {
            value
                .as_str()
                .is_some_and(|name| id.ends_with(&format!(":{name}")))
        };
        let value = match (key.as_str(), value) {
            ("displayName" | "description" | "symbol" | "exponent", _) => continue,
            ("baseUnit" | "topUnit" | "bottomUnit" | "prefix", _) => continue,
            ("name" | "enumValue", value) if alone && same(value) => continue,
            ("fields" | "enumValues", Value::Array(items))
                if items.iter().all(Value::is_object) =>
            {
                for item in items {
                    flatten(item, Some(&id), contexts, flat);
                }
                continue;
            }
            (key, _) if key.starts_with('@') => continue,
            (_, Value::Array(items)) => {
                let mut nested = |item: &Value| match item.as_str() {
                    Some(_) => json!(full(item)),
                    None => json!(flatten(item, Some(&id), contexts, flat)),
                };
                items.iter().map(&mut nested).collect()
            }
            ("name" | "enumValue", _) => value.clone(),
            (_, Value::String(_)) => json!(full(value)),
            (_, Value::Object(_)) => json!(flatten(value, Some(&id), contexts, flat)),
            _ => value.clone(),
        };
        of.insert(key.clone(), value);
    }
    flat.insert(id.clone(), of.into());
    id
}
