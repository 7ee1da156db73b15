//! Answering a planned query, one page at a time.

use crate::{
    ast::{Ast, Column, Path, Root, Select, Source, Var, What},
    error::{Error, Kind},
    eval::{Context, Row},
    gather::{GroupKey, Groups, Page as Rows, Rank, Sorted, Tally, tallies},
    limits::Limits,
    plan::Plan,
    render::Render,
    token::{Token, strange},
    walk::{Stage, Walk},
};
use gemelli_engine::View;
use gemelli_model::Value;
use std::{collections::BTreeMap, sync::Arc};

/// One page of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Its rows, each an object.
    pub rows: Vec<Value>,
    /// Where the next page begins; none behind the last one.
    pub next: Option<Token>,
    /// Twins and relationships that were looked at, at least 1.
    pub charge: u64,
}

/// Answers a page: the first one, or the one that a token names. The view may be a newer one than the
/// plan was made on.
///
/// # Errors
/// A limit was met, time was up, or the token belongs to another query.
pub fn run(
    plan: &Plan,
    view: &View,
    limits: &Limits<'_>,
    render: &dyn Render,
    from: Option<&Token>,
) -> Result<Page, Error> {
    if let Some(token) = from {
        if token.query() != &*plan.ast.text {
            return Err(strange("it belongs to another query"));
        }
        if token.start != plan.start {
            let again = Plan::new(plan.ast.clone(), view, Some(token.start));
            return Answer::new(&again, view, limits, render, from)?.page();
        }
    }
    Answer::new(plan, view, limits, render, from)?.page()
}

struct Answer<'a> {
    plan: &'a Plan,
    ast: &'a Ast,
    view: &'a View,
    limits: &'a Limits<'a>,
    context: Context<'a>,
    from: Option<&'a Token>,
    answered: u64,
    /// Rows of this page, LIMIT considered.
    size: usize,
    /// Rows to pass over, on the first page.
    skip: u64,
    descending: Arc<[bool]>,
}

impl<'a> Answer<'a> {
    fn new(
        plan: &'a Plan,
        view: &'a View,
        limits: &'a Limits<'a>,
        render: &'a dyn Render,
        from: Option<&'a Token>,
    ) -> Result<Self, Error> {
        let ast = &*plan.ast;
        let answered = from.map_or(0, |token| token.answered);
        let left = ast.limit.map_or(u64::MAX, |n| n.saturating_sub(answered));
        let size = usize::try_from(left).unwrap_or(usize::MAX);
        if let Some(token) = from
            && (token.group().is_some() != ast.grouped()
                || token.order().len() != ast.order.len()
                || token.group().is_some_and(|g| g.len() != ast.group.len()))
        {
            return Err(strange("it is damaged"));
        }
        Ok(Self {
            plan,
            ast,
            view,
            limits,
            context: Context {
                render,
                models: &plan.models,
            },
            from,
            answered,
            size: size.min(limits.page.max(1)),
            skip: if from.is_some() { 0 } else { ast.offset },
            descending: ast.order.iter().map(|o| o.descending).collect(),
        })
    }

    fn page(&self) -> Result<Page, Error> {
        let mut stages = Vec::new();
        let mut page = if self.size == 0 {
            Page {
                rows: Vec::new(),
                next: None,
                charge: 1,
            }
        } else if self.ast.grouped() {
            self.groups(&mut stages)?
        } else if self.ast.order.is_empty() {
            self.plain(&mut stages)?
        } else {
            self.sorted(&mut stages)?
        };
        page.charge = page.charge.max(1);
        if self.ast.explain {
            page.rows = self.explained(&stages, page.rows.len());
            page.next = None;
        }
        Ok(page)
    }

    fn plain(&self, stages: &mut Vec<Stage>) -> Result<Page, Error> {
        let mut taker = Rows {
            skip: self.skip,
            size: self.size,
            rows: Vec::new(),
            last: Vec::new(),
        };
        let (plan, view) = (self.plan, self.view);
        let mut walk = Walk::new(view, plan, self.context, self.limits, &mut taker, true);
        let all = walk.run(self.from.and_then(Token::row))?;
        *stages = std::mem::take(&mut walk.stages);
        let charge = walk.visits();
        let answered = self.answered + taker.rows.len() as u64;
        let next = (!all && self.goes_on(answered))
            .then(|| Token::of_row(&self.ast.text, plan.start, answered, taker.last));
        Ok(Page {
            rows: taker.rows.iter().map(|row| self.shown(row)).collect(),
            next,
            charge,
        })
    }

    fn goes_on(&self, answered: u64) -> bool {
        self.ast.limit.is_none_or(|limit| answered < limit)
    }

    fn sorted(&self, stages: &mut Vec<Stage>) -> Result<Page, Error> {
        let most = usize::try_from(self.skip)
            .ok()
            .and_then(|skip| skip.checked_add(self.size))
            .filter(|most| *most <= self.limits.sorted);
        let Some(most) = most else {
            let message = format!(
                "OFFSET {} with ORDER BY would hold more than {} rows",
                self.skip, self.limits.sorted
            );
            let remedy = "read page by page instead (limit sorted)";
            return Err(Error::new(Kind::Limit, message, remedy));
        };
        let after = self.from.map(|token| Rank {
            keys: token.order(),
            descending: self.descending.clone(),
            place: token.row().unwrap_or_default().to_vec(),
        });
        let mut taker = Sorted {
            ast: self.ast,
            context: self.context,
            descending: self.descending.clone(),
            after,
            most,
            rows: BTreeMap::new(),
            more: false,
        };
        let (plan, view) = (self.plan, self.view);
        let mut walk = Walk::new(view, plan, self.context, self.limits, &mut taker, false);
        walk.run(None)?;
        *stages = std::mem::take(&mut walk.stages);
        let charge = walk.visits();
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let rows: Vec<_> = taker.rows.iter().skip(skip).collect();
        let answered = self.answered + rows.len() as u64;
        let next = match rows.last() {
            Some((rank, _)) if taker.more && self.goes_on(answered) => {
                let place = rank.place.clone();
                let token = Token::of_row(&self.ast.text, plan.start, answered, place);
                Some(token.ordered(&rank.keys))
            }
            _ => None,
        };
        Ok(Page {
            rows: rows.iter().map(|(_, row)| self.shown(row)).collect(),
            next,
            charge,
        })
    }

    fn groups(&self, stages: &mut Vec<Stage>) -> Result<Page, Error> {
        let mut taker = Groups {
            ast: self.ast,
            context: self.context,
            most: self.limits.groups,
            groups: BTreeMap::new(),
        };
        let mut charge = 1;
        if self.ast.group.is_empty() {
            // Without keys there is one group, of nothing if need be.
            let fresh = tallies(&self.ast.aggregates);
            taker.groups.insert(GroupKey(Vec::new()), fresh);
        }
        if let Some(count) = self.plan.counted {
            let all = taker.groups.values_mut().flatten();
            all.for_each(|tally| tally.set_count(count));
        } else {
            let (plan, view) = (self.plan, self.view);
            let mut walk = Walk::new(view, plan, self.context, self.limits, &mut taker, false);
            walk.run(None)?;
            *stages = std::mem::take(&mut walk.stages);
            charge = walk.visits();
        }
        let mut ranked: Vec<(Rank<GroupKey>, Vec<Tally>)> = taker
            .groups
            .into_iter()
            .map(|(group, tallies)| (self.ranked(group, &tallies), tallies))
            .collect();
        ranked.sort_by(|(a, _), (b, _)| a.cmp(b));
        let after = self.from.map(|token| Rank {
            keys: token.order(),
            descending: self.descending.clone(),
            place: GroupKey(token.group().unwrap_or_default()),
        });
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let mut rest = ranked
            .into_iter()
            .filter(|(rank, _)| after.as_ref().is_none_or(|after| rank > after))
            .skip(skip);
        let groups: Vec<_> = rest.by_ref().take(self.size).collect();
        let answered = self.answered + groups.len() as u64;
        let next = match groups.last() {
            Some((rank, _)) if rest.next().is_some() && self.goes_on(answered) => {
                let text = &self.ast.text;
                let token = Token::of_group(text, self.plan.start, answered, &rank.place.0);
                Some(token.ordered(&rank.keys))
            }
            _ => None,
        };
        let shown = |(rank, tallies): &(Rank<GroupKey>, Vec<Tally>)| {
            self.columns(|what| self.of_group(what, &rank.place, tallies))
        };
        Ok(Page {
            rows: groups.iter().map(shown).collect(),
            next,
            charge,
        })
    }

    fn ranked(&self, place: GroupKey, tallies: &[Tally]) -> Rank<GroupKey> {
        let keys = self.ast.order.iter();
        Rank {
            keys: keys
                .map(|o| self.of_group(&o.what, &place, tallies))
                .collect(),
            descending: self.descending.clone(),
            place,
        }
    }

    fn of_group(&self, what: &What, group: &GroupKey, tallies: &[Tally]) -> Option<Value> {
        match what {
            What::Aggregate(place) => tallies.get(*place)?.value(),
            What::Path(path) => {
                let at = self.ast.group.iter().position(|key| key == path)?;
                group.0.get(at)?.clone()
            }
        }
    }

    fn columns(&self, value: impl Fn(&What) -> Option<Value>) -> Value {
        let columns: &[Column] = match &self.ast.select {
            Select::Star => &[],
            Select::Columns(columns) => columns,
        };
        let fields = columns
            .iter()
            .filter_map(|column| Some((column.key.clone(), value(&column.what)?)));
        Value::Object(fields.collect())
    }

    /// A row as the answer shows it.
    fn shown(&self, row: &Row) -> Value {
        if let Select::Columns(_) = self.ast.select {
            return self.columns(|what| match what {
                What::Path(path) => self.context.shown(path, row),
                What::Aggregate(_) => None,
            });
        }
        let pattern = &self.ast.pattern;
        let whole = |var| {
            let path = Path {
                var,
                root: Root::Whole,
                rest: Vec::new(),
            };
            self.context.shown(&path, row)
        };
        match pattern.source {
            Source::Twins => whole(Var::Node(0)).unwrap_or_default(),
            Source::Relationships => whole(Var::Edge(0)).unwrap_or_default(),
            Source::Join | Source::Match => {
                let fields = pattern.named.iter().filter_map(|var| {
                    let name = match var {
                        Var::Node(node) => pattern.nodes.get(*node)?,
                        Var::Edge(edge) => pattern.edges.get(*edge)?,
                    };
                    Some((name.clone()?, whole(*var)?))
                });
                Value::Object(fields.collect())
            }
        }
    }

    /// One row for each line of the plan, with what was expected and what was met.
    fn explained(&self, stages: &[Stage], rows: usize) -> Vec<Value> {
        let number = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let lines = self.plan.lines().into_iter().enumerate().map(|(n, line)| {
            let estimate = self.plan.estimates.get(n).copied().unwrap_or_default();
            let met = stages.get(n).cloned().unwrap_or_default();
            Value::Object(Arc::new([
                ("step".into(), Value::text(line)),
                ("estimate".into(), Value::Double(estimate.round())),
                ("visited".into(), number(met.visits)),
                ("rows".into(), number(met.rows)),
            ]))
        });
        let answer = Value::Object(Arc::new([
            ("step".into(), Value::text(self.last_step())),
            ("rows".into(), number(rows as u64)),
        ]));
        lines.chain([answer]).collect()
    }

    fn last_step(&self) -> &'static str {
        match (self.ast.grouped(), self.ast.order.is_empty()) {
            (true, true) => "group; a page of groups",
            (true, false) => "group, order; a page of groups",
            (false, true) => "a page, in the order of the walk",
            (false, false) => "the first rows of the order",
        }
    }
}
