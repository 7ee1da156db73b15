//! From schema elements to schemas that hold all they need.

use crate::Schema;
use crate::dtdl::model::{Element, Model, Value};
use crate::dtdl::tables::{Standard, Tables, class_name};
use crate::dtdl::value::Primitive;
use crate::schema::{Enum, EnumMember, Field, Object, Recursive};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Schemas within one another that one schema may stand for, each counted as often as it is met.
pub const MAX_NODES: usize = 100_000;

/// A schema stands for too many others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the schema {0} stands for more than {MAX_NODES} others; let fewer of its parts name the same schema"
)]
pub struct TooLarge(pub Arc<str>);

/// Schemas by identifier, made when first asked for.
pub(super) struct Schemas<'a> {
    model: &'a Model,
    known: BTreeMap<Arc<str>, (Schema, usize)>,
}

/// One schema in the making.
#[derive(Default)]
struct Walk {
    /// Identifiers that are open, the outermost first.
    open: Vec<Arc<str>>,
    /// Of those, the ones that were met again inside of themselves.
    again: BTreeSet<Arc<str>>,
    parts: BTreeMap<Arc<str>, Schema>,
    nodes: usize,
}

/// What is made of an element.
enum Raw<'a> {
    Written(&'a Element),
    Brought(&'static Standard),
}

impl<'a> Schemas<'a> {
    pub fn new(model: &'a Model) -> Self {
        Self {
            model,
            known: BTreeMap::new(),
        }
    }

    /// The schema with an identifier.
    pub fn of(&mut self, id: &Arc<str>) -> Result<Schema, TooLarge> {
        let mut walk = Walk::default();
        let of = self.walk(id, &mut walk)?;
        if walk.parts.is_empty() {
            return Ok(of);
        }
        Ok(Schema::Recursive(Recursive {
            of: Arc::new(of),
            schemas: Arc::new(walk.parts),
        }))
    }

    fn walk(&mut self, id: &Arc<str>, walk: &mut Walk) -> Result<Schema, TooLarge> {
        let too_large = |walk: &Walk| TooLarge(walk.open.first().unwrap_or(id).clone());
        walk.nodes += 1;
        if let Some((schema, nodes)) = self.known.get(id) {
            walk.nodes += nodes;
            return match walk.nodes > MAX_NODES {
                true => Err(too_large(walk)),
                false => Ok(schema.clone()),
            };
        }
        if walk.parts.contains_key(id) {
            return Ok(Schema::Ref(id.clone()));
        }
        if walk.open.contains(id) {
            walk.again.insert(id.clone());
            return Ok(Schema::Ref(id.clone()));
        }
        if walk.nodes > MAX_NODES {
            return Err(too_large(walk));
        }
        let before = walk.nodes;
        walk.open.push(id.clone());
        let schema = self.shape(id, walk);
        walk.open.pop();
        let schema = schema?;
        if walk.again.remove(id) {
            walk.parts.insert(id.clone(), schema);
            return Ok(Schema::Ref(id.clone()));
        }
        if walk.again.is_empty() && walk.parts.is_empty() {
            let nodes = walk.nodes - before;
            self.known.insert(id.clone(), (schema.clone(), nodes));
        }
        Ok(schema)
    }

    fn shape(&mut self, id: &Arc<str>, walk: &mut Walk) -> Result<Schema, TooLarge> {
        let raw = match (self.model.get(id), brought(id)) {
            (Some(element), _) => Raw::Written(element),
            (None, Some(element)) => Raw::Brought(element),
            (None, None) => return Ok(Schema::Any),
        };
        if let Raw::Brought(element) = &raw
            && let Some(primitive) = classes(element).find_map(Primitive::of_class)
        {
            return Ok(Schema::of_primitive(primitive));
        }
        let class = match &raw {
            Raw::Written(element) => element.class.as_str(),
            Raw::Brought(element) => classes(element).next().unwrap_or_default(),
        };
        match class {
            "Array" => self.inner(&raw, "elementSchema", walk).map(Schema::Array),
            "Map" => {
                let value = match &raw {
                    Raw::Written(element) => element.refs("mapValue").next(),
                    Raw::Brought(_) => None,
                };
                match value.and_then(|id| self.model.get(id)) {
                    Some(value) => self.inner(&Raw::Written(value), "schema", walk),
                    None => Ok(Arc::new(Schema::Any)),
                }
                .map(Schema::Map)
            }
            "Object" => self.object(&raw, walk),
            "Enum" => Ok(self.enumeration(&raw)),
            _ => Ok(Schema::Any),
        }
    }

    fn inner(
        &mut self,
        raw: &Raw<'_>,
        property: &str,
        walk: &mut Walk,
    ) -> Result<Arc<Schema>, TooLarge> {
        let id = match raw {
            Raw::Written(element) => element.refs(property).next().cloned(),
            Raw::Brought(element) => match property {
                "elementSchema" => element.element_schema.as_deref(),
                _ => element.schema.as_deref(),
            }
            .map(Into::into),
        };
        match id {
            Some(id) => self.walk(&id, walk).map(Arc::new),
            None => Ok(Arc::new(Schema::Any)),
        }
    }

    fn object(&mut self, raw: &Raw<'_>, walk: &mut Walk) -> Result<Schema, TooLarge> {
        let mut fields: Vec<Field> = Vec::new();
        match raw {
            Raw::Written(element) => {
                for id in element.refs("fields") {
                    let Some(field) = self.model.get(id) else {
                        continue;
                    };
                    let schema = self.inner(&Raw::Written(field), "schema", walk)?;
                    fields.push(Field {
                        name: field.text("name").unwrap_or_default().into(),
                        schema: Arc::unwrap_or_clone(schema),
                    });
                }
            }
            Raw::Brought(element) => {
                for id in &element.fields {
                    let Some(field) = brought(id) else {
                        continue;
                    };
                    let schema = self.inner(&Raw::Brought(field), "schema", walk)?;
                    fields.push(Field {
                        name: field.name.as_deref().unwrap_or_default().into(),
                        schema: Arc::unwrap_or_clone(schema),
                    });
                }
            }
        }
        Ok(Schema::Object(Object {
            fields: fields.into(),
        }))
    }

    fn enumeration(&self, raw: &Raw<'_>) -> Schema {
        let values = match raw {
            Raw::Written(element) => {
                let members = element
                    .refs("enumValues")
                    .filter_map(|id| self.model.get(id));
                members.filter_map(|member| written(member)).collect()
            }
            Raw::Brought(element) => {
                let ids = element.enum_values.iter();
                ids.filter_map(|id| listed(brought(id)?)).collect()
            }
        };
        Schema::Enum(Enum { values })
    }
}

/// The element of the language with an identifier, past its aliases.
fn brought(id: &str) -> Option<&'static Standard> {
    let known = &Tables::get().elements;
    let mut element = known.get(id)?;
    while let Some(original) = &element.alias_for {
        element = known.get(original)?;
    }
    Some(element)
}

fn classes(element: &'static Standard) -> impl Iterator<Item = &'static str> {
    let ids = element.types.iter();
    ids.filter_map(|id| Some(class_name(id)?.0))
}

fn written(member: &Element) -> Option<EnumMember> {
    let value = match member.properties.get("enumValue")?.first()? {
        Value::Integer(value) => crate::Value::Int(*value),
        Value::Text(text) => crate::Value::text(text.as_str()),
        _ => return None,
    };
    Some(EnumMember {
        name: member.text("name").unwrap_or_default().into(),
        value,
    })
}

fn listed(member: &Standard) -> Option<EnumMember> {
    Some(EnumMember {
        name: member.name.as_deref().unwrap_or_default().into(),
        value: member.enum_value.as_ref()?.into(),
    })
}
