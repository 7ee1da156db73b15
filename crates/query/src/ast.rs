//! A query, understood: names are bound to variables, types that can be checked are.

use gemelli_model::Value;
use std::sync::Arc;

/// A variable: place among the pattern's twins or relationships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Var {
    Node(usize),
    Edge(usize),
}

/// All of a query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ast {
    pub text: Arc<str>,
    pub explain: bool,
    pub limit: Option<u64>,
    pub offset: u64,
    pub select: Select,
    pub pattern: Pattern,
    /// Conditions that must all be true.
    pub filter: Vec<Expr>,
    pub group: Vec<Path>,
    pub order: Vec<OrderKey>,
    /// What is computed over rows, those that only ORDER BY names included.
    pub aggregates: Vec<Aggregate>,
    pub models: Vec<Model>,
}

impl Ast {
    /// Whether rows are gathered into groups.
    pub(crate) fn grouped(&self) -> bool {
        !self.group.is_empty() || !self.aggregates.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Select {
    /// The one variable itself, or an object of all named variables.
    Star,
    Columns(Vec<Column>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub key: Arc<str>,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    Path(Path),
    /// Place among the aggregates.
    Aggregate(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate {
    pub op: Op,
    /// None: every row counts.
    pub of: Option<Path>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrderKey {
    pub what: What,
    pub descending: bool,
}

/// A model that IS_OF_MODEL asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    pub id: Arc<str>,
    pub exact: bool,
}

/// What rows are made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pattern {
    /// Names of twins, where they have one.
    pub nodes: Vec<Option<Arc<str>>>,
    /// Names of relationships, where they have one.
    pub edges: Vec<Option<Arc<str>>>,
    pub links: Vec<Link>,
    /// Named variables in the order in which the query names them.
    pub named: Vec<Var>,
    pub source: Source,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    #[default]
    Twins,
    Relationships,
    Join,
    Match,
}

/// A relationship condition between two twins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub from: usize,
    pub to: usize,
    pub direction: Direction,
    /// Names, one of which the relationship has; none: any.
    pub names: Vec<Arc<str>>,
    /// Fewest and most hops.
    pub low: u32,
    pub high: u32,
    /// The relationship's variable; only with one hop.
    pub edge: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Out,
    In,
    Both,
}

impl Direction {
    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Out => Self::In,
            Self::In => Self::Out,
            Self::Both => Self::Both,
        }
    }
}

/// A value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub var: Var,
    pub root: Root,
    /// What is below the root.
    pub rest: Vec<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Root {
    /// The twin or relationship itself.
    Whole,
    /// `$dtId`, `$relationshipId`.
    Id,
    /// `$metadata.$model`.
    Model,
    Etag,
    SourceId,
    TargetId,
    /// `$relationshipName`.
    Name,
    /// A property, telemetry or component.
    Property(Arc<str>),
    /// Anything else that begins with a dollar: as the twin or relationship is shown.
    Shown(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Is {
    Bool,
    Defined,
    Null,
    Number,
    Object,
    Primitive,
    String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Compare, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Value>),
    Path(Path),
    Literal(Value),
    Text(TextTest, Box<Expr>, Box<Expr>),
    ArrayContains(Box<Expr>, Box<Expr>),
    Is(Is, Box<Expr>),
    /// Twin, place among the models.
    OfModel(usize, usize),
}

impl Expr {
    /// Shows every variable that it reads, and how many terms it has.
    pub(crate) fn walk(&self, see: &mut dyn FnMut(Var)) -> usize {
        1 + match self {
            Self::And(all) | Self::Or(all) => all.iter().map(|e| e.walk(see)).sum(),
            Self::Not(e) | Self::Is(_, e) => e.walk(see),
            Self::Compare(_, a, b) | Self::Text(_, a, b) | Self::ArrayContains(a, b) => {
                a.walk(see) + b.walk(see)
            }
            Self::In(item, list) => item.walk(see) + list.len(),
            Self::Path(path) => {
                see(path.var);
                0
            }
            Self::Literal(_) => 0,
            Self::OfModel(node, _) => {
                see(Var::Node(*node));
                0
            }
        }
    }
}
