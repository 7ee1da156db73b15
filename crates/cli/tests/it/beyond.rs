//! Beyond loopback: TLS with a certificate of our own authority, and a token for everything.

use super::fixture::{Home, Server, wait};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{IpAddr, TcpStream, UdpSocket},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// An address of this machine that is not a loopback one, if it has any. Nothing is sent.
fn outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// A server at that address, and what its administrator was given.
struct Beyond {
    server: Server,
    address: IpAddr,
    ca: String,
    token: String,
}

impl Beyond {
    fn start(test: &str) -> Option<Self> {
        let Some(address) = outside() else {
            println!("skipped: {test}: this machine has no address beyond loopback");
            return None;
        };
        let home = Home::new();
        let host = address.to_string();
        let data = home.path.join("data").to_str().unwrap().to_owned();
        let ran = home.run(&["auth", "init", "--data", &data, "-o", "json"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.err.contains("auth cert renew --host"), "{}", ran.err);
        let made: Value = serde_json::from_str(&ran.out).unwrap();
        let text = |name: &str| {
            let text = made[name].as_str().unwrap();
            text.replace('~', home.path.to_str().unwrap())
        };
        let (ca, token) = (text("ca"), text("token"));
        // The certificate of `init` is not for this address; a renewed one is, and for the names before.
        let renew = ["auth", "cert", "renew", "--host", &host, "--data", &data];
        let ran = home.run(&[&renew[..], &["-o", "json"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let made: Value = serde_json::from_str(&ran.out).unwrap();
        let hosts = made["hosts"].as_array().unwrap();
        for name in ["localhost", &host] {
            assert!(hosts.iter().any(|h| h == name), "{name} in {hosts:?}");
        }
        let server = Server::start_at(home, &format!("{host}:0"), &[]);
        assert!(server.http.starts_with("https://"), "{}", server.http);
        Some(Self {
            server,
            address,
            ca,
            token,
        })
    }

    /// A file that holds a token.
    fn file(&self, name: &str, token: &str) -> String {
        self.server.home.file(name, token)
    }

    /// MQTT 3.1.1 over TLS: what CONNECT with this password is answered.
    fn connect(&self, password: Option<&str>) -> u8 {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(Path::new(&self.ca)).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::from(self.address);
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(&self.server.mqtt).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let mut stream = StreamOwned::new(client, socket);
        let field = |text: &str| {
            let length = u16::try_from(text.len()).unwrap().to_be_bytes();
            [&length[..], text.as_bytes()].concat()
        };
        let flags = if password.is_some() { 0xC2 } else { 0x02 };
        let mut body = [&field("MQTT")[..], &[4, flags, 0, 60], &field("outside")].concat();
        if let Some(password) = password {
            body.extend(field("admin"));
            body.extend(field(password));
        }
        let length = u8::try_from(body.len()).unwrap();
        assert!(length < 128, "the length takes one byte");
        stream
            .write_all(&[&[0x10, length][..], &body].concat())
            .unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..3], [0x20, 2, 0], "a CONNACK without a session");
        answer[3]
    }
}

#[test]
fn http_beyond_loopback_is_tls_and_asks_for_a_token() {
    let Some(beyond) = Beyond::start("http_beyond_loopback_is_tls_and_asks_for_a_token") else {
        return;
    };
    let (server, home) = (&beyond.server, &beyond.server.home);
    let right = beyond.file("right", &beyond.token);
    let wrong = beyond.file("wrong", "gemelli_admin_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    server.ok(&["apply", "-f", "examples/room", "--token-file", &right]);
    let listed = server.ok(&["get", "twins", "-o", "name", "--token-file", &right]);
    assert!(listed.contains("twin/kitchen"), "{listed}");
    for (who, flags) in [
        ("anonymous", &[][..]),
        ("wrong token", &["--token-file", wrong.as_str()]),
    ] {
        let ran = server.run(&[&["get", "twins"], flags].concat());
        assert_eq!(ran.code, 1, "{who}: {}", ran.err);
        assert!(
            ran.err.contains("error[unauthorized]"),
            "{who}: {}",
            ran.err
        );
    }
    // Without the context nobody tells the client which authority to trust.
    let stranger = Home::new();
    let ask = [
        "get",
        "twins",
        "--server",
        &server.http,
        "--token-file",
        &right,
    ];
    let ran = stranger.run(&ask);
    assert_eq!(ran.code, 3, "{}", ran.err);
    let ran = stranger.run(&[&ask[..], &["--ca", &beyond.ca]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    // A reader may look and not change; a token that was taken back opens nothing.
    let data = home.path.join("data").to_str().unwrap().to_owned();
    let made = server.ok(&[
        "auth", "token", "create", "eye", "--data", &data, "-o", "json",
    ]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let reader = beyond.file("reader", made["token"].as_str().unwrap());
    wait("the server knows the new token", || {
        let ran = server.run(&["get", "twins", "--token-file", &reader]);
        (ran.code == 0).then_some(())
    });
    let ran = server.run(&["delete", "twin", "kitchen", "--token-file", &reader]);
    assert_ne!(ran.code, 0, "a reader deleted a twin");
    server.ok(&["auth", "token", "revoke", "eye", "--data", &data]);
    wait("the server knows that the token was taken back", || {
        let ran = server.run(&["get", "twins", "--token-file", &reader]);
        ran.err.contains("error[unauthorized]").then_some(())
    });
}

#[test]
fn mqtt_beyond_loopback_is_tls_and_asks_for_a_token() {
    let Some(beyond) = Beyond::start("mqtt_beyond_loopback_is_tls_and_asks_for_a_token") else {
        return;
    };
    assert_eq!(beyond.connect(Some(&beyond.token)), 0, "accepted");
    assert_eq!(
        beyond.connect(Some("gemelli_admin_wrong")),
        4,
        "bad password"
    );
    assert_eq!(beyond.connect(None), 4, "nobody comes in unnamed");
    // Who does not speak TLS gets no MQTT.
    let mut plain = TcpStream::connect(&beyond.server.mqtt).unwrap();
    plain.set_read_timeout(Some(LIMIT)).unwrap();
    plain
        .write_all(b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03out")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert_ne!(answer.first(), Some(&0x20), "a CONNACK in the clear");
}
