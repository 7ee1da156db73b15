//! Readings of the language, each as a query with its rows.

use crate::world::{World, json};

/// A house: two floors with rooms, sensors in the rooms, and an older and a newer model of sensors.
pub fn house() -> World {
    let mut world = World::of(
        "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: 'dtmi:h:Space;1'}
spec:
  properties:
    - {name: area, schema: double}
    - {name: label, schema: string}
    - {name: open, schema: boolean}
    - {name: order, schema: long}
    - {name: tags, schema: {array: string}}
    - {name: names, schema: {map: string}}
  relationships:
    - {name: contains}
    - {name: has, properties: [{name: since, schema: long}]}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: 'dtmi:h:Floor;1'}
spec: {extends: ['dtmi:h:Space;1']}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: 'dtmi:h:Room;1'}
spec: {extends: ['dtmi:h:Space;1']}
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: 'dtmi:h:Sensor;1'}
spec:
  properties: [{name: value, schema: double}]
  telemetry: [{name: level, schema: double}]
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: {name: 'dtmi:h:Sensor;2'}
spec:
  properties: [{name: value, schema: double}, {name: unit, schema: string}]
",
    );
    let twins = [
        ("f1", "Floor;1", r#"{"label": "ground", "order": 0}"#),
        ("f2", "Floor;1", r#"{"label": "it's upstairs", "order": 1}"#),
        (
            "r1",
            "Room;1",
            r#"{"area": 12.5, "open": true, "tags": ["warm", "east"], "names": {"de": "Küche", "en": "kitchen"}}"#,
        ),
        ("r2", "Room;1", r#"{"area": 20, "open": false, "tags": []}"#),
        ("r3", "Room;1", r#"{"label": "attic"}"#),
        ("s1", "Sensor;1", r#"{"value": 21.5}"#),
        ("s2", "Sensor;2", r#"{"value": 19, "unit": "C"}"#),
        ("s3", "Sensor;2", "{}"),
    ];
    for (id, model, properties) in twins {
        world.put(id, &format!("dtmi:h:{model}"), json(properties));
    }
    let edges = [
        ("f1", "e1", "contains", "r1", "null"),
        ("f1", "e2", "contains", "r2", "null"),
        ("f2", "e1", "contains", "r3", "null"),
        ("r1", "e1", "has", "s1", r#"{"since": 2019}"#),
        ("r1", "e2", "has", "s2", r#"{"since": 2021}"#),
        ("r2", "e1", "has", "s3", "null"),
        ("r1", "e3", "contains", "r3", "null"),
    ];
    for (source, id, name, target, properties) in edges {
        world.relate(source, id, name, target, json(properties));
    }
    world
}

/// The values of the only column.
fn column(world: &World, query: &str) -> String {
    let rows = world.rows(query);
    let values = rows.iter().map(|row| {
        let inner = row.trim_start_matches('{').trim_end_matches('}');
        inner
            .split_once(':')
            .map_or("-", |(_, value)| value)
            .trim_matches('"')
            .to_owned()
    });
    values.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_condition_takes_rows_where_it_is_true() {
    let world = house();
    for (condition, ids) in [
        ("area > 12.5", "r2"),
        ("area >= 12.5", "r1 r2"),
        ("area = 20", "r2"),
        ("area != 20", "r1"),
        ("area <> 20", "r1"),
        ("NOT area = 20", "r1"),
        ("label = 'it\\'s upstairs'", "f2"),
        ("label = 20", ""),
        ("NOT label = 20", ""),
        ("area IN [20, 12.5, 'x']", "r1 r2"),
        ("area NIN [20]", "r1"),
        ("area NOT IN (20)", "r1"),
        ("NOT area IN [20]", "r1"),
        // IN is the OR of its equalities: one of another type is neither true nor false.
        ("area NIN [20, 'x']", ""),
        ("open", "r1"),
        ("NOT open", "r2"),
        ("open = true OR area = 20", "r1 r2"),
        ("open = true AND area = 20", ""),
        ("label = 'attic' OR NOT label = 'x'", "f1 f2 r3"),
        ("[[order]] = 1", "f2"),
        ("STARTSWITH(label, 'gr')", "f1"),
        ("ENDSWITH(label, 'ic')", "r3"),
        ("CONTAINS(label, 'stair')", "f2"),
        ("contains(label, 'stair')", "f2"),
        ("NOT CONTAINS(label, 'stair')", "f1 r3"),
        ("ARRAY_CONTAINS(tags, 'east')", "r1"),
        ("NOT ARRAY_CONTAINS(tags, 'east')", "r2"),
        ("names.en = 'kitchen'", "r1"),
        ("names.[[de]] = 'Küche'", "r1"),
        ("IS_DEFINED(names)", "r1"),
        ("IS_DEFINED(names.fr)", ""),
        ("IS_OBJECT(names)", "r1"),
        ("IS_OBJECT(tags)", ""),
        ("IS_NULL(area)", ""),
        ("NOT IS_NULL(area) AND IS_NUMBER(area)", "r1 r2"),
        ("IS_BOOL(open)", "r1 r2"),
        ("IS_STRING(label) AND NOT IS_DEFINED([[order]])", "r3"),
        ("IS_PRIMITIVE(area)", "r1 r2"),
        ("IS_PRIMITIVE(tags)", ""),
        ("IS_OF_MODEL('dtmi:h:Space;1') AND area > 0", "r1 r2"),
        ("IS_OF_MODEL('dtmi:h:Space;1', exact)", ""),
        ("IS_OF_MODEL('dtmi:h:Sensor;1')", "s1 s2 s3"),
        ("IS_OF_MODEL('dtmi:h:Sensor;2')", "s2 s3"),
        ("IS_OF_MODEL('dtmi:h:Sensor;1', exact)", "s1"),
        ("IS_OF_MODEL('dtmi:h:Sensor;3')", ""),
        ("$metadata.$model = 'dtmi:h:Sensor;2'", "s2 s3"),
        ("$dtId IN ['s3', 'f1', 's3', 'nobody']", "f1 s3"),
        ("$dtId = 'f1' OR $dtId = 'r1'", "f1 r1"),
        ("$dtId = 'F1'", ""),
        ("area < 'x'", ""),
        ("(area > 12) = true", "r1 r2"),
        ("true", "f1 f2 r1 r2 r3 s1 s2 s3"),
        ("area = -1 OR value > 2e1", "s1"),
    ] {
        let query = format!("SELECT T.$dtId FROM DIGITALTWINS T WHERE {condition}");
        assert_eq!(column(&world, &query), ids, "{condition}");
    }
}

#[test]
fn columns_are_called_by_their_last_name() {
    let world = house();
    for (query, rows) in [
        ("SELECT names.en FROM DIGITALTWINS WHERE $dtId = 'r1'", r#"{"en":"kitchen"}"#),
        ("SELECT area, label FROM DIGITALTWINS WHERE $dtId = 'r3'", r#"{"label":"attic"}"#),
        ("SELECT area FROM DIGITALTWINS WHERE $dtId = 'r3'", "{}"),
        ("SELECT T.area AS size FROM DIGITALTWINS AS T WHERE T.$dtId = 'r1'", r#"{"size":12.5}"#),
        ("select count() from digitaltwins", r#"{"COUNT":8}"#),
        ("SELECT COUNT(*) FROM DIGITALTWINS WHERE IS_OF_MODEL('dtmi:h:Space;1')", r#"{"COUNT":5}"#),
        ("SELECT COUNT() FROM RELATIONSHIPS", r#"{"COUNT":7}"#),
        ("SELECT COUNT() FROM RELATIONSHIPS WHERE $relationshipName = 'has'", r#"{"COUNT":3}"#),
        ("SELECT COUNT(label) AS n, SUM(order), AVG(area), MIN(label), MAX(area) FROM DIGITALTWINS".replace("order", "[[order]]").as_str(),
            r#"{"n":3,"SUM":1,"AVG":16.25,"MIN":"attic","MAX":20.0}"#),
        ("SELECT SUM(area) FROM DIGITALTWINS WHERE area > 1000", "{}"),
        ("SELECT * FROM DIGITALTWINS WHERE $dtId = 's2'", r#"{"$dtId":"s2","$metadata":{"$model":"dtmi:h:Sensor;2"},"value":19.0,"unit":"C"}"#),
        ("SELECT T FROM DIGITALTWINS T WHERE T.$dtId = 's3'", r#"{"T":{"$dtId":"s3","$metadata":{"$model":"dtmi:h:Sensor;2"}}}"#),
        ("SELECT $metadata FROM DIGITALTWINS WHERE $dtId = 's3'", r#"{"$metadata":{"$model":"dtmi:h:Sensor;2"}}"#),
        ("SELECT * FROM RELATIONSHIPS R WHERE R.since > 2020", r#"{"$relationshipId":"e2","$etag":"W/\"e2\"","$sourceId":"r1","$targetId":"s2","$relationshipName":"has","since":2021}"#),
        ("SELECT TOP(1) FROM DIGITALTWINS WHERE area > 1", r#"{"$dtId":"r1","$metadata":{"$model":"dtmi:h:Room;1"},"area":12.5,"open":true,"tags":["warm","east"],"names":{"de":"Küche","en":"kitchen"}}"#),
    ] {
        assert_eq!(world.rows(query).join("\n"), rows, "{query}");
    }
}

#[test]
fn relationships_are_walked_in_both_directions_by_name_and_hops() {
    let world = house();
    for (query, ids) in [
        (
            "SELECT t.$dtId FROM DIGITALTWINS s JOIN t RELATED s.contains WHERE s.$dtId = 'f1'",
            "r1 r2",
        ),
        (
            "SELECT s.$dtId FROM DIGITALTWINS s JOIN t RELATED s.contains WHERE t.$dtId = 'r3'",
            "f2 r1",
        ),
        (
            "SELECT u.$dtId FROM DIGITALTWINS s JOIN t RELATED s.contains JOIN u RELATED t.has r WHERE s.$dtId = 'f1' AND r.since >= 2019",
            "s1 s2",
        ),
        (
            "SELECT r.$relationshipId FROM DIGITALTWINS s JOIN t RELATED s.has r WHERE t.$dtId = 's2'",
            "e2",
        ),
        (
            "SELECT b.$dtId FROM DIGITALTWINS MATCH (a)-[:contains]->(b) WHERE a.$dtId = 'f1'",
            "r1 r2",
        ),
        (
            "SELECT b.$dtId FROM DIGITALTWINS MATCH (a)<-[]-(b) WHERE a.$dtId = 'r3'",
            "f2 r1",
        ),
        (
            "SELECT b.$dtId FROM DIGITALTWINS MATCH (a)-[]-(b) WHERE a.$dtId = 'r1'",
            "s1 s2 r3 f1",
        ),
        (
            "SELECT b.$dtId FROM DIGITALTWINS MATCH (a)-[:contains|has*2]->(b) WHERE a.$dtId = 'f1'",
            "s1 s2 r3 s3",
        ),
        // The lower end of a range is exclusive.
        (
            "SELECT b.$dtId FROM DIGITALTWINS MATCH (a)-[*1..2]->(b) WHERE a.$dtId = 'f1'",
            "s1 s2 r3 s3",
        ),
        (
            "SELECT b.$dtId FROM DIGITALTWINS MATCH (a)-[*..2]->(b) WHERE a.$dtId = 'f1'",
            "r1 s1 s2 r3 r2 s3",
        ),
        (
            "SELECT b.$dtId FROM DIGITALTWINS MATCH (a)-[*2..]-(b) WHERE a.$dtId = 's3'",
            "r1 s1 s2 r3 f2",
        ),
        (
            "SELECT c.$dtId FROM DIGITALTWINS MATCH (a)-[:contains]->()-[r:has]->(c) WHERE a.$dtId = 'f1' AND r.since < 2020",
            "s1",
        ),
        (
            "SELECT a.$dtId FROM DIGITALTWINS MATCH (a) WHERE a.value > 20",
            "s1",
        ),
        // A path uses a relationship once, so nobody is their own neighbour's neighbour by it.
        (
            "SELECT c.$dtId FROM DIGITALTWINS MATCH (a)-[:has]->(b)<-[:has]-(c) WHERE a.$dtId = 'r1'",
            "",
        ),
        (
            "SELECT COUNT() FROM DIGITALTWINS MATCH (a)-[]->(b)-[]->(a)",
            "0",
        ),
        (
            "SELECT COUNT() FROM DIGITALTWINS MATCH (a)-[]->(b)-[]->(c) WHERE NOT a.$dtId = 'f2'",
            "4",
        ),
        (
            "SELECT $targetId FROM RELATIONSHIPS WHERE $sourceId = 'r1'",
            "s1 s2 r3",
        ),
        (
            "SELECT $sourceId FROM RELATIONSHIPS WHERE $targetId = 'r3' AND $relationshipName = 'contains'",
            "f2 r1",
        ),
    ] {
        assert_eq!(column(&world, query), ids, "{query}");
    }
    let rows = world.rows("SELECT * FROM DIGITALTWINS MATCH (a)-[r:has]->(b) WHERE b.unit = 'C'");
    assert_eq!(rows.len(), 1);
    assert!(rows[0].starts_with(r#"{"a":{"$dtId":"r1""#), "{rows:?}");
    assert!(
        rows[0].contains(r#""r":{"$relationshipId":"e2""#),
        "{rows:?}"
    );
}

#[test]
fn order_and_groups() {
    let world = house();
    for (query, values) in [
        (
            "SELECT $dtId FROM DIGITALTWINS WHERE IS_OF_MODEL('dtmi:h:Space;1') ORDER BY area DESC, $dtId DESC",
            "r2 r1 r3 f2 f1",
        ),
        (
            "SELECT $dtId FROM DIGITALTWINS WHERE IS_OF_MODEL('dtmi:h:Space;1') ORDER BY area ASC",
            "f1 f2 r3 r1 r2",
        ),
        (
            "SELECT $dtId FROM DIGITALTWINS ORDER BY $dtId DESC LIMIT 3 OFFSET 1",
            "s2 s1 r3",
        ),
        ("SELECT TOP(2) $dtId FROM DIGITALTWINS OFFSET 7", "s3"),
        (
            "SELECT $dtId AS id FROM DIGITALTWINS ORDER BY id DESC LIMIT 1",
            "s3",
        ),
        (
            "SELECT COUNT() FROM DIGITALTWINS GROUP BY $metadata.$model",
            "2 3 1 2",
        ),
        (
            "SELECT $metadata.$model FROM DIGITALTWINS GROUP BY $metadata.$model ORDER BY COUNT() DESC LIMIT 1",
            "dtmi:h:Room;1",
        ),
        ("SELECT COUNT() FROM DIGITALTWINS GROUP BY open", "6 1 1"),
        (
            "SELECT COUNT() FROM DIGITALTWINS WHERE area > 1000 GROUP BY open",
            "",
        ),
        (
            "SELECT MAX(value) AS best FROM DIGITALTWINS GROUP BY $metadata.$model ORDER BY best DESC",
            "21.5 19.0 - -",
        ),
    ] {
        assert_eq!(column(&world, query), values, "{query}");
    }
}

#[test]
fn explain_tells_the_plan_and_what_was_visited() {
    let world = house();
    let rows = world
        .rows("EXPLAIN SELECT b FROM DIGITALTWINS MATCH (a)-[:contains]->(b) WHERE b.$dtId = 'r3'");
    assert_eq!(
        rows,
        [
            r#"{"step":"begin at b: by id (1), 1 condition","estimate":1.0,"visited":1,"rows":1}"#,
            r#"{"step":"go along (b)<-[:contains]-(a)","estimate":1.0,"visited":2,"rows":2}"#,
            r#"{"step":"a page, in the order of the walk","rows":2}"#,
        ]
    );
    let rows =
        world.rows("EXPLAIN SELECT COUNT() FROM DIGITALTWINS WHERE IS_OF_MODEL('dtmi:h:Room;1')");
    assert!(rows[0].contains("count from the index"), "{rows:?}");
}
