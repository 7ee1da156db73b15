//! Manifests: the one form in which objects are written, applied and shown.
//!
//! Text (YAML with any number of documents, or JSON, a list included) goes in; typed objects and
//! *all* that is wrong with the text come out. KTWIN's resources and DTDL documents are taken too. What needs other objects (does the interface
//! exist, does an expression compile) is checked by those who have them.

mod connection;
mod derived;
mod document;
mod interface;
mod problem;
pub(crate) mod reader;
mod schema;
mod table;
pub(crate) mod tree;
mod twin;

pub use connection::{Connection, PresenceMapping, TopicMapping};
pub use interface::MAX_NAME_BYTES;
pub use problem::Problem;
pub use reader::MAX_PROBLEMS;
pub use table::MAX_ROWS;
pub use tree::{MAX_DEPTH, MAX_NODES, MAX_TEXT_BYTES, Place};
pub use twin::{Relation, Twin};

use crate::{
    Interface, InterfaceId, Value,
    ktwin::{self, Gaps, Warning},
};
use reader::{Fields, Path, Reader};
use serde::Serialize;
use std::sync::Arc;
use tree::{Node, Shape};

/// What Gemelli's own manifests begin with.
pub const API_VERSION: &str = "gemelli.dev/v1";

/// Kinds that belong to the design and that this version does not have.
const LATER: [&str; 15] = [
    "Schema", "Package", "Function", "Endpoint", "Route", "Link", "Node", "Snapshot", "Alert",
    "Policy", "Chain", "Workflow", "Schedule", "Agent", "Dataset",
];

const KINDS: [&str; 3] = ["Interface", "Twin", "Connection"];

/// An object with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// `metadata.name`: an interface's or twin's id, a connection's name.
    pub name: Arc<str>,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of objects.
// Manifests live as long as one apply takes, so their size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// An interface.
    Interface(Interface),
    /// A twin.
    Twin(Twin),
    /// A connection.
    Connection(Connection),
}

impl Kind {
    /// The word in manifests.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Interface(_) => "Interface",
            Self::Twin(_) => "Twin",
            Self::Connection(_) => "Connection",
        }
    }
}

/// What a text holds.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The objects, in the order of the text; those with problems are left out.
    pub manifests: Vec<Manifest>,
    /// Where each of them stands.
    pub places: Vec<Place>,
    /// Everything that is wrong. Nothing of the text should be applied unless this is empty.
    pub problems: Vec<Problem>,
    /// What an import from KTWIN does not fit; nothing that keeps it from being applied.
    pub warnings: Vec<Warning>,
}

impl Parsed {
    /// The objects, if nothing is wrong.
    pub fn into_result(self) -> Result<Vec<Manifest>, Vec<Problem>> {
        if self.problems.is_empty() {
            Ok(self.manifests)
        } else {
            Err(self.problems)
        }
    }
}

/// Reads a text: YAML or JSON, several documents or a list of them. An object with `@context` and
/// without `apiVersion` is a DTDL document, and becomes an interface with `dtdl`.
pub fn parse(text: &str) -> Parsed {
    let documents = match tree::documents(text) {
        Ok(documents) => documents,
        Err(problem) => {
            return Parsed {
                problems: vec![problem],
                ..Parsed::default()
            };
        }
    };
    let mut parsed = Parsed::default();
    let mut reader = Reader {
        given: true,
        ..Reader::default()
    };
    let mut gaps = Gaps::default();
    for (number, document) in documents.iter().enumerate() {
        reader.document = number;
        match &document.shape {
            Shape::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    parsed.take(&reader, item, &Path::ROOT.index(i), &mut gaps);
                }
            }
            _ => parsed.take(&reader, document, &Path::ROOT, &mut gaps),
        }
    }
    parsed.problems = reader.problems.take();
    parsed.warnings = gaps.finish(&parsed.manifests, &parsed.places);
    parsed
}

impl Parsed {
    fn take(&mut self, reader: &Reader, node: &Node, path: &Path<'_>, gaps: &mut Gaps) {
        let before = reader.problems.borrow().len();
        if node.field("apiVersion").is_none() && node.field("@context").is_some() {
            for interface in document::interfaces(reader, node, path) {
                self.keep(reader, Manifest::of_interface(interface), node, path);
            }
            return;
        }
        let foreign = match node.field("apiVersion").map(|node| &node.shape) {
            Some(Shape::Scalar(Value::Text(version))) => ktwin::is_ours(version),
            _ => false,
        };
        let manifest = if foreign {
            gaps.imported();
            ktwin::read(reader, node, path, gaps)
        } else {
            manifest(reader, node, path)
        };
        let clean = reader.problems.borrow().len() == before;
        if let Some(manifest) = manifest
            && clean
        {
            self.keep(reader, manifest, node, path);
        }
    }

    /// Takes an object, unless the text has one of its kind and name already.
    fn keep(&mut self, reader: &Reader, manifest: Manifest, node: &Node, path: &Path<'_>) {
        let twice = self.manifests.iter().zip(&self.places);
        let mut twice = twice.filter(|(m, _)| m.name == manifest.name);
        if let Some((_, first)) = twice.find(|(m, _)| m.kind.as_str() == manifest.kind.as_str()) {
            let message = format!("{} {} comes twice", manifest.kind.as_str(), manifest.name);
            let remedy = format!("keep one of the two; the first is at line {}", first.line);
            reader.report("duplicate-id", node.at, path, message, remedy);
            return;
        }
        self.manifests.push(manifest);
        self.places.push(node.at);
    }
}

/// Where a JSON pointer into the object that begins at `begin` leads to in a text; the nearest thing
/// around it where the text has nothing of that name.
pub fn place_of(text: &str, begin: Place, pointer: &str) -> Option<Place> {
    let documents = tree::documents(text).ok()?;
    let objects = documents.iter().flat_map(|document| match &document.shape {
        Shape::List(items) => items.iter().collect(),
        _ => vec![document],
    });
    let mut at = objects.into_iter().find(|node| node.at == begin)?;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        let inner = match &at.shape {
            Shape::List(items) => name.parse().ok().and_then(|i: usize| items.get(i)),
            _ => at.field(&name),
        };
        match inner {
            Some(inner) => at = inner,
            None => break,
        }
    }
    Some(at.at)
}

/// The canonical form of an object, in which the log keeps it and the API shows it.
pub fn to_value(manifest: &Manifest) -> Value {
    let spec = match &manifest.kind {
        Kind::Interface(interface) => canonical(interface),
        Kind::Twin(twin) => canonical(twin),
        Kind::Connection(connection) => canonical(connection),
    };
    let object = |fields: Vec<(&str, Value)>| {
        Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    };
    object(vec![
        ("apiVersion", Value::text(API_VERSION)),
        ("kind", Value::text(manifest.kind.as_str())),
        (
            "metadata",
            object(vec![("name", Value::Text(manifest.name.clone()))]),
        ),
        ("spec", spec),
    ])
}

/// The object of a canonical form, or all that is wrong with it.
pub fn from_value(value: &Value) -> Result<Manifest, Vec<Problem>> {
    let reader = Reader::default();
    let read = manifest(&reader, &Node::of(value), &Path::ROOT);
    let problems = reader.problems.take();
    match read {
        Some(manifest) if problems.is_empty() => Ok(manifest),
        _ => Err(problems),
    }
}

/// The objects as YAML documents, as [`parse`] reads them.
pub fn to_yaml(manifests: &[Manifest]) -> String {
    let values: Vec<_> = manifests.iter().map(to_value).collect();
    // Values have text keys and finite depth, the only things that can fail to be written.
    serde_saphyr::to_string_multiple(&values).unwrap_or_default()
}

fn canonical(spec: &impl Serialize) -> Value {
    serde_json::to_value(spec)
        .map(|json| Value::from(&json))
        .unwrap_or_default()
}

/// Reads one object.
fn manifest(reader: &Reader, node: &Node, path: &Path<'_>) -> Option<Manifest> {
    const FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
    let fields = Fields::open(reader, node, path, "a manifest", &FIELDS)?;
    let version = fields.need_text("apiVersion");
    if let (Some(version), Some(at)) = (&version, fields.get("apiVersion"))
        && &**version != API_VERSION
    {
        let message = format!("apiVersion {version} is not known here");
        reader.report(
            "unknown-kind",
            at.at,
            &path.name("apiVersion"),
            message,
            format!("write {API_VERSION}"),
        );
        return None;
    }
    let kind = known_kind(&fields);
    let name = name(&fields);
    let spec = fields.need("spec");
    let (kind, spec, inner) = (kind?, spec?, path.name("spec"));
    // A nameless object is still read, so that all its problems are seen at once.
    let named = name.clone().unwrap_or_else(|| "".into());
    let kind = match kind {
        "Interface" => Kind::Interface(interface::interface(reader, &named, spec, &inner)?),
        "Twin" => Kind::Twin(twin::twin(reader, spec, &inner)?),
        _ => Kind::Connection(connection::connection(reader, spec, &inner)?),
    };
    Some(Manifest { name: name?, kind })
}

fn known_kind(fields: &Fields<'_>) -> Option<&'static str> {
    let node = fields.need("kind")?;
    let path = fields.path.name("kind");
    let kind = fields.reader.text(node, &path)?;
    if let Some(known) = KINDS.into_iter().find(|known| *known == &*kind) {
        return Some(known);
    }
    let (message, remedy) = if LATER.contains(&&*kind) {
        let message = format!("the kind {kind} belongs to a later version of Gemelli");
        (
            message,
            format!(
                "leave it out for now; this version has {}",
                KINDS.join(", ")
            ),
        )
    } else {
        (
            format!("there is no kind {kind}"),
            reader::suggest(&kind, &KINDS),
        )
    };
    fields
        .reader
        .report("unknown-kind", node.at, &path, message, remedy);
    None
}

fn name(fields: &Fields<'_>) -> Option<Arc<str>> {
    let node = fields.need("metadata")?;
    let path = fields.path.name("metadata");
    Fields::open(fields.reader, node, &path, "metadata", &["name"])?.need_identifier("name")
}

impl Manifest {
    /// The interface with this id, as a manifest.
    pub fn of_interface(interface: Interface) -> Self {
        Self {
            name: interface.id.as_str().into(),
            kind: Kind::Interface(interface),
        }
    }

    /// The interface that it names: its own, or that of the twin.
    pub fn interface(&self) -> Option<&InterfaceId> {
        match &self.kind {
            Kind::Interface(interface) => Some(&interface.id),
            Kind::Twin(twin) => Some(&twin.interface),
            Kind::Connection(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
