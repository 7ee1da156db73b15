//! Localisable texts: a string, an object from language to string, or an array of strings and of
//! objects with `@value` and `@language`.

use super::form::is_language;
use crate::dtdl::json::{Kind, Member, Node};
use crate::dtdl::read::{Bearer, Reader};
use crate::dtdl::tables::Facet;
use std::collections::BTreeMap;

/// The language of a text that names none.
const DEFAULT: &str = "en";

impl Reader<'_> {
    /// The texts of a property by language; none when one of them is not sound.
    pub(super) fn texts(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        facet: &Facet,
    ) -> Option<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        let before = self.faults.len();
        match &node.kind {
            Kind::String(text) => {
                texts.insert(DEFAULT.to_owned(), text.clone());
            }
            Kind::Object(members) => self.language_map(bearer, node, members, &mut texts),
            Kind::Array(items) => {
                for item in items {
                    self.tagged(bearer, item, &mut texts);
                }
            }
            Kind::Null => self.refuse(
                "propertyValueNull",
                bearer,
                node,
                "null is no value; remove the property".into(),
            ),
            _ => self.refuse(
                "langStringElementNotStringOrObject",
                bearer,
                node,
                format!(
                    "a text, or texts by language, belong here, not {}",
                    node.describe()
                ),
            ),
        }
        let limit = facet.longest(&bearer.scope.limits);
        for text in texts.values() {
            if let Some(limit) = limit.filter(|limit| text.encode_utf16().count() > *limit) {
                self.refuse(
                    "langStringValueTooLong",
                    bearer,
                    node,
                    format!("{limit} characters are allowed; shorten the text"),
                );
            }
        }
        (self.faults.len() == before).then_some(texts)
    }

    fn language_map(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        members: &[Member],
        texts: &mut BTreeMap<String, String>,
    ) {
        let has = |key| node.get(key).and_then(Node::as_str).is_some();
        if members.len() == 2 && has("@value") && has("@language") {
            self.refuse(
                "langTagValueInLangMap",
                bearer,
                node,
                "an object maps languages to texts, as in {\"en\": \"...\"}; put this one into an array or write it so".into(),
            );
            return;
        }
        for member in members {
            if member.key.starts_with('@') {
                self.refuse(
                    "langMapObjKeyword",
                    bearer,
                    &member.value,
                    format!(
                        "an object maps languages to texts; {} is no language",
                        member.key
                    ),
                );
            } else if !is_language(&member.key) {
                self.refuse(
                    "langStringInvalidCode",
                    bearer,
                    &member.value,
                    format!("{:?} is no language code, such as en or pt-BR", member.key),
                );
            } else if let Kind::String(text) = &member.value.kind {
                texts.insert(member.key.clone(), text.clone());
            } else {
                self.refuse(
                    "langStringValueNotString",
                    bearer,
                    &member.value,
                    "a text belongs here".into(),
                );
            }
        }
    }

    /// An item of an array.
    fn tagged(&mut self, bearer: &Bearer<'_>, item: &Node, texts: &mut BTreeMap<String, String>) {
        let tagged = match &item.kind {
            Kind::String(text) => Some((DEFAULT, text.as_str())),
            Kind::Object(members) => self.tagged_object(bearer, item, members),
            _ => {
                self.refuse(
                    "langStringElementNotStringOrObject",
                    bearer,
                    item,
                    "a text or an object with @value belongs here".into(),
                );
                None
            }
        };
        let Some((language, text)) = tagged else {
            return;
        };
        if texts.insert(language.to_owned(), text.to_owned()).is_some() {
            self.refuse(
                "langStringElementCodeNotUnique",
                bearer,
                item,
                format!("there is a text for {language} already; remove one"),
            );
        }
    }

    fn tagged_object<'n>(
        &mut self,
        bearer: &Bearer<'_>,
        item: &'n Node,
        members: &[Member],
    ) -> Option<(&'n str, &'n str)> {
        let mut sound = true;
        for member in members {
            let kind = match member.key.as_str() {
                "@value" | "@language" => continue,
                "@context" => "langStringElementContext",
                "@id" => "langStringElementId",
                "@graph" => "langStringElementGraph",
                key if key.starts_with('@') && !bearer.scope.strict() => continue,
                "@type" => "langStringElementType",
                key if key.starts_with('@') => "langStringElementKeyword",
                _ => "langStringElementInvalidProp",
            };
            self.refuse(
                kind,
                bearer,
                &member.value,
                format!("an item has @value and @language; remove {}", member.key),
            );
            sound = false;
        }
        let language = match item.get("@language") {
            None => DEFAULT,
            Some(node) => {
                let kind = match node.as_str().filter(|text| !text.is_empty()) {
                    Some(text) if is_language(text) => None,
                    Some(_) => Some("langStringElementInvalidCode"),
                    None => Some("langStringElementCodeNotString"),
                };
                if let Some(kind) = kind {
                    let message = "@language is a code such as en or pt-BR".into();
                    self.refuse(kind, bearer, node, message);
                    sound = false;
                }
                node.as_str().unwrap_or(DEFAULT)
            }
        };
        let Some(value) = item.get("@value") else {
            self.refuse(
                "langStringElementNoValue",
                bearer,
                item,
                "an item has an @value; add it".into(),
            );
            return None;
        };
        let Some(text) = value.as_str() else {
            self.refuse(
                "langStringElementValueNotString",
                bearer,
                value,
                "a text belongs in @value".into(),
            );
            return None;
        };
        sound.then_some((language, text))
    }
}
