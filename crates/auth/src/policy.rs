//! Policies: who may do what with which twins, beside what roles allow everywhere.
//!
//! A policy is one of five templates with its names filled in. It only ever allows: what no role and
//! no policy allows is refused. Policies are a file of the data folder that is looked at again at
//! most once a second, like tokens; each change has a new version, which ends all decisions that were
//! remembered.

use crate::{Action, Error, FOLDER, Principal, files};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

/// The file of policies.
pub const FILE: &str = "policies.json";
/// The format of the file.
const FORMAT: u32 = 1;
/// Most policies of one node.
pub const MAX_POLICIES: usize = 1_000;
/// Most principals of one policy.
pub const MAX_PRINCIPALS: usize = 1_000;
/// How long a look at the file counts.
const FRESH: Duration = Duration::from_secs(1);

/// What something is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The node, or many of its twins.
    Node,
    /// One twin.
    Twin(&'a str),
    /// All twins of an interface.
    Interface(&'a str),
    /// A topic, or topics, of no twin: those from `devices/<twin>/` on are a device's own.
    Topic(&'a str),
}

/// What is true of twins at the time of a decision.
pub trait Facts {
    /// Whether a twin is of an interface or of one that extends it.
    fn is_a(&self, twin: &str, interface: &str) -> bool;
    /// Whether an interface is another or extends it.
    fn extends(&self, interface: &str, other: &str) -> bool;
    /// Whether a twin's property is this text.
    fn has(&self, twin: &str, property: &str, value: &str) -> bool;
    /// Whether a relationship of this name leads from a twin to a target.
    fn leads(&self, twin: &str, relationship: &str, target: &str) -> bool;
}

/// Where nothing is known of twins.
pub struct NoFacts;

impl Facts for NoFacts {
    fn is_a(&self, _: &str, _: &str) -> bool {
        false
    }
    fn extends(&self, interface: &str, other: &str) -> bool {
        interface.eq_ignore_ascii_case(other)
    }
    fn has(&self, _: &str, _: &str, _: &str) -> bool {
        false
    }
    fn leads(&self, _: &str, _: &str, _: &str) -> bool {
        false
    }
}

/// A policy, as `spec` of its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "template",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Policy {
    /// Sees the twins of an interface, those of interfaces that extend it included.
    InterfaceReader {
        /// Who.
        principals: Vec<String>,
        /// The interface.
        interface: String,
    },
    /// Sees and changes the twins that have its name in a property.
    OwnWriter {
        /// Who.
        principals: Vec<String>,
        /// The property that names the owner.
        property: String,
    },
    /// Reports for one twin and sees it.
    Device {
        /// Who.
        principals: Vec<String>,
        /// The twin.
        twin: String,
    },
    /// Sees and changes the twins of an area: those with a relationship to a twin.
    AreaOperator {
        /// Who.
        principals: Vec<String>,
        /// The relationship that leads from twins to the area's twin.
        relationship: String,
        /// The area's twin.
        area: String,
    },
    /// May do everything.
    Administrator {
        /// Who.
        principals: Vec<String>,
    },
}

impl Policy {
    fn principals(&self) -> &[String] {
        match self {
            Self::InterfaceReader { principals, .. }
            | Self::OwnWriter { principals, .. }
            | Self::Device { principals, .. }
            | Self::AreaOperator { principals, .. }
            | Self::Administrator { principals } => principals,
        }
    }

    /// Whether it allows this.
    fn allows(
        &self,
        who: &Principal,
        action: Action,
        what: Resource<'_>,
        facts: &dyn Facts,
    ) -> bool {
        if !self.principals().iter().any(|name| **name == *who.name) {
            return false;
        }
        match self {
            Self::InterfaceReader { interface, .. } => {
                action == Action::Read
                    && match what {
                        Resource::Twin(twin) => facts.is_a(twin, interface),
                        Resource::Interface(named) => facts.extends(named, interface),
                        Resource::Node | Resource::Topic(_) => false,
                    }
            }
            Self::OwnWriter { property, .. } => {
                action != Action::Administer
                    && matches!(what, Resource::Twin(twin) if facts.has(twin, property, &who.name))
            }
            Self::Device { twin, .. } => own(twin, action, what),
            Self::AreaOperator {
                relationship, area, ..
            } => {
                action != Action::Administer
                    && matches!(what, Resource::Twin(twin) if twin == area || facts.leads(twin, relationship, area))
            }
            Self::Administrator { .. } => true,
        }
    }

    /// What is wrong with it, if anything.
    fn fault(&self) -> Option<String> {
        let empty = |what: &str, text: &str| text.is_empty().then(|| format!("{what} is empty"));
        let principals = self.principals();
        if principals.is_empty() {
            return Some("principals is empty: name at least one".into());
        }
        if principals.len() > MAX_PRINCIPALS {
            return Some(format!("it has more than {MAX_PRINCIPALS} principals"));
        }
        match self {
            Self::InterfaceReader { interface, .. } => empty("interface", interface),
            Self::OwnWriter { property, .. } => empty("property", property),
            Self::Device { twin, .. } => empty("twin", twin),
            Self::AreaOperator {
                relationship, area, ..
            } => empty("relationship", relationship).or_else(|| empty("area", area)),
            Self::Administrator { .. } => None,
        }
    }
}

/// What a device may do for the twin that it is bound to.
pub(crate) fn own(twin: &str, action: Action, what: Resource<'_>) -> bool {
    matches!(action, Action::Read | Action::Report)
        && match what {
            Resource::Twin(asked) => asked == twin,
            Resource::Topic(topic) => topic
                .strip_prefix("devices/")
                .and_then(|rest| rest.strip_prefix(twin))
                .is_some_and(|rest| rest.starts_with('/')),
            Resource::Node | Resource::Interface(_) => false,
        }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    policies: BTreeMap<String, Policy>,
}

/// The policies of a data folder. Shared by threads.
pub struct Policies {
    path: PathBuf,
    state: Mutex<State>,
    version: AtomicU64,
}

struct State {
    policies: BTreeMap<String, Policy>,
    looked: Instant,
    stamp: Option<(SystemTime, u64)>,
}

impl Policies {
    /// Opens the policies of a data folder; without a file there are none.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open(data: &Path) -> Result<Self, Error> {
        let path = data.join(FOLDER).join(FILE);
        let stamp = stamp(&path);
        let policies = match load(&path) {
            Err(Error::Absent(_)) => BTreeMap::new(),
            loaded => loaded?,
        };
        let state = State {
            policies,
            looked: Instant::now(),
            stamp,
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
            version: AtomicU64::new(1),
        })
    }

    /// The version of the policies: another one after each change.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Puts a policy in its place; tells whether it changed anything.
    ///
    /// # Errors
    /// It cannot be used, there are too many, or the file cannot be written.
    pub fn put(&self, name: &str, policy: Policy) -> Result<bool, Error> {
        let usable = !name.is_empty()
            && name.len() <= 128
            && !name.contains(|c: char| c.is_control() || c.is_whitespace());
        if !usable {
            return Err(Error::Name(format!(
                "{name:?} cannot be the name of a policy: use 1 to 128 characters without spaces"
            )));
        }
        if let Some(fault) = policy.fault() {
            return Err(Error::Name(format!("the policy {name}: {fault}")));
        }
        let mut state = self.lock();
        self.refresh(&mut state, Duration::ZERO);
        if state.policies.get(name) == Some(&policy) {
            return Ok(false);
        }
        if state.policies.len() >= MAX_POLICIES && !state.policies.contains_key(name) {
            return Err(Error::Name(format!(
                "there are {MAX_POLICIES} policies, and no more can be made"
            )));
        }
        let mut policies = state.policies.clone();
        policies.insert(name.into(), policy);
        self.store(&mut state, policies)?;
        Ok(true)
    }

    /// Takes a policy away.
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be written.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let mut state = self.lock();
        self.refresh(&mut state, Duration::ZERO);
        let mut policies = state.policies.clone();
        if policies.remove(name).is_none() {
            return Err(Error::Name(format!("there is no policy named {name}")));
        }
        self.store(&mut state, policies)
    }

    /// All policies by name.
    pub fn list(&self) -> BTreeMap<String, Policy> {
        let mut state = self.lock();
        self.refresh(&mut state, FRESH);
        state.policies.clone()
    }

    /// Looks at the file again if that was not done just now.
    pub(crate) fn look(&self) {
        self.refresh(&mut self.lock(), FRESH);
    }

    /// Whether a policy allows this.
    pub(crate) fn allow(
        &self,
        who: &Principal,
        action: Action,
        what: Resource<'_>,
        facts: &dyn Facts,
    ) -> bool {
        self.lock()
            .policies
            .values()
            .any(|policy| policy.allows(who, action, what, facts))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens while the lock is held with half a change made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, state: &mut State, policies: BTreeMap<String, Policy>) -> Result<(), Error> {
        let content = Content {
            format: FORMAT,
            policies,
        };
        let json = serde_json::to_vec_pretty(&content).map_err(|why| damaged(&self.path, &why))?;
        if let Some(folder) = self.path.parent() {
            files::folder(folder)?;
        }
        files::write(&self.path, &json, true)?;
        state.policies = content.policies;
        state.stamp = stamp(&self.path);
        self.version.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Reads the file again if it changed. One that cannot be read leaves things as they are.
    fn refresh(&self, state: &mut State, fresh: Duration) {
        if state.looked.elapsed() < fresh {
            return;
        }
        state.looked = Instant::now();
        let stamp = stamp(&self.path);
        if stamp.is_some()
            && stamp != state.stamp
            && let Ok(policies) = load(&self.path)
        {
            state.policies = policies;
            state.stamp = stamp;
            self.version.fetch_add(1, Ordering::AcqRel);
        }
    }
}

fn load(path: &Path) -> Result<BTreeMap<String, Policy>, Error> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let bytes = files::read(path)?;
    let Format { format } = serde_json::from_slice(&bytes).map_err(|why| damaged(path, &why))?;
    if format > FORMAT {
        return Err(Error::Newer {
            path: path.into(),
            found: format,
            known: FORMAT,
        });
    }
    let content: Content = serde_json::from_slice(&bytes).map_err(|why| damaged(path, &why))?;
    Ok(content.policies)
}

fn damaged(path: &Path, why: &serde_json::Error) -> Error {
    Error::Damaged {
        path: path.into(),
        what: why.to_string(),
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
