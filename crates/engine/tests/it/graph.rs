//! The view's indexes say what a walk over all twins says.

use crate::world::{World, edge, reload};
use gemelli_engine::{Limits, View};
use gemelli_event::record::Command;
use std::{collections::BTreeMap, ops::Bound};

const MODELS: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: place}
spec:
  properties: [{name: n, schema: long}]
  relationships: [{name: near}, {name: holds}]
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: room}
spec: {extends: [place]}
";

fn check(view: &View) {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut relationships = 0;
    for twin in view.twins() {
        let ids = kinds.entry(twin.interface().to_string()).or_default();
        ids.push(twin.id().to_string());
        let out: Vec<_> = twin.outward(None).map(|e| e.whole()).collect();
        assert_eq!(out, twin.relationships());
        relationships += out.len();
        for (at, edge) in out.iter().enumerate() {
            let rest: Vec<_> = twin.outward(Some(&edge.id)).map(|e| e.id.clone()).collect();
            let same: Vec<_> = out.iter().skip(at).map(|e| e.id.clone()).collect();
            assert_eq!(rest, same);
            assert_eq!(
                twin.outward_of(&edge.id).map(|e| e.whole()),
                Some(edge.clone())
            );
        }
        let incoming = twin.incoming();
        for (at, edge) in incoming.iter().enumerate() {
            let from = (&*edge.name, edge.source.as_str(), &*edge.id);
            assert_eq!(twin.inward(Some(from)).count(), incoming.len() - at);
        }
        assert!(
            view.exact(twin.id().as_str())
                .is_some_and(|t| t.same(&twin))
        );
    }
    assert_eq!(view.relationship_count(), relationships);
    assert_eq!(view.unordered().count(), view.count());
    let known: BTreeMap<String, Vec<String>> = view
        .kinds()
        .map(|(id, count, definition)| {
            let twins: Vec<_> = view
                .of_kind(id.as_str(), Bound::Unbounded)
                .map(ToString::to_string)
                .collect();
            assert_eq!(twins.len(), count);
            assert_eq!(definition.map(|d| d.id().clone()), Some(id.clone()));
            (id.to_string(), twins)
        })
        .collect();
    assert_eq!(known, kinds);
}

#[test]
fn indexes_follow_creation_moves_deletes_relationships_and_snapshots() {
    let mut world = World::of(MODELS);
    // The order of a linear congruence: any but sorted.
    let mut chance = 7_usize;
    let mut next = |below: usize| {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    for round in 0..600 {
        let (a, b) = (format!("t{}", next(20)), format!("t{}", next(20)));
        let name = ["near", "holds"][next(2)];
        // Refusals are part of the game.
        let _ = match next(6) {
            0..2 => world.command(Command::Put {
                twin: a.as_str().into(),
                interface: ["place", "room"][next(2)].into(),
                properties: crate::world::json("{\"n\": 1}"),
                only_new: false,
            }),
            2..4 => world.command(Command::Relate {
                edge: edge(&a, name, &b),
                only_new: false,
            }),
            4 => world.unrelate(&a, &format!("{name}-{b}")),
            _ => world.command(Command::Delete {
                twin: a.as_str().into(),
                if_match: None,
            }),
        };
        if round % 50 == 0 {
            check(&reload(Limits::default(), &world.engine).view());
        }
        check(&world.engine.view());
    }
    assert!(
        world.engine.view().relationship_count() > 5,
        "nothing was related"
    );
}
