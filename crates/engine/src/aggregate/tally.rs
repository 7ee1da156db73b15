//! What a roll-up remembers of its contributions.

use super::ExactSum;
use gemelli_model::{Value, interface::Op};
use std::{cmp::Ordering, collections::BTreeMap};

/// A roll-up whose contributions are kept by its owner: each change says what was there before and
/// what is there now.
#[derive(Clone, Debug)]
pub struct Tally {
    op: Op,
    /// Contributions at hand.
    count: u64,
    held: Held,
}

#[derive(Clone, Debug)]
enum Held {
    /// `count` needs no more than the number.
    Nothing,
    /// `sum` and `avg`; contributions that are doubles decide what kind of number the sum is.
    Sum {
        sum: ExactSum,
        numbers: u64,
        doubles: u64,
    },
    /// `min` and `max`: how often each value was contributed.
    Ordered(BTreeMap<Ranked, u64>),
    /// `any` and `all`: contributions that are true.
    Truths(u64),
}

impl Tally {
    /// Of nothing.
    pub fn new(op: Op) -> Self {
        let held = match op {
            Op::Count => Held::Nothing,
            Op::Sum | Op::Avg => Held::Sum {
                sum: ExactSum::default(),
                numbers: 0,
                doubles: 0,
            },
            Op::Min | Op::Max => Held::Ordered(BTreeMap::new()),
            Op::Any | Op::All => Held::Truths(0),
        };
        Self { op, count: 0, held }
    }

    /// Puts one contribution in place of another; none, null and not finite are no contribution.
    /// `former` must be what was contributed, value and kind.
    pub fn replace(&mut self, former: Option<&Value>, now: Option<&Value>) {
        if let Some(value) = former.filter(|v| counts(v)) {
            self.count = self.count.saturating_sub(1);
            self.held.take(value);
        }
        if let Some(value) = now.filter(|v| counts(v)) {
            self.count += 1;
            self.held.put(value);
        }
    }

    /// The value. Of nothing, `count` is 0, `sum` 0, `any` false, `all` true, and `avg`, `min` and
    /// `max` are absent. `sum` is a whole number where all contributions are and it fits; where it
    /// is beyond all doubles it is absent. `avg` is the rounded sum divided by the number of
    /// numbers. `sum` and `avg` leave out what is no number, `any` and `all` count it as false.
    pub fn value(&self) -> Option<Value> {
        match (&self.held, self.op) {
            (Held::Nothing, _) => Some(whole(self.count)),
            (Held::Sum { sum, numbers, .. }, Op::Avg) => (*numbers > 0)
                .then(|| sum.value() / *numbers as f64)
                .and_then(finite),
            (
                Held::Sum {
                    sum, doubles: 0, ..
                },
                _,
            ) => sum.as_int().map(Value::Int).or_else(|| finite(sum.value())),
            (Held::Sum { sum, .. }, _) => finite(sum.value()),
            (Held::Ordered(values), Op::Min) => values.first_key_value().map(|(v, _)| v.0.clone()),
            (Held::Ordered(values), _) => values.last_key_value().map(|(v, _)| v.0.clone()),
            (Held::Truths(truths), Op::Any) => Some(Value::Bool(*truths > 0)),
            (Held::Truths(truths), _) => Some(Value::Bool(*truths == self.count)),
        }
    }

    /// Contributions at hand.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Held {
    fn put(&mut self, value: &Value) {
        match (self, value) {
            (Self::Sum { sum, numbers, .. }, Value::Int(n)) => {
                sum.add_int(*n);
                *numbers += 1;
            }
            (
                Self::Sum {
                    sum,
                    numbers,
                    doubles,
                },
                Value::Double(x),
            ) => {
                sum.add(*x);
                *numbers += 1;
                *doubles += 1;
            }
            (Self::Ordered(values), value) => {
                *values.entry(Ranked(value.clone())).or_default() += 1
            }
            (Self::Truths(truths), Value::Bool(true)) => *truths += 1,
            _ => {}
        }
    }

    fn take(&mut self, value: &Value) {
        match (self, value) {
            (Self::Sum { sum, numbers, .. }, Value::Int(n)) => {
                sum.subtract_int(*n);
                *numbers = numbers.saturating_sub(1);
            }
            (
                Self::Sum {
                    sum,
                    numbers,
                    doubles,
                },
                Value::Double(x),
            ) => {
                sum.subtract(*x);
                *numbers = numbers.saturating_sub(1);
                *doubles = doubles.saturating_sub(1);
            }
            (Self::Ordered(values), value) => {
                let key = Ranked(value.clone());
                if let Some(times) = values.get_mut(&key) {
                    *times -= 1;
                    if *times == 0 {
                        values.remove(&key);
                    }
                }
            }
            (Self::Truths(truths), Value::Bool(true)) => *truths = truths.saturating_sub(1),
            _ => {}
        }
    }
}

/// Whether a value is a contribution at all.
pub(super) fn counts(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Double(x) => x.is_finite(),
        _ => true,
    }
}

fn finite(x: f64) -> Option<Value> {
    x.is_finite().then_some(Value::Double(x))
}

fn whole(count: u64) -> Value {
    i64::try_from(count).map_or(Value::Double(count as f64), Value::Int)
}

/// A value with a place among all values: truth values, then numbers by size, then texts, then the rest.
#[derive(Clone, Debug)]
struct Ranked(Value);

impl Ranked {
    fn rank(&self) -> u8 {
        match &self.0 {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Int(_) | Value::Double(_) => 2,
            Value::Text(_) => 3,
            Value::Array(_) => 4,
            Value::Object(_) => 5,
        }
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Double(a), Value::Double(b)) => a.total_cmp(b),
            // 1 and 1.0 are one place in order of size, yet two values: the whole number stands first.
            (Value::Int(a), Value::Double(b)) => compare(*a, *b).then(Ordering::Less),
            (Value::Double(a), Value::Int(b)) => compare(*b, *a).reverse().then(Ordering::Greater),
            (Value::Array(_) | Value::Object(_), Value::Array(_) | Value::Object(_)) => self
                .rank()
                .cmp(&other.rank())
                .then_with(|| self.0.to_string().cmp(&other.0.to_string())),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// A whole number against a double, exactly.
fn compare(n: i64, x: f64) -> Ordering {
    if x >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if x < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    let floor = libm::floor(x);
    n.cmp(&(floor as i64)).then(if x > floor {
        Ordering::Less
    } else {
        Ordering::Equal
    })
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
