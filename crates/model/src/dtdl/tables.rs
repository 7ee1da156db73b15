//! The language as data: which classes there are, which properties they have, what limits them.
//!
//! The facts lie in `tables.json`, derived from the public metamodel and held equal to it by a
//! test; this module only reads them. Nothing here depends on a model.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const TEXT: &str = include_str!("tables.json");

/// One thing for each version of the language.
#[derive(Debug, Deserialize)]
pub(super) struct ByVersion<T> {
    #[serde(rename = "2")]
    two: Option<T>,
    #[serde(rename = "3")]
    three: Option<T>,
    #[serde(rename = "4")]
    four: Option<T>,
}

impl<T> Default for ByVersion<T> {
    fn default() -> Self {
        Self {
            two: None,
            three: None,
            four: None,
        }
    }
}

impl<T> ByVersion<T> {
    /// What a version has.
    pub fn get(&self, version: u8) -> Option<&T> {
        match version {
            2 => self.two.as_ref(),
            3 => self.three.as_ref(),
            4 => self.four.as_ref(),
            _ => None,
        }
    }

    fn each(mut of: impl FnMut(u8) -> T) -> Self {
        Self {
            two: Some(of(2)),
            three: Some(of(3)),
            four: Some(of(4)),
        }
    }
}

/// The versions of the language.
const VERSIONS: std::ops::RangeInclusive<u8> = 2..=4;

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
    pub apocrypha: ByVersion<BTreeMap<String, Tolerance>>,
    /// Extensions that name a version of the language, and may hence stand before its context.
    pub affiliates: BTreeMap<String, u8>,
    /// Bytes of the text of an Interface.
    pub partitions: ByVersion<Partition>,
    /// Every identifier that a term of a context stands for.
    #[serde(skip)]
    named: BTreeSet<String>,
    /// The classes of which an element can be written, by version.
    #[serde(skip)]
    tops: ByVersion<Vec<String>>,
}

/// What becomes of a type or a property that nothing defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tolerance {
    /// It is let pass.
    Valid,
    /// It is let pass where a context is undefined that may define it.
    Tenable,
    /// It is refused.
    Invalid,
}

/// What bounds an Interface.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Partition {
    pub max_bytes: BTreeMap<String, usize>,
}

/// A class of elements.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Class {
    pub versions: Vec<u8>,
    #[serde(rename = "abstract")]
    pub is_abstract: bool,
    concrete: ByVersion<Vec<String>>,
    standard: ByVersion<Vec<String>>,
    #[serde(skip)]
    writable: ByVersion<Vec<String>>,
    /// Properties that have to be there, with the kind of fault where they are not.
    #[serde(skip)]
    pub required: ByVersion<Vec<(String, &'static str)>>,
    pub rootable: bool,
    pub id_required: Vec<u8>,
    id_required_in: ByVersion<Vec<(String, String)>>,
    pub type_optional: Vec<u8>,
    pub hidden: bool,
    pub properties: BTreeMap<String, usize>,
}

impl Class {
    /// Whether an element of it, held by a property of another class, needs an identifier.
    pub fn needs_id(&self, version: u8, holder: &str, property: &str) -> bool {
        let mut places = self.id_required_in.get(version).into_iter().flatten();
        self.id_required.contains(&version)
            || places.any(|(class, name)| class == holder && name == property)
    }
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
    #[serde(flatten)]
    facets: ByVersion<Facet>,
}

impl Shape {
    /// Whether it holds a literal, not an element.
    pub fn is_literal(&self, facet: &Facet) -> bool {
        self.literal || self.class.is_none() && facet.class.is_none()
    }

    /// The class of the elements that it holds.
    pub fn target<'a>(&'a self, facet: &'a Facet) -> Option<&'a str> {
        facet.class.as_deref().or(self.class.as_deref())
    }

    /// The kind of fault where it is required and absent.
    fn absent(&self, facet: &Facet) -> &'static str {
        match (self.is_literal(facet), self.plural) {
            (true, _) => "missingLiteralProperty",
            (false, true) => "propertyCountBelowMin",
            (false, false) => "missingObjectProperty",
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
    /// The length that holds whatever the limits.
    #[serde(skip)]
    pub length: Option<usize>,
    pub pattern: Option<Form>,
    pub min_inclusive: Option<i64>,
    pub max_inclusive: Option<i64>,
    pub value: Option<i64>,
    pub unique_properties: Vec<String>,
    pub value_uris: Vec<String>,
    pub versions: Vec<u8>,
}

impl Facet {
    /// The characters that a text may have, where a set of limits holds.
    pub fn longest(&self, limits: &str) -> Option<usize> {
        self.length.or_else(|| self.max_length.get(limits).copied())
    }
}

/// The form that a text has to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Form {
    /// Letters, digits and underscores, a letter in front, no underscore at the end.
    Name,
    /// An identifier as documents write it.
    Dtmi,
    /// Printable characters but some.
    Label,
    /// Labels and tokens with slashes between them.
    Topic,
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
    max_length: Option<usize>,
    min_inclusive: Option<i64>,
    pattern: Option<Form>,
    pub plural: bool,
    pub unique_value: bool,
    pub instance_property: Option<String>,
    /// The above, as for a property of a class.
    #[serde(skip)]
    pub facet: Facet,
}

impl CotypeProperty {
    /// Whether it holds an identifier of anything, not only of an element.
    pub fn is_iri(&self) -> bool {
        self.kind.is_none()
    }

    /// Whether it holds a literal.
    pub fn is_literal(&self) -> bool {
        self.kind
            .as_deref()
            .is_some_and(|kind| kind.starts_with("http:"))
    }

    /// The kind of fault where it is required and absent.
    pub fn absent(&self) -> &'static str {
        match (self.is_iri(), self.is_literal()) {
            (true, _) => "missingSupplementalIdentifierProperty",
            (_, true) => "missingSupplementalLiteralProperty",
            _ => "missingSupplementalObjectProperty",
        }
    }
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
    pub dtdl_version: u8,
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
            super::runtime::extend(&mut tables);
            tables.prepare();
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

    /// Works out what follows from the facts and is asked for often.
    fn prepare(&mut self) {
        let terms = self.contexts.values().flat_map(BTreeMap::values);
        self.named = terms.cloned().collect();
        for cotype in self.types.values_mut() {
            for property in cotype.properties.values_mut() {
                property.facet = Facet {
                    min_count: property.min_count,
                    max_count: property.max_count,
                    min_inclusive: property.min_inclusive,
                    pattern: property.pattern,
                    length: property.max_length,
                    type_required: true,
                    ..Facet::default()
                };
            }
        }
        let shapes = &self.shapes;
        for class in self.classes.values_mut() {
            class.required = ByVersion::each(|version| {
                let named = class.properties.iter();
                let required = named.filter_map(|(name, at)| {
                    let shape = shapes.get(*at)?;
                    let facet = shape.facets.get(version)?;
                    let required = facet.min_count.is_some_and(|least| least > 0);
                    required.then(|| (name.clone(), shape.absent(facet)))
                });
                required.collect()
            });
            class.writable = ByVersion::each(|version| {
                let standard = class.standard.get(version);
                let ours = |name: &&String| !standard.is_some_and(|all| all.contains(name));
                let concrete = class.concrete.get(version).into_iter().flatten();
                concrete.filter(ours).cloned().collect()
            });
        }
        self.tops = ByVersion::each(|version| {
            let classes = self.classes.iter();
            let written = classes
                .filter(|(_, class)| !class.is_abstract && class.versions.contains(&version));
            written.map(|(name, _)| name.clone()).collect()
        });
    }

    /// A property of a class, where the version has it.
    pub fn property(&self, class: &str, name: &str, version: u8) -> Option<(&Shape, &Facet)> {
        let at = self.classes.get(class)?.properties.get(name)?;
        let shape = self.shapes.get(*at)?;
        Some((shape, shape.facets.get(version)?))
    }

    /// A property that a type, or one above it, brings, with its identifier.
    pub fn supplemental(&self, cotype: &str, property: &str) -> Option<&CotypeProperty> {
        self.lineage(cotype)
            .find_map(|cotype| cotype.properties.get(property))
    }

    /// A type beside a class and those above it.
    pub fn lineage<'a>(&'a self, cotype: &str) -> impl Iterator<Item = &'a Cotype> {
        std::iter::successors(self.types.get(cotype), |cotype| {
            self.types.get(cotype.parent.as_ref()?)
        })
    }

    /// Whether elements of a class are, in a version, such as another class asks for.
    pub fn covers(&self, target: &str, class: &str, version: u8) -> bool {
        let concrete = self
            .classes
            .get(target)
            .and_then(|target| target.concrete.get(version));
        target == "Entity" || concrete.is_some_and(|all| all.iter().any(|one| one == class))
    }

    /// The classes of which a document may write an element where a class is expected: not those
    /// that only the language itself has elements of. At the top, all.
    pub fn writable(&self, class: Option<&str>, version: u8) -> &[String] {
        let found = match class {
            Some(class) => self
                .classes
                .get(class)
                .and_then(|class| class.writable.get(version)),
            None => self.tops.get(version),
        };
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether there is such a version of the language.
    pub fn knows(&self, version: u8) -> bool {
        VERSIONS.contains(&version)
    }

    /// The newest version of the language.
    pub fn newest(&self) -> u8 {
        *VERSIONS.end()
    }

    /// Whether an identifier is one that the language itself names: of a class, a property, an
    /// element or a type.
    pub fn names(&self, id: &str) -> bool {
        self.named.contains(id)
    }

    /// What becomes of something undefined, by the name of its kind.
    pub fn tolerance(&self, version: u8, kind: &str) -> Tolerance {
        let kinds = self.apocrypha.get(version);
        kinds
            .and_then(|kinds| kinds.get(kind).copied())
            .unwrap_or(Tolerance::Invalid)
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

impl Standard {
    /// The elements within it, each with the property that holds it.
    pub fn children(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let one = [
            ("schema", &self.schema),
            ("elementSchema", &self.element_schema),
            ("valueSchema", &self.value_schema),
        ];
        let one = one
            .into_iter()
            .filter_map(|(name, id)| Some((name, id.as_deref()?)));
        let many = self.fields.iter().map(|id| ("fields", id.as_str()));
        let more = self
            .enum_values
            .iter()
            .map(|id| ("enumValues", id.as_str()));
        one.chain(many).chain(more)
    }

    /// Its class.
    pub fn class(&self) -> Option<&str> {
        self.types.iter().find_map(|id| Some(class_name(id)?.0))
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
