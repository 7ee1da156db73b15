//! Comparing values: by type for conditions, in one total order for ORDER BY and GROUP BY.

use gemelli_model::Value;
use std::{borrow::Cow, cmp::Ordering, sync::Arc};

/// A value that is looked at where it lies.
#[derive(Clone, Debug)]
pub(crate) enum Seen<'a> {
    Value(&'a Value),
    Text(Cow<'a, str>),
    Own(Value),
}

/// A value taken apart.
#[derive(Clone, Copy)]
enum Part<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(&'a str),
    Array(&'a [Value]),
    Object(&'a [(Arc<str>, Value)]),
}

fn part(value: &Value) -> Part<'_> {
    match value {
        Value::Null => Part::Null,
        Value::Bool(b) => Part::Bool(*b),
        Value::Int(n) => Part::Int(*n),
        Value::Double(n) => Part::Double(*n),
        Value::Text(text) => Part::Text(text),
        Value::Array(items) => Part::Array(items),
        Value::Object(fields) => Part::Object(fields),
    }
}

impl Part<'_> {
    /// Its place among types in the total order.
    fn rank(self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) | Self::Double(_) => 2,
            Self::Text(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }
}

impl Seen<'_> {
    fn part(&self) -> Part<'_> {
        match self {
            Self::Value(value) => part(value),
            Self::Own(value) => part(value),
            Self::Text(text) => Part::Text(text),
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self.part() {
            Part::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self.part() {
            Part::Bool(b) => Some(b),
            _ => None,
        }
    }

    pub(crate) fn array(&self) -> Option<&[Value]> {
        match self.part() {
            Part::Array(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.part(), Part::Null)
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self.part(), Part::Int(_) | Part::Double(_))
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.part(), Part::Object(_))
    }

    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value.clone(),
            Self::Own(value) => value,
            Self::Text(text) => Value::text(&*text),
        }
    }

    /// Whether both are equal; none where their types differ.
    pub(crate) fn equals(&self, other: &Self) -> Option<bool> {
        let (a, b) = (self.part(), other.part());
        (a.rank() == b.rank()).then(|| total_parts(a, b) == Ordering::Equal)
    }

    /// Which is less; none where their types differ or have no order.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        let (a, b) = (self.part(), other.part());
        (a.rank() == b.rank() && (1..=3).contains(&a.rank())).then(|| total_parts(a, b))
    }
}

/// One order of all values: null, false, true, numbers, texts by their code points, arrays item by
/// item, objects by their fields in the order of names.
pub(crate) fn total(a: &Value, b: &Value) -> Ordering {
    total_parts(part(a), part(b))
}

/// As [`total`], with what is absent before everything.
pub(crate) fn total_present(a: &Option<Value>, b: &Option<Value>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => total(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn total_parts(a: Part<'_>, b: Part<'_>) -> Ordering {
    match (a, b) {
        (Part::Bool(a), Part::Bool(b)) => a.cmp(&b),
        (Part::Int(a), Part::Int(b)) => a.cmp(&b),
        (Part::Double(a), Part::Double(b)) => doubles(a, b),
        (Part::Int(a), Part::Double(b)) => int_and_double(a, b),
        (Part::Double(a), Part::Int(b)) => int_and_double(b, a).reverse(),
        (Part::Text(a), Part::Text(b)) => a.cmp(b),
        (Part::Array(a), Part::Array(b)) => {
            let items = a.iter().zip(b).map(|(a, b)| total(a, b));
            items
                .fold(Ordering::Equal, Ordering::then)
                .then(a.len().cmp(&b.len()))
        }
        (Part::Object(a), Part::Object(b)) => {
            let (a, b) = (sorted(a), sorted(b));
            let fields = a
                .iter()
                .zip(&b)
                .map(|((n, a), (m, b))| n.cmp(m).then_with(|| total(a, b)));
            fields
                .fold(Ordering::Equal, Ordering::then)
                .then(a.len().cmp(&b.len()))
        }
        (a, b) => a.rank().cmp(&b.rank()),
    }
}

fn sorted(fields: &[(Arc<str>, Value)]) -> Vec<(&str, &Value)> {
    let mut sorted: Vec<_> = fields.iter().map(|(n, v)| (&**n, v)).collect();
    sorted.sort_by_key(|(name, _)| *name);
    sorted
}

/// Zeros of both signs are equal; what is no number, which no JSON holds, comes last.
fn doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Exactly: no integer of 64 bits is rounded.
fn int_and_double(a: i64, b: f64) -> Ordering {
    /// 2⁶³, above every integer.
    const ABOVE: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() || b >= ABOVE {
        return Ordering::Less;
    }
    if b < -ABOVE {
        return Ordering::Greater;
    }
    let whole = b.trunc();
    a.cmp(&(whole as i64)).then_with(|| doubles(0.0, b - whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_not_rounded() {
        let big = 9_007_199_254_740_993;
        assert_eq!(
            int_and_double(big, 9_007_199_254_740_992.0),
            Ordering::Greater
        );
        assert_eq!(int_and_double(i64::MAX, 9.3e18), Ordering::Less);
        assert_eq!(int_and_double(i64::MIN, -9.3e18), Ordering::Greater);
        assert_eq!(int_and_double(2, 2.5), Ordering::Less);
        assert_eq!(int_and_double(-2, -2.5), Ordering::Greater);
        assert_eq!(int_and_double(0, -0.0), Ordering::Equal);
    }
}
