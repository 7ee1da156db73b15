//! Finding the rows of a pattern, one after another, in the order of their places.
//!
//! A row's place is what was chosen on the way to it: the first twin's id, then one relationship for
//! each hop. It means the same on any view, so a walk can go on behind a place after twins and
//! relationships came or went. Depth is bounded by the pattern's links times their hops.

use crate::{
    ast::{Direction, Link, Source},
    error::{Error, Kind},
    eval::{Context, Row},
    limits::{DEADLINE_EVERY, Limits},
    plan::{Access, Plan, Step},
};
use gemelli_engine::{Outward, TwinRef, View};
use gemelli_event::record::Edge;
use gemelli_model::{InterfaceId, TwinId};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    ops::Bound,
    sync::Arc,
};

/// One choice on the way to a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Key {
    /// The twin to begin at.
    #[serde(rename = "t")]
    Twin(TwinId),
    /// No more hops of this condition.
    #[serde(rename = "s")]
    Stop,
    /// Along a relationship.
    #[serde(rename = "o")]
    Out(Arc<str>),
    /// Against one: name, source, id.
    #[serde(rename = "i")]
    In(Arc<str>, TwinId, Arc<str>),
}

/// Why a walk ends early.
pub(crate) enum Halt {
    /// Nobody wants more rows.
    Done,
    /// The visits that [`Next::Within`] allows are spent.
    Spent,
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What the taker of a row wants next.
pub(crate) enum Next {
    More,
    /// One more row, if it can be found with so many visits.
    Within(u64),
    Enough,
}

/// Takes rows.
pub(crate) trait Take {
    fn row(&mut self, row: &Row, place: &[Key]) -> Result<Next, Error>;
}

type Walked = Result<(), Halt>;

/// Visits and rows at each place of a plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stage {
    pub visits: u64,
    pub rows: u64,
}

pub(crate) struct Walk<'a> {
    pub view: &'a View,
    pub plan: &'a Plan,
    pub context: Context<'a>,
    pub limits: &'a Limits<'a>,
    pub taker: &'a mut dyn Take,
    /// Whether rows have to come in the order of their places.
    pub ordered: bool,
    pub stages: Vec<Stage>,
    visits: u64,
    next_look: u64,
    last_visit: Option<u64>,
    row: Row,
    place: Vec<Key>,
    /// Relationships of the row, where each may be used once only.
    used: Vec<(TwinId, Arc<str>)>,
    once: bool,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        view: &'a View,
        plan: &'a Plan,
        context: Context<'a>,
        limits: &'a Limits<'a>,
        taker: &'a mut dyn Take,
        ordered: bool,
    ) -> Self {
        let pattern = &plan.ast.pattern;
        let hops: u32 = pattern.links.iter().map(|l| l.high).sum();
        Self {
            view,
            plan,
            context,
            limits,
            taker,
            ordered,
            stages: vec![Stage::default(); plan.steps.len() + 1],
            visits: 0,
            next_look: DEADLINE_EVERY,
            last_visit: None,
            row: Row {
                nodes: vec![None; pattern.nodes.len()],
                edges: vec![None; pattern.edges.len()],
            },
            place: Vec::new(),
            used: Vec::new(),
            once: pattern.source == Source::Match && hops > 1,
        }
    }

    /// All visits so far.
    pub(crate) fn visits(&self) -> u64 {
        self.visits
    }

    /// Shows all rows, or those behind a place. False: it ended early, and there may be more.
    pub(crate) fn run(&mut self, after: Option<&[Key]>) -> Result<bool, Error> {
        match self.begin(after) {
            Ok(()) => Ok(true),
            Err(Halt::Done | Halt::Spent) => Ok(false),
            Err(Halt::Failed(error)) => Err(error),
        }
    }

    fn begin(&mut self, after: Option<&[Key]>) -> Walked {
        let (view, plan) = (self.view, self.plan);
        let first = match after {
            Some([Key::Twin(id), ..]) => Some(id.as_str()),
            _ => None,
        };
        let from = first.map_or(Bound::Unbounded, Bound::Included);
        match &plan.access {
            Access::Ids(ids) => {
                for id in ids.range::<str, _>((from, Bound::Unbounded)) {
                    self.candidate_id(id, after)?;
                }
            }
            Access::Kinds(kinds) if self.ordered && kinds.len() > 1 => {
                self.merged(kinds, from, after)?;
            }
            Access::Kinds(kinds) => {
                for kind in kinds {
                    for id in view.of_kind(kind.as_str(), from) {
                        self.candidate_id(id.as_str(), after)?;
                    }
                }
            }
            Access::All if self.ordered => {
                for id in view.ids_from(from) {
                    self.candidate_id(id.as_str(), after)?;
                }
            }
            Access::All => {
                for twin in view.unordered() {
                    self.candidate(twin, None)?;
                }
            }
        }
        Ok(())
    }

    /// The twins of several interfaces in the order of their ids.
    fn merged(
        &mut self,
        kinds: &BTreeSet<InterfaceId>,
        from: Bound<&str>,
        after: Option<&[Key]>,
    ) -> Walked {
        let view = self.view;
        let mut each: Vec<_> = kinds
            .iter()
            .map(|kind| view.of_kind(kind.as_str(), from))
            .collect();
        let mut heads: BinaryHeap<Reverse<(&TwinId, usize)>> = BinaryHeap::new();
        for (n, ids) in each.iter_mut().enumerate() {
            heads.extend(ids.next().map(|id| Reverse((id, n))));
        }
        while let Some(Reverse((id, n))) = heads.pop() {
            self.candidate_id(id.as_str(), after)?;
            let next = each.get_mut(n).and_then(Iterator::next);
            heads.extend(next.map(|id| Reverse((id, n))));
        }
        Ok(())
    }

    fn candidate_id(&mut self, id: &str, after: Option<&[Key]>) -> Walked {
        match self.view.exact(id) {
            Some(twin) => self.candidate(twin, after),
            None => Ok(()),
        }
    }

    fn candidate(&mut self, twin: TwinRef, after: Option<&[Key]>) -> Walked {
        self.visit(0)?;
        let key = Key::Twin(twin.id().clone());
        let after = behind(after, &key);
        if let Some(node) = self.row.nodes.get_mut(self.plan.start) {
            *node = Some(twin);
        }
        if !self.passes(0) {
            return Ok(());
        }
        self.place.push(key);
        let walked = self.step(0, after);
        self.place.pop();
        walked
    }

    /// The row so far is good for the steps before `n`.
    fn step(&mut self, n: usize, after: Option<&[Key]>) -> Walked {
        let plan = self.plan;
        let Some(step) = plan.steps.get(n) else {
            return self.emit(after);
        };
        let Some(link) = plan.ast.pattern.links.get(step.link) else {
            return Ok(());
        };
        let Some(from) = self.row.nodes.get(step.from).cloned().flatten() else {
            return Ok(());
        };
        self.hop(n, (step, link), &from, 0, after)
    }

    fn emit(&mut self, after: Option<&[Key]>) -> Walked {
        if after.is_some() {
            // The last row of the page before.
            return Ok(());
        }
        match self.taker.row(&self.row, &self.place)? {
            Next::More => Ok(()),
            Next::Within(visits) => {
                self.last_visit = Some(self.visits.saturating_add(visits));
                Ok(())
            }
            Next::Enough => Err(Halt::Done),
        }
    }

    /// Stands at a twin after some hops of a condition.
    fn hop(
        &mut self,
        n: usize,
        (step, link): (&Step, &Link),
        at: &TwinRef,
        hops: u32,
        after: Option<&[Key]>,
    ) -> Walked {
        let mut after = after;
        if hops >= link.low {
            if link.high == 1 {
                return self.arrive(n, step, Some(at), after);
            }
            match after {
                Some([Key::Stop, rest @ ..]) => {
                    self.stop(n, step, at, Some(rest))?;
                    after = None;
                }
                Some([_, ..]) => {}
                _ => self.stop(n, step, at, None)?,
            }
        }
        if hops >= link.high {
            return Ok(());
        }
        if step.direction != Direction::In {
            self.outward(n, (step, link), at, hops, after)?;
        }
        if step.direction != Direction::Out {
            self.inward(n, (step, link), at, hops, after)?;
        }
        Ok(())
    }

    fn stop(&mut self, n: usize, step: &Step, at: &TwinRef, after: Option<&[Key]>) -> Walked {
        self.place.push(Key::Stop);
        let walked = self.arrive(n, step, Some(at), after);
        self.place.pop();
        walked
    }

    fn outward(
        &mut self,
        n: usize,
        on: (&Step, &Link),
        at: &TwinRef,
        hops: u32,
        after: Option<&[Key]>,
    ) -> Walked {
        let from = match after {
            Some([Key::Out(id), ..]) => Some(&**id),
            Some([Key::In(..), ..]) => return Ok(()),
            _ => None,
        };
        let lone = self.plan.ast.pattern.source == Source::Relationships;
        for edge in at.outward(from) {
            self.visit(n + 1)?;
            if !named(on.1, edge.name()) || self.was_used(at.id(), edge.id) {
                continue;
            }
            // A row of RELATIONSHIPS is the relationship alone, its target there or not.
            let far = match lone {
                true => None,
                false => match self.view.exact(edge.target().as_str()) {
                    None => continue,
                    found => found,
                },
            };
            let key = Key::Out(edge.id.clone());
            self.along(n, on, (key, edge, far.as_ref()), hops, after)?;
        }
        Ok(())
    }

    fn inward(
        &mut self,
        n: usize,
        on: (&Step, &Link),
        at: &TwinRef,
        hops: u32,
        after: Option<&[Key]>,
    ) -> Walked {
        let from = match after {
            Some([Key::In(name, source, id), ..]) => Some((&**name, source.as_str(), &**id)),
            _ => None,
        };
        for edge in at.inward(from) {
            self.visit(n + 1)?;
            let own = on.0.direction == Direction::Both && edge.source() == at.id();
            if own || !named(on.1, edge.name()) || self.was_used(edge.source(), edge.id()) {
                continue;
            }
            let Some(far) = self.view.exact(edge.source().as_str()) else {
                continue;
            };
            let Some(outward) = far.outward_of(edge.id()) else {
                continue;
            };
            let key = Key::In(
                edge.name().clone(),
                edge.source().clone(),
                edge.id().clone(),
            );
            self.along(n, on, (key, outward, Some(&far)), hops, after)?;
        }
        Ok(())
    }

    /// Goes along one relationship.
    fn along(
        &mut self,
        n: usize,
        (step, link): (&Step, &Link),
        (key, edge, far): (Key, Outward<'_>, Option<&TwinRef>),
        hops: u32,
        after: Option<&[Key]>,
    ) -> Walked {
        let after = behind(after, &key);
        let whole = (self.once || link.edge.is_some()).then(|| edge.whole());
        if let (true, Some(Edge { source, id, .. })) = (self.once, &whole) {
            self.used.push((source.clone(), id.clone()));
        }
        if let Some(place) = link.edge.and_then(|e| self.row.edges.get_mut(e)) {
            *place = whole;
        }
        self.place.push(key);
        let walked = match far {
            Some(far) => self.hop(n, (step, link), far, hops + 1, after),
            None => self.arrive(n, step, None, after),
        };
        self.place.pop();
        if self.once {
            self.used.pop();
        }
        walked
    }

    /// A condition is met, with this twin at its other end.
    fn arrive(
        &mut self,
        n: usize,
        step: &Step,
        at: Option<&TwinRef>,
        after: Option<&[Key]>,
    ) -> Walked {
        let Some(node) = self.row.nodes.get_mut(step.to) else {
            return Ok(());
        };
        if step.closes {
            let known = node.as_ref().map(TwinRef::id);
            if known != at.map(TwinRef::id) {
                return Ok(());
            }
        } else {
            *node = at.cloned();
        }
        if !self.passes(n + 1) {
            return Ok(());
        }
        self.step(n + 1, after)
    }

    fn passes(&mut self, stage: usize) -> bool {
        let checks = self.plan.checks.get(stage);
        let mut conditions = checks.into_iter().flat_map(|c| &c.conditions);
        let (context, row, filter) = (&self.context, &self.row, &self.plan.ast.filter);
        let passes = conditions.all(|n| filter.get(*n).is_some_and(|c| context.holds(c, row)));
        if let Some(stage) = self.stages.get_mut(stage).filter(|_| passes) {
            stage.rows += 1;
        }
        passes
    }

    fn was_used(&self, source: &TwinId, id: &Arc<str>) -> bool {
        self.once && self.used.iter().any(|(s, i)| i == id && s == source)
    }

    fn visit(&mut self, stage: usize) -> Walked {
        let weight = self.plan.checks.get(stage).map_or(1, |c| c.weight);
        self.visits += weight;
        if let Some(stage) = self.stages.get_mut(stage) {
            stage.visits += 1;
        }
        let most = self.limits.visits;
        if self
            .last_visit
            .is_some_and(|last| self.visits > last.min(most))
        {
            return Err(Halt::Spent);
        }
        if self.visits > self.limits.visits {
            let message = format!(
                "the query looked at {} twins and relationships and was not done",
                self.limits.visits
            );
            let remedy =
                "narrow it by $dtId or IS_OF_MODEL; EXPLAIN shows what it looks at (limit visits)";
            return Err(Error::new(Kind::Limit, message, remedy).into());
        }
        if self.visits >= self.next_look {
            self.next_look = self.visits + DEADLINE_EVERY;
            if (self.limits.expired)() {
                let message = format!("time was up after {} visits", self.visits);
                let remedy = "narrow it by $dtId or IS_OF_MODEL; EXPLAIN shows what it looks at";
                return Err(Error::new(Kind::Timeout, message, remedy).into());
            }
        }
        Ok(())
    }
}

fn named(link: &Link, name: &Arc<str>) -> bool {
    link.names.is_empty() || link.names.iter().any(|n| n == name)
}

/// What is left of a place behind its first key; none if the walk has left that place already.
fn behind<'k>(after: Option<&'k [Key]>, key: &Key) -> Option<&'k [Key]> {
    match after {
        Some([first, rest @ ..]) if first == key => Some(rest),
        _ => None,
    }
}
