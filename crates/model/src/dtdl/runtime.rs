//! The product's own extension, `dtmi:gemelli:extension:runtime;1`.
//!
//! It says in DTDL what an interface has and the language has no word for: derived properties,
//! routing, fidelity, the clock, tables, service settings. Its tables lie in `runtime.json`, in the
//! form of those of the language. A property whose value is any JSON keeps it as compact text;
//! whether that text means something is checked where it becomes an interface
//! ([`convert`](crate::convert)).

use super::json::{Kind, Node};
use super::model::Value;
use super::read::{Bearer, Reader};
use super::tables::{Cotype, Tables};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The context that brings the extension.
pub const CONTEXT: &str = "dtmi:gemelli:extension:runtime;1";

/// What the identifiers of its types and properties begin with.
pub const PREFIX: &str = "dtmi:gemelli:extension:runtime:v1:";

/// The datatype of a property that holds any JSON.
pub(super) const JSON: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON";

const TEXT: &str = include_str!("runtime.json");

#[derive(Default, Deserialize)]
struct Extension {
    terms: BTreeMap<String, String>,
    types: BTreeMap<String, Cotype>,
}

/// Adds the extension to the tables of the language.
pub(super) fn extend(tables: &mut Tables) {
    // A test holds the text well-formed; without it the extension would be unknown.
    let extension: Extension = serde_json::from_str(TEXT).unwrap_or_default();
    tables.contexts.insert(CONTEXT.to_owned(), extension.terms);
    tables.types.extend(extension.types);
}

/// Any JSON but null, kept as compact text.
pub(super) fn literal(
    reader: &mut Reader<'_>,
    bearer: &Bearer<'_>,
    node: &Node,
) -> Option<Vec<Value>> {
    if node.kind == Kind::Null {
        let message = "null is no value; remove the property or give it one".into();
        reader.refuse("propertyValueNull", bearer, node, message);
        return None;
    }
    let text = crate::convert::value_of(node).to_string();
    Some(vec![Value::Text(text)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::dtdl::{Options, Outcome, Source, parse};

    fn kinds(text: &str) -> Vec<&'static str> {
        let source = Source {
            name: "test.json".into(),
            text: text.into(),
        };
        match parse(&[source], &Options::default(), &mut |_| None) {
            Outcome::Valid(_) => Vec::new(),
            Outcome::Invalid(faults) => faults.iter().map(|fault| fault.kind).collect(),
            Outcome::Incomplete(_) => vec!["incomplete"],
        }
    }

    #[test]
    fn the_text_of_the_extension_is_read_whole() {
        let extension: Extension = serde_json::from_str(TEXT).unwrap();
        assert_eq!(extension.types.len(), 6);
        for id in extension.types.keys() {
            assert!(extension.terms.values().any(|term| term == id), "{id}");
        }
    }

    #[test]
    fn documents_that_use_the_extension_are_valid_and_misuse_is_found() {
        let document = |types: &str, members: &str| {
            format!(
                r#"{{"@context":["dtmi:dtdl:context;3","{CONTEXT}"],"@id":"dtmi:t:i;1","@type":["Interface","Runtime"],"clock":"event","tables":{{"a":{{"rows":[]}}}},
                "contents":[{{"@type":{types},"name":"p","schema":"double"{members}}}]}}"#
            )
        };
        let derived = r#","derived":{"expression":"a + 1","on":["a"]}"#;
        assert!(kinds(&document(r#"["Property","Derived"]"#, derived)).is_empty());
        for (types, members) in [
            (r#"["Telemetry","Derived"]"#, derived),
            (r#"["Property","Derived"]"#, ""),
            (r#""Property""#, derived),
            (r#"["Property","Derived"]"#, r#","derived":null"#),
        ] {
            assert!(
                !kinds(&document(types, members)).is_empty(),
                "{types} {members}"
            );
        }
    }
}
