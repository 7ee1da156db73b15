//! How the twins of a variable are found: by id, by model, or by looking at all.

use crate::ast::{Ast, Compare, Direction, Expr, Path, Root, Var};
use gemelli_engine::View;
use gemelli_model::{InterfaceId, Value};
use std::{collections::BTreeSet, fmt, sync::Arc};

/// How twins are found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    Ids(BTreeSet<Arc<str>>),
    Kinds(BTreeSet<InterfaceId>),
    All,
}

impl Access {
    pub(super) fn of(constraint: Constraint, view: &View) -> Self {
        match (constraint.ids, constraint.kinds) {
            (Some(ids), Some(kinds)) if ids.len() > count(&kinds, view) => Self::Kinds(kinds),
            (Some(ids), _) => Self::Ids(ids),
            (None, Some(kinds)) => Self::Kinds(kinds),
            (None, None) => Self::All,
        }
    }

    /// How many twins it finds, at most.
    pub(super) fn estimate(&self, view: &View) -> f64 {
        match self {
            Self::Ids(ids) => ids.len() as f64,
            Self::Kinds(kinds) => count(kinds, view) as f64,
            Self::All => view.count() as f64,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ids(ids) => write!(f, "by id ({})", ids.len()),
            Self::Kinds(kinds) => write!(f, "by model ({} interfaces)", kinds.len()),
            Self::All => write!(f, "all twins"),
        }
    }
}

/// How many twins these interfaces have.
pub(super) fn count(kinds: &BTreeSet<InterfaceId>, view: &View) -> usize {
    let all = view.kinds();
    all.filter(|(id, _, _)| kinds.contains(*id))
        .map(|(_, count, _)| count)
        .sum()
}

/// What a variable's twins must be for the conditions to be true.
#[derive(Clone, Debug, Default)]
pub(super) struct Constraint {
    ids: Option<BTreeSet<Arc<str>>>,
    kinds: Option<BTreeSet<InterfaceId>>,
}

impl Constraint {
    pub(super) fn of(ast: &Ast, models: &[BTreeSet<InterfaceId>], node: usize) -> Self {
        let finder = Finder { ast, models, node };
        finder.all(&ast.filter)
    }

    /// Whether it names twins that are all there.
    pub(super) fn all_there(&self, view: &View) -> bool {
        let there = |id: &Arc<str>| view.exact(id).is_some();
        self.ids.as_ref().is_some_and(|ids| ids.iter().all(there))
    }
}

struct Finder<'a> {
    ast: &'a Ast,
    models: &'a [BTreeSet<InterfaceId>],
    node: usize,
}

impl Finder<'_> {
    /// What holds where all are true.
    fn all(&self, all: &[Expr]) -> Constraint {
        let mut found = Constraint::default();
        for one in all {
            let Constraint { ids, kinds } = self.one(one);
            found.ids = both(found.ids, ids);
            found.kinds = both(found.kinds, kinds);
        }
        found
    }

    /// What holds where one is true.
    fn one(&self, expr: &Expr) -> Constraint {
        match expr {
            Expr::And(all) => self.all(all),
            Expr::Or(any) => {
                let mut each = any.iter().map(|e| self.one(e));
                let first = each.next().unwrap_or_default();
                each.fold(first, |a, b| Constraint {
                    ids: either(a.ids, b.ids),
                    kinds: either(a.kinds, b.kinds),
                })
            }
            Expr::Compare(Compare::Equal, a, b) => match (&**a, &**b) {
                (Expr::Path(path), Expr::Literal(value))
                | (Expr::Literal(value), Expr::Path(path)) => {
                    self.equal(path, std::slice::from_ref(value))
                }
                _ => Constraint::default(),
            },
            Expr::In(item, list) => match &**item {
                Expr::Path(path) => self.equal(path, list),
                _ => Constraint::default(),
            },
            Expr::OfModel(node, model) if *node == self.node => Constraint {
                ids: None,
                kinds: self.models.get(*model).cloned(),
            },
            _ => Constraint::default(),
        }
    }

    /// A path is one of these values.
    fn equal(&self, path: &Path, values: &[Value]) -> Constraint {
        let texts = || values.iter().filter_map(Value::as_str);
        if self.is_id(path) {
            return Constraint {
                ids: Some(texts().map(Arc::from).collect()),
                kinds: None,
            };
        }
        if path.var == Var::Node(self.node) && path.root == Root::Model && path.rest.is_empty() {
            return Constraint {
                ids: None,
                kinds: Some(texts().map(InterfaceId::from).collect()),
            };
        }
        Constraint::default()
    }

    /// Whether it is the twin's id, by itself or as an end of a relationship.
    fn is_id(&self, path: &Path) -> bool {
        if !path.rest.is_empty() {
            return false;
        }
        let edge = match path.var {
            Var::Node(node) => return node == self.node && path.root == Root::Id,
            Var::Edge(edge) => edge,
        };
        let mut links = self.ast.pattern.links.iter();
        let Some(link) = links.find(|link| link.edge == Some(edge)) else {
            return false;
        };
        let (source, target) = match link.direction {
            Direction::Out => (link.from, link.to),
            Direction::In => (link.to, link.from),
            Direction::Both => return false,
        };
        match path.root {
            Root::SourceId => source == self.node,
            Root::TargetId => target == self.node,
            _ => false,
        }
    }
}

/// Whether a condition names ids.
pub(super) fn is_id(condition: &Expr) -> bool {
    match condition {
        Expr::Compare(Compare::Equal, a, b) => [a, b]
            .iter()
            .any(|e| matches!(&***e, Expr::Path(path) if path.root == Root::Id)),
        Expr::In(item, _) => matches!(&**item, Expr::Path(path) if path.root == Root::Id),
        _ => false,
    }
}

fn both<T: Ord + Clone>(a: Option<BTreeSet<T>>, b: Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
        (a, b) => a.or(b),
    }
}

fn either<T: Ord>(a: Option<BTreeSet<T>>, b: Option<BTreeSet<T>>) -> Option<BTreeSet<T>> {
    let (mut a, b) = (a?, b?);
    a.extend(b);
    Some(a)
}
