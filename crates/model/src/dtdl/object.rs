//! Interfaces as objects: contents with what is inherited, schemas, units and what extensions say.
//!
//! [`Objects`] is made once of a valid [`Model`] and then only looked up: by identifier, and by
//! Interface and name. Everything is shared through `Arc`, so a content that twenty Interfaces
//! inherit is held once. Does not: check documents, keep their text, apply defaults.
//!
//! ```
//! use gemelli_model::dtdl::{self, Options, Outcome, Source, object::Objects};
//! let text = r#"[
//!   {"@context": ["dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1", "dtmi:dtdl:extension:historization;1"],
//!    "@id": "dtmi:city:sensor;1", "@type": "Interface", "contents": [
//!      {"@type": ["Telemetry", "Temperature", "Historized"], "name": "air", "schema": "double", "unit": "degreeCelsius"}]},
//!   {"@context": "dtmi:dtdl:context;3", "@id": "dtmi:city:pole;1", "@type": "Interface", "extends": "dtmi:city:sensor;1"}]"#;
//! let source = Source { name: "pole.json".into(), text: text.into() };
//! let Outcome::Valid(model) = dtdl::parse(&[source], &Options::default(), &mut |_| None) else { panic!() };
//! let objects = Objects::of(&model).unwrap();
//! let air = objects.content("dtmi:city:pole;1", "air").unwrap();
//! assert_eq!(air.unit.as_deref(), Some("degreeCelsius"));
//! assert_eq!(air.semantic_type.as_deref(), Some("Temperature"));
//! assert!(air.historized);
//! assert_eq!(&*air.from, "dtmi:city:sensor;1");
//! ```

mod build;
mod schema;

use super::model::{Model, Value};
use crate::Schema;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use schema::{MAX_NODES, TooLarge};

/// Texts by language tag.
pub type Texts = BTreeMap<String, String>;

/// Values of extension properties, by their identifier.
pub type Extras = BTreeMap<Arc<str>, Vec<Value>>;

/// The text to show: English if there is one, else the first.
pub fn shown(texts: &Texts) -> Option<&str> {
    let english = texts.get("en").or_else(|| texts.get("en-US"));
    english
        .or_else(|| texts.values().next())
        .map(String::as_str)
}

/// The schema that an identifier stands for, of the documents or of the language, with all that it
/// needs: [`Schema::check`] holds values against it.
///
/// # Errors
/// It stands for more than [`MAX_NODES`] nested ones.
pub fn schema(model: &Model, id: &str) -> Result<Schema, TooLarge> {
    schema::Schemas::new(model).of(&id.into())
}

/// The Interfaces of a model.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    interfaces: BTreeMap<Arc<str>, Arc<Interface>>,
}

/// An Interface with what it inherits.
#[derive(Debug, Clone, PartialEq)]
pub struct Interface {
    /// Its identifier.
    pub id: Arc<str>,
    /// The version of the language that it is written in.
    pub version: u8,
    /// Name and texts for people.
    pub labels: Labels,
    /// The Interfaces that it extends itself, in the order of the text.
    pub extends: Vec<Arc<str>>,
    /// All Interfaces that it extends, directly or not.
    pub ancestors: BTreeSet<Arc<str>>,
    /// Identifiers of the types beside its class.
    pub cotypes: Vec<Arc<str>>,
    /// Topics and payload format, if it has the MQTT extension's type.
    pub mqtt: Option<Mqtt>,
    /// What extensions say of it.
    pub extras: Extras,
    /// Contents: inherited ones first, in the order of `extends`, then its own in the order of the text.
    pub contents: Vec<Arc<Content>>,
    pub(super) names: BTreeMap<Arc<str>, usize>,
}

/// Name and texts for people, by language.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// `displayName`.
    pub display_name: Texts,
    /// `description`.
    pub description: Texts,
    /// `comment`, for authors.
    pub comment: Option<Arc<str>>,
}

/// What the MQTT extension says of an Interface.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mqtt {
    /// `payloadFormat`.
    pub payload_format: Option<Arc<str>>,
    /// `telemetryTopic`, with its tokens in braces.
    pub telemetry_topic: Option<Arc<str>>,
    /// `commandTopic`.
    pub command_topic: Option<Arc<str>>,
    /// `propertyTopic`, from version 4 of the extension on.
    pub property_topic: Option<Arc<str>>,
    /// `telemServiceGroupId`.
    pub telemetry_group: Option<Arc<str>>,
    /// `cmdServiceGroupId`.
    pub command_group: Option<Arc<str>>,
}

/// One content of an Interface, or a property of a Relationship.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// Its identifier, written or generated.
    pub id: Arc<str>,
    /// The Interface that declares it.
    pub from: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Name and texts for people.
    pub labels: Labels,
    /// Identifiers of the types beside its class.
    pub cotypes: Vec<Arc<str>>,
    /// Its quantitative or other semantic type, by its short name: `Temperature`.
    pub semantic_type: Option<Arc<str>>,
    /// Its unit, by its short name: `degreeCelsius`.
    pub unit: Option<Arc<str>>,
    /// Its values are to be kept in history.
    pub historized: bool,
    /// The name of the sibling that it says something about.
    pub annotates: Option<Arc<str>>,
    /// What of that sibling's model it overrides in a twin, by its short name: `writable`.
    pub overrides: Option<Arc<str>>,
    /// Its number in compact payloads, if the MQTT extension gives it one.
    pub index: Option<i64>,
    /// What extensions say of it.
    pub extras: Extras,
    /// What it is.
    pub kind: ContentKind,
}

/// The kinds of contents.
#[derive(Debug, Clone, PartialEq)]
pub enum ContentKind {
    /// State that is kept.
    Property {
        /// What it holds.
        schema: Schema,
        /// It takes a desired value.
        writable: bool,
    },
    /// Measurements that are passed on.
    Telemetry {
        /// What it holds.
        schema: Schema,
    },
    /// What a twin can be asked to do.
    Command {
        /// What it is sent with.
        request: Option<Arc<Payload>>,
        /// What it answers.
        response: Option<Arc<Payload>>,
    },
    /// Edges to other twins.
    Relationship {
        /// The Interface of the other end; any if absent.
        target: Option<Arc<str>>,
        /// Fewest edges.
        min: Option<u32>,
        /// Most edges.
        max: Option<u32>,
        /// Its properties may be changed.
        writable: bool,
        /// What an edge holds.
        properties: Vec<Arc<Content>>,
    },
    /// A part.
    Component {
        /// The Interface of the part.
        interface: Arc<str>,
    },
}

/// What a command is sent with or answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// Its name.
    pub name: Arc<str>,
    /// Name and texts for people.
    pub labels: Labels,
    /// What it holds.
    pub schema: Schema,
    /// It may be null (version 4).
    pub nullable: bool,
    /// Identifiers of the types beside its class.
    pub cotypes: Vec<Arc<str>>,
}

impl Objects {
    /// The objects of a model.
    ///
    /// # Errors
    /// A schema that stands for more than [`MAX_NODES`] nested ones.
    pub fn of(model: &Model) -> Result<Self, TooLarge> {
        build::objects(model).map(|interfaces| Self { interfaces })
    }

    /// An Interface by its identifier.
    pub fn get(&self, id: &str) -> Option<&Arc<Interface>> {
        self.interfaces.get(id)
    }

    /// A content of an Interface, its own or an inherited one.
    pub fn content(&self, interface: &str, name: &str) -> Option<&Arc<Content>> {
        self.get(interface)?.content(name)
    }

    /// All Interfaces, by identifier.
    pub fn interfaces(&self) -> impl Iterator<Item = &Arc<Interface>> {
        self.interfaces.values()
    }

    /// Whether twins of one Interface count as twins of another.
    pub fn is_a(&self, interface: &str, other: &str) -> bool {
        interface == other
            || self
                .get(interface)
                .is_some_and(|found| found.ancestors.contains(other))
    }
}

impl Interface {
    /// A content by its name, its own or an inherited one.
    pub fn content(&self, name: &str) -> Option<&Arc<Content>> {
        self.contents.get(*self.names.get(name)?)
    }

    /// The contents that it declares itself, in the order of the text.
    pub fn own(&self) -> impl Iterator<Item = &Arc<Content>> {
        self.contents
            .iter()
            .filter(|content| content.from == self.id)
    }

    /// The contents whose values are to be kept in history.
    pub fn historized(&self) -> impl Iterator<Item = &Arc<Content>> {
        self.contents.iter().filter(|content| content.historized)
    }
}

impl Content {
    /// What it holds, for a Property or a Telemetry.
    pub fn schema(&self) -> Option<&Schema> {
        match &self.kind {
            ContentKind::Property { schema, .. } | ContentKind::Telemetry { schema } => {
                Some(schema)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
