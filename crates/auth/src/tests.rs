#![allow(clippy::unwrap_used)]

use super::*;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::SystemTime,
};

/// A folder of the test's own, gone when it ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
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
    let principal = tokens.verify(&created.token).unwrap();
    assert_eq!(
        principal,
        Principal {
            name: "admin".into(),
            role: Role::Admin
        }
    );
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
        assert_eq!(tokens.verify(&text).unwrap().role, Role::Writer);
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
        assert_eq!(tokens.verify(bad), Err(Refused), "{bad}");
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
    assert_eq!(tokens.verify(&text), Err(Refused));
    assert!(tokens.revoke("sensor").is_err());
    assert_eq!(Tokens::open(&folder.0).unwrap().list().len(), 1);
}

#[test]
fn another_process_changes_tokens_without_a_restart() {
    let folder = Folder::new();
    let created = init(&folder.0, &[], now()).unwrap();
    let (server, cli) = (
        Tokens::open(&folder.0).unwrap(),
        Tokens::open(&folder.0).unwrap(),
    );
    server.verify(&created.token).unwrap();
    let text = cli.add("late", Role::Reader, now()).unwrap();
    cli.revoke("admin").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(server.verify(&text).unwrap().name, "late".into());
    assert_eq!(server.verify(&created.token), Err(Refused));
}

#[test]
fn roles_include_those_before_them() {
    let verdict = |role, action| {
        Principal {
            name: "p".into(),
            role,
        }
        .decide(action)
    };
    let all = [Action::Read, Action::Write, Action::Administer];
    let allowed = |role| all.map(|action| verdict(role, action).is_allowed());
    assert_eq!(allowed(Role::Reader), [true, false, false]);
    assert_eq!(allowed(Role::Writer), [true, true, false]);
    assert_eq!(allowed(Role::Admin), [true, true, true]);
    assert_eq!(
        verdict(Role::Reader, Action::Write),
        Decision::Denied("p is a reader, and this needs a writer".into())
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
    fs::write(&file, "{\"format\":2,\"tokens\":{}}").unwrap();
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
