//! One line of a file of cases, as far as a verdict may know it.
//!
//! Read are the name (to repeat it), `input`, `options`, `resolution`, and of the instances the
//! subject and the text to submit. Nothing else of the line is looked at.

use super::Fault;
use crate::dtdl::{
    Extensions, Options,
    json::{self, Node},
};

use std::sync::Arc;

/// What a case submits and asks.
#[derive(Debug)]
pub(super) struct Case<'a> {
    /// Its name, only to be repeated.
    pub name: String,
    /// The JSON texts to read together.
    pub texts: Vec<&'a str>,
    /// How they are read.
    pub options: Options,
    /// Who answers for identifiers that the texts do not define.
    pub dialogue: Dialogue<'a>,
    pub instances: Vec<Instance>,
}

/// A value check.
#[derive(Debug)]
pub(super) struct Instance {
    pub subject: String,
    pub text: String,
}

/// What the resolver of a case knows.
#[derive(Debug, Default)]
pub(super) struct Dialogue<'a> {
    turns: Vec<Turn<'a>>,
}

#[derive(Debug)]
struct Turn<'a> {
    request: Vec<String>,
    response: Vec<&'a str>,
    given: bool,
}

impl Turn<'_> {
    /// Whether it was asked for one of these identifiers.
    fn knows(&self, asked: &[Arc<str>]) -> bool {
        asked
            .iter()
            .any(|id| self.request.iter().any(|known| **known == **id))
    }
}

impl<'a> Dialogue<'a> {
    /// The texts for identifiers: those of all turns that mention one of them and were not given
    /// yet. Nothing, if there are none: so ends the dialogue.
    pub fn answer(&mut self, asked: &[Arc<str>]) -> Vec<&'a str> {
        let mut texts = Vec::new();
        for turn in &mut self.turns {
            if !turn.given && turn.knows(asked) {
                turn.given = true;
                texts.extend_from_slice(&turn.response);
            }
        }
        texts
    }
}

impl<'a> Case<'a> {
    /// Reads a line.
    pub fn read(line: &'a str) -> Result<Self, Fault> {
        let document = json::parse(line.as_bytes())?;
        let case = &document.root;
        let input = case.get("input").and_then(Node::as_array);
        let input = input.ok_or(Fault::Missing("input"))?;
        let name = case.get("name").and_then(Node::as_str).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            texts: input.iter().map(|text| submitted(line, text)).collect(),
            options: case.get("options").map(options).unwrap_or_default(),
            dialogue: Dialogue {
                turns: items(case, "resolution").map(|t| turn(line, t)).collect(),
            },
            instances: items(case, "instances")
                .map(instance)
                .collect::<Option<_>>()
                .ok_or(Fault::Missing("subject or submit"))?,
        })
    }
}

fn options(options: &Node) -> Options {
    let undefined = options.get("undefinedExtensions").and_then(Node::as_str);
    let newest = options.get("maxDtdlVersion").and_then(Node::as_number);
    let defaults = Options::default();
    let quirk = |name| strings(options, "quirks").any(|quirk| quirk == name);
    Options {
        undefined_extensions: match undefined {
            Some("always") => Extensions::Always,
            Some("never") => Extensions::Never,
            _ => Extensions::ByVersion,
        },
        max_version: newest
            .and_then(|number| number.text.parse().ok())
            .unwrap_or(defaults.max_version),
        limits: Some(
            strings(options, "acceptableLimits")
                .map(str::to_owned)
                .collect(),
        ),
        tolerate_in_submitted: quirk("TolerateSolecismsInParse"),
        tolerate_in_resolved: quirk("TolerateSolecismsInResolve"),
    }
}

fn turn<'a>(line: &'a str, turn: &Node) -> Turn<'a> {
    Turn {
        request: strings(turn, "request").map(str::to_owned).collect(),
        response: items(turn, "response")
            .map(|text| submitted(line, text))
            .collect(),
        given: false,
    }
}

fn instance(instance: &Node) -> Option<Instance> {
    let text = |key| Some(instance.get(key)?.as_str()?.to_owned());
    Some(Instance {
        subject: text("subject")?,
        text: text("submit")?,
    })
}

/// The text of a node, as it stands in the line.
fn submitted<'a>(line: &'a str, node: &Node) -> &'a str {
    line.get(node.start as usize..node.end as usize)
        .unwrap_or_default()
}

fn items<'n>(node: &'n Node, key: &str) -> impl Iterator<Item = &'n Node> {
    let items = node.get(key).and_then(Node::as_array);
    items.unwrap_or_default().iter()
}

fn strings<'n>(node: &'n Node, key: &str) -> impl Iterator<Item = &'n str> {
    items(node, key).filter_map(Node::as_str)
}
