//! Topic patterns: literal levels, `+`, levels with one `{capture}`, and `#` at the end.
//!
//! The model has checked the form; here a pattern is compiled and matched.

use std::sync::Arc;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    levels: Vec<Level>,
    rest: bool,
}

#[derive(Clone, Debug)]
enum Level {
    Text(Box<str>),
    Any,
    Capture {
        before: Box<str>,
        name: Arc<str>,
        after: Box<str>,
    },
}

impl Pattern {
    /// Compiles a pattern that the model has accepted.
    pub fn new(text: &str) -> Self {
        let (body, rest) = match text.strip_suffix('#') {
            Some(body) => (body.strip_suffix('/').unwrap_or(body), true),
            None => (text, false),
        };
        let levels = if rest && body.is_empty() {
            Vec::new()
        } else {
            body.split('/').map(level).collect()
        };
        Self { levels, rest }
    }

    /// The captures in their order.
    pub fn captures(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.levels.iter().filter_map(|level| match level {
            Level::Capture { name, .. } => Some(name),
            _ => None,
        })
    }

    /// What the captures hold, if the topic matches. A wildcard at the start does not match `$SYS` and its like.
    pub fn matches<'t>(&self, topic: &'t str) -> Option<Vec<(Arc<str>, &'t str)>> {
        if topic.starts_with('$') && !matches!(self.levels.first(), Some(Level::Text(_))) {
            return None;
        }
        let mut captures = Vec::new();
        let mut levels = topic.split('/');
        for expected in &self.levels {
            let found = levels.next()?;
            match expected {
                Level::Any => {}
                Level::Text(text) => {
                    if **text != *found {
                        return None;
                    }
                }
                Level::Capture {
                    before,
                    name,
                    after,
                } => {
                    let inner = found.strip_prefix(&**before)?.strip_suffix(&**after)?;
                    if inner.is_empty() {
                        return None;
                    }
                    captures.push((name.clone(), inner));
                }
            }
        }
        (self.rest || levels.next().is_none()).then_some(captures)
    }
}

fn level(text: &str) -> Level {
    if text == "+" {
        return Level::Any;
    }
    let capture = text.split_once('{').and_then(|(before, rest)| {
        let (name, after) = rest.split_once('}')?;
        Some(Level::Capture {
            before: before.into(),
            name: name.into(),
            after: after.into(),
        })
    });
    capture.unwrap_or_else(|| Level::Text(text.into()))
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_match_topics_and_capture_levels() {
        for (pattern, topic, wanted) in [
            ("sensors/{id}/aq", "sensors/7/aq", Some("id=7")),
            ("sensors/{id}/aq", "sensors/7/aq/x", None),
            ("sensors/{id}/aq", "sensors//aq", None),
            ("sensors/{id}/aq", "sensors/7", None),
            (
                "{site}/station-{id}.v2/+",
                "a/station-7.v2/x",
                Some("site=a id=7"),
            ),
            ("{site}/station-{id}.v2/+", "a/station-7.v3/x", None),
            ("a/#", "a/b/c", Some("")),
            ("a/#", "a", Some("")),
            ("a/#", "b", None),
            ("#", "a/b", Some("")),
            ("#", "$SYS/x", None),
            ("{root}/x", "$SYS/x", None),
            ("$SYS/{x}", "$SYS/load", Some("x=load")),
        ] {
            let found = Pattern::new(pattern).matches(topic).map(|captures| {
                let all: Vec<_> = captures
                    .iter()
                    .map(|(name, text)| format!("{name}={text}"))
                    .collect();
                all.join(" ")
            });
            assert_eq!(found.as_deref(), wanted, "{pattern} {topic}");
        }
    }
}
