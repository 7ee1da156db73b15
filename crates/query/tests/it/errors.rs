//! What is no query, or too much of one: code, place, and what to do.

use crate::{
    answers::house,
    world::{ask, page},
};
use gemelli_query::{Kind, Limits, MAX_DEPTH, Query};

#[test]
fn an_error_says_where_and_what_was_meant() {
    for (query, place, words) in [
        ("", (1, 1), "expected SELECT, found the end"),
        ("SELCT * FROM DIGITALTWINS", (1, 1), "did you mean SELECT?"),
        ("SELECT * FORM DIGITALTWINS", (1, 10), "did you mean FROM?"),
        (
            "SELECT * FROM DIGITALTWIN",
            (1, 15),
            "did you mean DIGITALTWINS?",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHER a = 1",
            (1, 33),
            "did you mean WHERE?",
        ),
        (
            "SELECT * FROM DIGITALTWINS T WHER a = 1",
            (1, 30),
            "did you mean WHERE?",
        ),
        (
            "SELECT *\nFROM DIGITALTWINS\nWHERE STARTWITH(a, 'b')",
            (3, 7),
            "did you mean STARTSWITH?",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE SLEEP(5)",
            (1, 34),
            "there is no function `SLEEP`",
        ),
        (
            "SELECT MEDIAN(a) FROM DIGITALTWINS",
            (1, 8),
            "there are COUNT, SUM",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE STARTSWITH(a, 5)",
            (1, 48),
            "second argument of STARTSWITH is text, not a integer",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE 5",
            (1, 34),
            "no condition",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE a = 1 AND 'x'",
            (1, 44),
            "no condition",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE a < 1 < 2",
            (1, 40),
            "do not chain",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE (a = 1",
            (1, 40),
            "expected `)`",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE a = 1)",
            (1, 39),
            "expected a clause",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE a IN ['x'",
            (1, 43),
            "expected `]`",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE a IN []",
            (1, 40),
            "expected a value",
        ),
        ("SELECT * FROM DIGITALTWINS WHERE a = 'x", (1, 38), "no end"),
        (
            "SELECT * FROM DIGITALTWINS WHERE [[a = 1",
            (1, 34),
            "no end",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE a = \"x\"",
            (1, 38),
            "single quotes",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE a = 1e999",
            (1, 38),
            "too large",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE order = 1",
            (1, 34),
            "[[order]]",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE a # 1",
            (1, 36),
            "'#' has no meaning",
        ),
        ("SELECT TOP('a') FROM DIGITALTWINS", (1, 12), "whole number"),
        (
            "SELECT X.a FROM DIGITALTWINS MATCH (XY)-[]->(b)",
            (1, 8),
            "did you mean XY?",
        ),
        (
            "SELECT T FROM DIGITALTWINS T JOIN C RELATED S.x",
            (1, 45),
            "no variable that stands before",
        ),
        (
            "SELECT T FROM DIGITALTWINS T WHERE T = 'x'",
            (1, 36),
            "T.$dtId",
        ),
        (
            "SELECT a FROM DIGITALTWINS MATCH (a)<-[]->(b)",
            (1, 42),
            "one direction",
        ),
        (
            "SELECT a FROM DIGITALTWINS MATCH (a)-[r*2]->(b)",
            (1, 39),
            "one hop",
        ),
        (
            "SELECT a FROM DIGITALTWINS MATCH (a)-[*0]->(b)",
            (1, 39),
            "no number of hops",
        ),
        (
            "SELECT a FROM DIGITALTWINS MATCH (a)-[*3..3]->(b)",
            (1, 39),
            "exclusive",
        ),
        (
            "SELECT a FROM DIGITALTWINS T MATCH (a)",
            (1, 30),
            "names its twins itself",
        ),
        (
            "SELECT * FROM RELATIONSHIPS R JOIN t RELATED R.x",
            (1, 31),
            "not at RELATIONSHIPS",
        ),
        (
            "SELECT a.x, b.x FROM DIGITALTWINS MATCH (a)-[]->(b)",
            (1, 13),
            "with AS",
        ),
        ("SELECT a, COUNT() FROM DIGITALTWINS", (1, 8), "GROUP BY"),
        (
            "SELECT COUNT() FROM DIGITALTWINS GROUP BY a ORDER BY b",
            (1, 54),
            "many values in a group",
        ),
        (
            "SELECT a FROM DIGITALTWINS MATCH (a)-[]->(b) WHERE IS_OF_MODEL('x')",
            (1, 64),
            "IS_OF_MODEL(T, 'id')",
        ),
        (
            "SELECT * FROM DIGITALTWINS WHERE IS_OF_MODEL('x', strict)",
            (1, 51),
            "expected exact",
        ),
        (
            "SELECT * FROM DIGITALTWINS LIMIT 1 LIMIT 2",
            (1, 36),
            "TOP and LIMIT",
        ),
        (
            "SELECT ä FROM DIGITALTWINS WHERE ü =",
            (1, 37),
            "expected a property",
        ),
    ] {
        let error = Query::parse(query).expect_err(query);
        let at = error.position.map(|p| (p.line, p.column));
        assert_eq!(at, Some(place), "{query}: {error}");
        assert!(error.to_string().contains(words), "{query}: {error}");
        assert_eq!(error.code(), "malformed-query");
    }
}

#[test]
fn what_is_too_large_names_its_limit() {
    let deep = MAX_DEPTH + 1;
    for (query, words) in [
        (
            format!("SELECT * FROM DIGITALTWINS WHERE {}", "(".repeat(100_000)),
            "MAX_TOKENS",
        ),
        (
            format!(
                "SELECT * FROM DIGITALTWINS WHERE a = 1{}",
                " OR a = 1".repeat(25_000)
            ),
            "MAX_TOKENS",
        ),
        (
            format!(
                "SELECT * FROM DIGITALTWINS WHERE a IN [{}1]",
                "1,".repeat(50_000)
            ),
            "MAX_TOKENS",
        ),
        (
            format!(
                "SELECT * FROM DIGITALTWINS WHERE a = '{}'",
                "x".repeat(300_000)
            ),
            "MAX_BYTES",
        ),
        (
            format!(
                "SELECT * FROM DIGITALTWINS WHERE {}a = 1{}",
                "(".repeat(deep),
                ")".repeat(deep)
            ),
            "MAX_DEPTH",
        ),
        (
            format!(
                "SELECT * FROM DIGITALTWINS WHERE {}a = 1",
                "NOT ".repeat(deep)
            ),
            "MAX_DEPTH",
        ),
        (
            format!(
                "SELECT * FROM DIGITALTWINS WHERE {}a",
                "IS_NULL(".repeat(deep)
            ),
            "MAX_DEPTH",
        ),
        (
            format!(
                "SELECT a FROM DIGITALTWINS MATCH (a){}",
                "-[]-()".repeat(17)
            ),
            "MAX_LINKS",
        ),
        (
            "SELECT a FROM DIGITALTWINS MATCH (a)-[*11]-()".into(),
            "MAX_HOPS",
        ),
        (
            format!("SELECT a{} FROM DIGITALTWINS", ", a".repeat(300)),
            "MAX_COLUMNS",
        ),
    ] {
        let error = Query::parse(&query).expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.kind, Kind::Limit, "{error}");
    }
    let nested = format!(
        "SELECT * FROM DIGITALTWINS WHERE {}area = 20{}",
        "(".repeat(MAX_DEPTH),
        ")".repeat(MAX_DEPTH)
    );
    assert_eq!(ask(&house().view(), &nested).unwrap().len(), 1);
    let long = format!(
        "SELECT * FROM DIGITALTWINS WHERE area = 20{}",
        " AND area > 1".repeat(4_000)
    );
    assert_eq!(ask(&house().view(), &long).unwrap().len(), 1);
}

#[test]
fn what_costs_too_much_is_stopped() {
    let view = house().view();
    let cross = "SELECT COUNT() FROM DIGITALTWINS MATCH (a)-[*..6]-(b)-[*..6]-(c)-[*..6]-(d)";
    let few = Limits {
        visits: 500,
        ..Limits::default()
    };
    let error = page(&view, cross, &few, None).unwrap_err();
    assert_eq!(error.code(), "query-limit");
    assert!(error.to_string().contains("looked at 500"), "{error}");
    let late = Limits {
        expired: &|| true,
        ..Limits::default()
    };
    // Time is asked for by what is done, and a long condition is more than a short one.
    let long = format!(
        "SELECT * FROM DIGITALTWINS WHERE area = 1{}",
        " OR area = 1".repeat(4_000)
    );
    let error = page(&view, &long, &late, None).unwrap_err();
    assert_eq!(error.code(), "query-timeout");
    assert!(page(&view, "SELECT * FROM DIGITALTWINS", &late, None).is_ok());
    let few = Limits {
        groups: 3,
        ..Limits::default()
    };
    let error = page(
        &view,
        "SELECT COUNT() FROM DIGITALTWINS GROUP BY $dtId",
        &few,
        None,
    );
    assert_eq!(error.unwrap_err().code(), "query-limit");
    let few = Limits {
        sorted: 200,
        ..Limits::default()
    };
    let error = page(
        &view,
        "SELECT * FROM DIGITALTWINS ORDER BY area OFFSET 101",
        &few,
        None,
    );
    assert_eq!(error.unwrap_err().code(), "query-limit");
}
