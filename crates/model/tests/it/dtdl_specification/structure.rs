//! Counts, depths, inheritance and references.

use super::*;

#[test]
fn counts_are_bounded_in_version_2_alone() {
    let many = |count: usize| {
        let all: Vec<String> = (0..count)
            .map(|at| format!(r#"{{"@type": "Relationship", "name": "r{at}"}}"#))
            .collect();
        all.join(",")
    };
    assert_eq!(kinds(&contents(&core(2), &many(300))), ["valid"]);
    assert_eq!(
        kinds(&contents(&core(2), &many(301))),
        ["objectCountAboveMax"]
    );
    assert_eq!(kinds(&contents(&core(3), &many(301))), ["valid"]);
    let fields = |count: usize| {
        let all: Vec<String> = (0..count)
            .map(|at| format!(r#"{{"name": "f{at}", "schema": "double"}}"#))
            .collect();
        format!(
            r#"{{"@type": "Telemetry", "name": "t", "schema": {{"@type": "Object", "fields": [{}]}}}}"#,
            all.join(",")
        )
    };
    assert_eq!(kinds(&contents(&core(2), &fields(30))), ["valid"]);
    assert_eq!(
        kinds(&contents(&core(2), &fields(31))),
        ["objectCountAboveMax"]
    );
    assert_eq!(kinds(&contents(&core(4), &fields(31))), ["valid"]);
    assert_eq!(kinds(&contents(&core(4), &fields(0))), ["valid"]);
    assert_eq!(
        kinds(&contents(&core(2), &fields(0))),
        ["objectCountBelowMin"]
    );
}

/// Arrays within one another around a schema.
fn arrays(depth: usize, schema: &str) -> String {
    let open = r#"{"@type": "Array", "elementSchema": "#.repeat(depth);
    let schema = format!("{open}{schema}{}", "}".repeat(depth));
    format!(r#"{{"@type": "Telemetry", "name": "t", "schema": {schema}}}"#)
}

#[test]
fn schemas_lie_as_deep_as_their_version_and_limits_allow() {
    let limited =
        |limits| format!(r#""dtmi:dtdl:context;4#limitless", "dtmi:dtdl:limits:{limits};1""#);
    for (contexts, most) in [
        (core(2), 5),
        (core(3), 5),
        (core(4), 8),
        (limited("aio"), 12),
        (limited("onvif"), 24),
    ] {
        let at = |depth| kinds(&contents(&contexts, &arrays(depth, "\"double\"")));
        assert_eq!(at(most), ["valid"], "{contexts}");
        assert_eq!(at(most + 1), ["excessiveDepthWide"], "{contexts}");
    }
    // The levels of the language's own schemas count: a multiPolygon has five.
    assert_eq!(
        kinds(&contents(&core(3), &arrays(1, "\"point\""))),
        ["valid"]
    );
    assert_eq!(
        kinds(&contents(&core(3), &arrays(1, "\"multiPolygon\""))),
        ["excessiveDepthWide"]
    );
}

#[test]
fn properties_of_version_2_hold_no_arrays_however_deep() {
    let property =
        |schema: &str| format!(r#"{{"@type": "Property", "name": "p", "schema": {schema}}}"#);
    let object = |schema: &str| {
        format!(r#"{{"@type": "Object", "fields": [{{"name": "f", "schema": {schema}}}]}}"#)
    };
    let array = r#"{"@type": "Array", "elementSchema": "double"}"#;
    for (schema, expected) in [
        (object("\"double\""), "valid"),
        (array.to_owned(), "excludedType"),
        (object(array), "excludedType"),
        ("\"point\"".to_owned(), "excludedType"),
        (object("\"point\""), "excludedType"),
        (object(&object("\"lineString\"")), "excludedType"),
    ] {
        assert_eq!(
            kinds(&contents(&core(2), &property(&schema))),
            [expected],
            "{schema}"
        );
        assert_eq!(
            kinds(&contents(&core(3), &property(&schema))),
            ["valid"],
            "{schema}"
        );
    }
}

#[test]
fn schemas_contain_themselves_from_version_4_on() {
    let tree = |version: u8| {
        interface(
            &core(version),
            r#""schemas": [{"@id": "dtmi:t:tree;1", "@type": "Object", "fields": [
                {"name": "value", "schema": "double"},
                {"name": "children", "schema": {"@type": "Array", "elementSchema": "dtmi:t:tree;1"}}]}]"#,
        )
    };
    assert_eq!(kinds(&tree(4)), ["valid"]);
    assert_eq!(kinds(&tree(3)), ["recursiveStructureWide"]);
    assert_eq!(kinds(&tree(2)), ["recursiveStructureWide"]);
}

/// Interfaces, each extending the next.
fn chain(version: u8, count: usize) -> String {
    let one = |at: usize| {
        let extends = match at + 1 < count {
            true => format!(r#", "extends": "dtmi:t:c{};1""#, at + 1),
            false => String::new(),
        };
        format!(
            r#"{{"@context": "dtmi:dtdl:context;{version}", "@id": "dtmi:t:c{at};1", "@type": "Interface"{extends}}}"#
        )
    };
    let all: Vec<String> = (0..count).map(one).collect();
    format!("[{}]", all.join(","))
}

#[test]
fn inheritance_is_as_deep_as_the_version_allows() {
    for (version, most) in [(2, 10), (3, 10), (4, 12)] {
        assert_eq!(
            kinds(&chain(version, most + 1)),
            ["valid"],
            "version {version}"
        );
        let long = kinds(&chain(version, most + 2));
        assert_eq!(long, ["excessiveDepthNarrow"], "version {version}");
    }
}

#[test]
fn more_than_1024_values_of_extends_are_too_many() {
    let set = |count: usize| {
        let mut all: Vec<String> = (0..count)
            .map(|at| format!(r#"{{"@context": "dtmi:dtdl:context;4", "@id": "dtmi:t:b{at};1", "@type": "Interface"}}"#))
            .collect();
        let ids: Vec<String> = (0..count).map(|at| format!("\"dtmi:t:b{at};1\"")).collect();
        all.push(interface(
            &core(4),
            &format!(r#""extends": [{}]"#, ids.join(",")),
        ));
        format!("[{}]", all.join(","))
    };
    assert_eq!(kinds(&set(1_024)), ["valid"]);
    assert_eq!(kinds(&set(1_025)), ["excessiveCount"]);
}

#[test]
fn the_text_of_an_interface_is_bounded_from_version_3_on() {
    let padded = |version: u8, inner: &str| {
        let pad = " ".repeat(1_100_000 - inner.len());
        let component = format!(r#"{{"@type": "Component", "name": "c", "schema": {inner}{pad}}}"#);
        contents(&core(version), &component)
    };
    let inner = r#"{"@id": "dtmi:t:j;1", "@type": "Interface"}"#;
    assert_eq!(kinds(&padded(2, inner)), ["valid"]);
    assert_eq!(kinds(&padded(3, inner)), ["partitionTooLarge"]);
    // What an Interface within takes is not counted for the one around it.
    let long = format!(
        r#"{{"@id": "dtmi:t:j;1", "@type": "Interface", "comment": "", {} "description": ""}}"#,
        " ".repeat(1_040_000)
    );
    let two = |extra: usize| {
        let component = format!(r#"{{"@type": "Component", "name": "c", "schema": {long}}}"#);
        contents(&core(4), &format!("{component}{}", " ".repeat(extra)))
    };
    assert_eq!(kinds(&two(1_000_000)), ["valid"]);
    assert_eq!(kinds(&two(1_100_000)), ["partitionTooLarge"]);
}

#[test]
fn inherited_names_clash_and_diamonds_do_not() {
    let one = |id: &str, extends: &str, names: &[&str]| {
        let contents: Vec<String> = names
            .iter()
            .map(|name| format!(r#"{{"@type": "Relationship", "name": "{name}"}}"#))
            .collect();
        format!(
            r#"{{"@context": "dtmi:dtdl:context;3", "@id": "dtmi:t:{id};1", "@type": "Interface", "extends": [{extends}], "contents": [{}]}}"#,
            contents.join(",")
        )
    };
    let (a, b) = ("\"dtmi:t:a;1\"", "\"dtmi:t:b;1\"");
    let cases = [
        (vec![one("a", "", &["x"]), one("b", a, &["y"])], "valid"),
        (
            vec![one("a", "", &["x"]), one("b", a, &["x"])],
            "nonUniqueImportedPropertyValue",
        ),
        (
            vec![
                one("a", "", &["x"]),
                one("b", a, &[]),
                one("c", &format!("{a}, {b}"), &["z"]),
            ],
            "valid",
        ),
        (
            vec![
                one("a", "", &["x"]),
                one("b", "", &["x"]),
                one("c", &format!("{a}, {b}"), &[]),
            ],
            "nonUniqueImportedPropertyValue",
        ),
    ];
    for (interfaces, expected) in cases {
        let set = format!("[{}]", interfaces.join(","));
        assert_eq!(kinds(&set), [expected], "{set}");
    }
}

#[test]
fn components_hold_no_components_not_even_inherited_ones() {
    let plain = |id: &str, rest: &str| {
        format!(
            r#"{{"@context": "dtmi:dtdl:context;4", "@id": "dtmi:t:{id};1", "@type": "Interface"{rest}}}"#
        )
    };
    let component = |schema: &str| {
        format!(
            r#", "contents": [{{"@type": "Component", "name": "part", "schema": "dtmi:t:{schema};1"}}]"#
        )
    };
    let set = |all: &[String]| format!("[{}]", all.join(","));
    let leaf = plain("leaf", "");
    let part = plain("part", &component("leaf"));
    let heir = plain("heir", r#", "extends": "dtmi:t:part;1""#);
    assert_eq!(kinds(&set(&[leaf.clone(), part.clone()])), ["valid"]);
    let nested = plain("whole", &component("part"));
    assert_eq!(
        kinds(&set(&[leaf.clone(), part.clone(), nested])),
        ["excludedType"]
    );
    let inherited = plain("whole", &component("heir"));
    assert_eq!(
        kinds(&set(&[leaf, part, heir, inherited])),
        ["excludedType"]
    );
}

#[test]
fn undefined_references_are_asked_for_until_none_is_left_or_nothing_new_comes() {
    let at = |number: usize| {
        format!(
            r#"{{"@context": "dtmi:dtdl:context;4", "@id": "dtmi:t:c{number};1", "@type": "Interface", "contents":
            [{{"@type": "Relationship", "name": "r", "properties": []}}], "extends": "dtmi:t:c{};1"}}"#,
            number + 1
        )
    };
    let source = |text: String| Source {
        name: "answer".into(),
        text,
    };
    let run = |answers: usize| {
        let mut asked: Vec<Vec<Arc<str>>> = Vec::new();
        let outcome = dtdl::parse(&[source(at(0))], &Options::default(), &mut |ids| {
            asked.push(ids.to_vec());
            let next = asked.len();
            (next <= answers).then(|| vec![source(at(next))])
        });
        (outcome, asked)
    };
    let (outcome, asked) = run(3);
    assert!(matches!(outcome, Outcome::Incomplete(ids) if &*ids[0] == "dtmi:t:c4;1"));
    assert_eq!(asked.len(), 4);
    let (outcome, asked) = run(usize::MAX);
    assert!(
        matches!(outcome, Outcome::Incomplete(_)),
        "an endless chain ends"
    );
    assert_eq!(asked.len(), dtdl::ROUNDS);
    let mut rounds = 0;
    let other = dtdl::parse(&[source(at(0))], &Options::default(), &mut |_| {
        rounds += 1;
        Some(vec![source(
            interface(&core(4), r#""@id": "dtmi:t:other;1""#).replacen(
                r#""@id": "dtmi:t:i;1", "#,
                "",
                1,
            ),
        )])
    });
    assert!(
        matches!(other, Outcome::Incomplete(_)),
        "an answer that defines nothing asked for"
    );
    assert_eq!(rounds, 1);
}
