#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod against_cel;
mod documentation;
mod examples;

use super::*;
use gemelli_model::Schema;
use std::collections::BTreeMap;

/// A scope out of JSON: members under their names, `prev`, `since` and `now` beside them.
#[derive(Default)]
pub(super) struct Twin {
    now: BTreeMap<String, Value>,
    before: BTreeMap<String, Value>,
    since: BTreeMap<String, i64>,
}

impl Twin {
    pub(super) fn of(json: &str) -> Self {
        Self {
            now: serde_json::from_str(json).unwrap(),
            ..Self::default()
        }
    }
}

impl Scope for Twin {
    fn get(&self, name: &str) -> Option<Value> {
        self.now.get(name).cloned()
    }
    fn prev(&self, name: &str) -> Option<Value> {
        self.before.get(name).cloned()
    }
    fn since_ms(&self, name: &str) -> Option<i64> {
        self.since.get(name).copied()
    }
    fn now_ms(&self) -> i64 {
        1_700_000_000_000
    }
}

/// Names of all members that tests read; `count` is a whole number.
pub(super) fn names() -> Names {
    let table: gemelli_model::interface::Table = serde_json::from_str(
        r#"{"rows":[{"from":0,"to":9.0,"low":0,"high":50,"class":"good"},
                    {"from":9.1,"to":35.4,"low":51,"high":100,"class":"moderate"}]}"#,
    )
    .unwrap();
    let mut names = Names::new()
        .member("count", &Schema::Integer)
        .table("pm25", &table);
    for name in [
        "temperature",
        "humidity",
        "x",
        "y",
        "name",
        "on",
        "list",
        "payload",
        "station",
        "status",
    ] {
        names = names.variable(name);
    }
    names
}

pub(super) fn eval(source: &str, twin: &Twin) -> String {
    match Program::compile(source, &names()).and_then(|program| program.eval(twin)) {
        Ok(value) => value.to_string(),
        Err(error) => format!("{error}; {}", error.remedy),
    }
}

/// Each source gives this JSON.
fn check(twin: &Twin, cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(eval(source, twin), *expected, "{source}");
    }
}

#[test]
fn numbers_of_members_are_doubles_whatever_their_spelling() {
    let twin = Twin::of(r#"{"temperature":8,"humidity":8,"count":7,"payload":{"a":[1,2.5]}}"#);
    check(
        &twin,
        &[
            ("temperature - (100 - humidity) / 5", "-10.399999999999999"),
            ("humidity / 5", "1.6"),
            ("count / 2", "3"),
            ("count / 2.0", "3.5"),
            ("count + humidity", "15.0"),
            ("payload.a[0] / 2", "0.5"),
            ("payload.a.map(v, v / 2)", "[0.5,1.25]"),
            ("7 / 2", "3"),
            ("7 % 4", "3"),
            ("humidity % 5", "3.0"),
            ("1 == 1.0 && humidity == 8", "true"),
        ],
    );
}

#[test]
fn what_is_absent_makes_undefined_unless_it_is_guarded() {
    let twin = Twin::of(r#"{"x":1,"y":null,"on":true,"payload":{"a":null,"b":{"c":2}}}"#);
    check(
        &twin,
        &[
            ("temperature", "null"),
            ("y", "null"),
            ("x + temperature", "null"),
            ("temperature > 3", "null"),
            ("!(temperature > 3)", "null"),
            ("has(temperature)", "false"),
            ("has(y)", "false"),
            ("has(x)", "true"),
            ("defined(x + temperature)", "false"),
            ("has(payload.a) || has(payload.b.d)", "false"),
            ("has(payload.b.c)", "true"),
            ("payload.a", "null"),
            ("y == null", "true"),
            ("null != x", "true"),
            ("has(temperature) ? temperature : -1", "-1"),
            ("on || temperature > 3", "true"),
            ("temperature > 3 || on", "true"),
            ("temperature > 3 && !on", "false"),
            ("temperature > 3 && on", "null"),
            ("coalesce(temperature, y, x, 9)", "1.0"),
            ("coalesce(temperature)", "null"),
            ("max(temperature, x, 0)", "1.0"),
            ("min(temperature, y)", "null"),
            ("sqrt(0.0 - x)", "null"),
            ("x / 0.0", "null"),
            ("log(0)", "null"),
            ("sqrt(-1) == sqrt(-1) || sqrt(-1) < 1", "false"),
            ("[temperature]", "null"),
        ],
    );
}

#[test]
fn the_past_is_what_the_scope_says() {
    let mut twin = Twin::of(r#"{"x":5,"status":"off"}"#);
    twin.before.insert("x".into(), Value::Int(4));
    twin.since.insert("status".into(), 172_800_001);
    check(
        &twin,
        &[
            ("x - prev(x)", "1.0"),
            (
                r#"x > prev(x) ? "raising" : x < prev(x) ? "falling" : "steady""#,
                r#""raising""#,
            ),
            ("prev(temperature)", "null"),
            ("has(prev(x))", "true"),
            ("since(status) > 48 * 3600 * 1000", "true"),
            ("since(x)", "null"),
            ("now", "1700000000000"),
            ("now - 1000", "1699999999000"),
        ],
    );
    let program = Program::compile("x - prev(x) > 0 && since(status) < now", &names()).unwrap();
    let members: Vec<&str> = program.members().iter().map(|m| &**m).collect();
    assert_eq!(members, ["x", "status"]);
    assert_eq!(
        program.uses(),
        &Uses {
            prev: vec!["x".into()],
            since: vec!["status".into()],
            now: true
        }
    );
}

#[test]
fn tables_are_read_by_line_and_by_class() {
    check(
        &Twin::of(r#"{"x":9.05,"list":[[0,0],[10,100]]}"#),
        &[
            ("interpolate(4.5, pm25)", "25.0"),
            ("interpolate(9.0, pm25)", "50.0"),
            ("interpolate(9.1, pm25)", "51.0"),
            ("interpolate(x, pm25)", "null"),
            ("interpolate(trunc(x, 1), pm25)", "50.0"),
            ("interpolate(-1, pm25)", "null"),
            ("interpolate(35.5, pm25)", "null"),
            (r#"classify(35.4, pm25)"#, r#""moderate""#),
            ("classify(35.5, pm25)", "null"),
            ("interpolate(2.5, [[0, 0], [10, 100]])", "25.0"),
            ("interpolate(-5, [[0, 7], [10, 100]])", "7.0"),
            ("interpolate(50, [[0, 0], [10, 100]])", "100.0"),
            ("interpolate(10, list)", "100.0"),
            ("interpolate(1.1, [[0, 4.4, 0, 50]])", "12.5"),
            (r#"classify(12, [[0, "low"], [10, "high"]])"#, r#""high""#),
            (r#"classify(-1, [[0, "low"], [10, "high"]])"#, "null"),
            (
                r#"classify(15, [[0, 10, "low"], [20, 30, "high"]])"#,
                "null",
            ),
            ("interpolate(temperature, pm25)", "null"),
        ],
    );
}

#[test]
fn text_lists_and_objects() {
    check(
        &Twin::of(r#"{"name":"Pole 7","list":[3,1,2],"payload":{"k":{"v":1}},"x":8}"#),
        &[
            (r#""a" + "b""#, r#""ab""#),
            (r#"name.startsWith("Pole") && name.endsWith("7")"#, "true"),
            (r#"name.contains("x")"#, "false"),
            (
                r#"name.lowerAscii() + name.upperAscii()"#,
                r#""pole 7POLE 7""#,
            ),
            (r#"name.split(" ")[1]"#, r#""7""#),
            (r#"int(name.split(" ")[1])"#, "7"),
            (r#""t-" + string(x)"#, r#""t-8""#),
            ("string(1.5) + string(true)", r#""1.5true""#),
            ("size(list) + size(name) + size(payload)", "10"),
            ("list.exists(v, v > 2) && list.all(v, v > 0)", "true"),
            ("list.filter(v, v > 1)[0] / 2", "1.5"),
            ("max(list) / 2", "1.5"),
            ("list.map(v, v > 1, v * 10)", "[30.0,20.0]"),
            ("list.exists_one(v, v == 2)", "true"),
            ("max(list) - min(list)", "2.0"),
            ("2 in list", "true"),
            (r#""k" in payload"#, "true"),
            (r#"payload["k"].v"#, "1.0"),
            ("list[5]", "null"),
            (r#"{"a": x, "b": [1]}"#, r#"{"a":8.0,"b":[1]}"#),
            (r#"name in ["Pole 7", "Pole 8"]"#, "true"),
            ("payload.map(k, k)", r#"["k"]"#),
            ("list.map(a, list.filter(b, b < a))", "[[1,2],[],[1]]"),
        ],
    );
}

#[test]
fn mistakes_are_named_with_their_place() {
    let twin = Twin::of(r#"{"name":"a","x":1,"count":1,"list":[1]}"#);
    check(
        &twin,
        &[
            (
                "temprature + 1",
                "there is no member `temprature` at line 1, column 1; did you mean `temperature`?",
            ),
            (
                "x +\n  sqr(x)",
                "there is no function `sqr` at line 2, column 6; did you mean `sqrt`?",
            ),
            (
                "interpolate(x)",
                "`interpolate` takes 2 arguments, not 1 at line 1, column 12; see docs/expressions.md for its form",
            ),
            (
                "sqrt(1, 2)",
                "`sqrt` takes one argument, not 2 at line 1, column 5; see docs/expressions.md for its form",
            ),
            (
                "prev(x + 1)",
                "`prev` takes the name of a member at line 1, column 5; write for example prev(temperature)",
            ),
            (
                "name * 2",
                "`*` does not take a text and a number at line 1, column 6; convert one of them, e.g. with double(x) or string(x)",
            ),
            (
                "name < 2",
                "a text and a number cannot be put in order at line 1, column 6; convert one of them, e.g. with double(x) or string(x)",
            ),
            (
                "x ? 1 : 2",
                "true or false is needed here, not a number at line 1, column 1; compare it with something",
            ),
            (
                "count / 0",
                "a whole number is divided by zero at line 1, column 7; guard it, e.g. `n == 0 ? 0 : x / n`",
            ),
            (
                "count + 9223372036854775807",
                "a whole number overflows 64 bits at line 1, column 7; compute with double(x)",
            ),
            (
                r#"sqrt("a")"#,
                "`sqrt` takes a number, not a text at line 1, column 5; convert it, or check what the member holds",
            ),
            (
                "x.y",
                "a number has no field `y` at line 1, column 2; check what the member holds",
            ),
            (
                r#""é" + x"#,
                "`+` does not take a text and a number at line 1, column 5; convert one of them, e.g. with double(x) or string(x)",
            ),
            (
                "x.map(v, v)",
                "only lists and objects have elements, not a number at line 1, column 6; check what the member holds",
            ),
            (
                "interpolate(x, [1, 2])",
                "a table is a list of rows [from, value], [from, to, class] or [from, to, low, high] at line 1, column 12; write such rows, or name a table of the interface",
            ),
            (
                "b\"abc\"",
                "a bytes literal has no meaning here at line 1, column 1; see docs/expressions.md for the language",
            ),
        ],
    );
    for source in [
        "", "1 +", "a b", "(1", "\"open", "x ? 1", "x.?y", "1 ! 2", "π + 1",
    ] {
        let error = Program::compile(source, &names()).unwrap_err();
        assert!(
            error.line >= 1 && error.column >= 1 && !error.remedy.is_empty(),
            "{source}: {error}"
        );
    }
}

#[test]
fn every_limit_is_met() {
    let too_long = format!("1{}", " ".repeat(MAX_SOURCE_BYTES));
    let too_deep = format!(
        "{}1{}",
        "(".repeat(MAX_DEPTH + 1),
        ")".repeat(MAX_DEPTH + 1)
    );
    let too_many = format!("[{}1]", "1,".repeat(MAX_LITERAL));
    let chain = "1+".repeat(1_500) + "1";
    let signs = "-".repeat(3_000) + "x";
    let choices = "on?1:".repeat(700) + "1";
    for source in [&too_long, &too_deep, &too_many, &chain, &choices] {
        assert!(Program::compile(source, &names()).is_err(), "{source}");
    }
    let _ = Program::compile(&signs, &names());

    let long_list = format!("{{\"list\":[{}1]}}", "1,".repeat(200));
    let twin = Twin::of(&long_list);
    let error = eval("list.all(a, list.all(b, a == b))", &twin);
    assert!(error.starts_with("more than 10000 steps"), "{error}");
    let doubling = format!("{{\"name\":\"{}\"}}", "x".repeat(40_000));
    let error = eval("name + name", &Twin::of(&doubling));
    assert!(error.starts_with("a text grew past 65536 bytes"), "{error}");
}
