//! Reads typed things out of a tree and collects everything that is wrong with it.

use super::{
    problem::Problem,
    tree::{Key, Node, Place, Shape},
};
use crate::{Value, id, nearest};
use std::{cell::RefCell, fmt, sync::Arc};

/// Most problems that are listed for one text.
pub const MAX_PROBLEMS: usize = 1_000;

/// The way from the root of a document to a node.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    up: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub const ROOT: Path<'static> = Path {
        up: None,
        step: Step::Root,
    };

    pub fn name(&'a self, name: &'a str) -> Path<'a> {
        Path {
            up: Some(self),
            step: Step::Name(name),
        }
    }

    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path {
            up: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    /// As a JSON pointer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(up) = self.up {
            up.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Name(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")),
            Step::Index(index) => write!(f, "/{index}"),
        }
    }
}

/// Collects problems.
#[derive(Default)]
pub(crate) struct Reader {
    pub document: usize,
    /// Whether the text comes from a user: what it says twice is compared. A canonical form was.
    pub given: bool,
    pub problems: RefCell<Vec<Problem>>,
}

impl Reader {
    pub fn report(
        &self,
        code: &'static str,
        at: Place,
        path: &Path<'_>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.push(Problem {
                code,
                message: message.into(),
                remedy: remedy.into(),
                pointer: path.to_string(),
                document: self.document,
                line: at.line,
                column: at.column,
            });
        }
    }

    pub fn wrong(&self, node: &Node, path: &Path<'_>, expected: &str) {
        let remedy = match (&node.shape, expected) {
            (Shape::Scalar(Value::Int(_) | Value::Double(_) | Value::Bool(_)), "text") => {
                "put it in quotes"
            }
            _ => "change the value",
        };
        self.report(
            "wrong-type",
            node.at,
            path,
            format!("expected {expected}, found {}", found(node)),
            remedy,
        );
    }

    pub fn text(&self, node: &Node, path: &Path<'_>) -> Option<Arc<str>> {
        match &node.shape {
            Shape::Scalar(Value::Text(text)) => Some(text.clone()),
            _ => {
                self.wrong(node, path, "text");
                None
            }
        }
    }

    pub fn list<'n>(&self, node: &'n Node, path: &Path<'_>) -> &'n [Node] {
        match &node.shape {
            Shape::List(items) => items,
            _ => {
                self.wrong(node, path, "a list");
                &[]
            }
        }
    }

    /// A text that can be an identifier.
    pub fn identifier(&self, node: &Node, path: &Path<'_>) -> Option<Arc<str>> {
        let text = self.text(node, path)?;
        match id::check(&text) {
            Ok(()) => Some(text),
            Err(why) => {
                self.report(
                    "malformed-id",
                    node.at,
                    path,
                    why.to_string(),
                    "choose another name",
                );
                None
            }
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, node: &Node, path: &Path<'_>, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, path)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == &*text) {
            return Some(*meaning);
        }
        let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        self.report(
            "wrong-type",
            node.at,
            path,
            format!("{text} is none of {}", all.join(", ")),
            suggest(&text, &all),
        );
        None
    }
}

/// `did you mean …?`, or the list of what there is.
pub(crate) fn suggest(written: &str, known: &[&str]) -> String {
    match nearest::name(written, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("use one of {}", known.join(", ")),
    }
}

/// What stands there, in words.
pub(crate) fn found(node: &Node) -> String {
    match &node.shape {
        Shape::Scalar(Value::Null) => "nothing".into(),
        Shape::Scalar(value) => format!("{} {value}", value.kind()),
        Shape::List(_) => "a list".into(),
        Shape::Map(_) => "a map".into(),
    }
}

/// The fields of a map whose names are known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub reader: &'a Reader,
    pub path: &'a Path<'a>,
    pub at: Place,
    what: &'static str,
    entries: &'a [(Key, Node)],
}

impl<'a> Fields<'a> {
    /// Opens a map; reports what is not one, unknown fields and fields that come twice.
    pub fn open(
        reader: &'a Reader,
        node: &'a Node,
        path: &'a Path<'a>,
        what: &'static str,
        known: &[&str],
    ) -> Option<Self> {
        let fields = Self::any(reader, node, path, what)?;
        for (key, _) in fields.entries {
            if !known.contains(&&*key.text) {
                let path = path.name(&key.text);
                let message = format!("{what} has no field {}", key.text);
                reader.report(
                    "unknown-field",
                    key.at,
                    &path,
                    message,
                    suggest(&key.text, known),
                );
            }
        }
        Some(fields)
    }

    /// Opens a map that may have any fields.
    pub fn any(
        reader: &'a Reader,
        node: &'a Node,
        path: &'a Path<'a>,
        what: &'static str,
    ) -> Option<Self> {
        let Shape::Map(entries) = &node.shape else {
            reader.wrong(node, path, what);
            return None;
        };
        for (i, (key, _)) in entries.iter().enumerate() {
            if entries
                .iter()
                .take(i)
                .any(|(earlier, _)| earlier.text == key.text)
            {
                let path = path.name(&key.text);
                let message = format!("the field {} comes twice", key.text);
                reader.report("duplicate-id", key.at, &path, message, "keep one of them");
            }
        }
        Some(Self {
            reader,
            path,
            at: node.at,
            what,
            entries,
        })
    }

    /// The field, if it is there and holds something.
    pub fn get(&self, name: &str) -> Option<&'a Node> {
        let node = self
            .entries
            .iter()
            .find(|(key, _)| &*key.text == name)
            .map(|(_, node)| node)?;
        (!node.is_null()).then_some(node)
    }

    /// All fields in their order.
    pub fn all(&self) -> &'a [(Key, Node)] {
        self.entries
    }

    /// The field; its absence is reported.
    pub fn need(&self, name: &str) -> Option<&'a Node> {
        let node = self.get(name);
        if node.is_none() {
            let message = format!("{} needs the field {name}", self.what);
            self.reader.report(
                "missing-field",
                self.at,
                self.path,
                message,
                format!("add {name}"),
            );
        }
        node
    }

    /// A text, if it is there.
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.reader.text(self.get(name)?, &self.path.name(name))
    }

    /// A text that must be there.
    pub fn need_text(&self, name: &str) -> Option<Arc<str>> {
        self.reader.text(self.need(name)?, &self.path.name(name))
    }

    /// An identifier that must be there.
    pub fn need_identifier(&self, name: &str) -> Option<Arc<str>> {
        self.reader
            .identifier(self.need(name)?, &self.path.name(name))
    }

    /// A truth value with its default.
    pub fn flag(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(Node {
                shape: Shape::Scalar(Value::Bool(b)),
                ..
            }) => *b,
            Some(node) => {
                self.reader
                    .wrong(node, &self.path.name(name), "true or false");
                default
            }
        }
    }

    /// A whole number that is not negative, if it is there.
    pub fn whole(&self, name: &str) -> Option<u64> {
        let node = self.get(name)?;
        match &node.shape {
            Shape::Scalar(Value::Int(n)) if *n >= 0 => u64::try_from(*n).ok(),
            _ => {
                self.reader
                    .wrong(node, &self.path.name(name), "a whole number from 0 on");
                None
            }
        }
    }

    /// A number, if it is there.
    pub fn number(&self, name: &str) -> Option<f64> {
        let node = self.get(name)?;
        match &node.shape {
            Shape::Scalar(value) if value.as_f64().is_some() => value.as_f64(),
            _ => {
                self.reader.wrong(node, &self.path.name(name), "a number");
                None
            }
        }
    }

    /// One of some words, if it is there.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<T> {
        self.reader
            .word(self.get(name)?, &self.path.name(name), words)
    }

    /// The items of a list; absent is empty.
    pub fn each<T>(
        &self,
        name: &str,
        mut item: impl FnMut(&'a Node, &Path<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = self.get(name) else {
            return Vec::new();
        };
        let path = self.path.name(name);
        let items = self.reader.list(node, &path);
        items
            .iter()
            .enumerate()
            .filter_map(|(i, node)| item(node, &path.index(i)))
            .collect()
    }
}
