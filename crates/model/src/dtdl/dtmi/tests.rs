//! What is an identifier, what a document may write, and what is made for elements without one.

#![allow(clippy::unwrap_used)]

use super::{Dtmi, Fault, INTERFACE_LENGTH, LENGTH, USER_LENGTH, generated, reserved, user};

#[test]
fn the_grammar() {
    let sound = [
        "dtmi:a",
        "dtmi:a;1",
        "dtmi:foo_bar:_16:baz33:qux;12",
        "dtmi:a:b;999999999",
        "dtmi:a:b;999999999.999999",
        "dtmi:__x;1",
        "dtmi:a;1#part",
        "dtmi:a#",
        "dtmi:a;1#_part",
    ];
    for text in sound {
        assert!(Dtmi::parse(text).is_ok(), "{text}");
    }
    let broken = [
        "",
        "dtmi",
        "dtmi:",
        "DTMI:a;1",
        "dtmx:a;1",
        "dtmi::a;1",
        "dtmi:a:;1",
        "dtmi:1a;1",
        "dtmi:a_;1",
        "dtmi:_;1",
        "dtmi:a-b;1",
        "dtmi:ä;1",
        "dtmi:\u{430};1",
        "dtmi:a b;1",
        "dtmi:a;",
        "dtmi:a;0",
        "dtmi:a;01",
        "dtmi:a;1.0",
        "dtmi:a;1.01",
        "dtmi:a;1.",
        "dtmi:a;.1",
        "dtmi:a;1.2.3",
        "dtmi:a;1000000000",
        "dtmi:a;1.1000000",
        "dtmi:a;+1",
        "dtmi:a;-1",
        "dtmi:a;x",
        "dtmi:a;1;2",
        "dtmi:a;1\n",
        " dtmi:a;1",
        "dtmi:a;1#b#c",
        "dtmi:a;\u{661}",
    ];
    for text in broken {
        assert!(Dtmi::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_parts() {
    let dtmi = Dtmi::parse("dtmi:a:_b:c;3.14#x").unwrap();
    assert_eq!(dtmi.segments().collect::<Vec<_>>(), ["a", "_b", "c"]);
    let version = dtmi.version.unwrap();
    assert_eq!((version.major, version.minor), (3, Some(14)));
    assert_eq!(dtmi.unversioned(), "dtmi:a:_b:c");
    assert_eq!(dtmi.fragment, Some("x"));
    assert!(dtmi.system);
    assert!(!Dtmi::parse("dtmi:a:b_c").unwrap().system);
}

#[test]
fn versions_have_an_order() {
    let version = |text| Dtmi::parse(text).unwrap().version;
    let rising = [
        "dtmi:a",
        "dtmi:a;1",
        "dtmi:a;1.1",
        "dtmi:a;1.2",
        "dtmi:a;1.10",
        "dtmi:a;2",
    ];
    for pair in rising.windows(2) {
        assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
    }
}

#[test]
fn what_a_document_may_write() {
    let fault = |text: &str, language| user(text, language, USER_LENGTH).err();
    for language in [2, 3, 4] {
        assert_eq!(fault("dtmi:a:b;1", language), None);
        let system = Some(Fault::System("_b".into()));
        assert_eq!(fault("dtmi:a:_b;1", language), system);
        assert_eq!(
            fault("dtmi:a;1#b", language),
            Some(Fault::Fragment("b".into()))
        );
    }
    for language in [3, 4] {
        assert_eq!(fault("dtmi:a:b", language), None);
        assert_eq!(fault("dtmi:a:b;1.2", language), None);
    }
    assert_eq!(fault("dtmi:a:b", 2), Some(Fault::NoVersion));
    assert!(matches!(fault("dtmi:a:b;1.2", 2), Some(Fault::Minor(_))));
}

#[test]
fn lengths_have_limits() {
    let long = |length: usize| format!("dtmi:{};1", "a".repeat(length - 7));
    for limit in [INTERFACE_LENGTH, USER_LENGTH] {
        assert!(user(&long(limit), 3, limit).is_ok());
        let fault = user(&long(limit + 1), 3, limit).unwrap_err();
        let length = limit + 1;
        assert_eq!(fault, Fault::Length { length, limit });
    }
    assert!(Dtmi::parse(&long(LENGTH)).is_ok());
    assert!(Dtmi::parse(&long(LENGTH + 1)).is_err());
}

#[test]
fn identifiers_are_made_from_the_parent() {
    let cases = [
        ("dtmi:a;1", "contents", Some("x"), "dtmi:a:_contents:__x;1"),
        ("dtmi:a", "contents", Some("x"), "dtmi:a:_contents:__x"),
        ("dtmi:a;1.2", "schema", None, "dtmi:a:_schema;1.2"),
        (
            "dtmi:a:_schema;1",
            "mapKey",
            None,
            "dtmi:a:_schema:_mapKey;1",
        ),
    ];
    for (parent, property, name, expected) in cases {
        let made = generated(parent, property, name);
        assert_eq!(made, expected);
        assert!(Dtmi::parse(&made).unwrap().system);
    }
}

#[test]
fn reserved_ranges_depend_on_the_contexts() {
    let plain = ["dtmi:dtdl:context;3"];
    let central = ["dtmi:dtdl:context;2", "dtmi:iotcentral:context;2"];
    assert_eq!(reserved("dtmi:dtdl:x;1", plain), Some("dtmi:dtdl:"));
    assert_eq!(reserved("dtmi:dtdlx:x;1", plain), None);
    assert_eq!(reserved("dtmi:iotcentral:x;1", plain), None);
    assert_eq!(
        reserved("dtmi:iotcentral:x;1", central),
        Some("dtmi:iotcentral:")
    );
    assert_eq!(reserved("dtmi:iotoperations:x;1", central), None);
}
