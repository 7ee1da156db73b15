//! The query guide's examples answer what the guide says.

use crate::answers::house;

#[test]
fn every_query_of_the_guide_gives_the_rows_that_follow_it() {
    let guide = include_str!("../../../../docs/query.md");
    let world = house();
    let mut blocks = guide.split("```").skip(1).step_by(2);
    let mut count = 0;
    while let (Some(query), Some(rows)) = (blocks.next(), blocks.next()) {
        let query = query.strip_prefix("sql\n").expect(query);
        let rows = rows.strip_prefix("json\n").expect(rows);
        assert_eq!(world.rows(query.trim()).join("\n"), rows.trim(), "{query}");
        count += 1;
    }
    assert!(count >= 10, "{count} examples");
}
