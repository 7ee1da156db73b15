//! Reads every report back by its event id.

use super::{Difference, Error, Outcome, Row};
use crate::{device::journal::Marks, fleet::Kind, workload::Workload};
use gemelli_client::Client;
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

/// Rows of a page.
const PAGE: usize = 200_000;

/// What is needed of a row of history.
#[derive(Deserialize)]
struct Line<'a> {
    category: &'a str,
    #[serde(default, borrow)]
    twin: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    data: Option<Flag>,
}

/// The one derived value whose way is followed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Flag {
    #[serde(rename = "defectiveLamp")]
    defective: Option<bool>,
}

/// What history says of a device.
#[derive(Clone, Debug, Default)]
struct Found {
    /// Reports seen, one bit each, by number.
    seen: Vec<u64>,
    distinct: u64,
    duplicates: u64,
}

impl Found {
    /// Notes a report; false if it was there before.
    fn note(&mut self, n: u32) -> bool {
        let (word, bit) = ((n / 64) as usize, 1 << (n % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let Some(bits) = self.seen.get_mut(word) else {
            return false;
        };
        let fresh = *bits & bit == 0;
        *bits |= bit;
        fresh
    }

    fn has(&self, n: u32) -> bool {
        self.seen
            .get((n / 64) as usize)
            .is_some_and(|bits| bits & (1 << (n % 64)) != 0)
    }
}

/// Reads all pages and fills the outcome's table, and how lamps flipped.
pub(super) fn read_back(
    client: &Client,
    workload: &Workload,
    marks: &[Marks],
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let ids: Vec<String> = workload
        .devices()
        .iter()
        .map(|device| device.id())
        .collect();
    let numbers: HashMap<&str, usize> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| (id.as_str(), number))
        .collect();
    let mut found = vec![Found::default(); ids.len()];
    let mut after = None;
    loop {
        let (page, next) = client
            .rows(after, PAGE)
            .map_err(Error::http("reading history"))?;
        for line in page
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            outcome.rows_read += 1;
            take(line, &numbers, &mut found, outcome)?;
        }
        match next {
            Some(next) if after.is_none_or(|after| next > after) => after = Some(next),
            Some(next) => {
                return Err(Error::Answer(format!(
                    "history goes back: after {after:?} comes {next}"
                )));
            }
            None => break,
        }
    }
    fill(workload, marks, &ids, &found, outcome);
    Ok(())
}

fn take(
    line: &[u8],
    numbers: &HashMap<&str, usize>,
    found: &mut [Found],
    outcome: &mut Outcome,
) -> Result<(), Error> {
    let text = || String::from_utf8_lossy(line).into_owned();
    let row: Line<'_> = serde_json::from_slice(line)
        .map_err(|error| Error::Answer(format!("history: {error}: {}", text())))?;
    let twin = row.twin.as_deref();
    match row.category {
        "real" => {
            let number = twin.and_then(|twin| numbers.get(twin));
            let Some(found) = number.and_then(|number| found.get_mut(*number)) else {
                outcome.differ(Difference::Unexpected(text()));
                return Ok(());
            };
            // An id that is not the device's own cannot be told from a repetition.
            let own = row
                .id
                .as_deref()
                .zip(twin)
                .and_then(|(id, twin)| id.strip_prefix(twin)?.strip_prefix('#')?.parse().ok());
            match own {
                Some(n) if found.note(n) => found.distinct += 1,
                _ => found.duplicates += 1,
            }
        }
        "derived" => {
            let flag = row.data.and_then(|data| data.defective);
            if let Some((twin, defective)) = twin.zip(flag) {
                outcome
                    .lamps
                    .entry(twin.to_owned())
                    .or_default()
                    .push(defective);
            }
        }
        _ => {}
    }
    Ok(())
}

fn fill(
    workload: &Workload,
    marks: &[Marks],
    ids: &[String],
    found: &[Found],
    outcome: &mut Outcome,
) {
    let first_day = workload.plan().first_day;
    let mut rows: BTreeMap<Kind, Row> = BTreeMap::new();
    for (((number, device), (mark, found)), id) in (0..)
        .zip(workload.devices())
        .zip(marks.iter().zip(found))
        .zip(ids)
    {
        let before = first_day * workload.reports_per_day(number);
        let row = rows.entry(device.kind).or_default();
        row.sent += u64::from(mark.sent.saturating_sub(before));
        row.acknowledged += u64::from(mark.acknowledged.saturating_sub(before));
        row.in_history += found.distinct;
        row.duplicates += found.duplicates;
        let lost: Vec<u32> = (before + 1..=mark.acknowledged)
            .filter(|n| !found.has(*n))
            .collect();
        row.lost += lost.len() as u64;
        for n in lost {
            outcome.differ(Difference::Lost(format!("{id}#{n}")));
        }
        if found.duplicates > 0 {
            outcome.differ(Difference::Twice(id.clone(), found.duplicates));
        }
    }
    outcome.rows = rows;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::workload::Plan;

    /// A journal and a history of one day of the first device; the history says what `lines` says.
    fn judge(sent: u32, acknowledged: u32, lines: &[&str]) -> Outcome {
        let workload = Workload::new(Plan::default());
        let ids: Vec<String> = workload
            .devices()
            .iter()
            .map(|device| device.id())
            .collect();
        let numbers = ids
            .iter()
            .enumerate()
            .map(|(n, id)| (id.as_str(), n))
            .collect();
        let mut marks = vec![Marks::default(); ids.len()];
        marks[0] = Marks {
            sent,
            acknowledged,
            acknowledgements: acknowledged,
        };
        let mut found = vec![Found::default(); ids.len()];
        let mut outcome = Outcome::default();
        for line in lines {
            let line = line.replace("$", &ids[0]);
            take(line.as_bytes(), &numbers, &mut found, &mut outcome).unwrap();
        }
        fill(&workload, &marks, &ids, &found, &mut outcome);
        outcome
    }

    #[test]
    fn what_history_lacks_or_has_twice_is_found() {
        let first = r#"{"seq":1,"category":"real","twin":"$","id":"$#1","data":{"a":1}}"#;
        let second = r#"{"seq":2,"category":"real","twin":"$","id":"$#2","data":{"a":1}}"#;
        let nameless = r#"{"seq":3,"category":"real","twin":"$","data":{"a":1}}"#;
        let derived = r#"{"seq":4,"category":"derived","twin":"$","data":{"b":1}}"#;
        for (name, sent, acknowledged, lines, expected) in [
            (
                "all there",
                2,
                2,
                &[first, derived, second][..],
                [2, 2, 2, 0, 0],
            ),
            (
                "unacknowledged, yet there",
                2,
                1,
                &[first, second],
                [2, 1, 2, 0, 0],
            ),
            (
                "unacknowledged and not there",
                2,
                1,
                &[first],
                [2, 1, 1, 0, 0],
            ),
            (
                "acknowledged and not there",
                2,
                2,
                &[second],
                [2, 2, 1, 0, 1],
            ),
            ("twice", 2, 2, &[first, second, first], [2, 2, 2, 1, 0]),
            (
                "once more without an id",
                2,
                2,
                &[first, second, nameless],
                [2, 2, 2, 1, 0],
            ),
        ] {
            let outcome = judge(sent, acknowledged, lines);
            let row = &outcome.rows[&Kind::Air];
            let figures = [
                row.sent,
                row.acknowledged,
                row.in_history,
                row.duplicates,
                row.lost,
            ];
            assert_eq!(figures, expected, "{name}");
            assert_eq!(
                outcome.differences_total > 0,
                expected[3] + expected[4] > 0,
                "{name}"
            );
        }
    }

    #[test]
    fn a_report_of_nobody_is_a_difference() {
        let outcome = judge(
            0,
            0,
            &[r#"{"category":"real","twin":"nobody","id":"nobody#1"}"#],
        );
        assert_eq!(outcome.differences_total, 1);
    }
}
