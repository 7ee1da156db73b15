//! Contexts: which version of the language an element speaks, and which terms it may use.
//!
//! A context is a list of specifiers: first those of the language itself, of which the last counts,
//! then those of extensions. Within an element it changes what holds around it; of specifiers that
//! differ in their version only, the last holds. Contexts are known or not: none is ever fetched.

use super::json::{Kind, Node, Pos};
use super::read::Reader;
use super::{Extensions, dtmi};
use std::sync::Arc;

/// How the specifiers of the language itself begin.
const CORE: &str = "dtmi:dtdl:context;";

/// From the first version on that lets limits be set.
const LIMITS: u32 = 4;

/// What the contexts around an element say.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub version: u8,
    /// Known contexts: that of the language, then those of extensions.
    pub contexts: Vec<String>,
    /// Whether a context that is not known stands among them.
    pub open: bool,
    /// Which limits hold: the name in the tables, empty for the language's own.
    pub limits: Arc<str>,
}

impl Scope {
    /// The identifier that a term stands for.
    pub fn term(&self, reader: &Reader<'_>, term: &str) -> Option<String> {
        let known = &reader.tables.contexts;
        let mut contexts = self.contexts.iter();
        contexts.find_map(|context| known.get(context)?.get(term).cloned())
    }

    /// Whether keywords but those of the language are refused, as from version 3 on.
    pub fn strict(&self) -> bool {
        self.version >= 3
    }

    /// Puts a specifier in the place of one that differs in its version only.
    fn replace(&mut self, specifier: &str) {
        let name = versionless(specifier);
        match self
            .contexts
            .iter_mut()
            .find(|known| versionless(known) == name)
        {
            Some(known) => specifier.clone_into(known),
            None => self.contexts.push(specifier.to_owned()),
        }
    }
}

/// A specifier and its place.
struct Specifier {
    text: String,
    pos: Pos,
}

impl Specifier {
    fn is_core(&self) -> bool {
        self.text.starts_with(CORE)
    }
}

impl Reader<'_> {
    /// The scope of an object: that around it, changed by its own context.
    pub fn enter(&mut self, node: &Node, around: Option<&Scope>) -> Option<Scope> {
        let Some(context) = node.get("@context") else {
            if around.is_none() {
                let message =
                    "a document begins with a @context; add one, such as dtmi:dtdl:context;4";
                self.fault("missingContext", node.pos, None, None, None, message.into());
            }
            return around.cloned();
        };
        let specifiers = self.specifiers(context)?;
        if specifiers.is_empty() {
            if around.is_none() {
                let message = "the context is empty; name the version of the language, such as dtmi:dtdl:context;4";
                self.fault(
                    "emptyContext",
                    context.pos,
                    None,
                    None,
                    None,
                    message.into(),
                );
            }
            return around.cloned();
        }
        let implies = |specifier: &&Specifier| {
            let implied = self.tables.affiliates.get(&specifier.text);
            implied.is_some_and(|version| around.is_none_or(|scope| scope.version == *version))
        };
        let ahead = specifiers.iter().take_while(implies).count();
        let (ahead, rest) = specifiers.split_at_checked(ahead)?;
        let mut scope = around.cloned().unwrap_or_default();
        let rest = self.language(&mut scope, rest)?;
        if scope.version == 0 {
            let at = specifiers.first()?;
            let message = "the first context names the version of the language; put dtmi:dtdl:context;4 first";
            self.context_fault("missingDtdlContext", at, message.into());
            return None;
        }
        for specifier in ahead.iter().chain(rest) {
            self.extension(&mut scope, specifier)?;
        }
        Some(scope)
    }

    /// Takes the specifiers of the language, and of limits, off the front.
    fn language<'s>(
        &mut self,
        scope: &mut Scope,
        specifiers: &'s [Specifier],
    ) -> Option<&'s [Specifier]> {
        let mut rest = specifiers;
        while let Some((specifier, after)) = rest.split_first().filter(|(first, _)| first.is_core())
        {
            rest = after;
            let limitless = self.core(scope, specifier)?;
            if limitless {
                scope.limits = self.limits(scope.version, specifier, rest.first())?.into();
                if rest
                    .first()
                    .is_some_and(|next| !next.is_core() || next.text.ends_with("#limits"))
                {
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
        }
        Some(rest)
    }

    /// The strings of a context.
    fn specifiers(&mut self, context: &Node) -> Option<Vec<Specifier>> {
        let nodes = match &context.kind {
            Kind::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(context),
        };
        let mut specifiers = Vec::new();
        for node in nodes {
            let (kind, message) = match &node.kind {
                Kind::String(text) => {
                    specifiers.push(Specifier {
                        text: text.clone(),
                        pos: node.pos,
                    });
                    continue;
                }
                Kind::Object(_) => (
                    "disallowedLocalContext",
                    "a context is named, not written out; remove the object".to_owned(),
                ),
                _ => (
                    "nonStringContext",
                    format!("a context is a string, and this is {}", node.describe()),
                ),
            };
            self.fault(kind, node.pos, None, None, None, message);
            return None;
        }
        Some(specifiers)
    }

    /// A specifier of the language; whether it leaves the limits open.
    fn core(&mut self, scope: &mut Scope, specifier: &Specifier) -> Option<bool> {
        let newest = self.tables.newest();
        let (kind, message) = match core_parts(&specifier.text) {
            None => (
                "invalidContextSpecifier",
                "a context is a DTMI, and this breaks its grammar; write dtmi:dtdl:context;4"
                    .to_owned(),
            ),
            Some((_, _, Some(fragment))) if !matches!(fragment, "limitless" | "limits") => (
                "invalidContextFragment",
                "after the # stands limits or limitless; remove it".to_owned(),
            ),
            Some((version, _, Some(_))) if version < LIMITS => (
                "disallowedContextFragment",
                format!(
                    "limits can be set from version {LIMITS} of the language on; remove what follows the #"
                ),
            ),
            Some((_, _, Some("limits"))) => ("misplacedLimitContext", MISPLACED.to_owned()),
            Some((version, whole, fragment)) => match u8::try_from(version) {
                Ok(version) if whole && self.tables.knows(version) => {
                    if version <= self.options.max_version {
                        scope.version = version;
                        scope.contexts.retain(|known| !known.starts_with(CORE));
                        scope.contexts.insert(0, format!("{CORE}{version}"));
                        scope.limits = "".into();
                        return Some(fragment.is_some());
                    }
                    (
                        "disallowedContextVersion",
                        format!(
                            "versions up to {} of the language are accepted here; use one of them",
                            self.options.max_version
                        ),
                    )
                }
                _ => (
                    "unrecognizedContextVersion",
                    format!("the versions from 2 to {newest} are known; name one of them"),
                ),
            },
        };
        self.context_fault(kind, specifier, message);
        None
    }

    /// The limits that follow where they were left open.
    fn limits(
        &mut self,
        version: u8,
        open: &Specifier,
        next: Option<&Specifier>,
    ) -> Option<String> {
        if let Some(next) = next {
            if next.is_core() {
                match core_parts(&next.text) {
                    Some((major, true, None | Some("limits"))) if major == u32::from(version) => {
                        return Some(String::new());
                    }
                    Some((.., None | Some("limits" | "limitless"))) => {}
                    _ => {
                        let message = "after the # stands limits or limitless; remove it".into();
                        self.context_fault("invalidContextFragment", next, message);
                        return None;
                    }
                }
            } else if let Some(limits) = self
                .tables
                .limits
                .get(&next.text)
                .filter(|limits| limits.dtdl_version == version)
            {
                if self.accepts(&next.text) {
                    return Some(limits.spec.clone());
                }
                let message =
                    "these limits are not accepted here; use one of the accepted ones".into();
                self.context_fault("disallowedLimitContext", next, message);
                return None;
            }
        }
        let message = "after #limitless comes a context with limits; add it".into();
        self.context_fault("missingLimitContext", open, message);
        None
    }

    /// Whether the options accept a context with limits, in this version or in all.
    fn accepts(&self, limits: &str) -> bool {
        let Some(accepted) = &self.options.limits else {
            return true;
        };
        accepted
            .iter()
            .any(|one| one == limits || !one.contains(';') && one == versionless(limits))
    }

    fn extension(&mut self, scope: &mut Scope, specifier: &Specifier) -> Option<()> {
        let text = specifier.text.as_str();
        let known = &self.tables.contexts;
        if known.contains_key(text)
            && !text.starts_with(CORE)
            && !self.tables.limits.contains_key(text)
        {
            scope.replace(text);
            return Some(());
        }
        let known_name = || {
            known
                .keys()
                .any(|known| versionless(known) == versionless(text))
        };
        let v2 = scope.version == 2;
        let (kind, mend) = match dtmi::Dtmi::parse(text) {
            _ if specifier.is_core() => (
                "dtdlContextFollowsAffiliate",
                "the context of the language itself comes before all others; move it to the front",
            ),
            _ if self.tables.limits.contains_key(text) => ("misplacedLimitContext", MISPLACED),
            Err(dtmi::Fault::Scheme) => (
                "nonDtmiContextSpecifier",
                "a context is a DTMI; remove it or write its DTMI",
            ),
            Ok(id) if id.fragment.is_some() => (
                "invalidContextSpecifier",
                "only the context of the language has a fragment; remove it",
            ),
            Err(_) => (
                "invalidContextSpecifier",
                "a context is a DTMI, and this breaks its grammar",
            ),
            Ok(id)
                if id.system || v2 && id.version.is_none_or(|version| version.minor.is_some()) =>
            {
                (
                    "invalidContextSpecifierForVersion",
                    "this is no DTMI of this version of the language; write segments and a version",
                )
            }
            Ok(id) if id.version.is_none() => {
                ("missingContextVersion", "a context has a version; add it")
            }
            Ok(_) if self.open(scope.version) => {
                scope.open = true;
                return Some(());
            }
            Ok(_) if known_name() => (
                "unresolvableContextVersion",
                "this version of the extension is not known; use a known one",
            ),
            Ok(_) => (
                "unresolvableContextSpecifier",
                "this extension is not known; remove it or allow undefined extensions",
            ),
        };
        self.context_fault(kind, specifier, mend.into());
        None
    }

    fn context_fault(&mut self, kind: &'static str, specifier: &Specifier, message: String) {
        self.fault(
            kind,
            specifier.pos,
            None,
            None,
            Some(&specifier.text),
            message,
        );
    }

    /// Whether extensions that are not known are tolerated.
    pub fn open(&self, version: u8) -> bool {
        match self.options.undefined_extensions {
            Extensions::Always => true,
            Extensions::Never => false,
            Extensions::ByVersion => version == 2,
        }
    }
}

const MISPLACED: &str = "limits follow the context with #limitless at once; write that in front";

fn versionless(specifier: &str) -> &str {
    specifier.split(';').next().unwrap_or(specifier)
}

/// Version of a specifier of the language, whether that is whole, and what follows the hash mark.
fn core_parts(text: &str) -> Option<(u32, bool, Option<&str>)> {
    let id = dtmi::Dtmi::parse(text).ok()?;
    let version = id.version?;
    Some((version.major, version.minor.is_none(), id.fragment))
}
