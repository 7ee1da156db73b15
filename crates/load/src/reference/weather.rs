//! Dew point, felt temperature and pressure tendency.

use super::Values;
use crate::payload::Reading;

/// The derived values of a weather station.
pub(super) fn values(reading: &Reading, pressure_before: Option<f64>) -> Values {
    let number = |name| reading.number(name);
    let (temperature, humidity) = (number("temperature"), number("relativeHumidity"));
    let dewpoint = temperature
        .zip(humidity)
        .map(|(t, rh)| t - (100.0 - rh) / 5.0);
    let felt = temperature
        .zip(number("WindSpeed"))
        .map(|(t, v)| felt(t, v));
    let tendency = number("atmosphericPressure")
        .zip(pressure_before)
        .map(|(now, before)| tendency(now, before));
    [
        ("dewpoint", dewpoint.map(Into::into)),
        ("feelsLikeTemperature", felt.map(Into::into)),
        ("pressureTendency", tendency.map(Into::into)),
    ]
    .into()
}

fn felt(t: f64, v: f64) -> f64 {
    33.0 + (10.0 * v.sqrt() + 10.45 - v) * (t - 33.0) / 22.0
}

fn tendency(now: f64, before: f64) -> &'static str {
    if now > before {
        "raising"
    } else if now < before {
        "falling"
    } else {
        "steady"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn felt_temperature() {
        for (t, v, expected) in [(8.0, 8.0, -1.925_3), (33.0, 20.0, 33.0), (0.0, 0.0, 17.325)] {
            assert!(
                (felt(t, v) - expected).abs() < 1e-4,
                "{t} {v}: {}",
                felt(t, v)
            );
        }
    }

    #[test]
    fn pressure_tendency() {
        assert_eq!(
            [(2.0, 1.0), (1.0, 2.0), (1.0, 1.0)].map(|(a, b)| tendency(a, b)),
            ["raising", "falling", "steady"]
        );
    }
}
