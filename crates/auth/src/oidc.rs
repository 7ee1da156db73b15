//! Tokens of other issuers: JWTs that an OpenID provider signed, checked with its public keys.
//!
//! Only issuers that the configuration names are believed, and only they are ever contacted: for
//! their discovery document and for the keys it points to. Keys are kept on disk, so that people and
//! devices still get in while the issuer is away. A token counts if an allowed algorithm signed it
//! with a key of its issuer, for our audience, in its time, and if a claim gives its holder a role.
//!
//! It never takes a shared secret for a key, never follows what a token says about where its key is,
//! and never logs a token.

mod keys;
mod signature;

use crate::{Error, Principal, Role, loopback};
use jsonwebtoken::{Algorithm, Validation};
use keys::Keys;
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

/// Longest token that is looked at, in bytes.
pub const MAX_JWT_BYTES: usize = 8 << 10;
/// Most issuers of one node.
pub const MAX_ISSUERS: usize = 16;
/// Furthest that clocks may differ, in seconds.
pub const MAX_SKEW_S: u64 = 300;
/// Longest name that a claim may give, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// What the configuration says about one issuer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IssuerOptions {
    /// What principals of it are called by: alice of `corp` is `corp/alice`.
    pub name: String,
    /// Its URL, exactly as its tokens have it in `iss`.
    pub url: String,
    /// Who its tokens have to be for.
    pub audience: String,
    /// The algorithms that may have signed; none with a shared secret can be named.
    #[serde(default = "usual_algorithms")]
    pub algorithms: Vec<String>,
    /// The claim with the principal's name.
    #[serde(default = "usual_name")]
    pub name_claim: String,
    /// The claim with what `roles` maps: a text or a list, dots lead into objects.
    #[serde(default = "usual_role")]
    pub role_claim: String,
    /// Which role a value of that claim gives. The highest counts; without one nobody gets in.
    pub roles: BTreeMap<String, Role>,
    /// The claim with the twin that a device is bound to.
    #[serde(default)]
    pub twin_claim: Option<String>,
    /// How far clocks may differ, in seconds.
    #[serde(default = "usual_skew")]
    pub skew_s: u64,
    /// The authority that its certificate is signed by, if it is no public one: a PEM file.
    #[serde(default)]
    pub ca: Option<PathBuf>,
}

fn usual_algorithms() -> Vec<String> {
    ["RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec()
}

fn usual_name() -> String {
    "sub".into()
}

fn usual_role() -> String {
    "roles".into()
}

fn usual_skew() -> u64 {
    60
}

/// The issuers whose tokens count.
pub struct Issuers(Vec<Issuer>);

struct Issuer {
    options: IssuerOptions,
    algorithms: Vec<Algorithm>,
    keys: Arc<Keys>,
}

/// Why a token of another issuer does not count: for the log, never for whoever sent it.
pub type Why = String;

impl Issuers {
    /// With the keys that were kept below the data folder; nothing is contacted yet.
    ///
    /// # Errors
    /// A setting cannot be used, or a file of a certificate cannot be read.
    pub fn open(data: &Path, options: Vec<IssuerOptions>) -> Result<Self, Error> {
        Self::open_with(data, options, keys::RETRY)
    }

    fn open_with(data: &Path, options: Vec<IssuerOptions>, retry: Duration) -> Result<Self, Error> {
        signature::install();
        if options.len() > MAX_ISSUERS {
            return Err(Error::Name(format!(
                "there are {} issuers, and at most {MAX_ISSUERS} can be",
                options.len()
            )));
        }
        let mut all: Vec<Issuer> = Vec::with_capacity(options.len());
        for one in options {
            if all
                .iter()
                .any(|i| i.options.url == one.url || i.options.name == one.name)
            {
                return Err(Error::Name(format!(
                    "the issuer {} comes twice: each needs its own name and url",
                    one.name
                )));
            }
            all.push(Issuer::open(data, one, retry)?);
        }
        Ok(Self(all))
    }

    /// Whether a text looks like a token of some issuer rather than one of ours.
    pub fn looks_like(text: &str) -> bool {
        text.len() <= MAX_JWT_BYTES && text.bytes().filter(|b| *b == b'.').count() == 2
    }

    /// Whose token this is. May ask the issuer for its keys, which can take some seconds.
    ///
    /// # Errors
    /// It does not count, and why.
    pub fn verify(&self, text: &str) -> Result<Principal, Why> {
        #[derive(Deserialize)]
        struct Peek {
            iss: String,
        }
        if !Self::looks_like(text) {
            return Err("it is no JWT".into());
        }
        let Peek { iss } = jsonwebtoken::dangerous::insecure_decode_claims(text)
            .map_err(|why| format!("its claims cannot be read: {why}"))?;
        let issuer = self
            .0
            .iter()
            .find(|issuer| issuer.options.url == iss)
            .ok_or_else(|| "its issuer is not in the configuration".to_owned())?;
        issuer.verify(text)
    }
}

impl Issuer {
    fn open(data: &Path, options: IssuerOptions, retry: Duration) -> Result<Self, Error> {
        let wrong = |what: String| Error::Name(format!("the issuer {}: {what}", options.name));
        let named = !options.name.is_empty()
            && options.name.len() <= 32
            && options
                .name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !named {
            return Err(wrong(
                "its name needs 1 to 32 letters, digits and hyphens".into(),
            ));
        }
        keys::safe(&options.url).map_err(wrong)?;
        if options.audience.is_empty() {
            return Err(wrong("the audience is empty".into()));
        }
        if options.roles.is_empty() {
            return Err(wrong("no value of the role claim gives a role".into()));
        }
        if options.skew_s > MAX_SKEW_S {
            return Err(wrong(format!("skew-s is over {MAX_SKEW_S}")));
        }
        let mut algorithms = Vec::new();
        for name in &options.algorithms {
            let known = Algorithm::from_str(name)
                .ok()
                .filter(|algorithm| signature::is_public(*algorithm));
            algorithms.push(known.ok_or_else(|| {
                wrong(format!(
                    "{name} is no algorithm with a public key: use {}",
                    signature::PUBLIC.join(", ")
                ))
            })?);
        }
        if algorithms.is_empty() {
            return Err(wrong("no algorithm is allowed".into()));
        }
        let keys = Keys::open(data, &options.url, options.ca.as_deref(), retry)?;
        Ok(Self {
            options,
            algorithms,
            keys: Arc::new(keys),
        })
    }

    fn verify(&self, text: &str) -> Result<Principal, Why> {
        let header = jsonwebtoken::decode_header(text)
            .map_err(|why| format!("its header cannot be read: {why}"))?;
        if !self.algorithms.contains(&header.alg) {
            return Err(format!("{:?} is not allowed", header.alg));
        }
        if header.crit.is_some() {
            return Err("it needs an extension that is not known (crit)".into());
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg)?;
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.options.skew_s;
        validation.validate_nbf = true;
        validation.set_audience(&[&self.options.audience]);
        validation.set_issuer(&[&self.options.url]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let claims = jsonwebtoken::decode::<Map<String, Json>>(text, &key, &validation)
            .map_err(|why| why.to_string())?
            .claims;
        self.principal(claims)
    }

    fn principal(&self, claims: Map<String, Json>) -> Result<Principal, Why> {
        let expires_s = claims
            .get("exp")
            .and_then(Json::as_f64)
            .filter(|s| s.is_finite() && *s > 0.0);
        let expires_s = expires_s.ok_or("its exp is no time")? as u64;
        let claims = Json::Object(claims);
        let name = claim(&claims, &self.options.name_claim)
            .and_then(Json::as_str)
            .ok_or_else(|| format!("it has no text in {}", self.options.name_claim))?;
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(format!("{} is no name", self.options.name_claim));
        }
        let held = match claim(&claims, &self.options.role_claim) {
            Some(Json::String(one)) => vec![one.as_str()],
            Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        let role = held
            .iter()
            .filter_map(|value| self.options.roles.get(*value))
            .max()
            .copied()
            .ok_or_else(|| format!("{} gives no role", self.options.role_claim))?;
        let twin = match &self.options.twin_claim {
            Some(path) => claim(&claims, path).and_then(Json::as_str).map(Arc::from),
            None => None,
        };
        if role == Role::Device && twin.is_none() {
            return Err("it is a device's and names no twin".into());
        }
        Ok(Principal {
            name: format!("{}/{name}", self.options.name).into(),
            role,
            twin: twin.filter(|_| role == Role::Device),
            expires_ms: Some(
                expires_s
                    .saturating_add(self.options.skew_s)
                    .saturating_mul(1_000),
            ),
        })
    }
}

/// A claim by its name or, where there is none, by the path that its dots make.
fn claim<'a>(claims: &'a Json, path: &str) -> Option<&'a Json> {
    claims
        .get(path)
        .or_else(|| path.split('.').try_fold(claims, |at, name| at.get(name)))
}

/// Whether a URL may be contacted in the clear.
fn is_loopback_url(uri: &ureq::http::Uri) -> bool {
    uri.host().is_some_and(|host| {
        let host = if host.contains(':') && !host.starts_with('[') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        loopback::is_loopback_host(&host)
    })
}

#[cfg(test)]
mod tests;
