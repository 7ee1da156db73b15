//! The language as data: which classes there are, which properties they have, what limits them.
//!
//! The facts lie in `tables.json`, derived from the public metamodel and held equal to it by a
//! test; this module only reads them. Nothing here depends on a model.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

const TEXT: &str = include_str!("tables.json");

/// Lists by language version ("2", "3", "4").
pub(super) type ByVersion<T> = BTreeMap<String, T>;

/// All facts.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tables {
    shapes: Vec<Shape>,
    pub descents: Vec<Descent>,
    #[serde(rename = "contexts")]
    forms: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(skip)]
    pub contexts: BTreeMap<String, BTreeMap<String, String>>,
    pub classes: BTreeMap<String, Class>,
    pub types: BTreeMap<String, Cotype>,
    units: BTreeMap<String, String>,
    pub elements: BTreeMap<String, Standard>,
    pub limits: BTreeMap<String, Limits>,
    pub apocrypha: ByVersion<BTreeMap<String, String>>,
}

/// A class of elements.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Class {
    pub versions: Vec<u8>,
    #[serde(rename = "abstract")]
    pub is_abstract: bool,
    pub concrete: ByVersion<Vec<String>>,
    pub standard: ByVersion<Vec<String>>,
    pub rootable: bool,
    pub id_required: Vec<u8>,
    pub id_required_in: ByVersion<Vec<(String, String)>>,
    pub type_optional: Vec<u8>,
    pub hidden: bool,
    pub properties: BTreeMap<String, usize>,
}

/// What a property is, in each version.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Shape {
    pub datatype: Option<String>,
    pub class: Option<String>,
    pub literal: bool,
    pub plural: bool,
    pub optional: bool,
    pub dtmi_segment: Option<String>,
    #[serde(rename = "2")]
    two: Option<Facet>,
    #[serde(rename = "3")]
    three: Option<Facet>,
    #[serde(rename = "4")]
    four: Option<Facet>,
}

impl Shape {
    /// What a version says of the property.
    pub fn of(&self, version: u8) -> Option<&Facet> {
        match version {
            2 => self.two.as_ref(),
            3 => self.three.as_ref(),
            _ => self.four.as_ref(),
        }
    }
}

/// What one version says of a property.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Facet {
    pub class: Option<String>,
    pub id_required: bool,
    pub type_required: bool,
    pub min_count: Option<usize>,
    pub max_count: Option<usize>,
    pub max_length: BTreeMap<String, usize>,
    pub pattern: Option<String>,
    pub min_inclusive: Option<i64>,
    pub max_inclusive: Option<i64>,
    pub value: Option<i64>,
    pub unique_properties: Vec<String>,
    pub value_uris: Vec<String>,
    pub versions: Vec<u8>,
}

/// A type that stands beside a class.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Cotype {
    #[serde(rename = "abstract")]
    pub is_abstract: bool,
    pub cotypes: Vec<String>,
    pub cotype_versions: Vec<u8>,
    pub parent: Option<String>,
    pub properties: BTreeMap<String, CotypeProperty>,
    pub constraints: Vec<Constraint>,
    pub siblings: Vec<Sibling>,
    pub cocotypes: Vec<String>,
    pub discotypes: Vec<String>,
    pub altcotypes: Vec<String>,
}

/// A property that comes with such a type.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CotypeProperty {
    pub property_name: String,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub child_of: Option<String>,
    pub min_count: Option<usize>,
    pub max_count: Option<usize>,
    pub max_length: Option<usize>,
    pub min_inclusive: Option<i64>,
    pub pattern: Option<String>,
    pub optional: bool,
    pub plural: bool,
    pub unique_value: bool,
    pub instance_property: Option<String>,
}

/// What such a type asks of its bearer's neighbours.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Constraint {
    pub property: String,
    pub inverse: bool,
    pub required_types: Vec<String>,
    pub required_values: Vec<String>,
    pub none_other_type: Option<String>,
    pub some_other_type: Option<String>,
    pub sibling_key: Option<String>,
    pub sibling_keyref: Option<String>,
    pub sibling_parent_of: Option<String>,
}

/// What such a type asks of an element beside its bearer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Sibling {
    pub key: String,
    pub keyref: String,
    pub required_types: Vec<String>,
    pub disallowed_type: Option<String>,
    pub supplemental_property: Option<String>,
    pub unique_reference: Option<String>,
}

/// What bounds the elements below one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Descent {
    pub root_class: String,
    pub defining_class: String,
    pub dtdl_version: u8,
    pub properties: Vec<String>,
    pub narrow: bool,
    pub allow_self: bool,
    pub max_depth: BTreeMap<String, usize>,
    pub max_count: BTreeMap<String, usize>,
    pub exclude_type: Option<String>,
    pub datatype_property: Option<String>,
    pub import_properties: Vec<String>,
}

/// An element that the language brings.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Standard {
    pub types: Vec<String>,
    pub alias_for: Option<String>,
    #[serde(rename = "in")]
    pub within: Option<String>,
    pub name: Option<String>,
    pub enum_value: Option<serde_json::Value>,
    pub schema: Option<String>,
    pub element_schema: Option<String>,
    pub value_schema: Option<String>,
    pub fields: Vec<String>,
    pub enum_values: Vec<String>,
}

/// A context that sets limits.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Limits {
    pub spec: String,
}

impl Tables {
    /// The facts, read once.
    pub fn get() -> &'static Self {
        static TABLES: OnceLock<Tables> = OnceLock::new();
        TABLES.get_or_init(|| {
            // A test holds the text well-formed; without it nothing would be known.
            let mut tables: Tables = serde_json::from_str(TEXT).unwrap_or_default();
            for (context, forms) in &tables.forms {
                let mut terms = BTreeMap::new();
                for (form, group) in forms {
                    for term in group.split(' ').filter(|term| !term.is_empty()) {
                        terms.insert(term.to_owned(), form.replacen('*', term, 1));
                    }
                }
                tables.contexts.insert(context.clone(), terms);
            }
            tables.place_units();
            tables
        })
    }

    /// Writes out the elements that are kept by form, and tells those around what lies in them.
    fn place_units(&mut self) {
        for (key, names) in &self.units {
            let mut parts = key.split('|');
            let form = parts.next().unwrap_or_default();
            let types: Vec<String> = parts
                .next()
                .unwrap_or_default()
                .split(' ')
                .filter(|id| !id.is_empty())
                .map(str::to_owned)
                .collect();
            let within = parts.next().filter(|id| !id.is_empty()).map(str::to_owned);
            for name in names.split(' ') {
                let unit = Standard {
                    types: types.clone(),
                    within: within.clone(),
                    name: Some(name.to_owned()),
                    ..Standard::default()
                };
                self.elements.insert(form.replacen('*', name, 1), unit);
            }
        }
        let nested: Vec<(String, String)> = self
            .elements
            .iter()
            .filter_map(|(id, element)| Some((id.clone(), element.within.clone()?)))
            .collect();
        for (id, within) in nested {
            if let Some(around) = self.elements.get_mut(&within) {
                let object = around.types.iter().any(|id| id.contains(":class:Object;"));
                let list = if object {
                    &mut around.fields
                } else {
                    &mut around.enum_values
                };
                list.push(id);
            }
        }
    }

    /// A property of a class, where the version has it.
    pub fn property(&self, class: &str, name: &str, version: u8) -> Option<(&Shape, &Facet)> {
        let at = self.classes.get(class)?.properties.get(name)?;
        let shape = self.shapes.get(*at)?;
        Some((shape, shape.of(version)?))
    }

    /// The concrete classes that a class covers in a version.
    pub fn concrete(&self, class: &str, version: u8) -> &[String] {
        let found = self
            .classes
            .get(class)
            .and_then(|class| class.concrete.get(&version.to_string()));
        found.map_or(&[], Vec::as_slice)
    }

    /// The classes of which a document may write an element where a class is expected: not those
    /// that only the language itself has elements of.
    pub fn writable(&self, class: &str, version: u8) -> Vec<String> {
        let standard = self
            .classes
            .get(class)
            .and_then(|class| class.standard.get(&version.to_string()));
        let ours = |name: &&String| !standard.is_some_and(|standard| standard.contains(name));
        self.concrete(class, version)
            .iter()
            .filter(ours)
            .cloned()
            .collect()
    }

    /// The element that an identifier finally stands for, past its aliases.
    pub fn standard<'a>(&'a self, id: &'a str) -> Option<(&'a str, &'a Standard)> {
        let mut id = id;
        let mut element = self.elements.get(id)?;
        while let Some(next) = &element.alias_for {
            id = next;
            element = self.elements.get(id)?;
        }
        Some((id, element))
    }
}

/// Class or type name within an identifier of the language: `dtmi:dtdl:class:Array;4` is `Array`.
pub(super) fn class_name(id: &str) -> Option<(&str, u8)> {
    let rest = id.strip_prefix("dtmi:dtdl:class:")?;
    let (name, version) = rest.split_once(';')?;
    Some((name, version.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_tables_are_read_whole() {
        let tables: Tables = serde_json::from_str(TEXT).unwrap();
        assert!(tables.classes.len() > 40);
        let tables = Tables::get();
        let id = tables
            .contexts
            .get("dtmi:dtdl:context;4")
            .and_then(|terms| terms.get("Array"));
        assert_eq!(id.map(String::as_str), Some("dtmi:dtdl:class:Array;4"));
        assert!(tables.property("Array", "elementSchema", 4).is_some());
    }
}
