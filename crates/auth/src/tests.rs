#![allow(clippy::unwrap_used)]

use super::*;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

/// A folder of the test's own, gone when it ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("gemelli-auth-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn now() -> SystemTime {
    SystemTime::now()
}

#[test]
fn init_makes_certificates_and_a_token_once() {
    let folder = Folder::new();
    let created = init(
        &folder.0,
        &["city.example".into(), "10.0.0.7".into(), "localhost".into()],
        now(),
    )
    .unwrap();
    assert_eq!(
        created.hosts,
        ["localhost", "127.0.0.1", "::1", "city.example", "10.0.0.7"]
    );
    let again = init(&folder.0, &[], now()).unwrap_err();
    assert_eq!(again.code(), "already-exists");

    let tokens = Tokens::open(&folder.0).unwrap();
    let principal = tokens.verify(&created.token, now()).unwrap();
    assert_eq!(principal, Principal::new("admin", Role::Admin));
    let file = fs::read_to_string(folder.0.join("auth/tokens.json")).unwrap();
    let secret = created.token.rsplit('_').next().unwrap();
    assert!(file.contains("$argon2id$") && !file.contains(secret));
    let config = server_config(&folder.0, &["http/1.1"]).unwrap();
    assert_eq!(config.alpn_protocols, [b"http/1.1"]);
}

#[test]
#[cfg(unix)]
fn secrets_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    init(&folder.0, &[], now()).unwrap();
    let mode = |name: &str| {
        fs::metadata(folder.0.join("auth").join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        ["", "ca.key", "server.key", "tokens.json", "ca.pem"].map(mode),
        [0o700, 0o600, 0o600, 0o600, 0o644]
    );
}

#[test]
fn a_client_that_trusts_the_authority_reaches_the_server_by_its_names_only() {
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConnection,
        pki_types::{CertificateDer, pem::PemObject},
    };
    use std::sync::Arc;
    let folder = Folder::new();
    let created = init(&folder.0, &["city.example".into()], now()).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&created.ca).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Arc::new(client);
    let first = server_config(&folder.0, &[]).unwrap();
    let renewed = renew(&folder.0, &["other.example".into()], now()).unwrap();
    assert_eq!(
        renewed.hosts[3..],
        ["city.example".to_owned(), "other.example".into()]
    );
    let second = server_config(&folder.0, &[]).unwrap();
    for (name, server, wanted) in [
        ("city.example", &first, true),
        ("127.0.0.1", &first, true),
        ("other.example", &first, false),
        ("city.example", &second, true),
        ("other.example", &second, true),
        ("third.example", &second, false),
    ] {
        let mut here =
            ClientConnection::new(client.clone(), name.to_owned().try_into().unwrap()).unwrap();
        let mut there = ServerConnection::new(server.clone()).unwrap();
        let mut reached = true;
        for _ in 0..10 {
            let mut bytes = Vec::new();
            while here.wants_write() {
                here.write_tls(&mut bytes).unwrap();
            }
            there.read_tls(&mut &*bytes).unwrap();
            let _ = there.process_new_packets();
            bytes.clear();
            while there.wants_write() {
                there.write_tls(&mut bytes).unwrap();
            }
            here.read_tls(&mut &*bytes).unwrap();
            reached &= here.process_new_packets().is_ok();
        }
        assert_eq!(reached && !here.is_handshaking(), wanted, "{name}");
    }
}

#[test]
fn tokens_are_added_verified_and_revoked() {
    let folder = Folder::new();
    init(&folder.0, &[], now()).unwrap();
    let tokens = Tokens::open(&folder.0).unwrap();
    let text = tokens.add("sensor", Role::Writer, now()).unwrap();
    for _ in 0..3 {
        assert_eq!(tokens.verify(&text, now()).unwrap().role, Role::Writer);
    }
    let mut wrong = text.clone();
    wrong.pop();
    for bad in [
        &*wrong,
        "",
        "gemelli_",
        "gemelli_x_y",
        "admin",
        &"gemelli_".repeat(1_000),
    ] {
        assert_eq!(tokens.verify(bad, now()), Err(Refused::Token), "{bad}");
    }
    assert_eq!(
        tokens
            .add("sensor", Role::Reader, now())
            .unwrap_err()
            .to_string(),
        "there is a token named sensor"
    );
    assert!(tokens.add("a b", Role::Reader, now()).is_err());
    let names: Vec<_> = tokens.list().into_iter().map(|token| token.name).collect();
    assert_eq!(names, ["admin", "sensor"]);
    tokens.revoke("sensor").unwrap();
    assert_eq!(tokens.verify(&text, now()), Err(Refused::Token));
    assert!(tokens.revoke("sensor").is_err());
    assert_eq!(Tokens::open(&folder.0).unwrap().list().len(), 1);
}

#[test]
fn a_token_ends_and_a_devices_is_bound_to_its_twin() {
    let folder = Folder::new();
    init(&folder.0, &[], now()).unwrap();
    let tokens = Tokens::open(&folder.0).unwrap();
    let hour = std::time::Duration::from_secs(3_600);
    let device = Grant {
        twin: Some("pole-7"),
        lifetime: Some(hour),
        ..Grant::of("pole", Role::Device)
    };
    let text = tokens.grant(&device, now()).unwrap();
    for tokens in [&tokens, &Tokens::open(&folder.0).unwrap()] {
        let pole = tokens.verify(&text, now()).unwrap();
        assert_eq!(
            (pole.role, pole.twin.as_deref()),
            (Role::Device, Some("pole-7"))
        );
        assert_eq!(tokens.verify(&text, now() + hour), Err(Refused::Token));
        assert!(tokens.verify(&text, now() + hour - hour / 60).is_ok());
    }
    assert!(tokens.add("unbound", Role::Device, now()).is_err());
    let bound = Grant {
        twin: Some("x"),
        ..Grant::of("bound", Role::Reader)
    };
    assert!(tokens.grant(&bound, now()).is_err());
    assert!(tokens.add("corp/alice", Role::Reader, now()).is_err());
}

#[test]
fn a_file_of_the_first_format_still_loads() {
    let folder = Folder::new();
    let text = "gemelli_old_1hn9zVwFzXwkU1qLJxkNEw";
    let hash = {
        use argon2::{Argon2, PasswordHasher, password_hash::SaltString};
        let salt = SaltString::encode_b64(b"sixteen bytes!!!").unwrap();
        Argon2::default()
            .hash_password(text.as_bytes(), &salt)
            .unwrap()
            .to_string()
    };
    fs::create_dir_all(folder.0.join("auth")).unwrap();
    let file = folder.0.join("auth/tokens.json");
    let old = serde_json::json!({"format": 1, "tokens": [
        {"id": "old", "name": "old", "role": "writer", "createdMs": 1, "hash": hash}]});
    fs::write(&file, old.to_string()).unwrap();
    let tokens = Tokens::open(&folder.0).unwrap();
    assert_eq!(
        tokens.verify(text, now()),
        Ok(Principal::new("old", Role::Writer))
    );
    tokens.add("new", Role::Reader, now()).unwrap();
    let tokens = Tokens::open(&folder.0).unwrap();
    assert_eq!(tokens.list().len(), 2);
    assert!(fs::read_to_string(&file).unwrap().contains("\"format\": 2"));
}

#[test]
fn another_process_changes_tokens_without_a_restart() {
    let folder = Folder::new();
    let created = init(&folder.0, &[], now()).unwrap();
    let (server, cli) = (
        Tokens::open(&folder.0).unwrap(),
        Tokens::open(&folder.0).unwrap(),
    );
    server.verify(&created.token, now()).unwrap();
    let text = cli.add("late", Role::Reader, now()).unwrap();
    cli.revoke("admin").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(server.verify(&text, now()).unwrap().name, "late".into());
    assert_eq!(server.verify(&created.token, now()), Err(Refused::Token));
}

#[test]
fn roles_include_those_before_them() {
    let verdict = |role, action| Principal::new("p", role).decide(action);
    let all = [Action::Read, Action::Write, Action::Administer];
    let allowed = |role| all.map(|action| verdict(role, action).is_allowed());
    assert_eq!(allowed(Role::Limited), [false; 3]);
    assert_eq!(allowed(Role::Device), [false; 3]);
    assert_eq!(allowed(Role::Reader), [true, false, false]);
    assert_eq!(allowed(Role::Writer), [true, true, false]);
    assert_eq!(allowed(Role::Admin), [true, true, true]);
    assert_eq!(
        verdict(Role::Reader, Action::Write),
        Decision::Denied("p has the role reader, and this needs writer".into())
    );
    assert!("root".parse::<Role>().is_err());
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let folder = Folder::new();
    let code = |path: &Path| Tokens::open(path).err().unwrap().code();
    assert_eq!(code(&folder.0), "not-found");
    init(&folder.0, &[], now()).unwrap();
    let file = folder.0.join("auth/tokens.json");
    fs::write(&file, "{\"format\":3,\"tokens\":{}}").unwrap();
    assert_eq!(code(&folder.0), "newer-format");
    fs::write(&file, "{\"format\":1}").unwrap();
    assert_eq!(code(&folder.0), "damaged-auth");
    fs::write(folder.0.join("auth/server.pem"), "nothing").unwrap();
    assert_eq!(
        server_config(&folder.0, &[]).unwrap_err().code(),
        "damaged-auth"
    );
    assert!(init(&Folder::new().0, &["no host".into(), "ü".into()], now()).is_err());
}

#[test]
fn the_number_of_tokens_and_the_size_of_their_file_are_bounded() {
    let folder = Folder::new();
    init(&folder.0, &[], now()).unwrap();
    let file = folder.0.join("auth/tokens.json");
    let mut content: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let entry = content["tokens"][0].clone();
    content["tokens"] = vec![entry; tokens::MAX_TOKENS].into();
    fs::write(&file, content.to_string()).unwrap();
    let full = Tokens::open(&folder.0)
        .unwrap()
        .add("more", Role::Reader, now());
    assert_eq!(
        full.unwrap_err().to_string(),
        "there are 10000 tokens, and no more can be made"
    );
    fs::File::create(&file)
        .unwrap()
        .set_len(files::MAX_BYTES + 1)
        .unwrap();
    assert_eq!(
        Tokens::open(&folder.0).err().unwrap().code(),
        "damaged-auth"
    );
}

/// Two poles of hall-3, one of them alice's, and a room.
struct City;

impl Facts for City {
    fn is_a(&self, twin: &str, interface: &str) -> bool {
        let own = if twin.starts_with("pole") {
            "Pole"
        } else {
            "Room"
        };
        self.extends(own, interface)
    }
    fn extends(&self, interface: &str, other: &str) -> bool {
        interface == other || (interface == "Pole" && other == "Asset")
    }
    fn has(&self, twin: &str, property: &str, value: &str) -> bool {
        (twin, property, value) == ("pole-1", "owner", "alice")
    }
    fn leads(&self, twin: &str, relationship: &str, target: &str) -> bool {
        twin.starts_with("pole") && (relationship, target) == ("locatedIn", "hall-3")
    }
}

/// What alice may do by a policy: for each object the letters of the actions.
fn allowed_by(policy: serde_json::Value) -> String {
    let folder = Folder::new();
    init(&folder.0, &[], now()).unwrap();
    let access = Access::open(&folder.0, Vec::new()).unwrap();
    let policy: Policy = serde_json::from_value(policy).unwrap();
    assert!(access.policies().put("p", policy).unwrap());
    let alice = Principal::new("alice", Role::Limited);
    let mut out = Vec::new();
    for (name, what) in [
        ("node", Resource::Node),
        ("pole-1", Resource::Twin("pole-1")),
        ("pole-2", Resource::Twin("pole-2")),
        ("room", Resource::Twin("room")),
        ("hall-3", Resource::Twin("hall-3")),
        ("Pole", Resource::Interface("Pole")),
        ("topic", Resource::Topic("devices/pole-1/raw")),
    ] {
        let letters: String = [
            (Action::Read, 'r'),
            (Action::Report, 'p'),
            (Action::Write, 'w'),
            (Action::Administer, 'a'),
        ]
        .iter()
        .filter(|(action, _)| access.decide(&alice, *action, what, &City).is_allowed())
        .map(|(_, letter)| letter)
        .collect();
        if !letters.is_empty() {
            out.push(format!("{name} {letters}"));
        }
        let bob = Principal::new("bob", Role::Limited);
        assert!(!access.decide(&bob, Action::Read, what, &City).is_allowed());
    }
    out.join(", ")
}

#[test]
fn each_template_allows_what_it_says_and_nothing_else() {
    use serde_json::json;
    let who = json!(["alice"]);
    for (policy, wanted) in [
        (
            json!({"template": "interface-reader", "principals": who, "interface": "Asset"}),
            "pole-1 r, pole-2 r, Pole r",
        ),
        (
            json!({"template": "own-writer", "principals": who, "property": "owner"}),
            "pole-1 rpw",
        ),
        (
            json!({"template": "device", "principals": who, "twin": "pole-1"}),
            "pole-1 rp, topic rp",
        ),
        (
            json!({"template": "area-operator", "principals": who, "relationship": "locatedIn", "area": "hall-3"}),
            "pole-1 rpw, pole-2 rpw, hall-3 rpw",
        ),
        (
            json!({"template": "administrator", "principals": who}),
            "node rpwa, pole-1 rpwa, pole-2 rpwa, room rpwa, hall-3 rpwa, Pole rpwa, topic rpwa",
        ),
    ] {
        assert_eq!(allowed_by(policy.clone()), wanted, "{policy}");
    }
}

#[test]
fn policies_take_effect_at_once_and_end_with_their_removal() {
    let folder = Folder::new();
    init(&folder.0, &[], now()).unwrap();
    let access = Access::open(&folder.0, Vec::new()).unwrap();
    let alice = Principal::new("alice", Role::Limited);
    let ask = || {
        access
            .decide(&alice, Action::Write, Resource::Node, &NoFacts)
            .is_allowed()
    };
    assert!(!ask());
    let policy: Policy = serde_json::from_value(
        serde_json::json!({"template": "administrator", "principals": ["alice"]}),
    )
    .unwrap();
    let version = access.policies().version();
    assert!(access.policies().put("root", policy.clone()).unwrap());
    assert!(!access.policies().put("root", policy).unwrap());
    assert!(access.policies().version() > version && ask());
    assert_eq!(Policies::open(&folder.0).unwrap().list().len(), 1);
    access.policies().remove("root").unwrap();
    assert!(!ask() && access.policies().remove("root").is_err());
    let unknown = serde_json::json!({"template": "administrator", "principals": ["a"], "x": 1});
    assert!(serde_json::from_value::<Policy>(unknown).is_err());
    let nobody = Policy::Administrator {
        principals: Vec::new(),
    };
    assert!(access.policies().put("nobody", nobody).is_err());
}

#[test]
fn a_device_may_do_its_own_and_an_expired_principal_nothing() {
    let folder = Folder::new();
    init(&folder.0, &[], now()).unwrap();
    let access = Access::open(&folder.0, Vec::new()).unwrap();
    let mut device = Principal {
        twin: Some("pole-1".into()),
        ..Principal::new("d", Role::Device)
    };
    let ask =
        |device: &Principal, action, what| access.decide(device, action, what, &City).is_allowed();
    assert!(ask(&device, Action::Report, Resource::Twin("pole-1")));
    assert!(ask(&device, Action::Read, Resource::Twin("pole-1")));
    assert!(!ask(&device, Action::Write, Resource::Twin("pole-1")));
    assert!(!ask(&device, Action::Report, Resource::Twin("pole-2")));
    assert!(!ask(&device, Action::Read, Resource::Node));
    assert!(!ask(
        &device,
        Action::Read,
        Resource::Topic("devices/pole-10/raw")
    ));
    let denied = access.counts().denied;
    assert_eq!(denied, 4);
    device.expires_ms = Some(1);
    assert!(!ask(&device, Action::Report, Resource::Twin("pole-1")));
}

#[test]
fn who_guesses_tokens_waits_and_a_token_in_use_still_counts() {
    let folder = Folder::new();
    let created = init(&folder.0, &[], now()).unwrap();
    let access = Access::open(&folder.0, Vec::new()).unwrap();
    let from = "192.0.2.1".parse().unwrap();
    let ask = |token: &str, from| access.authenticate(Some(token), from, now());
    ask(&created.token, from).unwrap();
    let mut limited = 0;
    for n in 0..30 {
        match ask(&format!("gemelli_guess{n}_x"), from) {
            Err(Refused::TooMany(_)) => limited += 1,
            other => assert_eq!(other, Err(Refused::Token)),
        }
    }
    assert_eq!(limited, 10);
    ask(&created.token, from).unwrap();
    let fresh = access.tokens().add("fresh", Role::Reader, now()).unwrap();
    assert!(matches!(ask(&fresh, from), Err(Refused::TooMany(_))));
    ask(&fresh, "192.0.2.2".parse().unwrap()).unwrap();
    assert_eq!((access.counts().failed, access.counts().limited), (20, 11));
}
