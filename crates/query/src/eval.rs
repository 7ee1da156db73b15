//! Values and conditions of one row, decided on the view.
//!
//! Conditions are three-valued: what compares an absent value, or values of two types, is neither
//! true nor false, and so is its NOT. Only a row whose condition is true stays.

use crate::{
    ast::{Compare, Expr, Is, Path, Root, TextTest, Var},
    render::Render,
    value::Seen,
};
use gemelli_engine::TwinRef;
use gemelli_event::record::Edge;
use gemelli_model::{InterfaceId, Value};
use std::{borrow::Cow, cmp::Ordering, collections::BTreeSet, sync::Arc};

/// What a row's variables are bound to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub nodes: Vec<Option<TwinRef>>,
    pub edges: Vec<Option<Edge>>,
}

/// What conditions need besides the row.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub render: &'a dyn Render,
    /// Interfaces that belong to each model that the query asks for.
    pub models: &'a [BTreeSet<InterfaceId>],
}

impl Context<'_> {
    /// Whether a condition is true.
    pub(crate) fn holds(&self, expr: &Expr, row: &Row) -> bool {
        self.truth(expr, row) == Some(true)
    }

    /// A condition's truth; none is undefined.
    fn truth(&self, expr: &Expr, row: &Row) -> Option<bool> {
        match expr {
            Expr::And(all) => self.kleene(all, row, false),
            Expr::Or(any) => self.kleene(any, row, true),
            Expr::Not(inner) => self.truth(inner, row).map(|truth| !truth),
            Expr::Compare(op, a, b) => {
                let (a, b) = (self.value(a, row)?, self.value(b, row)?);
                compare(*op, &a, &b)
            }
            Expr::In(item, list) => {
                let item = self.value(item, row)?;
                any(list.iter().map(|value| item.equals(&Seen::Value(value))))
            }
            Expr::Text(test, a, b) => {
                let (a, b) = (self.value(a, row)?, self.value(b, row)?);
                let (a, b) = (a.text()?, b.text()?);
                Some(match test {
                    TextTest::Contains => a.contains(b),
                    TextTest::StartsWith => a.starts_with(b),
                    TextTest::EndsWith => a.ends_with(b),
                })
            }
            Expr::ArrayContains(array, item) => {
                let (array, item) = (self.value(array, row)?, self.value(item, row)?);
                let mut items = array.array()?.iter();
                Some(items.any(|value| item.equals(&Seen::Value(value)) == Some(true)))
            }
            Expr::Is(is, inner) => Some(is_a(*is, self.value(inner, row))),
            Expr::OfModel(node, model) => {
                let twin = row.nodes.get(*node)?.as_ref()?;
                Some(self.models.get(*model)?.contains(twin.interface()))
            }
            Expr::Path(_) | Expr::Literal(_) => self.value(expr, row)?.bool(),
        }
    }

    /// AND, decided by one false, or OR, decided by one true.
    fn kleene(&self, all: &[Expr], row: &Row, decides: bool) -> Option<bool> {
        let mut undefined = false;
        for one in all {
            match self.truth(one, row) {
                Some(truth) if truth == decides => return Some(decides),
                Some(_) => {}
                None => undefined = true,
            }
        }
        (!undefined).then_some(!decides)
    }

    fn value<'r>(&self, expr: &'r Expr, row: &'r Row) -> Option<Seen<'r>> {
        match expr {
            Expr::Path(path) => self.path(path, row),
            Expr::Literal(value) => Some(Seen::Value(value)),
            _ => Some(Seen::Own(Value::Bool(self.truth(expr, row)?))),
        }
    }

    /// The value of a path; none if it is absent.
    pub(crate) fn path<'r>(&self, path: &Path, row: &'r Row) -> Option<Seen<'r>> {
        match path.var {
            Var::Node(node) => self.of_twin(row.nodes.get(node)?.as_ref()?, path),
            Var::Edge(edge) => self.of_edge(row.edges.get(edge)?.as_ref()?, path),
        }
    }

    fn of_twin<'r>(&self, twin: &'r TwinRef, path: &Path) -> Option<Seen<'r>> {
        match &path.root {
            Root::Property(name) if !path.rest.iter().any(|part| part.starts_with('$')) => {
                below(twin.get(name)?, &path.rest).map(Seen::Value)
            }
            Root::Id => plain(path, twin.id().as_str().into()),
            Root::Model => plain(path, twin.interface().as_str().into()),
            Root::Etag => plain(path, twin.etag().into()),
            Root::Property(name) | Root::Shown(name) => shown(&self.render.twin(twin), name, path),
            Root::Whole => Some(Seen::Own(self.render.twin(twin))),
            Root::SourceId | Root::TargetId | Root::Name => None,
        }
    }

    fn of_edge<'r>(&self, edge: &'r Edge, path: &Path) -> Option<Seen<'r>> {
        match &path.root {
            Root::Property(name) => below(edge.properties.get(name)?, &path.rest).map(Seen::Value),
            Root::Id => plain(path, (&*edge.id).into()),
            Root::SourceId => plain(path, edge.source.as_str().into()),
            Root::TargetId => plain(path, edge.target.as_str().into()),
            Root::Name => plain(path, (&*edge.name).into()),
            Root::Etag => shown(&self.render.relationship(edge), "$etag", path),
            Root::Shown(name) => shown(&self.render.relationship(edge), name, path),
            Root::Whole => Some(Seen::Own(self.render.relationship(edge))),
            Root::Model => None,
        }
    }

    /// The value of a path as an answer shows it: objects with what the surface adds to them.
    pub(crate) fn shown(&self, path: &Path, row: &Row) -> Option<Value> {
        let seen = self.path(path, row)?;
        if let (true, Root::Property(name), Var::Node(node)) =
            (seen.is_object(), &path.root, path.var)
        {
            let twin = row.nodes.get(node)?.as_ref()?;
            if let Some(shown) = shown(&self.render.twin(twin), name, path) {
                return Some(shown.into_value());
            }
        }
        Some(seen.into_value())
    }
}

/// A text has nothing below it.
fn plain<'r>(path: &Path, text: Cow<'r, str>) -> Option<Seen<'r>> {
    path.rest.is_empty().then_some(Seen::Text(text))
}

fn below<'r>(value: &'r Value, rest: &[Arc<str>]) -> Option<&'r Value> {
    rest.iter().try_fold(value, |value, name| value.get(name))
}

fn shown<'r>(whole: &Value, name: &str, path: &Path) -> Option<Seen<'r>> {
    let value = below(whole.get(name)?, &path.rest)?;
    Some(Seen::Own(value.clone()))
}

fn compare(op: Compare, a: &Seen<'_>, b: &Seen<'_>) -> Option<bool> {
    Some(match op {
        Compare::Equal => a.equals(b)?,
        Compare::Unequal => !a.equals(b)?,
        Compare::Less => a.order(b)? == Ordering::Less,
        Compare::LessOrEqual => a.order(b)? != Ordering::Greater,
        Compare::Greater => a.order(b)? == Ordering::Greater,
        Compare::GreaterOrEqual => a.order(b)? != Ordering::Less,
    })
}

/// The OR of truths.
fn any(truths: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut all = Some(false);
    for truth in truths {
        match truth {
            Some(true) => return Some(true),
            Some(false) => {}
            None => all = None,
        }
    }
    all
}

fn is_a(is: Is, value: Option<Seen<'_>>) -> bool {
    let Some(value) = value else {
        return false;
    };
    let primitive =
        value.bool().is_some() || value.is_number() || value.text().is_some() || value.is_null();
    match is {
        Is::Defined => true,
        Is::Bool => value.bool().is_some(),
        Is::Null => value.is_null(),
        Is::Number => value.is_number(),
        Is::Object => value.is_object(),
        Is::Primitive => primitive,
        Is::String => value.text().is_some(),
    }
}
