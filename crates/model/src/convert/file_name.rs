//! Names for the files that hold one interface each.

use crate::InterfaceId;
use std::collections::{BTreeMap, BTreeSet};

/// Most letters of a file's name, its ending apart.
const LETTERS: usize = 120;

/// A name without ending for the file of each interface: small letters, digits, dots, underscores and
/// hyphens, no two alike.
///
/// ```
/// use gemelli_model::convert::file_names;
/// let ids = ["dtmi:city:Lamp;1".into(), "dtmi:city:lamp;1".into()];
/// let names = file_names(ids.iter());
/// assert_eq!(names.into_values().collect::<Vec<_>>(), ["city-lamp-1", "city-lamp-1-2"]);
/// ```
pub fn file_names<'a>(ids: impl Iterator<Item = &'a InterfaceId>) -> BTreeMap<InterfaceId, String> {
    let ids: BTreeSet<&InterfaceId> = ids.collect();
    let mut taken = BTreeSet::new();
    let mut names = BTreeMap::new();
    for id in ids {
        let base = plain(id);
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{base}-{number}");
            number += 1;
        }
        names.insert(id.clone(), name);
    }
    names
}

fn plain(id: &InterfaceId) -> String {
    let text = id.as_str();
    let text = text.strip_prefix("dtmi:").unwrap_or(text);
    let kept = text.chars().take(LETTERS).map(|c| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        '_' | '.' => c,
        _ => '-',
    });
    let kept: String = kept.collect();
    match kept.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        true => kept,
        false => format!("n{kept}"),
    }
}
