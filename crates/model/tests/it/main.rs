//! The example files are manifests without faults, and their interfaces resolve.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod convert;
mod dtdl_values;
mod dtdl_verdicts;
mod exports;

use gemelli_model::{
    manifest::{self, Kind},
    resolve,
};
use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn every_example_is_read_whole_and_its_interfaces_resolve() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"));
    for example in fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
    {
        let mut interfaces = BTreeMap::new();
        for file in fs::read_dir(&example)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if file.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let parsed = manifest::parse(&fs::read_to_string(&file).unwrap());
            let problems: Vec<_> = parsed.problems.iter().map(ToString::to_string).collect();
            assert!(
                problems.is_empty(),
                "{}:\n{}",
                file.display(),
                problems.join("\n")
            );
            for manifest in parsed.manifests {
                let value = manifest::to_value(&manifest);
                assert_eq!(
                    manifest::from_value(&value).unwrap(),
                    manifest,
                    "{}",
                    file.display()
                );
                if let Kind::Interface(interface) = manifest.kind {
                    interfaces.insert(interface.id.clone(), interface);
                }
            }
        }
        let resolved = resolve::all(&interfaces);
        assert!(
            resolved.is_ok(),
            "{}: {:?}",
            example.display(),
            resolved.err()
        );
    }
}

/// Codes of the sources that stand in calls and matches of these forms.
fn codes(source: &str) -> Vec<String> {
    let is_code = |text: &&str| {
        text.contains('-') && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    };
    let quoted = source.split('"').skip(1).step_by(2);
    let known = [
        "wrong-",
        "unknown-",
        "malformed-",
        "missing-",
        "duplicate-",
        "damaged-",
        "newer-",
        "limit-",
        "already-",
        "too-",
        "no-rel",
        "inheritance-",
        "forbidden-",
        "in-use",
        "has-rel",
        "precondition-",
    ];
    quoted
        .filter(is_code)
        .filter(|text| known.iter().any(|start| text.starts_with(start)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_code_has_a_page_and_every_page_says_what_to_do() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let pages = root.join("docs/errors");
    for page in fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let text = fs::read_to_string(&page).unwrap();
        let code = page.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            text.starts_with(&format!("# {code}\n")),
            "{}",
            page.display()
        );
        assert!(text.contains("**What to do.**"), "{}", page.display());
    }
    let mut folders: Vec<_> = ["model", "event", "engine", "connect", "auth", "store"]
        .map(|name| root.join("crates").join(name).join("src"))
        .into();
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for code in codes(&fs::read_to_string(&path).unwrap()) {
                seen += 1;
                assert!(
                    pages.join(format!("{code}.md")).exists(),
                    "{code} of {} has no page",
                    path.display()
                );
            }
        }
    }
    assert!(seen > 50, "the sources' codes were not found");
}
mod dtdl_cases;
mod dtdl_mutants;
mod dtdl_specification;
mod dtdl_tables;
