//! The tree that runs: what the compiler makes of CEL's, with all names resolved.

use super::{Table, functions::Function, names::Numbers};
use gemelli_model::Value;
use std::sync::Arc;

/// A part of an expression and where it stands in the source, in bytes.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    pub at: u32,
}

/// What a part of an expression does.
#[derive(Debug)]
pub(super) enum Kind {
    Constant(Value),
    /// The present value of the member with this index.
    Member(usize, Numbers),
    /// Its value before the event.
    Previous(usize, Numbers),
    /// Milliseconds since it changed.
    Since(usize),
    Now,
    /// The variable of an enclosing `map`, `filter`, `exists`, `exists_one` or `all`; with true,
    /// its whole numbers are read as doubles, because the list comes from a member.
    Local(usize, bool),
    /// `has(x)` and `defined(x)`.
    Defined(Box<Node>),
    /// A field; whole numbers in it are read as doubles if it comes from a member.
    Field(Box<Node>, Arc<str>, bool),
    /// An element of a list, or a field whose name is computed.
    Element(Pair, bool),
    Not(Box<Node>),
    Negative(Box<Node>),
    Arithmetic(Operator, Pair),
    Order(Relation, Pair),
    /// Equal, or with true: not equal.
    Equal(Pair, bool),
    In(Pair),
    And(Pair),
    Or(Pair),
    Choice(Box<[Node; 3]>),
    List(Vec<Node>),
    Object(Vec<(Arc<str>, Node)>),
    /// A function; with true, it gives what a member holds.
    Call(Function, Vec<Node>, bool),
    /// `interpolate` and `classify` in a table that is known beforehand.
    Lookup(Question, Box<Node>, Arc<Table>),
    /// The same with rows that are computed.
    LookupIn(Question, Pair),
    Each(Box<Each>),
}

/// Two operands, left and right.
pub(super) type Pair = Box<[Node; 2]>;

/// The five operations on numbers; `Add` joins texts and lists too.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// The four orders.
#[derive(Clone, Copy, Debug)]
pub(super) enum Relation {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is asked of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    Interpolate,
    Classify,
}

/// A walk over a list, or over the names of an object.
#[derive(Debug)]
pub(super) struct Each {
    pub walk: Walk,
    pub range: Node,
    /// Where each element is put.
    pub local: usize,
    /// What is asked of each element; of `map` with three arguments, which elements it takes.
    pub test: Option<Node>,
    /// What `map` makes of each element.
    pub make: Option<Node>,
}

/// What a walk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}
