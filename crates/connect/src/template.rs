//! Text in which `{name}` stands for a capture.

use std::sync::Arc;

/// A compiled template.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Box<str>),
    Capture(Arc<str>),
}

impl Template {
    /// Compiles a text; none if it names something in braces that is no capture.
    pub fn new<'a>(
        text: &str,
        captures: impl Iterator<Item = &'a Arc<str>> + Clone,
    ) -> Option<Self> {
        let mut parts = Vec::new();
        let mut left = text;
        while let Some((before, rest)) = left.split_once('{') {
            let (name, after) = rest.split_once('}')?;
            let name = captures.clone().find(|capture| &***capture == name)?;
            parts.extend((!before.is_empty()).then(|| Part::Text(before.into())));
            parts.push(Part::Capture(name.clone()));
            left = after;
        }
        parts.extend((!left.is_empty()).then(|| Part::Text(left.into())));
        Some(Self { parts })
    }

    /// The first name in braces that is no capture, if the text is a template at all and no
    /// expression with a map in it.
    pub fn unknown<'a, 't>(
        text: &'t str,
        captures: impl Iterator<Item = &'a Arc<str>> + Clone,
    ) -> Option<&'t str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('}')?.0))
            .find(|name| {
                let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                !name.is_empty()
                    && name.chars().all(plain)
                    && !captures.clone().any(|capture| &**capture == *name)
            })
    }

    /// Whether it names a capture at all.
    pub fn captures(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Capture(_)))
    }

    /// The text with the captures put in.
    pub fn fill(&self, captures: &[(Arc<str>, &str)]) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => &**text,
            Part::Capture(name) => captures
                .iter()
                .find(|(known, _)| known == name)
                .map_or("", |(_, text)| text),
        });
        parts.collect()
    }
}
