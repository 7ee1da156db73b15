//! The primitive schemas of all versions and the values they take.

use super::{
    super::json::{Kind, Node, Number},
    Problem, temporal,
};

/// Characters of a value that a message repeats.
const EXCERPT: usize = 40;

/// A schema without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Primitive {
    /// `true` or `false`.
    Boolean,
    /// A whole number of 8 bits with a sign.
    Byte,
    /// Base 64 text with padding.
    Bytes,
    /// A calendar day.
    Date,
    /// A calendar day and a time with its offset.
    DateTime,
    /// Decimal digits in a string.
    Decimal,
    /// A number in the range of 64 bit floating point.
    Double,
    /// A span of time, `P3DT4H`.
    Duration,
    /// A number in the range of 32 bit floating point.
    Float,
    /// A whole number of 32 bits with a sign.
    Integer,
    /// A whole number of 64 bits with a sign.
    Long,
    /// A whole number of 16 bits with a sign.
    Short,
    /// Any text.
    String,
    /// A time of day with its offset.
    Time,
    /// A whole number of 8 bits without a sign.
    UnsignedByte,
    /// A whole number of 32 bits without a sign.
    UnsignedInteger,
    /// A whole number of 64 bits without a sign.
    UnsignedLong,
    /// A whole number of 16 bits without a sign.
    UnsignedShort,
    /// Hexadecimal digits in five groups.
    Uuid,
}

/// Every primitive with its class and what a message calls its values.
const TABLE: &[(Primitive, &str, &str)] = &[
    (Primitive::Boolean, "Boolean", "true or false"),
    (Primitive::Byte, "Byte", "a whole number from -128 to 127"),
    (
        Primitive::Bytes,
        "Bytes",
        "base 64 text, padded with = to a multiple of four characters",
    ),
    (Primitive::Date, "Date", "a date as in 2024-02-29"),
    (
        Primitive::DateTime,
        "DateTime",
        "a date and time with its offset, as in 2024-02-29T12:30:00Z",
    ),
    (
        Primitive::Decimal,
        "Decimal",
        "a string of decimal digits, as in \"-12.50\"",
    ),
    (
        Primitive::Double,
        "Double",
        "a number in the range of 64 bit floating point",
    ),
    (
        Primitive::Duration,
        "Duration",
        "a duration as in P3DT4H30M, with a fraction in its last part only",
    ),
    (
        Primitive::Float,
        "Float",
        "a number in the range of 32 bit floating point",
    ),
    (
        Primitive::Integer,
        "Integer",
        "a whole number from -2147483648 to 2147483647",
    ),
    (Primitive::Long, "Long", "a whole number of 64 bits"),
    (
        Primitive::Short,
        "Short",
        "a whole number from -32768 to 32767",
    ),
    (Primitive::String, "String", "a string"),
    (
        Primitive::Time,
        "Time",
        "a time with its offset, as in 12:30:00+02:00",
    ),
    (
        Primitive::UnsignedByte,
        "UnsignedByte",
        "a whole number from 0 to 255",
    ),
    (
        Primitive::UnsignedInteger,
        "UnsignedInteger",
        "a whole number from 0 to 4294967295",
    ),
    (
        Primitive::UnsignedLong,
        "UnsignedLong",
        "a whole number of 64 bits without a sign",
    ),
    (
        Primitive::UnsignedShort,
        "UnsignedShort",
        "a whole number from 0 to 65535",
    ),
    (
        Primitive::Uuid,
        "Uuid",
        "a UUID as in 01234567-89ab-cdef-0123-456789abcdef",
    ),
];

impl Primitive {
    /// All of them, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(primitive, _, _)| *primitive)
    }

    /// The primitive of a class of the language: `Boolean`, `UnsignedByte`.
    pub fn of_class(class: &str) -> Option<Self> {
        let row = TABLE.iter().find(|(_, name, _)| *name == class);
        row.map(|(primitive, _, _)| *primitive)
    }

    /// Its class.
    pub fn class(self) -> &'static str {
        self.row().1
    }

    fn wanted(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (Self, &'static str, &'static str) {
        let row = TABLE.iter().find(|(primitive, _, _)| *primitive == self);
        row.copied().unwrap_or((self, "", ""))
    }

    /// What keeps a value from being one of this schema.
    pub fn problem(self, node: &Node) -> Option<Problem> {
        let conforms = match (&node.kind, self) {
            (Kind::Bool(_), Self::Boolean) | (Kind::String(_), Self::String) => true,
            (Kind::String(text), _) if self.is_text() => self.takes_text(text),
            (Kind::Number(number), _) if self.is_number() => self.takes_number(number),
            _ => {
                return Some(Problem::Kind {
                    wanted: self.wanted(),
                    found: node.describe(),
                });
            }
        };
        (!conforms).then(|| Problem::Form {
            text: excerpt(node),
            wanted: self.wanted(),
        })
    }

    /// Whether its values are strings that follow a form.
    fn is_text(self) -> bool {
        matches!(
            self,
            Self::Bytes
                | Self::Date
                | Self::DateTime
                | Self::Decimal
                | Self::Duration
                | Self::Time
                | Self::Uuid
        )
    }

    /// What keeps a number that an extension writes beside a schema from being one of its values.
    ///
    /// A decimal takes each: its values are strings to keep their digits, and the literal of an
    /// extension, which is a number, keeps them too. Where the values of a schema are no numbers,
    /// the schema itself is what is wrong, and is told of elsewhere.
    pub(crate) fn problem_of_literal(self, node: &Node) -> Option<Problem> {
        self.is_number().then(|| self.problem(node)).flatten()
    }

    fn is_number(self) -> bool {
        !self.is_text() && !matches!(self, Self::Boolean | Self::String)
    }

    /// Whether a text has the form of this schema; of one without a form, no.
    pub(crate) fn takes_text(self, text: &str) -> bool {
        match self {
            Self::Bytes => is_base64(text),
            Self::Date => temporal::is_date(text),
            Self::DateTime => temporal::is_date_time(text),
            Self::Decimal => is_decimal(text),
            Self::Duration => temporal::is_duration(text),
            Self::Time => temporal::is_time(text),
            Self::Uuid => is_uuid(text),
            _ => false,
        }
    }

    /// Integers take the text of an integer only: `1.0` and `1e2` are none, and where there is no
    /// sign, neither is `-0`.
    fn takes_number(self, number: &Number) -> bool {
        let text = &*number.text;
        let unsigned = !text.starts_with('-');
        match self {
            Self::Byte => text.parse::<i8>().is_ok(),
            Self::Short => text.parse::<i16>().is_ok(),
            Self::Integer => text.parse::<i32>().is_ok(),
            Self::Long => text.parse::<i64>().is_ok(),
            Self::UnsignedByte => unsigned && text.parse::<u8>().is_ok(),
            Self::UnsignedShort => unsigned && text.parse::<u16>().is_ok(),
            Self::UnsignedInteger => unsigned && text.parse::<u32>().is_ok(),
            Self::UnsignedLong => unsigned && text.parse::<u64>().is_ok(),
            Self::Float => text.parse().is_ok_and(f32::is_finite),
            Self::Double => text.parse().is_ok_and(f64::is_finite),
            _ => false,
        }
    }
}

/// A value as a message shows it.
pub(super) fn excerpt(node: &Node) -> String {
    let text = match &node.kind {
        Kind::String(text) => text,
        Kind::Number(number) => &*number.text,
        _ => node.describe(),
    };
    let mut shown: String = text.chars().take(EXCERPT).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    match node.kind {
        Kind::String(_) => format!("{shown:?}"),
        _ => shown,
    }
}

/// Groups of four characters; one or two `=` may end the last group.
fn is_base64(text: &str) -> bool {
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('='));
    text.len().is_multiple_of(4)
        && digits
            .unwrap_or(text)
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// A sign, digits without leading zeros, a point, digits: all but the first digit may be absent.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && digits(fraction)
        && !whole.is_empty()
        && (whole == "0" || !whole.starts_with('0'))
}

/// Groups of 8, 4, 4, 4 and 12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let hexadecimal = |group: &str| group.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(hexadecimal)
}
