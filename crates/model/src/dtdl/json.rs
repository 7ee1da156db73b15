//! JSON text with the place of everything in it.
//!
//! A [`Document`] is a tree of [`Node`]s, each with its line, column and byte span, so that every
//! later complaint can point at the text. Members of an object keep their order; a key that comes
//! twice is kept and listed in [`Document::duplicates`], because only the reader of the tree knows
//! what it means there. Numbers keep their text.
//!
//! Promises: time and memory linear in the text (but for the sorting of an object's keys), nesting
//! bounded by [`DEPTH`], no panic for any bytes. Does not: accept comments, trailing commas, a lone
//! half of a surrogate pair or bytes that are not UTF-8; bound the length of the text, which is the
//! caller's business.

use std::collections::BTreeSet;

mod scan;
#[cfg(test)]
mod tests;

/// Arrays and objects that may lie within one another.
pub const DEPTH: usize = 128;

/// Below this many members, keys are compared pair by pair.
const FEW: usize = 12;

/// A place in the text: both counted from one, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos {
    /// Line, from one.
    pub line: u32,
    /// Character within the line, from one.
    pub column: u32,
}

impl Pos {
    /// The first character of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl Default for Pos {
    fn default() -> Self {
        Self::START
    }
}

impl std::fmt::Display for Pos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A text that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The one value of the text.
    pub root: Node,
    /// Keys that come again within their object, in the order of the text.
    pub duplicates: Vec<Duplicate>,
}

/// A key that its object has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The key.
    pub key: String,
    /// Where it comes again.
    pub pos: Pos,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it begins.
    pub pos: Pos,
    /// Offset of its first byte.
    pub start: u32,
    /// Offset after its last byte.
    pub end: u32,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `{...}`: members in the order of the text.
    Object(Vec<Member>),
    /// `[...]`.
    Array(Vec<Node>),
    /// A string, escapes resolved.
    String(String),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its key, escapes resolved.
    pub key: String,
    /// Where the key begins.
    pub key_pos: Pos,
    /// Its value.
    pub value: Node,
}

/// A number as it is written: no digit is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// The text, which follows the grammar of JSON.
    pub text: Box<str>,
}

impl Number {
    /// Whether it is written without fraction and exponent.
    pub fn is_integral(&self) -> bool {
        !self.text.contains(['.', 'e', 'E'])
    }

    /// Its value when it is written as an integer and fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.text.parse().ok()
    }

    /// Its nearest binary value; infinite when it is beyond all of them.
    pub fn as_f64(&self) -> f64 {
        self.text.parse().unwrap_or(f64::NAN)
    }
}

impl Node {
    /// The members, of an object.
    pub fn as_object(&self) -> Option<&[Member]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The items, of an array.
    pub fn as_array(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text, of a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, of a number.
    pub fn as_number(&self) -> Option<&Number> {
        match &self.kind {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The truth value, of one.
    pub fn as_bool(&self) -> Option<bool> {
        match &self.kind {
            Kind::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// The value of the first member with a key, of an object.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.member(key).map(|member| &member.value)
    }

    /// The first member with a key, of an object.
    pub fn member(&self, key: &str) -> Option<&Member> {
        self.as_object()?.iter().find(|member| member.key == key)
    }

    /// Bytes of its text, from its first to its last character.
    pub fn len(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// Whether it has no text, which no node of a document does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it is, for messages: `an object`, `a string`.
    pub fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Object(_) => "an object",
            Kind::Array(_) => "an array",
            Kind::String(_) => "a string",
            Kind::Number(_) => "a number",
            Kind::Bool(_) => "true or false",
            Kind::Null => "null",
        }
    }
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at line {}, column {}: {fault}", pos.line, pos.column)]
pub struct Error {
    /// Where reading stopped.
    pub pos: Pos,
    /// What was met there.
    pub fault: Fault,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The text ends within a value.
    #[error("the text ends before the value does; close what is open")]
    Ends,
    /// A character that cannot stand here.
    #[error("found {found:?} where {wanted} belongs")]
    Unexpected {
        /// The character.
        found: char,
        /// What could stand here.
        wanted: &'static str,
    },
    /// Something after the one value.
    #[error("more text follows the value; a text holds one value")]
    Trailing,
    /// A number that breaks the grammar.
    #[error("a number is written as in -12.5e3, without leading zeros or a plus sign")]
    Number,
    /// A control character within a string.
    #[error("a control character stands in a string; write it as \\u{:04x}", *.0 as u32)]
    Control(char),
    /// A backslash before something that cannot be escaped.
    #[error("a backslash is followed by one of \" \\ / b f n r t or u and four digits")]
    Escape,
    /// Half of a surrogate pair.
    #[error("half of a surrogate pair stands alone; write both halves or the character itself")]
    Surrogate,
    /// Bytes that are not UTF-8.
    #[error("the bytes are not UTF-8; save the file in that encoding")]
    Utf8,
    /// Arrays and objects lie too deep.
    #[error("arrays and objects lie more than {DEPTH} deep; make the text flatter")]
    Depth,
    /// More text than can be addressed.
    #[error("the text is longer than 4 GiB; split it")]
    Length,
}

/// Reads one value and nothing after it. A byte order mark before it is skipped.
///
/// ```
/// let document = gemelli_model::dtdl::json::parse(b"{ \"name\": [1, 2] }").unwrap();
/// let name = document.root.get("name").unwrap();
/// assert_eq!((name.pos.line, name.pos.column), (1, 11));
/// assert_eq!(name.as_array().unwrap().len(), 2);
/// ```
///
/// # Errors
/// The first place where the text is not JSON, or lies deeper than [`DEPTH`].
pub fn parse(bytes: &[u8]) -> Result<Document, Error> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(misencoded(bytes, error.valid_up_to())),
    };
    if u32::try_from(text.len()).is_err() {
        return Err(Error {
            pos: Pos::START,
            fault: Fault::Length,
        });
    }
    scan::Scanner::new(text).document()
}

/// The error for bytes that stop being UTF-8 at an offset.
fn misencoded(bytes: &[u8], valid: usize) -> Error {
    let before = bytes.get(..valid).unwrap_or_default();
    let before = std::str::from_utf8(before).unwrap_or_default();
    Error {
        pos: scan::place(Pos::START, before.trim_start_matches('\u{feff}')),
        fault: Fault::Utf8,
    }
}

/// Lists the keys of an object that come again.
fn repeated(members: &[Member], duplicates: &mut Vec<Duplicate>) {
    let mut seen = BTreeSet::new();
    for (at, member) in members.iter().enumerate() {
        let again = if members.len() <= FEW {
            let before = members.get(..at).unwrap_or_default();
            before.iter().any(|earlier| earlier.key == member.key)
        } else {
            !seen.insert(member.key.as_str())
        };
        if again {
            duplicates.push(Duplicate {
                key: member.key.clone(),
                pos: member.key_pos,
            });
        }
    }
}
