//! Random models, graphs and queries: the planner and the brute-force evaluator agree, over writes,
//! deletes and restarts.
//!
//! Negative controls, tried by hand: `<=` read as `<`, a lower hop bound that is inclusive, and an
//! incoming relationship left out each turn it red within the first worlds.

use crate::{
    words::{NAMES, Words},
    world::World,
};
use gemelli_engine::{TwinRef, Verdict};
use gemelli_event::record::{Command, Edge as Related};
use gemelli_model::Value;
use gemelli_query::{Limits, Query, Render, Token, plan, run};
use gemelli_testkit::{
    brute::{Edge, Graph, answer},
    chance::Chance,
};
use std::collections::BTreeMap;

const WORLDS: u64 = 200;
const QUERIES: usize = 50;
/// What every query language test must have met, as it is written.
const FEATURES: &[&str] = &[
    "SELECT *",
    "TOP(",
    "COUNT()",
    "COUNT(",
    "SUM(",
    "AVG(",
    "MIN(",
    "MAX(",
    " AS ",
    "DIGITALTWINS",
    "RELATIONSHIPS",
    "JOIN",
    "RELATED",
    "MATCH",
    "]->",
    "<-[",
    "]-(",
    "|",
    "*2",
    "*..",
    "*1..",
    "WHERE",
    " AND ",
    " OR ",
    "NOT ",
    " = ",
    " != ",
    " <> ",
    " < ",
    " <= ",
    " > ",
    " >= ",
    " IN ",
    " NIN ",
    " NOT IN ",
    "ARRAY_CONTAINS(",
    "CONTAINS(",
    "STARTSWITH(",
    "ENDSWITH(",
    "IS_BOOL(",
    "IS_DEFINED(",
    "IS_NULL(",
    "IS_NUMBER(",
    "IS_OBJECT(",
    "IS_OF_MODEL(",
    ", exact)",
    "IS_PRIMITIVE(",
    "IS_STRING(",
    "[[",
    "\\'",
    "$dtId",
    "$metadata.$model",
    "$relationshipName",
    "$relationshipId",
    "$sourceId",
    "$targetId",
    "GROUP BY",
    "ORDER BY",
    " ASC",
    " DESC",
    "LIMIT",
    "OFFSET",
    ".m.",
    ".o.q.z",
    "part.level",
];

/// Twins and relationships with what the evaluator knows, too.
struct Bare;

impl Render for Bare {
    fn twin(&self, twin: &TwinRef) -> Value {
        crate::world::Plain.twin(twin)
    }

    fn relationship(&self, edge: &Related) -> Value {
        let Value::Object(fields) = crate::world::Plain.relationship(edge) else {
            return Value::Null;
        };
        let known = fields.iter().filter(|(name, _)| &**name != "$etag");
        Value::Object(known.cloned().collect())
    }
}

/// The engine and the same graph as plain data.
struct Both {
    world: World,
    graph: Graph,
}

impl Both {
    fn new(chance: &mut Chance) -> Self {
        let mut graph = Graph::default();
        let mut manifests = String::from(
            "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: 'dtmi:q:Part;1'}
spec: {properties: [{name: level, schema: double}]}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: 'dtmi:q:A;1'}
spec:
  properties:
    - {name: n, schema: long}
    - {name: x, schema: double}
    - {name: s, schema: string}
    - {name: b, schema: boolean}
    - {name: any, schema: any}
    - {name: order, schema: long}
    - {name: tags, schema: {array: string}}
    - {name: m, schema: {map: long}}
    - {name: o, schema: {object: {fields: [{name: p, schema: double}, {name: q, schema: {object: {fields: [{name: z, schema: string}]}}}]}}}
  components: [{name: part, interface: 'dtmi:q:Part;1'}]
  relationships:
    - {name: near, properties: [{name: w, schema: double}, {name: since, schema: string}]}
    - {name: feeds, properties: [{name: w, schema: double}, {name: since, schema: string}]}
    - {name: part of, properties: [{name: w, schema: double}, {name: since, schema: string}]}
",
        );
        graph.models.insert("dtmi:q:A;1".into(), Vec::new());
        for (n, name) in NAMES.iter().enumerate().skip(1) {
            let mut parents = vec![NAMES[chance.below(n)]];
            if chance.percent(30) {
                parents.push(NAMES[chance.below(n)]);
            }
            parents.sort_unstable();
            parents.dedup();
            let quoted: Vec<_> = parents.iter().map(|p| format!("'{p}'")).collect();
            manifests += &format!(
                "---\napiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: {{name: '{name}'}}\nspec: {{extends: [{}]}}\n",
                quoted.join(", ")
            );
            let parents = parents.iter().map(ToString::to_string).collect();
            graph.models.insert(name.to_string(), parents);
        }
        let mut both = Self {
            world: World::of(&manifests),
            graph,
        };
        for _ in 0..10 + chance.below(14) {
            both.put(chance);
        }
        for _ in 0..20 + chance.below(20) {
            both.relate(chance);
        }
        both
    }

    fn put(&mut self, chance: &mut Chance) {
        let (id, model) = (format!("t{}", chance.below(24)), chance.of(NAMES));
        let mut words = Words::new(chance);
        let properties = words.properties();
        let verdict = self.world.put(&id, model, properties.clone());
        assert!(matches!(verdict, Verdict::Answer(_)), "{verdict:?}");
        self.graph.twins.insert(id, (model.to_owned(), properties));
    }

    fn relate(&mut self, chance: &mut Chance) {
        let ids: Vec<String> = self.graph.twins.keys().cloned().collect();
        let all: Vec<&str> = ids.iter().map(String::as_str).collect();
        let (source, target) = (chance.of(&all), chance.of(&all));
        let (id, name) = (
            format!("e{}", chance.below(4)),
            chance.of(&["near", "feeds", "part of"]),
        );
        let properties = Words::new(chance).edge_properties();
        let verdict = self
            .world
            .relate(source, &id, name, target, properties.clone());
        // An engine that refuses self-relationships is right, too.
        if matches!(verdict, Verdict::Answer(_) | Verdict::Accepted) {
            let edge = Edge {
                name: name.into(),
                target: target.into(),
                properties,
            };
            self.graph.edges.insert((source.into(), id), edge);
        }
    }

    fn write(&mut self, chance: &mut Chance) {
        let ids: Vec<String> = self.graph.twins.keys().cloned().collect();
        let twin = ids[chance.below(ids.len())].clone();
        match chance.below(10) {
            0..4 => self.put(chance),
            4..7 => self.relate(chance),
            7 if ids.len() > 8 => {
                let touching: Vec<_> = self
                    .graph
                    .edges
                    .iter()
                    .filter(|((s, _), e)| *s == twin || e.target == twin)
                    .map(|(key, _)| key.clone())
                    .collect();
                for (source, id) in touching {
                    self.unrelate(&source, &id);
                }
                let verdict = self.world.command(Command::Delete {
                    twin: twin.as_str().into(),
                    if_match: None,
                });
                assert!(!matches!(verdict, Verdict::Rejected(_)), "{verdict:?}");
                self.graph.twins.remove(&twin);
            }
            _ => {
                let first = self
                    .graph
                    .edges
                    .keys()
                    .nth(chance.below(self.graph.edges.len().max(1)))
                    .cloned();
                if let Some((source, id)) = first {
                    self.unrelate(&source, &id);
                }
            }
        }
    }

    fn unrelate(&mut self, source: &str, id: &str) {
        let verdict = self.world.command(Command::Unrelate {
            source: source.into(),
            id: id.into(),
            if_match: None,
        });
        assert!(!matches!(verdict, Verdict::Rejected(_)), "{verdict:?}");
        self.graph.edges.remove(&(source.to_owned(), id.to_owned()));
    }

    /// All pages of some size.
    fn ask(&self, text: &str, page: usize) -> Vec<Value> {
        let view = self.world.view();
        let query = Query::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let plan = plan(&query, &view);
        let limits = Limits {
            page,
            ..Limits::default()
        };
        let (mut rows, mut from) = (Vec::new(), None::<Token>);
        loop {
            let page = run(&plan, &view, &limits, &Bare, from.as_ref())
                .unwrap_or_else(|e| panic!("{text}: {e}"));
            rows.extend(page.rows);
            match page.next {
                Some(next) => from = Some(next.to_string().parse().unwrap()),
                None => return rows,
            }
        }
    }
}

#[test]
fn ten_thousand_random_queries_agree_with_brute_force() {
    let (mut count, mut with_rows) = (0, 0);
    let mut met: BTreeMap<&str, usize> = FEATURES.iter().map(|f| (*f, 0)).collect();
    for seed in 0..WORLDS {
        let mut chance = Chance::new(seed);
        let mut both = Both::new(&mut chance);
        for n in 0..QUERIES {
            if n % 5 == 4 {
                both.write(&mut chance);
            }
            if n % 20 == 19 {
                both.world.restart();
            }
            let text = Words::new(&mut chance).query();
            let expected = answer(&both.graph, &text);
            let rows = both.ask(&text, 1 + chance.below(40));
            if let Err(why) = expected.check(&rows) {
                panic!(
                    "world {seed}, query {n}: {text}\n{why}\nexpected {expected:?}\ngot {rows:?}"
                );
            }
            count += 1;
            with_rows += usize::from(
                !expected.is_empty()
                    && rows
                        .iter()
                        .any(|row| row.to_string() != "{}" && row.to_string() != "{\"COUNT\":0}"),
            );
            for (feature, times) in &mut met {
                *times += usize::from(text.contains(feature));
            }
        }
    }
    println!("{count} queries, {with_rows} with rows; {met:?}");
    assert_eq!(count, 10_000);
    assert!(
        with_rows * 100 >= count * 40,
        "{with_rows} of {count} have rows"
    );
    let rare: Vec<_> = met.iter().filter(|(_, times)| **times < 100).collect();
    assert!(rare.is_empty(), "too rare: {rare:?}");
}
