//! What operators and lookups do with values that are there.

use super::{
    MAX_STEPS, Table,
    fault::Fault,
    functions::{self, article, order},
    names::Numbers,
    node::{Operator, Question, Relation},
};
use gemelli_model::Value;
use std::cmp::Ordering;

impl Operator {
    /// On doubles.
    #[inline]
    pub(super) fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::Remainder => libm::fmod(a, b),
        }
    }
}

impl Relation {
    /// Whether two values that can be compared stand in this order; false where they cannot.
    #[inline]
    pub(super) fn of<T: PartialOrd>(self, a: &T, b: &T) -> bool {
        match self {
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
        }
    }
}

/// How whole numbers are read of something that comes from a member, or does not.
pub(super) fn numbers(json: bool) -> Numbers {
    if json {
        Numbers::Double
    } else {
        Numbers::Whole
    }
}

/// A value that may be absent, with its numbers read in this way.
pub(super) fn read(value: Option<Value>, numbers: Numbers) -> Result<Value, Fault> {
    match value {
        None | Some(Value::Null) => Err(Fault::Undefined),
        Some(Value::Int(n)) if numbers == Numbers::Double => Ok(Value::Double(n as f64)),
        Some(value) => Ok(value),
    }
}

/// The element of a list, or the field of an object.
pub(super) fn element(of: &Value, index: &Value, json: bool, at: u32) -> Result<Value, Fault> {
    match (of, index) {
        (Value::Object(_), Value::Text(name)) => read(of.get(name).cloned(), numbers(json)),
        (Value::Array(items), Value::Int(_) | Value::Double(_)) => {
            let place = index
                .as_f64()
                .filter(|n| *n >= 0.0 && libm::trunc(*n) == *n);
            read(
                place.and_then(|n| items.get(n as usize)).cloned(),
                numbers(json),
            )
        }
        _ => Err(Fault::wrong(
            at,
            format!("{} cannot be indexed by {}", article(of), article(index)),
            "index a list by a number, an object by a text",
        )),
    }
}

/// One of the five operations; `+` joins texts and lists, too.
pub(super) fn arithmetic(
    operator: Operator,
    a: &Value,
    b: &Value,
    at: u32,
) -> Result<Value, Fault> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => whole(operator, *a, *b, at),
        (Value::Text(a), Value::Text(b)) if matches!(operator, Operator::Add) => {
            functions::join(a, b, at)
        }
        (Value::Array(a), Value::Array(b)) if matches!(operator, Operator::Add) => {
            if a.len() + b.len() > MAX_STEPS as usize {
                return Err(Fault::wrong(
                    at,
                    "the list is too long".to_owned(),
                    "join shorter lists",
                ));
            }
            Ok(Value::Array(a.iter().chain(b.iter()).cloned().collect()))
        }
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(x), Some(y)) => Ok(Value::Double(operator.of(x, y))),
            _ => Err(Fault::wrong(
                at,
                format!(
                    "`{}` does not take {} and {}",
                    sign(operator),
                    article(a),
                    article(b)
                ),
                "convert one of them, e.g. with double(x) or string(x)",
            )),
        },
    }
}

fn whole(operator: Operator, a: i64, b: i64, at: u32) -> Result<Value, Fault> {
    if b == 0 && matches!(operator, Operator::Divide | Operator::Remainder) {
        return Err(Fault::wrong(
            at,
            "a whole number is divided by zero".to_owned(),
            "guard it, e.g. `n == 0 ? 0 : x / n`",
        ));
    }
    match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder => a.checked_rem(b),
    }
    .map(Value::Int)
    .ok_or_else(|| Fault::overflow(at))
}

/// Whether two values stand in this order.
pub(super) fn compare(relation: Relation, a: &Value, b: &Value, at: u32) -> Result<Value, Fault> {
    // A number that is none compares as false, as in IEEE 754.
    let nan = |v: &Value| matches!(v, Value::Double(x) if x.is_nan());
    let Some(order) = order(a, b) else {
        if nan(a) || nan(b) {
            return Ok(Value::Bool(false));
        }
        return Err(Fault::wrong(
            at,
            format!("{} and {} cannot be put in order", article(a), article(b)),
            "convert one of them, e.g. with double(x) or string(x)",
        ));
    };
    Ok(Value::Bool(match relation {
        Relation::Less => order == Ordering::Less,
        Relation::LessOrEqual => order != Ordering::Greater,
        Relation::Greater => order == Ordering::Greater,
        Relation::GreaterOrEqual => order != Ordering::Less,
    }))
}

/// What a table has for a number.
pub(super) fn look_up(
    question: Question,
    x: &Value,
    table: &Table,
    at: u32,
) -> Result<Value, Fault> {
    let Some(number) = x.as_f64() else {
        return Err(Fault::wrong(
            at,
            format!("a table is asked for a number, not for {}", article(x)),
            "convert it with double(x)",
        ));
    };
    match question {
        Question::Interpolate => table.interpolate(number).map(Value::Double),
        Question::Classify => table.classify(number),
    }
    .ok_or(Fault::Undefined)
}

/// The fault of a list that is no table.
pub(super) fn malformed_table(at: u32) -> Fault {
    Fault::wrong(
        at,
        "a table is a list of rows [from, value], [from, to, class] or [from, to, low, high]"
            .to_owned(),
        "write such rows, or name a table of the interface",
    )
}

/// The fault of a condition that is none.
pub(super) fn not_true_or_false(value: &Value, at: u32) -> Fault {
    Fault::wrong(
        at,
        format!("true or false is needed here, not {}", article(value)),
        "compare it with something",
    )
}

fn sign(operator: Operator) -> char {
    match operator {
        Operator::Add => '+',
        Operator::Subtract => '-',
        Operator::Multiply => '*',
        Operator::Divide => '/',
        Operator::Remainder => '%',
    }
}
