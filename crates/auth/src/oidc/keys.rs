//! The public keys of one issuer: fetched when they are needed, kept on disk, never asked for in a rush.
//!
//! A key that is not known makes us ask again, at most once in [`RETRY`]: that is how a rotation is
//! noticed, and all that a flood of invented key ids can cause. Keys older than [`REFRESH`] are asked
//! for again beside the request that noticed; if the issuer does not answer, they go on counting for
//! [`KEEP_MS`].

use super::{is_loopback_url, signature};
use crate::{Error, FOLDER, files};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use ureq::{
    Agent,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

/// Least time between two attempts to reach an issuer.
pub const RETRY: Duration = Duration::from_secs(10);
/// Age past which keys are asked for again.
pub const REFRESH: Duration = Duration::from_secs(600);
/// Age past which keys that could not be refreshed count no more: 30 days.
pub const KEEP_MS: u64 = 30 * 86_400_000;
/// Longest answer of an issuer that is read, in bytes.
pub const MAX_ANSWER_BYTES: u64 = 1 << 20;
/// Most keys of one issuer.
pub const MAX_KEYS: usize = 100;
/// Most callers that wait for one fetch; the others are refused and may try again.
pub const MAX_WAITING: usize = 16;
/// Longest fetch of one document.
const FETCH: Duration = Duration::from_secs(5);
/// The folder of kept keys, below that of this crate.
const KEPT: &str = "issuers";
/// The format of a file of kept keys.
const FORMAT: u32 = 1;

/// The keys of one issuer.
pub struct Keys {
    url: String,
    path: PathBuf,
    agent: Agent,
    retry: Duration,
    state: Mutex<State>,
    /// Held while the issuer is asked.
    asking: Mutex<()>,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    keys: Vec<Jwk>,
    /// When the keys were fetched, milliseconds since 1970.
    fetched_ms: u64,
    /// When the issuer was asked last.
    tried: Option<Instant>,
    failed: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    format: u32,
    issuer: String,
    fetched_ms: u64,
    keys: Vec<Json>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Answer {
    keys: Vec<Json>,
}

/// Whether a URL may be contacted: over TLS, or on this machine.
pub fn safe(url: &str) -> Result<(), String> {
    let uri: ureq::http::Uri = url
        .parse()
        .map_err(|why| format!("{url:?} is no URL: {why}"))?;
    match uri.scheme_str() {
        Some("https") if uri.host().is_some() => Ok(()),
        Some("http") if is_loopback_url(&uri) => Ok(()),
        _ => Err(format!(
            "{url:?} is no https URL; http is for issuers on this machine only"
        )),
    }
}

impl Keys {
    /// With what was kept; nothing is contacted. The issuer is asked at most once in `retry`.
    ///
    /// # Errors
    /// The authority's certificate cannot be read.
    pub fn open(data: &Path, url: &str, ca: Option<&Path>, retry: Duration) -> Result<Self, Error> {
        let mut config = Agent::config_builder()
            .timeout_global(Some(FETCH))
            .max_redirects(0)
            .user_agent(concat!("gemelli/", env!("CARGO_PKG_VERSION")));
        if url
            .parse()
            .is_ok_and(|uri: ureq::http::Uri| is_loopback_url(&uri))
        {
            config = config.proxy(None);
        }
        if let Some(file) = ca {
            let roots = RootCerts::new_with_certs(&certificates(file)?);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
        let name: String = digest
            .as_ref()
            .iter()
            .take(12)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = data.join(FOLDER).join(KEPT).join(format!("{name}.json"));
        let mut state = State::default();
        // What cannot be read is fetched anew: it is only a copy.
        if let Ok(bytes) = files::read(&path)
            && let Ok(kept) = serde_json::from_slice::<Kept>(&bytes)
            && kept.format == FORMAT
            && kept.issuer == url
        {
            state.keys = usable(&kept.keys);
            state.fetched_ms = kept.fetched_ms;
        }
        Ok(Self {
            url: url.into(),
            path,
            agent: config.build().new_agent(),
            retry,
            state: Mutex::new(state),
            asking: Mutex::new(()),
            waiting: AtomicUsize::new(0),
        })
    }

    /// The key that a token names; of the only one that fits if it names none.
    ///
    /// # Errors
    /// There is none, and why.
    pub fn find(
        self: &Arc<Self>,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, String> {
        let (known, old) = {
            let state = self.lock();
            let age_ms = now_ms().saturating_sub(state.fetched_ms);
            let known = (age_ms <= KEEP_MS)
                .then(|| state.find(kid, algorithm))
                .flatten();
            (known, u128::from(age_ms) > REFRESH.as_millis())
        };
        match known {
            Some(key) => {
                if old && self.may_ask() {
                    let keys = self.clone();
                    std::thread::spawn(move || keys.ask());
                }
                Ok(key)
            }
            None => {
                self.wait_for_asking()?;
                let state = self.lock();
                state
                    .find(kid, algorithm)
                    .ok_or_else(|| match &state.failed {
                        Some(why) => format!("the issuer's keys could not be fetched: {why}"),
                        None => "the issuer has no such key".into(),
                    })
            }
        }
    }

    /// Asks the issuer unless it was asked just now; waits for whoever is asking.
    fn wait_for_asking(&self) -> Result<(), String> {
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= MAX_WAITING {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err("its keys are being fetched: try again".into());
        }
        self.ask();
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        Ok(())
    }

    fn may_ask(&self) -> bool {
        self.lock()
            .tried
            .is_none_or(|last| last.elapsed() >= self.retry)
    }

    fn ask(&self) {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.may_ask() {
            return;
        }
        let fetched = self.fetch();
        let mut state = self.lock();
        state.tried = Some(Instant::now());
        match fetched {
            Ok(keys) => {
                state.keys = usable(&keys);
                state.fetched_ms = now_ms();
                state.failed = None;
                let kept = Kept {
                    format: FORMAT,
                    issuer: self.url.clone(),
                    fetched_ms: state.fetched_ms,
                    keys,
                };
                drop(state);
                self.keep(&kept);
            }
            Err(why) => {
                state.failed = Some(why);
                if now_ms().saturating_sub(state.fetched_ms) > KEEP_MS {
                    state.keys.clear();
                }
            }
        }
    }

    /// A copy that cannot be written is made by the next fetch.
    fn keep(&self, kept: &Kept) {
        if let (Some(folder), Ok(json)) = (self.path.parent(), serde_json::to_vec_pretty(kept))
            && files::folder(folder).is_ok()
        {
            let _ = files::write(&self.path, &json, true);
        }
    }

    fn fetch(&self) -> Result<Vec<Json>, String> {
        let base = self.url.trim_end_matches('/');
        let discovery: Discovery = self.get(&format!("{base}/.well-known/openid-configuration"))?;
        if discovery.issuer != self.url {
            return Err(format!("{} calls itself {:?}", self.url, discovery.issuer));
        }
        safe(&discovery.jwks_uri)?;
        let Answer { keys } = self.get(&discovery.jwks_uri)?;
        Ok(keys)
    }

    fn get<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let mut answer = self
            .agent
            .get(url)
            .call()
            .map_err(|why| format!("{url}: {why}"))?;
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(MAX_ANSWER_BYTES)
            .read_to_vec()
            .map_err(|why| format!("{url}: {why}"))?;
        serde_json::from_slice(&bytes).map_err(|why| format!("{url}: {why}"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens while the lock is held with half a change made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| {
            let named = kid.is_none() || key.common.key_id.as_deref() == kid;
            let said = key.common.key_algorithm;
            named
                && said.is_none_or(|said| said.to_string() == format!("{algorithm:?}"))
                && family(key) == Some(algorithm.family())
        });
        let first = fitting.next()?;
        // Without a name there must be no choice.
        if fitting.next().is_some() {
            return None;
        }
        DecodingKey::from_jwk(first).ok()
    }
}

fn family(key: &Jwk) -> Option<AlgorithmFamily> {
    match key.algorithm {
        AlgorithmParameters::RSA(_) => Some(AlgorithmFamily::Rsa),
        AlgorithmParameters::EllipticCurve(_) => Some(AlgorithmFamily::Ec),
        AlgorithmParameters::OctetKeyPair(_) => Some(AlgorithmFamily::Ed),
        _ => None,
    }
}

/// The public keys for signatures among those of an issuer; what is not understood is left out.
fn usable(keys: &[Json]) -> Vec<Jwk> {
    let keys = keys.iter().take(MAX_KEYS).filter_map(|key| {
        let key: Jwk = serde_json::from_value(key.clone()).ok()?;
        let signs = matches!(
            key.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        );
        (signs && family(&key).is_some()).then_some(key)
    });
    signature::install();
    keys.collect()
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |past| past.as_millis() as u64)
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let bytes = files::read(file)?;
    let mut found = Vec::new();
    for item in parse_pem(&bytes) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(why) => {
                return Err(Error::Damaged {
                    path: file.into(),
                    what: format!("it is no PEM: {why}"),
                });
            }
        }
    }
    if found.is_empty() {
        return Err(Error::Damaged {
            path: file.into(),
            what: "it holds no certificate".into(),
        });
    }
    Ok(found)
}
