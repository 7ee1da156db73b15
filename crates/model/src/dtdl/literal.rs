//! Literal values: strings, whole numbers, truth values, identifiers and localised strings.

use super::json::{Kind, Node};
use super::model::Value;
use super::read::{Bearer, Reader};
use super::tables::Facet;
use super::{dtmi, json};
use std::collections::BTreeMap;

/// What a literal property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datatype {
    Text,
    Texts,
    Integer,
    Number,
    Bool,
    Dtmi,
    /// A whole number or a string, as a neighbour says.
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
            Self::Text | Self::Texts | Self::Duration => Kinds {
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
                wrong: "literalNotValid",
                many: "literalMultipleValues",
                few: "literalCountBelowMin",
                no_value: "literalObjectNoValue",
                value: "literalValueNotValid",
                kind: "literalTypeNotValid",
            },
            Self::Dtmi => Kinds {
                wrong: "identifierNotDtmi",
                many: "identifierMultipleValues",
                few: "identifierCountBelowMin",
                no_value: "identifierNotDtmi",
                value: "identifierNotDtmi",
                kind: "identifierNotDtmi",
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
            Self::Any => &["string", "integer"],
            Self::Number => &["decimal", "double", "float"],
            Self::Duration => &["duration", "string"],
            Self::Dtmi => &[],
        }
    }

    fn take(self, node: &Node) -> Option<Value> {
        match (self, &node.kind) {
            (Self::Text | Self::Texts | Self::Any, Kind::String(text)) => {
                Some(Value::Text(text.clone()))
            }
            (Self::Duration, Kind::String(text)) if is_duration(text) => {
                Some(Value::Text(text.clone()))
            }
            (Self::Dtmi, Kind::String(text)) => Some(Value::Dtmi(text.as_str().into())),
            (Self::Bool, Kind::Bool(value)) => Some(Value::Bool(*value)),
            (Self::Integer | Self::Any, Kind::Number(number)) => whole(number).map(Value::Integer),
            (Self::Number, Kind::Number(number)) => Some(Value::Number(number.text.to_string())),
            _ => None,
        }
    }
}

/// A number without fraction that fits 32 bits.
fn whole(number: &json::Number) -> Option<i64> {
    number
        .as_i64()
        .filter(|value| i32::try_from(*value).is_ok())
}

/// An ISO 8601 duration, roughly: `P`, then parts in their order.
fn is_duration(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let Some(rest) = rest.strip_prefix('P') else {
        return false;
    };
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (rest, None),
    };
    let part = |text: &str, units: &str| {
        let mut units = units.chars();
        let mut digits = 0;
        text.chars().all(|c| {
            if c.is_ascii_digit() || c == '.' {
                digits += 1;
                return true;
            }
            let fits = digits > 0 && units.any(|unit| unit == c);
            digits = 0;
            fits
        }) && digits == 0
    };
    part(date, "YMD")
        && time.is_none_or(|time| !time.is_empty() && part(time, "HMS"))
        && !(date.is_empty() && time.is_none())
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
        let kinds = datatype.kinds();
        let single = match &node.kind {
            Kind::Array(items) => match items.as_slice() {
                [] if facet.min_count.is_none() => return Some(Vec::new()),
                [] => {
                    self.refuse(
                        kinds.few,
                        bearer,
                        node,
                        "one value belongs here; add it".into(),
                    );
                    return None;
                }
                [one] => one,
                _ => {
                    self.refuse(
                        kinds.many,
                        bearer,
                        node,
                        "only one value belongs here; remove the others".into(),
                    );
                    return None;
                }
            },
            _ => node,
        };
        let value = match &single.kind {
            Kind::Object(_) if datatype == Datatype::Dtmi => {
                self.refuse(
                    kinds.wrong,
                    bearer,
                    single,
                    "an identifier is a string; write it without an object".into(),
                );
                return None;
            }
            Kind::Object(_) => self.value_object(bearer, single, datatype)?,
            Kind::Null => {
                self.refuse(
                    "propertyValueNull",
                    bearer,
                    node,
                    "null is no value; remove the property or give it one".into(),
                );
                return None;
            }
            _ => match datatype.take(single) {
                Some(value) => value,
                None => {
                    self.refuse(
                        kinds.wrong,
                        bearer,
                        single,
                        format!(
                            "{} does not belong here; {}",
                            single.describe(),
                            wanted(datatype)
                        ),
                    );
                    return None;
                }
            },
        };
        self.within(bearer, single, &value, facet)
            .then(|| vec![value])
    }

    /// `{"@value": ..., "@type": ...}`.
    fn value_object(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        datatype: Datatype,
    ) -> Option<Value> {
        let kinds = datatype.kinds();
        let mut sound = true;
        for member in node.as_object().unwrap_or_default() {
            let kind = match member.key.as_str() {
                "@value" | "@type" => continue,
                "@context" => "valueObjectContext",
                "@id" => "valueObjectId",
                "@graph" => "valueObjectGraph",
                key if key.starts_with('@')
                    && self.version_of(bearer) == 2
                    && !matches!(key, "@context" | "@id" | "@graph") =>
                {
                    continue;
                }
                "@language" => "valueObjectLanguage",
                key if key.starts_with('@') => "valueObjectKeyword",
                _ => "valueObjectInvalidProp",
            };
            self.refuse(
                kind,
                bearer,
                &member.value,
                format!("a value object has @value and @type; remove {}", member.key),
            );
            sound = false;
        }
        if let Some(named) = node.get("@type") {
            let single = match named.as_array() {
                Some([one]) => one,
                _ => named,
            };
            let name = single.as_str().and_then(|text| {
                text.strip_prefix("http://www.w3.org/2001/XMLSchema#")
                    .or_else(|| text.strip_prefix("xsd:"))
            });
            let value = node.get("@value");
            let agrees = |name: &str| {
                datatype != Datatype::Any
                    || value.is_none_or(|value| (name == "string") == value.as_str().is_some())
            };
            if !name.is_some_and(|name| datatype.type_names().contains(&name) && agrees(name)) {
                let kind = match (named.as_array().is_some(), name) {
                    (true, _) => "literalTypeNotSingular",
                    (_, Some("boolean")) if datatype == Datatype::Any => "booleanValueNotBoolean",
                    _ if datatype == Datatype::Any => "literalNotValid",
                    _ => kinds.kind,
                };
                self.refuse(
                    kind,
                    bearer,
                    named,
                    format!("the @type here is {}", datatype.type_names().join(" or ")),
                );
                sound = false;
            }
        }
        let Some(value) = node.get("@value") else {
            self.refuse(
                kinds.no_value,
                bearer,
                node,
                "a value object has an @value; add it".into(),
            );
            return None;
        };
        match datatype.take(value) {
            Some(value) if sound => Some(value),
            Some(_) => None,
            None => {
                self.refuse(
                    kinds.value,
                    bearer,
                    value,
                    format!(
                        "{} does not belong in @value; {}",
                        value.describe(),
                        wanted(datatype)
                    ),
                );
                None
            }
        }
    }

    /// Length, pattern and range.
    fn within(&mut self, bearer: &Bearer<'_>, node: &Node, value: &Value, facet: &Facet) -> bool {
        match value {
            Value::Text(text) => {
                let limit = self.limit(bearer, &facet.max_length);
                if let Some(limit) = limit.filter(|limit| text.encode_utf16().count() > *limit) {
                    self.refuse(
                        "stringTooLong",
                        bearer,
                        node,
                        format!("{limit} characters are allowed; shorten the text"),
                    );
                    return false;
                }
                if facet
                    .pattern
                    .as_deref()
                    .is_some_and(|pattern| !matches(pattern, text))
                {
                    self.refuse(
                        "stringInvalid",
                        bearer,
                        node,
                        format!(
                            "{text:?} does not have the form of a {}; {}",
                            facet.pattern.as_deref().unwrap_or("value"),
                            "letters, digits and underscores for a name"
                        ),
                    );
                    return false;
                }
            }
            Value::Dtmi(id) => {
                let limit = self
                    .limit(bearer, &facet.max_length)
                    .unwrap_or(dtmi::USER_LENGTH);
                if dtmi::user(id, self.version_of(bearer), limit).is_err() {
                    self.refuse(
                        "identifierNotDtmi",
                        bearer,
                        node,
                        format!("{id:?} is no DTMI; write dtmi:, segments and a version"),
                    );
                    return false;
                }
            }
            Value::Integer(number) => {
                if let Some(exact) = facet.value.filter(|exact| exact != number) {
                    self.refuse(
                        "valueNotExact",
                        bearer,
                        node,
                        format!("only {exact} is allowed"),
                    );
                    return false;
                }
                let exact = facet
                    .min_inclusive
                    .filter(|_| facet.min_inclusive == facet.max_inclusive);
                if exact.is_some_and(|exact| exact != *number) {
                    self.refuse(
                        "valueNotExact",
                        bearer,
                        node,
                        format!("only {} is allowed", exact.unwrap_or(0)),
                    );
                    return false;
                }
                let low = facet.min_inclusive.is_some_and(|least| *number < least);
                if low && facet.max_inclusive.is_some() {
                    self.refuse(
                        "valueBelowRange",
                        bearer,
                        node,
                        format!("{number} is below the least value"),
                    );
                    return false;
                }
                if low {
                    self.refuse(
                        "valueBelowMin",
                        bearer,
                        node,
                        format!("{number} is below the least value"),
                    );
                    return false;
                }
                if facet.max_inclusive.is_some_and(|most| *number > most) {
                    self.refuse(
                        "valueAboveRange",
                        bearer,
                        node,
                        format!("{number} is above the greatest value"),
                    );
                    return false;
                }
            }
            _ => {}
        }
        true
    }

    /// A localised string: a string, an object from language to string, or an array.
    fn texts(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        facet: &Facet,
    ) -> Option<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        let before = self.faults.len();
        match &node.kind {
            Kind::String(text) => {
                texts.insert("en".to_owned(), text.clone());
            }
            Kind::Object(members) => {
                let valued = node.get("@value").is_some();
                for member in members {
                    if member.key.starts_with('@') {
                        let lone = members.iter().all(|m| m.key.starts_with('@'));
                        let kind = if valued && lone && member.key == "@language" {
                            "langTagValueInLangMap"
                        } else if valued && lone && self.version_of(bearer) == 2 {
                            continue;
                        } else {
                            "langMapObjKeyword"
                        };
                        self.refuse(
                            kind,
                            bearer,
                            &member.value,
                            format!(
                                "an object maps languages to texts; {} is no language",
                                member.key
                            ),
                        );
                        continue;
                    }
                    if !is_language(&member.key) {
                        self.refuse(
                            "langStringInvalidCode",
                            bearer,
                            &member.value,
                            format!("{:?} is no language code, such as en or pt-BR", member.key),
                        );
                        continue;
                    }
                    match &member.value.kind {
                        Kind::String(text) => {
                            texts.insert(member.key.clone(), text.clone());
                        }
                        _ => self.refuse(
                            "langStringValueNotString",
                            bearer,
                            &member.value,
                            "a text belongs here".into(),
                        ),
                    }
                }
                if valued && self.faults.len() == before {
                    match node.get("@value").map(|value| &value.kind) {
                        Some(Kind::String(text)) => {
                            texts.insert("en".to_owned(), text.clone());
                        }
                        _ => self.refuse(
                            "langStringValueNotString",
                            bearer,
                            node,
                            "a text belongs in @value".into(),
                        ),
                    }
                }
            }
            Kind::Array(items) => {
                for item in items {
                    self.text_item(bearer, item, &mut texts);
                }
            }
            Kind::Null => self.refuse(
                "propertyValueNull",
                bearer,
                node,
                "null is no value; remove the property".into(),
            ),
            _ => self.refuse(
                "langStringNotLangString",
                bearer,
                node,
                format!(
                    "a text, or texts by language, belong here, not {}",
                    node.describe()
                ),
            ),
        }
        let limit = self.limit(bearer, &facet.max_length);
        for text in texts.values() {
            if let Some(limit) = limit.filter(|limit| text.encode_utf16().count() > *limit) {
                self.refuse(
                    "langStringValueTooLong",
                    bearer,
                    node,
                    format!("{limit} characters are allowed; shorten the text"),
                );
            }
        }
        (self.faults.len() == before).then_some(texts)
    }

    fn text_item(
        &mut self,
        bearer: &Bearer<'_>,
        item: &Node,
        texts: &mut BTreeMap<String, String>,
    ) {
        let (language, text) = match &item.kind {
            Kind::String(text) => ("en".to_owned(), text.clone()),
            Kind::Object(members) => {
                let mut sound = true;
                for member in members {
                    let kind = match member.key.as_str() {
                        "@value" | "@language" => continue,
                        "@context" => "langStringElementContext",
                        "@id" => "langStringElementId",
                        "@graph" => "langStringElementGraph",
                        "@type" => "langStringElementType",
                        key if key.starts_with('@') => "langStringElementKeyword",
                        _ => "langStringElementInvalidProp",
                    };
                    self.refuse(
                        kind,
                        bearer,
                        &member.value,
                        format!("an item has @value and @language; remove {}", member.key),
                    );
                    sound = false;
                }
                let language = match item.get("@language") {
                    None => "en".to_owned(),
                    Some(node) => match node.as_str().filter(|text| is_language(text)) {
                        Some(text) => text.to_owned(),
                        None => {
                            self.refuse(
                                "langStringElementInvalidCode",
                                bearer,
                                node,
                                "@language is a code such as en or pt-BR".into(),
                            );
                            return;
                        }
                    },
                };
                match item.get("@value") {
                    None => {
                        self.refuse(
                            "langStringElementNoValue",
                            bearer,
                            item,
                            "an item has an @value; add it".into(),
                        );
                        return;
                    }
                    Some(value) => match value.as_str() {
                        Some(text) if sound => (language, text.to_owned()),
                        Some(_) => return,
                        None => {
                            self.refuse(
                                "langStringElementValueNotString",
                                bearer,
                                value,
                                "a text belongs in @value".into(),
                            );
                            return;
                        }
                    },
                }
            }
            _ => {
                self.refuse(
                    "langStringElementNotStringOrObject",
                    bearer,
                    item,
                    "a text or an object with @value belongs here".into(),
                );
                return;
            }
        };
        if texts.insert(language.clone(), text).is_some() {
            self.refuse(
                "langStringElementNonUniqueLanguage",
                bearer,
                item,
                format!("there is a text for {language} already; remove one"),
            );
        }
    }
}

fn wanted(datatype: Datatype) -> &'static str {
    match datatype {
        Datatype::Text | Datatype::Texts => "write a string",
        Datatype::Integer => "write a whole number of 32 bits",
        Datatype::Number => "write a number",
        Datatype::Bool => "write true or false",
        Datatype::Dtmi => "write a DTMI",
        Datatype::Any => "write a string or a whole number",
        Datatype::Duration => "write a duration such as PT5M",
    }
}

/// A language code: two or three letters, or four to eight; then parts of up to eight.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    (1..=4).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// Whether a text has one of the forms that the tables name.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "name" => {
            let known = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            text.bytes().all(known)
                && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
                && !text.ends_with('_')
        }
        "label" => is_label(text),
        "topic" => {
            !text.starts_with('$')
                && text
                    .split('/')
                    .all(|label| is_label(label) || is_token(label))
        }
        _ => true,
    }
}

/// Printable characters but space, quote, hash, plus, braces and slash.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| matches!(b, b'!' | b'$'..=b'*' | b','..=b'.' | b'0'..=b'z' | b'|' | b'~'))
}

/// `{name}` or `{prefix:name}`, of letters.
fn is_token(text: &str) -> bool {
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic());
    inner.is_some_and(|inner| match inner.split_once(':') {
        Some((prefix, name)) => letters(prefix) && letters(name),
        None => letters(inner),
    })
}
