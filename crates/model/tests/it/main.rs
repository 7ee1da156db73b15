//! The example files are manifests without faults, and their interfaces resolve.
#![allow(clippy::unwrap_used)]

use gemelli_model::{
    manifest::{self, Kind},
    resolve,
};
use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn every_example_is_read_whole_and_its_interfaces_resolve() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples"));
    for example in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let mut interfaces = BTreeMap::new();
        for file in fs::read_dir(&example).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let parsed = manifest::parse(&fs::read_to_string(&file).unwrap());
            let problems: Vec<_> = parsed.problems.iter().map(ToString::to_string).collect();
            assert!(problems.is_empty(), "{}:\n{}", file.display(), problems.join("\n"));
            for manifest in parsed.manifests {
                let value = manifest::to_value(&manifest);
                assert_eq!(manifest::from_value(&value).unwrap(), manifest, "{}", file.display());
                if let Kind::Interface(interface) = manifest.kind {
                    interfaces.insert(interface.id.clone(), interface);
                }
            }
        }
        let resolved = resolve::all(&interfaces);
        assert!(resolved.is_ok(), "{}: {:?}", example.display(), resolved.err());
    }
}
