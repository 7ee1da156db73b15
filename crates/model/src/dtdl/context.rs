//! Contexts: which version of the language an element speaks, and which terms it may use.

use super::json::{Kind, Node, Pos};
use super::read::Reader;
use super::{Extensions, dtmi};
use std::sync::Arc;

const CORE: &str = "dtmi:dtdl:context";

/// What the contexts around an element say.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub version: u8,
    /// Known contexts, the later over the earlier.
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
        self.contexts
            .iter()
            .rev()
            .find_map(|context| known.get(context)?.get(term))
            .cloned()
    }
}

impl Reader<'_> {
    /// The scope of an object: that around it, changed by its own context.
    pub fn enter(&mut self, node: &Node, around: Option<&Scope>) -> Option<Scope> {
        let Some(context) = node.get("@context") else {
            if around.is_none() {
                self.fault(
                    "missingContext",
                    node.pos,
                    None,
                    None,
                    None,
                    "a document begins with a @context; add one, such as dtmi:dtdl:context;4"
                        .into(),
                );
            }
            return around.cloned();
        };
        let specifiers = self.specifiers(context)?;
        let mut scope = around.cloned().unwrap_or_default();
        let mut limitless: Option<Pos> = None;
        let mut sound = true;
        for (at, (text, pos)) in specifiers.iter().enumerate() {
            let (base, fragment) = match text.split_once('#') {
                Some((base, fragment)) => (base, Some(fragment)),
                None => (text.as_str(), None),
            };
            let named = base.split(';').next().unwrap_or(base);
            if at == 0 && around.is_none() && named != CORE {
                {
                    self.fault("missingDtdlContext", *pos, None, None, Some(text),
                        "the first context names the version of the language; put dtmi:dtdl:context;4 first".into());
                    return None;
                }
            }
            if named == CORE {
                if at > 0 && limitless.is_none() {
                    if specifiers.iter().take(at).any(|earlier| earlier.0 == *text) {
                        continue;
                    }
                    if specifiers
                        .iter()
                        .take(at)
                        .all(|earlier| earlier.0.starts_with(CORE))
                    {
                        sound &=
                            self.core(&mut scope, base, fragment, (text, *pos), &mut limitless);
                        continue;
                    }
                    self.fault("dtdlContextFollowsAffiliate", *pos, None, None, Some(text),
                        "the context of the language itself comes before all others; move it to the front".into());
                    sound = false;
                    continue;
                }
                sound &= self.core(&mut scope, base, fragment, (text, *pos), &mut limitless);
            } else if let Some(limits) = self.tables.limits.get(base) {
                if limitless.take().is_none() {
                    sound = false;
                }
                if !sound && self.faults.is_empty() {
                    self.fault("limitContextNotAfterLimitless", *pos, None, None, Some(text),
                        format!("limits follow dtmi:dtdl:context;{}#limitless at once; write that in front", scope.version));
                    sound = false;
                }
                let known = &self.options.limits;
                if !known.is_empty()
                    && !known
                        .iter()
                        .any(|known| base.split(';').next() == known.split(';').next())
                {
                    self.fault(
                        "disallowedLimitContext",
                        *pos,
                        None,
                        None,
                        Some(text),
                        "these limits are not accepted here; use one of the accepted ones".into(),
                    );
                    sound = false;
                }
                scope.limits = limits.spec.as_str().into();
            } else {
                if let Some(pos) = limitless.take() {
                    self.fault(
                        "missingLimitContext",
                        pos,
                        None,
                        None,
                        None,
                        "after #limitless comes a context with limits; add it".into(),
                    );
                    sound = false;
                }
                sound &= self.extension(&mut scope, text, *pos);
            }
        }
        if let Some(pos) = limitless {
            self.fault(
                "missingLimitContext",
                pos,
                None,
                None,
                None,
                "after #limitless comes a context with limits; add it".into(),
            );
            sound = false;
        }
        sound.then_some(scope)
    }

    /// The strings of a context.
    fn specifiers(&mut self, context: &Node) -> Option<Vec<(String, Pos)>> {
        let nodes = match &context.kind {
            Kind::Array(items) => items.as_slice(),
            _ => std::slice::from_ref(context),
        };
        let mut texts = Vec::new();
        for node in nodes {
            match &node.kind {
                Kind::String(text) => texts.push((text.clone(), node.pos)),
                Kind::Object(_) => {
                    self.fault(
                        "disallowedLocalContext",
                        node.pos,
                        None,
                        None,
                        None,
                        "a context is named, not written out; remove the object".into(),
                    );
                    return None;
                }
                _ => {
                    self.fault(
                        "nonStringContext",
                        node.pos,
                        None,
                        None,
                        None,
                        format!("a context is a string, and this is {}", node.describe()),
                    );
                    return None;
                }
            }
        }
        Some(texts)
    }

    fn core(
        &mut self,
        scope: &mut Scope,
        base: &str,
        fragment: Option<&str>,
        (text, pos): (&str, Pos),
        limitless: &mut Option<Pos>,
    ) -> bool {
        let version = base.split_once(';').map(|(_, version)| version);
        let Some(version) = version else {
            self.fault(
                "missingContextVersion",
                pos,
                None,
                None,
                Some(text),
                "the context needs a version; add ;4".into(),
            );
            return false;
        };
        let Some(number) = version
            .parse()
            .ok()
            .filter(|n| (2..=self.options.max_version).contains(n))
        else {
            self.fault(
                "unrecognizedContextVersion",
                pos,
                None,
                None,
                Some(text),
                format!(
                    "the versions from 2 to {} are known; name one of them",
                    self.options.max_version
                ),
            );
            return false;
        };
        let follows = limitless.take().is_some();
        match fragment {
            None => {}
            Some("limitless") if number >= 4 => *limitless = Some(pos),
            Some("limits") if number >= 4 && follows => {}
            Some("limits") if number >= 4 => {
                self.fault(
                    "limitContextNotAfterLimitless",
                    pos,
                    None,
                    None,
                    Some(text),
                    "limits follow the context with #limitless at once; write that in front".into(),
                );
                return false;
            }
            Some(_) => {
                self.fault(
                    "invalidContextFragment",
                    pos,
                    None,
                    None,
                    Some(text),
                    "after the # stands limits or limitless, from version 4 on; remove it".into(),
                );
                return false;
            }
        }
        if !follows || scope.version != number {
            scope.version = number;
            scope.contexts.retain(|known| !known.starts_with(CORE));
            scope.contexts.insert(0, base.to_owned());
        }
        scope.limits = "".into();
        true
    }

    fn extension(&mut self, scope: &mut Scope, text: &str, pos: Pos) -> bool {
        if self.tables.contexts.contains_key(text) {
            scope.contexts.retain(|known| known != text);
            scope.contexts.push(text.to_owned());
            return true;
        }
        let name = |context: &str| context.split(';').next().unwrap_or(context).to_owned();
        let known_name = self
            .tables
            .contexts
            .keys()
            .any(|known| name(known) == name(text));
        let (kind, mend) = match dtmi::Dtmi::parse(text) {
            Err(dtmi::Fault::Scheme) => (
                "nonDtmiContextSpecifier",
                "a context is a DTMI; remove it or write its DTMI",
            ),
            Err(_) => (
                "invalidContextSpecifier",
                "a context is a DTMI, and this breaks its grammar",
            ),
            Ok(id) if id.fragment.is_some() => (
                "invalidContextFragment",
                "only the context of the language has a fragment; remove it",
            ),
            Ok(id) if id.version.is_none() => {
                ("missingContextVersion", "a context has a version; add it")
            }
            Ok(_) if self.open(scope.version) => {
                scope.open = true;
                return true;
            }
            Ok(_) if known_name => (
                "unresolvableContextVersion",
                "this version of the extension is not known; use a known one",
            ),
            Ok(_) => (
                "unresolvableContextSpecifier",
                "this extension is not known; remove it or allow undefined extensions",
            ),
        };
        self.fault(kind, pos, None, None, Some(text), mend.into());
        false
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
