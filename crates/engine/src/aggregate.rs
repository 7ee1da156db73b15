//! Roll-ups: one value over the contributions of related twins, kept up to date change by change.
//!
//! The value depends on the contributions alone, never on the order in which they came or on those
//! that have left again. A change costs O(log contributions). Null and not finite contributions
//! count as absent.
//!
//! A roll-up is not part of a snapshot: it is rebuilt from its contributions, which the owner keeps
//! ([`Tally`]) or which it keeps itself ([`Rollup`]).

mod exact;
mod tally;

#[cfg(test)]
mod tests;

pub use exact::ExactSum;
pub use tally::Tally;

use gemelli_model::{
    Value,
    interface::{Aggregate, Op},
};
use std::collections::BTreeMap;

/// A roll-up that keeps its contributions, each under the key of who made it.
#[derive(Clone, Debug)]
pub struct Rollup<K> {
    contributions: BTreeMap<K, Value>,
    tally: Tally,
}

impl<K: Ord> Rollup<K> {
    /// Of nothing.
    pub fn new(op: Op) -> Self {
        Self {
            contributions: BTreeMap::new(),
            tally: Tally::new(op),
        }
    }

    /// Puts this contribution in place of the key's former one; none, null and not finite withdraw it.
    pub fn set(&mut self, key: K, value: Option<Value>) {
        let Some(value) = value.filter(tally::counts) else {
            return self.remove(&key);
        };
        let former = self.contributions.insert(key, value.clone());
        self.tally.replace(former.as_ref(), Some(&value));
    }

    /// Withdraws the key's contribution, if it made one.
    pub fn remove(&mut self, key: &K) {
        let former = self.contributions.remove(key);
        self.tally.replace(former.as_ref(), None);
    }

    /// The roll-up's value; see [`Tally::value`].
    pub fn value(&self) -> Option<Value> {
        self.tally.value()
    }

    /// Its contributions in the order of their keys: what a snapshot holds.
    pub fn contributions(&self) -> impl Iterator<Item = (&K, &Value)> {
        self.contributions.iter()
    }
}

/// What a related twin contributes, given its `of` member and what its `where` filter came to
/// (true where there is no filter). None: nothing.
pub fn contribution(
    aggregate: &Aggregate,
    of: Option<Value>,
    filter: Option<bool>,
) -> Option<Value> {
    match (aggregate.op, &aggregate.of) {
        // Without `of`, the filter is the question itself: every related twin answers it.
        (Op::Any | Op::All, None) => Some(Value::Bool(filter.unwrap_or(false))),
        (_, None) => (filter == Some(true)).then_some(Value::Bool(true)),
        (_, Some(_)) => of.filter(|value| filter == Some(true) && tally::counts(value)),
    }
}
