//! From JSON to elements: identifiers, types and properties, each by what the tables say.

use super::context::Scope;
use super::fault::Fault;
use super::json::{Kind, Node, Pos};
use super::literal::Datatype;
use super::model::{Element, Value};
use super::tables::{CotypeProperty, Facet, Shape, Tables, class_name};
use super::{Options, dtmi};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads documents into elements, collecting every fault.
pub(super) struct Reader<'t> {
    pub tables: &'t Tables,
    pub options: &'t Options,
    pub faults: Vec<Fault>,
    pub elements: BTreeMap<Arc<str>, Element>,
    pub source: usize,
    /// Whether what is read was asked for, not submitted.
    pub resolving: bool,
}

/// Whose property is read.
pub(super) struct Bearer<'a> {
    pub id: &'a str,
    pub scope: &'a Scope,
    pub property: &'a str,
}

/// Where an element stands within another.
pub(super) struct Place<'a> {
    pub parent: &'a str,
    pub parent_class: &'a str,
    pub interface: &'a str,
    pub property: &'a str,
    pub class: &'a str,
    pub plural_segment: Option<&'a str>,
    pub facet: &'a Facet,
}

/// What an element's `@type` says.
#[derive(Default)]
struct Types {
    class: Option<String>,
    cotypes: Vec<String>,
    /// Whether a type stands among them that is not known.
    open: bool,
    sound: bool,
}

impl<'t> Reader<'t> {
    pub fn new(tables: &'t Tables, options: &'t Options) -> Self {
        Self {
            tables,
            options,
            faults: Vec::new(),
            elements: BTreeMap::new(),
            source: 0,
            resolving: false,
        }
    }

    pub fn fault(
        &mut self,
        kind: &'static str,
        pos: Pos,
        element: Option<&str>,
        property: Option<&str>,
        value: Option<&str>,
        message: String,
    ) {
        self.faults.push(Fault {
            kind,
            source: self.source,
            pos,
            element: element.map(str::to_owned),
            property: property.map(str::to_owned),
            value: value.map(str::to_owned),
            message,
        });
    }

    pub fn refuse(
        &mut self,
        kind: &'static str,
        bearer: &Bearer<'_>,
        node: &Node,
        message: String,
    ) {
        let value = node.as_str().map(str::to_owned);
        self.fault(
            kind,
            node.pos,
            Some(bearer.id),
            Some(bearer.property),
            value.as_deref(),
            message,
        );
    }

    /// Whether what the reference parser once let pass is let pass.
    fn tolerant(&self) -> bool {
        if self.resolving {
            self.options.tolerate_in_resolved
        } else {
            self.options.tolerate_in_submitted
        }
    }

    pub fn version_of(&self, bearer: &Bearer<'_>) -> u8 {
        bearer.scope.version
    }

    /// The limit that holds in a scope.
    pub fn limit(&self, bearer: &Bearer<'_>, limits: &BTreeMap<String, usize>) -> Option<usize> {
        limits.get(&*bearer.scope.limits).copied()
    }

    /// A document: an object, an array of them, or `@graph` with them.
    pub fn document(&mut self, node: &Node) {
        match &node.kind {
            Kind::Object(members) => {
                if let Some(graph) = node.get("@graph")
                    && (members.len() == 1 || node.get("@context").is_some() && members.len() == 2)
                {
                    self.document(graph);
                    return;
                }
                self.top(node);
            }
            Kind::Array(items) => items.iter().for_each(|item| match item.kind {
                Kind::Object(_) => self.top(item),
                _ => self.fault(
                    "notObject",
                    item.pos,
                    None,
                    None,
                    None,
                    format!("a document is an object, not {}", item.describe()),
                ),
            }),
            _ => self.fault(
                "notObject",
                node.pos,
                None,
                None,
                None,
                format!(
                    "a document is an object or an array of them, not {}",
                    node.describe()
                ),
            ),
        }
    }

    fn top(&mut self, node: &Node) {
        let Some(scope) = self.enter(node, None) else {
            return;
        };
        if scope.version == 0 {
            self.fault("missingDtdlContext", node.pos, None, None, None, "the first context names the version of the language; put dtmi:dtdl:context;4 first".into());
            return;
        }
        self.element(node, &scope, None);
    }

    /// An element that is written out.
    fn element(
        &mut self,
        node: &Node,
        scope: &Scope,
        place: Option<&Place<'_>>,
    ) -> Option<Arc<str>> {
        let version = scope.version;
        let written = self.written_id(node, scope, place);
        let Ok(written) = written else { return None };
        let known = written.unwrap_or_default();
        let types = self.types(node, scope, place, known);
        let class = match &types.class {
            Some(class) if types.sound => class.clone(),
            _ => return None,
        };
        let id: Arc<str> = match written {
            Some(id) => id.into(),
            None => self.named(node, place, &class, version)?.into(),
        };
        if class == "Interface" {
            let limit = if scope.limits.is_empty() {
                dtmi::INTERFACE_LENGTH
            } else {
                dtmi::LIMITED_INTERFACE_LENGTH
            };
            if id.len() > limit {
                self.fault(
                    "idTooLong",
                    node.pos,
                    Some(&id),
                    None,
                    Some(&id),
                    format!(
                        "the identifier of an Interface has at most {limit} characters; shorten it"
                    ),
                );
            }
        }
        if self.elements.contains_key(&id) {
            match (written, place) {
                (None, Some(place)) => self.fault(
                    "nonUniquePropertyValue",
                    node.pos,
                    Some(place.parent),
                    Some(place.property),
                    None,
                    "another element here has the same name; change one".into(),
                ),
                _ => self.fault(
                    "duplicateDefinition",
                    node.pos,
                    Some(&id),
                    None,
                    Some(&id),
                    "this identifier is defined already; give one of the two another".into(),
                ),
            }
            return None;
        }
        let interface = match place {
            Some(place) if class != "Interface" => place.interface.into(),
            _ => id.clone(),
        };
        let element = Element {
            id: id.clone(),
            class,
            version,
            cotypes: types.cotypes,
            parent: place.map(|place| place.parent.into()),
            interface,
            properties: BTreeMap::new(),
            source: self.source,
            pos: node.pos,
            places: BTreeMap::new(),
            limits: scope.limits.clone(),
            open_types: types.open,
        };
        self.elements.insert(id.clone(), element);
        self.properties(node, scope, &id);
        Some(id)
    }

    /// The `@id` of an element, if it is sound; an error when it is there and is not.
    fn written_id<'n>(
        &mut self,
        node: &'n Node,
        scope: &Scope,
        place: Option<&Place<'_>>,
    ) -> Result<Option<&'n str>, ()> {
        let Some(id) = node.get("@id") else {
            return Ok(None);
        };
        let parent = place.map(|place| place.parent);
        let property = place.map(|place| place.property);
        let Some(text) = id.as_str().filter(|text| !text.is_empty()) else {
            self.fault(
                "idNotString",
                id.pos,
                parent,
                property,
                None,
                "an @id is a DTMI in a string; write it so or remove it".into(),
            );
            return Err(());
        };
        let limit = if scope.limits.is_empty() {
            dtmi::USER_LENGTH
        } else {
            dtmi::LIMITED_USER_LENGTH
        };
        if dtmi::user(text, scope.version, limit).is_err() {
            self.fault(
                "invalidId",
                id.pos,
                parent,
                property,
                Some(text),
                "an @id is dtmi:, segments with colons between them, and a version; mend it".into(),
            );
            return Err(());
        }
        let contexts: Vec<&str> = scope.contexts.iter().map(String::as_str).collect();
        if let Some(prefix) = dtmi::reserved(text, contexts)
            .filter(|prefix| !(self.tolerant() && *prefix == "dtmi:standard:"))
        {
            self.fault("reservedId", id.pos, parent, property, Some(text), format!("identifiers that begin with {prefix} are not yours to define; choose another beginning"));
            return Err(());
        }
        Ok(Some(text))
    }

    /// An identifier for an element without one; refuses where one has to be written.
    fn named(
        &mut self,
        node: &Node,
        place: Option<&Place<'_>>,
        class: &str,
        version: u8,
    ) -> Option<String> {
        let Some(place) = place else {
            self.fault(
                "missingTopLevelId",
                node.pos,
                None,
                None,
                None,
                "an element at the top has an @id; add it".into(),
            );
            return None;
        };
        let of = self.tables.classes.get(class);
        let wanted = of.is_some_and(|of| {
            let here = of.id_required_in.get(&version.to_string());
            of.id_required.contains(&version)
                || here.is_some_and(|places| {
                    places.iter().any(|(class, property)| {
                        class == place.parent_class && property == place.property
                    })
                })
        });
        if wanted || place.facet.id_required {
            self.fault(
                "missingRequiredId",
                node.pos,
                Some(place.parent),
                Some(place.property),
                None,
                "an element in this place has an @id; add it".into(),
            );
            return None;
        }
        let name = match place.plural_segment {
            None => None,
            Some(segment) => {
                let found = node
                    .get(segment)
                    .or_else(|| node.get(&format!("dtmi:dtdl:property:{segment};{version}")));
                let found = found.map(|node| match node.as_array() {
                    Some([one]) => one,
                    _ => node,
                });
                let found =
                    found.and_then(|node| node.as_str().or_else(|| node.get("@value")?.as_str()));
                let Some(found) = found else {
                    self.fault("missingDtmiSegPropertyValue", node.pos, Some(place.parent), Some(place.property), None, format!("an element without @id needs a {segment}, from which its identifier is made; add one of them"));
                    return None;
                };
                Some(found)
            }
        };
        let id = dtmi::generated(place.parent, place.property, name);
        Some(id)
    }

    /// Class and other types of an element.
    fn types(
        &mut self,
        node: &Node,
        scope: &Scope,
        place: Option<&Place<'_>>,
        known: &str,
    ) -> Types {
        let version = scope.version;
        let mut types = Types {
            sound: true,
            ..Types::default()
        };
        let expected: Vec<String> = match place {
            Some(place) => self.tables.writable(place.class, version),
            None => self
                .tables
                .classes
                .iter()
                .filter(|(_, class)| !class.is_abstract && class.versions.contains(&version))
                .map(|(name, _)| name.clone())
                .collect(),
        };
        let subject = if known.is_empty() {
            place.map_or("", |place| place.parent)
        } else {
            known
        };
        let property = place.map(|place| place.property);
        let Some(written) = node.get("@type") else {
            let inferred = match expected.as_slice() {
                [one] if place.is_some_and(|place| !place.facet.type_required) => Some(one.clone()),
                _ => None,
            };
            if inferred.is_none() {
                let kind = if place.is_some() {
                    "badType"
                } else {
                    "missingTopLevelType"
                };
                self.fault(
                    kind,
                    node.pos,
                    Some(subject),
                    property,
                    None,
                    format!("an @type is needed here: {}", expected.join(", ")),
                );
                types.sound = false;
            }
            types.class = inferred;
            return types;
        };
        let names: Vec<&Node> = match &written.kind {
            Kind::String(_) => vec![written],
            Kind::Array(items) if !items.is_empty() => items.iter().collect(),
            _ => {
                self.fault(
                    "typeNotStringOrArray",
                    written.pos,
                    Some(subject),
                    property,
                    None,
                    "an @type is a string or an array of strings".into(),
                );
                types.sound = false;
                return types;
            }
        };
        let mut wrong = None;
        for name in names {
            let Some(text) = name.as_str().filter(|text| !text.is_empty()) else {
                self.fault(
                    "typeNotString",
                    name.pos,
                    Some(subject),
                    property,
                    None,
                    "an @type is a string".into(),
                );
                types.sound = false;
                continue;
            };
            let id = if text.contains(':') {
                Some(text.to_owned())
            } else {
                scope.term(self, text)
            };
            let class = id.as_deref().and_then(class_name).filter(|(class, of)| {
                *of == version
                    && self
                        .tables
                        .classes
                        .get(*class)
                        .is_some_and(|class| !class.is_abstract)
            });
            if let Some((class, _)) = class {
                if expected.iter().any(|expected| expected == class) {
                    if types.class.as_deref().is_some_and(|other| other != class) {
                        self.fault(
                            "multipleMaterialTypes",
                            name.pos,
                            Some(subject),
                            property,
                            Some(text),
                            "an element has one class; remove the others".into(),
                        );
                        types.sound = false;
                    }
                    types.class = Some(class.to_owned());
                } else {
                    wrong = Some((class.to_owned(), name.pos));
                }
                continue;
            }
            if let Some((class, _)) = id.as_deref().and_then(class_name).filter(|(class, _)| {
                self.tables
                    .classes
                    .get(*class)
                    .is_some_and(|class| class.is_abstract)
            }) {
                wrong = Some((class.to_owned(), name.pos));
                continue;
            }
            self.cotype(&mut types, scope, text, id, (name.pos, subject));
        }
        if let (None, Some((class, pos))) = (&types.class, &wrong) {
            let kind = if place.is_some() {
                "badType"
            } else {
                "typeNotRootable"
            };
            self.fault(
                kind,
                *pos,
                Some(subject),
                property,
                Some(class),
                format!(
                    "{class} does not belong here; expected: {}",
                    expected.join(", ")
                ),
            );
            types.sound = false;
        } else if types.class.is_some() && wrong.is_some() {
            self.fault(
                "multipleMaterialTypes",
                written.pos,
                Some(subject),
                property,
                None,
                "an element has one class; remove the others".into(),
            );
            types.sound = false;
        } else if types.class.is_none() {
            if types.open && place.is_none() && !scope.open && !self.faults.is_empty() {
                types.sound = false;
                return types;
            }
            let kind = if place.is_some() {
                "badType"
            } else {
                "missingMaterialType"
            };
            self.fault(
                kind,
                written.pos,
                Some(subject),
                property,
                None,
                format!(
                    "the @type names no class; add one of: {}",
                    expected.join(", ")
                ),
            );
            types.sound = false;
        }
        if place.is_none()
            && types.class.as_deref().is_some_and(|class| {
                !self
                    .tables
                    .classes
                    .get(class)
                    .is_some_and(|class| class.rootable)
            })
        {
            self.fault(
                "typeNotRootable",
                written.pos,
                None,
                None,
                node.get("@id").and_then(Node::as_str),
                "only an Interface stands at the top; put the element into one".into(),
            );
            types.sound = false;
        }
        if let Some(class) = types.class.clone().filter(|_| types.sound) {
            self.cotypes_fit(&types, &class, scope, written.pos, subject);
        }
        types
    }

    /// One type that is no class of the version.
    fn cotype(
        &mut self,
        types: &mut Types,
        scope: &Scope,
        text: &str,
        id: Option<String>,
        (pos, subject): (Pos, &str),
    ) {
        let rule = |reader: &Self, name: &str| {
            reader
                .tables
                .apocrypha
                .get(&scope.version.to_string())
                .and_then(|rules| rules.get(name))
                .cloned()
                .unwrap_or_default()
        };
        let (kind, rule) = match &id {
            None => ("typeUndefinedTerm", rule(self, "undefinedTermAsCotype")),
            Some(id) if self.tables.types.contains_key(id) => {
                if self
                    .tables
                    .types
                    .get(id)
                    .is_some_and(|cotype| cotype.is_abstract)
                {
                    self.fault(
                        "abstractSupplementalType",
                        pos,
                        Some(subject),
                        None,
                        Some(text),
                        "this type only has other types below it; name one of those".into(),
                    );
                } else if !types.cotypes.contains(id) {
                    types.cotypes.push(id.clone());
                }
                return;
            }
            Some(id) => match dtmi::Dtmi::parse(id) {
                Ok(_) => (
                    "typeIrrelevantDtmiOrTerm",
                    rule(self, "irrelevantDtmiOrTermAsCotype"),
                ),
                Err(dtmi::Fault::Scheme) => {
                    ("typeNotDtmiNorTerm", rule(self, "notDtmiNorTermAsCotype"))
                }
                Err(_) => ("typeInvalidDtmi", rule(self, "invalidDtmiAsCotype")),
            },
        };
        types.open = true;
        if rule == "invalid" || rule == "tenable" && !scope.open {
            self.fault(
                kind,
                pos,
                Some(subject),
                None,
                Some(text),
                format!("{text} is no type that the contexts know; remove it or add its context"),
            );
        }
    }

    /// Whether the types beside a class may stand there, and together.
    fn cotypes_fit(&mut self, types: &Types, class: &str, scope: &Scope, pos: Pos, subject: &str) {
        let tables = self.tables;
        let short = |id: &str| id.rsplit(':').next().unwrap_or(id).to_owned();
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for id in &types.cotypes {
            let Some(cotype) = tables.types.get(id) else {
                continue;
            };
            let has = |wanted: &String| types.cotypes.contains(wanted);
            if !cotype.cotypes.iter().any(|allowed| allowed == class)
                && !cotype.altcotypes.iter().any(has)
            {
                self.fault(
                    "invalidCotype",
                    pos,
                    Some(subject),
                    None,
                    Some(id),
                    format!(
                        "{} stands beside {}, not {class}; remove it",
                        short(id),
                        cotype.cotypes.join(", ")
                    ),
                );
                continue;
            }
            if !cotype.cotype_versions.contains(&scope.version) {
                self.fault("invalidCotypeVersion", pos, Some(subject), None, Some(id), format!("{} does not belong to version {} of the language; use the extension of that version", short(id), scope.version));
            }
            if !cotype.cocotypes.is_empty() && !cotype.cocotypes.iter().any(has) {
                self.fault(
                    "missingCocotype",
                    pos,
                    Some(subject),
                    None,
                    Some(id),
                    format!(
                        "{} needs {} beside it; add it",
                        short(id),
                        short(cotype.cocotypes.first().map_or("", String::as_str))
                    ),
                );
            }
            if cotype.discotypes.iter().any(has) {
                self.fault(
                    "disallowedCocotype",
                    pos,
                    Some(subject),
                    None,
                    Some(id),
                    format!(
                        "{} cannot stand beside {}; remove one",
                        short(id),
                        short(
                            cotype
                                .discotypes
                                .iter()
                                .find(|id| has(id))
                                .map_or("", String::as_str)
                        )
                    ),
                );
            }
            for property in cotype.properties.keys() {
                if let Some(other) = seen.insert(property, id) {
                    self.fault(
                        "conflictingSupplementalTypes",
                        pos,
                        Some(subject),
                        Some(property),
                        Some(id),
                        format!(
                            "{} and {} bring the same property; remove one",
                            short(other),
                            short(id)
                        ),
                    );
                }
            }
        }
    }

    /// The members of an element.
    fn properties(&mut self, node: &Node, scope: &Scope, id: &Arc<str>) {
        let Some((class, cotypes)) = self
            .elements
            .get(id)
            .map(|element| (element.class.clone(), element.cotypes.clone()))
        else {
            return;
        };
        let version = scope.version;
        for member in node.as_object().unwrap_or_default() {
            let key = member.key.as_str();
            if key.starts_with('@') {
                self.keyword(key, member.key_pos, scope, id);
                continue;
            }
            let full = if key.contains(':') {
                Some(key.to_owned())
            } else {
                scope.term(self, key)
            };
            let own = full
                .as_deref()
                .and_then(|full| property_name(full, version))
                .or(if full.is_none() { None } else { Some(key) });
            let own = own.filter(|name| {
                full.as_deref() == Some(format!("dtmi:dtdl:property:{name};{version}").as_str())
            });
            let tables = self.tables;
            if let Some((name, shape, facet)) = own.and_then(|name| {
                tables
                    .property(&class, name, version)
                    .map(|(s, f)| (name, s, f))
            }) {
                let before = self
                    .elements
                    .get(id)
                    .is_some_and(|element| element.places.contains_key(name));
                if before {
                    self.fault(
                        "duplicatePropertyName",
                        member.key_pos,
                        Some(id),
                        Some(name),
                        None,
                        "the property is there already, perhaps by its other name; remove one"
                            .into(),
                    );
                    continue;
                }
                let values =
                    self.property((id, &class), scope, (name, shape, facet), &member.value);
                self.keep(id, name, member.value.pos, values);
                continue;
            }
            let extra = full.as_deref().and_then(|full| {
                cotypes
                    .iter()
                    .find_map(|cotype| supplemental(tables, cotype, full))
            });
            if let (Some(property), Some(full)) = (extra, full.as_deref()) {
                let values = self.extra((id, &class), scope, (full, property), &member.value);
                self.keep(id, full, member.value.pos, values);
                continue;
            }
            self.stray(
                key,
                full.as_deref(),
                member.key_pos,
                scope,
                id,
                node.get("@type").is_none(),
            );
        }
    }

    fn keep(&mut self, id: &str, name: &str, pos: Pos, values: Option<Vec<Value>>) {
        if let Some(element) = self.elements.get_mut(id) {
            element.places.insert(name.to_owned(), pos);
            if let Some(values) = values {
                element.properties.insert(name.to_owned(), values);
            }
        }
    }

    fn keyword(&mut self, key: &str, pos: Pos, scope: &Scope, id: &str) {
        match key {
            "@context" | "@id" | "@type" => {}
            "@graph" => self.fault(
                "graphDisallowed",
                pos,
                Some(id),
                None,
                None,
                "@graph stands at the top of a document only; remove it".into(),
            ),
            _ if scope.version >= 3 => self.fault(
                if self
                    .elements
                    .get(id)
                    .is_some_and(|element| element.parent.is_none())
                {
                    "topLevelKeywordDisallowed"
                } else {
                    "keywordDisallowed"
                },
                pos,
                Some(id),
                None,
                Some(key),
                format!("{key} has no meaning here; remove it"),
            ),
            _ => {}
        }
    }

    /// A property that neither the class nor a type beside it brings.
    fn stray(
        &mut self,
        key: &str,
        full: Option<&str>,
        pos: Pos,
        scope: &Scope,
        id: &str,
        inferred: bool,
    ) {
        let parsed = full.map(dtmi::Dtmi::parse);
        let (kind, rule) = match parsed {
            None => ("propertyUndefinedTerm", "undefinedTermAsProperty"),
            Some(Ok(_)) => (
                "propertyIrrelevantDtmiOrTerm",
                "irrelevantDtmiOrTermAsProperty",
            ),
            Some(Err(dtmi::Fault::Scheme)) => {
                ("propertyNotDtmiNorTerm", "notDtmiNorTermAsProperty")
            }
            Some(Err(_)) => ("propertyInvalidDtmi", "invalidDtmiAsProperty"),
        };
        let rule = self
            .tables
            .apocrypha
            .get(&scope.version.to_string())
            .and_then(|rules| rules.get(rule))
            .map(String::as_str)
            .unwrap_or_default();
        let open_types = self
            .elements
            .get(id)
            .is_some_and(|element| element.open_types);
        let message = format!(
            "{key} is no property of this element; remove it or add the type that brings it"
        );
        let told = open_types
            && !scope.open
            && scope.version > 2
            && self
                .faults
                .iter()
                .any(|fault| fault.kind.starts_with("type") && fault.element.is_some());
        if told && rule == "tenable" {
            return;
        }
        if rule == "invalid" || rule == "tenable" && !scope.open {
            self.fault(kind, pos, Some(id), Some(key), None, message);
        } else if !open_types {
            let kind = if inferred {
                "inferredTypeDoesNotAllow"
            } else {
                "noTypeThatAllows"
            };
            self.fault(kind, pos, Some(id), Some(key), None, message);
        }
    }

    /// A property of the class.
    fn property(
        &mut self,
        (id, class): (&Arc<str>, &str),
        scope: &Scope,
        (name, shape, facet): (&str, &Shape, &Facet),
        node: &Node,
    ) -> Option<Vec<Value>> {
        let bearer = Bearer {
            id,
            scope,
            property: name,
        };
        if shape.literal || shape.class.is_none() && facet.class.is_none() {
            let datatype = Datatype::named(shape.datatype.as_deref(), name);
            return self.literal(&bearer, node, datatype, facet);
        }
        let target = facet.class.as_deref().or(shape.class.as_deref())?;
        self.objects(
            &bearer,
            class,
            (shape.plural, shape.dtmi_segment.as_deref(), target, facet),
            node,
        )
    }

    /// A property of a type beside the class.
    fn extra(
        &mut self,
        (id, class): (&Arc<str>, &str),
        scope: &Scope,
        (full, property): (&str, &CotypeProperty),
        node: &Node,
    ) -> Option<Vec<Value>> {
        let bearer = Bearer {
            id,
            scope,
            property: full,
        };
        let kind = property.kind.as_deref();
        let mut facet = Facet {
            min_count: property.min_count,
            max_count: property.max_count,
            min_inclusive: property.min_inclusive,
            pattern: property.pattern.clone(),
            type_required: true,
            versions: vec![2, 3, 4],
            ..Facet::default()
        };
        if let Some(limit) = property.max_length {
            for limits in ["", "aio_1", "onvif_1"] {
                facet.max_length.insert(limits.to_owned(), limit);
            }
        }
        match kind {
            Some(kind) if kind.starts_with("http:") => {
                let datatype = Datatype::named(Some(kind), full);
                self.literal(&bearer, node, datatype, &facet)
            }
            Some(kind) => {
                let target = class_name(kind).map_or(kind, |(name, _)| name);
                self.objects(
                    &bearer,
                    class,
                    (property.plural, None, target, &facet),
                    node,
                )
            }
            None => self.literal(&bearer, node, Datatype::Text, &facet),
        }
    }

    /// The elements of a property, written out or referred to.
    fn objects(
        &mut self,
        bearer: &Bearer<'_>,
        class: &str,
        (plural, segment, target, facet): (bool, Option<&str>, &str, &Facet),
        node: &Node,
    ) -> Option<Vec<Value>> {
        let items = match &node.kind {
            Kind::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if items.len() < facet.min_count.unwrap_or(0) {
            self.refuse(
                "objectCountBelowMin",
                bearer,
                node,
                format!(
                    "at least {} belong here; add one",
                    facet.min_count.unwrap_or(1)
                ),
            );
            return None;
        }
        if !plural && items.len() > 1 {
            self.refuse(
                "objectMultipleValues",
                bearer,
                node,
                "only one element belongs here; remove the others".into(),
            );
            return None;
        }
        if facet
            .max_count
            .is_some_and(|most| plural && items.len() > most)
        {
            self.refuse(
                "objectCountAboveMax",
                bearer,
                node,
                format!(
                    "at most {} belong here; remove some",
                    facet.max_count.unwrap_or(0)
                ),
            );
        }
        let before = self.faults.len();
        let mut values = Vec::new();
        for item in items {
            let value = match &item.kind {
                Kind::String(text) => self.reference(bearer, item, text, facet),
                Kind::Object(_) => self.nested(bearer, class, (segment, target, facet), item),
                Kind::Null => {
                    self.refuse(
                        "propertyValueNull",
                        bearer,
                        item,
                        "null is no value; remove the property or give it one".into(),
                    );
                    None
                }
                _ => {
                    self.refuse(
                        "refNotStringOrObject",
                        bearer,
                        item,
                        format!(
                            "an element, or the identifier of one, belongs here, not {}",
                            item.describe()
                        ),
                    );
                    None
                }
            };
            values.extend(value);
        }
        (self.faults.len() == before || !values.is_empty()).then_some(values)
    }

    fn reference(
        &mut self,
        bearer: &Bearer<'_>,
        node: &Node,
        text: &str,
        facet: &Facet,
    ) -> Option<Value> {
        let id = if text.contains(':') {
            Some(text.to_owned())
        } else {
            bearer.scope.term(self, text)
        };
        let sound = id.as_deref().is_some_and(|id| {
            self.tables.elements.contains_key(id)
                || !bearer.property.starts_with("dtmi:")
                    && dtmi::user(
                        id,
                        bearer.scope.version,
                        if bearer.scope.limits.is_empty() {
                            dtmi::USER_LENGTH
                        } else {
                            dtmi::LIMITED_USER_LENGTH
                        },
                    )
                    .is_ok()
        });
        let Some(id) = id.filter(|_| sound) else {
            self.refuse(
                "badDtmiOrTerm",
                bearer,
                node,
                format!("{text:?} is neither an identifier nor a term of the contexts; write one"),
            );
            return None;
        };
        if !facet.value_uris.is_empty() && !facet.value_uris.contains(&id) {
            self.refuse(
                "badType",
                bearer,
                node,
                format!(
                    "{text:?} is not allowed here; expected: {}",
                    facet.value_uris.join(", ")
                ),
            );
            return None;
        }
        let id = self
            .tables
            .standard(&id)
            .map_or(id.as_str(), |(id, _)| id)
            .to_owned();
        Some(Value::Element(id.as_str().into()))
    }

    fn nested(
        &mut self,
        bearer: &Bearer<'_>,
        class: &str,
        (segment, target, facet): (Option<&str>, &str, &Facet),
        node: &Node,
    ) -> Option<Value> {
        let members = node.as_object().unwrap_or_default();
        if let [only] = members
            && only.key == "@id"
        {
            return self.bare(bearer, &only.value, facet);
        }
        if bearer.property.starts_with("dtmi:") {
            self.refuse(
                "refObjectNotAllowed",
                bearer,
                node,
                "refer to an element of the extension by its name".into(),
            );
            return None;
        }
        let scope = self.enter(node, Some(bearer.scope))?;
        let interface = self
            .elements
            .get(bearer.id)
            .map(|element| element.interface.clone())
            .unwrap_or_default();
        if !facet.value_uris.is_empty() {
            self.refuse(
                "badType",
                bearer,
                node,
                format!(
                    "an element of one's own is not allowed here; expected: {}",
                    facet.value_uris.join(", ")
                ),
            );
            return None;
        }
        let place = Place {
            parent: bearer.id,
            parent_class: class,
            interface: &interface,
            property: bearer.property,
            class: target,
            plural_segment: segment,
            facet,
        };
        self.element(node, &scope, Some(&place)).map(Value::Element)
    }

    /// `{"@id": ...}` with nothing else.
    fn bare(&mut self, bearer: &Bearer<'_>, id: &Node, facet: &Facet) -> Option<Value> {
        match id.as_str() {
            Some(text) if self.tolerant() => return self.reference(bearer, id, text, facet),
            Some(_) => self.refuse(
                "idReference",
                bearer,
                id,
                "refer to an element by its identifier alone, without an object around it".into(),
            ),
            None => self.refuse(
                "idNotString",
                bearer,
                id,
                "an @id is a DTMI in a string".into(),
            ),
        }
        None
    }
}

/// The name within the identifier of a property of the language.
fn property_name(id: &str, version: u8) -> Option<&str> {
    let rest = id.strip_prefix("dtmi:dtdl:property:")?;
    let (name, of) = rest.split_once(';')?;
    (of == version.to_string()).then_some(name)
}

/// A property that a type, or one above it, brings.
pub(super) fn supplemental<'t>(
    tables: &'t Tables,
    cotype: &str,
    property: &str,
) -> Option<&'t CotypeProperty> {
    let mut next = tables.types.get(cotype);
    while let Some(cotype) = next {
        if let Some(found) = cotype.properties.get(property) {
            return Some(found);
        }
        next = cotype
            .parent
            .as_ref()
            .and_then(|parent| tables.types.get(parent));
    }
    None
}
