//! What an element has to have, and values that must differ among those of a property.

use super::{Elements, key, short};
use crate::dtdl::json;
use crate::dtdl::model::{Element, Value};
use crate::dtdl::read::Reader;
use crate::dtdl::tables::class_name;
use crate::dtdl::value::Primitive;
use std::collections::BTreeSet;

impl Reader<'_> {
    /// Properties that have to be there.
    pub(super) fn required(&mut self, element: &Element) {
        let tables = self.tables;
        let class = tables.classes.get(&element.class);
        let required = class.and_then(|class| class.required.get(element.version));
        for (name, kind) in required.into_iter().flatten() {
            if !element.places.contains_key(name) {
                let message = format!("{} has a {name}; add it", element.class);
                self.tell(kind, element, name, None, message);
            }
        }
        for cotype in &element.cotypes {
            let mut seen: BTreeSet<&str> = BTreeSet::new();
            for (id, property) in tables.lineage(cotype).flat_map(|of| &of.properties) {
                if property.min_count.unwrap_or(0) == 0
                    || element.places.contains_key(id)
                    || !seen.insert(id)
                {
                    continue;
                }
                let message = format!(
                    "with {} comes a {}; add it",
                    short(cotype),
                    property.property_name
                );
                self.tell(property.absent(), element, id, Some(cotype), message);
            }
        }
    }

    /// Values that must differ among the elements of a property.
    pub(super) fn unique(&mut self, element: &Element, elements: &Elements) {
        let tables = self.tables;
        for name in element.properties.keys() {
            let Some((_, facet)) = tables.property(&element.class, name, element.version) else {
                continue;
            };
            let held = || element.refs(name).filter_map(|id| elements.get(id));
            let mut keys: BTreeSet<&str> = BTreeSet::new();
            keys.extend(facet.unique_properties.iter().map(String::as_str));
            for cotype in held().flat_map(|other| &other.cotypes) {
                let brought = tables.lineage(cotype).flat_map(|of| &of.properties);
                let unique = brought.filter(|(_, property)| property.unique_value);
                keys.extend(unique.map(|(id, _)| id.as_str()));
            }
            for id in keys {
                let mut seen: BTreeSet<String> = BTreeSet::new();
                let values = held().filter_map(|other| Some((other, other.properties.get(id)?)));
                let again = values
                    .filter_map(|(other, values)| Some((other, values.first()?)))
                    .find(|(_, value)| !seen.insert(key(value)));
                if let Some((other, _)) = again {
                    self.tell(
                        "nonUniquePropertyValue",
                        other,
                        id,
                        Some(id),
                        format!(
                            "another of the {name} has the same {}; change one",
                            short(id)
                        ),
                    );
                }
            }
        }
    }

    /// Values that a schema beside them governs: those of an Enum, and numbers of extensions.
    pub(super) fn values(&mut self, element: &Element, elements: &Elements) {
        self.enum_values(element, elements);
        let tables = self.tables;
        for (id, values) in &element.properties {
            let mut cotypes = element.cotypes.iter();
            let brought = cotypes.find_map(|cotype| tables.supplemental(cotype, id));
            let Some(governor) = brought.and_then(|brought| brought.instance_property.as_deref())
            else {
                continue;
            };
            let primitive = element
                .refs(governor)
                .filter_map(|schema| tables.standard(schema)?.1.class())
                .find_map(Primitive::of_class);
            let (Some(primitive), Some(Value::Number(text))) = (primitive, values.first()) else {
                continue;
            };
            let problem = json::parse(text.as_bytes())
                .ok()
                .and_then(|document| primitive.problem_of_literal(&document.root));
            if let Some(problem) = problem {
                let message = format!("{problem}; the {governor} of this element asks for it");
                self.tell(
                    "nonConformantPropertyValue",
                    element,
                    id,
                    Some(text),
                    message,
                );
            }
        }
    }

    /// The values of an Enum are of its schema.
    fn enum_values(&mut self, element: &Element, elements: &Elements) {
        let tables = self.tables;
        let governed = tables.descents.iter().find(|rule| {
            rule.root_class == element.class
                && rule.dtdl_version == element.version
                && rule.datatype_property.is_some()
        });
        let Some((governor, property)) = governed
            .and_then(|rule| Some((rule.datatype_property.as_deref()?, rule.properties.first()?)))
        else {
            return;
        };
        let schema = element
            .refs(governor)
            .find_map(|schema| tables.standard(schema)?.1.types.first());
        let Some((class, _)) = schema.and_then(|id| class_name(id)) else {
            return;
        };
        for value in element.refs("enumValues").filter_map(|id| elements.get(id)) {
            let written = value.properties.get(property).and_then(|all| all.first());
            let fits = match written {
                Some(Value::Integer(_)) => class == "Integer",
                Some(Value::Text(_)) => class == "String",
                Some(_) => false,
                None => true,
            };
            if !fits {
                let wanted = match class {
                    "Integer" => "a whole number",
                    _ => "a string",
                };
                self.tell(
                    "nonConformantDatatype",
                    value,
                    property,
                    None,
                    format!(
                        "the {governor} of the {} asks for {wanted}; write one",
                        element.class
                    ),
                );
            }
        }
    }
}
