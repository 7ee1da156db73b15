//! Types and properties that extensions bring.

use super::*;

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
        // The literal is a number; the string form of a decimal's values is none.
        ("decimal", "-12.5", "valid"),
        ("decimal", "12345678901234567890.5", "valid"),
        ("decimal", "\"12.5\"", "numericNotNumeric"),
        // One fault, not also one for the bound.
        ("boolean", "1", "notRequiredType"),
        ("string", "1", "notRequiredType"),
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
