//! YAML and JSON as a tree that remembers where everything stood.
//!
//! Plain scalars have the types of YAML 1.2's core schema, so `on` and `no` are texts. Anchors
//! and aliases are followed; merge keys and tags of other kinds than `!!str` mean nothing.

use super::problem::Problem;
use crate::Value;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};
use std::{collections::BTreeMap, sync::Arc};

/// Longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

/// Most nodes of one text, aliases and anchors counted as the copies that they make.
pub const MAX_NODES: usize = 8_000_000;

/// Nodes that any text may have. One without aliases has fewer than bytes, so each byte allows one more.
pub const FREE_NODES: usize = 10_000;

/// Deepest nesting.
pub const MAX_DEPTH: usize = 64;

/// A place in a text: line and column from 1, or zeros where there is no text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub shape: Shape,
    pub at: Place,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// The name of a field and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub text: Arc<str>,
    pub at: Place,
}

impl Node {
    /// A tree without places.
    pub fn of(value: &Value) -> Self {
        let shape = match value {
            Value::Array(items) => Shape::List(items.iter().map(Self::of).collect()),
            Value::Object(fields) => Shape::Map(
                fields
                    .iter()
                    .map(|(name, value)| {
                        (
                            Key {
                                text: name.clone(),
                                at: Place::default(),
                            },
                            Self::of(value),
                        )
                    })
                    .collect(),
            ),
            scalar => Shape::Scalar(scalar.clone()),
        };
        Self {
            shape,
            at: Place::default(),
        }
    }

    /// The value without its places; of fields with one name the last counts.
    pub fn value(&self) -> Value {
        match &self.shape {
            Shape::Scalar(value) => value.clone(),
            Shape::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Shape::Map(entries) => {
                let mut fields: Vec<(Arc<str>, Value)> = Vec::with_capacity(entries.len());
                for (key, node) in entries {
                    match fields.iter_mut().find(|(name, _)| *name == key.text) {
                        Some(slot) => slot.1 = node.value(),
                        None => fields.push((key.text.clone(), node.value())),
                    }
                }
                Value::Object(fields.into())
            }
        }
    }

    /// The field of a map.
    pub fn field(&self, name: &str) -> Option<&Node> {
        match &self.shape {
            Shape::Map(entries) => entries
                .iter()
                .find(|(key, _)| &*key.text == name)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// Nothing stands there.
    pub fn is_null(&self) -> bool {
        matches!(&self.shape, Shape::Scalar(Value::Null))
    }
}

/// The documents of a text. Empty ones are left out. JSON is tried as YAML first, for its places.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, Problem> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(broken(
            "too-large",
            format!(
                "the text has {} bytes, at most {MAX_TEXT_BYTES} are read at once",
                text.len()
            ),
            "split it into several files",
            Place::default(),
        ));
    }
    let json = text.trim_start().starts_with(['{', '[']);
    match yaml(text) {
        Err(problem) if json && problem.code == "malformed-yaml" => {
            match serde_json::from_str::<Value>(text) {
                Ok(value) => Ok(vec![Node::of(&value)]),
                Err(error) => Err(broken(
                    "malformed-json",
                    format!("this is not JSON: {error}"),
                    "mend the text at the place named",
                    Place {
                        line: error.line() as u32,
                        column: error.column() as u32,
                    },
                )),
            }
        }
        read => read,
    }
}

fn broken(code: &'static str, message: String, remedy: &str, at: Place) -> Problem {
    Problem {
        code,
        message,
        remedy: remedy.into(),
        pointer: String::new(),
        document: 0,
        line: at.line,
        column: at.column,
    }
}

fn yaml(text: &str) -> Result<Vec<Node>, Problem> {
    let most = MAX_NODES.min(FREE_NODES + text.len());
    let mut build = Build {
        most,
        ..Build::default()
    };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => build.take(event, span)?,
            Err(error) => {
                let marker = error.marker();
                let at = Place {
                    line: marker.line() as u32,
                    column: marker.col() as u32 + 1,
                };
                return Err(broken(
                    "malformed-yaml",
                    format!("this is not YAML: {}", error.info()),
                    "mend the text at the place named; indent with spaces, quote texts that hold \": \" or start with a sign",
                    at,
                ));
            }
        }
    }
    Ok(build.documents)
}

/// A container that is still open, with the anchor that it defines.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Key>,
}

#[derive(Default)]
struct Build {
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    /// Most of them.
    most: usize,
}

impl Build {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let at = Place {
            line: span.start.line() as u32,
            column: span.start.col() as u32 + 1,
        };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let as_text = style != ScalarStyle::Plain
                    || tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str"));
                let value = if as_text {
                    Value::text(&*text)
                } else {
                    plain(&text)
                };
                self.count(1, at)?;
                let shape = Shape::Scalar(value);
                // A key is text whatever it looks like.
                self.put(Node { shape, at }, Some(&text), anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.start(Shape::List(Vec::new()), anchor, at),
            Event::MappingStart(_, anchor, _) => self.start(Shape::Map(Vec::new()), anchor, at),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.put(open.node, None, open.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).map(|(_, size)| *size) {
                Some(size) => {
                    self.count(size, at)?;
                    let Some(mut node) = self.anchors.get(&anchor).map(|(node, _)| node.clone())
                    else {
                        return Ok(());
                    };
                    node.at = at;
                    let text = match &node.shape {
                        Shape::Scalar(Value::Text(text)) => Some(text.clone()),
                        _ => None,
                    };
                    self.put(node, text.as_deref(), 0)
                }
                None => Err(broken(
                    "malformed-yaml",
                    "an alias stands inside of what it names".into(),
                    "write the value out",
                    at,
                )),
            },
            _ => Ok(()),
        }
    }

    fn start(&mut self, shape: Shape, anchor: usize, at: Place) -> Result<(), Problem> {
        self.count(1, at)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(broken(
                "limit-reached",
                format!("more than {MAX_DEPTH} levels of nesting"),
                "flatten the document",
                at,
            ));
        }
        self.open.push(Open {
            node: Node { shape, at },
            anchor,
            key: None,
        });
        Ok(())
    }

    fn count(&mut self, nodes: usize, at: Place) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= self.most {
            return Ok(());
        }
        Err(broken(
            "too-large",
            format!(
                "more than {} values, aliases and anchors counted as the copies that they make",
                self.most
            ),
            "use fewer aliases, or split the text into several files",
            at,
        ))
    }

    /// Puts a finished node where it belongs: into the container that is open, or as a document.
    fn put(&mut self, node: Node, text: Option<&str>, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            let size = size(&node);
            self.count(size, node.at)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return Ok(());
        };
        match &mut open.node.shape {
            Shape::List(items) => items.push(node),
            Shape::Map(entries) => match (open.key.take(), text) {
                (Some(key), _) => entries.push((key, node)),
                (None, Some(text)) => {
                    open.key = Some(Key {
                        text: text.into(),
                        at: node.at,
                    })
                }
                (None, None) => {
                    return Err(broken(
                        "malformed-yaml",
                        "a list or a map stands where the name of a field belongs".into(),
                        "use text as the name of a field",
                        node.at,
                    ));
                }
            },
            Shape::Scalar(_) => {}
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.shape {
        Shape::Scalar(_) => 1,
        Shape::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Shape::Map(entries) => 1 + entries.iter().map(|(_, node)| size(node)).sum::<usize>(),
    }
}

/// The value of a plain scalar, in YAML 1.2's core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit());
    if !numeric {
        return Value::text(text);
    }
    let radix = |prefix: &str, radix| {
        text.strip_prefix(prefix).and_then(|digits| {
            let digits = digits
                .chars()
                .all(|c| c.is_digit(radix))
                .then_some(digits)?;
            i64::from_str_radix(digits, radix).ok()
        })
    };
    if let Some(n) = text
        .parse()
        .ok()
        .or_else(|| radix("0x", 16))
        .or_else(|| radix("0o", 8))
    {
        return Value::Int(n);
    }
    let decimal = unsigned
        .chars()
        .all(|c| matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'));
    match text.parse::<f64>() {
        Ok(n) if decimal && n.is_finite() => Value::Double(n),
        _ => Value::text(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> String {
        match documents(text) {
            Ok(nodes) => {
                let values: Vec<_> = nodes.iter().map(|n| n.value().to_string()).collect();
                values.join(" ")
            }
            Err(p) => format!("{} {}:{} {}", p.code, p.line, p.column, p.message),
        }
    }

    #[test]
    fn yaml_and_json_become_values() {
        for (text, wanted) in [
            (
                "a: 1\nb: [x, -2.5, on, ~, 0x10]",
                r#"{"a":1,"b":["x",-2.5,"on",null,16]}"#,
            ),
            (
                "a: 'true'\nb: true\nc: !!str 5",
                r#"{"a":"true","b":true,"c":"5"}"#,
            ),
            ("1: {on: no}", r#"{"1":{"on":"no"}}"#),
            ("a: &x {b: 1}\nc: *x", r#"{"a":{"b":1},"c":{"b":1}}"#),
            (
                "---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n",
                r#"{"a":1} {"b":2}"#,
            ),
            ("", ""),
            (
                "v: 1.2.3\nw: 2026-03-29\nx: 1e3\ny: .5",
                r#"{"v":"1.2.3","w":"2026-03-29","x":1000.0,"y":0.5}"#,
            ),
            (
                "{\"a\": \"\\ud83d\\ude00 \\/\",\t\"b\": []}",
                "{\"a\":\"😀 /\",\"b\":[]}",
            ),
            ("9223372036854775808", "9.223372036854776e+18"),
        ] {
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn faults_of_the_text_have_a_place() {
        for (text, start) in [
            ("a: 1\n b: 2", "malformed-yaml 2:"),
            ("{\"a\": 1,,}", "malformed-json 1:9"),
            ("? [a]\n: 1", "malformed-yaml 1:3"),
        ] {
            assert!(read(text).starts_with(start), "{text}: {}", read(text));
        }
    }

    #[test]
    fn nesting_and_aliases_are_bounded() {
        let deep = format!("{}{}", "[".repeat(80), "]".repeat(80));
        assert!(read(&deep).starts_with("limit-reached"), "{}", read(&deep));
        let mut bomb = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for n in 1..12 {
            let inner = vec![format!("*a{}", n - 1); 10].join(",");
            bomb.push_str(&format!("a{n}: &a{n} [{inner}]\n"));
        }
        assert!(read(&bomb).starts_with("too-large"), "{}", read(&bomb));
    }

    #[test]
    fn a_short_text_stands_for_few_values() {
        let expand = |levels: usize| {
            let mut text = String::from("- &a0 [1,1,1,1,1,1,1,1,1,1]\n");
            for n in 1..levels {
                let inner = vec![format!("*a{}", n - 1); 10].join(",");
                text.push_str(&format!("- &a{n} [{inner}]\n"));
            }
            read(&text)
        };
        assert!(expand(3).starts_with('['), "{}", expand(3));
        assert!(expand(5).starts_with("too-large 4:"), "{}", expand(5));
        let anchors: String = (0..60).map(|n| format!("[&a{n} ")).collect();
        let nested = format!("{anchors}[{}]{}", "1,".repeat(500), "]".repeat(60));
        assert!(read(&nested).starts_with("too-large"), "{}", read(&nested));
    }
}
