//! Contents that Interfaces inherit have names of their own.

use super::graph::{Graph, Marks};
use crate::dtdl::read::Reader;
use std::collections::BTreeMap;

impl Reader<'_> {
    pub(super) fn imports(&mut self, graph: &mut Graph<'_>) {
        let shared = Shared::new(graph);
        let mut marks = Marks::new(graph.elements.len());
        // For each name: the last Interface that looked, and whose content it met first.
        let mut met: Vec<(usize, usize)> = vec![(usize::MAX, 0); shared.names.len()];
        for number in 0..graph.elements.len() {
            let heirs = graph
                .at(number)
                .filter(|element| element.class == "Interface");
            let Some(heir) = heirs.filter(|_| graph.held(number, "extends").next().is_some())
            else {
                continue;
            };
            let mut clash: Option<&str> = None;
            marks.clear();
            marks.set(number);
            let mut next = vec![number];
            while let Some(interface) = next.pop() {
                let contents = shared
                    .contents
                    .get(&interface)
                    .map_or(&[][..], Vec::as_slice);
                if !graph.take(1 + contents.len() + graph.edges(interface).len()) {
                    return;
                }
                for name in contents {
                    let Some(first) = met.get_mut(*name) else {
                        continue;
                    };
                    if first.0 == number && first.1 != interface {
                        clash = clash.or(shared.names.get(*name).copied());
                    }
                    *first = (number, interface);
                }
                let extended = graph.held(interface, "extends");
                next.extend(extended.filter(|extended| marks.set(*extended)));
            }
            if let Some(name) = clash {
                self.tell(
                    "nonUniqueImportedPropertyValue",
                    heir,
                    "contents",
                    Some(name),
                    format!("{name:?} is inherited twice, or inherited and defined; change one of the names"),
                );
            }
        }
    }
}

/// The names that more than one Interface has: only these can clash.
struct Shared<'e> {
    names: Vec<&'e str>,
    /// By the number of an Interface: which of the names its own contents have.
    contents: BTreeMap<usize, Vec<usize>>,
}

impl<'e> Shared<'e> {
    fn new(graph: &Graph<'e>) -> Self {
        let mut definers: BTreeMap<&'e str, Vec<usize>> = BTreeMap::new();
        for number in 0..graph.elements.len() {
            if graph
                .at(number)
                .is_none_or(|element| element.class != "Interface")
            {
                continue;
            }
            for content in graph.held(number, "contents") {
                if let Some(name) = graph.at(content).and_then(|content| content.text("name")) {
                    let all = definers.entry(name).or_default();
                    if all.last() != Some(&number) {
                        all.push(number);
                    }
                }
            }
        }
        let mut shared = Self {
            names: Vec::new(),
            contents: BTreeMap::new(),
        };
        for (name, interfaces) in definers {
            if interfaces.len() < 2 {
                continue;
            }
            for interface in interfaces {
                let contents = shared.contents.entry(interface).or_default();
                contents.push(shared.names.len());
            }
            shared.names.push(name);
        }
        shared
    }
}
