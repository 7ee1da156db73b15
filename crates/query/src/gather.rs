//! What becomes of the rows that a walk finds: a page of them as they come, the first in an order, or
//! groups. Each holds a bounded number.

use crate::{
    ast::{Aggregate, Ast, Op, What},
    error::{Error, Kind},
    eval::{Context, Row},
    limits::PEEK,
    value::{total, total_present},
    walk::{Key, Next, Take},
};
use gemelli_engine::aggregate::ExactSum;
use gemelli_model::Value;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

/// Rows as they come: skips some, takes a page, and finds out whether there is one more.
pub(crate) struct Page {
    pub skip: u64,
    pub size: usize,
    pub rows: Vec<Row>,
    pub last: Vec<Key>,
}

impl Take for Page {
    fn row(&mut self, row: &Row, place: &[Key]) -> Result<Next, Error> {
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(Next::More);
        }
        if self.rows.len() >= self.size {
            return Ok(Next::Enough);
        }
        self.rows.push(row.clone());
        if self.rows.len() < self.size {
            return Ok(Next::More);
        }
        self.last = place.to_vec();
        Ok(Next::Within(PEEK))
    }
}

/// Where a row or a group stands in an order.
#[derive(Clone, Debug)]
pub(crate) struct Rank<P> {
    pub keys: Vec<Option<Value>>,
    pub descending: Arc<[bool]>,
    /// Decides between equals.
    pub place: P,
}

/// A group's values; absent ones are one value.
#[derive(Clone, Debug)]
pub(crate) struct GroupKey(pub Vec<Option<Value>>);

impl Ord for GroupKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let each = self.0.iter().zip(&other.0);
        each.map(|(a, b)| total_present(a, b))
            .fold(Ordering::Equal, Ordering::then)
    }
}

impl PartialOrd for GroupKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for GroupKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for GroupKey {}

impl<P: Ord> Ord for Rank<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        let each = self.keys.iter().zip(&other.keys).zip(&*self.descending);
        each.map(|((a, b), descending)| match total_present(a, b) {
            order if *descending => order.reverse(),
            order => order,
        })
        .fold(Ordering::Equal, Ordering::then)
        .then_with(|| self.place.cmp(&other.place))
    }
}

impl<P: Ord> PartialOrd for Rank<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P: Ord> PartialEq for Rank<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<P: Ord> Eq for Rank<P> {}

/// The first rows of an order, behind a place in it.
pub(crate) struct Sorted<'a> {
    pub ast: &'a Ast,
    pub context: Context<'a>,
    pub descending: Arc<[bool]>,
    pub after: Option<Rank<Vec<Key>>>,
    /// Most rows held.
    pub most: usize,
    pub rows: BTreeMap<Rank<Vec<Key>>, Row>,
    /// A row was let go.
    pub more: bool,
}

impl Take for Sorted<'_> {
    fn row(&mut self, row: &Row, place: &[Key]) -> Result<Next, Error> {
        let key = |what: &What| match what {
            What::Path(path) => self.context.path(path, row).map(|seen| seen.into_value()),
            What::Aggregate(_) => None,
        };
        let rank = Rank {
            keys: self.ast.order.iter().map(|o| key(&o.what)).collect(),
            descending: self.descending.clone(),
            place: place.to_vec(),
        };
        if self.after.as_ref().is_some_and(|after| rank <= *after) {
            return Ok(Next::More);
        }
        if self.rows.len() >= self.most {
            self.more = true;
            if self
                .rows
                .last_key_value()
                .is_none_or(|(last, _)| rank > *last)
            {
                return Ok(Next::More);
            }
            self.rows.pop_last();
        }
        self.rows.insert(rank, row.clone());
        Ok(Next::More)
    }
}

/// Groups with what is computed over each.
pub(crate) struct Groups<'a> {
    pub ast: &'a Ast,
    pub context: Context<'a>,
    /// Most groups held.
    pub most: usize,
    pub groups: BTreeMap<GroupKey, Vec<Tally>>,
}

impl Take for Groups<'_> {
    fn row(&mut self, row: &Row, _: &[Key]) -> Result<Next, Error> {
        let value = |path| self.context.path(path, row).map(|seen| seen.into_value());
        let key = GroupKey(self.ast.group.iter().map(value).collect());
        let count = self.groups.len();
        let tallies = match self.groups.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if count >= self.most => {
                let message = format!("there are more than {} groups", self.most);
                let remedy = "narrow the condition, or group by fewer keys (limit groups)";
                return Err(Error::new(Kind::Limit, message, remedy));
            }
            Entry::Vacant(fresh) => fresh.insert(tallies(&self.ast.aggregates)),
        };
        for (tally, aggregate) in tallies.iter_mut().zip(&self.ast.aggregates) {
            match &aggregate.of {
                None => tally.count(),
                Some(path) => {
                    if let Some(seen) = self.context.path(path, row) {
                        tally.add(seen.into_value());
                    }
                }
            }
        }
        Ok(Next::More)
    }
}

/// An aggregate over the rows so far.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    op: Op,
    /// Values that counted.
    count: u64,
    sum: Option<ExactSum>,
    whole: bool,
    best: Option<Value>,
}

pub(crate) fn tallies(aggregates: &[Aggregate]) -> Vec<Tally> {
    let fresh = aggregates.iter().map(|a| Tally {
        op: a.op,
        count: 0,
        sum: matches!(a.op, Op::Sum | Op::Avg).then(ExactSum::default),
        whole: true,
        best: None,
    });
    fresh.collect()
}

impl Tally {
    fn count(&mut self) {
        self.count += 1;
    }

    /// A count that an index knows.
    pub(crate) fn set_count(&mut self, count: u64) {
        self.count = count;
    }

    /// Numbers count for SUM and AVG, what has an order for MIN and MAX, everything for COUNT.
    fn add(&mut self, value: Value) {
        match (self.op, &mut self.sum) {
            (Op::Count, _) => {}
            (Op::Sum | Op::Avg, Some(sum)) => match value {
                Value::Int(n) => sum.add_int(n),
                Value::Double(n) => {
                    sum.add(n);
                    self.whole = false;
                }
                _ => return,
            },
            _ => {
                let kind = matches!(
                    value,
                    Value::Bool(_) | Value::Int(_) | Value::Double(_) | Value::Text(_)
                );
                if !kind {
                    return;
                }
                let better = self.best.as_ref().is_none_or(|best| {
                    let wanted = match self.op {
                        Op::Min => Ordering::Less,
                        _ => Ordering::Greater,
                    };
                    total(&value, best) == wanted
                });
                if better {
                    self.best = Some(value);
                }
            }
        }
        self.count += 1;
    }

    /// What it comes to; of nothing only COUNT comes to something.
    pub(crate) fn value(&self) -> Option<Value> {
        if self.op == Op::Count {
            return Some(Value::Int(i64::try_from(self.count).unwrap_or(i64::MAX)));
        }
        if self.count == 0 {
            return None;
        }
        let double = |n: f64| n.is_finite().then_some(Value::Double(n));
        match (self.op, &self.sum) {
            (Op::Sum, Some(sum)) => match sum.as_int().filter(|_| self.whole) {
                Some(n) => Some(Value::Int(n)),
                None => double(sum.value()),
            },
            (Op::Avg, Some(sum)) => double(sum.value() / self.count as f64),
            _ => self.best.clone(),
        }
    }
}
