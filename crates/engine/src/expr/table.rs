//! Tables of breakpoints, made ready for looking up.

use super::functions::nearest;
use gemelli_model::{
    Value,
    interface::{self, Beyond},
};

/// Most decimal digits of a table's bounds that are kept exact.
const MAX_DIGITS: i32 = 9;

/// A table of breakpoints: rows in rising order, each for the numbers from its beginning to its end.
///
/// Bounds and looked-up numbers count as the decimals that they print as: 1.1 lies exactly in the
/// middle between 0 and 2.2, so that a result in the middle of two whole numbers is one, too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    rows: Vec<Row>,
    above: Beyond,
    below: Beyond,
    /// Ten to the digits of the bounds, by which they are multiplied.
    scale: f64,
}

/// A row; bounds are scaled, what it does not have is not a number.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    from: f64,
    to: f64,
    low: f64,
    high: f64,
    class: Value,
}

impl From<&interface::Table> for Table {
    fn from(table: &interface::Table) -> Self {
        let rows = table.rows.iter().map(|row| Row {
            from: row.from,
            to: row.to.unwrap_or(f64::NAN),
            low: row.low.unwrap_or(f64::NAN),
            high: row.high.or(row.low).unwrap_or(f64::NAN),
            class: row.class.clone().unwrap_or_default(),
        });
        Self::new(rows.collect(), table.above, Beyond::Absent)
    }
}

impl Table {
    /// A table from a list of rows: `[from, value]` (points of a line, or thresholds of classes),
    /// `[from, to, class]`, or `[from, to, low, high]`. None if a row has another form.
    /// Outside its points a line keeps the value of its nearest end.
    pub(super) fn from_list(list: &[Value]) -> Option<Self> {
        let mut rows = list
            .iter()
            .map(Row::from_cells)
            .collect::<Option<Vec<Row>>>()?;
        rows.sort_by(|a, b| a.from.total_cmp(&b.from));
        let points =
            !rows.is_empty() && rows.iter().all(|row| row.to.is_nan() && !row.low.is_nan());
        if points {
            // Each point's row ends at the next point; the last one's where it begins.
            let ends: Vec<(f64, f64)> = rows.iter().map(|row| (row.from, row.low)).collect();
            for (i, row) in rows.iter_mut().enumerate() {
                (row.to, row.high) = ends
                    .get(i + 1)
                    .or(ends.get(i))
                    .copied()
                    .unwrap_or((row.from, row.low));
            }
        }
        let below = if points {
            Beyond::Clamp
        } else {
            Beyond::Absent
        };
        Some(Self::new(rows, Beyond::Clamp, below))
    }

    fn new(mut rows: Vec<Row>, above: Beyond, below: Beyond) -> Self {
        rows.sort_by(|a, b| a.from.total_cmp(&b.from));
        let decimal = |scale: f64| {
            let bounds = rows.iter().flat_map(|row| [row.from, row.to]);
            bounds
                .filter(|x| !x.is_nan())
                .all(|x| libm::round(x * scale) / scale == x)
        };
        let scales = (0..=MAX_DIGITS).map(|digits| libm::pow(10.0, f64::from(digits)));
        let scale = scales
            .into_iter()
            .find(|scale| decimal(*scale))
            .unwrap_or(1.0);
        for row in &mut rows {
            row.from = scaled(row.from, scale);
            row.to = scaled(row.to, scale);
        }
        Self {
            rows,
            above,
            below,
            scale,
        }
    }

    /// The number on the line of the row that `x` falls into; none outside the rows, between two
    /// rows that leave a gap, and where the row has no line.
    pub fn interpolate(&self, x: f64) -> Option<f64> {
        let x = scaled(x, self.scale);
        let row = self.row(x)?;
        let flat = row.to.is_nan() || row.to == row.from;
        let y = if x <= row.from || flat {
            row.low
        } else if x >= row.to && self.above != Beyond::Extend {
            row.high
        } else {
            row.low + (row.high - row.low) * (x - row.from) / (row.to - row.from)
        };
        y.is_finite().then_some(y)
    }

    /// The class of the row that `x` falls into.
    pub fn classify(&self, x: f64) -> Option<Value> {
        let row = self.row(scaled(x, self.scale))?;
        (!row.class.is_null()).then(|| row.class.clone())
    }

    fn row(&self, x: f64) -> Option<&Row> {
        if x.is_nan() {
            return None;
        }
        let after = self.rows.partition_point(|row| row.from <= x);
        let Some(row) = after.checked_sub(1).and_then(|i| self.rows.get(i)) else {
            return self.rows.first().filter(|_| self.below != Beyond::Absent);
        };
        let inside = row.to.is_nan() || x <= row.to;
        let past_all = after == self.rows.len() && self.above != Beyond::Absent;
        (inside || past_all).then_some(row)
    }
}

impl Row {
    fn from_cells(cells: &Value) -> Option<Self> {
        let Value::Array(cells) = cells else {
            return None;
        };
        let number = |i: usize| cells.get(i).and_then(Value::as_f64);
        let from = number(0)?;
        Some(match cells.len() {
            2 => {
                let class = cells.get(1)?.clone();
                Self {
                    from,
                    to: f64::NAN,
                    low: number(1).unwrap_or(f64::NAN),
                    high: f64::NAN,
                    class,
                }
            }
            3 => Self {
                from,
                to: number(1)?,
                low: f64::NAN,
                high: f64::NAN,
                class: cells.get(2)?.clone(),
            },
            4 => Self {
                from,
                to: number(1)?,
                low: number(2)?,
                high: number(3)?,
                class: Value::Null,
            },
            _ => return None,
        })
    }
}

/// `x` times a power of ten; exactly the whole number where `x` is the double nearest to such a decimal.
fn scaled(x: f64, scale: f64) -> f64 {
    if scale == 1.0 {
        return x;
    }
    let product = x * scale;
    let whole = nearest(product);
    if whole / scale == x { whole } else { product }
}
