//! What an element's `@type` says: one class, and types beside it.

use super::{Place, Reader};
use crate::dtdl::context::Scope;
use crate::dtdl::dtmi;
use crate::dtdl::json::{Kind, Node, Pos};
use crate::dtdl::tables::{Tolerance, class_name};
use std::collections::BTreeMap;

/// The types of an element.
pub(super) struct Types {
    pub class: String,
    /// Identifiers of the types beside the class.
    pub cotypes: Vec<String>,
    /// Whether a type stands among them that is not known.
    pub open: bool,
}

/// The types that were met so far.
#[derive(Default)]
struct Met<'n> {
    class: Option<String>,
    /// A class that does not belong here, and its place.
    wrong: Option<(String, Pos)>,
    several: bool,
    cotypes: Vec<String>,
    open: bool,
    unsound: bool,
    texts: Vec<&'n str>,
}

/// The element whose types are read, for faults.
struct Subject<'a> {
    id: &'a str,
    property: Option<&'a str>,
    top: bool,
}

impl Reader<'_> {
    /// The types of an element; none when they are not sound.
    pub(super) fn types(
        &mut self,
        node: &Node,
        scope: &Scope,
        place: Option<&Place<'_>>,
        id: &str,
    ) -> Option<Types> {
        let expected = self
            .tables
            .writable(place.map(|place| place.class), scope.version);
        let subject = Subject {
            id: match id {
                "" => place.map_or("", |place| place.parent),
                id => id,
            },
            property: place.map(|place| place.property),
            top: place.is_none(),
        };
        let Some(written) = node.get("@type") else {
            let inferred = expected.first().filter(|_| expected.len() == 1);
            let class = inferred.filter(|_| place.is_some_and(|place| !place.facet.type_required));
            if class.is_none() {
                let kind = match subject.top {
                    true => "typeNotRootable",
                    false => "badType",
                };
                let message = format!("an @type is needed here: {}", expected.join(", "));
                self.type_fault(kind, node.pos, &subject, None, message);
            }
            return Some(Types {
                class: class?.clone(),
                cotypes: Vec::new(),
                open: false,
            });
        };
        let met = self.met(written, scope, expected, &subject)?;
        let class = self.one_class(written, &met, expected, &subject)?;
        self.cotypes_fit(&met.cotypes, &class, scope, (written.pos, subject.id));
        Some(Types {
            class,
            cotypes: met.cotypes,
            open: met.open,
        })
    }

    fn type_fault(
        &mut self,
        kind: &'static str,
        pos: Pos,
        subject: &Subject<'_>,
        value: Option<&str>,
        message: String,
    ) {
        self.fault(
            kind,
            pos,
            Some(subject.id),
            subject.property,
            value,
            message,
        );
    }

    /// Goes through the names.
    fn met<'n>(
        &mut self,
        written: &'n Node,
        scope: &Scope,
        expected: &[String],
        subject: &Subject<'_>,
    ) -> Option<Met<'n>> {
        let names = match &written.kind {
            Kind::String(_) => std::slice::from_ref(written),
            Kind::Array(items) if !items.is_empty() => items.as_slice(),
            _ => {
                let message = "an @type is a string or an array of strings".into();
                self.type_fault("typeNotStringOrArray", written.pos, subject, None, message);
                return None;
            }
        };
        let mut met = Met::default();
        for name in names {
            let Some(text) = name.as_str().filter(|text| !text.is_empty()) else {
                let message = "an @type is a string".into();
                self.type_fault("typeNotString", name.pos, subject, None, message);
                met.unsound = true;
                continue;
            };
            met.texts.push(text);
            let id = match text.contains(':') {
                true => Some(text.to_owned()),
                false => scope.term(self, text),
            };
            let class = id
                .as_deref()
                .and_then(class_name)
                .and_then(|(class, version)| {
                    Some((class, version, self.tables.classes.get(class)?))
                });
            match class {
                Some((class, version, of)) if of.is_abstract || version == scope.version => {
                    if !expected.iter().any(|expected| expected == class) {
                        met.wrong = Some((class.to_owned(), name.pos));
                    } else {
                        met.several |= met.class.as_deref().is_some_and(|other| other != class);
                        met.class = Some(class.to_owned());
                    }
                }
                _ => self.cotype(&mut met, scope, text, id, (name.pos, subject.id)),
            }
        }
        Some(met)
    }

    /// The class, if there is one and it may stand here.
    fn one_class(
        &mut self,
        written: &Node,
        met: &Met<'_>,
        expected: &[String],
        subject: &Subject<'_>,
    ) -> Option<String> {
        let (kind, pos, value, message) = match (&met.class, &met.wrong) {
            (Some(_), wrong) if met.several || wrong.is_some() => (
                "multipleMaterialTypes",
                written.pos,
                None,
                "an element has one class; remove the others".to_owned(),
            ),
            (Some(class), _) => {
                let rootable = self.tables.classes.get(class).is_some_and(|of| of.rootable);
                if rootable || !subject.top {
                    return Some(class.clone()).filter(|_| !met.unsound);
                }
                (
                    "typeNotRootable",
                    written.pos,
                    None,
                    "only an Interface stands at the top; put the element into one".to_owned(),
                )
            }
            (None, Some((class, pos))) => (
                if subject.top {
                    "typeNotRootable"
                } else {
                    "badType"
                },
                *pos,
                Some(class.as_str()),
                format!(
                    "{class} does not belong here; expected: {}",
                    expected.join(", ")
                ),
            ),
            (None, None) => (
                if subject.top {
                    "typeNotRootable"
                } else {
                    "badType"
                },
                written.pos,
                met.texts.first().copied(),
                format!(
                    "the @type names no class; add one of: {}",
                    expected.join(", ")
                ),
            ),
        };
        self.type_fault(kind, pos, subject, value, message);
        None
    }

    /// One type that is no class of the version.
    fn cotype(
        &mut self,
        met: &mut Met<'_>,
        scope: &Scope,
        text: &str,
        id: Option<String>,
        (pos, subject): (Pos, &str),
    ) {
        let (kind, rule) = match &id {
            None => ("typeUndefinedTerm", "undefinedTermAsCotype"),
            Some(id) => {
                if let Some(cotype) = self.tables.types.get(id) {
                    if cotype.is_abstract {
                        let message = "this type only has other types below it; name one of those";
                        self.fault(
                            "abstractSupplementalType",
                            pos,
                            Some(subject),
                            None,
                            Some(text),
                            message.into(),
                        );
                    } else if !met.cotypes.contains(id) {
                        met.cotypes.push(id.clone());
                    }
                    return;
                }
                match dtmi::Dtmi::parse(id) {
                    Ok(_) => ("typeIrrelevantDtmiOrTerm", "irrelevantDtmiOrTermAsCotype"),
                    Err(dtmi::Fault::Scheme) => ("typeNotDtmiNorTerm", "notDtmiNorTermAsCotype"),
                    Err(_) => ("typeInvalidDtmi", "invalidDtmiAsCotype"),
                }
            }
        };
        met.open = true;
        let told = match self.tables.tolerance(scope.version, rule) {
            Tolerance::Valid => false,
            Tolerance::Tenable => !scope.open,
            Tolerance::Invalid => true,
        };
        if told {
            let message =
                format!("{text} is no type that the contexts know; remove it or add its context");
            self.fault(kind, pos, Some(subject), None, Some(text), message);
        }
    }

    /// Whether the types beside a class may stand there, and together.
    fn cotypes_fit(
        &mut self,
        cotypes: &[String],
        class: &str,
        scope: &Scope,
        (pos, subject): (Pos, &str),
    ) {
        let tables = self.tables;
        let short = |id: &str| id.rsplit(':').next().unwrap_or(id).to_owned();
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let has = |wanted: &String| cotypes.contains(wanted);
        for id in cotypes {
            let Some(cotype) = tables.types.get(id) else {
                continue;
            };
            let allowed = cotype.cotypes.iter().any(|allowed| allowed == class);
            let mut problems: Vec<(&'static str, String)> = Vec::new();
            if !allowed && !cotype.altcotypes.iter().any(has) {
                let message = format!(
                    "{} stands beside {}, not {class}; remove it",
                    short(id),
                    cotype.cotypes.join(", ")
                );
                problems.push(("invalidCotype", message));
            }
            if !cotype.cotype_versions.contains(&scope.version) {
                let message = format!(
                    "{} does not belong to version {} of the language; use the extension of that version",
                    short(id),
                    scope.version
                );
                problems.push(("invalidCotypeVersion", message));
            }
            if let Some(first) = cotype
                .cocotypes
                .first()
                .filter(|_| !cotype.cocotypes.iter().any(has))
            {
                let message = format!("{} needs {} beside it; add it", short(id), short(first));
                problems.push(("missingCocotype", message));
            }
            if let Some(other) = cotype.discotypes.iter().find(|id| has(id)) {
                let message = format!(
                    "{} cannot stand beside {}; remove one",
                    short(id),
                    short(other)
                );
                problems.push(("disallowedCocotype", message));
            }
            for (kind, message) in problems {
                self.fault(kind, pos, Some(subject), None, Some(id), message);
            }
            for property in cotype.properties.keys() {
                let Some(other) = seen.insert(property, id).filter(|other| other != id) else {
                    continue;
                };
                let message = format!(
                    "{} and {} bring the same property; remove one",
                    short(other),
                    short(id)
                );
                self.fault(
                    "conflictingSupplementalTypes",
                    pos,
                    Some(subject),
                    Some(property),
                    Some(id),
                    message,
                );
            }
        }
    }
}
