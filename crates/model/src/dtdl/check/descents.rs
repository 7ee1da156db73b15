//! What bounds the elements below one: depth, circles, counts, exclusions.
//!
//! A rule follows some properties (narrow), or all of them (wide), and counts the ones that it
//! names; where it names what an Interface inherits, it looks through inheritance.

use super::graph::{Child, Edge, Graph, Marks};
use crate::dtdl::read::Reader;
use crate::dtdl::tables::{Descent, Tables};
use std::collections::BTreeMap;

/// Elements of the language that lie within one another: more than any does.
const BROUGHT_DEPTH: usize = 16;

/// How far the walk over an element has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// A rule and how it follows references.
struct Way<'t> {
    rule: &'t Descent,
    tables: &'t Tables,
    /// Properties through which it looks without counting.
    through: Vec<&'t str>,
}

impl<'t> Way<'t> {
    fn new(rule: &'t Descent, tables: &'t Tables) -> Self {
        let imports = tables.descents.iter().filter(|other| {
            other.dtdl_version == rule.dtdl_version
                && rule.narrow
                && other
                    .import_properties
                    .iter()
                    .any(|name| rule.properties.contains(name))
        });
        let through = imports.flat_map(|other| other.properties.iter().map(String::as_str));
        Self {
            rule,
            tables,
            through: through.collect(),
        }
    }

    fn counts(&self, property: &str) -> bool {
        self.rule.properties.iter().any(|name| name == property)
    }

    fn follows(&self, property: &str) -> bool {
        !self.rule.narrow || self.counts(property) || self.through.contains(&property)
    }

    fn is_root(&self, graph: &Graph<'_>, number: usize) -> bool {
        graph.at(number).is_some_and(|element| {
            element.class == self.rule.root_class && element.version == self.rule.dtdl_version
        })
    }

    /// Levels that an element of the language has below it.
    fn brought_depth(&self, id: &str, left: usize) -> usize {
        let Some((_, standard)) = self.tables.standard(id).filter(|_| left > 0) else {
            return 0;
        };
        let depths = standard
            .children()
            .filter(|(name, _)| self.follows(name))
            .map(|(name, id)| usize::from(self.counts(name)) + self.brought_depth(id, left - 1));
        depths.max().unwrap_or(0)
    }

    /// Whether an element of the language holds one of a class, by a property that counts.
    fn brought_holds(&self, id: &str, class: &str, left: usize) -> bool {
        let Some((_, standard)) = self.tables.standard(id).filter(|_| left > 0) else {
            return false;
        };
        let mut children = standard.children().filter(|(name, _)| self.follows(name));
        children.any(|(name, id)| {
            let is = || {
                self.tables
                    .standard(id)
                    .and_then(|(_, child)| child.class())
                    == Some(class)
            };
            self.counts(name) && is() || self.brought_holds(id, class, left - 1)
        })
    }
}

impl Reader<'_> {
    pub(super) fn descents(&mut self, graph: &mut Graph<'_>) {
        let tables = self.tables;
        // Rules that differ in the class of their roots only share one walk.
        let mut walks: BTreeMap<(u8, bool, &[String]), Vec<Way<'_>>> = BTreeMap::new();
        for rule in &tables.descents {
            let way = Way::new(rule, tables);
            if !(0..graph.elements.len()).any(|number| way.is_root(graph, number)) {
                continue;
            }
            if let Some(excluded) = &rule.exclude_type {
                self.exclusion(&way, excluded, graph);
                continue;
            }
            if rule.datatype_property.is_some() {
                continue;
            }
            if !rule.max_count.is_empty() {
                self.counted(&way, graph);
            }
            if !rule.max_depth.is_empty() || !rule.allow_self {
                let walk = (rule.dtdl_version, rule.narrow, rule.properties.as_slice());
                walks.entry(walk).or_default().push(way);
            }
        }
        for ways in walks.values() {
            self.depths(ways, graph);
        }
    }

    /// Depth and circles. Every element is walked once; what an element in a circle has below it
    /// is counted as far as the circle is open.
    fn depths(&mut self, ways: &[Way<'_>], graph: &Graph<'_>) {
        let Some(first) = ways.first() else { return };
        let size = graph.elements.len();
        let mut states = vec![State::New; size];
        let mut depths = vec![0_usize; size];
        let mut told = vec![false; size];
        for root in 0..size {
            if states.get(root) != Some(&State::New)
                || !ways.iter().any(|way| way.is_root(graph, root))
            {
                continue;
            }
            let mut open: Vec<(usize, usize)> = vec![(root, 0)];
            set(&mut states, root, State::Open);
            while let Some((number, next)) = open.last_mut() {
                let number = *number;
                let Some(edge) = graph.edges(number).get(*next).copied() else {
                    open.pop();
                    set(&mut states, number, State::Done);
                    let deep = self.deep(
                        ways,
                        graph,
                        number,
                        get(&depths, number),
                        get(&told, number),
                    );
                    if let Some((parent, next)) = open.last() {
                        let by = graph.edges(*parent).get(next - 1);
                        let step = by.is_some_and(|by| first.counts(by.property));
                        let below = get(&depths, number) + usize::from(step);
                        raise(&mut depths, *parent, below);
                        if deep {
                            set(&mut told, *parent, true);
                        }
                    }
                    if deep {
                        set(&mut told, number, true);
                    }
                    continue;
                };
                *next += 1;
                if !first.follows(edge.property) {
                    continue;
                }
                let step = usize::from(first.counts(edge.property));
                match edge.child {
                    Child::Brought(id) => {
                        let below = first.brought_depth(id, BROUGHT_DEPTH);
                        raise(&mut depths, number, step + below);
                    }
                    Child::Written(child) => match states.get(child) {
                        Some(State::New) => {
                            set(&mut states, child, State::Open);
                            open.push((child, 0));
                        }
                        Some(State::Done) => {
                            let below = step + get(&depths, child);
                            raise(&mut depths, number, below);
                            if get(&told, child) {
                                set(&mut told, number, true);
                            }
                        }
                        _ => self.circle(ways, graph, &open, child),
                    },
                }
            }
        }
    }

    /// Tells that an element has too much below it, unless one below it was told; whether it has.
    fn deep(
        &mut self,
        ways: &[Way<'_>],
        graph: &Graph<'_>,
        number: usize,
        depth: usize,
        told: bool,
    ) -> bool {
        let Some(element) = graph.at(number).filter(|_| !told) else {
            return told;
        };
        let Some(way) = ways.iter().find(|way| way.is_root(graph, number)) else {
            return false;
        };
        let Some(most) = way
            .rule
            .max_depth
            .get(&*element.limits)
            .filter(|most| depth > **most)
        else {
            return false;
        };
        let kind = match way.rule.narrow {
            true => "excessiveDepthNarrow",
            false => "excessiveDepthWide",
        };
        let property = way.rule.properties.first().map_or("", String::as_str);
        let message =
            format!("elements lie {depth} deep below it, and {most} are allowed; make it flatter");
        self.tell(kind, element, property, None, message);
        true
    }

    /// Tells of a circle, at the first element in it that the rule is about.
    fn circle(&mut self, ways: &[Way<'_>], graph: &Graph<'_>, open: &[(usize, usize)], to: usize) {
        let at = open.iter().position(|(number, _)| *number == to);
        let round = at.and_then(|at| open.get(at..)).unwrap_or_default();
        // A circle of inheritance alone is for the rule on inheritance to tell.
        let counts = |(number, next): &(usize, usize)| {
            let taken = graph.edges(*number).get(next - 1);
            taken.is_some_and(|edge| ways.iter().any(|way| way.counts(edge.property)))
        };
        if !round.iter().any(counts) {
            return;
        }
        let found = round.iter().map(|(number, _)| *number).find_map(|number| {
            let way = ways.iter().find(|way| way.is_root(graph, number))?;
            (!way.rule.allow_self).then_some((way, number))
        });
        let Some((way, element)) = found.and_then(|(way, number)| Some((way, graph.at(number)?)))
        else {
            return;
        };
        let kind = match way.rule.narrow {
            true => "recursiveStructureNarrow",
            false => "recursiveStructureWide",
        };
        let property = way.rule.properties.first().map_or("", String::as_str);
        let message = format!("the {} contains itself; break the circle", element.class);
        self.tell(kind, element, property, None, message);
    }

    /// How many values there are below: each value of each element once, on however many ways.
    fn counted(&mut self, way: &Way<'_>, graph: &mut Graph<'_>) {
        let size = graph.elements.len();
        let counts = |edge: &&Edge<'_>| way.counts(edge.property);
        let all = graph.edges.iter().flatten().filter(counts).count();
        let least = way.rule.max_count.values().min().copied().unwrap_or(0);
        if all <= least {
            return;
        }
        let mut marks = Marks::new(size);
        for root in 0..size {
            let Some(element) = graph.at(root).filter(|_| way.is_root(graph, root)) else {
                continue;
            };
            let Some(most) = way.rule.max_count.get(&*element.limits) else {
                continue;
            };
            marks.clear();
            marks.set(root);
            let (mut next, mut count) = (vec![root], 0);
            while let Some(number) = next.pop().filter(|_| count <= *most) {
                if !graph.take(1 + graph.edges(number).len()) {
                    return;
                }
                for edge in graph
                    .edges(number)
                    .iter()
                    .filter(|edge| way.follows(edge.property))
                {
                    count += usize::from(way.counts(edge.property));
                    if let Child::Written(child) = edge.child
                        && marks.set(child)
                    {
                        next.push(child);
                    }
                }
            }
            if count > *most {
                let property = way.rule.properties.first().map_or("", String::as_str);
                let message = format!(
                    "there are more than {most} values in the hierarchy below it; split it"
                );
                self.tell("excessiveCount", element, property, None, message);
            }
        }
    }

    /// Elements of a class that cannot lie below another.
    fn exclusion<'e>(&mut self, way: &Way<'_>, excluded: &str, graph: &Graph<'e>) {
        let size = graph.elements.len();
        let mut states = vec![State::New; size];
        let mut hits: Vec<Option<&'e str>> = vec![None; size];
        for root in 0..size {
            if !way.is_root(graph, root) {
                continue;
            }
            let mut open: Vec<(usize, usize)> = Vec::new();
            if states.get(root) == Some(&State::New) {
                set(&mut states, root, State::Open);
                open.push((root, 0));
            }
            while let Some((number, next)) = open.last_mut() {
                let number = *number;
                let Some(edge) = graph.edges(number).get(*next).copied() else {
                    open.pop();
                    set(&mut states, number, State::Done);
                    if let Some((parent, _)) = open.last() {
                        let hit = get(&hits, *parent).or(get(&hits, number));
                        set(&mut hits, *parent, hit);
                    }
                    continue;
                };
                *next += 1;
                if !way.follows(edge.property) {
                    continue;
                }
                let hit = self.excluded(way, excluded, graph, edge);
                let below = match edge.child {
                    Child::Written(child) => get(&hits, child),
                    Child::Brought(_) => None,
                };
                let hit = get(&hits, number).or(hit).or(below);
                set(&mut hits, number, hit);
                if let Child::Written(child) = edge.child
                    && states.get(child) == Some(&State::New)
                {
                    set(&mut states, child, State::Open);
                    open.push((child, 0));
                }
            }
            if let (Some(element), Some(hit)) = (graph.at(root), get(&hits, root)) {
                let property = way.rule.properties.first().map_or("", String::as_str);
                let message = format!(
                    "a {} of version {} of the language has no {excluded} below it, and {hit} is or holds one; remove it",
                    element.class, element.version
                );
                self.tell("excludedType", element, property, Some(hit), message);
            }
        }
    }

    /// What a reference leads to, if that is, or as part of the language holds, what is excluded.
    fn excluded<'e>(
        &self,
        way: &Way<'_>,
        excluded: &str,
        graph: &Graph<'e>,
        edge: Edge<'e>,
    ) -> Option<&'e str> {
        let counts = way.counts(edge.property);
        match edge.child {
            Child::Brought(id) => {
                let class = self
                    .tables
                    .standard(id)
                    .and_then(|(_, child)| child.class());
                let hit = counts && class == Some(excluded);
                (hit || way.brought_holds(id, excluded, BROUGHT_DEPTH)).then_some(id)
            }
            Child::Written(child) => {
                let child = graph.at(child)?;
                (counts && child.class == excluded).then_some(&*child.id)
            }
        }
    }
}

fn get<T: Copy + Default>(list: &[T], at: usize) -> T {
    list.get(at).copied().unwrap_or_default()
}

fn set<T>(list: &mut [T], at: usize, value: T) {
    if let Some(place) = list.get_mut(at) {
        *place = value;
    }
}

fn raise(depths: &mut [usize], at: usize, depth: usize) {
    if let Some(place) = depths.get_mut(at) {
        *place = (*place).max(depth);
    }
}
