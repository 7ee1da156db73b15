#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

//! Against an issuer of the test's own: an HTTP server that signs with keys made here.

use super::*;
use crate::tests::Folder;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// The public modulus of a key whose private half is gone.
const RSA_N: &str = "2YshezZZzWyP3W2PMJoJb1fN8G2yl0e7O2jsJWfeE2KP0my2J-YsE4OeUjzAbs4s_trvpJfKmeUTt5RYulGInSFSStFs08PNTVEPeWSpAlnxU1Hdz6kJbJT9sLdfclaigR-4yojFOj6G-rpXN9Zfbw9i69bC9Z65sFkZDTxMdEiGe8uPLIzIfWHjd8Kcc8qd24gRNyL2HNUMFb2iyW3m7viu1W1XxuKYY0eC9SxZZmofj4njmYh7xzgWEhOnHKtgJ0J635XrJuw69K33jIEXfXUGF-YotICJbHfera8_j0RXOvkIiD1uz0XOE6VW7mtkrh13CTc2_Wvha4e0zmFfTw";
/// Signed with it by OpenSSL: alice, for gemelli, until 2100.
const RS256: &str = "eyJhbGciOiAiUlMyNTYiLCAia2lkIjogInIifQ.eyJpc3MiOiAiaHR0cHM6Ly9yc2EuZXhhbXBsZSIsICJhdWQiOiAiZ2VtZWxsaSIsICJzdWIiOiAiYWxpY2UiLCAicm9sZXMiOiAib3BzIiwgImV4cCI6IDQxMDI0NDQ4MDB9.l0o7cWoQJzFmIp-0zTi0rddy8oMvq6ZmQcmQmtYR9tCQqDA7JJ-i3ZbbY6MO6knAJWEr79o2RkMTuFCCtwvfhF6Vf9iChuHSNGQ5BLtYuYpcT3jOoeXPq0J5PmcoCv8wL49WaH8NpJoU6xyH9PYLfbOIBD_dyY1mcPMA-Lq9zkXxVGt0jNUjD1ZKT9eaJEM271d6lmz7MkWCXwjZivbt1lmlPdQyrO2Giu7d2F-UAzEnJW62DONH-Iy5fFs1U1gKrkS48DO9SAOkeI4VWMalrcQonN0ACDp2HDWCYAkz8wHrgz5LHawc8KcOxHPeghe3_7dw_YI0WjwPZ5MeLjriMw";
/// The same with PSS.
const PS256: &str = "eyJhbGciOiAiUFMyNTYiLCAia2lkIjogInIifQ.eyJpc3MiOiAiaHR0cHM6Ly9yc2EuZXhhbXBsZSIsICJhdWQiOiAiZ2VtZWxsaSIsICJzdWIiOiAiYWxpY2UiLCAicm9sZXMiOiAib3BzIiwgImV4cCI6IDQxMDI0NDQ4MDB9.lVLIwNEoqwGjhgzUkk4fhaiAYIwlCFYePTDFpOtEJXm6tu309Q9UD-QSJtaxlkyaJUkOBieWqQmvaxGujjmB7YRmIoI3t5-T4XVeCNXH9ooTV9dk2CNDk33G9PWlRvqjnkZtFUhQ0MiSWgrCqyk5_QioHaIy_U9OyFE4nCNv016ZqoUHwkf7GsekI1TttuxFcisCPyLQb15zdgNSwl3Z8HhVTSunnBqNLW3FVLJ5SDWEAT5yKmmDHNDY6hDP6sKgL_IEaySyfhjfW28yv2i9ObDzlT6ju__Q0zJl7_kfavh53EqvXZ1OBbUJ0YnMbW1mXzBD6BbmvElosMl3Ko5LpA";

const RETRY: Duration = Duration::from_millis(300);

enum Signer {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

struct Key {
    kid: &'static str,
    signer: Signer,
}

impl Key {
    fn ec(kid: &'static str) -> Self {
        let rng = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &rng).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &rng).unwrap();
        Self {
            kid,
            signer: Signer::Ec(pair),
        }
    }

    fn ed(kid: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self {
            kid,
            signer: Signer::Ed(pair),
        }
    }

    fn public(&self) -> Json {
        match &self.signer {
            Signer::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
                    "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..])})
            }
            Signer::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": BASE64.encode(pair.public_key())})
            }
        }
    }

    fn algorithm(&self) -> &'static str {
        match self.signer {
            Signer::Ec(_) => "ES256",
            Signer::Ed(_) => "EdDSA",
        }
    }

    fn token(&self, claims: &Json) -> String {
        self.token_with(&json!({"alg": self.algorithm(), "kid": self.kid}), claims)
    }

    fn token_with(&self, header: &Json, claims: &Json) -> String {
        let message = message(header, claims);
        let signature = match &self.signer {
            Signer::Ec(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
                BASE64.encode(signed)
            }
            Signer::Ed(pair) => BASE64.encode(pair.sign(message.as_bytes())),
        };
        format!("{message}.{signature}")
    }
}

fn message(header: &Json, claims: &Json) -> String {
    let part = |json: &Json| BASE64.encode(json.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// An issuer on a free port.
struct Provider {
    address: SocketAddr,
    url: String,
    keys: Arc<Mutex<Vec<Json>>>,
    claimed: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    serving: Option<std::thread::JoinHandle<()>>,
}

impl Provider {
    fn start(keys: Vec<Json>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("http://{address}/realm");
        let keys = Arc::new(Mutex::new(keys));
        let claimed = Arc::new(Mutex::new(None));
        let (asked, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let serving = std::thread::spawn({
            let (url, keys, claimed) = (url.clone(), keys.clone(), claimed.clone());
            let (asked, stop) = (asked.clone(), stop.clone());
            move || {
                while let Ok((mut socket, _)) = listener.accept() {
                    if stop.load(Ordering::Acquire) {
                        return;
                    }
                    let mut request = Vec::new();
                    let mut bytes = [0; 512];
                    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                        match socket.read(&mut bytes) {
                            Ok(n) if n > 0 => request.extend_from_slice(&bytes[..n]),
                            _ => break,
                        }
                    }
                    let request = String::from_utf8_lossy(&request);
                    let body = match request.split(' ').nth(1) {
                        Some("/realm/.well-known/openid-configuration") => {
                            asked.fetch_add(1, Ordering::AcqRel);
                            let issuer = claimed.lock().unwrap().clone().unwrap_or(url.clone());
                            json!({"issuer": issuer, "jwks_uri": format!("{url}/keys")}).to_string()
                        }
                        Some("/realm/keys") => json!({"keys": *keys.lock().unwrap()}).to_string(),
                        other => panic!("{other:?} was asked for"),
                    };
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = socket.write_all((head + &body).as_bytes());
                }
            }
        });
        Self {
            address,
            url,
            keys,
            claimed,
            asked,
            stop,
            serving: Some(serving),
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }

    fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            self.stop.store(true, Ordering::Release);
            let _ = TcpStream::connect(self.address);
            let _ = serving.join();
        }
    }

    fn options(&self) -> IssuerOptions {
        options(&self.url)
    }

    fn open(&self, folder: &Folder) -> Issuers {
        open(folder, self.options())
    }

    /// Claims of alice, an operator.
    fn claims(&self) -> Json {
        json!({"iss": self.url, "aud": ["other", "gemelli"], "sub": "alice", "roles": ["people", "ops"], "exp": in_s(300)})
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}

fn options(url: &str) -> IssuerOptions {
    serde_json::from_value(json!({
        "name": "corp", "url": url, "audience": "gemelli", "algorithms": ["ES256", "EdDSA", "RS256", "PS256"],
        "roles": {"ops": "writer", "root": "admin", "thing": "device"}, "twin-claim": "twin",
    }))
    .unwrap()
}

fn open(folder: &Folder, options: IssuerOptions) -> Issuers {
    Issuers::open_with(&folder.0, vec![options], RETRY).unwrap()
}

fn in_s(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() as i64 + seconds
}

fn with(claims: &Json, name: &str, value: Json) -> Json {
    let mut claims = claims.clone();
    match value {
        Json::Null => {
            claims.as_object_mut().unwrap().remove(name);
        }
        value => claims[name] = value,
    }
    claims
}

#[test]
fn a_token_counts_with_the_highest_role_that_its_claim_gives() {
    let (ec, ed, folder) = (Key::ec("a"), Key::ed("b"), Folder::new());
    let provider = Provider::start(vec![ec.public(), ed.public()]);
    let issuers = provider.open(&folder);
    assert_eq!(provider.asked(), 0, "asked before anybody came");
    let claims = provider.claims();
    for key in [&ec, &ed] {
        let alice = issuers.verify(&key.token(&claims)).unwrap();
        assert_eq!((&*alice.name, alice.role), ("corp/alice", Role::Writer));
        let left_ms = alice.expires_ms.unwrap() as i64 - in_s(360) * 1_000;
        assert!((-5_000..=0).contains(&left_ms), "{left_ms}");
    }
    let both = with(&claims, "roles", json!(["ops", "root"]));
    assert_eq!(issuers.verify(&ec.token(&both)).unwrap().role, Role::Admin);
    let mut thing = with(&claims, "roles", json!("thing"));
    assert!(
        issuers
            .verify(&ec.token(&thing))
            .unwrap_err()
            .contains("names no twin")
    );
    thing["twin"] = json!("pole-7");
    let thing = issuers.verify(&ec.token(&thing)).unwrap();
    assert_eq!(
        (thing.role, thing.twin.as_deref()),
        (Role::Device, Some("pole-7"))
    );
    assert_eq!(provider.asked(), 1);

    let mut nested = provider.options();
    nested.role_claim = "realm_access.roles".into();
    let deep = with(&claims, "realm_access", json!({"roles": ["root"]}));
    let issuers = open(&Folder::new(), nested);
    assert_eq!(issuers.verify(&ec.token(&deep)).unwrap().role, Role::Admin);
}

#[test]
fn tokens_that_do_not_count_are_refused_each_for_its_own_reason() {
    let (ec, ed, folder) = (Key::ec("a"), Key::ed("b"), Folder::new());
    let (other, third) = (Key::ec("a"), Key::ec("c"));
    let provider = Provider::start(vec![ec.public(), ed.public(), third.public()]);
    let issuers = provider.open(&folder);
    let claims = provider.claims();
    let good = ec.token(&claims);
    issuers.verify(&good).unwrap();
    let claim = |name: &str, value: Json| ec.token(&with(&claims, name, value));
    let header = |header: Json| ec.token_with(&header, &claims);
    let confused = {
        // The public key, which everybody has, as if it were a shared secret.
        let public = ec.public();
        let message = message(&json!({"alg": "HS256", "kid": "a"}), &claims);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, public["x"].as_str().unwrap().as_bytes());
        let signature = hmac::sign(&secret, message.as_bytes());
        format!("{message}.{}", BASE64.encode(signature))
    };
    let unsigned = format!("{}.", message(&json!({"alg": "none"}), &claims));
    let changed = {
        let parts: Vec<_> = good.split('.').collect();
        let root = with(&claims, "roles", json!("root"));
        format!(
            "{}.{}.{}",
            parts[0],
            BASE64.encode(root.to_string()),
            parts[2]
        )
    };
    let cases = [
        (
            "another audience",
            claim("aud", json!("elsewhere")),
            "InvalidAudience",
        ),
        ("no audience", claim("aud", Json::Null), "aud"),
        (
            "expired",
            claim("exp", json!(in_s(-90))),
            "ExpiredSignature",
        ),
        ("no end", claim("exp", Json::Null), "exp"),
        (
            "not yet",
            claim("nbf", json!(in_s(90))),
            "ImmatureSignature",
        ),
        (
            "another issuer",
            claim("iss", json!("https://evil.example")),
            "not in the configuration",
        ),
        ("no issuer", claim("iss", Json::Null), "claims"),
        ("no role", claim("roles", json!(["people"])), "no role"),
        ("no name", claim("sub", json!(7)), "no text in sub"),
        ("changed", changed, "InvalidSignature"),
        ("another's key", other.token(&claims), "InvalidSignature"),
        (
            "an unknown key",
            header(json!({"alg": "ES256", "kid": "z"})),
            "no such key",
        ),
        (
            "no key named, two fit",
            header(json!({"alg": "ES256"})),
            "no such key",
        ),
        (
            "a key of another kind",
            header(json!({"alg": "ES256", "kid": "b"})),
            "no such key",
        ),
        (
            "an extension",
            header(json!({"alg": "ES256", "kid": "a", "crit": ["b64"]})),
            "crit",
        ),
        (
            "not allowed",
            header(json!({"alg": "ES384", "kid": "a"})),
            "ES384 is not allowed",
        ),
        ("algorithm confusion", confused, "HS256 is not allowed"),
        ("unsigned", unsigned, "header"),
        ("no JWT", "a.b".into(), "no JWT"),
        ("no JSON", "a.b.c".into(), "claims"),
        (
            "too long",
            format!("{good}{}", "A".repeat(MAX_JWT_BYTES)),
            "no JWT",
        ),
    ];
    for (what, token, wanted) in cases {
        let why = issuers.verify(&token).expect_err(what);
        assert!(why.contains(wanted), "{what}: {why}");
    }
    // Within the skew both ends count.
    issuers.verify(&claim("exp", json!(in_s(-30)))).unwrap();
    issuers.verify(&claim("nbf", json!(in_s(30)))).unwrap();
    // Of Ed25519 there is one key: it need not be named.
    issuers
        .verify(&ed.token_with(&json!({"alg": "EdDSA"}), &claims))
        .unwrap();
}

#[test]
fn keys_rotate_and_unknown_ones_do_not_make_us_ask_in_a_rush() {
    let (old, new, folder) = (Key::ec("2025"), Key::ec("2026"), Folder::new());
    let provider = Provider::start(vec![old.public()]);
    let issuers = provider.open(&folder);
    let claims = provider.claims();
    issuers.verify(&old.token(&claims)).unwrap();
    *provider.keys.lock().unwrap() = vec![new.public()];
    for n in 0..200 {
        let header = json!({"alg": "ES256", "kid": format!("invented-{n}")});
        assert!(issuers.verify(&old.token_with(&header, &claims)).is_err());
    }
    assert!(provider.asked() <= 3, "asked {} times", provider.asked());
    std::thread::sleep(RETRY * 2);
    issuers.verify(&new.token(&claims)).unwrap();
    assert!(issuers.verify(&old.token(&claims)).is_err());
}

#[test]
fn kept_keys_outlast_the_issuer_and_a_restart() {
    let (key, folder) = (Key::ed("a"), Folder::new());
    let mut provider = Provider::start(vec![key.public()]);
    let token = key.token(&provider.claims());
    provider.open(&folder).verify(&token).unwrap();
    provider.stop();
    let again = provider.open(&folder);
    again.verify(&token).unwrap();
    let elsewhere = provider.open(&Folder::new());
    let why = elsewhere.verify(&token).unwrap_err();
    assert!(why.contains("could not be fetched"), "{why}");
    let stranger = Key::ed("b").token(&provider.claims());
    assert!(again.verify(&stranger).is_err());

    // Too old, they count no more.
    let kept = folder.0.join("auth/issuers");
    let file = std::fs::read_dir(kept)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut content: Json = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    content["fetchedMs"] = json!(in_s(0) as u64 * 1_000 - keys::KEEP_MS - 60_000);
    std::fs::write(&file, content.to_string()).unwrap();
    assert!(provider.open(&folder).verify(&token).is_err());
    // Damaged, they are no more than absent.
    std::fs::write(&file, "{").unwrap();
    assert!(provider.open(&folder).verify(&token).is_err());
}

#[test]
fn an_issuer_that_calls_itself_something_else_is_not_believed() {
    let (key, folder) = (Key::ec("a"), Folder::new());
    let provider = Provider::start(vec![key.public()]);
    *provider.claimed.lock().unwrap() = Some("https://login.example".into());
    let why = provider
        .open(&folder)
        .verify(&key.token(&provider.claims()))
        .unwrap_err();
    assert!(why.contains("calls itself"), "{why}");
}

#[test]
fn rsa_signatures_made_by_openssl_count() {
    let url = "https://rsa.example";
    let folder = Folder::new();
    let keys = folder.0.join("auth/issuers");
    std::fs::create_dir_all(&keys).unwrap();
    // Its keys are there already, so that nothing is contacted.
    let digest = ring::digest::digest(&ring::digest::SHA256, url.as_bytes());
    let name: String = digest.as_ref()[..12]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let kept = json!({"format": 1, "issuer": url, "fetchedMs": in_s(0) * 1_000,
        "keys": [{"kty": "RSA", "kid": "r", "n": RSA_N, "e": "AQAB"}, {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}]});
    std::fs::write(keys.join(format!("{name}.json")), kept.to_string()).unwrap();
    let issuers = open(&folder, options(url));
    for token in [RS256, PS256] {
        assert_eq!(&*issuers.verify(token).unwrap().name, "corp/alice");
        let mut wrong = token.to_owned();
        wrong.replace_range(wrong.len() - 20..wrong.len() - 19, "_");
        assert_eq!(issuers.verify(&wrong).is_ok(), wrong == token);
    }
}

#[test]
fn settings_that_are_not_safe_are_refused() {
    let folder = Folder::new();
    let refused = |change: &dyn Fn(&mut IssuerOptions)| {
        let mut options = options("https://login.example");
        change(&mut options);
        match Issuers::open(&folder.0, vec![options]) {
            Ok(_) => panic!("it was taken"),
            Err(error) => error.to_string(),
        }
    };
    for (name, change, wanted) in [
        (
            "HS256",
            (&|o: &mut IssuerOptions| o.algorithms = vec!["HS256".into()])
                as &dyn Fn(&mut IssuerOptions),
            "no algorithm with a public key",
        ),
        (
            "none",
            &|o| o.algorithms = vec!["none".into()],
            "no algorithm with a public key",
        ),
        (
            "nothing",
            &|o| o.algorithms.clear(),
            "no algorithm is allowed",
        ),
        (
            "in the clear",
            &|o| o.url = "http://login.example".into(),
            "no https URL",
        ),
        ("skew", &|o| o.skew_s = MAX_SKEW_S + 1, "skew-s is over 300"),
        ("roles", &|o| o.roles.clear(), "gives a role"),
        ("audience", &|o| o.audience.clear(), "audience"),
        ("name", &|o| o.name = "a/b".into(), "its name"),
    ] {
        let why = refused(change);
        assert!(why.contains(wanted), "{name}: {why}");
    }
    let twice = vec![options("https://a.example"), options("https://a.example")];
    assert!(Issuers::open(&folder.0, twice).is_err());
    let many = (0..=MAX_ISSUERS).map(|n| {
        let mut one = options(&format!("https://{n}.example"));
        one.name = format!("n{n}");
        one
    });
    assert!(Issuers::open(&folder.0, many.collect()).is_err());
    let unknown = json!({"name": "a", "url": "https://a.example", "audience": "b", "roles": {}, "audiense": "c"});
    assert!(serde_json::from_value::<IssuerOptions>(unknown).is_err());
}
