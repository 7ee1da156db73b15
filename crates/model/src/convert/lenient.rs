//! KTWIN's fork of the smart-city ontology, made into DTDL that the strict reader takes.
//!
//! Its identifiers lack the scheme and the version, and are spelled with changing capitals; so are
//! the words of schemas. Each identifier becomes a DTMI that depends on nothing but its text, so the
//! same file gives the same model everywhere. Everything that is changed is said, once for each kind.
//! Never on by itself: a caller asks for it by name.

use super::value_of;
use crate::{
    Schema, Value,
    dtdl::{
        Source,
        json::{self, Error},
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// Members whose texts are identifiers, or words of schemas.
const NAMING: [&str; 6] = [
    "@id",
    "extends",
    "target",
    "schema",
    "elementSchema",
    "valueSchema",
];

/// Documents as the strict reader takes them.
#[derive(Clone, Debug)]
pub struct Mended {
    /// The documents; places in them are not those of the texts that were given.
    pub sources: Vec<Source>,
    /// What was changed: the kind of change and how often.
    pub warnings: BTreeMap<String, usize>,
}

/// Mends documents of KTWIN's fork.
///
/// ```
/// use gemelli_model::{convert, dtdl::{Options, Source}};
/// let text = r#"{"@context": "dtmi:dtdl:context;2", "@id": "ngsi_ld:city:Device", "@type": "Interface",
///   "contents": [{"@type": "Property", "name": "seen", "schema": "datetime"}]}"#;
/// let source = Source { name: "device.json".into(), text: text.into() };
/// let mended = convert::mend_ktwin(&[source]).unwrap();
/// assert_eq!(mended.warnings.len(), 2);
/// let read = convert::read(&mended.sources, &Options::default(), &mut |_| None).unwrap();
/// assert_eq!(read.interfaces[0].id.as_str(), "dtmi:ngsi_ld:city:Device;1");
/// ```
///
/// # Errors
/// A text that is not JSON: its name and why.
pub fn mend_ktwin(sources: &[Source]) -> Result<Mended, (String, Error)> {
    let mut mend = Mend::default();
    let mut read = Vec::new();
    for source in sources {
        let document =
            json::parse(source.text.as_bytes()).map_err(|error| (source.name.clone(), error))?;
        let value = value_of(&document.root);
        mend.learn(&value);
        read.push((source.name.clone(), value));
    }
    let sources = read.into_iter().map(|(name, value)| Source {
        name,
        text: mend.value("", &value).to_string(),
    });
    Ok(Mended {
        sources: sources.collect(),
        warnings: mend.warnings,
    })
}

#[derive(Default)]
struct Mend {
    /// The spelling of each identifier where it is defined, by its small letters.
    spelled: BTreeMap<String, String>,
    warnings: BTreeMap<String, usize>,
}

impl Mend {
    /// Remembers how the identifiers of definitions are spelled. Nesting is bounded by the reader.
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(fields) => {
                if let Some(id) = value.get("@id").and_then(Value::as_str)
                    && fields.len() > 1
                {
                    let dtmi = dtmi(id);
                    self.spelled.entry(dtmi.to_lowercase()).or_insert(dtmi);
                }
                fields.iter().for_each(|(_, value)| self.learn(value));
            }
            _ => {}
        }
    }

    fn value(&mut self, key: &str, value: &Value) -> Value {
        match value {
            Value::Text(text) if NAMING.contains(&key) => Value::Text(self.text(key, text)),
            Value::Array(items) => Value::Array(items.iter().map(|i| self.value(key, i)).collect()),
            Value::Object(fields) => {
                let mended = fields.iter();
                let mended = mended.map(|(name, value)| (name.clone(), self.value(name, value)));
                Value::Object(mended.collect())
            }
            other => other.clone(),
        }
    }

    fn text(&mut self, key: &str, text: &Arc<str>) -> Arc<str> {
        if !text.contains(':') {
            let word = Schema::words().find(|word| word.eq_ignore_ascii_case(text));
            return match word.filter(|word| key != "@id" && *word != &**text) {
                Some(word) => {
                    self.note(format!("the schema {text} is read as {word}"));
                    word.into()
                }
                None => text.clone(),
            };
        }
        let dtmi = dtmi(text);
        let spelled = self.spelled.get(&dtmi.to_lowercase());
        let mended = spelled.cloned().unwrap_or_else(|| dtmi.clone());
        if mended != dtmi {
            self.note(format!("{dtmi} is read as {mended}, which is defined"));
        } else if dtmi != **text {
            self.note("an identifier without the scheme or the version of a DTMI gets them".into());
        }
        mended.into()
    }

    fn note(&mut self, warning: String) {
        *self.warnings.entry(warning).or_default() += 1;
    }
}

/// A DTMI of a text: as it is where it is one already.
fn dtmi(text: &str) -> String {
    let (path, version) = match text.split_once(';') {
        Some((path, version)) => (path, version),
        None => (text, "1"),
    };
    let path = path.strip_prefix("dtmi:").unwrap_or(path);
    let segments = path.split(':').map(|segment| {
        let kept: String = segment
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let kept = kept.trim_matches('_');
        match kept.starts_with(|c: char| c.is_ascii_alphabetic()) {
            true => kept.to_owned(),
            false => format!("n{kept}"),
        }
    });
    let path: Vec<String> = segments.collect();
    format!("dtmi:{};{version}", path.join(":"))
}
