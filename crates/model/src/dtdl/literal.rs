//! Literal values: strings, whole numbers, truth values, identifiers and localised strings.
//!
//! A literal is bare, or an object with `@value` and perhaps `@type`; where one belongs, an array
//! may hold it. What is wrong is told with the kind of the literal.

mod form;
mod texts;

use super::dtmi;
use super::json::{Kind, Node, Number};
use super::model::Value;
use super::read::{Bearer, Reader};
use super::tables::Facet;
use form::is_duration;

/// What a literal property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Text,
    Texts,
    Integer,
    Number,
    Bool,
    /// An identifier of the language.
    Dtmi,
    /// An identifier of anything.
    Iri,
    /// A whole number or a string, as a neighbour says; that neighbour judges others.
    Any,
    Duration,
}

/// The kinds of fault that a single literal can have.
struct Kinds {
    wrong: &'static str,
    many: &'static str,
    few: &'static str,
    no_value: &'static str,
    value: &'static str,
    kind: &'static str,
}

impl Datatype {
    /// By the name that the tables have for it; none is an identifier or, in an EnumValue, either.
    pub fn named(name: Option<&str>, property: &str) -> Self {
        let name = name.map(|name| name.rsplit('#').next().unwrap_or(name));
        match name {
            Some("string") => Self::Text,
            Some("langString") => Self::Texts,
            Some("integer") => Self::Integer,
            Some("boolean") => Self::Bool,
            Some("decimal" | "double" | "float") => Self::Number,
            Some("duration") => Self::Duration,
            _ if property == "enumValue" => Self::Any,
            _ => Self::Dtmi,
        }
    }

    fn kinds(self) -> Kinds {
        match self {
            Self::Duration => Kinds {
                wrong: "durationNotString",
                many: "durationMultipleValues",
                few: "durationCountBelowMin",
                no_value: "durationObjectNoValue",
                value: "durationValueNotString",
                kind: "durationTypeNotDuration",
            },
            Self::Text | Self::Texts => Kinds {
                wrong: "stringNotString",
                many: "stringMultipleValues",
                few: "stringCountBelowMin",
                no_value: "stringObjectNoValue",
                value: "stringValueNotString",
                kind: "stringTypeNotString",
            },
            Self::Integer => Kinds {
                wrong: "integerNotInteger",
                many: "integerMultipleValues",
                few: "integerCountBelowMin",
                no_value: "integerObjectNoValue",
                value: "integerValueNotInteger",
                kind: "integerTypeNotInteger",
            },
            Self::Bool => Kinds {
                wrong: "booleanNotBoolean",
                many: "booleanMultipleValues",
                few: "booleanCountBelowMin",
                no_value: "booleanObjectNoValue",
                value: "booleanValueNotBoolean",
                kind: "booleanTypeNotBoolean",
            },
            Self::Number => Kinds {
                wrong: "numericNotNumeric",
                many: "numericMultipleValues",
                few: "numericCountBelowMin",
                no_value: "numericObjectNoValue",
                value: "numericValueNotNumeric",
                kind: "numericTypeNotNumeric",
            },
            Self::Dtmi | Self::Iri => Kinds {
                wrong: "identifierNotString",
                many: "identifierMultipleValues",
                few: "identifierCountBelowMin",
                no_value: "identifierNotString",
                value: "identifierNotString",
                kind: "identifierNotString",
            },
            Self::Any => Kinds {
                wrong: "literalNotValid",
                many: "literalMultipleValues",
                few: "literalCountBelowMin",
                no_value: "literalObjectNoValue",
                value: "literalValueNotValid",
                kind: "literalTypeNotValid",
            },
        }
    }

    /// The XML schema types that a value object may name.
    fn type_names(self) -> &'static [&'static str] {
        match self {
            Self::Text | Self::Texts => &["string"],
            Self::Integer => &["integer"],
            Self::Bool => &["boolean"],
            Self::Any => &["string", "integer", "decimal", "boolean"],
            Self::Number => &["decimal"],
            Self::Duration => &["duration"],
            Self::Dtmi | Self::Iri => &[],
        }
    }

    fn take(self, node: &Node) -> Option<Value> {
        match (self, &node.kind) {
            (Self::Text | Self::Texts | Self::Any | Self::Duration, Kind::String(text)) => {
                Some(Value::Text(text.clone()))
            }
            (Self::Dtmi | Self::Iri, Kind::String(text)) => Some(Value::Dtmi(text.as_str().into())),
            (Self::Bool | Self::Any, Kind::Bool(value)) => Some(Value::Bool(*value)),
            (Self::Integer, Kind::Number(number)) => whole(number).map(Value::Integer),
            (Self::Any, Kind::Number(number)) => {
                let whole = whole(number).map(Value::Integer);
                Some(whole.unwrap_or_else(|| Value::Number(number.text.to_string())))
            }
            (Self::Number, Kind::Number(number)) => Some(Value::Number(number.text.to_string())),
            _ => None,
        }
    }
}

/// A number of 32 bits without fraction, in whatever way it is written.
fn whole(number: &Number) -> Option<i64> {
    let exact = number.as_i64();
    let value = number.as_f64();
    let whole =
        value.trunc() == value && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value);
    // The range makes the conversion exact.
    #[allow(clippy::cast_possible_truncation)]
    let value = whole.then_some(value as i64);
    exact
        .filter(|value| i32::try_from(*value).is_ok())
        .or(value)
}

impl Reader<'_> {
    /// The literal of a property, checked against what its version says.
    pub fn literal(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        datatype: Datatype,
        facet: &Facet,
    ) -> Option<Vec<Value>> {
        if datatype == Datatype::Texts {
            return self
                .texts(bearer, node, facet)
                .map(|texts| vec![Value::Texts(texts)]);
        }
        let kinds = &datatype.kinds();
        if node.as_array().is_some_and(<[Node]>::is_empty) && facet.min_count.is_none() {
            return Some(Vec::new());
        }
        let single = self.single(bearer, node, kinds)?;
        let value = match &single.kind {
            Kind::Null => {
                let message = "null is no value; remove the property or give it one".into();
                self.refuse("propertyValueNull", bearer, node, message);
                return None;
            }
            Kind::Object(_) if !datatype.type_names().is_empty() => {
                self.value_object(bearer, single, datatype)?
            }
            _ => match datatype.take(single) {
                Some(value) => value,
                None => {
                    let found = single.describe();
                    let message = format!("{found} does not belong here; {}", wanted(datatype));
                    self.refuse(kinds.wrong, bearer, single, message);
                    return None;
                }
            },
        };
        let value = match value {
            Value::Dtmi(text) => self.identifier(bearer, single, &text, datatype, facet)?,
            other => other,
        };
        let problem = match &value {
            Value::Text(text) if datatype == Datatype::Duration => bad_duration(text),
            Value::Text(text) => bad_text(text, &bearer.scope.limits, facet),
            Value::Integer(number) => out_of_range(*number, facet),
            _ => None,
        };
        match problem {
            Some((kind, message)) => {
                self.refuse(kind, bearer, single, message);
                None
            }
            None => Some(vec![value]),
        }
    }

    /// The one value of a property: bare, or the only item of an array.
    fn single<'n>(
        &mut self,
        bearer: &Bearer<'_>,
        node: &'n Node,
        kinds: &Kinds,
    ) -> Option<&'n Node> {
        let items = match node.as_array() {
            None => return Some(node),
            Some([one]) => return Some(one),
            Some(items) => items,
        };
        let (kind, message) = match items.is_empty() {
            true => (kinds.few, "one value belongs here; add it"),
            false => (kinds.many, "only one value belongs here; remove the others"),
        };
        self.refuse(kind, bearer, node, message.into());
        None
    }

    /// `{"@value": ..., "@type": ...}`.
    fn value_object(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        datatype: Datatype,
    ) -> Option<Value> {
        let kinds = datatype.kinds();
        let before = self.faults.len();
        for member in node.as_object().unwrap_or_default() {
            let kind = match member.key.as_str() {
                "@value" | "@type" => continue,
                "@context" => "valueObjectContext",
                "@id" => "valueObjectId",
                "@graph" => "valueObjectGraph",
                key if key.starts_with('@') && !bearer.scope.strict() => continue,
                "@language" => "valueObjectLanguage",
                key if key.starts_with('@') => "valueObjectKeyword",
                _ => "valueObjectInvalidProp",
            };
            let message = format!("a value object has @value and @type; remove {}", member.key);
            self.refuse(kind, bearer, &member.value, message);
        }
        let Some(value) = node.get("@value") else {
            let message = "a value object has an @value; add it".into();
            self.refuse(kinds.no_value, bearer, node, message);
            return None;
        };
        let datatype = match node.get("@type") {
            Some(named) => self.declared(bearer, named, datatype)?,
            None => datatype,
        };
        let Some(taken) = datatype.take(value) else {
            let message = format!(
                "{} does not belong in @value; {}",
                value.describe(),
                wanted(datatype)
            );
            self.refuse(datatype.kinds().value, bearer, value, message);
            return None;
        };
        (self.faults.len() == before).then_some(taken)
    }

    /// The datatype that an `@type` names, if it may stand there.
    fn declared(
        &mut self,
        bearer: &Bearer<'_>,
        named: &Node,
        datatype: Datatype,
    ) -> Option<Datatype> {
        let single = match named.as_array() {
            Some([one]) => one,
            _ => named,
        };
        let name = single.as_str().and_then(|text| {
            let short = text.strip_prefix("xsd:");
            short.or_else(|| text.strip_prefix("http://www.w3.org/2001/XMLSchema#"))
        });
        let known = name.filter(|name| datatype.type_names().contains(name));
        if known.is_some() {
            return Some(match datatype {
                Datatype::Any => Datatype::named(known, bearer.property),
                other => other,
            });
        }
        let kind = match (named.as_array(), datatype) {
            (Some(_), _) => "literalTypeNotSingular",
            (None, Datatype::Any) => "literalNotValid",
            _ => datatype.kinds().kind,
        };
        let message = format!(
            "the @type here is xsd:{}",
            datatype.type_names().join(" or xsd:")
        );
        self.refuse(kind, bearer, named, message);
        None
    }

    /// An identifier, or the term for one.
    fn identifier(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        text: &str,
        datatype: Datatype,
        facet: &Facet,
    ) -> Option<Value> {
        let id = match text.contains(':') {
            true => Some(text.to_owned()),
            false => bearer.scope.term(self, text),
        };
        let version = bearer.scope.version;
        let sound = |id: &String| {
            datatype == Datatype::Iri && !id.starts_with("dtmi:")
                || dtmi::user(id, version, dtmi::USER_LENGTH).is_ok()
                || self.tables.names(id)
        };
        let Some(id) = id.filter(sound) else {
            let (kind, message) = match datatype {
                Datatype::Iri => (
                    "identifierNotUri",
                    format!(
                        "{text:?} is neither an identifier nor a term of the contexts; write one, or add its context"
                    ),
                ),
                _ => (
                    "identifierNotDtmi",
                    format!("{text:?} is no DTMI; write dtmi:, segments and a version"),
                ),
            };
            self.refuse(kind, bearer, node, message);
            return None;
        };
        let limit = facet.longest(&bearer.scope.limits);
        if let Some(limit) = limit.filter(|limit| id.len() > *limit) {
            let message = format!("{limit} characters are allowed; shorten the identifier");
            self.refuse("identifierTooLong", bearer, node, message);
            return None;
        }
        Some(Value::Dtmi(id.as_str().into()))
    }
}

/// What is wrong with a text: its length, then its form.
fn bad_text(text: &str, limits: &str, facet: &Facet) -> Option<(&'static str, String)> {
    let limit = facet.longest(limits);
    if let Some(limit) = limit.filter(|limit| text.encode_utf16().count() > *limit) {
        let message = format!("{limit} characters are allowed; shorten the text");
        return Some(("stringTooLong", message));
    }
    let form = facet.pattern.filter(|form| !form.fits(text))?;
    let message = format!("{text:?} does not fit here; write {}", form.wanted());
    Some(("stringInvalid", message))
}

fn bad_duration(text: &str) -> Option<(&'static str, String)> {
    let message = || format!("{text:?} is no duration; write one such as PT5M or P1DT12H");
    (!is_duration(text)).then(|| ("durationInvalid", message()))
}

/// What is wrong with a number: that only one is allowed, or the range.
fn out_of_range(number: i64, facet: &Facet) -> Option<(&'static str, String)> {
    let (least, most) = (facet.min_inclusive, facet.max_inclusive);
    let only = facet.value.or(least.filter(|_| least == most));
    if let Some(only) = only {
        let message = format!("only {only} is allowed");
        return (number != only).then_some(("valueNotExact", message));
    }
    let low = least.filter(|least| number < *least);
    let high = most.filter(|most| number > *most);
    match (low, high) {
        (Some(least), _) => {
            let kind = match most {
                Some(_) => "valueBelowRange",
                None => "valueBelowMin",
            };
            Some((
                kind,
                format!("{number} is less than {least}, the least that is allowed"),
            ))
        }
        (_, Some(most)) => {
            let kind = match least {
                Some(_) => "valueAboveRange",
                None => "valueAboveMax",
            };
            Some((
                kind,
                format!("{number} is more than {most}, the most that is allowed"),
            ))
        }
        _ => None,
    }
}

fn wanted(datatype: Datatype) -> &'static str {
    match datatype {
        Datatype::Text | Datatype::Texts => "write a string",
        Datatype::Integer => "write a whole number of 32 bits",
        Datatype::Number => "write a number",
        Datatype::Bool => "write true or false",
        Datatype::Dtmi | Datatype::Iri => "write an identifier in a string",
        Datatype::Any => "write a string or a whole number",
        Datatype::Duration => "write a duration in a string, such as PT5M",
    }
}
