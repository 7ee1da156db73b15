#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use proptest::{prelude::*, test_runner::RngSeed};

const OPS: [Op; 7] = [
    Op::Sum,
    Op::Avg,
    Op::Min,
    Op::Max,
    Op::Count,
    Op::Any,
    Op::All,
];

/// Brute force over the contributions at hand; sums by sorting out what cancels.
fn brute(op: Op, at_hand: &BTreeMap<u8, Value>) -> Option<Value> {
    let mut rollup = Rollup::new(op);
    for (key, value) in at_hand.iter().rev() {
        rollup.set(*key, Some(value.clone()));
    }
    let numbers: Vec<f64> = at_hand.values().filter_map(Value::as_f64).collect();
    let least_first = |a: &&f64, b: &&f64| a.total_cmp(b);
    match op {
        Op::Count => Some(Value::Int(at_hand.len() as i64)),
        Op::Any => Some(Value::Bool(
            at_hand.values().any(|v| *v == Value::Bool(true)),
        )),
        Op::All => Some(Value::Bool(
            at_hand.values().all(|v| *v == Value::Bool(true)),
        )),
        Op::Min => numbers
            .iter()
            .min_by(least_first)
            .map(|x| Value::Double(*x)),
        Op::Max => numbers
            .iter()
            .max_by(least_first)
            .map(|x| Value::Double(*x)),
        // The same contributions afresh and in another order.
        Op::Sum | Op::Avg => rollup.value(),
    }
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<f64>()
            .prop_filter("finite", |x| x.is_finite())
            .prop_map(Value::Double),
        (-1000i32..1000).prop_map(|n| Value::Double(f64::from(n) / 8.0)),
        any::<i32>().prop_map(|n| Value::Int(n.into())),
        Just(Value::Double(f64::MIN_POSITIVE / 8.0)),
        Just(Value::Double(1e16)),
        Just(Value::Double(-1e16)),
    ]
}

fn absent() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        Just(None),
        Just(Some(Value::Null)),
        Just(Some(Value::Double(f64::NAN)))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_rollup_is_what_its_present_contributions_make(
        changes in prop::collection::vec((0u8..12, prop_oneof![3 => number().prop_map(Some), 1 => absent()]), 0..80),
        truths in prop::collection::vec((0u8..6, prop::option::of(any::<bool>())), 0..40),
    ) {
        for op in OPS {
            let of_truths = matches!(op, Op::Any | Op::All);
            let changes: Vec<(u8, Option<Value>)> = if of_truths {
                truths.iter().map(|(key, b)| (*key, b.map(Value::Bool))).collect()
            } else {
                changes.clone()
            };
            let mut rollup = Rollup::new(op);
            let mut at_hand = BTreeMap::new();
            for (key, value) in changes {
                match value.clone().filter(tally::counts) {
                    Some(value) => at_hand.insert(key, value),
                    None => at_hand.remove(&key),
                };
                rollup.set(key, value);
                prop_assert_eq!(rollup.value(), brute(op, &at_hand), "{:?}", op);
            }
        }
    }

    /// Against 128-bit whole numbers: every term is a whole number of 2^-20, so their sum is exact.
    #[test]
    fn a_sum_is_rounded_once_and_correctly(terms in prop::collection::vec((any::<i64>(), 0u32..30), 1..60)) {
        let mut sum = ExactSum::default();
        let mut exact: i128 = 0;
        for (n, shift) in terms {
            let n = n >> 11;
            exact += i128::from(n) << shift;
            sum.add(n as f64 * libm::exp2(f64::from(shift) - 20.0));
        }
        // `as` rounds to nearest, ties to even; the power of two is exact.
        prop_assert_eq!(sum.value(), exact as f64 / 1_048_576.0);
    }
}

#[test]
fn what_cancels_leaves_no_trace() {
    let mut rollup = Rollup::new(Op::Sum);
    for (key, x) in [("a", 1e16), ("b", 1.0), ("c", -1e16)] {
        rollup.set(key, Some(Value::Double(x)));
    }
    assert_eq!(rollup.value(), Some(Value::Double(1.0)));
    rollup.set("d", Some(Value::Double(f64::MAX)));
    rollup.set("e", Some(Value::Double(f64::MAX)));
    assert_eq!(rollup.value(), None, "beyond all doubles");
    rollup.remove(&"d");
    rollup.set("e", Some(Value::Double(5e-324)));
    rollup.remove(&"b");
    assert_eq!(rollup.value(), Some(Value::Double(5e-324)));
}

#[test]
fn of_nothing() {
    let value = |op| Rollup::<u8>::new(op).value();
    assert_eq!(value(Op::Sum), Some(Value::Int(0)));
    assert_eq!(value(Op::Count), Some(Value::Int(0)));
    assert_eq!(value(Op::Any), Some(Value::Bool(false)));
    assert_eq!(value(Op::All), Some(Value::Bool(true)));
    for op in [Op::Avg, Op::Min, Op::Max] {
        assert_eq!(value(op), None);
    }
}

#[test]
fn sums_of_whole_numbers_are_whole_while_they_fit() {
    let mut rollup = Rollup::new(Op::Sum);
    rollup.set(1, Some(Value::Int(i64::MAX)));
    rollup.set(2, Some(Value::Int(-1)));
    assert!(matches!(rollup.value(), Some(Value::Int(n)) if n == i64::MAX - 1));
    rollup.set(2, Some(Value::Int(1)));
    assert!(matches!(rollup.value(), Some(Value::Double(x)) if x == 9_223_372_036_854_775_808.0));
    rollup.set(2, Some(Value::Double(0.5)));
    rollup.set(1, Some(Value::Int(i64::MIN)));
    assert!(matches!(rollup.value(), Some(Value::Double(_))));
    rollup.remove(&2);
    assert!(matches!(rollup.value(), Some(Value::Int(i64::MIN))));
}

#[test]
fn order_and_kind_of_extremes() {
    let mut rollup = Rollup::new(Op::Max);
    for (key, value) in [
        (1, Value::text("b")),
        (2, Value::text("a")),
        (3, Value::Int(9)),
    ] {
        rollup.set(key, Some(value));
    }
    assert_eq!(rollup.value(), Some(Value::text("b")));
    rollup.remove(&1);
    rollup.remove(&2);
    rollup.set(4, Some(Value::Double(9.5)));
    rollup.set(5, Some(Value::Int(10)));
    assert_eq!(rollup.value(), Some(Value::Int(10)));
}

#[test]
fn who_contributes() {
    let aggregate = |json: &str| serde_json::from_str::<Aggregate>(json).unwrap();
    let count = aggregate(r#"{"op":"count","over":"r","direction":"incoming","where":"x"}"#);
    assert_eq!(
        contribution(&count, None, Some(true)),
        Some(Value::Bool(true))
    );
    assert_eq!(contribution(&count, None, Some(false)), None);
    assert_eq!(contribution(&count, None, None), None);
    let all = aggregate(r#"{"op":"all","over":"r","direction":"incoming","where":"x"}"#);
    assert_eq!(
        contribution(&all, None, Some(false)),
        Some(Value::Bool(false))
    );
    assert_eq!(contribution(&all, None, None), Some(Value::Bool(false)));
    let sum = aggregate(r#"{"op":"sum","over":"r","direction":"incoming","of":"x"}"#);
    assert_eq!(
        contribution(&sum, Some(Value::Int(3)), Some(true)),
        Some(Value::Int(3))
    );
    assert_eq!(contribution(&sum, Some(Value::Int(3)), Some(false)), None);
    assert_eq!(contribution(&sum, Some(Value::Null), Some(true)), None);
}
