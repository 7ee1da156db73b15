//! Points in time as text: RFC 3339, strictly.
//!
//! Milliseconds since 1970 in UTC on one side, text on the other. This module knows no clock and
//! no time zone but the offset in the text. Finer fractions are cut to milliseconds.

/// Milliseconds since 1970 of an RFC 3339 date-time (`2026-03-29T12:00:00.5Z`), if it is one.
///
/// A leap second (`:60`) counts as the first moment of the next minute.
pub fn parse_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(10)?;
    let days = days(date)?;
    let (separator, clock) = rest.split_first()?;
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    Some(days * 86_400_000 + clock_ms(clock)?)
}

/// Whether a text is an RFC 3339 full-date (`2026-03-29`).
pub fn is_date(text: &str) -> bool {
    days(text.as_bytes()).is_some()
}

/// Whether a text is an RFC 3339 full-time (`12:00:00Z`, `12:00:00.25+02:00`).
pub fn is_time(text: &str) -> bool {
    clock_ms(text.as_bytes()).is_some()
}

/// Whether a text is an ISO 8601 duration (`P3DT4H`, `PT0.5S`, `P2W`).
pub fn is_duration(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some(body) = text.strip_prefix('P') else {
        return false;
    };
    let (date, clock) = match body.split_once('T') {
        Some((date, clock)) => (date, Some(clock)),
        None => (body, None),
    };
    match (
        components(date, "YMWD"),
        clock.map(|c| components(c, "HMS")),
    ) {
        (Some(0), None) | (_, Some(Some(0))) => false,
        (Some(_), None | Some(Some(_))) => true,
        _ => false,
    }
}

/// RFC 3339 in UTC with as many fractional digits as needed (none or three).
pub fn format_ms(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second, fraction) = (
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1_000 % 60,
        rest % 1_000,
    );
    let whole = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match fraction {
        0 => format!("{whole}Z"),
        ms => format!("{whole}.{ms:03}Z"),
    }
}

/// Days since 1970 of `YYYY-MM-DD`.
fn days(text: &[u8]) -> Option<i64> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else {
        return None;
    };
    let (year, month, day) = (
        number(&[y1, y2, y3, y4])?,
        number(&[m1, m2])?,
        number(&[d1, d2])?,
    );
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // Counts from 0000-03-01, so that the leap day is the last of its year.
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Year, month and day of a count of days since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Milliseconds of the UTC day, possibly outside of it, of `hh:mm:ss[.fraction](Z|±hh:mm)`.
fn clock_ms(text: &[u8]) -> Option<i64> {
    let (whole, rest) = text.split_at_checked(8)?;
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = whole else {
        return None;
    };
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ms, zone) = fraction(rest)?;
    Some(hour * 3_600_000 + minute * 60_000 + second * 1_000 + fraction_ms - offset_ms(zone)?)
}

/// Milliseconds of `.fraction`, if there is one, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else {
        return Some((0, text));
    };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, zone) = digits.split_at(length);
    if digits.is_empty() {
        return None;
    }
    let ms = digits
        .iter()
        .chain(b"00")
        .take(3)
        .fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
    Some((ms, zone))
}

/// Milliseconds of `Z` or `±hh:mm`.
fn offset_ms(zone: &[u8]) -> Option<i64> {
    match zone {
        b"Z" | b"z" => Some(0),
        &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let ms = (hours * 60 + minutes) * 60_000;
            Some(if sign == b'-' { -ms } else { ms })
        }
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |n, digit| {
        digit
            .is_ascii_digit()
            .then(|| n * 10 + i64::from(digit - b'0'))
    })
}

/// How many components (`12Y`) a part of a duration has, if they come in the order of `units`.
fn components(text: &str, units: &str) -> Option<usize> {
    let (mut left, mut units, mut count) = (text, units, 0);
    while !left.is_empty() {
        let end = left.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
        let (amount, rest) = left.split_at_checked(end)?;
        let unit = rest.chars().next()?;
        let place = units.find(unit)?;
        units = units.get(place + 1..)?;
        left = rest.get(1..)?;
        let whole = amount.bytes().all(|b| b.is_ascii_digit());
        let decimal = left.is_empty()
            && amount.split_once(['.', ',']).is_some_and(|(a, b)| {
                number(a.as_bytes()).is_some()
                    && !b.is_empty()
                    && !a.is_empty()
                    && number(b.as_bytes()).is_some()
            });
        if amount.is_empty() || !(whole || decimal) {
            return None;
        }
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn date_times_become_milliseconds() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-03-29T12:00:00Z", Some(1_774_785_600_000)),
            ("2026-03-29T14:00:00.5+02:00", Some(1_774_785_600_500)),
            ("2026-03-29T12:00:00.123456789Z", Some(1_774_785_600_123)),
            ("2026-03-29t12:00:00z", Some(1_774_785_600_000)),
            ("2026-03-29 12:00:00Z", Some(1_774_785_600_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800_000)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800_000)),
            ("1969-12-31T23:59:59.999Z", Some(-1)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2023-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-03-29T24:00:00Z", None),
            ("2026-03-29T12:00:00", None),
            ("2026-03-29T12:00Z", None),
            ("2026-03-29", None),
            ("2026-03-29T12:00:00.Z", None),
            ("2026-03-29T12:00:00Ü", None),
            ("", None),
        ] {
            assert_eq!(parse_ms(text), ms, "{text}");
        }
    }

    #[test]
    fn milliseconds_become_text_and_come_back() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-03-29T12:00:00.050Z",
            "1969-12-31T23:59:59Z",
            "2000-02-29T23:00:00Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(format_ms(parse_ms(text).unwrap()), text);
        }
        for day in (-800_000..800_000).step_by(97) {
            let (y, m, d) = civil(day);
            if (0..=9_999).contains(&y) {
                assert_eq!(days(format!("{y:04}-{m:02}-{d:02}").as_bytes()), Some(day));
            }
        }
    }

    #[test]
    fn durations() {
        for good in ["P1D", "PT5M", "P1Y2M3DT4H5M6.5S", "P2W", "-PT1S", "PT0,5H"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in [
            "", "P", "PT", "P1DT", "1D", "P1S", "P1M2Y", "PT1.5H2M", "P-1D", "PD", "PT.S",
        ] {
            assert!(!is_duration(bad), "{bad}");
        }
    }
}
