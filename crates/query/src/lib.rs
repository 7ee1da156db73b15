//! Questions about twins and relationships: the query language of the Azure Digital Twins data plane
//! with ORDER BY, GROUP BY, aggregates, OFFSET and EXPLAIN, answered from an immutable view.
//!
//! [`Query::parse`] understands a text, [`plan()`] chooses how to answer it on a view, [`run()`] answers
//! one page. Promises: what a query costs is bounded by [`Limits`], memory included; an error says
//! where and what to do; the answer does not depend on the plan but for the order of rows without
//! ORDER BY. Does not: change anything, do IO, read a clock (a deadline is a question that the caller
//! answers), decide how twins look ([`Render`]).
//!
//! The language is told in `docs/query.md`.

mod ast;
mod error;
mod eval;
mod gather;
mod lexer;
mod limits;
mod model;
mod parse;
mod plan;
mod render;
mod run;
mod token;
mod value;
mod walk;

pub use error::{Error, Kind, Position};
pub use limits::{
    DEADLINE_EVERY, Limits, MAX_BYTES, MAX_COLUMNS, MAX_DEPTH, MAX_HOPS, MAX_LINKS, MAX_TOKENS,
};
pub use plan::{Plan, plan};
pub use render::Render;
pub use run::{Page, run};
pub use token::Token;

use std::sync::Arc;

/// A query that was understood. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Query(Arc<ast::Ast>);

impl Query {
    /// Understands a text.
    ///
    /// # Errors
    /// Where it is no query, with the place and what was expected; or it is larger than a limit.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse::parse(text).map(|ast| Self(Arc::new(ast)))
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether it begins with EXPLAIN: its rows are the steps of the plan.
    pub fn explains(&self) -> bool {
        self.0.explain
    }

    /// The same query as if it began with EXPLAIN.
    pub fn explained(&self) -> Self {
        Self(Arc::new(ast::Ast {
            explain: true,
            ..(*self.0).clone()
        }))
    }
}
