//! Checks a value against a schema and gives it the schema's form.
//!
//! Whole numbers become doubles where the schema says so and the other way round where nothing
//! is lost; everything else must fit as it is.

use super::{Enum, Object, Schema};
use crate::{Value, dtdl::value::Primitive, nearest, time};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// The named parts of the schema around.
type Parts = BTreeMap<Arc<str>, Schema>;

/// 2^64: the first double that is no whole number of 64 bits without a sign.
const UNSIGNED_END: f64 = 18_446_744_073_709_551_616.0;

/// Deepest nesting of a value that is looked at.
pub const MAX_DEPTH: usize = 64;

/// A value that does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// `wrong-type` or `unknown-field`.
    pub code: &'static str,
    /// Where in the value: a JSON pointer, empty for the value itself.
    pub path: String,
    /// What the schema asks for.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at {}: ", self.path)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

impl std::error::Error for Mismatch {}

impl Mismatch {
    fn new(expected: impl Into<String>, value: &Value) -> Self {
        Self {
            code: "wrong-type",
            path: String::new(),
            expected: expected.into(),
            found: excerpt(value),
        }
    }

    fn under(mut self, step: impl fmt::Display) -> Self {
        let step = step.to_string().replace('~', "~0").replace('/', "~1");
        self.path = format!("/{step}{}", self.path);
        self
    }
}

impl Schema {
    /// The value in the schema's form, or where and why it does not fit.
    ///
    /// Null fits only [`Schema::Any`]: that a member is absent is for its owner to say.
    pub fn check(&self, value: &Value) -> Result<Value, Mismatch> {
        self.check_at(value, 0, None)
    }

    /// As [`Schema::check`], for interfaces that take what comes (imports from KTWIN): numbers of any
    /// kind for numbers, numbers and truth values in quotes too, any scalar for texts, dates and
    /// enumerations; empty text counts as absent where something else is declared.
    pub fn check_leniently(&self, value: &Value) -> Result<Value, Mismatch> {
        match (self, value) {
            (Self::String, Value::Text(_)) => Ok(value.clone()),
            (Self::Any, _) | (_, Value::Null) => Ok(value.clone()),
            (_, Value::Text(text)) if text.is_empty() => Ok(Value::Null),
            (Self::Integer | Self::Long, Value::Int(_) | Value::Double(_)) => Ok(value.clone()),
            (Self::Integer | Self::Long | Self::Float | Self::Double, Value::Text(text)) => {
                match text.trim().parse::<f64>() {
                    Ok(n) => self.check_leniently(
                        &whole(&Value::Double(n)).map_or(Value::Double(n), Value::Int),
                    ),
                    Err(_) => self.check(value),
                }
            }
            (Self::Boolean, Value::Text(text)) => text
                .parse()
                .map_or_else(|_| self.check(value), |b| Ok(Value::Bool(b))),
            (
                Self::String
                | Self::Enum(_)
                | Self::Date
                | Self::Time
                | Self::DateTime
                | Self::Duration,
                Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Text(_),
            ) => Ok(value.clone()),
            (Self::Object(_) | Self::Map(_), Value::Object(_))
            | (Self::Array(_), Value::Array(_)) => Ok(value.clone()),
            _ => self.check(value),
        }
    }

    fn check_at(
        &self,
        value: &Value,
        depth: usize,
        parts: Option<&Parts>,
    ) -> Result<Value, Mismatch> {
        if depth > MAX_DEPTH {
            return Err(Mismatch::new(
                format!("at most {MAX_DEPTH} levels of nesting"),
                value,
            ));
        }
        let wrong = || Mismatch::new(self.describe(), value);
        let text = |fits: fn(&str) -> bool| match value {
            Value::Text(text) if fits(text) => Ok(value.clone()),
            _ => Err(wrong()),
        };
        match self {
            Self::Boolean => value.as_bool().map(Value::Bool).ok_or_else(wrong),
            Self::Integer => match whole(value) {
                Some(n) if i32::try_from(n).is_ok() => Ok(Value::Int(n)),
                _ => Err(wrong()),
            },
            Self::Long => whole(value).map(Value::Int).ok_or_else(wrong),
            Self::Float | Self::Double => match value.as_f64() {
                Some(n) if n.is_finite() => Ok(Value::Double(n)),
                _ => Err(wrong()),
            },
            Self::String => text(|_| true),
            Self::Date => text(time::is_date),
            Self::Time => text(time::is_time),
            Self::DateTime => text(|t| time::parse_ms(t).is_some()),
            Self::Duration => text(time::is_duration),
            Self::Enum(members) => members.check(value).ok_or_else(wrong),
            Self::Object(object) => object.check(value, depth, parts, wrong),
            Self::Array(of) => match value {
                Value::Array(items) => items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| of.check_at(item, depth + 1, parts).map_err(|m| m.under(i)))
                    .collect::<Result<Arc<[_]>, _>>()
                    .map(Value::Array),
                _ => Err(wrong()),
            },
            Self::Map(of) => match value {
                Value::Object(fields) => fields
                    .iter()
                    .map(|(name, item)| {
                        let item = of
                            .check_at(item, depth + 1, parts)
                            .map_err(|m| m.under(name))?;
                        Ok((name.clone(), item))
                    })
                    .collect::<Result<Arc<[_]>, _>>()
                    .map(Value::Object),
                _ => Err(wrong()),
            },
            Self::Any => Ok(value.clone()),
            Self::UnsignedLong => match value {
                Value::Int(n) if *n >= 0 => Ok(value.clone()),
                Value::Double(n) if n.fract() == 0.0 && (0.0..UNSIGNED_END).contains(n) => {
                    Ok(whole(value).map_or_else(|| value.clone(), Value::Int))
                }
                _ => Err(wrong()),
            },
            Self::Byte => bounded(value, i8::MIN.into(), i8::MAX.into()).ok_or_else(wrong),
            Self::Short => bounded(value, i16::MIN.into(), i16::MAX.into()).ok_or_else(wrong),
            Self::UnsignedByte => bounded(value, 0, u8::MAX.into()).ok_or_else(wrong),
            Self::UnsignedShort => bounded(value, 0, u16::MAX.into()).ok_or_else(wrong),
            Self::UnsignedInteger => bounded(value, 0, u32::MAX.into()).ok_or_else(wrong),
            Self::Bytes => text(|t| Primitive::Bytes.takes_text(t)),
            Self::Decimal => text(|t| Primitive::Decimal.takes_text(t)),
            Self::Uuid => text(|t| Primitive::Uuid.takes_text(t)),
            Self::Recursive(whole) => whole.of.check_at(value, depth + 1, Some(&whole.schemas)),
            Self::Ref(name) => match parts.and_then(|parts| parts.get(name)) {
                Some(part) => part.check_at(value, depth + 1, parts),
                None => Err(wrong()),
            },
        }
    }

    /// What a value must be, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Boolean => "true or false".into(),
            Self::Integer => "a whole number of 32 bits".into(),
            Self::Long => "a whole number of 64 bits".into(),
            Self::Float | Self::Double => "a number".into(),
            Self::String => "text".into(),
            Self::Date => "a date such as 2026-03-29".into(),
            Self::Time => "a time such as 12:00:00Z".into(),
            Self::DateTime => "a date and time such as 2026-03-29T12:00:00Z".into(),
            Self::Duration => "a duration such as PT15M".into(),
            Self::Enum(members) => {
                let all: Vec<_> = members.values.iter().map(|m| m.value.to_string()).collect();
                format!("one of {}", all.join(", "))
            }
            Self::Object(_) | Self::Map(_) => "an object".into(),
            Self::Array(_) => "a list".into(),
            Self::Any => "any JSON".into(),
            Self::Byte => "a whole number from -128 to 127".into(),
            Self::Short => "a whole number of 16 bits".into(),
            Self::UnsignedByte => "a whole number from 0 to 255".into(),
            Self::UnsignedShort => "a whole number of 16 bits without a sign".into(),
            Self::UnsignedInteger => "a whole number of 32 bits without a sign".into(),
            Self::UnsignedLong => "a whole number of 64 bits without a sign".into(),
            Self::Bytes => "base 64 text such as AQID".into(),
            Self::Decimal => "decimal digits in a text such as \"-12.50\"".into(),
            Self::Uuid => "a UUID such as 01234567-89ab-cdef-0123-456789abcdef".into(),
            Self::Recursive(whole) => whole.of.describe(),
            Self::Ref(name) => format!("a value of {name}"),
        }
    }
}

impl Enum {
    fn check(&self, value: &Value) -> Option<Value> {
        self.values
            .iter()
            .map(|m| &m.value)
            .find(|v| *v == value)
            .cloned()
    }
}

impl Object {
    fn check(
        &self,
        value: &Value,
        depth: usize,
        parts: Option<&Parts>,
        wrong: impl Fn() -> Mismatch,
    ) -> Result<Value, Mismatch> {
        let Value::Object(fields) = value else {
            return Err(wrong());
        };
        fields
            .iter()
            .map(
                |(name, item)| match self.fields.iter().find(|f| f.name == *name) {
                    Some(field) => {
                        let item = field
                            .schema
                            .check_at(item, depth + 1, parts)
                            .map_err(|m| m.under(name))?;
                        Ok((field.name.clone(), item))
                    }
                    None => Err(self.unknown(name)),
                },
            )
            .collect::<Result<Arc<[_]>, _>>()
            .map(Value::Object)
    }

    fn unknown(&self, name: &str) -> Mismatch {
        let known: Vec<_> = self.fields.iter().map(|f| &*f.name).collect();
        let expected = match nearest::name(name, known.iter().copied()) {
            Some(near) => format!("the field {near}"),
            None => format!("one of the fields {}", known.join(", ")),
        };
        let found = format!("the field {name}");
        Mismatch {
            code: "unknown-field",
            path: String::new(),
            expected,
            found,
        }
        .under(name)
    }
}

/// The value as a whole number within bounds, both included.
fn bounded(value: &Value, least: i64, most: i64) -> Option<Value> {
    let n = whole(value)?;
    (least..=most).contains(&n).then_some(Value::Int(n))
}

/// The whole number that a value is, if nothing is lost.
fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(n) => Some(*n),
        // 2^53: below it, every whole double stands for itself alone.
        Value::Double(n) if n.abs() <= 9_007_199_254_740_992.0 && n.fract() == 0.0 => {
            Some(*n as i64)
        }
        _ => None,
    }
}

/// The value's kind and its beginning, short enough for a message.
fn excerpt(value: &Value) -> String {
    const LONGEST: usize = 48;
    let text = match value {
        Value::Null => return "null".into(),
        Value::Array(items) => return format!("a list of {}", items.len()),
        Value::Object(fields) => return format!("an object of {} fields", fields.len()),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} {}…", value.kind(), text.get(..end).unwrap_or_default()),
        None => format!("{} {text}", value.kind()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn verdict(schema: &str, value: &str) -> String {
        let schema: Schema = serde_json::from_str(schema).unwrap();
        let value: Value = serde_json::from_str(value).unwrap();
        match schema.check(&value) {
            Ok(value) => format!("{value}"),
            Err(mismatch) => format!("{}: {mismatch}", mismatch.code),
        }
    }

    #[test]
    fn values_take_the_form_of_their_schema() {
        let city = r#"{"object":{"fields":[{"name":"co","schema":"double"},{"name":"at","schema":"dateTime"}]}}"#;
        let state = r#"{"enum":{"values":[{"name":"free","value":"free"},{"name":"taken","value":"occupied"}]}}"#;
        for (schema, value, wanted) in [
            ("\"double\"", "8", "8.0"),
            ("\"integer\"", "8.0", "8"),
            (
                "\"integer\"",
                "2147483648",
                "wrong-type: expected a whole number of 32 bits, found integer 2147483648",
            ),
            ("\"long\"", "2147483648", "2147483648"),
            (
                "\"long\"",
                "0.5",
                "wrong-type: expected a whole number of 64 bits, found number 0.5",
            ),
            (
                "\"boolean\"",
                "\"true\"",
                "wrong-type: expected true or false, found string \"true\"",
            ),
            (
                "\"double\"",
                "null",
                "wrong-type: expected a number, found null",
            ),
            (
                "\"date\"",
                "\"2026-02-30\"",
                "wrong-type: expected a date such as 2026-03-29, found string \"2026-02-30\"",
            ),
            ("\"any\"", "[1,{}]", "[1,{}]"),
            (state, "\"occupied\"", "\"occupied\""),
            (
                state,
                "\"busy\"",
                "wrong-type: expected one of \"free\", \"occupied\", found string \"busy\"",
            ),
            (city, r#"{"co":1}"#, r#"{"co":1.0}"#),
            (
                city,
                r#"{"co":[]}"#,
                "wrong-type: at /co: expected a number, found a list of 0",
            ),
            (
                city,
                r#"{"c0":1}"#,
                "unknown-field: at /c0: expected the field co, found the field c0",
            ),
            (
                r#"{"array":"integer"}"#,
                "[1,2.5]",
                "wrong-type: at /1: expected a whole number of 32 bits, found number 2.5",
            ),
            (
                r#"{"map":"string"}"#,
                r#"{"a/b":1}"#,
                "wrong-type: at /a~1b: expected text, found integer 1",
            ),
        ] {
            assert_eq!(verdict(schema, value), wanted, "{schema} {value}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let schema = (0..100).fold(Schema::Any, |inner, _| Schema::Array(Arc::new(inner)));
        let value = (0..100).fold(Value::Int(1), |inner, _| Value::Array([inner].into()));
        assert!(
            schema
                .check(&value)
                .unwrap_err()
                .expected
                .contains("64 levels")
        );
    }

    #[test]
    fn lenient_checks_take_what_ktwin_programs_send() {
        for (schema, value, wanted) in [
            (Schema::String, Value::Int(90), Some(Value::Int(90))),
            (
                Schema::Integer,
                Value::Double(8.5),
                Some(Value::Double(8.5)),
            ),
            (Schema::Double, Value::text(""), Some(Value::Null)),
            (Schema::String, Value::text(""), Some(Value::text(""))),
            (Schema::Double, Value::text("8.5"), Some(Value::Double(8.5))),
            (Schema::Integer, Value::text("8"), Some(Value::Int(8))),
            (
                Schema::Boolean,
                Value::text("true"),
                Some(Value::Bool(true)),
            ),
            (Schema::Double, Value::text("warm"), None),
            (Schema::Double, Value::text("inf"), None),
        ] {
            assert_eq!(schema.check_leniently(&value).ok(), wanted, "{schema:?}");
        }
    }
}
