//! Contexts, versions and options, and what a document is.

use super::*;

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

/// Layers and streams are drafts that no version of the language has: their contexts are names as
/// any other that nothing defines, whoever tolerates those.
#[test]
fn layers_and_streams_are_no_part_of_the_language() {
    let never = Options {
        undefined_extensions: Extensions::Never,
        ..Options::default()
    };
    let always = Options {
        undefined_extensions: Extensions::Always,
        ..Options::default()
    };
    for draft in ["layering", "streaming"] {
        for version in [2, 3, 4] {
            let context = format!(r#"{}, "dtmi:dtdl:extension:{draft};1""#, core(version));
            let text = contents(&context, r#"{"@type": "Relationship", "name": "r"}"#);
            let refused = vec!["unresolvableContextSpecifier"];
            assert_eq!(kinds_with(&text, &never), refused, "{draft} {version}");
            // Version 2 tolerates what nothing defines unless told otherwise.
            let silent = if version == 2 { vec!["valid"] } else { refused };
            assert_eq!(kinds(&text), silent, "{draft} {version}");
            assert_eq!(kinds_with(&text, &always), ["valid"], "{draft} {version}");
            // A layer is named in a fragment, which identifiers have not.
            let layer = text.replace("dtmi:t:i;1", "dtmi:t:i;1#layer");
            assert_eq!(
                kinds_with(&layer, &always),
                ["invalidId"],
                "{draft} {version}"
            );
        }
    }
}
