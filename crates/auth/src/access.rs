//! The one place where it is decided who gets in and what they may do, for HTTP and MQTT alike.
//!
//! Decisions that policies had to be asked for are remembered by principal, action and object, so
//! that a device's every message does not ask them again: until the policies change, and at most for
//! [`REMEMBERED`], because they may rest on what twins are.

use crate::{
    Action, Decision, Error, Facts, IssuerOptions, Issuers, Policies, Principal, Refused, Resource,
    Role, Tokens, attempts::Attempts, policy,
};
use std::{
    collections::HashMap,
    net::IpAddr,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

/// How long a decision is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(1);
/// Most decisions that are remembered; past it all are forgotten.
pub const MAX_REMEMBERED: usize = 65_536;
/// Most tokens of other issuers that are remembered as good; past it all are forgotten.
pub const MAX_VERIFIED: usize = 4_096;
/// How long a token of another issuer is remembered as good: a key that was withdrawn ends it.
const VERIFIED: Duration = Duration::from_secs(60);

/// What counts about logins and decisions since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Logins with a token that does not count.
    pub failed: u64,
    /// Logins that were not looked at because too many failed before.
    pub limited: u64,
    /// Decisions against who asked.
    pub denied: u64,
}

/// Who may: tokens, issuers and policies of a data folder. Shared by threads.
pub struct Access {
    tokens: Tokens,
    issuers: Issuers,
    policies: Policies,
    attempts: Attempts,
    verified: Mutex<HashMap<Box<str>, (Principal, Instant)>>,
    remembered: Mutex<HashMap<Key, (bool, Instant)>>,
    failed: AtomicU64,
    limited: AtomicU64,
    denied: AtomicU64,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    version: u64,
    who: std::sync::Arc<str>,
    action: Action,
    kind: u8,
    what: Box<str>,
}

impl Access {
    /// Opens what `gemelli auth init` made in a data folder, with the issuers of the configuration.
    ///
    /// # Errors
    /// Nothing was made ([`Error::Absent`]), a file cannot be used, or an issuer's settings cannot.
    pub fn open(data: &Path, issuers: Vec<IssuerOptions>) -> Result<Self, Error> {
        Ok(Self {
            tokens: Tokens::open(data)?,
            issuers: Issuers::open(data, issuers)?,
            policies: Policies::open(data)?,
            attempts: Attempts::default(),
            verified: Mutex::default(),
            remembered: Mutex::default(),
            failed: AtomicU64::new(0),
            limited: AtomicU64::new(0),
            denied: AtomicU64::new(0),
        })
    }

    /// The node's own tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The policies.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// What happened since the start.
    pub fn counts(&self) -> Counts {
        Counts {
            failed: self.failed.load(Ordering::Relaxed),
            limited: self.limited.load(Ordering::Relaxed),
            denied: self.denied.load(Ordering::Relaxed),
        }
    }

    /// Whether [`Access::authenticate`] answers without delay: it neither hashes nor asks an issuer.
    pub fn is_known(&self, token: &str) -> bool {
        self.verified(token).is_some() || self.tokens.is_known(token)
    }

    /// Whose token this is. The first time it takes as long as Argon2, tens of milliseconds; for a
    /// token of another issuer some seconds if its keys have to be fetched.
    ///
    /// # Errors
    /// It does not count, or too many that did not came from this address.
    pub fn authenticate(
        &self,
        token: Option<&str>,
        from: IpAddr,
        now: SystemTime,
    ) -> Result<Principal, Refused> {
        // Who shows nothing does not guess.
        let token = token.ok_or(Refused::Token)?;
        if let Some(principal) = self.verified(token)
            && !principal.is_expired(now)
        {
            return Ok(principal);
        }
        if !self.tokens.is_known(token)
            && let Err(seconds) = self.attempts.check(from, Instant::now())
        {
            self.limited.fetch_add(1, Ordering::Relaxed);
            return Err(Refused::TooMany(seconds));
        }
        let known = if Issuers::looks_like(token) {
            self.issuers
                .verify(token)
                .map_err(|_| Refused::Token)
                .and_then(|principal| match principal.is_expired(now) {
                    true => Err(Refused::Token),
                    false => Ok(self.remember(token, principal)),
                })
        } else {
            self.tokens.verify(token, now)
        };
        if known.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.attempts.failed(from, Instant::now());
        }
        known
    }

    fn verified(&self, token: &str) -> Option<Principal> {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let (principal, since) = verified.get(token)?;
        (since.elapsed() < VERIFIED).then(|| principal.clone())
    }

    fn remember(&self, token: &str, principal: Principal) -> Principal {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= MAX_VERIFIED {
            verified.clear();
        }
        verified.insert(token.into(), (principal.clone(), Instant::now()));
        principal
    }

    /// Whether a principal may do this: by its role, as a device for its own twin, or by a policy.
    pub fn decide(
        &self,
        who: &Principal,
        action: Action,
        what: Resource<'_>,
        facts: &dyn Facts,
    ) -> Decision {
        if who.is_expired(SystemTime::now()) {
            self.denied.fetch_add(1, Ordering::Relaxed);
            return Decision::Denied(format!("what {} showed has expired", who.name));
        }
        if who.may_everywhere(action) || self.by_policy(who, action, what, facts) {
            return Decision::Allowed;
        }
        self.denied.fetch_add(1, Ordering::Relaxed);
        match (who.role, what) {
            (Role::Device, _) => Decision::Denied(format!(
                "{} is the device of {}, and this is not for that twin's device",
                who.name,
                who.twin.as_deref().unwrap_or("no twin")
            )),
            (Role::Limited, _) => {
                Decision::Denied(format!("no policy allows this to {}", who.name))
            }
            _ => who.decide(action),
        }
    }

    fn by_policy(
        &self,
        who: &Principal,
        action: Action,
        what: Resource<'_>,
        facts: &dyn Facts,
    ) -> bool {
        self.policies.look();
        let (kind, name) = match what {
            Resource::Node => (0, ""),
            Resource::Twin(twin) => (1, twin),
            Resource::Interface(interface) => (2, interface),
            Resource::Topic(topic) => (3, topic),
        };
        let key = Key {
            version: self.policies.version(),
            who: who.name.clone(),
            action,
            kind,
            what: name.into(),
        };
        {
            let remembered = self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some((allowed, since)) = remembered.get(&key)
                && since.elapsed() < REMEMBERED
            {
                return *allowed;
            }
        }
        let device = who
            .twin
            .as_deref()
            .is_some_and(|twin| policy::own(twin, action, what));
        let allowed = device || self.policies.allow(who, action, what, facts);
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(key, (allowed, Instant::now()));
        allowed
    }
}
