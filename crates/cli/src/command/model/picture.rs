//! Interfaces and what ties them together, as text that a drawing program reads.

use std::{collections::BTreeMap, fmt::Write};

/// What is drawn.
#[derive(Debug, Default)]
pub struct Picture {
    /// Boxes: identifier and label, in order.
    pub boxes: Vec<(String, String)>,
    /// Arrows between identifiers; those to identifiers without a box are left out.
    pub arrows: Vec<Arrow>,
}

/// One arrow.
#[derive(Debug)]
pub struct Arrow {
    /// The identifier where it begins.
    pub from: String,
    /// The identifier where it ends.
    pub to: String,
    /// What stands beside it.
    pub label: String,
    /// How it is drawn.
    pub line: Line,
}

/// How an arrow is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Inheritance: an empty head.
    Inherits,
    /// A component: a filled diamond.
    Holds,
    /// A relationship: a plain arrow.
    Relates,
}

impl Picture {
    /// For Graphviz.
    pub fn dot(&self) -> String {
        let mut text = String::from("digraph model {\n  node [shape=box];\n");
        for (id, label) in &self.boxes {
            let _ = writeln!(text, "  {} [label={}];", quoted(id), quoted(label));
        }
        let boxes = self.numbers();
        for arrow in self
            .arrows
            .iter()
            .filter(|a| boxes.contains_key(a.to.as_str()))
        {
            let style = match arrow.line {
                Line::Inherits => "arrowhead=empty",
                Line::Holds => "arrowtail=diamond, dir=both",
                Line::Relates => "arrowhead=vee",
            };
            let (from, to) = (quoted(&arrow.from), quoted(&arrow.to));
            let label = quoted(&arrow.label);
            let _ = writeln!(text, "  {from} -> {to} [label={label}, {style}];");
        }
        text.push_str("}\n");
        text
    }

    /// For Mermaid.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        let boxes = self.numbers();
        for (at, (_, label)) in self.boxes.iter().enumerate() {
            let _ = writeln!(text, "  n{at}[\"{}\"]", escaped(label));
        }
        for arrow in &self.arrows {
            let ends = (boxes.get(arrow.from.as_str()), boxes.get(arrow.to.as_str()));
            let (Some(from), Some(to)) = ends else {
                continue;
            };
            let line = match arrow.line {
                Line::Inherits => "-.->",
                Line::Holds => "--o",
                Line::Relates => "-->",
            };
            let label = escaped(&arrow.label);
            let _ = writeln!(text, "  n{from} {line}|\"{label}\"| n{to}");
        }
        text
    }

    /// The place of each box.
    fn numbers(&self) -> BTreeMap<&str, usize> {
        let ids = self.boxes.iter().map(|(id, _)| id.as_str());
        ids.enumerate().map(|(at, id)| (id, at)).collect()
    }
}

/// As a string of Graphviz.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", text.replace('\n', "\\n"))
}

/// As Mermaid takes text within quotes.
fn escaped(text: &str) -> String {
    let text = text.replace('#', "#35;").replace('"', "#quot;");
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let arrow = |from: &str, to: &str, label: &str, line| Arrow {
            from: from.into(),
            to: to.into(),
            label: label.into(),
            line,
        };
        Picture {
            boxes: vec![
                ("dtmi:a;1".into(), "A \"one\"".into()),
                ("dtmi:b;1".into(), "B\\#".into()),
            ],
            arrows: vec![
                arrow("dtmi:a;1", "dtmi:b;1", "extends", Line::Inherits),
                arrow("dtmi:a;1", "dtmi:b;1", "motor", Line::Holds),
                arrow("dtmi:b;1", "dtmi:a;1", "near", Line::Relates),
                arrow("dtmi:b;1", "dtmi:gone;1", "far", Line::Relates),
            ],
        }
    }

    #[test]
    fn graphviz() {
        assert_eq!(
            picture().dot(),
            "digraph model {\n  node [shape=box];\n  \
             \"dtmi:a;1\" [label=\"A \\\"one\\\"\"];\n  \
             \"dtmi:b;1\" [label=\"B\\\\#\"];\n  \
             \"dtmi:a;1\" -> \"dtmi:b;1\" [label=\"extends\", arrowhead=empty];\n  \
             \"dtmi:a;1\" -> \"dtmi:b;1\" [label=\"motor\", arrowtail=diamond, dir=both];\n  \
             \"dtmi:b;1\" -> \"dtmi:a;1\" [label=\"near\", arrowhead=vee];\n}\n"
        );
    }

    #[test]
    fn mermaid() {
        assert_eq!(
            picture().mermaid(),
            "flowchart LR\n  n0[\"A #quot;one#quot;\"]\n  n1[\"B\\#35;\"]\n  \
             n0 -.->|\"extends\"| n1\n  n0 --o|\"motor\"| n1\n  n1 -->|\"near\"| n0\n"
        );
    }
}
