//! Topic filters and what hangs on them, found by topic.
//!
//! Levels are interned: a node knows its level as a number, and all edges stand in one table. So a filter costs
//! some tens of bytes beyond its own new levels, and a topic whose levels nobody ever named is dismissed after
//! one lookup per level. Not thread-safe; it does not validate filters.

use gemelli_mqtt::topic::MAX_LEVELS;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

const ROOT: u32 = 0;
const NONE: u32 = 0;
/// Stands for a level that no filter names.
const UNKNOWN: u32 = u32::MAX;

/// Filters with values.
#[derive(Debug)]
pub struct Trie<T> {
    levels: HashMap<Arc<str>, Level>,
    names: Vec<Option<Arc<str>>>,
    free_levels: Vec<u32>,
    edges: HashMap<(u32, u32), u32, BuildHasherDefault<Mix>>,
    nodes: Vec<Node<T>>,
    free_nodes: Vec<u32>,
    filters: usize,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    number: u32,
    edges: u32,
}

#[derive(Debug)]
struct Node<T> {
    parent: u32,
    step: Step,
    children: u32,
    plus: u32,
    hash: u32,
    values: Vec<T>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Level(u32),
    Plus,
    Hash,
}

impl<T> Node<T> {
    fn new(parent: u32, step: Step) -> Self {
        Self {
            parent,
            step,
            children: 0,
            plus: NONE,
            hash: NONE,
            values: Vec::new(),
        }
    }
}

/// Mixes two small numbers that no client chooses.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }
    fn write_u32(&mut self, n: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(n)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 29;
    }
}

impl<T> Default for Trie<T> {
    fn default() -> Self {
        Self {
            levels: HashMap::new(),
            names: Vec::new(),
            free_levels: Vec::new(),
            edges: HashMap::default(),
            nodes: vec![Node::new(ROOT, Step::Hash)],
            free_nodes: Vec::new(),
            filters: 0,
        }
    }
}

impl<T> Trie<T> {
    /// Whether no filter has a value.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.filters == 0
    }

    /// Changes the values of a filter; a filter whose values are gone costs nothing.
    pub fn edit<R>(&mut self, filter: &str, change: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let at = self.find_or_add(filter);
        let Some(node) = self.nodes.get_mut(at as usize) else {
            return change(&mut Vec::new());
        };
        let before = node.values.is_empty();
        let answer = change(&mut node.values);
        match (before, node.values.is_empty()) {
            (true, false) => self.filters += 1,
            (false, true) => self.filters -= 1,
            _ => {}
        }
        self.prune(at);
        answer
    }

    /// Visits the values of all filters that match a topic name.
    pub fn visit<'a>(&'a self, topic: &str, mut found: impl FnMut(&'a T)) {
        if self.filters == 0 {
            return;
        }
        let mut path = [UNKNOWN; MAX_LEVELS];
        let mut depth = 0;
        for (slot, level) in path.iter_mut().zip(topic.split('/')) {
            *slot = self.levels.get(level).map_or(UNKNOWN, |l| l.number);
            depth += 1;
        }
        let path = path.get(..depth).unwrap_or_default();
        self.descend(ROOT, path, topic.starts_with('$'), &mut found);
    }

    fn descend<'a>(&'a self, at: u32, path: &[u32], internal: bool, found: &mut impl FnMut(&'a T)) {
        let Some(node) = self.nodes.get(at as usize) else {
            return;
        };
        if !internal && let Some(all) = self.child(node.hash) {
            all.values.iter().for_each(&mut *found);
        }
        let Some((&level, rest)) = path.split_first() else {
            return node.values.iter().for_each(found);
        };
        if !internal && node.plus != NONE {
            self.descend(node.plus, rest, false, found);
        }
        if level != UNKNOWN
            && let Some(&next) = self.edges.get(&(at, level))
        {
            self.descend(next, rest, false, found);
        }
    }

    fn child(&self, number: u32) -> Option<&Node<T>> {
        if number == NONE {
            None
        } else {
            self.nodes.get(number as usize)
        }
    }

    fn find_or_add(&mut self, filter: &str) -> u32 {
        let mut at = ROOT;
        for level in filter.split('/') {
            at = match level {
                "+" => match self.nodes.get(at as usize).map(|n| n.plus) {
                    Some(NONE) | None => self.add(at, Step::Plus),
                    Some(next) => next,
                },
                "#" => match self.nodes.get(at as usize).map(|n| n.hash) {
                    Some(NONE) | None => self.add(at, Step::Hash),
                    Some(next) => next,
                },
                name => {
                    let number = self.intern(name);
                    match self.edges.get(&(at, number)) {
                        Some(&next) => next,
                        None => self.add(at, Step::Level(number)),
                    }
                }
            };
        }
        at
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(level) = self.levels.get(name) {
            return level.number;
        }
        let text: Arc<str> = name.into();
        let number = match self.free_levels.pop() {
            Some(number) => number,
            None => {
                self.names.push(None);
                (self.names.len() - 1) as u32
            }
        };
        if let Some(slot) = self.names.get_mut(number as usize) {
            *slot = Some(text.clone());
        }
        self.levels.insert(text, Level { number, edges: 0 });
        number
    }

    fn add(&mut self, parent: u32, step: Step) -> u32 {
        let node = Node::new(parent, step);
        let number = match self.free_nodes.pop() {
            Some(number) => {
                if let Some(slot) = self.nodes.get_mut(number as usize) {
                    *slot = node;
                }
                number
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
        if let Step::Level(level) = step {
            self.edges.insert((parent, level), number);
            self.count_edge(level, 1);
        }
        if let Some(parent) = self.nodes.get_mut(parent as usize) {
            parent.children += 1;
            match step {
                Step::Plus => parent.plus = number,
                Step::Hash => parent.hash = number,
                Step::Level(_) => {}
            }
        }
        number
    }

    fn count_edge(&mut self, level: u32, change: i32) {
        let Some(Some(name)) = self.names.get(level as usize) else {
            return;
        };
        let Some(entry) = self.levels.get_mut(name) else {
            return;
        };
        entry.edges = entry.edges.saturating_add_signed(change);
        if entry.edges == 0 {
            self.levels.remove(&name.clone());
            if let Some(slot) = self.names.get_mut(level as usize) {
                *slot = None;
            }
            self.free_levels.push(level);
        }
    }

    fn prune(&mut self, mut at: u32) {
        while at != ROOT {
            let Some(node) = self.nodes.get_mut(at as usize) else {
                return;
            };
            if node.children > 0 || !node.values.is_empty() {
                return;
            }
            let (parent, step) = (node.parent, node.step);
            node.values = Vec::new();
            self.free_nodes.push(at);
            if let Some(parent) = self.nodes.get_mut(parent as usize) {
                parent.children -= 1;
                match step {
                    Step::Plus => parent.plus = NONE,
                    Step::Hash => parent.hash = NONE,
                    Step::Level(_) => {}
                }
            }
            if let Step::Level(level) = step {
                self.edges.remove(&(parent, level));
                self.count_edge(level, -1);
            }
            at = parent;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use gemelli_mqtt::topic;
    use proptest::prelude::*;

    fn level() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("a".into()),
            Just("b".into()),
            Just(String::new()),
            Just("$x".into()),
            Just("c".into())
        ]
    }

    fn name() -> impl Strategy<Value = String> {
        prop::collection::vec(level(), 1..5)
            .prop_map(|l| l.join("/"))
            .prop_filter("empty", |t| !t.is_empty())
    }

    fn filter() -> impl Strategy<Value = String> {
        let step = prop_oneof![4 => level(), 2 => Just("+".to_owned())];
        (prop::collection::vec(step, 1..5), prop::bool::ANY)
            .prop_map(|(mut levels, open)| {
                if open {
                    levels.push("#".into());
                }
                levels.join("/")
            })
            .prop_filter("empty", |f| !f.is_empty())
    }

    proptest! {
        #[test]
        fn it_finds_what_a_naive_matcher_finds(
            changes in prop::collection::vec((filter(), prop::bool::weighted(0.7)), 0..40),
            topics in prop::collection::vec(name(), 1..20),
        ) {
            let mut trie = Trie::default();
            let mut naive: Vec<String> = Vec::new();
            for (filter, add) in changes {
                if add {
                    trie.edit(&filter, |values| values.push(filter.clone()));
                    naive.push(filter);
                } else if let Some(at) = naive.iter().position(|f| *f == filter) {
                    trie.edit(&filter, |values| { values.pop(); });
                    naive.remove(at);
                } else {
                    trie.edit(&filter, |values: &mut Vec<String>| values.clear());
                }
            }
            for topic in topics {
                let mut found = Vec::new();
                trie.visit(&topic, |filter| found.push(filter.clone()));
                let mut expected: Vec<_> = naive.iter().filter(|f| topic::matches(f, &topic)).cloned().collect();
                found.sort();
                expected.sort();
                prop_assert_eq!(found, expected, "{}", topic);
            }
            for filter in std::mem::take(&mut naive) {
                trie.edit(&filter, Vec::clear);
            }
            prop_assert!(trie.is_empty() && trie.edges.is_empty() && trie.levels.is_empty());
            prop_assert_eq!(trie.free_nodes.len() + 1, trie.nodes.len());
        }
    }
}
