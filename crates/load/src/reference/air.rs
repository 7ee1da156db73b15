//! Air-quality index and category by EPA's breakpoints, from its written table.
//!
//! Edition: "Technical Assistance Document for the Reporting of Daily Air Quality", EPA-454/B-24-002,
//! May 2024. Concentrations are cut (not rounded) to the table's last digit before they are looked
//! up; the index is interpolated within its category and rounded to a whole number.

use super::Values;
use crate::{chance::Chance, payload::Reading};

/// How long a sensor's overall index holds after its latest report.
const HOLDS_MS: i64 = 60 * 60_000;

/// The worst category's place in [`CATEGORIES`].
pub const WORST: usize = 5;

/// Categories from best to worst.
pub const CATEGORIES: [&str; 6] = [
    "GOOD",
    "MODERATE",
    "UNHEALTHY_FOR_SENSITIVE_GROUPS",
    "UNHEALTHY",
    "VERY_UNHEALTHY",
    "HAZARDOUS",
];

/// First and last index of each category.
const INDEX: [(f64, f64); 6] = [
    (0.0, 50.0),
    (51.0, 100.0),
    (101.0, 150.0),
    (151.0, 200.0),
    (201.0, 300.0),
    (301.0, 500.0),
];

/// The breakpoints of a pollutant.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// The member of an air-quality report.
    pub member: &'static str,
    /// The derived index.
    pub index: &'static str,
    /// The derived category.
    pub level: &'static str,
    /// The table's last digit: tenths are 10, whole numbers 1.
    pub parts: i64,
    /// The last concentration of each category, in units of the last digit.
    pub tops: [i64; 6],
}

/// All pollutants: PM in µg/m³, CO in ppm, the others in ppb.
pub const TABLES: [Table; 6] = [
    Table {
        member: "PM25Density",
        index: "PM25Index",
        level: "PM25Level",
        parts: 10,
        tops: [90, 354, 554, 1_254, 2_254, 3_254],
    },
    Table {
        member: "PM10Density",
        index: "PM10Index",
        level: "PM10Level",
        parts: 1,
        tops: [54, 154, 254, 354, 424, 604],
    },
    Table {
        member: "CODensity",
        index: "COIndex",
        level: "COLevel",
        parts: 10,
        tops: [44, 94, 124, 154, 304, 504],
    },
    Table {
        member: "O3Density",
        index: "O3Index",
        level: "O3Level",
        parts: 1,
        tops: [54, 70, 85, 105, 200, 604],
    },
    Table {
        member: "SO2Density",
        index: "SO2Index",
        level: "SO2Level",
        parts: 1,
        tops: [35, 75, 185, 304, 604, 1_004],
    },
    Table {
        member: "NO2Density",
        index: "NO2Index",
        level: "NO2Level",
        parts: 1,
        tops: [53, 100, 360, 649, 1_249, 2_049],
    },
];

impl Table {
    /// A concentration of the table's resolution, no worse than the category `ceiling`.
    pub fn between(&self, chance: &mut Chance, ceiling: usize) -> f64 {
        let top = self.tops.get(ceiling).copied().unwrap_or_default();
        chance.decimal(0, top, self.parts)
    }

    /// Category and index of a concentration; none for a negative or unreal one.
    pub fn classify(&self, concentration: f64) -> Option<(usize, f64)> {
        if !concentration.is_finite() || concentration < 0.0 {
            return None;
        }
        // Decimal digits have no exact binary form: 35.4 × 10 is 354, never 353.99….
        let cut = ((concentration * self.parts as f64) + 1e-6).floor() as i64;
        let mut low = 0;
        for (category, (top, (first, last))) in self.tops.iter().zip(INDEX).enumerate() {
            if cut <= *top {
                let share = (cut - low) as f64 / (top - low) as f64;
                return Some((category, (first + share * (last - first)).round()));
            }
            low = top + 1;
        }
        Some((WORST, 500.0))
    }
}

/// The category of an index.
pub fn level(index: f64) -> &'static str {
    let found = CATEGORIES
        .iter()
        .zip(INDEX)
        .find(|(_, (_, last))| index <= *last);
    found.map_or("HAZARDOUS", |(category, _)| category)
}

/// The derived values of a sensor. The overall index expires, those of the pollutants do not.
pub(super) fn values(reading: &Reading, now_ms: i64) -> Values {
    let mut values = Values::new();
    let mut worst: Option<f64> = None;
    for table in &TABLES {
        let found = reading
            .number(table.member)
            .and_then(|concentration| table.classify(concentration));
        values.insert(table.index, found.map(|(_, index)| index.into()));
        values.insert(
            table.level,
            found.and_then(|(at, _)| Some((*CATEGORIES.get(at)?).into())),
        );
        worst = [worst, found.map(|(_, index)| index)]
            .into_iter()
            .flatten()
            .reduce(f64::max);
    }
    let holds = now_ms - reading.time_ms < HOLDS_MS;
    let worst = worst.filter(|_| holds);
    values.insert("airQualityIndex", worst.map(Into::into));
    values.insert("airQualityLevel", worst.map(|index| level(index).into()));
    values
}

/// Every bound of every table up to a category: the last concentration of a category and the first
/// of the next.
pub fn bounds(ceiling: usize) -> impl Iterator<Item = (&'static str, f64)> {
    TABLES.iter().flat_map(move |table| {
        let tops = table.tops.iter().take(ceiling);
        tops.flat_map(move |top| {
            [*top, top + 1].map(|c| (table.member, c as f64 / table.parts as f64))
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn published_examples_and_bounds() {
        let table = |member: &str| TABLES.iter().find(|t| t.member == member).unwrap();
        for (member, concentration, category, index) in [
            ("PM25Density", 0.0, 0, 0.0),
            ("PM25Density", 9.0, 0, 50.0),
            ("PM25Density", 9.05, 0, 50.0),
            ("PM25Density", 9.1, 1, 51.0),
            ("PM25Density", 35.9, 2, 102.0),
            ("PM25Density", 225.5, 5, 301.0),
            ("PM10Density", 54.0, 0, 50.0),
            ("PM10Density", 54.9, 0, 50.0),
            ("PM10Density", 55.0, 1, 51.0),
            ("PM10Density", 604.0, 5, 500.0),
            ("PM10Density", 9_999.0, 5, 500.0),
            ("CODensity", 8.0, 1, 86.0),
            ("CODensity", 8.4, 1, 90.0),
            ("SO2Density", 304.0, 3, 200.0),
            ("SO2Density", 305.0, 4, 201.0),
            ("NO2Density", 360.0, 2, 150.0),
            ("O3Density", 55.0, 1, 51.0),
            ("O3Density", 78.0, 2, 126.0),
        ] {
            let found = table(member).classify(concentration).unwrap();
            assert_eq!(found, (category, index), "{member} {concentration}");
        }
        assert_eq!(table("CODensity").classify(-0.1), None);
        assert_eq!(table("CODensity").classify(f64::NAN), None);
    }

    #[test]
    fn bounds_reach_the_ceiling_and_no_further() {
        assert_eq!(bounds(0).count(), 0);
        for ceiling in 1..=WORST {
            let worst = bounds(ceiling).map(|(member, concentration)| {
                let table = TABLES.iter().find(|t| t.member == member).unwrap();
                table.classify(concentration).unwrap().0
            });
            assert_eq!(worst.max(), Some(ceiling));
        }
        assert_eq!(bounds(WORST).count(), 60);
    }
}
