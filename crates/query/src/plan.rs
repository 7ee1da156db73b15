//! How a query will be answered: where to begin, along which relationships to go on, and which
//! condition to ask when.
//!
//! A plan begins at the twin variable that costs least, whichever end of a pattern it stands at:
//! found by id, by model, or by looking at all. It never changes what the answer is, only in which
//! order rows come and what they cost.

mod access;

use crate::{
    Query,
    ast::{Ast, Direction, Expr, Op, Source, Var},
    model,
};
pub(crate) use access::Access;
use access::Constraint;
use gemelli_engine::View;
use gemelli_model::InterfaceId;
use std::{collections::BTreeSet, fmt, sync::Arc};

/// How a query will be answered on a view. Shows itself as EXPLAIN does, without what was visited.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) ast: Arc<Ast>,
    /// Interfaces that belong to each model that the query asks for.
    pub(crate) models: Vec<BTreeSet<InterfaceId>>,
    /// The twin variable that it begins at.
    pub(crate) start: usize,
    pub(crate) access: Access,
    pub(crate) steps: Vec<Step>,
    /// Conditions asked at the start, then behind each step.
    pub(crate) checks: Vec<Checks>,
    /// Rows expected at the start, then behind each step.
    pub(crate) estimates: Vec<f64>,
    /// The index alone knows the count that is asked for.
    pub(crate) counted: Option<u64>,
}

/// One relationship condition, from a twin that is known.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub link: usize,
    pub from: usize,
    pub to: usize,
    /// As seen from `from`.
    pub direction: Direction,
    /// The twin at the other end is known too.
    pub closes: bool,
}

/// Conditions that can be asked at one place of a plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checks {
    /// Places among the filter's conditions.
    pub conditions: Vec<usize>,
    /// What a visit costs.
    pub weight: u64,
    terms: usize,
}

/// Terms of conditions that cost as much as a visit.
const TERMS_PER_VISIT: usize = 16;

/// Plans a query on a view.
pub fn plan(query: &Query, view: &View) -> Plan {
    Plan::new(query.0.clone(), view, None)
}

impl Plan {
    /// With `start` given, begins there: the pages of one answer have to come in one order.
    pub(crate) fn new(ast: Arc<Ast>, view: &View, start: Option<usize>) -> Self {
        let models: Vec<_> = ast.models.iter().map(|m| model::members(m, view)).collect();
        let mut candidates: Vec<(usize, Access, f64)> = Vec::new();
        for node in 0..ast.pattern.nodes.len() {
            let constraint = Constraint::of(&ast, &models, node);
            if ast.pattern.source == Source::Relationships
                && node == 1
                && !constraint.all_there(view)
            {
                // A relationship whose target is gone can be found from its source alone.
                continue;
            }
            let access = Access::of(constraint, view);
            let cost = access.estimate(view);
            candidates.push((node, access, cost));
        }
        let wanted = |(node, _, _): &&(usize, Access, f64)| Some(*node) == start;
        let chosen = candidates.iter().find(wanted).or_else(|| {
            candidates.iter().min_by(|(a, _, x), (b, _, y)| {
                let x = x * selectivity(&ast, *a);
                let y = y * selectivity(&ast, *b);
                x.total_cmp(&y)
            })
        });
        let (start, access, rows) = chosen.cloned().unwrap_or((0, Access::All, 0.0));
        let steps = steps(&ast, start);
        let checks = checks(&ast, &models, start, &access, &steps);
        let fan = view.relationship_count() as f64 / view.count().max(1) as f64;
        let mut estimates = vec![rows * selectivity(&ast, start)];
        for step in &steps {
            let before = estimates.last().copied().unwrap_or_default();
            let hops = ast.pattern.links.get(step.link).map_or(1, |l| l.high);
            let far = selectivity(&ast, step.to);
            let hops = i32::try_from(hops).unwrap_or(1);
            estimates.push(before * fan.max(0.01).powi(hops) * far);
        }
        let counted = counted(&ast, &access, &checks, view);
        Self {
            ast,
            models,
            start,
            access,
            steps,
            checks,
            estimates,
            counted,
        }
    }

    /// What each line of EXPLAIN is about.
    pub(crate) fn lines(&self) -> Vec<String> {
        let name = |node: usize| {
            let name = self.ast.pattern.nodes.get(node).and_then(Clone::clone);
            name.map_or_else(|| format!("#{node}"), |name| name.to_string())
        };
        if self.counted.is_some() {
            return vec!["count from the index".into()];
        }
        let mut lines = vec![format!(
            "begin at {}: {}{}",
            name(self.start),
            self.access,
            self.asked(0)
        )];
        for (n, step) in self.steps.iter().enumerate() {
            let Some(link) = self.ast.pattern.links.get(step.link) else {
                continue;
            };
            let (tail, head) = match step.direction {
                Direction::Out => ("-", "->"),
                Direction::In => ("<-", "-"),
                Direction::Both => ("-", "-"),
            };
            let names = match link.names.as_slice() {
                [] => String::new(),
                names => format!(":{}", names.join("|")),
            };
            let hops = match (link.low, link.high) {
                (1, 1) => String::new(),
                (low, high) if low == high => format!("*{low}"),
                (low, high) => format!("*{}..{high}", low - 1),
            };
            let verb = if step.closes { "check" } else { "go along" };
            lines.push(format!(
                "{verb} ({}){tail}[{names}{hops}]{head}({}){}",
                name(step.from),
                name(step.to),
                self.asked(n + 1)
            ));
        }
        lines
    }

    fn asked(&self, stage: usize) -> String {
        match self.checks.get(stage).map_or(0, |c| c.conditions.len()) {
            0 => String::new(),
            1 => ", 1 condition".into(),
            n => format!(", {n} conditions"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, line) in self.lines().into_iter().enumerate() {
            let rows = self.estimates.get(n).copied().unwrap_or_default();
            writeln!(f, "{line} (about {rows:.0} rows)")?;
        }
        Ok(())
    }
}

/// Relationship conditions in the order of going along them.
fn steps(ast: &Ast, start: usize) -> Vec<Step> {
    let mut known = BTreeSet::from([start]);
    let mut waiting: Vec<usize> = (0..ast.pattern.links.len()).collect();
    let mut steps = Vec::new();
    while !waiting.is_empty() {
        let next = waiting.iter().enumerate().find_map(|(at, link)| {
            let l = ast.pattern.links.get(*link)?;
            let forward = known.contains(&l.from);
            (forward || known.contains(&l.to)).then_some((at, *link, l, forward))
        });
        let Some((at, link, l, forward)) = next else {
            // A pattern hangs together, so this is never reached.
            break;
        };
        let (from, to, direction) = match forward {
            true => (l.from, l.to, l.direction),
            false => (l.to, l.from, l.direction.reversed()),
        };
        waiting.remove(at);
        steps.push(Step {
            link,
            from,
            to,
            direction,
            closes: !known.insert(to),
        });
    }
    steps
}

/// Each condition goes to the first place where all its variables are known.
fn checks(
    ast: &Ast,
    models: &[BTreeSet<InterfaceId>],
    start: usize,
    access: &Access,
    steps: &[Step],
) -> Vec<Checks> {
    let mut checks = vec![
        Checks {
            weight: 1,
            ..Checks::default()
        };
        steps.len() + 1
    ];
    let stage_of = |var: Var| match var {
        Var::Node(node) if node == start => 0,
        Var::Node(node) => steps
            .iter()
            .position(|s| s.to == node)
            .map_or(0, |at| at + 1),
        Var::Edge(edge) => {
            let of = |s: &Step| ast.pattern.links.get(s.link).and_then(|l| l.edge) == Some(edge);
            steps.iter().position(of).map_or(0, |at| at + 1)
        }
    };
    for (n, condition) in ast.filter.iter().enumerate() {
        let mut stage = 0;
        let terms = condition.walk(&mut |var| stage = stage.max(stage_of(var)));
        if let (Expr::OfModel(node, model), Access::Kinds(kinds)) = (condition, access)
            && *node == start
            && models.get(*model).is_some_and(|m| kinds.is_subset(m))
        {
            // Found by it.
            continue;
        }
        if let Some(checks) = checks.get_mut(stage) {
            checks.conditions.push(n);
            checks.terms += terms;
            checks.weight = 1 + (checks.terms / TERMS_PER_VISIT) as u64;
        }
    }
    checks
}

/// Which share of a variable's twins its own conditions may leave: a guess.
fn selectivity(ast: &Ast, node: usize) -> f64 {
    let own = ast.filter.iter().filter(|condition| {
        let mut only = true;
        let mut any = false;
        condition.walk(&mut |var| {
            any = true;
            only &= var == Var::Node(node);
        });
        any && only && !matches!(condition, Expr::OfModel(..)) && !access::is_id(condition)
    });
    own.map(|condition| match condition {
        Expr::Compare(crate::ast::Compare::Equal, ..) => 0.1,
        _ => 0.5,
    })
    .product()
}

/// What COUNT() comes to where an index knows it.
fn counted(ast: &Ast, access: &Access, checks: &[Checks], view: &View) -> Option<u64> {
    let only_count = !ast.aggregates.is_empty()
        && ast.group.is_empty()
        && ast
            .aggregates
            .iter()
            .all(|a| a.op == Op::Count && a.of.is_none());
    if !only_count || checks.iter().any(|c| !c.conditions.is_empty()) {
        return None;
    }
    let count = match (ast.pattern.source, access) {
        (Source::Relationships, Access::All) => view.relationship_count(),
        (Source::Twins, Access::All) => view.count(),
        (Source::Twins, Access::Kinds(kinds)) => access::count(kinds, view),
        (Source::Match, Access::All) if ast.pattern.links.is_empty() => view.count(),
        _ => return None,
    };
    u64::try_from(count).ok()
}
