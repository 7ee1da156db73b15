//! A file like the Beijing air-quality year, for places where that is not at hand.
//!
//! Twelve stations, one row an hour, the same columns and units (µg/m³); values follow day and
//! season, drift from hour to hour and are missing now and then, as in the real file. All of it
//! follows from a seed; nothing in it is measured.

use crate::{chance::Chance, workload::START_MS};
use flate2::{Compression, write::GzEncoder};
use gemelli_model::time::format_ms;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// The stations, by the names of the real ones.
pub const STATIONS: [&str; 12] = [
    "Aotizhongxin",
    "Changping",
    "Dingling",
    "Dongsi",
    "Guanyuan",
    "Gucheng",
    "Huairou",
    "Nongzhanguan",
    "Shunyi",
    "Tiantan",
    "Wanliu",
    "Wanshouxigong",
];
/// Hours of a year.
pub const YEAR: u32 = 8_760;
const HEADER: &str =
    "timestamp,station,pm2_5,pm10,so2,no2,co,o3,temp,pres,dewp,rain,wind_dir,wind_speed";
const WINDS: [&str; 16] = [
    "N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW",
    "NNW",
];
/// One cell in so many is empty.
const GAPS: u64 = 50;

/// Writes `hours` hours of all stations; gzip where the name ends in `.gz`. How many rows.
pub fn write(path: &Path, hours: u32, seed: u64) -> io::Result<u64> {
    let file = BufWriter::new(File::create(path)?);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut packed = GzEncoder::new(file, Compression::fast());
        let rows = rows(&mut packed, hours, seed)?;
        packed.finish()?.flush()?;
        return Ok(rows);
    }
    let mut file = file;
    let rows = rows(&mut file, hours, seed)?;
    file.flush()?;
    Ok(rows)
}

fn rows(out: &mut impl Write, hours: u32, seed: u64) -> io::Result<u64> {
    writeln!(out, "{HEADER}")?;
    let mut haze = [50_i64; STATIONS.len()];
    for hour in 0..hours {
        for ((number, station), haze) in (0..).zip(STATIONS).zip(&mut haze) {
            let mut chance = Chance::at(seed, &[number, u64::from(hour)]);
            *haze = (*haze + chance.whole(-12, 12) + (60 - *haze) / 20).clamp(3, 900);
            row(out, hour, station, *haze, &mut chance)?;
        }
    }
    Ok(u64::from(hours) * STATIONS.len() as u64)
}

fn row(
    out: &mut impl Write,
    hour: u32,
    station: &str,
    haze: i64,
    chance: &mut Chance,
) -> io::Result<()> {
    let season = (f64::from(hour) / f64::from(YEAR) * std::f64::consts::TAU).sin();
    let day = (f64::from(hour % 24) / 24.0 * std::f64::consts::TAU - 2.0).sin();
    let temperature = (12.0 + 15.0 * season + 5.0 * day) * 10.0;
    let sun = (60.0 + 50.0 * day) as i64;
    write!(
        out,
        "{},{station}",
        format_ms(START_MS + i64::from(hour) * 3_600_000)
    )?;
    let whole = [
        haze,
        haze + chance.whole(5, 60),
        chance.whole(2, 40),
        chance.whole(10, 120),
        chance.whole(3, 40) * 100,
        sun.max(2),
    ];
    for value in whole {
        match chance.one_in(GAPS) {
            true => write!(out, ",")?,
            false => write!(out, ",{value}")?,
        }
    }
    let tenths = |value: i64| value as f64 / 10.0;
    let warm = temperature as i64 + chance.whole(-20, 20);
    let wind = WINDS
        .get(chance.below(WINDS.len() as u64) as usize)
        .copied()
        .unwrap_or_default();
    let rain = if chance.one_in(20) {
        chance.whole(1, 80)
    } else {
        0
    };
    writeln!(
        out,
        ",{},{},{},{},{wind},{}",
        tenths(warm),
        tenths(10_120 + chance.whole(-150, 150)),
        tenths(warm - chance.whole(20, 200)),
        tenths(rain),
        tenths(chance.whole(0, 80))
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::replay::{Map, Rows};

    #[test]
    fn the_file_reads_as_the_real_one_does() {
        for name in ["air.csv", "air.csv.gz"] {
            let path = std::env::temp_dir()
                .join(format!("gemelli-synthetic-{}-{name}", std::process::id()));
            assert_eq!(write(&path, 100, 1).unwrap(), 1_200);
            let mut rows = Rows::open(
                &path,
                &Map::of("beijing/{station}/air", Some("timestamp".into())),
            )
            .unwrap();
            let found: Vec<_> = std::iter::from_fn(|| rows.next_row().unwrap()).collect();
            assert_eq!((found.len(), rows.skipped()), (1_200, 0));
            assert!(
                found.iter().any(|row| row.payload.get("pm2_5").is_none()),
                "some cells are empty"
            );
            let polluted = |row: &&crate::replay::Row| {
                row.payload["pm2_5"].as_f64().is_some_and(|pm| pm > 35.0)
            };
            assert!(found.iter().filter(polluted).count() > 100);
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn the_real_file_reads_whole_where_it_is_present() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../../shared/data/beijing-air-quality/air_quality_2016-03_2017-02.csv.gz"
        );
        let path = Path::new(path);
        if !path.exists() {
            println!(
                "skipped: the_real_file_reads_whole_where_it_is_present: the data folder is absent"
            );
            return;
        }
        let mut rows = Rows::open(
            path,
            &Map::of("beijing/{station}/air", Some("timestamp".into())),
        )
        .unwrap();
        let mut stations = std::collections::BTreeMap::new();
        while let Some(row) = rows.next_row().unwrap() {
            *stations.entry(row.topic).or_insert(0) += 1;
        }
        assert_eq!(rows.skipped(), 0);
        assert_eq!(stations.len(), STATIONS.len());
        assert!(stations.values().all(|count| *count == YEAR));
    }
}
