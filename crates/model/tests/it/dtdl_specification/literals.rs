//! Identifiers, texts and other literals: their forms and lengths.

use super::*;

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
