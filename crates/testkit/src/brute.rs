//! Queries answered by brute force: every twin, every relationship, every combination, with the
//! condition asked at the end. Own reader of the text, own comparison of values.

mod answer;
mod read;

pub use answer::{Answer, answer};

use gemelli_model::Value;
use std::collections::BTreeMap;

/// Twins and relationships as plain data.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// What each interface extends.
    pub models: BTreeMap<String, Vec<String>>,
    /// Interface and properties by id.
    pub twins: BTreeMap<String, (String, Value)>,
    /// By source and id.
    pub edges: BTreeMap<(String, String), Edge>,
}

/// A relationship.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Its name.
    pub name: String,
    /// The twin that it ends at.
    pub target: String,
    /// Its properties, an object or null.
    pub properties: Value,
}

fn object(fields: Vec<(&str, Value)>) -> Value {
    Value::Object(fields.into_iter().map(|(n, v)| (n.into(), v)).collect())
}

fn with<'a>(mut fields: Vec<(&'a str, Value)>, own: &'a Value) -> Value {
    if let Value::Object(own) = own {
        let present = own.iter().filter(|(_, v)| !v.is_null());
        fields.extend(present.map(|(n, v)| (&**n, v.clone())));
    }
    object(fields)
}

impl Graph {
    /// A twin as an object: `$dtId`, `$metadata.$model`, its properties.
    pub fn twin(&self, id: &str) -> Option<Value> {
        let (model, properties) = self.twins.get(id)?;
        let metadata = object(vec![("$model", Value::text(model.as_str()))]);
        let fields = vec![("$dtId", Value::text(id)), ("$metadata", metadata)];
        Some(with(fields, properties))
    }

    /// A relationship as an object.
    pub fn edge(&self, source: &str, id: &str) -> Option<Value> {
        let key = (source.to_owned(), id.to_owned());
        let edge = self.edges.get(&key)?;
        let fields = vec![
            ("$relationshipId", Value::text(id)),
            ("$sourceId", Value::text(source)),
            ("$targetId", Value::text(edge.target.as_str())),
            ("$relationshipName", Value::text(edge.name.as_str())),
        ];
        Some(with(fields, &edge.properties))
    }

    /// Whether an interface belongs to a model: it, a later version, or what extends one of them.
    fn belongs(&self, interface: &str, model: &str, exact: bool) -> bool {
        if exact {
            return interface == model;
        }
        let (name, version) = version_of(model);
        let (own, own_version) = version_of(interface);
        if own == name && own_version >= version {
            return true;
        }
        let mut parents = self.models.get(interface).into_iter().flatten();
        parents.any(|parent| self.belongs(parent, model, false))
    }
}

fn version_of(model: &str) -> (&str, (u32, u32)) {
    let Some((name, version)) = model.split_once(';') else {
        return (model, (0, 0));
    };
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    (name, (major.parse().unwrap(), minor.parse().unwrap()))
}
