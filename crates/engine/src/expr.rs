//! Expressions: CEL text becomes a [`Program`] once, and a value for each twin that it is run for.
//!
//! The grammar is the `cel` crate's; what runs is a tree of our own, with every name, function and
//! table resolved beforehand, because a measurement is cheaper to compute than to box. Running an
//! expression has no side effect, asks for no clock but the one in its [`Scope`], ends after a
//! bounded amount of work ([`MAX_STEPS`]), and gives the same bits on every machine.
//!
//! What differs from plain CEL, each time on the side of telling fewer programs wrong:
//! - numbers of members and payloads are doubles unless the member's schema is `integer` or `long`,
//!   and a whole number beside a double counts as a double (`T - (100 - RH) / 5` works as written);
//! - an absent or null member makes what reads it undefined, and an undefined expression has the
//!   result null; `has(x)`, `defined(x)`, `&&`, `||` and `?:` guard against it;
//! - a result that is not finite is undefined.
//!
//! It does not know twins, logs or clocks: those stand behind [`Scope`].

mod compile;
mod eval;
mod fault;
mod functions;
mod names;
mod node;
mod numbers;
mod operations;
mod parse;
mod table;

#[cfg(test)]
mod tests;

pub use names::Names;
pub use table::Table;

use gemelli_model::Value;
use std::{fmt, sync::Arc};

/// Longest expression, in bytes.
pub const MAX_SOURCE_BYTES: usize = 4_096;
/// Deepest nesting of an expression.
pub const MAX_DEPTH: usize = 64;
/// Most elements of a list or an object written in an expression.
pub const MAX_LITERAL: usize = 256;
/// Most steps of one run; each operation is one, and so is each element that `map`, `filter`,
/// `exists` or `all` visits.
pub const MAX_STEPS: u32 = 10_000;
/// Longest text that an expression may build, in bytes.
pub const MAX_TEXT_BYTES: usize = 65_536;

/// What an expression may read.
pub trait Scope {
    /// The member's present value; none or null if it is absent.
    fn get(&self, name: &str) -> Option<Value>;

    /// The member's value before the event at hand.
    fn prev(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }

    /// Milliseconds since the member last changed its value, by the interface's clock.
    fn since_ms(&self, name: &str) -> Option<i64> {
        let _ = name;
        None
    }

    /// The interface's clock, milliseconds since 1970.
    fn now_ms(&self) -> i64;

    /// As [`Scope::get`], for the member at this index of [`Program::members`]: a scope that keeps
    /// its members by number can translate once instead of comparing names each time.
    fn get_at(&self, index: usize, name: &str) -> Option<Value> {
        let _ = index;
        self.get(name)
    }
}

/// Why an expression cannot be compiled, or failed for one twin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, in characters, from 1.
    pub column: u32,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at line {}, column {}",
            self.message, self.line, self.column
        )
    }
}

/// A compiled expression: immutable, cheap to clone, run from any thread.
#[derive(Clone)]
pub struct Program {
    source: Arc<str>,
    members: Arc<[Arc<str>]>,
    uses: Uses,
    root: Arc<node::Node>,
    locals: usize,
}

/// Which parts of its surroundings an expression reads beside present values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Members it reads through `prev`.
    pub prev: Vec<Arc<str>>,
    /// Members it reads through `since`.
    pub since: Vec<Arc<str>>,
    /// It reads `now`.
    pub now: bool,
}

impl Program {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is malformed, too long, too deep, or names something that is not in `names`.
    pub fn compile(source: &str, names: &Names) -> Result<Self, Error> {
        compile::compile(source, names)
    }

    /// Runs it. Undefined and not finite results are [`Value::Null`].
    ///
    /// # Errors
    /// A value has the wrong kind, a whole number overflows or is divided by zero, or a limit is met.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Error> {
        match eval::run(&self.root, &self.members, self.locals, scope) {
            Ok(value) => Ok(value),
            Err(fault) => fault.located(&self.source).map_or(Ok(Value::Null), Err),
        }
    }

    /// The members that it reads in any way, each once, in the order in which they first stand.
    pub fn members(&self) -> &[Arc<str>] {
        &self.members
    }

    /// What else it reads.
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Its text.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({:?})", self.source)
    }
}
