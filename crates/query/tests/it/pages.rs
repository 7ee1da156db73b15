//! Pages of an answer, over writes between them.

use crate::world::{World, json, page};
use gemelli_event::record::Command;
use gemelli_query::{Limits, Token};

fn crowd() -> World {
    let mut world = World::of(
        "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: thing}
spec:
  properties: [{name: n, schema: long}]
  relationships: [{name: next}]
",
    );
    for n in 0..20 {
        world.put(
            &format!("t{n:02}"),
            "thing",
            json(&format!("{{\"n\": {}}}", n % 4)),
        );
    }
    for n in 0..19 {
        world.relate(
            &format!("t{n:02}"),
            "e",
            "next",
            &format!("t{:02}", n + 1),
            json("null"),
        );
    }
    world
}

/// Reads a page of five, writes, and so on to the end.
fn read(world: &mut World, query: &str, mut write: impl FnMut(&mut World, usize)) -> String {
    let limits = Limits {
        page: 5,
        ..Limits::default()
    };
    let (mut from, mut seen): (Option<Token>, Vec<String>) = (None, Vec::new());
    for n in 0..50 {
        let page = page(&world.view(), query, &limits, from.as_ref()).unwrap();
        seen.extend(page.rows.iter().map(|row| {
            let text = row.to_string();
            text.split('"')
                .nth(3)
                .map_or(text.clone(), ToOwned::to_owned)
        }));
        let Some(next) = page.next else {
            return seen.join(" ");
        };
        from = Some(next.to_string().parse().unwrap());
        write(world, n);
    }
    panic!("{query} has no end");
}

fn all() -> String {
    let ids: Vec<_> = (0..20).map(|n| format!("t{n:02}")).collect();
    ids.join(" ")
}

#[test]
fn a_page_goes_on_where_the_last_one_ended() {
    let mut world = crowd();
    let nothing = |_: &mut World, _: usize| ();
    assert_eq!(
        read(&mut world, "SELECT $dtId FROM DIGITALTWINS", nothing),
        all()
    );
    let match_ = "SELECT a.$dtId FROM DIGITALTWINS MATCH (a)-[]-(b) WHERE IS_OF_MODEL(a, 'thing')";
    let twice: Vec<_> = (0..20)
        .flat_map(|n| vec![format!("t{n:02}"); if n % 19 == 0 { 1 } else { 2 }])
        .collect();
    assert_eq!(read(&mut world, match_, nothing), twice.join(" "));
    let hops = "SELECT b.$dtId FROM DIGITALTWINS MATCH (a)-[*..9]->(b) WHERE a.$dtId = 't03'";
    assert_eq!(
        read(&mut world, hops, nothing),
        "t04 t05 t06 t07 t08 t09 t10 t11 t12"
    );
    let order = "SELECT $dtId FROM DIGITALTWINS ORDER BY n DESC LIMIT 12 OFFSET 1";
    assert_eq!(
        read(&mut world, order, nothing),
        "t07 t11 t15 t19 t02 t06 t10 t14 t18 t01 t05 t09"
    );
    let groups =
        "SELECT $dtId FROM DIGITALTWINS GROUP BY $dtId ORDER BY $dtId DESC LIMIT 7 OFFSET 2";
    assert_eq!(
        read(&mut world, groups, nothing),
        "t17 t16 t15 t14 t13 t12 t11"
    );
    assert_eq!(
        read(
            &mut world,
            "SELECT $dtId FROM DIGITALTWINS LIMIT 10",
            nothing
        )
        .len(),
        39
    );
}

#[test]
fn no_row_comes_twice_or_is_lost_when_others_come_and_go() {
    let mut world = crowd();
    // Between pages a twin at the page's end goes, once one that was still to come, and new ones come before and behind the place.
    let seen = read(&mut world, "SELECT $dtId FROM DIGITALTWINS", |world, n| {
        let last = format!("t{:02}", n * 5 + 4);
        for (source, id) in [(format!("t{:02}", n * 5 + 3), "e"), (last.clone(), "e")] {
            world.command(Command::Unrelate {
                source: source.as_str().into(),
                id: id.into(),
                if_match: None,
            });
        }
        world.command(Command::Delete {
            twin: last.as_str().into(),
            if_match: None,
        });
        assert!(world.view().twin(&last).is_none());
        world.put(&format!("a{n}"), "thing", json("{}"));
        if n == 0 {
            world.put("t10a", "thing", json("{}"));
        }
    });
    assert_eq!(seen, all().replace("t10 ", "t10 t10a ").replace("t14 ", ""));
    let mut world = crowd();
    let seen = read(
        &mut world,
        "SELECT $dtId FROM DIGITALTWINS ORDER BY n",
        |world, n| {
            world.put(&format!("a{n}"), "thing", json("{\"n\": -1}"));
        },
    );
    assert_eq!(seen.split(' ').count(), 20);
}

#[test]
fn an_order_of_walking_is_kept_though_another_plan_would_be_cheaper_by_now() {
    let mut world = crowd();
    world.apply("apiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: {name: other}\nspec: {extends: [thing]}");
    let query = "SELECT a.$dtId FROM DIGITALTWINS MATCH (a)-[]->(b) WHERE IS_OF_MODEL(a, 'thing') AND IS_OF_MODEL(b, 'thing', exact)";
    let seen = read(&mut world, query, |world, n| {
        // The other end gets rarer.
        for m in 15..20 {
            world.put(
                &format!("t{m}"),
                if n == 1 { "other" } else { "thing" },
                json("{}"),
            );
        }
    });
    let rows: Vec<_> = seen.split(' ').collect();
    let mut sorted = rows.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(rows, sorted);
}

#[test]
fn a_strange_token_is_refused() {
    let world = crowd();
    let limits = Limits {
        page: 5,
        ..Limits::default()
    };
    let first = page(
        &world.view(),
        "SELECT $dtId FROM DIGITALTWINS",
        &limits,
        None,
    )
    .unwrap();
    let token = first.next.unwrap();
    assert_eq!(token.query(), "SELECT $dtId FROM DIGITALTWINS");
    let other = page(
        &world.view(),
        "SELECT * FROM DIGITALTWINS",
        &limits,
        Some(&token),
    );
    assert_eq!(other.unwrap_err().code(), "malformed-token");
    let text = token.to_string();
    for broken in ["", "!", "e30", &text[..text.len() / 2]] {
        let error = broken.parse::<Token>().unwrap_err();
        assert_eq!(error.code(), "malformed-token", "{broken}");
    }
}
