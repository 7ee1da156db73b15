//! One expression of a Connection with its place, and what its results mean.

use crate::{Fault, message::Seen, template::Template};
use gemelli_engine::expr::{Names, Program};
use gemelli_model::{Value, nearest, time};
use std::sync::Arc;

/// Numbers from here on are milliseconds since 1970, below it seconds: in seconds it is the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// Where in a Connection something stands.
#[derive(Clone, Debug)]
pub struct Place {
    pub connection: Arc<str>,
    pub pointer: String,
}

impl Place {
    /// The place of a field below this one.
    pub fn at(&self, field: &str) -> Self {
        let field = field.replace('~', "~0").replace('/', "~1");
        Self {
            connection: self.connection.clone(),
            pointer: format!("{}/{field}", self.pointer),
        }
    }

    /// The fault of a template that names what its pattern does not capture.
    pub fn uncaptured<'a>(
        &self,
        name: &str,
        captures: impl Iterator<Item = &'a Arc<str>>,
    ) -> Fault {
        let known: Vec<&str> = captures.map(|capture| &**capture).collect();
        let captures = match known.is_empty() {
            true => "it captures nothing".to_owned(),
            false => format!("captures: {}", known.join(", ")),
        };
        let message = format!("{name} is not captured by the pattern; {captures}");
        let remedy = match nearest::name(name, known.iter().copied()) {
            Some(near) => format!("did you mean {{{near}}}?"),
            None => format!("name a capture, or add {{{name}}} to the pattern"),
        };
        self.fault("malformed-topic", "", message, remedy)
    }

    pub fn fault(
        &self,
        code: &'static str,
        topic: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        Fault {
            code,
            connection: self.connection.clone(),
            pointer: self.pointer.as_str().into(),
            topic: topic.into(),
            message: message.into(),
            remedy: remedy.into(),
            line: 0,
            column: 0,
        }
    }
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Rule {
    place: Place,
    program: Program,
}

impl Rule {
    pub fn new(source: &str, names: &Names, place: Place) -> Result<Self, Fault> {
        match Program::compile(source, names) {
            Ok(program) => Ok(Self { place, program }),
            Err(error) => {
                let message = format!(
                    "{} (line {}, column {} of the expression)",
                    error.message, error.line, error.column
                );
                // Here a name is no member of an interface.
                let strange = error.message.starts_with("there is no member");
                let remedy = match strange && !error.remedy.starts_with("did you mean") {
                    true => "name payload, properties, topic or a capture of the pattern".into(),
                    false => error.remedy,
                };
                Err(place.fault("malformed-expression", "", message, remedy))
            }
        }
    }

    /// The result; null if it is undefined although the message has all that it names.
    pub fn value(&self, seen: &Seen<'_>) -> Result<Value, Fault> {
        match self.eval(seen)? {
            Value::Null => match self.missing(seen) {
                Some(fault) => Err(fault),
                None => Ok(Value::Null),
            },
            value => Ok(value),
        }
    }

    fn eval(&self, seen: &Seen<'_>) -> Result<Value, Fault> {
        self.program
            .eval(seen)
            .map_err(|error| match self.broken_json(seen) {
                Some(fault) => fault,
                None => {
                    let message = format!("{} in {}", error.message, self.program.source());
                    self.place
                        .fault("wrong-type", seen.message.topic, message, error.remedy)
                }
            })
    }

    /// The result as text: whole numbers without a point; empty text is none.
    pub fn text(&self, seen: &Seen<'_>) -> Result<Option<Arc<str>>, Fault> {
        match whole(self.value(seen)?) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok((!text.is_empty()).then_some(text)),
            Value::Int(n) => Ok(Some(n.to_string().into())),
            other => Err(self.wrong("text", &other, seen)),
        }
    }

    /// The result as a point in time, milliseconds since 1970; empty text is none.
    pub fn time_ms(&self, seen: &Seen<'_>) -> Result<Option<i64>, Fault> {
        match self.value(seen)? {
            Value::Null => Ok(None),
            Value::Text(text) if text.is_empty() => Ok(None),
            Value::Text(text) => match time::parse_ms(&text) {
                Some(ms) => Ok(Some(ms)),
                None => Err(self.wrong(
                    "a time such as 2026-03-29T12:00:00Z",
                    &Value::Text(text),
                    seen,
                )),
            },
            other => match other.as_f64() {
                Some(n) if n.abs() >= MILLISECONDS_FROM => Ok(Some(n as i64)),
                Some(n) => Ok(Some((n * 1_000.0) as i64)),
                None => Err(self.wrong("a time", &other, seen)),
            },
        }
    }

    /// The result as a truth value.
    pub fn truth(&self, seen: &Seen<'_>) -> Result<bool, Fault> {
        match self.value(seen)? {
            Value::Bool(b) => Ok(b),
            other => Err(self.wrong("true or false", &other, seen)),
        }
    }

    fn wrong(&self, expected: &str, found: &Value, seen: &Seen<'_>) -> Fault {
        let message = format!(
            "{} gives {} where {expected} is needed",
            self.program.source(),
            found.kind()
        );
        self.place.fault(
            "wrong-type",
            seen.message.topic,
            message,
            "change the expression, or what the device sends",
        )
    }

    /// What the message lacks, if anything.
    fn missing(&self, seen: &Seen<'_>) -> Option<Fault> {
        if let Some(fault) = self.broken_json(seen) {
            return Some(fault);
        }
        let source = self.program.source();
        let message = format!(
            "the message has no {}, which {source} needs",
            absent(source, seen)?
        );
        let remedy =
            "send the field, or guard it with has(…) in the expression if it may be absent";
        Some(
            self.place
                .fault("missing-field", seen.message.topic, message, remedy),
        )
    }

    /// The payload looks like JSON, is none, and the expression needs it.
    fn broken_json(&self, seen: &Seen<'_>) -> Option<Fault> {
        let bytes = &**seen.message.payload;
        let first = bytes.iter().find(|b| !b.is_ascii_whitespace())?;
        let needs = self
            .program
            .members()
            .iter()
            .any(|name| &**name == "payload");
        if !needs || !matches!(first, b'{' | b'[') {
            return None;
        }
        let error = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).err()?;
        let message = format!("the payload is not JSON: {error}");
        let mut fault = self.place.fault(
            "malformed-json",
            seen.message.topic,
            message,
            "send JSON, or map the payload as text",
        );
        fault.line = u32::try_from(error.line()).unwrap_or(u32::MAX);
        fault.column = u32::try_from(error.column()).unwrap_or(u32::MAX);
        Some(fault)
    }
}

/// The first `payload.a.b` or `properties.a` in a source that the message does not have, and that no
/// `has(…)` guards.
fn absent(source: &str, seen: &Seen<'_>) -> Option<String> {
    for (root, value) in [
        ("payload", seen.payload().clone()),
        ("properties", seen.properties()),
    ] {
        for (start, _) in source.match_indices(root) {
            let (before, after) = source.split_at_checked(start)?;
            if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
                continue;
            }
            let Some(path) = path(root, after.get(root.len()..)?, &value) else {
                continue;
            };
            let guarded = source
                .match_indices(&format!("has({path}"))
                .any(|(i, guard)| {
                    let next = source
                        .get(i + guard.len()..)
                        .and_then(|rest| rest.chars().next());
                    matches!(next, Some(')' | '.'))
                });
            if !guarded {
                return Some(path);
            }
        }
    }
    None
}

/// The shortest beginning of `root.a.b…` that the value does not have.
fn path(root: &str, mut tail: &str, value: &Value) -> Option<String> {
    let (mut at, mut path) = (value, root.to_owned());
    while let Some(rest) = tail.strip_prefix('.') {
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (name, next) = rest.split_at_checked(end)?;
        if name.is_empty() || next.starts_with('(') {
            return None;
        }
        path = format!("{path}.{name}");
        match at.get(name) {
            Some(inner) => at = inner,
            None if at.is_null() => return None,
            None => return Some(path),
        }
        tail = next;
    }
    None
}

/// A double that is a whole number as one: what JSON makes of `7` is no longer to be seen.
pub fn whole(value: Value) -> Value {
    match value {
        Value::Double(n) if n.fract() == 0.0 && n.abs() <= 9_007_199_254_740_992.0 => {
            Value::Int(n as i64)
        }
        Value::Array(items) => Value::Array(items.iter().cloned().map(whole).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (name.clone(), whole(value.clone())))
                .collect(),
        ),
        other => other,
    }
}

/// A twin's id: a template over captures, or an expression.
#[derive(Clone, Debug)]
pub enum Twin {
    Template(Template, Place),
    Rule(Rule),
}

impl Twin {
    pub fn new<'a>(
        text: &str,
        captures: impl Iterator<Item = &'a Arc<str>> + Clone,
        names: &Names,
        place: Place,
    ) -> Result<Self, Fault> {
        match Template::new(text, captures.clone()) {
            Some(template) if template.captures() => Ok(Self::Template(template, place)),
            _ => match Template::unknown(text, captures.clone()) {
                Some(name) => Err(place.uncaptured(name, captures)),
                None => Rule::new(text, names, place).map(Self::Rule),
            },
        }
    }

    pub fn id(&self, seen: &Seen<'_>) -> Result<Arc<str>, Fault> {
        let (id, place): (Arc<str>, _) = match self {
            Self::Template(template, place) => (template.fill(&seen.captures).into(), place),
            Self::Rule(rule) => (rule.text(seen)?.unwrap_or_default(), &rule.place),
        };
        match gemelli_model::id::check(&id) {
            Ok(()) => Ok(id),
            Err(why) => Err(place.fault(
                "wrong-type",
                seen.message.topic,
                why.to_string(),
                "map to another id",
            )),
        }
    }
}
