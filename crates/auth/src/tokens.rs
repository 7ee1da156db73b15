//! Tokens: shown once, kept as Argon2id hashes in a file that only its owner may read.
//!
//! A token is `gemelli_<id>_<secret>`. The id finds the entry, so that a token that was never given
//! costs no hashing; the secret has 256 random bits. A token that was verified is remembered in
//! memory, so that Argon2 runs once per token and start, not per request. The file is looked at
//! again at most once a second: what `gemelli auth token` changes takes effect without a restart.

use crate::{Error, FOLDER, Principal, Role, files};
use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The file of hashes.
pub const FILE: &str = "tokens.json";

/// The format of the file: 2 has ends and devices, 1 has neither.
const FORMAT: u32 = 2;

/// What every token begins with, so that scanners find one that leaked.
const PREFIX: &str = "gemelli_";

/// Most tokens of one node.
pub const MAX_TOKENS: usize = 10_000;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 256;

/// How long a look at the file counts.
const FRESH: Duration = Duration::from_secs(1);

/// A token's entry. The hash says nothing about the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// Which; part of the token itself.
    pub id: String,
    /// Whose.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
    /// When it stops counting, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_ms: Option<u64>,
    /// The twin, and client id, that a device's token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<String>,
    /// Argon2id, in the PHC form.
    hash: String,
}

/// What a token is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant<'a> {
    /// Whose.
    pub name: &'a str,
    /// What it allows.
    pub role: Role,
    /// The twin, and client id: needed by a device and by nobody else.
    pub twin: Option<&'a str>,
    /// How long it counts; for ever if nothing is said.
    pub lifetime: Option<Duration>,
}

impl<'a> Grant<'a> {
    /// A role for ever, bound to no twin.
    pub fn of(name: &'a str, role: Role) -> Self {
        Self {
            name,
            role,
            twin: None,
            lifetime: None,
        }
    }
}

/// Why a token is not accepted. It says no more than that: the difference helps only strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It does not count.
    #[error("the token is missing, wrong, expired or revoked")]
    Token,
    /// Too many wrong ones came from this address; one that was used before still counts.
    #[error("too many wrong tokens came from this address: try again in {0} seconds")]
    TooMany(u32),
}

impl Refused {
    /// Its stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Token => "unauthorized",
            Self::TooMany(_) => "too-many-logins",
        }
    }

    /// What to do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Token => {
                "send Authorization: Bearer <token>, or the token as MQTT password; gemelli auth token create makes one"
            }
            Self::TooMany(_) => "correct the token, then wait",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    format: u32,
    tokens: Vec<Token>,
}

/// The tokens of a data folder. Shared by threads.
pub struct Tokens {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    tokens: Vec<Token>,
    /// Verified tokens: id and the whole text, as long as the entry exists.
    known: Vec<(String, Box<str>)>,
    looked: Instant,
    stamp: Option<(SystemTime, u64)>,
}

impl Tokens {
    /// Whether tokens were made in a data folder.
    pub fn exists(data: &Path) -> bool {
        data.join(FOLDER).join(FILE).exists()
    }

    /// Opens the tokens of a data folder.
    ///
    /// # Errors
    /// There are none ([`Error::Absent`]), or the file cannot be used.
    pub fn open(data: &Path) -> Result<Self, Error> {
        let path = data.join(FOLDER).join(FILE);
        let stamp = stamp(&path);
        let tokens = load(&path)?;
        let state = State {
            tokens,
            known: Vec::new(),
            looked: Instant::now(),
            stamp,
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }

    /// An empty set, not on disk before the first token.
    pub(crate) fn create(data: &Path) -> Result<Self, Error> {
        let path = data.join(FOLDER).join(FILE);
        let state = State {
            tokens: Vec::new(),
            known: Vec::new(),
            looked: Instant::now(),
            stamp: None,
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }

    /// Makes a token: the text that is returned is nowhere else.
    ///
    /// # Errors
    /// The name is taken or cannot be used, there are too many, or the file cannot be written.
    pub fn add(&self, name: &str, role: Role, now: SystemTime) -> Result<String, Error> {
        self.grant(&Grant::of(name, role), now)
    }

    /// Makes a token of any kind: the text that is returned is nowhere else.
    ///
    /// # Errors
    /// The name is taken or cannot be used, a device has no twin or somebody else has one, there are
    /// too many, or the file cannot be written.
    pub fn grant(&self, grant: &Grant<'_>, now: SystemTime) -> Result<String, Error> {
        let Grant { name, role, .. } = *grant;
        // The slash is for principals of other issuers.
        let usable = !name.is_empty()
            && name.len() <= 64
            && !name.contains(|c: char| c.is_control() || c.is_whitespace() || c == '/');
        if !usable {
            return Err(Error::Name(format!(
                "{name:?} cannot be the name of a token: use 1 to 64 characters without spaces and slashes"
            )));
        }
        match (role, grant.twin) {
            (Role::Device, None) => {
                return Err(Error::Name(format!(
                    "the device {name} is bound to no twin: name one"
                )));
            }
            (Role::Device, Some(_)) | (_, None) => {}
            (_, Some(twin)) => {
                return Err(Error::Name(format!(
                    "{name} cannot be bound to {twin}: only the role device is bound to a twin"
                )));
            }
        }
        let mut state = self.lock();
        if state.tokens.iter().any(|token| token.name == name) {
            return Err(Error::Name(format!("there is a token named {name}")));
        }
        if state.tokens.len() >= MAX_TOKENS {
            return Err(Error::Name(format!(
                "there are {MAX_TOKENS} tokens, and no more can be made"
            )));
        }
        let id = BASE64_URL_SAFE_NO_PAD
            .encode(random::<9>()?)
            .replace(['-', '_'], "x");
        let text = format!(
            "{PREFIX}{id}_{}",
            BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?)
        );
        let hash = hash(&text)?;
        let created_ms = ms(now);
        let expires_ms = grant.lifetime.map(|lifetime| {
            let lifetime = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
            created_ms.saturating_add(lifetime)
        });
        let mut tokens = state.tokens.clone();
        tokens.push(Token {
            id,
            name: name.into(),
            role,
            created_ms,
            expires_ms,
            twin: grant.twin.map(str::to_owned),
            hash,
        });
        self.store(&mut state, tokens)?;
        Ok(text)
    }

    /// Takes a token back; connections that it opened are not closed by this.
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be written.
    pub fn revoke(&self, name: &str) -> Result<(), Error> {
        let mut state = self.lock();
        let tokens: Vec<_> = state
            .tokens
            .iter()
            .filter(|token| token.name != name)
            .cloned()
            .collect();
        if tokens.len() == state.tokens.len() {
            return Err(Error::Name(format!("there is no token named {name}")));
        }
        self.store(&mut state, tokens)
    }

    /// All entries, in the order in which they were made.
    pub fn list(&self) -> Vec<Token> {
        self.lock().tokens.clone()
    }

    /// Whether a client id is a device's that has a token: nobody else may use it.
    pub fn binds(&self, client: &str, now: SystemTime) -> bool {
        let state = self.lock();
        let mut devices = state.tokens.iter();
        devices.any(|token| {
            token.twin.as_deref() == Some(client) && !token.principal().is_expired(now)
        })
    }

    /// Whose token this is. The first time it takes as long as Argon2 takes, tens of milliseconds.
    ///
    /// # Errors
    /// It is not one of ours, or no more.
    pub fn verify(&self, text: &str, now: SystemTime) -> Result<Principal, Refused> {
        let id = id_of(text).ok_or(Refused::Token)?;
        let token = {
            let mut state = self.lock();
            self.refresh(&mut state);
            let token = state
                .tokens
                .iter()
                .find(|token| token.id == id)
                .cloned()
                .ok_or(Refused::Token)?;
            if token.principal().is_expired(now) {
                return Err(Refused::Token);
            }
            if let Some((_, known)) = state.known.iter().find(|(known, _)| known == id) {
                return if same(known.as_bytes(), text.as_bytes()) {
                    Ok(token.principal())
                } else {
                    Err(Refused::Token)
                };
            }
            token
        };
        // Hashing happens outside of the lock: others must not wait for it.
        let hash = PasswordHash::new(&token.hash).map_err(|_| Refused::Token)?;
        Argon2::default()
            .verify_password(text.as_bytes(), &hash)
            .map_err(|_| Refused::Token)?;
        let mut state = self.lock();
        if state.tokens.contains(&token) && !state.known.iter().any(|(known, _)| *known == token.id)
        {
            state.known.push((token.id.clone(), text.into()));
        }
        Ok(token.principal())
    }

    /// Whether a token was verified before, so that looking at it again costs next to nothing.
    pub(crate) fn is_known(&self, text: &str) -> bool {
        let Some(id) = id_of(text) else {
            return false;
        };
        self.lock()
            .known
            .iter()
            .any(|(known, whole)| known == id && same(whole.as_bytes(), text.as_bytes()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens while the lock is held with half a change made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self, state: &mut State, tokens: Vec<Token>) -> Result<(), Error> {
        let content = Content {
            format: FORMAT,
            tokens,
        };
        let json =
            serde_json::to_vec_pretty(&content).map_err(|error| damaged(&self.path, &error))?;
        files::write(&self.path, &json, true)?;
        state.replace(content.tokens, stamp(&self.path));
        Ok(())
    }

    /// Reads the file again if it changed. One that cannot be read leaves things as they are: the
    /// next look will tell, and who held a token goes on.
    fn refresh(&self, state: &mut State) {
        if state.looked.elapsed() < FRESH {
            return;
        }
        state.looked = Instant::now();
        let stamp = stamp(&self.path);
        if stamp.is_some()
            && stamp != state.stamp
            && let Ok(tokens) = load(&self.path)
        {
            state.replace(tokens, stamp);
        }
    }
}

impl State {
    fn replace(&mut self, tokens: Vec<Token>, stamp: Option<(SystemTime, u64)>) {
        self.known.retain(|(id, _)| {
            tokens
                .iter()
                .any(|token| token.id == *id && self.tokens.contains(token))
        });
        self.tokens = tokens;
        self.stamp = stamp;
        self.looked = Instant::now();
    }
}

impl Token {
    fn principal(&self) -> Principal {
        Principal {
            name: self.name.as_str().into(),
            role: self.role,
            twin: self.twin.as_deref().map(Arc::from),
            expires_ms: self.expires_ms,
        }
    }
}

fn ms(moment: SystemTime) -> u64 {
    moment
        .duration_since(UNIX_EPOCH)
        .map_or(0, |past| past.as_millis() as u64)
}

fn load(path: &Path) -> Result<Vec<Token>, Error> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let bytes = files::read(path)?;
    let Format { format } =
        serde_json::from_slice(&bytes).map_err(|error| damaged(path, &error))?;
    if format > FORMAT {
        return Err(Error::Newer {
            path: path.into(),
            found: format,
            known: FORMAT,
        });
    }
    let content: Content = serde_json::from_slice(&bytes).map_err(|error| damaged(path, &error))?;
    Ok(content.tokens)
}

fn damaged(path: &Path, error: &serde_json::Error) -> Error {
    Error::Damaged {
        path: path.into(),
        what: error.to_string(),
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn id_of(text: &str) -> Option<&str> {
    let rest = text
        .strip_prefix(PREFIX)
        .filter(|_| text.len() <= MAX_TOKEN_BYTES)?;
    rest.split_once('_').map(|(id, _)| id)
}

fn hash(text: &str) -> Result<String, Error> {
    let crypto = |why: argon2::password_hash::Error| Error::Crypto {
        what: "hashing a token",
        why: why.to_string(),
    };
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(crypto)?;
    let hash = Argon2::default()
        .hash_password(text.as_bytes(), &salt)
        .map_err(crypto)?;
    Ok(hash.to_string())
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    match rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
    {
        Ok(()) => Ok(bytes),
        Err(_) => Err(Error::Crypto {
            what: "asking the system for random bytes",
            why: "it has none".into(),
        }),
    }
}

/// Compares in a time that depends on the lengths alone.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .fold(0, |difference, (x, y)| difference | (x ^ y))
            == 0
}
