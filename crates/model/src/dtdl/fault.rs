//! What is wrong with a document: the kind, the place, and how to mend it.

use super::json::Pos;

/// One thing that breaks the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A stable name; those of the reference parser.
    pub kind: &'static str,
    /// Which of the sources.
    pub source: usize,
    /// Where in its text.
    pub pos: Pos,
    /// The element, when it has an identifier.
    pub element: Option<String>,
    /// The property, by its name or identifier.
    pub property: Option<String>,
    /// The value that is refused.
    pub value: Option<String>,
    /// What is wrong and how to mend it.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({}", self.pos, self.message, self.kind)?;
        if let Some(element) = &self.element {
            write!(f, ", in {element}")?;
        }
        f.write_str(")")
    }
}
