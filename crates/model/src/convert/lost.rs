//! What a document says and an interface without its document does not.

use super::Read;
use crate::dtdl::{Element, Value, runtime};
use std::collections::BTreeMap;

/// Classes of elements that members of an interface are made of.
const MEMBERS: [&str; 6] = [
    "Interface",
    "Property",
    "Telemetry",
    "Command",
    "Relationship",
    "Component",
];

/// What is lost when the members of interfaces are kept and their documents are not: each kind of
/// loss with how often.
///
/// ```
/// use gemelli_model::{convert, dtdl::{Options, Source}};
/// let text = r#"{"@context": "dtmi:dtdl:context;3", "@id": "dtmi:city:lamp;1", "@type": "Interface",
///   "displayName": {"en": "lamp", "de": "Leuchte"}, "comment": "by the road"}"#;
/// let source = Source { name: "lamp.json".into(), text: text.into() };
/// let read = convert::read(&[source], &Options::default(), &mut |_| None).unwrap();
/// let lost: Vec<_> = convert::lost(&read).into_keys().collect();
/// assert_eq!(lost, ["comments", "texts in further languages"]);
/// ```
pub fn lost(read: &Read) -> BTreeMap<String, usize> {
    let mut lost = BTreeMap::new();
    for element in read.model.elements() {
        for what in losses(element) {
            *lost.entry(what).or_default() += 1;
        }
    }
    lost
}

fn losses(element: &Element) -> Vec<String> {
    let mut found = Vec::new();
    let member = MEMBERS.contains(&element.class.as_str());
    let texts = ["displayName", "description"]
        .into_iter()
        .filter_map(|name| element.properties.get(name));
    for values in texts {
        let many = |value: &Value| matches!(value, Value::Texts(texts) if texts.len() > 1);
        match member {
            true if values.len() > 1 || values.iter().any(many) => {
                found.push("texts in further languages".to_owned());
            }
            true => {}
            false => found.push(format!("texts for people of {}s", element.class)),
        }
    }
    if element.properties.contains_key("comment") {
        found.push("comments".to_owned());
    }
    let types = element.cotypes.iter();
    let foreign = types.filter(|id| !id.starts_with(runtime::PREFIX));
    found.extend(foreign.map(|id| format!("the type {}", short(id))));
    let generated = element.id.contains(":_");
    if element.class != "Interface" && !generated {
        found.push("identifiers within interfaces".to_owned());
    }
    let on = |name| {
        matches!(
            element.properties.get(name).map(Vec::as_slice),
            Some([Value::Bool(true)])
        )
    };
    if element.class == "Relationship" && on("writable") {
        found.push("that relationships are writable".to_owned());
    }
    if on("nullable") {
        found.push("that requests and responses may be null".to_owned());
    }
    found
}

/// The last part of an identifier, without its version.
fn short(id: &str) -> &str {
    let last = id.rsplit(':').next().unwrap_or(id);
    last.split(';').next().unwrap_or(last)
}
