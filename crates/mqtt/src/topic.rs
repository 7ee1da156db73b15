//! Topic names and filters: what is valid, and what matches.

/// Longest topic name or filter, bytes.
pub const MAX_TOPIC_BYTES: usize = u16::MAX as usize;
/// Most levels of a topic name or filter: deeper ones are refused.
pub const MAX_LEVELS: usize = 128;

/// Whether this may be published to.
pub fn is_name(topic: &str) -> bool {
    bounded(topic) && !topic.bytes().any(|b| matches!(b, b'+' | b'#' | 0))
}

/// Whether this may be subscribed to; `$share/…` is judged by [`shared`].
pub fn is_filter(filter: &str) -> bool {
    if !bounded(filter) || filter.contains('\0') {
        return false;
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wild = level.contains(['+', '#']);
        if wild && (level.len() > 1 || (level == "#" && levels.peek().is_some())) {
            return false;
        }
    }
    true
}

fn bounded(topic: &str) -> bool {
    !topic.is_empty()
        && topic.len() <= MAX_TOPIC_BYTES
        && topic.bytes().filter(|b| *b == b'/').count() < MAX_LEVELS
}

/// Splits `$share/<name>/<filter>`; `None` if it does not start like one, `Some(None)` if it does and is wrong.
pub fn shared(filter: &str) -> Option<Option<(&str, &str)>> {
    let rest = filter.strip_prefix("$share/")?;
    Some(rest.split_once('/').filter(|(name, filter)| {
        !name.is_empty() && !name.contains(['+', '#']) && is_filter(filter)
    }))
}

/// Whether a filter matches a topic name. Wildcards at the start match no topic that starts with `$`.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut wanted, mut given) = (filter.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_filters() {
        for good in ["a", "/", "a/b", "$SYS/x", " "] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a/+", "#", "a\0"] {
            assert!(!is_name(bad), "{bad}");
        }
        for good in ["#", "+", "a/+/b", "a/#", "/", "+/#"] {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["", "a#", "a/#/b", "a+/b", "##"] {
            assert!(!is_filter(bad), "{bad}");
        }
        assert!(!is_filter(&"/".repeat(MAX_LEVELS)));
    }

    #[test]
    fn shared_filters() {
        assert_eq!(shared("a/b"), None);
        assert_eq!(shared("$share/g/a/+"), Some(Some(("g", "a/+"))));
        for bad in [
            "$share/",
            "$share/g",
            "$share//a",
            "$share/g+/a",
            "$share/g/",
        ] {
            assert_eq!(shared(bad), Some(None), "{bad}");
        }
    }

    #[test]
    fn matching() {
        let yes = [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("+/+", "/x"),
            ("$SYS/#", "$SYS/a"),
        ];
        let no = [
            ("a/b", "a"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("#", "$SYS/a"),
            ("+/a", "$SYS/a"),
            ("a", "a/"),
        ];
        for (filter, topic) in yes {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in no {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
