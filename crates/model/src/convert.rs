//! DTDL documents as interfaces of the product, and back; interfaces as JSON Schema and Thing Models.
//!
//! [`read`] takes texts and gives an [`Interface`] for each DTDL Interface in them, with the
//! document that it was written in; [`from_dtdl`] takes a model that is read already. Members are
//! the Interface's own: inheritance is applied by [`resolve`](crate::resolve), as for any interface.
//! What DTDL says and an interface has no word for (languages, types of extensions) stays in the
//! document, and can be asked of [`Objects`].
//!
//! ```
//! use gemelli_model::{convert, dtdl::{Options, Source}, Schema};
//! let text = r#"{"@context": "dtmi:dtdl:context;3", "@id": "dtmi:city:lamp;1", "@type": "Interface",
//!   "contents": [{"@type": "Property", "name": "power", "schema": "double", "writable": true}]}"#;
//! let source = Source { name: "lamp.json".into(), text: text.into() };
//! let read = convert::read(&[source], &Options::default(), &mut |_| None).unwrap();
//! let lamp = &read.interfaces[0];
//! assert_eq!(lamp.properties[0].schema, Schema::Double);
//! assert_eq!(lamp.dtdl.as_ref().unwrap().get("@id").unwrap().as_str(), Some("dtmi:city:lamp;1"));
//! ```

mod document;
mod extension;
mod file_name;
mod json_schema;
mod lenient;
mod lost;
mod member;
mod name;
mod thing_model;
mod write;

pub use document::{documents, value_of};
pub use file_name::file_names;
pub use json_schema::{DIALECT, to_json_schema};
pub use lenient::{Mended, mend_ktwin};
pub use lost::lost;
pub use name::{dtmi_of, id_of};
pub use thing_model::{THING_CONTEXT, THING_MEDIA_TYPE, ThingModel, to_thing_model};
pub use write::{to_dtdl, to_dtdl_set};

use crate::{
    Interface, Value,
    dtdl::{
        self, Fault, Model, Options, Outcome, Resolve, Source,
        object::{Objects, TooLarge},
    },
    manifest,
};
use std::sync::Arc;

/// What came of reading documents.
#[derive(Debug, Clone)]
pub struct Read {
    /// The elements.
    pub model: Model,
    /// The Interfaces as objects, with what they inherit.
    pub objects: Objects,
    /// The Interfaces of the documents that were given, by identifier; not those that were asked for.
    pub interfaces: Vec<Interface>,
}

/// Why documents cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// They break the language.
    #[error("the documents have {} faults; the first: {}", .0.len(), .0.first().map(ToString::to_string).unwrap_or_default())]
    Invalid(Vec<Fault>),
    /// They refer to what is not defined.
    #[error("not defined: {}; add the documents that define it", .0.join(", "))]
    Incomplete(Vec<Arc<str>>),
    /// A schema stands for too many others.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// What they say with the product's own extension breaks its rules.
    #[error("the extension is misused in {interface}: {}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Extension {
        /// The Interface.
        interface: Arc<str>,
        /// Everything that is wrong, at places of its canonical form.
        problems: Vec<manifest::Problem>,
    },
    /// The model has no such Interface.
    #[error("the model has no Interface {0}; name one of those that it has")]
    Unknown(Arc<str>),
}

/// Reads documents as one set, and gives the interfaces that they define.
///
/// `resolve` is asked for identifiers that they leave undefined.
///
/// # Errors
/// Every fault, or every identifier that stays undefined.
pub fn read(
    documents: &[Source],
    options: &Options,
    resolve: &mut Resolve<'_>,
) -> Result<Read, Refused> {
    let model = match dtdl::parse(documents, options, resolve) {
        Outcome::Valid(model) => model,
        Outcome::Invalid(faults) => return Err(Refused::Invalid(faults)),
        Outcome::Incomplete(ids) => return Err(Refused::Incomplete(ids)),
    };
    let objects = Objects::of(&model)?;
    let mut texts = self::documents(documents);
    let submitted = model
        .interfaces()
        .filter(|element| element.source < documents.len());
    let interfaces = submitted
        .filter_map(|element| objects.get(&element.id))
        .map(|object| member::interface(object, texts.remove(&object.id)))
        .collect::<Result<_, _>>()?;
    Ok(Read {
        model,
        objects,
        interfaces,
    })
}

/// The interface of a model that is read already, without the text of its document.
///
/// # Errors
/// The model has no such Interface, or a schema of it is too large.
pub fn from_dtdl(model: &Model, id: &str) -> Result<Interface, Refused> {
    let objects = Objects::of(model)?;
    let object = objects.get(id).ok_or_else(|| Refused::Unknown(id.into()))?;
    member::interface(object, None)
}

/// The interface that one document defines, whatever else it refers to: Interfaces that it extends
/// or has as components need not be there, schemas do.
///
/// # Errors
/// As [`read`]. A document with more than one Interface gives the outer one.
pub fn from_document(document: &Value) -> Result<Interface, Refused> {
    let all = from_document_whole(document)?;
    let id = identifier(document);
    let outer = all.into_iter().find(|interface| interface.id == id_of(id));
    outer.ok_or_else(|| Refused::Unknown(id.into()))
}

/// All interfaces of one document: its own, and those that are written within it, each with a document.
///
/// # Errors
/// As [`from_document`].
pub fn from_document_whole(document: &Value) -> Result<Vec<Interface>, Refused> {
    let source = Source {
        name: "dtdl".to_owned(),
        text: document.to_string(),
    };
    let context = document::core_context(document);
    let mut stubs = |missing: &[Arc<str>]| {
        let stub = |id: &Arc<str>| Source {
            name: id.to_string(),
            text: document::stub(&context, id),
        };
        Some(missing.iter().map(stub).collect())
    };
    let mut read = read(&[source], &Options::default(), &mut stubs)?;
    let outer = id_of(identifier(document));
    for interface in &mut read.interfaces {
        if interface.id == outer {
            interface.dtdl = Some(document.clone());
        }
    }
    Ok(read.interfaces)
}

fn identifier(document: &Value) -> &str {
    let id = document.get("@id").and_then(Value::as_str);
    id.unwrap_or_default()
}

#[cfg(test)]
mod tests;
