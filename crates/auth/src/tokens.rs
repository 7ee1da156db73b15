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
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The file of hashes.
pub const FILE: &str = "tokens.json";

/// The format of the file.
const FORMAT: u32 = 1;

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
    /// Argon2id, in the PHC form.
    hash: String,
}

/// Why a token is not accepted. It says no more than that: the difference helps only strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is missing, wrong or revoked")]
pub struct Refused;

impl Refused {
    /// Its stable code.
    pub const CODE: &'static str = "unauthorized";

    /// What to do.
    pub const REMEDY: &'static str = "send Authorization: Bearer <token>, or the token as MQTT password; gemelli auth token makes one";
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
        let usable = !name.is_empty()
            && name.len() <= 64
            && !name.contains(|c: char| c.is_control() || c.is_whitespace());
        if !usable {
            return Err(Error::Name(format!(
                "{name:?} cannot be the name of a token: use 1 to 64 characters without spaces"
            )));
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
        let created_ms = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |past| past.as_millis() as u64);
        let mut tokens = state.tokens.clone();
        tokens.push(Token {
            id,
            name: name.into(),
            role,
            created_ms,
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

    /// Whose token this is. The first time it takes as long as Argon2 takes, tens of milliseconds.
    ///
    /// # Errors
    /// It is not one of ours, or no more.
    pub fn verify(&self, text: &str) -> Result<Principal, Refused> {
        let id = id_of(text).ok_or(Refused)?;
        let token = {
            let mut state = self.lock();
            self.refresh(&mut state);
            let token = state
                .tokens
                .iter()
                .find(|token| token.id == id)
                .cloned()
                .ok_or(Refused)?;
            if let Some((_, known)) = state.known.iter().find(|(known, _)| known == id) {
                return if same(known.as_bytes(), text.as_bytes()) {
                    Ok(token.principal())
                } else {
                    Err(Refused)
                };
            }
            token
        };
        // Hashing happens outside of the lock: others must not wait for it.
        let hash = PasswordHash::new(&token.hash).map_err(|_| Refused)?;
        Argon2::default()
            .verify_password(text.as_bytes(), &hash)
            .map_err(|_| Refused)?;
        let mut state = self.lock();
        if state.tokens.contains(&token) && !state.known.iter().any(|(known, _)| *known == token.id)
        {
            state.known.push((token.id.clone(), text.into()));
        }
        Ok(token.principal())
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
        }
    }
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
