//! What an import from KTWIN does not fit, once per kind and with a count.

use crate::{
    Interface,
    manifest::{Kind, Manifest, Place, Twin},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// Most kinds of gaps that are told apart.
pub const MAX_KINDS: usize = 1_000;

/// Something that was read otherwise than it is written, or that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// What.
    pub message: String,
    /// How often.
    pub count: usize,
    /// Line of its first place in the text, from 1; 0 where there is no text.
    pub line: u32,
    /// Column of its first place, from 1; 0 where there is no text.
    pub column: u32,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => write!(f, "line {}: {}", self.line, self.message),
            n => write!(f, "line {} and {} more: {}", self.line, n - 1, self.message),
        }
    }
}

/// Collects gaps.
#[derive(Default)]
pub(crate) struct Gaps {
    kinds: BTreeMap<String, (usize, Place)>,
    edges: Vec<Edge>,
    any: bool,
}

/// An edge that an instance lists.
struct Edge {
    interface: Option<Arc<str>>,
    target: Arc<str>,
    at: Place,
}

impl Gaps {
    pub fn note(&mut self, message: String, at: Place) {
        if self.kinds.len() < MAX_KINDS || self.kinds.contains_key(&message) {
            self.kinds.entry(message).or_insert((0, at)).0 += 1;
        }
    }

    /// Remembers where an edge leads, until all twins are known.
    pub fn edge(&mut self, interface: Option<Arc<str>>, target: &Arc<str>, at: Place) {
        self.edges.push(Edge {
            interface,
            target: target.clone(),
            at,
        });
    }

    /// One of KTWIN's resources was read.
    pub fn imported(&mut self) {
        self.any = true;
    }

    /// All gaps, in the order of the text, once everything of the text is known.
    pub fn finish(mut self, manifests: &[Manifest], places: &[Place]) -> Vec<Warning> {
        if self.any {
            self.dangling(manifests);
            self.undeclared(manifests, places);
        }
        let mut warnings: Vec<Warning> = self
            .kinds
            .into_iter()
            .map(|(message, (count, at))| Warning {
                message,
                count,
                line: at.line,
                column: at.column,
            })
            .collect();
        warnings.sort_by_key(|warning| (warning.line, warning.column));
        warnings
    }

    fn dangling(&mut self, manifests: &[Manifest]) {
        let named = |kind: fn(&Kind) -> bool| -> BTreeSet<String> {
            manifests
                .iter()
                .filter(|m| kind(&m.kind))
                .map(|m| m.name.to_lowercase())
                .collect()
        };
        let twins = named(|kind| matches!(kind, Kind::Twin(_)));
        let interfaces = named(|kind| matches!(kind, Kind::Interface(_)));
        for edge in std::mem::take(&mut self.edges) {
            let target = edge.target.to_lowercase();
            if twins.contains(&target) {
                continue;
            }
            let message = if interfaces.contains(&target) {
                "a relationship ends at the name of an interface: interface and instance may be swapped; it is kept as written"
            } else if edge
                .interface
                .is_some_and(|interface| twins.contains(&interface.to_lowercase()))
            {
                "a relationship names a twin as its interface: interface and instance may be swapped; it is kept as written"
            } else {
                "a relationship ends at a twin that is not in this text; it is kept, and leads nowhere until there is such a twin"
            };
            self.note(message.into(), edge.at);
        }
    }

    fn undeclared(&mut self, manifests: &[Manifest], places: &[Place]) {
        let interfaces: BTreeMap<String, &Interface> = manifests
            .iter()
            .filter_map(|m| match &m.kind {
                Kind::Interface(interface) => Some((m.name.to_lowercase(), interface)),
                _ => None,
            })
            .collect();
        for (manifest, at) in manifests.iter().zip(places) {
            let Kind::Twin(twin) = &manifest.kind else {
                continue;
            };
            let Some(lineage) = lineage(&interfaces, twin) else {
                let message = format!("the interface {} is not in this text", twin.interface);
                self.note(message, *at);
                continue;
            };
            if !lineage.iter().any(|interface| interface.open) {
                continue;
            }
            for relation in &twin.relationships {
                let declared = lineage.iter().flat_map(|i| &i.relationships);
                if !declared
                    .into_iter()
                    .any(|r| r.name.eq_ignore_ascii_case(&relation.name))
                {
                    self.note(
                        format!(
                            "{} does not declare the relationship {}",
                            twin.interface, relation.name
                        ),
                        *at,
                    );
                }
            }
        }
    }
}

/// The twin's interface and its ancestors, as far as the text has them; none without the interface.
fn lineage<'a>(
    interfaces: &BTreeMap<String, &'a Interface>,
    twin: &Twin,
) -> Option<Vec<&'a Interface>> {
    let own = *interfaces.get(&twin.interface.as_str().to_lowercase())?;
    let mut found = vec![own];
    let mut next = 0;
    while let Some(interface) = found.get(next).copied() {
        for parent in &interface.extends {
            if let Some(parent) = interfaces.get(&parent.as_str().to_lowercase())
                && !found.iter().any(|known| known.id == parent.id)
            {
                found.push(parent);
            }
        }
        next += 1;
    }
    Some(found)
}
