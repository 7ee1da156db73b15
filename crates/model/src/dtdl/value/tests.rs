//! Which values each schema takes, as tables, and what a violation says.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{
    super::json::parse, Literal, Outcome, Primitive, Schemas, Shape, VIOLATIONS, check, outcome,
};

/// Schemas in a table: each refers to others by index.
enum Model {
    Plain(Primitive),
    Array(usize),
    Map(usize),
    Object(&'static [(&'static str, usize)]),
    Integers(&'static [i64]),
    Texts(&'static [&'static str]),
    NoSchema,
}

impl Schemas for &[Model] {
    type Ref = usize;

    fn shape(&self, schema: usize) -> Option<Shape<usize>> {
        Some(match self.get(schema)? {
            Model::Plain(primitive) => Shape::Primitive(*primitive),
            Model::Array(items) => Shape::Array(*items),
            Model::Map(values) => Shape::Map(*values),
            Model::Object(_) => Shape::Object,
            Model::Integers(_) => Shape::Enum(Primitive::Integer),
            Model::Texts(_) => Shape::Enum(Primitive::String),
            Model::NoSchema => return None,
        })
    }

    fn field(&self, object: usize, name: &str) -> Option<usize> {
        match self.get(object)? {
            Model::Object(fields) => fields.iter().find(|(n, _)| *n == name).map(|(_, s)| *s),
            _ => None,
        }
    }

    fn lists(&self, enumeration: usize, literal: Literal<'_>) -> bool {
        match (self.get(enumeration), literal) {
            (Some(Model::Integers(values)), Literal::Integer(value)) => values.contains(&value),
            (Some(Model::Texts(values)), Literal::Text(value)) => values.contains(&value),
            _ => false,
        }
    }
}

fn conforms(model: &[Model], text: &str) -> bool {
    match outcome(&model, Some(0), text) {
        Outcome::Conforms => true,
        Outcome::Violates => false,
        Outcome::Throws => panic!("schema 0 is a schema"),
    }
}

/// Each primitive with values that it takes and values that it does not.
const PRIMITIVES: &[(Primitive, &[&str], &[&str])] = &[
    (Primitive::Boolean, &["true", "false"], &["\"true\"", "0"]),
    (
        Primitive::Byte,
        &["-128", "127", "-0"],
        &["-129", "128", "1.0", "1e1"],
    ),
    (
        Primitive::UnsignedByte,
        &["0", "255"],
        &["-0", "-1", "256", "2.0"],
    ),
    (Primitive::Short, &["-32768", "32767"], &["-32769", "32768"]),
    (Primitive::UnsignedShort, &["65535"], &["65536", "-0"]),
    (
        Primitive::Integer,
        &["-2147483648", "2147483647"],
        &["2147483648", "0.0", "\"3\""],
    ),
    (
        Primitive::UnsignedInteger,
        &["4294967295"],
        &["4294967296", "-1"],
    ),
    (
        Primitive::Long,
        &["-9223372036854775808", "9223372036854775807"],
        &["9223372036854775808", "1e3"],
    ),
    (
        Primitive::UnsignedLong,
        &["18446744073709551615"],
        &["18446744073709551616", "-0"],
    ),
    (
        Primitive::Float,
        &["3.402823E+38", "1e-99", "7"],
        &["3.402824E+38", "\"1\""],
    ),
    (
        Primitive::Double,
        &["1.79769313486231E+308", "-0.0"],
        &["1e309", "-1e309", "NaN"],
    ),
    (
        Primitive::Decimal,
        &[
            "\"0\"",
            "\"-0.50\"",
            "\"+12\"",
            "\"12.\"",
            "\"123456789012345678901234567890.5\"",
        ],
        &[
            "12",
            "\"\"",
            "\"01\"",
            "\".5\"",
            "\"1e3\"",
            "\"--1\"",
            "\"1.2.3\"",
            "\"1,5\"",
        ],
    ),
    (Primitive::String, &["\"\"", "\"x\""], &["1", "null", "{}"]),
    (
        Primitive::Bytes,
        &["\"\"", "\"AAAA\"", "\"AAA=\"", "\"AA==\"", "\"+/9=\""],
        &[
            "\"A===\"",
            "\"AAA\"",
            "\"====\"",
            "\"AA=A\"",
            "\"AA-_\"",
            "\"AAAA AAA\"",
        ],
    ),
    (
        Primitive::Uuid,
        &["\"01234567-89ab-CDEF-0123-456789abcdef\""],
        &[
            "\"0123456789abcdef0123456789abcdef\"",
            "\"{01234567-89ab-cdef-0123-456789abcdef}\"",
            "\"g1234567-89ab-cdef-0123-456789abcdef\"",
            "\"01234567-89ab-cdef-0123456789abcdef-\"",
        ],
    ),
    (
        Primitive::Date,
        &[
            "\"2024-02-29\"",
            "\"2000-02-29\"",
            "\"0001-01-01\"",
            "\"9999-12-31\"",
        ],
        &[
            "\"2023-02-29\"",
            "\"1900-02-29\"",
            "\"0000-01-01\"",
            "\"2024-13-01\"",
            "\"2024-1-01\"",
            "\"20240101\"",
            "\"02024-01-01\"",
            "\"2024-04-31\"",
            "\"2024-01-01Z\"",
            "\"2024-01-0\u{661}\"",
        ],
    ),
    (
        Primitive::Time,
        &[
            "\"00:00:00Z\"",
            "\"23:59:59.999999999+14:00\"",
            "\"06:00:00-01:15\"",
        ],
        &[
            "\"24:00:00Z\"",
            "\"00:60:00Z\"",
            "\"00:00:60Z\"",
            "\"00:00:00\"",
            "\"00:00Z\"",
            "\"00:00:00.Z\"",
            "\"00:00:00z\"",
            "\"00:00:00+1:00\"",
            "\"00:00:00+01\"",
            "\"00:00:00+24:00\"",
            "\"00:00:00+00:60\"",
            "\"00:00:0éZ\"",
        ],
    ),
    (
        Primitive::DateTime,
        &[
            "\"2024-02-29T23:59:59Z\"",
            "\"0001-01-01T00:00:00.5+00:00\"",
        ],
        &[
            "\"2024-02-30T00:00:00Z\"",
            "\"2024-02-29 00:00:00Z\"",
            "\"2024-02-29\"",
            "\"2024-02-29T\"",
            "\"2024-02-29t00:00:00Z\"",
            "\"2024-02-29T00:00:00ZT\"",
            "0",
        ],
    ),
    (
        Primitive::Duration,
        &[
            "\"P1Y2M3DT4H5M6S\"",
            "\"P2W4DT1S\"",
            "\"P3.5W\"",
            "\"P1.5D\"",
            "\"PT0.5H\"",
            "\"PT1H0.5S\"",
            "\"P1M\"",
            "\"PT1M\"",
        ],
        &[
            "\"P\"",
            "\"PT\"",
            "\"P1DT\"",
            "\"1D\"",
            "\"P1S\"",
            "\"PT1D\"",
            "\"P1Y2W\"",
            "\"P1.5Y2M\"",
            "\"P1.5DT1H\"",
            "\"PT.5S\"",
            "\"PT5.S\"",
            "\"P1M1Y\"",
            "\"P1D1D\"",
            "\"-P1D\"",
            "\"P1\"",
            "\"PD\"",
            "\"P3Y\\n\"",
            "\"PT1HT1M\"",
            "\"P\u{661}D\"",
        ],
    ),
];

#[test]
fn primitives() {
    for (primitive, sound, broken) in PRIMITIVES {
        let model = [Model::Plain(*primitive)];
        for text in *sound {
            assert!(conforms(&model, text), "{primitive:?} takes {text}");
        }
        for text in broken
            .iter()
            .chain(&["", "null", "[]", "{}", "$$", "{ 23 ]"])
        {
            assert!(
                !conforms(&model, text),
                "{primitive:?} does not take {text}"
            );
        }
    }
}

#[test]
fn every_primitive_has_a_class_and_values_in_the_table() {
    assert_eq!(Primitive::all().count(), 19);
    for primitive in Primitive::all() {
        assert_eq!(Primitive::of_class(primitive.class()), Some(primitive));
        assert!(PRIMITIVES.iter().any(|(tested, _, _)| *tested == primitive));
    }
    assert_eq!(Primitive::of_class("Object"), None);
}

#[test]
fn complex_schemas() {
    let double = || Model::Plain(Primitive::Double);
    let cases: &[(&[Model], &[&str], &[&str])] = &[
        (
            &[Model::Array(1), double()],
            &["[]", "[1, 2.5]"],
            &["[1, null]", "[\"1\"]", "{}", "1"],
        ),
        (
            &[Model::Map(1), double()],
            &["{}", "{\"\": 1, \"any key\": 2}"],
            &["{\"a\": null}", "{\"a\": 1, \"a\": true}", "[]"],
        ),
        (
            &[Model::Object(&[("x", 1), ("y", 1)]), double()],
            &["{}", "{\"x\": 1}", "{\"y\": 1, \"x\": 2}"],
            &["{\"z\": 1}", "{\"x\": null}", "{\"X\": 1}", "[1]"],
        ),
        (
            &[Model::Integers(&[0, 5])],
            &["0", "5", "-0"],
            &["1", "5.0", "\"5\"", "null", "5000000000"],
        ),
        (
            &[Model::Texts(&["a", ""])],
            &["\"a\"", "\"\""],
            &["\"A\"", "1", "[\"a\"]"],
        ),
        (&[Model::Texts(&[])], &[], &["\"a\""]),
        // A tree of itself.
        (
            &[
                Model::Object(&[("kids", 1), ("x", 2)]),
                Model::Array(0),
                double(),
            ],
            &["{\"kids\": [{}, {\"kids\": [{\"x\": 1}]}]}"],
            &[
                "{\"kids\": [{\"kids\": [{\"x\": true}]}]}",
                "{\"kids\": {}}",
            ],
        ),
    ];
    for (model, sound, broken) in cases {
        for text in *sound {
            assert!(conforms(model, text), "{text}");
        }
        for text in *broken {
            assert!(!conforms(model, text), "{text}");
        }
    }
}

#[test]
fn what_is_no_schema_has_no_outcome() {
    let model: &[Model] = &[Model::NoSchema, Model::Array(0)];
    assert_eq!(outcome(&model, Some(0), "1"), Outcome::Throws);
    assert_eq!(outcome(&model, Some(7), "1"), Outcome::Throws);
    assert_eq!(outcome(&model, None, "not JSON"), Outcome::Throws);
    assert_eq!(outcome(&model, Some(1), "[]"), Outcome::Conforms);
    assert_eq!(outcome(&model, Some(1), "[1]"), Outcome::Violates);
}

#[test]
fn violations_say_what_and_where() {
    let model: &[Model] = &[
        Model::Object(&[("a/b", 1), ("n", 2)]),
        Model::Array(2),
        Model::Plain(Primitive::Integer),
    ];
    let text = "{\n \"a/b\": [1, 2.5, \"x\"],\n \"m\": 1,\n \"n\": 12345678901 }";
    let document = parse(text.as_bytes()).unwrap();
    let found = check(&model, 0, &document.root);
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    let integer = "a whole number from -2147483648 to 2147483647";
    assert_eq!(
        found,
        [
            format!("2.5 is not {integer}, at /a~1b/1 (line 2, column 13)"),
            format!("found a string where {integer} belongs, at /a~1b/2 (line 2, column 18)"),
            "the Object has no field \"m\", at the top (line 3, column 2)".to_owned(),
            format!("12345678901 is not {integer}, at /n (line 4, column 7)"),
        ]
    );
}

#[test]
fn violations_have_a_limit() {
    let model: &[Model] = &[Model::Array(1), Model::Plain(Primitive::Boolean)];
    let text = format!("[{}0]", "0,".repeat(2 * VIOLATIONS));
    let document = parse(text.as_bytes()).unwrap();
    assert_eq!(check(&model, 0, &document.root).len(), VIOLATIONS);
}
