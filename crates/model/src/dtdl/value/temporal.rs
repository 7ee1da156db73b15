//! Dates and times as RFC 3339 writes them, durations as ISO 8601 does.
//!
//! Narrower than RFC 3339 in two points, as the language is: `T` and `Z` are capitals, and there
//! is no second 60. The year 0000 is none.

/// `YYYY-MM-DD`, a day that the calendar has.
pub(super) fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let [y @ .., b'-', m1, m2, b'-', d1, d2] = bytes else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) =
        (number(y), number(&[*m1, *m2]), number(&[*d1, *d2]))
    else {
        return false;
    };
    y.len() == 4 && year >= 1 && day >= 1 && day <= days(year, month)
}

/// Days of a month; none when there is no such month.
fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

/// `HH:MM:SS`, a fraction perhaps, and `Z` or an offset.
pub(super) fn is_time(text: &str) -> bool {
    let Some((clock, rest)) = text.split_at_checked(8) else {
        return false;
    };
    let [h1, h2, b':', m1, m2, b':', s1, s2] = clock.as_bytes() else {
        return false;
    };
    let below = |digits: [u8; 2], limit| number(&digits).is_some_and(|n| n < limit);
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => match fraction.trim_start_matches(|c: char| c.is_ascii_digit()) {
            unmoved if unmoved.len() == fraction.len() => return false,
            rest => rest,
        },
        None => rest,
    };
    below([*h1, *h2], 24)
        && below([*m1, *m2], 60)
        && below([*s1, *s2], 60)
        && is_offset(rest.as_bytes(), below)
}

fn is_offset(text: &[u8], below: impl Fn([u8; 2], u32) -> bool) -> bool {
    match text {
        b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => below([*h1, *h2], 24) && below([*m1, *m2], 60),
        _ => false,
    }
}

/// A date, `T` and a time.
pub(super) fn is_date_time(text: &str) -> bool {
    text.split_once('T')
        .is_some_and(|(date, time)| is_date(date) && is_time(time))
}

/// `P`, then years and months, or weeks; then days; then `T` and hours, minutes, seconds. At least
/// one part, one after `T` if it is there, and a fraction in the last part only.
pub(super) fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else {
        return false;
    };
    let (days, time) = match text.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (text, None),
    };
    let last = time.is_none();
    let dated = if days.contains('W') { "WD" } else { "YMD" };
    match time {
        Some(time) => parts(days, dated, last) && !time.is_empty() && parts(time, "HMS", true),
        None => !days.is_empty() && parts(days, dated, last),
    }
}

/// Whether a text is numbers with units in the order of the units, each at most once. The number
/// at the end of the text may have a fraction if this is the `last` text of the duration.
fn parts(mut text: &str, units: &str, last: bool) -> bool {
    let mut left = units;
    while !text.is_empty() {
        let Some(at) = text.find(|c: char| c.is_ascii_alphabetic()) else {
            return false;
        };
        let (number, rest) = text.split_at(at);
        let mut rest = rest.chars();
        let Some(place) = rest.next().and_then(|unit| left.find(unit)) else {
            return false;
        };
        left = left.get(place + 1..).unwrap_or_default();
        text = rest.as_str();
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let sound = match number.split_once('.') {
            Some((whole, fraction)) => last && text.is_empty() && digits(whole) && digits(fraction),
            None => digits(number),
        };
        if !sound {
            return false;
        }
    }
    true
}

/// Digits as a number; nothing else is one.
fn number(digits: &[u8]) -> Option<u32> {
    let digit = |byte: &u8| char::from(*byte).to_digit(10);
    digits
        .iter()
        .take(9)
        .try_fold(0, |sum, byte| Some(sum * 10 + digit(byte)?))
}
