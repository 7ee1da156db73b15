//! Forms of texts: names, language codes, durations, MQTT labels and topics.

use crate::dtdl::tables::Form;

impl Form {
    /// Whether a text has the form; that of identifiers is judged where they are read.
    pub fn fits(self, text: &str) -> bool {
        match self {
            Self::Name => is_name(text),
            Self::Label => is_label(text),
            Self::Topic => {
                !text.starts_with('$')
                    && text
                        .split('/')
                        .all(|label| is_label(label) || is_token(label))
            }
            Self::Dtmi => true,
        }
    }

    /// What it asks for, in words.
    pub fn wanted(self) -> &'static str {
        match self {
            Self::Name => {
                "letters, digits and underscores, with a letter in front and no underscore at the end"
            }
            Self::Label => {
                "printable characters of ASCII without space, quotation mark, + # { } or /"
            }
            Self::Topic => {
                "labels of ASCII, or tokens such as {name} and {ex:name}, with slashes between them and no $ in front"
            }
            Self::Dtmi => "dtmi:, segments with colons between them, and a version",
        }
    }
}

fn is_name(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.bytes().all(known)
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && !text.ends_with('_')
}

/// Printable characters but space, quote, hash, plus, braces and slash.
fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| matches!(b, b'!' | b'$'..=b'*' | b','..=b'.' | b'0'..=b'z' | b'|' | b'~'))
}

/// `{name}` or `{prefix:name}`, of letters.
fn is_token(text: &str) -> bool {
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic());
    inner.is_some_and(|inner| match inner.split_once(':') {
        Some((prefix, name)) => letters(prefix) && letters(name),
        None => letters(inner),
    })
}

/// A language code: two to four small letters, then perhaps a script of four letters with a
/// capital in front, then perhaps a region of two capitals or three digits.
pub(super) fn is_language(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let all = |text: &str, of: fn(&u8) -> bool| text.as_bytes().iter().all(of);
    if !(2..=4).contains(&language.len()) || !all(language, u8::is_ascii_lowercase) {
        return false;
    }
    let is_script = |text: &str| {
        let (first, rest) = text.split_at_checked(1).unwrap_or_default();
        rest.len() == 3 && all(first, u8::is_ascii_uppercase) && all(rest, u8::is_ascii_lowercase)
    };
    let is_region = |text: &str| {
        text.len() == 2 && all(text, u8::is_ascii_uppercase)
            || text.len() == 3 && all(text, u8::is_ascii_digit)
    };
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => true,
        (Some(one), None, _) => is_script(one) || is_region(one),
        (Some(script), Some(region), None) => is_script(script) && is_region(region),
        _ => false,
    }
}

/// A span of time as ISO 8601 writes it: `P`, parts in their order, `T` before those of a day;
/// only the last part may have a fraction, and weeks stand without years and months.
pub(super) fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (rest, None),
    };
    if date.is_empty() && time.is_none() || time.is_some_and(str::is_empty) {
        return false;
    }
    let order = match date.contains('W') {
        true => "WD",
        false => "YMD",
    };
    let time = time.unwrap_or_default();
    parts(date, order, time.is_empty()) && parts(time, "HMS", true)
}

/// Whether a text is numbers, each with a unit, in an order; with a fraction only in the last.
fn parts(text: &str, order: &str, last: bool) -> bool {
    let mut units = order.chars();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic()) else {
            return false;
        };
        let (number, after) = rest.split_at(at);
        let mut after = after.chars();
        let unit = after.next();
        rest = after.as_str();
        if !units.any(|known| Some(known) == unit) {
            return false;
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let sound = match number.split_once('.') {
            Some((whole, part)) => digits(whole) && digits(part) && last && rest.is_empty(),
            None => digits(number),
        };
        if !sound {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_codes_have_language_script_and_region() {
        for code in ["en", "pt-BR", "zh-Hant", "sr-Latn-RS", "fr-155", "root"] {
            assert!(is_language(code), "{code}");
        }
        for code in [
            "",
            "e",
            "English",
            "EN",
            "en-us",
            "en-USA",
            "en-US-Latn",
            "en-",
            "en-Latn-RS-x",
            "é",
            "en-Latn-",
            "en-12",
            "en-LATN",
            "dé-DE",
        ] {
            assert!(!is_language(code), "{code}");
        }
    }

    #[test]
    fn durations_have_parts_in_their_order() {
        for text in [
            "PT5M",
            "P1D",
            "P1Y2M3DT4H5M6S",
            "P3W",
            "P2W1D",
            "PT0.5S",
            "P1.5D",
            "PT1H",
            "P0D",
        ] {
            assert!(is_duration(text), "{text}");
        }
        for text in [
            "", "P", "PT", "5M", "P5", "PT5", "P1DT", "P1D2Y", "PT1S2M", "P1.5DT1H", "PT1.5H3M",
            "P1Y2W", "PT.5S", "PT5.S", "-PT5M", "PT5m", "P 1D", "PTé",
        ] {
            assert!(!is_duration(text), "{text}");
        }
    }

    #[test]
    fn names_labels_and_topics_are_ascii() {
        for name in ["a", "aB_9", "x__y"] {
            assert!(Form::Name.fits(name), "{name}");
        }
        for name in ["", "9a", "_a", "a_", "a-b", "а", "naïve", "a b"] {
            assert!(!Form::Name.fits(name), "{name}");
        }
        for topic in ["a", "a/{name}/b", "{ex:name}", "a$b/c", "!~|"] {
            assert!(Form::Topic.fits(topic), "{topic}");
        }
        for topic in ["", "/", "a//b", "$a", "{}", "{a", "{9}", "a b", "a/#", "a+"] {
            assert!(!Form::Topic.fits(topic), "{topic}");
        }
        assert!(Form::Label.fits("$group") && !Form::Label.fits("a/b") && !Form::Label.fits(""));
    }
}
