//! Compares every derived value with the reference.

use super::{Difference, Error, Outcome};
use crate::reference::{City, Expected, Values};
use gemelli_client::{Client, Twin, TwinFilter};
use serde_json::Value as Json;
use std::collections::BTreeSet;

/// Twins of a page.
const PAGE: usize = 1_000;
/// Numbers that differ by less than this share are the same: a formula may be computed in another order.
const TOLERANCE: f64 = 1e-12;

/// Reads all twins and compares.
pub(super) fn compare(
    client: &Client,
    expected: &City,
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let mut missing: BTreeSet<&str> = expected.twins.keys().map(String::as_str).collect();
    let filter = TwinFilter {
        interface: None,
        limit: Some(PAGE),
    };
    for twin in client.twins(&filter) {
        let twin = twin.map_err(Error::http("reading twins"))?;
        if let Some((id, values)) = expected.twins.get_key_value(&twin.id) {
            missing.remove(id.as_str());
            twin_differs(&twin, values, outcome);
        }
    }
    for id in missing {
        outcome.differ(Difference::Missing(id.to_owned()));
    }
    lamps_differ(expected, outcome);
    Ok(())
}

/// Compares how often each lamp's flag rose and fell: its last value alone would not tell.
fn lamps_differ(expected: &City, outcome: &mut Outcome) {
    let ways = std::mem::take(&mut outcome.lamps);
    let lamps: BTreeSet<&String> = expected.lamps.keys().chain(ways.keys()).collect();
    for twin in lamps {
        let flips = expected.lamps.get(twin).copied().unwrap_or_default();
        let expected = (flips.raised, flips.cleared);
        let found = ways.get(twin).map(|way| flips_of(way)).unwrap_or_default();
        if found != expected {
            outcome.differ(Difference::Lamp {
                twin: twin.clone(),
                expected,
                found,
            });
        }
    }
    outcome.lamps_flipped = expected.lamps.len();
}

/// How often a flag rose and fell.
fn flips_of(way: &[bool]) -> (u32, u32) {
    let (mut raised, mut cleared, mut before) = (0, 0, false);
    for now in way {
        raised += u32::from(*now && !before);
        cleared += u32::from(!*now && before);
        before = *now;
    }
    (raised, cleared)
}

fn twin_differs(twin: &Twin, values: &Values, outcome: &mut Outcome) {
    for (name, expected) in values {
        outcome.values += 1;
        let member = twin
            .more
            .get("derived")
            .and_then(|derived| derived.get(*name));
        let found = member
            .and_then(|member| member.get("value"))
            .filter(|value| !value.is_null());
        if !same(expected.as_ref(), found) {
            outcome.differ(Difference::Value {
                twin: twin.id.clone(),
                property: (*name).to_owned(),
                expected: expected.clone(),
                found: found.cloned(),
            });
        }
    }
}

fn same(expected: Option<&Expected>, found: Option<&Json>) -> bool {
    match (expected, found) {
        (None, None) => true,
        (Some(Expected::Number(expected)), Some(found)) => found.as_f64().is_some_and(|found| {
            (found - expected).abs() <= TOLERANCE * expected.abs().max(found.abs())
        }),
        (Some(Expected::Word(expected)), Some(found)) => found.as_str() == Some(expected),
        (Some(Expected::Truth(expected)), Some(found)) => found.as_bool() == Some(*expected),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::reference::Flips;
    use serde_json::json;

    #[test]
    fn values_are_the_same_or_not() {
        for (expected, found, equal) in [
            (Some(Expected::Number(86.0)), json!(86), true),
            (Some(Expected::Number(0.3)), json!(0.1 + 0.2), true),
            (Some(Expected::Number(0.3)), json!(0.300_000_1), false),
            (Some(Expected::Number(0.0)), json!(0), true),
            (Some(Expected::Number(1.0)), json!("1"), false),
            (Some(Expected::Word("GOOD")), json!("GOOD"), true),
            (Some(Expected::Word("GOOD")), json!("good"), false),
            (Some(Expected::Truth(false)), json!(false), true),
            (Some(Expected::Truth(false)), json!(0), false),
            (None, json!(1), false),
        ] {
            assert_eq!(
                same(expected.as_ref(), Some(&found)),
                equal,
                "{expected:?} {found}"
            );
        }
        assert!(same(None, None));
        assert!(!same(Some(&Expected::Truth(true)), None));
    }

    #[test]
    fn a_lamp_that_flips_for_no_reason_or_not_at_all_is_a_difference() {
        let mut expected = City::default();
        expected.lamps.insert(
            "stuck".into(),
            Flips {
                raised: 1,
                cleared: 1,
            },
        );
        for (way, differences) in [
            (&[("stuck", &[true, false][..])][..], 0),
            (&[("stuck", &[false, true, false]), ("sound", &[false])], 0),
            (&[("stuck", &[true])], 1),
            (&[], 1),
            (&[("stuck", &[true, false]), ("sound", &[true, false])], 1),
        ] {
            let lamps = way
                .iter()
                .map(|(twin, way)| ((*twin).to_owned(), way.to_vec()))
                .collect();
            let mut outcome = Outcome {
                lamps,
                ..Outcome::default()
            };
            lamps_differ(&expected, &mut outcome);
            assert_eq!(outcome.differences_total, differences, "{way:?}");
        }
    }

    #[test]
    fn flips_are_counted_from_a_sound_lamp_on() {
        assert_eq!(flips_of(&[false, true, true, false, true]), (2, 1));
        assert_eq!(flips_of(&[]), (0, 0));
    }
}
