//! What the specification says and the public sample does not show, one small document each.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

use gemelli_model::dtdl::{self, Extensions, Options, Outcome, Source};
use std::sync::Arc;

fn parse(text: &str, options: &Options) -> Outcome {
    let source = Source {
        name: "test".into(),
        text: text.into(),
    };
    dtdl::parse(&[source], options, &mut |_| None)
}

/// The kinds of fault of a text, in order; `["valid"]` or `["incomplete"]` where there is none.
fn kinds(text: &str) -> Vec<&'static str> {
    kinds_with(text, &Options::default())
}

fn kinds_with(text: &str, options: &Options) -> Vec<&'static str> {
    match parse(text, options) {
        Outcome::Valid(_) => vec!["valid"],
        Outcome::Incomplete(_) => vec!["incomplete"],
        Outcome::Invalid(faults) => {
            let mut kinds: Vec<&str> = faults.iter().map(|fault| fault.kind).collect();
            kinds.dedup();
            kinds
        }
    }
}

/// An Interface with more members, in contexts that are given as JSON.
fn interface(contexts: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"@context": [{contexts}], "@id": "dtmi:t:i;1", "@type": "Interface"{comma} {members}}}"#
    )
}

fn core(version: u8) -> String {
    format!(r#""dtmi:dtdl:context;{version}""#)
}

fn contents(contexts: &str, contents: &str) -> String {
    interface(contexts, &format!(r#""contents": [{contents}]"#))
}

#[track_caller]
fn all(version: u8, cases: &[(&str, &str)]) {
    for (members, expected) in cases {
        let found = kinds(&interface(&core(version), members));
        assert_eq!(found, [*expected], "version {version}: {members}");
    }
}

#[track_caller]
fn all_contents(contexts: &str, cases: &[(&str, &str)]) {
    for (content, expected) in cases {
        let found = kinds(&contents(contexts, content));
        assert_eq!(found, [*expected], "{contexts}: {content}");
    }
}

#[test]
fn contexts_stand_in_their_order() {
    let cases: &[(&str, &str)] = &[
        (
            r#""dtmi:dtdl:context;2", "dtmi:iotcentral:context;2""#,
            "valid",
        ),
        (
            r#""dtmi:iotcentral:context;2", "dtmi:dtdl:context;2""#,
            "valid",
        ),
        (r#""dtmi:iotcentral:context;2""#, "missingDtdlContext"),
        (
            r#""dtmi:dtdl:extension:mqtt;3", "dtmi:dtdl:context;3""#,
            "missingDtdlContext",
        ),
        (
            r#""dtmi:dtdl:context;3", "dtmi:dtdl:extension:mqtt;3", "dtmi:dtdl:context;3""#,
            "dtdlContextFollowsAffiliate",
        ),
        ("", "emptyContext"),
        (r#""dtmi:dtdl:context""#, "missingDtdlContext"),
        (r#""dtmi:dtdl:context;x""#, "invalidContextSpecifier"),
        (r#""dtmi:dtdl:context;1""#, "unrecognizedContextVersion"),
        (r#""dtmi:dtdl:context;3.1""#, "unrecognizedContextVersion"),
        (r#""dtmi:dtdl:context;5""#, "unrecognizedContextVersion"),
        (r#""dtmi:dtdl:context;2", "dtmi:dtdl:context;4""#, "valid"),
        (
            r#""dtmi:dtdl:context;3#limits""#,
            "disallowedContextFragment",
        ),
        (r#""dtmi:dtdl:context;3#foo""#, "invalidContextFragment"),
        (r#""dtmi:dtdl:context;4#limits""#, "misplacedLimitContext"),
        (
            r#""dtmi:dtdl:context;4#limitless", "dtmi:dtdl:context;4#limits""#,
            "valid",
        ),
        (
            r#""dtmi:dtdl:context;4#limitless", "dtmi:dtdl:context;3""#,
            "missingLimitContext",
        ),
        (
            r#""dtmi:dtdl:context;4#limitless", "dtmi:dtdl:limits:aio;1""#,
            "valid",
        ),
        (
            r#""dtmi:dtdl:context;4", "dtmi:dtdl:limits:aio;1""#,
            "misplacedLimitContext",
        ),
        (
            r#""dtmi:dtdl:context;4#limitless", "dtmi:dtdl:extension:mqtt;3", "dtmi:dtdl:limits:aio;1""#,
            "missingLimitContext",
        ),
        (
            r#""dtmi:dtdl:context;4", "dtmi:dtdl:extension:mqtt;9""#,
            "unresolvableContextVersion",
        ),
        (
            r#""dtmi:dtdl:context;4", "dtmi:ex:foo;1""#,
            "unresolvableContextSpecifier",
        ),
        (
            r#""dtmi:dtdl:context;4", "dtmi:ex:foo""#,
            "missingContextVersion",
        ),
        (
            r#""dtmi:dtdl:context;2", "dtmi:ex:foo""#,
            "invalidContextSpecifierForVersion",
        ),
        (
            r#""dtmi:dtdl:context;2", "dtmi:ex:foo;1.2""#,
            "invalidContextSpecifierForVersion",
        ),
        (r#""dtmi:dtdl:context;2", "dtmi:ex:foo;1""#, "valid"),
        (
            r#""dtmi:dtdl:context;4", "dtmi:ex:9;1""#,
            "invalidContextSpecifier",
        ),
        (
            r#""dtmi:dtdl:context;4", "dtmi:ex:foo;1#bar""#,
            "invalidContextSpecifier",
        ),
        (
            r#""dtmi:dtdl:context;4", "https://example.org/context""#,
            "nonDtmiContextSpecifier",
        ),
        (
            r#""dtmi:dtdl:context;4", {"a": "dtmi:b;1"}"#,
            "disallowedLocalContext",
        ),
        (r#""dtmi:dtdl:context;4", 4"#, "nonStringContext"),
    ];
    for (contexts, expected) in cases {
        assert_eq!(kinds(&interface(contexts, "")), [*expected], "{contexts}");
    }
}

#[test]
fn limits_and_versions_are_accepted_by_option() {
    let limited = interface(
        r#""dtmi:dtdl:context;4#limitless", "dtmi:dtdl:limits:onvif;1""#,
        "",
    );
    let accepting = |limits: &[&str]| Options {
        limits: Some(limits.iter().map(|&limit| limit.to_owned()).collect()),
        ..Options::default()
    };
    for (limits, expected) in [
        (&["dtmi:dtdl:limits:onvif"][..], "valid"),
        (&["dtmi:dtdl:limits:onvif;1"], "valid"),
        (&["dtmi:dtdl:limits:onvif;2"], "disallowedLimitContext"),
        (&["dtmi:dtdl:limits:aio"], "disallowedLimitContext"),
        (&[], "disallowedLimitContext"),
    ] {
        assert_eq!(
            kinds_with(&limited, &accepting(limits)),
            [expected],
            "{limits:?}"
        );
    }
    let options = Options {
        max_version: 2,
        ..Options::default()
    };
    assert_eq!(kinds_with(&interface(&core(2), ""), &options), ["valid"]);
    assert_eq!(
        kinds_with(&interface(&core(3), ""), &options),
        ["disallowedContextVersion"]
    );
    assert_eq!(
        kinds_with(&interface(&core(9), ""), &options),
        ["unrecognizedContextVersion"]
    );
}

#[test]
fn the_lowest_version_of_a_context_holds() {
    // Version 1 of the extension knows no Transparent; later ones do.
    let command = |contexts: &str| {
        format!(
            r#"{{"@context": {contexts}, "@type": "Command", "name": "c", "request":
            {{"@type": ["CommandRequest", "Transparent"], "name": "r", "schema": {{"@type": "Object"}}}}}}"#
        )
    };
    let outer = r#""dtmi:dtdl:context;4", "dtmi:dtdl:extension:mqtt;2""#;
    for (contexts, expected) in [
        (r#""dtmi:dtdl:extension:mqtt;3""#, "valid"),
        (
            r#"["dtmi:dtdl:extension:mqtt;2", "dtmi:dtdl:extension:mqtt;3"]"#,
            "valid",
        ),
        (
            r#"["dtmi:dtdl:extension:mqtt;3", "dtmi:dtdl:extension:mqtt;1"]"#,
            "typeUndefinedTerm",
        ),
        ("[]", "valid"),
    ] {
        assert_eq!(
            kinds(&contents(outer, &command(contexts))),
            [expected],
            "{contexts}"
        );
    }
}

#[test]
fn identifiers_have_lengths_by_place_and_limits() {
    let id = |length: usize| format!("dtmi:{};1", "a".repeat(length - 7));
    let named = |contexts: &str, id: &str| {
        format!(r#"{{"@context": [{contexts}], "@id": "{id}", "@type": "Interface"}}"#)
    };
    let limited = r#""dtmi:dtdl:context;4#limitless", "dtmi:dtdl:limits:aio;1""#;
    for version in 2..=4 {
        assert_eq!(kinds(&named(&core(version), &id(128))), ["valid"]);
        assert_eq!(
            kinds(&named(&core(version), &id(129))),
            ["idTooLongForType"]
        );
        assert_eq!(kinds(&named(&core(version), &id(2_049))), ["idTooLong"]);
        let content =
            |id: &str| format!(r#"{{"@id": "{id}", "@type": "Relationship", "name": "r"}}"#);
        assert_eq!(
            kinds(&contents(&core(version), &content(&id(2_048)))),
            ["valid"]
        );
        assert_eq!(
            kinds(&contents(&core(version), &content(&id(2_049)))),
            ["idTooLong"]
        );
        assert_eq!(
            kinds(&contents(&core(version), &content("dtmi:a:_b;1"))),
            ["invalidId"]
        );
        assert_eq!(
            kinds(&contents(&core(version), &content("dtmi:dtdl:a;1"))),
            ["reservedId"]
        );
    }
    assert_eq!(kinds(&named(limited, &id(256))), ["valid"]);
    assert_eq!(kinds(&named(limited, &id(257))), ["idTooLongForType"]);
    assert_eq!(kinds(&named(limited, &id(513))), ["idTooLong"]);
    assert_eq!(kinds(&named(&core(2), "dtmi:a")), ["invalidId"]);
    assert_eq!(kinds(&named(&core(2), "dtmi:a;1.2")), ["invalidId"]);
    assert_eq!(kinds(&named(&core(3), "dtmi:a")), ["valid"]);
    assert_eq!(kinds(&named(&core(3), "dtmi:a;1.2")), ["valid"]);
    assert_eq!(
        kinds(&named(&core(4), "dtmi:а;1")),
        ["invalidId"],
        "a letter of another script"
    );
}

#[test]
fn texts_have_lengths_by_version_and_limits() {
    let text = |length: usize| "é".repeat(length);
    for (version, key, most) in [
        (2, "displayName", 64),
        (3, "displayName", 512),
        (4, "displayName", 512),
        (2, "description", 512),
        (4, "description", 512),
        (2, "comment", 512),
        (4, "comment", 512),
    ] {
        let kind = if key == "comment" {
            "stringTooLong"
        } else {
            "langStringValueTooLong"
        };
        let member = |length| format!(r#""{key}": "{}""#, text(length));
        assert_eq!(
            kinds(&interface(&core(version), &member(most))),
            ["valid"],
            "{version} {key}"
        );
        assert_eq!(
            kinds(&interface(&core(version), &member(most + 1))),
            [kind],
            "{version} {key}"
        );
    }
    for (limits, most) in [("aio", 2_048), ("onvif", 4_096)] {
        let contexts = format!(r#""dtmi:dtdl:context;4#limitless", "dtmi:dtdl:limits:{limits};1""#);
        let member = |length| format!(r#""description": "{}""#, text(length));
        assert_eq!(
            kinds(&interface(&contexts, &member(most))),
            ["valid"],
            "{limits}"
        );
        let long = kinds(&interface(&contexts, &member(most + 1)));
        assert_eq!(long, ["langStringValueTooLong"], "{limits}");
    }
}

#[test]
fn localisable_texts_take_three_forms() {
    for version in [2, 3, 4] {
        all(
            version,
            &[
                (r#""displayName": "a""#, "valid"),
                (r#""displayName": {}"#, "valid"),
                (r#""displayName": []"#, "valid"),
                (
                    r#""displayName": {"en": "a", "sr-Latn-RS": "b", "fr-155": "c"}"#,
                    "valid",
                ),
                (r#""displayName": {"en-us": "a"}"#, "langStringInvalidCode"),
                (r#""displayName": {"EN": "a"}"#, "langStringInvalidCode"),
                (r#""displayName": {"en": 1}"#, "langStringValueNotString"),
                (r#""displayName": {"@value": "a"}"#, "langMapObjKeyword"),
                (
                    r#""displayName": {"@value": "a", "@language": "en"}"#,
                    "langTagValueInLangMap",
                ),
                (
                    r#""displayName": [{"@value": "a", "@language": "de"}, "b"]"#,
                    "valid",
                ),
                (
                    r#""displayName": ["a", {"@value": "b", "@language": "en"}]"#,
                    "langStringElementCodeNotUnique",
                ),
                (
                    r#""displayName": [{"@value": "a", "@language": ""}]"#,
                    "langStringElementCodeNotString",
                ),
                (
                    r#""displayName": [{"@value": "a", "@language": 1}]"#,
                    "langStringElementCodeNotString",
                ),
                (
                    r#""displayName": [{"@value": "a", "@language": "x"}]"#,
                    "langStringElementInvalidCode",
                ),
                (
                    r#""displayName": [{"@value": 1}]"#,
                    "langStringElementValueNotString",
                ),
                (
                    r#""displayName": [{"@value": "a", "@id": "dtmi:a;1"}]"#,
                    "langStringElementId",
                ),
                (r#""displayName": 1"#, "langStringElementNotStringOrObject"),
                (r#""displayName": null"#, "propertyValueNull"),
            ],
        );
    }
    all(
        2,
        &[(
            r#""displayName": [{"@value": "a", "@foo": 1, "@type": "b"}]"#,
            "valid",
        )],
    );
    for version in [3, 4] {
        all(
            version,
            &[
                (
                    r#""displayName": [{"@value": "a", "@foo": 1}]"#,
                    "langStringElementKeyword",
                ),
                (
                    r#""displayName": [{"@value": "a", "@type": "b"}]"#,
                    "langStringElementType",
                ),
            ],
        );
    }
}

#[test]
fn literals_are_bare_or_value_objects() {
    for version in [2, 3, 4] {
        let relationship = |member: &str| {
            contents(
                &core(version),
                &format!(r#"{{"@type": "Relationship", "name": "r", {member}}}"#),
            )
        };
        for (member, expected) in [
            (r#""maxMultiplicity": 1"#, "valid"),
            (r#""maxMultiplicity": 2.0"#, "valid"),
            (r#""maxMultiplicity": 1e2"#, "valid"),
            (r#""maxMultiplicity": 1.5"#, "integerNotInteger"),
            (r#""maxMultiplicity": 2147483648"#, "integerNotInteger"),
            (r#""maxMultiplicity": 1e400"#, "integerNotInteger"),
            (r#""maxMultiplicity": [1, 2]"#, "integerMultipleValues"),
            (
                r#""maxMultiplicity": {"@value": 3, "@type": "xsd:integer"}"#,
                "valid",
            ),
            (
                r#""maxMultiplicity": {"@value": 3, "@type": "xsd:string"}"#,
                "integerTypeNotInteger",
            ),
            (
                r#""maxMultiplicity": {"@value": "3"}"#,
                "integerValueNotInteger",
            ),
            (r#""maxMultiplicity": {}"#, "integerObjectNoValue"),
            (r#""minMultiplicity": 0"#, "valid"),
            (r#""minMultiplicity": 1"#, "valueNotExact"),
            (r#""writable": "true""#, "booleanNotBoolean"),
            (r#""writable": [true, true]"#, "booleanMultipleValues"),
            (r#""writable": {"@value": 1}"#, "booleanValueNotBoolean"),
            (r#""target": 7"#, "identifierNotString"),
            (r#""target": {"@id": "dtmi:a;1"}"#, "identifierNotString"),
            (
                r#""target": ["dtmi:a;1", "dtmi:b;1"]"#,
                "identifierMultipleValues",
            ),
            (r#""target": "nothing""#, "identifierNotDtmi"),
            (r#""comment": 1"#, "stringNotString"),
        ] {
            // The least of the range of version 2, of which it has a greatest too.
            assert_eq!(
                kinds(&relationship(member)),
                [expected],
                "version {version}: {member}"
            );
        }
    }
    let below = |version| {
        let member = r#"{"@type": "Relationship", "name": "r", "maxMultiplicity": 0}"#;
        kinds(&contents(&core(version), member))
    };
    assert_eq!(below(2), ["valueBelowRange"]);
    assert_eq!(below(4), ["valueBelowMin"]);
    let above = r#"{"@type": "Relationship", "name": "r", "maxMultiplicity": 501}"#;
    assert_eq!(kinds(&contents(&core(2), above)), ["valueAboveRange"]);
    assert_eq!(kinds(&contents(&core(3), above)), ["valid"]);
}

#[test]
fn enums_hold_values_of_their_schema() {
    let of = |version: u8, schema: &str, value: &str| {
        contents(
            &core(version),
            &format!(
                r#"{{"@type": "Telemetry", "name": "t", "schema": {{"@type": "Enum", "valueSchema": "{schema}",
                "enumValues": [{{"name": "a", "enumValue": {value}}}]}}}}"#
            ),
        )
    };
    for version in [2, 3, 4] {
        for (schema, value, expected) in [
            ("integer", "1", "valid"),
            ("string", "\"1\"", "valid"),
            ("integer", "\"1\"", "nonConformantDatatype"),
            ("string", "1", "nonConformantDatatype"),
            ("integer", "1.5", "nonConformantDatatype"),
            ("integer", "true", "nonConformantDatatype"),
            (
                "integer",
                r#"{"@value": 1, "@type": "xsd:integer"}"#,
                "valid",
            ),
            (
                "integer",
                r#"{"@value": "1", "@type": "xsd:integer"}"#,
                "integerValueNotInteger",
            ),
            ("integer", "null", "propertyValueNull"),
            ("integer", "[]", "literalCountBelowMin"),
            ("integer", "[1, 2]", "literalMultipleValues"),
            ("double", "1", "badType"),
        ] {
            assert_eq!(
                kinds(&of(version, schema, value)),
                [expected],
                "{version} {schema} {value}"
            );
        }
    }
}

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
fn annotations_and_overrides_name_what_stands_beside_them() {
    let contexts = |version: u8| {
        format!(
            r#""dtmi:dtdl:context;{version}", "dtmi:dtdl:extension:quantitativeTypes;{0}", "dtmi:dtdl:extension:annotation;{0}", "dtmi:dtdl:extension:overriding;{0}""#,
            version - 2
        )
    };
    let beside = r#"{"@type": ["Telemetry", "Temperature"], "name": "t", "schema": "double", "unit": "kelvin"},
        {"@type": "Command", "name": "c"}"#;
    for version in [3, 4] {
        for (content, expected) in [
            (
                r#"{"@type": ["Property", "ValueAnnotation"], "name": "a", "schema": "double", "annotates": "t"}"#,
                "valid",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation"], "name": "a", "schema": "double", "annotates": "c"}"#,
                "notSiblingRequiredType",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation"], "name": "a", "schema": "double", "annotates": "a"}"#,
                "disallowedType",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation"], "name": "a", "schema": "double", "annotates": 1}"#,
                "stringNotString",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation"], "name": "a", "schema": "double"}"#,
                "missingSupplementalLiteralProperty",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation", "Override"], "name": "a", "annotates": "t", "overrides": "unit", "schema": "TemperatureUnit"}"#,
                "valid",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation", "Override"], "name": "a", "annotates": "t", "overrides": "unit", "schema": "LengthUnit"}"#,
                "siblingPropertyMismatch",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation", "Override"], "name": "a", "annotates": "t", "overrides": "annotates", "schema": "TemperatureUnit"}"#,
                "noMatchingSupplementalProperty",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation", "Override"], "name": "a", "annotates": "t", "overrides": "schema", "schema": "TemperatureUnit"}"#,
                "matchingPropertyNotSupplemental",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation", "Override"], "name": "a", "annotates": "t", "overrides": "nothing", "schema": "TemperatureUnit"}"#,
                "identifierNotUri",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation", "Override"], "name": "a", "annotates": "t", "overrides": 1, "schema": "TemperatureUnit"}"#,
                "identifierNotString",
            ),
            (
                r#"{"@type": ["Property", "ValueAnnotation", "Override"], "name": "a", "annotates": "t", "schema": "TemperatureUnit"}"#,
                "missingSupplementalIdentifierProperty",
            ),
            (
                r#"{"@type": ["Property", "Override"], "name": "a", "overrides": "unit", "schema": "TemperatureUnit"}"#,
                "missingCocotype",
            ),
        ] {
            let found = kinds(&contents(
                &contexts(version),
                &format!("{beside}, {content}"),
            ));
            assert_eq!(found, [expected], "version {version}: {content}");
        }
    }
}

#[test]
fn types_of_mqtt_have_their_places_and_values() {
    let contexts = r#""dtmi:dtdl:context;4", "dtmi:dtdl:extension:mqtt;3", "dtmi:dtdl:extension:requirement;1""#;
    let command = |ttl: &str| {
        format!(r#"{{"@type": ["Command", "Idempotent", "Cacheable"], "name": "c", "ttl": {ttl}}}"#)
    };
    let object = |cotype: &str, fields: &str| {
        format!(
            r#"{{"@type": "Telemetry", "name": "t", "schema": {{"@type": ["Object", "{cotype}"], "fields": [{fields}]}}}}"#
        )
    };
    all_contents(
        contexts,
        &[
            (&command("\"PT15S\""), "valid"),
            (&command("\"15S\""), "durationInvalid"),
            (&command("15"), "durationNotString"),
            (&command("[]"), "durationCountBelowMin"),
            (&command(r#"["PT1S", "PT2S"]"#), "durationMultipleValues"),
            (
                r#"{"@type": ["Telemetry", "Indexed"], "name": "t", "schema": "double", "index": 0}"#,
                "valueBelowMin",
            ),
            (
                r#"{"@type": ["Property", "Indexed"], "name": "t", "schema": "double", "index": 1}"#,
                "invalidCotype",
            ),
            (
                r#"{"@type": ["Telemetry", "Indexed"], "name": "t", "schema": "double", "index": 1},
                   {"@type": ["Telemetry", "Indexed"], "name": "u", "schema": "double", "index": 1}"#,
                "nonUniquePropertyValue",
            ),
            (
                &object(
                    "Error",
                    r#"{"@type": ["Field", "ErrorMessage"], "name": "m", "schema": "string"}"#,
                ),
                "valid",
            ),
            (
                &object(
                    "Error",
                    r#"{"@type": ["Field", "ErrorMessage"], "name": "m", "schema": "double"}"#,
                ),
                "notRequiredType",
            ),
            (
                &object(
                    "Result",
                    r#"{"@type": ["Field", "NormalResult"], "name": "m", "schema": "double"}"#,
                ),
                "valid",
            ),
            (
                &object("Result", r#"{"name": "m", "schema": "double"}"#),
                "notRequiredType",
            ),
            (
                &object(
                    "Result",
                    r#"{"@type": ["Field", "NormalResult", "Required"], "name": "m", "schema": "double"}"#,
                ),
                "disallowedCocotype",
            ),
            (
                &object(
                    "Result",
                    r#"{"@type": ["Field", "NormalResult"], "name": "m", "schema": "double"},
                       {"@type": ["Field", "NormalResult"], "name": "n", "schema": "double"}"#,
                ),
                "siblingDuplicatesCotype",
            ),
        ],
    );
    let mqtt = |topic: &str| {
        format!(
            r#"{{"@context": [{contexts}], "@id": "dtmi:t:i;1", "@type": ["Interface", "Mqtt"], "payloadFormat": "json", "telemetryTopic": "{topic}"}}"#
        )
    };
    assert_eq!(kinds(&mqtt("a/{ex:name}/b")), ["valid"]);
    for topic in ["", "a//b", "$a", "a/{9}", "a b", "a/+"] {
        assert_eq!(kinds(&mqtt(topic)), ["stringInvalid"], "{topic}");
    }
}

#[test]
fn numbers_of_extensions_fit_the_schema_beside_them() {
    let contexts = r#""dtmi:dtdl:context;4", "dtmi:iotoperations:context;4""#;
    let limited = |schema: &str, minimum: &str| {
        format!(
            r#"{{"@type": ["Telemetry", "Limited"], "name": "t", "schema": "{schema}", "minimum": {minimum}}}"#
        )
    };
    for (schema, minimum, expected) in [
        ("integer", "-5", "valid"),
        ("integer", "-5.5", "nonConformantPropertyValue"),
        ("unsignedByte", "-1", "nonConformantPropertyValue"),
        ("byte", "128", "nonConformantPropertyValue"),
        ("double", "1.5", "valid"),
        ("double", "\"1.5\"", "numericNotNumeric"),
        ("double", "[1, 2]", "numericMultipleValues"),
        ("double", "{}", "numericObjectNoValue"),
        (
            "double",
            r#"{"@value": 1.5, "@type": "xsd:decimal"}"#,
            "valid",
        ),
        (
            "double",
            r#"{"@value": 1.5, "@type": "xsd:double"}"#,
            "numericTypeNotNumeric",
        ),
    ] {
        let found = kinds(&contents(contexts, &limited(schema, minimum)));
        assert_eq!(found, [expected], "{schema} {minimum}");
    }
}

#[test]
fn what_nothing_defines_is_judged_by_version_and_option() {
    let with = |extensions, text: &str| {
        let options = Options {
            undefined_extensions: extensions,
            ..Options::default()
        };
        kinds_with(text, &options)
    };
    let text = |version: u8, context: &str| {
        contents(
            &format!("{}{context}", core(version)),
            r#"{"@type": ["Relationship", "Flavour"], "name": "r", "taste": 1}"#,
        )
    };
    let unknown = r#", "dtmi:ex:foo;1""#;
    assert_eq!(with(Extensions::ByVersion, &text(2, "")), ["valid"]);
    assert_eq!(
        with(Extensions::Never, &text(2, unknown)),
        ["unresolvableContextSpecifier"]
    );
    for version in [3, 4] {
        assert_eq!(
            with(Extensions::ByVersion, &text(version, "")),
            ["typeUndefinedTerm"]
        );
        assert_eq!(with(Extensions::Always, &text(version, unknown)), ["valid"]);
        assert_eq!(
            with(Extensions::Always, &text(version, "")),
            ["typeUndefinedTerm"]
        );
    }
    for version in [2, 3, 4] {
        let stray = contents(
            &core(version),
            r#"{"@type": "Relationship", "name": "r", "foo:bar": 1}"#,
        );
        let expected = if version == 2 {
            "noTypeThatAllows"
        } else {
            "propertyNotDtmiNorTerm"
        };
        assert_eq!(kinds(&stray), [expected]);
    }
}

#[test]
fn documents_are_objects_with_keys_that_come_once() {
    let plain = interface(&core(3), "");
    for (text, expected) in [
        ("[]".to_owned(), "valid"),
        ("7".to_owned(), "notJsonObject"),
        (format!("[{plain}, 7]"), "notJsonObject"),
        (format!("[{plain}, {plain}]"), "duplicateDefinition"),
        (
            interface(&core(3), r#""comment": "a", "comment": "b""#),
            "duplicatePropertyName",
        ),
        (
            interface(&core(3), r#""@graph": []"#),
            "topLevelGraphDisallowed",
        ),
        (
            interface(&core(3), r#""@base": 1"#),
            "topLevelKeywordDisallowed",
        ),
        (interface(&core(2), r#""@base": 1"#), "valid"),
        (interface(&core(3), r#""comment": "\ud800""#), "notJson"),
        (r#"{"@id": "dtmi:a;1"}"#.to_owned(), "missingContext"),
        (format!(r#"{{"@graph": [{plain}]}}"#), "valid"),
    ] {
        assert_eq!(kinds(&text), [expected], "{text}");
    }
}

#[test]
fn identifiers_are_made_from_the_place_of_an_element() {
    let text = contents(
        &core(4),
        r#"{"@type": "Command", "name": "c", "request": {"name": "r", "schema": {"@type": "Object", "fields": [
            {"name": "f", "schema": {"@type": "Map", "mapKey": {"name": "k", "schema": "string"}, "mapValue": {"name": "v", "schema": "double"}}}]}}}"#,
    );
    let Outcome::Valid(model) = parse(&text, &Options::default()) else {
        unreachable!("{:?}", kinds(&text))
    };
    let ids: Vec<&str> = model.elements().map(|element| &*element.id).collect();
    let command = "dtmi:t:i:_contents:__c";
    let field = format!("{command}:_request:_schema:_fields:__f");
    let mut expected = vec![
        "dtmi:t:i;1".to_owned(),
        format!("{command};1"),
        format!("{command}:_request;1"),
        format!("{command}:_request:_schema;1"),
        format!("{field};1"),
        format!("{field}:_schema;1"),
        format!("{field}:_schema:_mapKey;1"),
        format!("{field}:_schema:_mapValue;1"),
    ];
    expected.sort();
    assert_eq!(ids, expected);
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
