//! The value checks of the sample, over a view of the documents that reads them naively: the
//! checks hold without the parser.

use gemelli_model::dtdl::{
    json::{Kind, Node, parse},
    value::{Literal, Primitive, Schemas, Shape, outcome},
};
use serde_json::Value;

const CASES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../../shared/data/dtdl/cases"
);
const COMPLEX: [&str; 4] = ["Array", "Enum", "Map", "Object"];

/// A document and what it defines.
struct Naive<'a>(&'a Node);

#[derive(Clone, Copy)]
enum Ref<'a> {
    Defined(&'a Node),
    Term(&'a str),
}

impl<'a> Naive<'a> {
    /// The element with an identifier, somewhere below a node.
    fn find(node: &'a Node, id: &str) -> Option<&'a Node> {
        if node.get("@id").and_then(Node::as_str) == Some(id) && node.get("@type").is_some() {
            return Some(node);
        }
        match &node.kind {
            Kind::Object(members) => members.iter().find_map(|m| Self::find(&m.value, id)),
            Kind::Array(items) => items.iter().find_map(|item| Self::find(item, id)),
            _ => None,
        }
    }

    fn named(&self, id: &'a str) -> Option<Ref<'a>> {
        let term = id.strip_prefix("dtmi:dtdl:instance:Schema:").unwrap_or(id);
        match Self::find(self.0, id) {
            Some(node) => Some(Ref::Defined(node)),
            None => Some(Ref::Term(term.split(';').next()?)),
        }
    }

    fn inner(&self, node: &'a Node, property: &str) -> Option<Ref<'a>> {
        let value = node.get(property)?;
        match value.as_str() {
            Some(id) => self.named(id),
            None => Some(Ref::Defined(value)),
        }
    }
}

impl<'a> Schemas for Naive<'a> {
    type Ref = Ref<'a>;

    fn shape(&self, schema: Ref<'a>) -> Option<Shape<Ref<'a>>> {
        let node = match schema {
            Ref::Defined(node) => node,
            Ref::Term(term) => {
                let class = format!("{}{}", term.get(..1)?.to_uppercase(), term.get(1..)?);
                return Primitive::of_class(&class).map(Shape::Primitive);
            }
        };
        let class = COMPLEX.iter().find(|class| is(node, class))?;
        Some(match *class {
            "Array" => Shape::Array(self.inner(node, "elementSchema")?),
            "Map" => Shape::Map(self.inner(node.get("mapValue")?, "schema")?),
            "Object" => Shape::Object,
            _ => match node.get("valueSchema").and_then(Node::as_str) {
                Some("integer") => Shape::Enum(Primitive::Integer),
                _ => Shape::Enum(Primitive::String),
            },
        })
    }

    fn field(&self, object: Ref<'a>, name: &str) -> Option<Ref<'a>> {
        let Ref::Defined(node) = object else {
            return None;
        };
        let fields = node.get("fields")?.as_array()?;
        let field = fields
            .iter()
            .find(|field| field.get("name").and_then(Node::as_str) == Some(name))?;
        self.inner(field, "schema")
    }

    fn lists(&self, enumeration: Ref<'a>, literal: Literal<'_>) -> bool {
        let Ref::Defined(node) = enumeration else {
            return false;
        };
        let members = node.get("enumValues").and_then(Node::as_array);
        let mut values = members
            .unwrap_or_default()
            .iter()
            .filter_map(|m| m.get("enumValue"));
        values.any(|value| match literal {
            Literal::Integer(number) => value.as_number().and_then(|n| n.as_i64()) == Some(number),
            Literal::Text(text) => value.as_str() == Some(text),
        })
    }
}

fn is(node: &Node, class: &str) -> bool {
    let Some(types) = node.get("@type") else {
        return false;
    };
    types.as_str() == Some(class)
        || types
            .as_array()
            .is_some_and(|all| all.iter().any(|t| t.as_str() == Some(class)))
}

#[test]
fn the_value_checks_of_the_sample() {
    for version in [2, 3, 4] {
        let path = format!("{CASES}/models-v{version}.jsonl");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: dtdl-values: {path} is not there");
            continue;
        };
        let mut checked = 0;
        for line in text.lines().filter(|line| line.contains("\"instances\"")) {
            let case: Value = serde_json::from_str(line).unwrap();
            let document = parse(case["input"].to_string().as_bytes()).unwrap();
            let model = Naive(&document.root);
            for instance in case["instances"].as_array().unwrap() {
                let subject = model.named(instance["subject"].as_str().unwrap());
                let submit = instance["submit"].as_str().unwrap();
                let found = outcome(&model, subject, submit).name();
                assert_eq!(found, instance["outcome"], "{} {instance}", case["name"]);
                checked += 1;
            }
        }
        println!("version {version}: {checked} value checks right");
    }
}
