//! What a row of a file means: its topic, its time, its event id, its members.

use super::Error;
use csv::StringRecord;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A map as its author writes it, in YAML or JSON. Templates hold column names in braces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Map {
    /// Template of the topic, for example `beijing/{station}/air`.
    pub topic: String,
    /// Column that holds a row's time, RFC 3339.
    #[serde(default)]
    pub time: Option<String>,
    /// Template of the event id; without one the server cannot know repetitions, unless a
    /// Connection makes ids.
    #[serde(default)]
    pub event_id: Option<String>,
    /// Members of the payload and the columns they come from; empty: every column under its name.
    #[serde(default)]
    pub members: BTreeMap<String, String>,
}

impl Map {
    /// Reads a map from YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, Error> {
        serde_saphyr::from_str(text)
            .map_err(|error| Error::Map(format!("the map cannot be read: {error}")))
    }

    /// A map of every column, with a topic and perhaps a time.
    pub fn of(topic: impl Into<String>, time: Option<String>) -> Self {
        Self {
            topic: topic.into(),
            time,
            ..Self::default()
        }
    }
}

/// A text with columns in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(usize),
}

impl Template {
    /// Finds the columns that a text names.
    pub(super) fn new(what: &str, text: &str, header: &StringRecord) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let closed = after.split_once('}');
            let (name, tail) = closed
                .ok_or_else(|| Error::Map(format!("{what} {text}: a brace is not closed")))?;
            parts.push(Part::Text(before.into()));
            parts.push(Part::Column(column(what, name, header)?));
            rest = tail;
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self(parts))
    }

    /// The text for a row; what a topic must not hold is percent-encoded. None where a cell is empty.
    pub(super) fn fill(&self, row: &StringRecord, encode: bool) -> Option<String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Column(at) => {
                    let cell = row.get(*at).filter(|cell| !cell.is_empty())?;
                    if encode {
                        put_level(cell, &mut text)
                    } else {
                        text.push_str(cell)
                    }
                }
            }
        }
        Some(text)
    }
}

/// A cell as a part of a topic: never more than one level, never a wildcard.
fn put_level(cell: &str, out: &mut String) {
    for c in cell.chars() {
        match c {
            '/' => out.push_str("%2F"),
            '+' => out.push_str("%2B"),
            '#' => out.push_str("%23"),
            '%' => out.push_str("%25"),
            c => out.push(c),
        }
    }
}

/// The place of a column.
pub(super) fn column(what: &str, name: &str, header: &StringRecord) -> Result<usize, Error> {
    header
        .iter()
        .position(|known| known == name)
        .ok_or_else(|| {
            let known: Vec<&str> = header.iter().collect();
            Error::Map(format!(
                "{what} names the column {name}, which the file does not have: it has {}",
                known.join(", ")
            ))
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn templates_take_cells_and_encode_them_for_topics() {
        let header = StringRecord::from(vec!["station", "n"]);
        let row = StringRecord::from(vec!["a/b#1", "7"]);
        let fill = |text: &str, encode| {
            Template::new("topic", text, &header)
                .unwrap()
                .fill(&row, encode)
        };
        assert_eq!(fill("x/{station}/air", true).unwrap(), "x/a%2Fb%231/air");
        assert_eq!(fill("{station}#{n}", false).unwrap(), "a/b#1#7");
        assert_eq!(fill("plain", true).unwrap(), "plain");
        let empty = StringRecord::from(vec!["", "7"]);
        let template = Template::new("topic", "{n}/{station}", &header).unwrap();
        assert_eq!(template.fill(&empty, true), None);
    }

    #[test]
    fn faults_of_a_map_are_named() {
        let header = StringRecord::from(vec!["a", "b"]);
        for (text, expected) in [
            (
                "x/{c}",
                "topic names the column c, which the file does not have: it has a, b",
            ),
            ("x/{a", "topic x/{a: a brace is not closed"),
        ] {
            assert_eq!(
                Template::new("topic", text, &header)
                    .unwrap_err()
                    .to_string(),
                expected
            );
        }
        assert!(Map::parse("topic: x\ntopics: y\n").is_err());
        let map = Map::parse("topic: 'x/{a}'\ntime: b\nmembers: { value: a }\n").unwrap();
        assert_eq!(
            (map.topic.as_str(), map.time.as_deref()),
            ("x/{a}", Some("b"))
        );
        assert_eq!(map.members, [("value".to_owned(), "a".to_owned())].into());
    }
}
