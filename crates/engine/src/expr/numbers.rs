//! What the compiler knows beforehand of the numbers that a part gives.

use super::{
    names::Numbers,
    node::{Kind, Node, Pair, Question, Walk},
};
use cel::common::ast::operators;
use gemelli_model::Value;

/// Whether a part gives JSON that a member holds, whose numbers are doubles.
pub(super) fn is_json(node: &Node) -> bool {
    match &node.kind {
        Kind::Member(..) | Kind::Previous(..) => true,
        Kind::Field(_, _, json)
        | Kind::Element(_, json)
        | Kind::Local(_, json)
        | Kind::Call(_, _, json) => *json,
        Kind::Each(each) => each.walk == Walk::Filter && is_json(&each.range),
        _ => false,
    }
}

/// Whether an operator calculates with its operands, or puts them in order.
pub(super) fn calculates(operator: &str) -> bool {
    !matches!(
        operator,
        operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::IN
            | operators::INDEX
    )
}

/// A whole number beside a part that can only give doubles counts as a double: better now than
/// at each run.
pub(super) fn as_doubles(mut pair: Pair) -> Pair {
    if pair.iter().any(is_double) {
        for part in pair.iter_mut() {
            if let Kind::Constant(Value::Int(n)) = part.kind {
                part.kind = Kind::Constant(Value::Double(n as f64));
            }
        }
    }
    pair
}

/// Whether a part's numbers are all doubles.
fn is_double(node: &Node) -> bool {
    match &node.kind {
        Kind::Constant(Value::Double(_)) | Kind::Lookup(Question::Interpolate, ..) => true,
        Kind::Member(_, numbers) | Kind::Previous(_, numbers) => *numbers == Numbers::Double,
        Kind::Field(_, _, json) | Kind::Element(_, json) | Kind::Local(_, json) => *json,
        Kind::Arithmetic(_, pair) => pair.iter().any(is_double),
        Kind::Negative(of) => is_double(of),
        Kind::Call(function, ..) => function.gives_doubles(),
        _ => false,
    }
}
