//! Who gets in: hosts, origins, tokens, addresses; and how refusals look.

use crate::rig::{Folder, Server, request};
use gemelli_api::{App, Listen, ServeError, serve};
use gemelli_auth::{Access, Role};
use std::{sync::Arc, time::SystemTime};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_this_machines_own_programs_and_pages_get_in() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let port = server.http.port();
    let own = format!("localhost:{port}");
    let page = format!("http://localhost:{port}");
    server
        .raw("GET", "/healthz", &[("host", &own)], "")
        .await
        .expect(200);
    server
        .raw("GET", "/healthz", &[("host", &own), ("origin", &page)], "")
        .await
        .expect(200);
    let rebound = format!("evil.example:{port}");
    for headers in [
        vec![("host", rebound.as_str())],
        vec![("host", "192.168.0.7")],
        vec![("host", own.as_str()), ("origin", "https://evil.example")],
        vec![("host", own.as_str()), ("origin", "null")],
    ] {
        for path in ["/", "/v1/stream", "/events", "/nothing"] {
            let refused = server.raw("GET", path, &headers, "").await.expect(403);
            assert_eq!(refused.json()["code"], "forbidden-host", "{headers:?}");
        }
        let refused = server
            .raw("POST", "/events", &headers, "{}")
            .await
            .expect(403);
        assert!(refused.header("access-control-allow-origin").is_none());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_and_not_so_are_problems_too() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    assert_eq!(
        server.get("/v2/nothing").await.expect(404).json()["code"],
        "not-found"
    );
    assert_eq!(
        server
            .send("PUT", "/v1/apply", &[], "")
            .await
            .expect(405)
            .json()["code"],
        "method-not-allowed"
    );
    assert_eq!(
        server.get("/v1/twins?limit=many").await.json()["code"],
        "unknown-field"
    );
    assert_eq!(
        server.get("/v1/twins/nobody").await.expect(404).json()["code"],
        "unknown-twin"
    );
    assert_eq!(
        server
            .get("/v1/twins/nobody/history")
            .await
            .expect(404)
            .json()["code"],
        "unknown-twin"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_loopback_a_token_is_needed() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let never = std::future::pending::<()>;
    let open = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let app = App::new(server.node().clone(), Vec::new());
    let refused = serve(app.clone(), open, Listen::default(), never()).await;
    assert!(matches!(refused, Err(ServeError::NeedsAuth(_))));

    gemelli_auth::init(folder.path(), &["localhost".to_owned()], SystemTime::now()).unwrap();
    let auth = Arc::new(Access::open(folder.path(), Vec::new()).unwrap());
    let tokens = auth.tokens();
    let reader = tokens
        .add("reader", Role::Reader, SystemTime::now())
        .unwrap();
    let admin = tokens
        .add("admin2", Role::Admin, SystemTime::now())
        .unwrap();
    let open = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = open.local_addr().unwrap().port();
    let listen = Listen {
        tls: None,
        auth: Some(auth.clone()),
    };
    let serving =
        tokio::spawn(async move { serve(app, open, listen, std::future::pending()).await });
    let http = format!("127.0.0.1:{port}").parse().unwrap();
    let ask = async |token: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {token}");
        request(
            http,
            method,
            path,
            &[("host", "gemelli.example"), ("authorization", &bearer)],
            "",
        )
        .await
        .status
    };
    let bare = request(http, "GET", "/v1/twins", &[("host", "gemelli.example")], "")
        .await
        .expect(401);
    assert_eq!(
        (bare.header("www-authenticate"), &bare.json()["code"]),
        (Some("Bearer"), &"unauthorized".into())
    );
    let adt = request(http, "GET", "/digitaltwins/a", &[("host", "g.example")], "")
        .await
        .expect(401);
    assert_eq!(adt.header("www-authenticate"), Some("Bearer"));
    assert_eq!(adt.json()["error"]["code"], "Unauthorized");
    assert_eq!(ask("gemelli_wrong", "GET", "/v1/twins").await, 401);
    assert_eq!(ask(&reader, "GET", "/v1/twins").await, 200);
    assert_eq!(ask(&reader, "POST", "/v1/apply").await, 403);
    assert_eq!(ask(&reader, "POST", "/events").await, 400);
    assert_ne!(ask(&admin, "POST", "/v1/apply").await, 403);
    serving.abort();
    server.stop().await;
}
