//! Runs the tree.
use super::*;
pub(super) struct Fault;
impl Fault { pub(super) fn located(self, _source: &str) -> Error { Error { message: String::new(), line: 1, column: 1, remedy: String::new() } } }
pub(super) fn run(_n: &node::Node, _m: &[Arc<str>], _l: usize, _s: &dyn Scope) -> Result<Value, Fault> { Ok(Value::Null) }
