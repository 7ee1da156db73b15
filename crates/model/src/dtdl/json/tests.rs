//! What is JSON, where things are, and what an error says.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{DEPTH, Document, Fault, Kind, Node, Pos, parse};

fn read(text: &str) -> Document {
    parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fault(text: &str) -> (u32, u32, Fault) {
    let error = parse(text.as_bytes()).unwrap_err();
    (error.pos.line, error.pos.column, error.fault)
}

/// The tree as one line, without places.
fn plain(node: &Node) -> String {
    match &node.kind {
        Kind::Object(members) => {
            let members: Vec<_> = members
                .iter()
                .map(|m| format!("{:?}:{}", m.key, plain(&m.value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        Kind::Array(items) => {
            let items: Vec<_> = items.iter().map(plain).collect();
            format!("[{}]", items.join(","))
        }
        Kind::String(text) => format!("{text:?}"),
        Kind::Number(number) => number.text.to_string(),
        Kind::Bool(value) => value.to_string(),
        Kind::Null => "null".into(),
    }
}

#[test]
fn values_of_every_kind() {
    let text = r#" { "a" : [ 1, -2.50e+3 , true,false , null, "x" ], "b": {} , "c":[] } "#;
    let expected = r#"{"a":[1,-2.50e+3,true,false,null,"x"],"b":{},"c":[]}"#;
    assert_eq!(plain(&read(text).root), expected);
    for text in ["0", "-0", "\"\"", "null", "0.5", "1E9", "\u{feff}1"] {
        read(text);
    }
}

#[test]
fn places_count_characters_and_lines() {
    let document = read("{\n  \"grün\": \"x\",\r\n\t\"𝄞\": [\n 7 ]\n}");
    let [first, second] = document.root.as_object().unwrap() else {
        panic!("two members");
    };
    assert_eq!(document.root.pos, Pos::START);
    assert_eq!(first.key_pos, Pos { line: 2, column: 3 });
    assert_eq!(
        first.value.pos,
        Pos {
            line: 2,
            column: 11
        }
    );
    assert_eq!(second.key_pos, Pos { line: 3, column: 2 });
    assert_eq!(
        second.value.as_array().unwrap()[0].pos,
        Pos { line: 4, column: 2 }
    );
    assert_eq!(first.value.len(), 3);
}

#[test]
fn escapes_resolve_to_characters() {
    let document = read(r#""\"\\\/\b\f\n\r\té\ud834\uDD1E""#);
    assert_eq!(
        document.root.as_str(),
        Some("\"\\/\u{8}\u{c}\n\r\té\u{1d11e}")
    );
}

#[test]
fn what_is_not_json_says_where() {
    let cases = [
        ("", 1, 1, Fault::Ends),
        ("  ", 1, 3, Fault::Ends),
        ("[1,", 1, 4, Fault::Ends),
        ("\"a", 1, 3, Fault::Ends),
        ("[1 2]", 1, 4, unexpected('2', "a comma or ]")),
        ("[1,]", 1, 4, unexpected(']', "a value")),
        ("{\"a\":1,}", 1, 8, unexpected('}', "a key in quotes")),
        ("{\n\"a\" 1}", 2, 5, unexpected('1', "a colon")),
        ("{\"a\"}", 1, 5, unexpected('}', "a colon")),
        ("[ \"hi\": 1 ]", 1, 7, unexpected(':', "a comma or ]")),
        ("$$", 1, 1, unexpected('$', "a value")),
        ("+1", 1, 1, unexpected('+', "a value")),
        ("NaN", 1, 1, unexpected('N', "a value")),
        ("nul", 1, 1, unexpected('n', "true, false or null")),
        ("// no\n1", 1, 1, unexpected('/', "a value")),
        ("1 2", 1, 3, Fault::Trailing),
        ("01", 1, 3, Fault::Number),
        ("-", 1, 2, Fault::Number),
        ("1.", 1, 3, Fault::Number),
        ("1e+", 1, 4, Fault::Number),
        ("\"\t\"", 1, 2, Fault::Control('\t')),
        (r#""\x""#, 1, 2, Fault::Escape),
        (r#""\u12g4""#, 1, 2, Fault::Escape),
        (r#""a\ud800""#, 1, 3, Fault::Surrogate),
        (r#""\udc00""#, 1, 2, Fault::Surrogate),
        (r#""\ud800A""#, 1, 2, Fault::Surrogate),
    ];
    for (text, line, column, expected) in cases {
        assert_eq!(fault(text), (line, column, expected), "{text}");
    }
}

fn unexpected(found: char, wanted: &'static str) -> Fault {
    Fault::Unexpected { found, wanted }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_at_their_place() {
    for bytes in [
        &b"[\n\"\xff\"]"[..],
        b"[\n\"\xc0\xaf\"]",
        b"[\n\"\xed\xa0\x80\"]",
    ] {
        let error = parse(bytes).unwrap_err();
        assert_eq!(error.fault, Fault::Utf8);
        assert_eq!(error.pos, Pos { line: 2, column: 2 });
    }
}

#[test]
fn keys_that_come_again_are_listed_and_kept() {
    let document = read(r#"{"a":1,"b":{"x":1,"x":2,"x":3},"\u0061":2}"#);
    let found: Vec<_> = document
        .duplicates
        .iter()
        .map(|d| (d.key.as_str(), d.pos.column))
        .collect();
    assert_eq!(found, [("x", 19), ("x", 25), ("a", 32)]);
    assert_eq!(document.root.as_object().unwrap().len(), 3);
    let many: Vec<_> = (0..40).map(|n| format!("\"k{}\":0", n % 39)).collect();
    let document = read(&format!("{{{}}}", many.join(",")));
    assert_eq!(document.duplicates.len(), 1);
}

#[test]
fn nesting_is_bounded() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    read(&deep(DEPTH));
    assert_eq!(fault(&deep(DEPTH + 1)).2, Fault::Depth);
    assert_eq!(fault(&"[".repeat(1_000_000)).2, Fault::Depth);
    assert_eq!(fault(&"{\"a\":".repeat(1_000_000)).2, Fault::Depth);
}

#[test]
fn a_long_line_and_a_wide_object_are_read() {
    let members: Vec<_> = (0..100_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let document = read(&format!("{{{}}}", members.join(",")));
    assert_eq!(document.root.as_object().unwrap().len(), 100_000);
    let digits = "9".repeat(1_000_000);
    assert!(
        read(&digits)
            .root
            .as_number()
            .unwrap()
            .as_f64()
            .is_infinite()
    );
}

#[test]
fn numbers_keep_their_text() {
    let document = read("[9223372036854775807, 9223372036854775808, 1.0, 1e2]");
    let items = document.root.as_array().unwrap();
    let numbers: Vec<_> = items.iter().map(|i| i.as_number().unwrap()).collect();
    assert_eq!(numbers[0].as_i64(), Some(i64::MAX));
    assert_eq!(numbers[1].as_i64(), None);
    assert_eq!(&*numbers[1].text, "9223372036854775808");
    let integral: Vec<_> = numbers.iter().map(|n| n.is_integral()).collect();
    assert_eq!(integral, [true, true, false, false]);
}

/// A text with everything in it, for mutants.
const WHOLE: &str = r#"{"@id":"dtmi:a;1","n":[0,-1.5e+3,12,true,false,null],"s":"ü\u00e9\ud834\udd1e\\","o":{"":{}}}"#;

#[test]
fn mutants_fare_as_with_another_reader() {
    let alphabet = b"{}[]\",:\\u0d8e+-.E \n\x01\xc3\xff";
    let mut state = 7_u64;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut accepted = 0;
    for _ in 0..40_000 {
        let mut text = WHOLE.as_bytes().to_vec();
        for _ in 0..=draw(2) {
            let at = draw(text.len());
            match draw(3) {
                0 => text[at] = alphabet[draw(alphabet.len())],
                1 => text.insert(at, alphabet[draw(alphabet.len())]),
                _ => drop(text.remove(at)),
            }
        }
        let ours = parse(&text);
        let other = serde_json::from_slice::<serde_json::Value>(&text);
        // Numbers beyond doubles are ours to keep.
        if matches!(&other, Err(error) if error.to_string().contains("out of range")) {
            continue;
        }
        let shown = String::from_utf8_lossy(&text);
        assert_eq!(ours.is_ok(), other.is_ok(), "{shown}: {ours:?} {other:?}");
        accepted += usize::from(ours.is_ok());
    }
    assert!((1_000..39_000).contains(&accepted), "{accepted}");
}
