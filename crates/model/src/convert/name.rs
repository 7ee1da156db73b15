//! Names of the product as identifiers and names of DTDL, and back.

use crate::InterfaceId;

const CLEAN: &str = "dtmi:gemelli:interface:";
const ESCAPED: &str = "dtmi:gemelli:escaped:";
const VERSION: &str = ";1";

/// The DTMI of an interface. One that is a DTMI stays; any other gets one of its own, from which
/// [`id_of`] makes the name again.
///
/// ```
/// use gemelli_model::convert::{dtmi_of, id_of};
/// assert_eq!(dtmi_of("city-pole"), "dtmi:gemelli:interface:city_pole;1");
/// assert_eq!(dtmi_of("dtmi:city:pole;2"), "dtmi:city:pole;2");
/// assert_eq!(id_of(&dtmi_of("München")).as_str(), "München");
/// ```
pub fn dtmi_of(name: &str) -> String {
    if name.starts_with("dtmi:") && !name.starts_with("dtmi:gemelli:") {
        return name.to_owned();
    }
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let clean = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(sound);
    if clean {
        return format!("{CLEAN}{}{VERSION}", name.replace('-', "_"));
    }
    let mut text = format!("{ESCAPED}n");
    for byte in name.bytes() {
        match byte.is_ascii_alphanumeric() {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("_{byte:02x}")),
        }
    }
    text + VERSION
}

/// The interface that a DTMI stands for: the inverse of [`dtmi_of`].
pub fn id_of(dtmi: &str) -> InterfaceId {
    let part = |prefix| dtmi.strip_prefix(prefix)?.strip_suffix(VERSION);
    if let Some(clean) = part(CLEAN) {
        return InterfaceId::new(clean.replace('_', "-"));
    }
    let name = part(ESCAPED).and_then(unescape);
    InterfaceId::new(name.unwrap_or_else(|| dtmi.to_owned()))
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.strip_prefix('n')?;
    while let Some(c) = rest.chars().next() {
        if c == '_' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = rest.get(3..)?;
        } else {
            bytes.push(u8::try_from(c).ok()?);
            rest = rest.get(1..)?;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a name is one of DTDL's: a letter, then letters, digits and underscores, none at the end.
pub(super) fn is_sound(name: &str) -> bool {
    name.len() <= 512
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && !name.ends_with('_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A name that DTDL takes, alike and not among those that are taken.
pub(super) fn sound(name: &str, taken: &[String]) -> String {
    let letters = name.chars().take(64);
    let kept: String = letters
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    let kept = kept.trim_matches('_');
    let base = match kept.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => kept.to_owned(),
        false => format!("n{kept}"),
    };
    let mut found = base.clone();
    let mut number = 2;
    while taken.contains(&found) {
        found = format!("{base}_{number}");
        number += 1;
    }
    found
}
