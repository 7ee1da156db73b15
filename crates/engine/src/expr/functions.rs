//! The functions that expressions call: pure, bounded, and through `libm` the same on every machine.

use super::{MAX_TEXT_BYTES, fault::Fault};
use gemelli_model::{Value, time};
use std::{cmp::Ordering, sync::Arc};

/// A function with arguments that are all computed before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Atan2,
    Ceil,
    Coalesce,
    Contains,
    Cos,
    Double,
    EndsWith,
    Exp,
    Floor,
    Int,
    Log,
    Log10,
    LowerAscii,
    Max,
    Min,
    Number,
    Pow,
    Round,
    Sin,
    Size,
    Split,
    Sqrt,
    StartsWith,
    String,
    Timestamp,
    Trunc,
    UpperAscii,
    Utc,
}

/// Name, function, fewest and most arguments (the target of a member call is the first).
pub(super) const FUNCTIONS: [(&str, Function, usize, usize); 29] = [
    ("abs", Function::Abs, 1, 1),
    ("atan2", Function::Atan2, 2, 2),
    ("ceil", Function::Ceil, 1, 1),
    ("coalesce", Function::Coalesce, 1, MAX_ARGUMENTS),
    ("contains", Function::Contains, 2, 2),
    ("cos", Function::Cos, 1, 1),
    ("double", Function::Double, 1, 1),
    ("endsWith", Function::EndsWith, 2, 2),
    ("exp", Function::Exp, 1, 1),
    ("floor", Function::Floor, 1, 1),
    ("int", Function::Int, 1, 1),
    ("log", Function::Log, 1, 1),
    ("log10", Function::Log10, 1, 1),
    ("lowerAscii", Function::LowerAscii, 1, 1),
    ("max", Function::Max, 1, MAX_ARGUMENTS),
    ("min", Function::Min, 1, MAX_ARGUMENTS),
    ("number", Function::Number, 1, 1),
    ("pow", Function::Pow, 2, 2),
    ("round", Function::Round, 1, 2),
    ("sin", Function::Sin, 1, 1),
    ("size", Function::Size, 1, 1),
    ("split", Function::Split, 2, 2),
    ("sqrt", Function::Sqrt, 1, 1),
    ("startsWith", Function::StartsWith, 2, 2),
    ("string", Function::String, 1, 1),
    ("timestamp", Function::Timestamp, 1, 1),
    ("trunc", Function::Trunc, 1, 2),
    ("upperAscii", Function::UpperAscii, 1, 1),
    ("utc", Function::Utc, 3, 6),
];

/// Names that the compiler knows by themselves.
pub(super) const SPECIAL: [&str; 6] =
    ["classify", "defined", "has", "interpolate", "prev", "since"];

/// Most arguments of one call.
pub(super) const MAX_ARGUMENTS: usize = 32;

impl Function {
    /// The function of this name with the fewest and most arguments that it takes.
    pub fn find(name: &str) -> Option<(Self, usize, usize)> {
        let at = FUNCTIONS
            .binary_search_by(|(known, ..)| (*known).cmp(name))
            .ok()?;
        FUNCTIONS
            .get(at)
            .map(|(_, function, least, most)| (*function, *least, *most))
    }

    /// Whether absent arguments are left out instead of making the call undefined.
    pub fn skips_absent(self) -> bool {
        matches!(self, Self::Coalesce | Self::Max | Self::Min)
    }

    /// Whether its results are all doubles.
    pub fn gives_doubles(self) -> bool {
        matches!(
            self,
            Self::Atan2
                | Self::Ceil
                | Self::Cos
                | Self::Double
                | Self::Exp
                | Self::Floor
                | Self::Log
                | Self::Log10
                | Self::Number
                | Self::Pow
                | Self::Round
                | Self::Sin
                | Self::Sqrt
                | Self::Trunc
        )
    }

    /// Runs it. `at` is where the call stands, for faults.
    pub fn call(self, arguments: &[Value], at: u32) -> Result<Value, Fault> {
        let argument = |i: usize| arguments.get(i).ok_or(Fault::Undefined);
        let number = |i: usize| {
            argument(i)?
                .as_f64()
                .ok_or_else(|| self.wrong(arguments.get(i), "a number", at))
        };
        let text = |i: usize| {
            argument(i)?
                .as_str()
                .ok_or_else(|| self.wrong(arguments.get(i), "a text", at))
        };
        Ok(match self {
            Self::Abs => match argument(0)? {
                Value::Int(n) => Value::Int(n.checked_abs().ok_or_else(|| Fault::overflow(at))?),
                _ => Value::Double(libm::fabs(number(0)?)),
            },
            Self::Atan2 => Value::Double(libm::atan2(number(0)?, number(1)?)),
            Self::Ceil => Value::Double(libm::ceil(number(0)?)),
            Self::Coalesce => argument(0)?.clone(),
            Self::Contains => Value::Bool(text(0)?.contains(text(1)?)),
            Self::Cos => Value::Double(libm::cos(number(0)?)),
            Self::Double => match argument(0)? {
                Value::Text(text) => Value::Double(parse_number(text).ok_or_else(|| {
                    Fault::wrong(
                        at,
                        format!("`double` cannot read a number in {:?}", shortened(text)),
                        "use number(x), which is undefined for such texts",
                    )
                })?),
                _ => Value::Double(number(0)?),
            },
            Self::EndsWith => Value::Bool(text(0)?.ends_with(text(1)?)),
            Self::Exp => Value::Double(libm::exp(number(0)?)),
            Self::Floor => Value::Double(libm::floor(number(0)?)),
            Self::Int => int(argument(0)?, at)?,
            Self::Log => Value::Double(libm::log(number(0)?)),
            Self::Log10 => Value::Double(libm::log10(number(0)?)),
            Self::LowerAscii => Value::text(text(0)?.to_ascii_lowercase()),
            Self::Max => self.extreme(arguments, Ordering::Greater, at)?,
            Self::Min => self.extreme(arguments, Ordering::Less, at)?,
            Self::Number => match argument(0)? {
                Value::Text(text) => Value::Double(parse_number(text).ok_or(Fault::Undefined)?),
                other => Value::Double(other.as_f64().ok_or(Fault::Undefined)?),
            },
            Self::Pow => Value::Double(libm::pow(number(0)?, number(1)?)),
            Self::Round => {
                Value::Double(to_digits(number(0)?, digits(arguments, at)?, libm::round))
            }
            Self::Sin => Value::Double(libm::sin(number(0)?)),
            Self::Size => Value::Int(match argument(0)? {
                Value::Text(text) => text.chars().count() as i64,
                Value::Array(items) => items.len() as i64,
                Value::Object(fields) => fields.len() as i64,
                other => return Err(self.wrong(Some(other), "a text, a list or an object", at)),
            }),
            Self::Split => {
                let (text, by) = (text(0)?, text(1)?);
                if by.is_empty() {
                    return Err(Fault::wrong(
                        at,
                        "`split` needs a separator".to_owned(),
                        "write one",
                    ));
                }
                Value::Array(text.split(by).take(MAX_PARTS).map(Value::text).collect())
            }
            Self::Sqrt => Value::Double(libm::sqrt(number(0)?)),
            Self::StartsWith => Value::Bool(text(0)?.starts_with(text(1)?)),
            Self::String => string(argument(0)?),
            Self::Timestamp => Value::Int(time::parse_ms(text(0)?).ok_or(Fault::Undefined)?),
            Self::Trunc => {
                Value::Double(to_digits(number(0)?, digits(arguments, at)?, libm::trunc))
            }
            Self::UpperAscii => Value::text(text(0)?.to_ascii_uppercase()),
            Self::Utc => utc(arguments)?,
        })
    }

    /// The smallest or largest argument; numbers that are not finite are left out as absent ones are.
    fn extreme(self, arguments: &[Value], wanted: Ordering, at: u32) -> Result<Value, Fault> {
        let mut best: Option<&Value> = None;
        let list = match arguments {
            [Value::Array(items)] => items,
            _ => arguments,
        };
        for value in list {
            match value {
                Value::Null => continue,
                Value::Double(x) if !x.is_finite() => continue,
                _ => {}
            }
            let better = match best {
                None => true,
                Some(best) => {
                    order(value, best)
                        .ok_or_else(|| self.wrong(Some(value), "values of one kind", at))?
                        == wanted
                }
            };
            if better {
                best = Some(value);
            }
        }
        best.cloned().ok_or(Fault::Undefined)
    }

    fn wrong(self, got: Option<&Value>, wanted: &str, at: u32) -> Fault {
        let name = FUNCTIONS.iter().find(|f| f.1 == self).map_or("", |f| f.0);
        Fault::wrong(
            at,
            format!(
                "`{name}` takes {wanted}, not {}",
                got.map_or("nothing", article)
            ),
            "convert it, or check what the member holds",
        )
    }
}

/// Most parts that `split` gives.
const MAX_PARTS: usize = 256;

/// The order of two numbers, two texts or two truth values; none for anything else.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Double(b)) => (*a as f64).partial_cmp(b),
        (Value::Double(a), Value::Int(b)) => a.partial_cmp(&(*b as f64)),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// A kind with its article, for messages.
pub(super) fn article(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Int(_) | Value::Double(_) => "a number",
        Value::Text(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn digits(arguments: &[Value], at: u32) -> Result<i32, Fault> {
    match arguments.get(1) {
        None => Ok(0),
        Some(value) => value
            .as_f64()
            .filter(|n| (-15.0..=15.0).contains(n) && libm::trunc(*n) == *n)
            .map(|n| n as i32)
            .ok_or_else(|| {
                Fault::wrong(
                    at,
                    "the number of digits is a whole number from -15 to 15".to_owned(),
                    "write such a number",
                )
            }),
    }
}

/// Powers of ten that are doubles without rounding, up to the most digits of `round` and `trunc`.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// Cuts to decimal digits. A number that already has no more of them stays as it is, so that 4.35
/// does not become 4.34 because its nearest double, times 100, lies below 435.
fn to_digits(x: f64, digits: i32, cut: fn(f64) -> f64) -> f64 {
    let power = POWERS.get(digits.unsigned_abs() as usize).copied();
    let Some(scale) = power.filter(|_| digits != 0 && x.is_finite()) else {
        return cut(x);
    };
    let up = if digits > 0 { x * scale } else { x / scale };
    let back = |n: f64| if digits > 0 { n / scale } else { n * scale };
    if !up.is_finite() || back(nearest(up)) == x {
        return x;
    }
    back(cut(up))
}

/// A whole number next to `x`: the nearest one, or of two equally near ones either.
pub(super) fn nearest(x: f64) -> f64 {
    /// From here on, doubles have no fraction.
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    if libm::fabs(x) >= WHOLE {
        return x;
    }
    let half = if x < 0.0 { -0.5 } else { 0.5 };
    (x + half) as i64 as f64
}

fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    // Rust reads "inf" and "nan" too; measurements are decimal.
    let decimal = text
        .bytes()
        .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    text.parse::<f64>()
        .ok()
        .filter(|x| decimal && x.is_finite())
}

fn int(value: &Value, at: u32) -> Result<Value, Fault> {
    match value {
        Value::Int(n) => Ok(Value::Int(*n)),
        Value::Double(x) => {
            let whole = libm::trunc(*x);
            if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
                Ok(Value::Int(whole as i64))
            } else if x.is_nan() {
                Err(Fault::Undefined)
            } else {
                Err(Fault::overflow(at))
            }
        }
        Value::Text(text) => text.trim().parse().map(Value::Int).map_err(|_| {
            Fault::wrong(
                at,
                format!("`int` cannot read a whole number in {:?}", shortened(text)),
                "use int(number(x)), which is undefined for such texts",
            )
        }),
        other => Err(Function::Int.wrong(Some(other), "a number or a text", at)),
    }
}

fn string(value: &Value) -> Value {
    match value {
        Value::Text(_) => value.clone(),
        // A double without a fraction reads as people write it.
        Value::Double(x) if libm::trunc(*x) == *x && libm::fabs(*x) < 1e15 => {
            Value::text((*x as i64).to_string())
        }
        other => {
            let mut text = other.to_string();
            cut(&mut text);
            Value::text(text)
        }
    }
}

/// Milliseconds since 1970 of a date and time in UTC.
fn utc(arguments: &[Value]) -> Result<Value, Fault> {
    let mut parts = [0i64, 1, 1, 0, 0, 0];
    for (part, value) in parts.iter_mut().zip(arguments) {
        let number = match value {
            Value::Text(text) => parse_number(text),
            other => other.as_f64(),
        };
        *part = number
            .filter(|n| libm::trunc(*n) == *n && libm::fabs(*n) < 1e6)
            .ok_or(Fault::Undefined)? as i64;
    }
    let [year, month, day, hour, minute, second] = parts;
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    time::parse_ms(&text)
        .map(Value::Int)
        .ok_or(Fault::Undefined)
}

/// Joins two texts.
pub(super) fn join(a: &str, b: &str, at: u32) -> Result<Value, Fault> {
    if a.len() + b.len() > MAX_TEXT_BYTES {
        return Err(Fault::wrong(
            at,
            format!("a text grew past {MAX_TEXT_BYTES} bytes"),
            "build a shorter text",
        ));
    }
    let mut text = String::with_capacity(a.len() + b.len());
    text.push_str(a);
    text.push_str(b);
    Ok(Value::Text(Arc::from(text)))
}

fn cut(text: &mut String) {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

fn shortened(text: &str) -> String {
    text.chars().take(32).collect()
}
