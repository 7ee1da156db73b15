//! What only the whole set shows: references, counts, uniqueness, depth, cycles, neighbours.

use super::model::{Element, Value};
use super::read::{Reader, supplemental};
use super::tables::{Facet, class_name};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Elements that are looked at below one before counting stops.
const WALK: usize = 200_000;

impl Reader<'_> {
    /// Identifiers that are referred to and not defined, in order.
    pub fn undefined(&self) -> Vec<Arc<str>> {
        let mut seen = BTreeSet::new();
        let mut missing = Vec::new();
        let mut elements: Vec<&Element> = self.elements.values().collect();
        elements.sort_by_key(|element| (element.source, element.pos));
        for id in elements
            .iter()
            .flat_map(|element| element.properties.values())
            .flatten()
        {
            let Value::Element(id) = id else { continue };
            if !self.elements.contains_key(id)
                && !self.tables.elements.contains_key(&**id)
                && seen.insert(id.clone())
            {
                missing.push(id.clone());
            }
        }
        missing
    }

    /// Checks every element against its neighbours.
    pub fn check(&mut self) {
        let elements = std::mem::take(&mut self.elements);
        for element in elements.values() {
            self.source = element.source;
            self.required(element);
            self.references(element, &elements);
            self.unique(element, &elements);
            self.cotype_rules(element, &elements);
            self.values(element, &elements);
        }
        self.descents(&elements);
        self.imports(&elements);
        self.elements = elements;
    }

    fn tell(
        &mut self,
        kind: &'static str,
        element: &Element,
        property: &str,
        value: Option<&str>,
        message: String,
    ) {
        self.source = element.source;
        let pos = element.places.get(property).copied().unwrap_or(element.pos);
        self.fault(kind, pos, Some(&element.id), Some(property), value, message);
    }

    /// Properties that have to be there.
    fn required(&mut self, element: &Element) {
        let tables = self.tables;
        let Some(class) = tables.classes.get(&element.class) else {
            return;
        };
        for name in class.properties.keys() {
            let Some((shape, facet)) = tables.property(&element.class, name, element.version)
            else {
                continue;
            };
            if element.places.contains_key(name) || facet.min_count.unwrap_or(0) == 0 {
                continue;
            }
            let kind = match (shape.literal || shape.class.is_none(), shape.plural) {
                (true, _) => "missingLiteralProperty",
                (false, true) => "propertyCountBelowMin",
                (false, false) => "missingObjectProperty",
            };
            self.tell(
                kind,
                element,
                name,
                None,
                format!("{} has a {name}; add it", element.class),
            );
        }
        for cotype in &element.cotypes {
            let mut next = tables.types.get(cotype);
            let mut seen: BTreeSet<&str> = BTreeSet::new();
            while let Some(of) = next {
                for (id, property) in &of.properties {
                    if property.min_count.unwrap_or(0) == 0
                        || element.places.contains_key(id)
                        || !seen.insert(id)
                    {
                        continue;
                    }
                    let literal = property
                        .kind
                        .as_deref()
                        .is_none_or(|kind| kind.starts_with("http:"));
                    let kind = if literal {
                        "missingSupplementalLiteralProperty"
                    } else {
                        "missingSupplementalObjectProperty"
                    };
                    self.tell(
                        kind,
                        element,
                        id,
                        Some(cotype),
                        format!(
                            "with {} comes a {}; add it",
                            short(cotype),
                            property.property_name
                        ),
                    );
                }
                next = of
                    .parent
                    .as_ref()
                    .and_then(|parent| tables.types.get(parent));
            }
        }
    }

    /// Whether what is referred to is of the right class, version and Interface.
    fn references(&mut self, element: &Element, elements: &BTreeMap<Arc<str>, Element>) {
        let tables = self.tables;
        for (name, values) in &element.properties {
            let own = tables.property(&element.class, name, element.version);
            let extra = element
                .cotypes
                .iter()
                .find_map(|cotype| supplemental(tables, cotype, name));
            let target = match (own, extra) {
                (Some((shape, facet)), _) => facet.class.clone().or_else(|| shape.class.clone()),
                (None, Some(extra)) => extra.kind.clone(),
                _ => None,
            };
            let Some(target) = target else { continue };
            let mut seen = BTreeSet::new();
            for value in values {
                let Value::Element(id) = value else { continue };
                if !seen.insert(id) {
                    self.tell(
                        "multipleReference",
                        element,
                        name,
                        Some(id),
                        "this element is referred to already; remove one".into(),
                    );
                }
                if let Some(other) = elements.get(id) {
                    self.reference_to(element, (name, own.map(|(_, facet)| facet), &target), other);
                } else if let Some(standard) = tables.elements.get(&**id) {
                    let class = standard
                        .types
                        .iter()
                        .find_map(|id| class_name(id))
                        .map(|(class, _)| class);
                    let fits = match class_name(&target) {
                        Some((target, version)) => {
                            class.is_some_and(|class| covers(self, target, class, version))
                        }
                        None if tables.types.contains_key(&target) => {
                            standard.types.contains(&target)
                        }
                        None => {
                            class.is_some_and(|class| covers(self, &target, class, element.version))
                        }
                    };
                    if !fits {
                        let kind = if extra.is_some() && element.version == 2 {
                            "notRequiredType"
                        } else {
                            "badType"
                        };
                        self.tell(
                            kind,
                            element,
                            name,
                            Some(id),
                            format!("{id} is no {}; name one", short(&target)),
                        );
                    }
                    let parent = extra.and_then(|extra| extra.child_of.as_deref());
                    if parent.is_some_and(|parent| standard.within.as_deref() != Some(parent)) {
                        self.tell(
                            "wrongParent",
                            element,
                            name,
                            Some(id),
                            format!(
                                "{id} is not among those of {}; name one that is",
                                parent.map_or("", short)
                            ),
                        );
                    }
                }
            }
        }
    }

    fn reference_to(
        &mut self,
        element: &Element,
        (name, facet, target): (&str, Option<&Facet>, &str),
        other: &Element,
    ) {
        let target = class_name(target).map_or(target, |(target, _)| target);
        if !covers(
            self,
            target,
            &other.class,
            element.version.max(other.version),
        ) {
            self.tell(
                "badType",
                element,
                name,
                Some(&other.id),
                format!(
                    "{} is a {}, and a {target} belongs here",
                    other.id, other.class
                ),
            );
            return;
        }
        if facet.is_some_and(|facet| {
            !facet.versions.is_empty() && !facet.versions.contains(&other.version)
        }) {
            let inline = other.parent.as_deref() == Some(&element.id);
            let kind = if inline {
                "disallowedVersionDefinition"
            } else {
                "disallowedVersionReference"
            };
            self.tell(
                kind,
                element,
                name,
                Some(&other.id),
                format!(
                    "{} is in version {} of the language, which cannot be used here",
                    other.id, other.version
                ),
            );
        }
        if other.class != "Interface" && other.interface != element.interface {
            self.tell(
                "crossPartitionReference",
                element,
                name,
                Some(&other.id),
                format!(
                    "{} belongs to {}; define it in this Interface",
                    other.id, other.interface
                ),
            );
        }
    }

    /// Values that must differ among the elements of a property.
    fn unique(&mut self, element: &Element, elements: &BTreeMap<Arc<str>, Element>) {
        let tables = self.tables;
        for name in element.properties.keys() {
            let Some((_, facet)) = tables.property(&element.class, name, element.version) else {
                continue;
            };
            for key in &facet.unique_properties {
                let values = element
                    .refs(name)
                    .filter_map(|id| elements.get(id))
                    .filter_map(|other| other.properties.get(key)?.first());
                let mut seen: BTreeSet<String> = BTreeSet::new();
                let again = values
                    .map(|value| format!("{value:?}"))
                    .find(|value| !seen.insert(value.clone()));
                if again.is_some() {
                    self.tell(
                        "nonUniquePropertyValue",
                        element,
                        name,
                        Some(key),
                        format!("two elements have the same {key}; change one"),
                    );
                }
            }
            let cotypes: BTreeSet<&String> = element
                .refs(name)
                .filter_map(|id| elements.get(id))
                .flat_map(|other| &other.cotypes)
                .collect();
            for (id, _) in cotypes
                .iter()
                .filter_map(|cotype| tables.types.get(*cotype))
                .flat_map(|cotype| &cotype.properties)
                .filter(|(_, property)| property.unique_value)
            {
                let values = element
                    .refs(name)
                    .filter_map(|child| elements.get(child))
                    .filter_map(|other| other.properties.get(id)?.first());
                let mut seen: BTreeSet<String> = BTreeSet::new();
                if values
                    .map(|value| format!("{value:?}"))
                    .any(|value| !seen.insert(value))
                {
                    self.tell(
                        "nonUniquePropertyValue",
                        element,
                        name,
                        Some(id),
                        format!("two elements have the same {}; change one", short(id)),
                    );
                }
            }
        }
    }

    /// What types beside the class ask of neighbours.
    fn cotype_rules(&mut self, element: &Element, elements: &BTreeMap<Arc<str>, Element>) {
        let tables = self.tables;
        for cotype in &element.cotypes {
            let mut next = tables.types.get(cotype);
            let stands = next.is_some_and(|of| {
                of.cotypes.contains(&element.class)
                    || of
                        .altcotypes
                        .iter()
                        .any(|other| element.cotypes.contains(other))
            });
            if !stands {
                continue;
            }
            while let Some(of) = next {
                for rule in &of.constraints {
                    if rule.inverse {
                        let Some(parent) = element
                            .parent
                            .as_ref()
                            .and_then(|parent| elements.get(parent))
                        else {
                            continue;
                        };
                        if !is_one_of(self, parent, &rule.required_types) {
                            self.tell(
                                "parentMissingCotype",
                                element,
                                &rule.property,
                                Some(cotype),
                                format!(
                                    "{} stands within {}; add that type to the element around",
                                    short(cotype),
                                    names(&rule.required_types)
                                ),
                            );
                        }
                        let beside = |wanted: &String| {
                            parent
                                .refs(&rule.property)
                                .filter(|id| **id != element.id)
                                .filter_map(|id| elements.get(id))
                                .any(|other| other.cotypes.contains(wanted))
                        };
                        if rule.none_other_type.as_ref().is_some_and(beside) {
                            self.tell(
                                "siblingDuplicatesCotype",
                                element,
                                &rule.property,
                                Some(cotype),
                                format!(
                                    "only one element beside each other is {}; remove one",
                                    short(cotype)
                                ),
                            );
                        }
                        if rule
                            .some_other_type
                            .as_ref()
                            .is_some_and(|wanted| !beside(wanted))
                        {
                            self.tell(
                                "siblingMissingCotype",
                                element,
                                &rule.property,
                                Some(cotype),
                                format!(
                                    "beside {} stands {}; add it",
                                    short(cotype),
                                    rule.some_other_type.as_deref().map_or("", short)
                                ),
                            );
                        }
                        continue;
                    }
                    if !rule.required_values.is_empty() {
                        let fits = |id: &Arc<str>| {
                            rule.required_values.iter().any(|value| **value == **id)
                        };
                        if element.refs(&rule.property).any(|id| !fits(id)) {
                            self.tell(
                                "notRequiredValue",
                                element,
                                &rule.property,
                                Some(cotype),
                                format!(
                                    "with {} the {} is one of {}",
                                    short(cotype),
                                    rule.property,
                                    names(&rule.required_values)
                                ),
                            );
                        }
                    }
                    if !rule.required_types.is_empty() {
                        for id in element.refs(&rule.property) {
                            let fits = match (elements.get(id), tables.elements.get(&**id)) {
                                (Some(other), _) => is_one_of(self, other, &rule.required_types),
                                (None, Some(standard)) => {
                                    standard
                                        .types
                                        .iter()
                                        .any(|id| rule.required_types.contains(id))
                                        || standard
                                            .types
                                            .iter()
                                            .filter_map(|id| class_name(id))
                                            .any(|(class, _)| {
                                                rule.required_types
                                                    .iter()
                                                    .filter_map(|id| class_name(id))
                                                    .any(|(target, version)| {
                                                        covers(self, target, class, version)
                                                    })
                                            })
                                }
                                (None, None) => true,
                            };
                            if !fits {
                                self.tell(
                                    "notRequiredType",
                                    element,
                                    &rule.property,
                                    Some(id),
                                    format!(
                                        "with {} the {} is a {}",
                                        short(cotype),
                                        rule.property,
                                        names(&rule.required_types)
                                    ),
                                );
                            }
                        }
                    }
                }
                next = of
                    .parent
                    .as_ref()
                    .and_then(|parent| tables.types.get(parent));
            }
            self.siblings(element, cotype, elements);
        }
    }

    /// What a type asks of the element that its bearer names.
    fn siblings(
        &mut self,
        element: &Element,
        cotype: &str,
        elements: &BTreeMap<Arc<str>, Element>,
    ) {
        let tables = self.tables;
        let Some(of) = tables.types.get(cotype) else {
            return;
        };
        let Some(parent) = element
            .parent
            .as_ref()
            .and_then(|parent| elements.get(parent))
        else {
            return;
        };
        let Some(around) = parent
            .properties
            .keys()
            .find(|name| parent.refs(name).any(|id| *id == element.id))
        else {
            return;
        };
        for rule in &of.siblings {
            let Some(wanted) = element.text(&rule.keyref) else {
                continue;
            };
            let mut places = vec![parent];
            let mut sibling = None;
            let mut seen = BTreeSet::new();
            while let Some(place) = places.pop() {
                if !seen.insert(&place.id) {
                    continue;
                }
                sibling = place
                    .refs(around)
                    .filter_map(|id| elements.get(id))
                    .find(|other| other.text(&rule.key) == Some(wanted));
                if sibling.is_some() {
                    break;
                }
                places.extend(place.refs("extends").filter_map(|id| elements.get(id)));
            }
            let Some(sibling) = sibling else { continue };
            if !rule.required_types.is_empty() && !is_one_of(self, sibling, &rule.required_types) {
                self.tell(
                    "notSiblingRequiredType",
                    element,
                    &rule.keyref,
                    Some(wanted),
                    format!(
                        "{wanted} is a {}; expected: {}",
                        sibling.class,
                        names(&rule.required_types)
                    ),
                );
            }
            if rule
                .disallowed_type
                .as_ref()
                .is_some_and(|type_| sibling.cotypes.contains(type_))
            {
                self.tell(
                    "siblingDisallowedType",
                    element,
                    &rule.keyref,
                    Some(wanted),
                    format!("{wanted} cannot itself be {}", short(cotype)),
                );
            }
            if let Some(property) = &rule.supplemental_property {
                self.overridden(element, (property, wanted), sibling);
            }
            if let Some(reference) = &rule.unique_reference {
                let same = |other: &&Element| {
                    other.id != element.id
                        && other.text(reference) == element.text(reference)
                        && other.text(&rule.keyref) == Some(wanted)
                };
                if element.text(reference).is_some()
                    && parent
                        .refs(around)
                        .filter_map(|id| elements.get(id))
                        .any(|other| same(&other))
                {
                    self.tell(
                        "nonUniquePropertyReference",
                        element,
                        reference,
                        Some(wanted),
                        "another element overrides the same property; remove one".into(),
                    );
                }
            }
        }
    }

    /// A property of another element that an Override names.
    fn overridden(
        &mut self,
        element: &Element,
        (property, wanted): (&str, &str),
        sibling: &Element,
    ) {
        let tables = self.tables;
        let Some(named) = element.text(property) else {
            return;
        };
        let full = sibling.cotypes.iter().find_map(|cotype| {
            let mut next = tables.types.get(cotype);
            while let Some(of) = next {
                if let Some((id, property)) = of
                    .properties
                    .iter()
                    .find(|(id, property)| property.property_name == named || *id == named)
                {
                    return Some((id, property));
                }
                next = of
                    .parent
                    .as_ref()
                    .and_then(|parent| tables.types.get(parent));
            }
            None
        });
        match full {
            None if tables.property(&sibling.class, named, sibling.version).is_some() => self.tell("matchingPropertyNotSupplemental", element, property, Some(named), format!("{named} belongs to every {}; only a property of a type beside it can be overridden", sibling.class)),
            None => self.tell("noMatchingSupplementalProperty", element, property, Some(named), format!("{wanted} has no property {named}; name one that it has")),
            Some((id, of)) => {
                let schema = element.refs("schema").next();
                let expected: Option<String> = of.child_of.clone().or_else(|| sibling.refs(id).next().and_then(|unit| tables.elements.get(&**unit)).and_then(|unit| unit.within.clone())).or_else(|| literal_schema(of.kind.as_deref()?));
                if let (Some(schema), Some(expected)) = (schema, expected)
                    && **schema != *expected {
                        self.tell("siblingPropertyMismatch", element, "schema", Some(schema), format!("what overrides {named} has the schema {expected}"));
                    }
            }
        }
    }

    /// Values that depend on others: those of an Enum.
    fn values(&mut self, element: &Element, elements: &BTreeMap<Arc<str>, Element>) {
        if element.class != "Enum" {
            return;
        }
        let Some(schema) = element.refs("valueSchema").next() else {
            return;
        };
        let whole = schema.contains(":integer;");
        for value in element.refs("enumValues").filter_map(|id| elements.get(id)) {
            let fits = match value
                .properties
                .get("enumValue")
                .and_then(|values| values.first())
            {
                Some(Value::Integer(_)) => whole,
                Some(Value::Text(_)) => !whole,
                _ => true,
            };
            if !fits {
                self.tell(
                    "nonConformantDatatype",
                    value,
                    "enumValue",
                    None,
                    format!(
                        "the Enum has values of {}; write one",
                        if whole { "whole numbers" } else { "strings" }
                    ),
                );
            }
        }
    }

    /// Depth, counts, cycles and exclusions below elements.
    fn descents(&mut self, elements: &BTreeMap<Arc<str>, Element>) {
        let tables = self.tables;
        for rule in &tables.descents {
            if rule.datatype_property.is_some() {
                continue;
            }
            for element in elements.values().filter(|element| {
                element.class == rule.root_class && element.version == rule.dtdl_version
            }) {
                self.descent(rule, element, elements);
            }
        }
    }

    fn descent(
        &mut self,
        rule: &super::tables::Descent,
        root: &Element,
        elements: &BTreeMap<Arc<str>, Element>,
    ) {
        let most = rule.max_depth.get(&*root.limits).copied();
        let property = rule.properties.first().map_or("", String::as_str);
        if let Some(excluded) = &rule.exclude_type {
            let hidden =
                excluded == "Array" && root.refs("schema").any(|id| id.contains(":geospatial:"));
            if hidden {
                self.tell("excludedType", root, property, Some(excluded), "geospatial schemas hold Arrays, which a Property of version 2 cannot; use Telemetry".into());
                return;
            }
            let found = self.below(
                rule,
                root,
                elements,
                |element| element.class == *excluded,
                usize::MAX,
            );
            if let Some(found) = found.hit {
                self.tell(
                    "excludedType",
                    root,
                    property,
                    Some(&found),
                    format!(
                        "a {} cannot have a {excluded} below it; {found} is one",
                        root.class
                    ),
                );
            }
            return;
        }
        if let Some(count) = rule.max_count.get(&*root.limits) {
            let found = self.below(rule, root, elements, |_| false, WALK);
            if found.count > *count {
                let kind = if rule.narrow {
                    "excessiveCountNarrow"
                } else {
                    "excessiveCountWide"
                };
                self.tell(
                    kind,
                    root,
                    property,
                    None,
                    format!(
                        "at most {count} elements are allowed below it, and there are {}",
                        found.count
                    ),
                );
            }
        }
        let Some(most) = most else { return };
        let mut path = Vec::new();
        match self.depth(rule, root, elements, &mut path, most) {
            Depth::Cycle if !rule.allow_self => {
                let kind = if rule.narrow {
                    "recursiveStructureNarrow"
                } else {
                    "recursiveStructureWide"
                };
                self.tell(
                    kind,
                    root,
                    property,
                    None,
                    format!("the {} contains itself; break the circle", root.class),
                );
            }
            Depth::Deep => {
                let kind = if rule.narrow {
                    "excessiveDepthNarrow"
                } else {
                    "excessiveDepthWide"
                };
                self.tell(
                    kind,
                    root,
                    property,
                    None,
                    format!("elements lie more than {most} deep below it; make it flatter"),
                );
            }
            _ => {}
        }
    }

    /// Children of an element on the way that a rule takes.
    fn children<'e>(
        &self,
        rule: &super::tables::Descent,
        element: &'e Element,
    ) -> impl Iterator<Item = (&'e Arc<str>, bool)> {
        let narrow = rule.narrow;
        let properties = rule.properties.clone();
        element.properties.iter().flat_map(move |(name, values)| {
            let counts = properties.contains(name);
            let follow = counts || !narrow;
            let skip = matches!(name.as_str(), "extends" | "contents" | "target");
            values.iter().filter_map(move |value| match value {
                Value::Element(id) if follow && (counts || !skip) => Some((id, counts)),
                _ => None,
            })
        })
    }

    /// Whether an element counts as a level of its own: one of the class that the rule is about.
    fn deepens(rule: &super::tables::Descent, child: &Element) -> bool {
        rule.defining_class == "Interface"
            || matches!(child.class.as_str(), "Array" | "Enum" | "Map" | "Object")
    }

    fn depth(
        &self,
        rule: &super::tables::Descent,
        element: &Element,
        elements: &BTreeMap<Arc<str>, Element>,
        path: &mut Vec<Arc<str>>,
        left: usize,
    ) -> Depth {
        if path.contains(&element.id) {
            return Depth::Cycle;
        }
        path.push(element.id.clone());
        let mut worst = Depth::Fine;
        for (id, counts) in self.children(rule, element) {
            let Some(child) = elements.get(id) else {
                continue;
            };
            if child.class == "Interface" && rule.root_class != "Interface" {
                continue;
            }
            if counts && left == 0 && !path.contains(id) && Self::deepens(rule, child) {
                worst = Depth::Deep;
                break;
            }
            match self.depth(
                rule,
                child,
                elements,
                path,
                left.saturating_sub(usize::from(counts)),
            ) {
                Depth::Fine => {}
                Depth::Cycle if rule.allow_self => {}
                other => {
                    worst = other;
                    break;
                }
            }
        }
        path.pop();
        worst
    }

    fn below(
        &self,
        rule: &super::tables::Descent,
        root: &Element,
        elements: &BTreeMap<Arc<str>, Element>,
        hit: impl Fn(&Element) -> bool,
        most: usize,
    ) -> Below {
        let mut found = Below::default();
        let mut seen: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut next = vec![root];
        while let Some(element) = next.pop() {
            for (id, _) in self.children(rule, element) {
                if !seen.insert(id.clone()) || found.count > most {
                    continue;
                }
                let Some(child) = elements.get(id) else {
                    continue;
                };
                if rule.exclude_type.is_some() && child.class == "Interface" {
                    next.extend(child.refs("extends").filter_map(|id| elements.get(id)));
                }
                found.count += 1;
                if hit(child) {
                    found.hit = Some(id.clone());
                    return found;
                }
                next.push(child);
            }
        }
        found
    }

    /// Contents that Interfaces inherit have names of their own.
    fn imports(&mut self, elements: &BTreeMap<Arc<str>, Element>) {
        for element in elements.values().filter(|element| {
            element.class == "Interface" && element.properties.contains_key("extends")
        }) {
            let mut names: BTreeMap<&str, &Arc<str>> = BTreeMap::new();
            let mut seen: BTreeSet<&Arc<str>> = BTreeSet::new();
            let mut next = vec![element];
            let mut clash = None;
            while let Some(interface) = next.pop() {
                if !seen.insert(&interface.id) {
                    continue;
                }
                for content in interface.refs("contents").filter_map(|id| elements.get(id)) {
                    let Some(name) = content.text("name") else {
                        continue;
                    };
                    if names.insert(name, &content.id).is_some_and(|other| {
                        *other != content.id
                            && elements
                                .get(other)
                                .is_some_and(|other| other.interface != content.interface)
                    }) {
                        clash = Some(name);
                    }
                }
                next.extend(interface.refs("extends").filter_map(|id| elements.get(id)));
            }
            if let Some(name) = clash {
                self.tell("nonUniqueImportedPropertyValue", element, "contents", Some(name), format!("{name:?} is inherited twice, or inherited and defined; change one of the names"));
            }
        }
    }
}

enum Depth {
    Fine,
    Deep,
    Cycle,
}

#[derive(Default)]
struct Below {
    count: usize,
    hit: Option<Arc<str>>,
}

fn covers(reader: &Reader<'_>, target: &str, class: &str, version: u8) -> bool {
    target == "Entity"
        || reader
            .tables
            .concrete(target, version)
            .iter()
            .any(|concrete| concrete == class)
}

/// Whether an element is of one of some classes or types, given by identifiers.
fn is_one_of(reader: &Reader<'_>, element: &Element, wanted: &[String]) -> bool {
    wanted.iter().any(|id| match class_name(id) {
        Some((class, version)) => covers(reader, class, &element.class, version),
        None => element.cotypes.contains(id),
    })
}

/// The primitive schema that has the values of a literal property.
fn literal_schema(kind: &str) -> Option<String> {
    let name = kind.strip_prefix("http://www.w3.org/2001/XMLSchema#")?;
    Some(format!("dtmi:dtdl:instance:Schema:{name};2"))
}

fn short(id: &str) -> &str {
    let name = id.rsplit(':').next().unwrap_or(id);
    name.split(';').next().unwrap_or(name)
}

fn names(ids: &[String]) -> String {
    let names: BTreeSet<&str> = ids.iter().map(|id| short(id)).collect();
    names.into_iter().collect::<Vec<_>>().join(" or ")
}
