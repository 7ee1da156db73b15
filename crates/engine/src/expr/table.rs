//! Tables of breakpoints, made ready for looking up.

use gemelli_model::{
    Value,
    interface::{self, Beyond},
};

/// A table of breakpoints: rows in rising order, each for the numbers from its beginning to its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    rows: Vec<Row>,
    above: Beyond,
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    from: f64,
    /// Not a number where the row has no end of its own.
    to: f64,
    low: f64,
    high: f64,
    class: Value,
}

impl From<&interface::Table> for Table {
    /// Rows are put in rising order, so a table written in any order is read alike.
    fn from(table: &interface::Table) -> Self {
        let mut rows: Vec<Row> = table
            .rows
            .iter()
            .map(|row| Row {
                from: row.from,
                to: row.to.unwrap_or(f64::NAN),
                low: row.low.unwrap_or(f64::NAN),
                high: row.high.or(row.low).unwrap_or(f64::NAN),
                class: row.class.clone().unwrap_or_default(),
            })
            .collect();
        rows.sort_by(|a, b| a.from.total_cmp(&b.from));
        Self { rows, above: table.above }
    }
}

impl Table {
    /// A table from a list: rows `[from, value]` (points of a line, or thresholds of classes),
    /// `[from, to, class]`, or `[from, to, low, high]`. None if a row has another form.
    /// Outside its points a line keeps the value of its nearest end.
    pub(super) fn from_list(list: &[Value]) -> Option<Self> {
        let mut rows = Vec::with_capacity(list.len());
        for row in list {
            let Value::Array(cells) = row else { return None };
            let number = |i: usize| cells.get(i).and_then(Value::as_f64);
            let from = number(0)?;
            rows.push(match cells.len() {
                2 => {
                    let y = number(1).unwrap_or(f64::NAN);
                    Row { from, to: f64::NAN, low: y, high: f64::NAN, class: cells.get(1)?.clone() }
                }
                3 => Row { from, to: number(1)?, low: f64::NAN, high: f64::NAN, class: cells.get(2)?.clone() },
                4 => Row { from, to: number(1)?, low: number(2)?, high: number(3)?, class: Value::Null },
                _ => return None,
            });
        }
        rows.sort_by(|a, b| a.from.total_cmp(&b.from));
        // Points: a row ends where the next one begins, with the next one's value.
        for i in 1..rows.len() {
            let (next_from, next_low) = rows.get(i).map_or((f64::NAN, f64::NAN), |r| (r.from, r.low));
            if let Some(row) = rows.get_mut(i - 1)
                && row.high.is_nan()
                && !row.low.is_nan()
            {
                row.to = next_from;
                row.high = next_low;
            }
        }
        if let Some(last) = rows.last_mut()
            && last.high.is_nan()
            && !last.low.is_nan()
        {
            last.to = last.from;
            last.high = last.low;
        }
        Some(Self { rows, above: Beyond::Clamp })
    }

    /// The number on the line of the row that `x` falls into; none outside the rows, between two
    /// rows that leave a gap, and where the row has no line.
    pub fn interpolate(&self, x: f64) -> Option<f64> {
        let row = self.row(x)?;
        let past = !row.to.is_nan() && x > row.to;
        if x < row.from {
            return Some(row.low);
        }
        if past && self.above == Beyond::Clamp {
            return finite(row.high);
        }
        if row.to.is_nan() || row.to == row.from {
            return finite(row.low);
        }
        finite(row.low + (row.high - row.low) / (row.to - row.from) * (x - row.from))
    }

    /// The class of the row that `x` falls into.
    pub fn classify(&self, x: f64) -> Option<Value> {
        let row = self.row(x)?;
        (x >= row.from && !row.class.is_null()).then(|| row.class.clone())
    }

    fn row(&self, x: f64) -> Option<&Row> {
        if x.is_nan() {
            return None;
        }
        let after = self.rows.partition_point(|row| row.from <= x);
        let Some(row) = after.checked_sub(1).and_then(|i| self.rows.get(i)) else {
            // Below the first row: only a clamped table answers.
            return self.rows.first().filter(|_| self.above == Beyond::Clamp);
        };
        let inside = row.to.is_nan() || x <= row.to;
        let past_all = after == self.rows.len() && self.above != Beyond::Absent;
        (inside || past_all).then_some(row)
    }
}

fn finite(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}
