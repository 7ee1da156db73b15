//! TLS, WebSocket, limits of listeners.

use crate::node::{Node, Peer};
use futures_util::{SinkExt, StreamExt};
use gemelli_broker::{Listen, Options, Reason};
use gemelli_mqtt::{Client, Outgoing, Qos, Version, packet::Connect};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};

fn listen() -> Listen {
    Listen {
        websocket: false,
        tls: None,
        max_connections: 100,
    }
}

struct Keys {
    server: Arc<rustls::ServerConfig>,
    with_certificate: Arc<rustls::ClientConfig>,
    without: Arc<rustls::ClientConfig>,
}

fn keys() -> Keys {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let make = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &issuer)
            .unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.der().clone()], key)
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        roots.clone(),
        provider.clone(),
    )
    .allow_unauthenticated()
    .build()
    .unwrap();
    let (chain, key) = make("localhost");
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let client = || {
        rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
    };
    let (chain, key) = make("device");
    Keys {
        server: Arc::new(server),
        with_certificate: Arc::new(client().with_client_auth_cert(chain, key).unwrap()),
        without: Arc::new(client().with_no_client_auth()),
    }
}

async fn tls(
    node: &Node,
    config: &Arc<rustls::ClientConfig>,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let tcp = TcpStream::connect(node.address).await.unwrap();
    TlsConnector::from(config.clone())
        .connect("localhost".try_into().unwrap(), tcp)
        .await
        .unwrap()
}

#[test]
fn mqtt_over_tls_with_and_without_a_client_certificate() {
    let keys = keys();
    let node = Node::on(
        Arc::default(),
        Options::default(),
        Listen {
            tls: Some(keys.server.clone()),
            ..listen()
        },
    );
    node.run(async {
        for config in [&keys.with_certificate, &keys.without] {
            let mut peer = Peer::over(
                Box::new(tls(&node, config).await),
                Connect::new(Version::V5, "c"),
            );
            assert_eq!(peer.greet().await.reason, Reason::SUCCESS);
            peer.subscribe("a", Qos::ExactlyOnce).await;
            assert_eq!(
                peer.put("a", &"x".repeat(300_000), Qos::ExactlyOnce).await,
                Reason::SUCCESS
            );
            assert_eq!(peer.message().await.payload.len(), 300_000);
        }
        // Plain MQTT on a TLS port is no handshake.
        let mut plain = Peer::dial(node.address, Connect::new(Version::V311, "c")).await;
        plain.client.connect(&mut plain.output);
        plain.flush().await;
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut plain.wire, &mut answer)
            .await
            .ok();
        assert!(
            answer.first().is_none_or(|b| *b == 0x15),
            "a TLS alert at most"
        );
    });
    node.eventually(|m| m.refused_connections == 1);
}

async fn open(
    node: &Node,
    protocol: Option<&str>,
    origin: Option<&str>,
) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, tungstenite::Error> {
    let mut request = format!("ws://{}/mqtt", node.address)
        .into_client_request()
        .unwrap();
    if let Some(protocol) = protocol {
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
    }
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("Origin", origin.parse().unwrap());
    }
    let tcp = TcpStream::connect(node.address).await.unwrap();
    tokio_tungstenite::client_async(request, tcp)
        .await
        .map(|(socket, response)| {
            assert_eq!(response.headers()["sec-websocket-protocol"], "mqtt");
            socket
        })
}

#[test]
fn mqtt_over_websocket() {
    let node = Node::on(
        Arc::default(),
        Options::default(),
        Listen {
            websocket: true,
            ..listen()
        },
    );
    node.run(async {
        for (protocol, origin) in [
            (None, None),
            (Some("soap"), None),
            (Some("mqtt"), Some("http://evil.example")),
        ] {
            let refused = open(&node, protocol, origin).await;
            let Err(tungstenite::Error::Http(response)) = refused else {
                panic!("{protocol:?} {origin:?} was taken")
            };
            assert!(response.status().is_client_error());
        }
        let mut socket = open(&node, Some("mqtt"), Some("http://localhost:8080"))
            .await
            .unwrap();
        let mut client = Client::new(Connect::new(Version::V5, "c"));
        let (mut input, mut output) = (bytes::BytesMut::new(), bytes::BytesMut::new());
        client.connect(&mut output);
        client.subscribe(&[("a", Default::default())], None, &mut output);
        client
            .publish(
                Outgoing {
                    topic: "a",
                    qos: Qos::AtLeastOnce,
                    ..Outgoing::new(&[7; 1_000])
                },
                &mut output,
            )
            .unwrap();
        // Packets need not align with messages.
        while !output.is_empty() {
            let piece = output.split_to(output.len().min(7));
            socket.send(Message::Binary(piece.freeze())).await.unwrap();
        }
        let mut events = 0;
        while events < 4 {
            let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            input.extend_from_slice(&bytes);
            while client.receive(&mut input, &mut output).unwrap().is_some() {
                events += 1;
            }
        }
        // A text message ends the connection.
        socket.send(Message::text("hello")).await.unwrap();
        let end = async { while let Some(Ok(_)) = socket.next().await {} };
        tokio::time::timeout(crate::node::PATIENCE, end)
            .await
            .expect("the connection stays open");
    });
}

#[test]
fn mqtt_over_websocket_over_tls() {
    let keys = keys();
    let listen = Listen {
        websocket: true,
        tls: Some(keys.server.clone()),
        ..listen()
    };
    let node = Node::on(Arc::default(), Options::default(), listen);
    node.run(async {
        let mut request = "wss://localhost/mqtt".into_client_request().unwrap();
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
        let (mut socket, _) =
            tokio_tungstenite::client_async(request, tls(&node, &keys.without).await)
                .await
                .unwrap();
        let mut client = Client::new(Connect::new(Version::V311, "c"));
        let (mut input, mut output) = (bytes::BytesMut::new(), bytes::BytesMut::new());
        client.connect(&mut output);
        socket
            .send(Message::Binary(output.split().freeze()))
            .await
            .unwrap();
        while client.receive(&mut input, &mut output).unwrap().is_none() {
            if let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() {
                input.extend_from_slice(&bytes);
            }
        }
    });
}

#[test]
fn connections_beyond_the_limit_are_refused() {
    for (of_listener, of_all) in [(2, 100), (100, 2)] {
        let options = Options {
            max_connections: of_all,
            ..Options::default()
        };
        let node = Node::on(
            Arc::default(),
            options,
            Listen {
                max_connections: of_listener,
                ..listen()
            },
        );
        node.run(async {
            let first = Peer::new(&node, "a").await;
            let _second = Peer::new(&node, "b").await;
            let mut third = Peer::dial(node.address, Connect::new(Version::V5, "c")).await;
            third.client.connect(&mut third.output);
            third.flush().await;
            assert_eq!(third.end().await, None);
            crate::node::vanish(first).await;
            Peer::new(&node, "c").await;
        });
        node.eventually(|m| m.refused_connections == 1);
    }
}
