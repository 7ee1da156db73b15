//! The same expressions through the `cel` crate's own interpreter: where both have a result, it is
//! the same one. Members are doubles there, as they are here.

use super::*;
use proptest::{prelude::*, test_runner::RngSeed};

fn theirs(source: &str, x: f64, count: i64) -> Option<String> {
    let program = cel::Program::compile(source).ok()?;
    let mut context = cel::Context::default();
    context.add_variable("x", x).ok()?;
    context.add_variable("count", count).ok()?;
    context.add_variable("name", "Pole").ok()?;
    program
        .execute(&context)
        .ok()?
        .json()
        .ok()
        .map(|json| Value::from(&json).to_string())
}

/// Expressions of each kind out of each other.
fn expression() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        Just("x".to_owned()),
        (-40i32..40).prop_map(|n| format!("({:?})", f64::from(n) / 4.0)),
    ];
    let whole = prop_oneof![
        Just("count".to_owned()),
        (-9i32..9).prop_map(|n| format!("({n})"))
    ];
    let text = prop_oneof![Just("name".to_owned()), Just("'le'".to_owned())];
    let leaf = prop_oneof![
        (number.clone(), "[-+*/]", number.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
        number.clone(),
    ];
    let numbers = leaf.prop_recursive(3, 16, 2, |inner| {
        (inner.clone(), "[-+*/]", inner).prop_map(|(a, o, b)| format!("({a} {o} {b})"))
    });
    let wholes = whole.clone().prop_recursive(3, 16, 2, |inner| {
        (inner.clone(), "[-+*/%]", inner).prop_map(|(a, o, b)| format!("({a} {o} {b})"))
    });
    let truth = prop_oneof![
        (numbers.clone(), "<|<=|>|>=|==|!=", numbers.clone())
            .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
        (wholes.clone(), "<|<=|>|>=|==|!=", wholes.clone())
            .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
        (text.clone(), "contains|startsWith|endsWith", text.clone())
            .prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
        (whole.clone(), whole.clone()).prop_map(|(a, b)| format!("({a} in [1, {b}, 3])")),
        whole.prop_map(|a| format!("[1, 2, {a}].exists(v, v * v > 3)")),
    ];
    let truths = truth.prop_recursive(3, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), "&&|\\|\\|", inner.clone())
                .prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            inner.prop_map(|a| format!("!{a}")),
        ]
    });
    prop_oneof![
        numbers.clone(),
        wholes,
        truths.clone(),
        (truths, numbers, text)
            .prop_map(|(c, a, b)| format!("{c} ? string({a} > 1.0) : {b} + 'x'")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Default::default() })]

    #[test]
    fn where_both_have_a_result_it_is_the_same(source in expression(), x in -20i32..20, count in -5i64..5) {
        let x = f64::from(x) / 2.0;
        let twin = Twin::of(&format!(r#"{{"x":{x},"count":{count},"name":"Pole"}}"#));
        let program = Program::compile(&source, &names()).unwrap();
        if let (Some(theirs), Ok(ours)) = (theirs(&source, x, count), program.eval(&twin)) {
            // A result that is not finite is absent here, and null in JSON there.
            prop_assert_eq!(ours.to_string(), theirs, "{}", source);
        }
    }
}
