//! The schemas of a model, those that the language brings included.

use super::{Literal, Primitive, Schemas, Shape};
use crate::dtdl::{
    model::{Element, Model, Value},
    tables::{Standard, Tables, class_name},
};

/// An element to which a value can be compared.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a>(Kind<'a>);

#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    /// Written in a document.
    Written(&'a Element),
    /// Brought by the language.
    Brought(&'static Standard),
}

impl Kind<'_> {
    /// Whether it is of a class.
    fn is(self, class: &str) -> bool {
        match self {
            Self::Written(element) => element.class == class,
            Self::Brought(element) => classes(element).any(|name| name == class),
        }
    }

    fn primitive(self) -> Option<Primitive> {
        match self {
            Self::Written(_) => None,
            Self::Brought(element) => classes(element).find_map(Primitive::of_class),
        }
    }
}

fn classes(element: &'static Standard) -> impl Iterator<Item = &'static str> {
    let ids = element.types.iter();
    ids.filter_map(|id| Some(class_name(id)?.0))
}

impl Model {
    /// The element with an identifier, of the documents or of the language, to check values
    /// against. [`super::outcome`] says `Throws` of one that is no schema.
    pub fn subject(&self, id: &str) -> Option<Subject<'_>> {
        let kind = match self.get(id) {
            Some(element) => Kind::Written(element),
            None => Kind::Brought(brought(id)?),
        };
        Some(Subject(kind))
    }

    /// The elements that a property of an element refers to.
    fn inner<'a>(
        &'a self,
        element: Kind<'a>,
        property: &'static str,
    ) -> Box<dyn Iterator<Item = Kind<'a>> + 'a> {
        match element {
            Kind::Written(element) => {
                let found = element.refs(property).filter_map(|id| self.subject(id));
                Box::new(found.map(|Subject(kind)| kind))
            }
            Kind::Brought(element) => {
                let ids: &[String] = match property {
                    "schema" => element.schema.as_slice(),
                    "elementSchema" => element.element_schema.as_slice(),
                    "valueSchema" => element.value_schema.as_slice(),
                    "fields" => &element.fields,
                    "enumValues" => &element.enum_values,
                    _ => &[],
                };
                Box::new(ids.iter().filter_map(|id| brought(id)).map(Kind::Brought))
            }
        }
    }

    fn first<'a>(&'a self, element: Kind<'a>, property: &'static str) -> Option<Kind<'a>> {
        self.inner(element, property).next()
    }
}

impl<'a> Schemas for &'a Model {
    type Ref = Subject<'a>;

    fn shape(&self, Subject(kind): Subject<'a>) -> Option<Shape<Subject<'a>>> {
        let model: &'a Model = self;
        if let Some(primitive) = kind.primitive() {
            return Some(Shape::Primitive(primitive));
        }
        if kind.is("Array") {
            return Some(Shape::Array(Subject(model.first(kind, "elementSchema")?)));
        }
        if kind.is("Map") {
            let value = model.first(kind, "mapValue")?;
            return Some(Shape::Map(Subject(model.first(value, "schema")?)));
        }
        if kind.is("Object") {
            return Some(Shape::Object);
        }
        if kind.is("Enum") {
            let schema = model.first(kind, "valueSchema")?;
            return schema.primitive().map(Shape::Enum);
        }
        if kind.is("EnumValue") {
            return value_of(kind).map(|value| Shape::Enum(value.primitive()));
        }
        // A Field and a MapValue are as their schema, which is neither.
        let field = kind.is("Field") || kind.is("MapValue");
        let schema = field.then(|| model.first(kind, "schema")).flatten()?;
        self.shape(Subject(schema))
    }

    fn field(&self, Subject(object): Subject<'a>, name: &str) -> Option<Subject<'a>> {
        let model: &'a Model = self;
        let object = match object.is("Object") {
            true => object,
            false => model.first(object, "schema")?,
        };
        let field = model
            .inner(object, "fields")
            .find(|field| field_name(*field) == Some(name))?;
        model.first(field, "schema").map(Subject)
    }

    fn lists(&self, Subject(kind): Subject<'a>, literal: Literal<'_>) -> bool {
        let model: &'a Model = self;
        if kind.is("EnumValue") {
            return value_of(kind).is_some_and(|value| value.equals(literal));
        }
        let kind = match kind.is("Enum") {
            true => kind,
            false => match model.first(kind, "schema") {
                Some(schema) => schema,
                None => return false,
            },
        };
        let mut values = model.inner(kind, "enumValues").filter_map(value_of);
        values.any(|value| value.equals(literal))
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

fn field_name(field: Kind<'_>) -> Option<&str> {
    match field {
        Kind::Written(element) => element.text("name"),
        Kind::Brought(element) => element.name.as_deref(),
    }
}

/// The value of a member of an Enum.
enum Member<'a> {
    Integer(i64),
    Text(&'a str),
}

impl Member<'_> {
    fn primitive(&self) -> Primitive {
        match self {
            Self::Integer(_) => Primitive::Integer,
            Self::Text(_) => Primitive::String,
        }
    }

    fn equals(&self, literal: Literal<'_>) -> bool {
        match (self, literal) {
            (Self::Integer(value), Literal::Integer(other)) => *value == other,
            (Self::Text(value), Literal::Text(other)) => *value == other,
            _ => false,
        }
    }
}

fn value_of(member: Kind<'_>) -> Option<Member<'_>> {
    match member {
        Kind::Written(element) => match element.properties.get("enumValue")?.first()? {
            Value::Integer(value) => Some(Member::Integer(*value)),
            Value::Text(text) => Some(Member::Text(text)),
            _ => None,
        },
        Kind::Brought(element) => {
            let value = element.enum_value.as_ref()?;
            let text = value.as_str().map(Member::Text);
            text.or_else(|| value.as_i64().map(Member::Integer))
        }
    }
}
