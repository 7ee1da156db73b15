//! Whether a JSON value conforms to a schema.
//!
//! The rules are those of the language: a number without fraction and exponent for the integers,
//! the members of an Enum and no others, only declared fields in an Object (any of them may be
//! absent), every item of an Array, every value of a Map, null nowhere. A schema that contains
//! itself is no special case, because the walk follows the value.
//!
//! The element graph is seen through [`Schemas`]. Promises: time linear in the value but for the
//! look-ups, no more than [`VIOLATIONS`] told, recursion no deeper than the value, which
//! [`json`] bounds. Does not: change or complete a value.

mod model;
mod primitive;
mod temporal;
#[cfg(test)]
mod tests;

pub use model::Subject;
pub use primitive::Primitive;

use super::json::{self, Kind, Member, Node, Pos};

/// Violations that are told of one value.
pub const VIOLATIONS: usize = 100;

/// What a schema asks of a value; `R` refers to another schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape<R> {
    /// A single value.
    Primitive(Primitive),
    /// A list whose items are all of one schema.
    Array(R),
    /// Any keys, with values all of one schema.
    Map(R),
    /// Named fields: [`Schemas::field`] knows them.
    Object,
    /// One of several values of a primitive: [`Schemas::lists`] knows them.
    Enum(Primitive),
}

/// A member of an Enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Literal<'a> {
    /// Of an Enum of integers.
    Integer(i64),
    /// Of an Enum of strings.
    Text(&'a str),
}

/// The schemas of a model.
pub trait Schemas {
    /// Refers to a schema.
    type Ref: Copy;
    /// What a schema asks; `None` for what is no schema or is not defined.
    fn shape(&self, schema: Self::Ref) -> Option<Shape<Self::Ref>>;
    /// The schema of a field of an Object; `None` when the Object has no such field.
    fn field(&self, object: Self::Ref, name: &str) -> Option<Self::Ref>;
    /// Whether an Enum has a member.
    fn lists(&self, enumeration: Self::Ref, literal: Literal<'_>) -> bool;
}

/// How a value fares against a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is as the schema says.
    Conforms,
    /// It is not, or the text is not JSON.
    Violates,
    /// There is nothing to compare with: the subject is no schema.
    Throws,
}

impl Outcome {
    /// Its name in files of cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::Violates => "violates",
            Self::Throws => "throws",
        }
    }
}

/// One way in which a value is not as its schema says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at {} (line {}, column {})", shown(path), pos.line, pos.column)]
pub struct Violation {
    /// The place in the text.
    pub pos: Pos,
    /// The place in the value, as a JSON pointer; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub problem: Problem,
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the top" } else { path }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Another kind of JSON.
    #[error("found {found} where {wanted} belongs")]
    Kind {
        /// What the schema asks for.
        wanted: &'static str,
        /// What the value is.
        found: &'static str,
    },
    /// The right kind of JSON, but not a value of the schema.
    #[error("{text} is not {wanted}")]
    Form {
        /// The value, cut when it is long.
        text: String,
        /// What the schema asks for.
        wanted: &'static str,
    },
    /// Not a member of the Enum.
    #[error("{0} is not one of the values of the Enum")]
    Unlisted(String),
    /// Not a field of the Object.
    #[error("the Object has no field {0:?}")]
    UnknownField(String),
    /// The schema is not defined.
    #[error("the schema of this value is not defined")]
    Undefined,
}

/// Everything in which a value differs from a schema; nothing if it conforms.
pub fn check<S: Schemas>(schemas: &S, schema: S::Ref, value: &Node) -> Vec<Violation> {
    let mut walk = Walk {
        schemas,
        path: Vec::new(),
        violations: Vec::new(),
    };
    walk.value(schema, value);
    walk.violations
}

/// How a text fares against an element, which may be none and need not be a schema.
pub fn outcome<S: Schemas>(schemas: &S, subject: Option<S::Ref>, text: &str) -> Outcome {
    let Some(schema) = subject.filter(|subject| schemas.shape(*subject).is_some()) else {
        return Outcome::Throws;
    };
    match json::parse(text.as_bytes()) {
        Ok(document) if check(schemas, schema, &document.root).is_empty() => Outcome::Conforms,
        _ => Outcome::Violates,
    }
}

/// One step into a value.
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

struct Walk<'a, S> {
    schemas: &'a S,
    path: Vec<Step<'a>>,
    violations: Vec<Violation>,
}

impl<'a, S: Schemas> Walk<'a, S> {
    fn value(&mut self, schema: S::Ref, node: &'a Node) {
        if self.violations.len() >= VIOLATIONS {
            return;
        }
        match (self.schemas.shape(schema), &node.kind) {
            (None, _) => self.violation(node.pos, Problem::Undefined),
            (Some(Shape::Primitive(primitive)), _) => {
                if let Some(problem) = primitive.problem(node) {
                    self.violation(node.pos, problem);
                }
            }
            (Some(Shape::Enum(primitive)), _) => self.member(schema, primitive, node),
            (Some(Shape::Array(items)), Kind::Array(nodes)) => {
                for (at, node) in nodes.iter().enumerate() {
                    self.within(Step::Index(at), items, node);
                }
            }
            (Some(Shape::Map(values)), Kind::Object(members)) => {
                for member in members {
                    self.within(Step::Key(&member.key), values, &member.value);
                }
            }
            (Some(Shape::Object), Kind::Object(members)) => {
                members.iter().for_each(|member| self.field(schema, member));
            }
            (Some(Shape::Array(_)), _) => self.kind("an array", node),
            (Some(Shape::Map(_) | Shape::Object), _) => self.kind("an object", node),
        }
    }

    fn within(&mut self, step: Step<'a>, schema: S::Ref, node: &'a Node) {
        self.path.push(step);
        self.value(schema, node);
        self.path.pop();
    }

    fn field(&mut self, object: S::Ref, member: &'a Member) {
        match self.schemas.field(object, &member.key) {
            Some(schema) => self.within(Step::Key(&member.key), schema, &member.value),
            None => {
                let problem = Problem::UnknownField(member.key.clone());
                self.violation(member.key_pos, problem);
            }
        }
    }

    fn member(&mut self, schema: S::Ref, primitive: Primitive, node: &Node) {
        if let Some(problem) = primitive.problem(node) {
            return self.violation(node.pos, problem);
        }
        let literal = match &node.kind {
            Kind::String(text) => Some(Literal::Text(text)),
            Kind::Number(number) => number.as_i64().map(Literal::Integer),
            _ => None,
        };
        if !literal.is_some_and(|literal| self.schemas.lists(schema, literal)) {
            self.violation(node.pos, Problem::Unlisted(primitive::excerpt(node)));
        }
    }

    fn kind(&mut self, wanted: &'static str, node: &Node) {
        let found = node.describe();
        self.violation(node.pos, Problem::Kind { wanted, found });
    }

    fn violation(&mut self, pos: Pos, problem: Problem) {
        if self.violations.len() < VIOLATIONS {
            let path = self.path.iter().map(Step::pointer).collect();
            self.violations.push(Violation { pos, path, problem });
        }
    }
}

impl Step<'_> {
    /// As a token of a JSON pointer.
    fn pointer(&self) -> String {
        match self {
            Self::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Self::Index(at) => format!("/{at}"),
        }
    }
}
