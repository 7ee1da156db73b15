//! From elements to objects.

use super::schema::{Schemas, TooLarge};
use super::{Content, ContentKind, Extras, Interface, Labels, Mqtt, Payload, Texts};
use crate::dtdl::model::{Element, Model, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Interfaces = BTreeMap<Arc<str>, Arc<Interface>>;

pub(super) fn objects(model: &Model) -> Result<Interfaces, TooLarge> {
    let mut build = Build {
        model,
        schemas: Schemas::new(model),
        done: BTreeMap::new(),
    };
    for element in model.interfaces() {
        build.interface(element)?;
    }
    Ok(build.done)
}

struct Build<'a> {
    model: &'a Model,
    schemas: Schemas<'a>,
    done: Interfaces,
}

impl Build<'_> {
    /// An Interface, those that it extends before it. A valid model has no cycle and little depth.
    fn interface(&mut self, element: &Element) -> Result<Arc<Interface>, TooLarge> {
        if let Some(done) = self.done.get(&element.id) {
            return Ok(done.clone());
        }
        let extends: Vec<Arc<str>> = element.refs("extends").cloned().collect();
        let mut ancestors = BTreeSet::new();
        let mut contents: Vec<Arc<Content>> = Vec::new();
        let mut names: BTreeMap<Arc<str>, usize> = BTreeMap::new();
        let mut add = |content: Arc<Content>| {
            names.entry(content.name.clone()).or_insert_with(|| {
                contents.push(content);
                contents.len() - 1
            });
        };
        for id in &extends {
            let Some(parent) = self.model.get(id) else {
                continue;
            };
            let parent = self.interface(&parent.clone())?;
            ancestors.extend(parent.ancestors.iter().cloned());
            ancestors.insert(id.clone());
            parent.contents.iter().cloned().for_each(&mut add);
        }
        for id in element.refs("contents") {
            if let Some(content) = self.model.get(id) {
                add(Arc::new(self.content(content, &element.id)?));
            }
        }
        let interface = Arc::new(Interface {
            id: element.id.clone(),
            version: element.version,
            labels: labels(element),
            extends,
            ancestors,
            cotypes: cotypes(element),
            mqtt: mqtt(element),
            extras: extras(element),
            contents,
            names,
        });
        self.done.insert(element.id.clone(), interface.clone());
        Ok(interface)
    }

    fn content(&mut self, element: &Element, from: &Arc<str>) -> Result<Content, TooLarge> {
        let kind = match element.class.as_str() {
            "Telemetry" => ContentKind::Telemetry {
                schema: self.schema(element)?,
            },
            "Command" => ContentKind::Command {
                request: self.payload(element, "request")?,
                response: self.payload(element, "response")?,
            },
            "Relationship" => ContentKind::Relationship {
                target: named(element, "target"),
                min: count(element, "minMultiplicity"),
                max: count(element, "maxMultiplicity"),
                writable: flag(element, "writable"),
                properties: self.properties(element, from)?,
            },
            "Component" => ContentKind::Component {
                interface: named(element, "schema").unwrap_or_default(),
            },
            _ => ContentKind::Property {
                schema: self.schema(element)?,
                writable: flag(element, "writable"),
            },
        };
        let has = |part: &str| element.cotypes.iter().any(|id| id.contains(part));
        Ok(Content {
            id: element.id.clone(),
            from: from.clone(),
            name: element.text("name").unwrap_or_default().into(),
            labels: labels(element),
            semantic_type: element.cotypes.iter().find_map(|id| semantic_type(id)),
            unit: unit(element),
            historized: has(":historization:") && has(":Historized"),
            annotates: extension_text(element, "annotates"),
            overrides: extension(element, "overrides").and_then(|value| match value {
                Value::Text(text) => Some(short(text).into()),
                Value::Dtmi(id) | Value::Element(id) => Some(short(id).into()),
                _ => None,
            }),
            index: extension(element, "index").and_then(|value| match value {
                Value::Integer(index) => Some(*index),
                _ => None,
            }),
            cotypes: cotypes(element),
            extras: extras(element),
            kind,
        })
    }

    fn properties(
        &mut self,
        element: &Element,
        from: &Arc<str>,
    ) -> Result<Vec<Arc<Content>>, TooLarge> {
        let mut all = Vec::new();
        for id in element.refs("properties") {
            if let Some(property) = self.model.get(id) {
                all.push(Arc::new(self.content(property, from)?));
            }
        }
        Ok(all)
    }

    fn payload(&mut self, element: &Element, part: &str) -> Result<Option<Arc<Payload>>, TooLarge> {
        let found = element.refs(part).next().and_then(|id| self.model.get(id));
        let Some(element) = found else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Payload {
            name: element.text("name").unwrap_or_default().into(),
            labels: labels(element),
            schema: self.schema(element)?,
            nullable: flag(element, "nullable"),
            cotypes: cotypes(element),
        })))
    }

    fn schema(&mut self, element: &Element) -> Result<crate::Schema, TooLarge> {
        match element.refs("schema").next() {
            Some(id) => self.schemas.of(id),
            None => Ok(crate::Schema::Any),
        }
    }
}

fn labels(element: &Element) -> Labels {
    let texts = |name: &str| match element.properties.get(name).and_then(|all| all.first()) {
        Some(Value::Texts(texts)) => texts.clone(),
        Some(Value::Text(text)) => Texts::from([("en".to_owned(), text.clone())]),
        _ => Texts::new(),
    };
    Labels {
        display_name: texts("displayName"),
        description: texts("description"),
        comment: element.text("comment").map(Into::into),
    }
}

fn cotypes(element: &Element) -> Vec<Arc<str>> {
    element
        .cotypes
        .iter()
        .map(|id| id.as_str().into())
        .collect()
}

fn mqtt(element: &Element) -> Option<Mqtt> {
    let ours = |id: &String| id.contains(":extension:mqtt:") && id.ends_with(":Mqtt");
    element.cotypes.iter().any(ours).then(|| Mqtt {
        payload_format: extension_text(element, "payloadFormat"),
        telemetry_topic: extension_text(element, "telemetryTopic"),
        command_topic: extension_text(element, "commandTopic"),
        property_topic: extension_text(element, "propertyTopic"),
        telemetry_group: extension_text(element, "telemServiceGroupId"),
        command_group: extension_text(element, "cmdServiceGroupId"),
    })
}

fn extras(element: &Element) -> Extras {
    let values = element.properties.iter();
    let extra = values.filter(|(name, _)| name.starts_with("dtmi:"));
    extra
        .map(|(name, values)| (name.as_str().into(), values.clone()))
        .collect()
}

/// The value of a property of an extension, whatever its version.
fn extension<'a>(element: &'a Element, name: &str) -> Option<&'a Value> {
    let values = element.properties.iter();
    let mut found = values.filter(|(id, _)| id.starts_with("dtmi:") && short(id) == name);
    found.next()?.1.first()
}

fn extension_text(element: &Element, name: &str) -> Option<Arc<str>> {
    match extension(element, name)? {
        Value::Text(text) => Some(text.as_str().into()),
        _ => None,
    }
}

fn unit(element: &Element) -> Option<Arc<str>> {
    match extension(element, "unit")? {
        Value::Element(id) | Value::Dtmi(id) => Some(short(id).into()),
        Value::Text(text) => Some(text.as_str().into()),
        _ => None,
    }
}

/// Types of the language itself, of version 2, and those of the extension for quantities.
fn semantic_type(id: &str) -> Option<Arc<str>> {
    let quantity = id.contains(":quantitativeTypes:") || id.starts_with("dtmi:standard:class:");
    quantity.then(|| short(id).into())
}

fn named(element: &Element, property: &str) -> Option<Arc<str>> {
    match element.properties.get(property)?.first()? {
        Value::Dtmi(id) | Value::Element(id) => Some(id.clone()),
        _ => None,
    }
}

fn count(element: &Element, property: &str) -> Option<u32> {
    match element.properties.get(property)?.first()? {
        Value::Integer(count) => u32::try_from(*count).ok(),
        _ => None,
    }
}

fn flag(element: &Element, property: &str) -> bool {
    let value = element.properties.get(property).and_then(|all| all.first());
    matches!(value, Some(Value::Bool(true)))
}

/// The last part of an identifier, without its version.
fn short(id: &str) -> &str {
    let path = id.split(';').next().unwrap_or(id);
    path.rsplit(':').next().unwrap_or(path)
}
