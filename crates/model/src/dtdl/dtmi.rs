//! Digital twin model identifiers: `dtmi:` segments `;` version.
//!
//! Two readings. [`Dtmi::parse`] takes every identifier that there is, those of the system
//! included (a segment that begins with an underscore, as in generated ones). [`user`] takes what
//! a document of a given language version may write: no system segment, no fragment, a length
//! limit, and in version 2 a version of one part. Identifiers that no one wrote are made by
//! [`generated`].
//!
//! Promises: time linear in the text. Does not: know which identifiers are defined, nor decide
//! whether one from a [`reserved`] range may stand in a given place.

#[cfg(test)]
mod tests;

/// Characters of any identifier.
pub const LENGTH: usize = 4_096;
/// Characters of an identifier in a document.
pub const USER_LENGTH: usize = 2_048;
/// Characters of the identifier of an Interface.
pub const INTERFACE_LENGTH: usize = 128;
/// As [`USER_LENGTH`], where a limit context (onvif, aio) rules.
pub const LIMITED_USER_LENGTH: usize = 512;
/// As [`INTERFACE_LENGTH`], where a limit context (onvif, aio) rules.
pub const LIMITED_INTERFACE_LENGTH: usize = 256;

const SCHEME: &str = "dtmi:";
const MAJOR_DIGITS: usize = 9;
const MINOR_DIGITS: usize = 6;

/// Which contexts keep which beginnings of identifiers for themselves.
const RESERVED: &[(&str, &str)] = &[
    ("dtmi:dtdl:context", "dtmi:dtdl:"),
    ("dtmi:dtdl:context", "dtmi:standard:"),
    ("dtmi:iotcentral:context", "dtmi:iotcentral:"),
    ("dtmi:iotoperations:context", "dtmi:iotoperations:"),
];

/// An identifier that follows the grammar, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dtmi<'a> {
    /// All of it.
    pub text: &'a str,
    /// What lies between scheme and version.
    pub path: &'a str,
    /// Its version, if it has one.
    pub version: Option<Version>,
    /// What follows a hash mark, if there is one; may be empty.
    pub fragment: Option<&'a str>,
    /// Whether a segment, or the fragment, begins with an underscore.
    pub system: bool,
}

/// The version at the end of an identifier: versions order by major, then minor part, none first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// 1 to 999,999,999.
    pub major: u32,
    /// 1 to 999,999, if it has two parts.
    pub minor: Option<u32>,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.minor {
            Some(minor) => write!(f, "{}.{minor}", self.major),
            None => write!(f, "{}", self.major),
        }
    }
}

/// Why a text is not the identifier that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another scheme, or none.
    #[error("an identifier begins with dtmi: in lower case")]
    Scheme,
    /// A segment that breaks the grammar.
    #[error(
        "segment {0:?} has to be letters, digits and underscores, without a digit in front or an \
         underscore at the end"
    )]
    Segment(String),
    /// A version that breaks the grammar.
    #[error(
        "version {0:?} has to be a whole number of at most nine digits, or two numbers with a dot \
         between them (nine and six digits), without leading zeros"
    )]
    Version(String),
    /// Longer than allowed.
    #[error("the identifier has {length} characters, and {limit} are allowed")]
    Length {
        /// Characters it has.
        length: usize,
        /// Characters it may have.
        limit: usize,
    },
    /// A system segment in a document.
    #[error("segment {0:?} begins with an underscore, which only generated identifiers do")]
    System(String),
    /// A fragment in a document.
    #[error("#{0} is a fragment, and identifiers in documents have none")]
    Fragment(String),
    /// No version where the language asks for one.
    #[error("version 2 of the language needs a version, as in ;1")]
    NoVersion,
    /// A minor version where the language has none.
    #[error("version 2 of the language knows whole versions only, not {0}")]
    Minor(Version),
}

impl<'a> Dtmi<'a> {
    /// Takes any identifier apart, system ones included.
    ///
    /// ```
    /// use gemelli_model::dtdl::dtmi::Dtmi;
    /// let dtmi = Dtmi::parse("dtmi:city:lamp:_contents:__power;1.2").unwrap();
    /// assert!(dtmi.system);
    /// assert_eq!(dtmi.path, "city:lamp:_contents:__power");
    /// assert_eq!(dtmi.version.unwrap().to_string(), "1.2");
    /// ```
    ///
    /// # Errors
    /// What breaks the grammar, or more than [`LENGTH`] characters.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        let rest = text.strip_prefix(SCHEME).ok_or(Fault::Scheme)?;
        if text.len() > LENGTH {
            return Err(too_long(text, LENGTH));
        }
        let (rest, fragment) = parted(rest, '#');
        let (path, version) = parted(rest, ';');
        if let Some(bad) = path.split(':').find(|segment| !is_segment(segment)) {
            return Err(Fault::Segment(bad.to_owned()));
        }
        if let Some(bad) = fragment.filter(|part| !part.is_empty() && !is_segment(part)) {
            return Err(Fault::Segment(bad.to_owned()));
        }
        let version = match version {
            Some(digits) => {
                Some(Version::parse(digits).ok_or_else(|| Fault::Version(digits.to_owned()))?)
            }
            None => None,
        };
        let system = path
            .split(':')
            .chain(fragment)
            .any(|segment| segment.starts_with('_'));
        Ok(Self {
            text,
            path,
            version,
            fragment,
            system,
        })
    }

    /// The segments of the path, in order; at least one.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> {
        self.path.split(':')
    }

    /// The identifier without version and fragment: what all its versions share.
    pub fn unversioned(&self) -> &'a str {
        let length = SCHEME.len() + self.path.len();
        self.text.get(..length).unwrap_or(self.text)
    }
}

impl Version {
    /// Reads `major` or `major.minor`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = parted(text, '.');
        Some(Self {
            major: part(major, MAJOR_DIGITS)?,
            minor: match minor {
                Some(minor) => Some(part(minor, MINOR_DIGITS)?),
                None => None,
            },
        })
    }
}

/// Takes an identifier apart that a document of a language version (2, 3 or 4) wrote.
/// `limit` is one of the length constants of this module.
///
/// ```
/// use gemelli_model::dtdl::dtmi::{INTERFACE_LENGTH, user};
/// assert!(user("dtmi:city:lamp", 3, INTERFACE_LENGTH).is_ok());
/// assert!(user("dtmi:city:lamp", 2, INTERFACE_LENGTH).is_err());
/// ```
///
/// # Errors
/// What makes it unfit for the document.
pub fn user(text: &str, language: u8, limit: usize) -> Result<Dtmi<'_>, Fault> {
    let dtmi = Dtmi::parse(text)?;
    if let Some(fragment) = dtmi.fragment {
        return Err(Fault::Fragment(fragment.to_owned()));
    }
    if let Some(segment) = dtmi.segments().find(|segment| segment.starts_with('_')) {
        return Err(Fault::System(segment.to_owned()));
    }
    if text.len() > limit {
        return Err(too_long(text, limit));
    }
    match dtmi.version {
        None if language == 2 => Err(Fault::NoVersion),
        Some(version) if language == 2 && version.minor.is_some() => Err(Fault::Minor(version)),
        _ => Ok(dtmi),
    }
}

/// The identifier of an element without one: its parent's, with `_property` and, where the
/// property holds many, `__name` before the version.
///
/// ```
/// use gemelli_model::dtdl::dtmi::generated;
/// let lamp = "dtmi:city:lamp;1";
/// let power = generated(lamp, "contents", Some("power"));
/// assert_eq!(power, "dtmi:city:lamp:_contents:__power;1");
/// assert_eq!(generated(&power, "schema", None), "dtmi:city:lamp:_contents:__power:_schema;1");
/// ```
pub fn generated(parent: &str, property: &str, name: Option<&str>) -> String {
    let at = parent.find([';', '#']).unwrap_or(parent.len());
    let (path, version) = parent.split_at(at);
    let mut text = format!("{path}:_{property}");
    if let Some(name) = name {
        text.push_str(":__");
        text.push_str(name);
    }
    text.push_str(version);
    text
}

/// The reserved beginning that an identifier has, in a document with these contexts (specifiers
/// with or without their version).
///
/// ```
/// use gemelli_model::dtdl::dtmi::reserved;
/// let contexts = ["dtmi:dtdl:context;4"];
/// assert_eq!(reserved("dtmi:standard:lamp;1", contexts), Some("dtmi:standard:"));
/// assert_eq!(reserved("dtmi:iotcentral:lamp;1", contexts), None);
/// ```
pub fn reserved<'a>(
    text: &str,
    contexts: impl IntoIterator<Item = &'a str>,
) -> Option<&'static str> {
    let claims = |context: &str| {
        let name = parted(context, ';').0;
        RESERVED
            .iter()
            .find(|(claimant, prefix)| *claimant == name && text.starts_with(prefix))
            .map(|(_, prefix)| *prefix)
    };
    contexts.into_iter().find_map(claims)
}

/// What stands before the first of a mark, and what stands after it.
fn parted(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Letters, digits and underscores; no digit in front, no underscore at the end.
fn is_segment(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().all(known)
        && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
        && !text.ends_with('_')
}

/// A positive number without leading zeros.
fn part(text: &str, digits: usize) -> Option<u32> {
    let sound = text.len() <= digits
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    sound.then(|| text.parse().ok()).flatten()
}

fn too_long(text: &str, limit: usize) -> Fault {
    Fault::Length {
        length: text.chars().count(),
        limit,
    }
}
