//! Who may do what: every row of the table of routes by every kind of principal.

use crate::rig::{Folder, LIMIT, Server};
use gemelli_api::{About, App, Listen, Needs, ROUTES, Route, serve};
use gemelli_auth::{Access, Action, Grant, Role};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Whether the guard let a request through to its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Handler,
    Unauthorized,
    Forbidden,
}

/// The path of a row, for one twin.
fn path(route: &Route, twin: &str) -> String {
    let segments = route.path.split('/').map(|segment| match segment {
        "{id}" => twin,
        "{kind}" => "twins",
        name if name.starts_with('{') => "nobody",
        other => other,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The status of an answer and the code of its problem; streams are not read further.
async fn ask(http: SocketAddr, method: &str, path: &str, token: Option<&str>) -> Met {
    let bearer = token.map_or(String::new(), |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{bearer}content-length: 0\r\nconnection: close\r\n\r\n"
    );
    let mut socket = TcpStream::connect(http).await.unwrap();
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    let read = async {
        let mut bytes = [0; 1024];
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let n = socket.read(&mut bytes).await.unwrap();
            assert!(n > 0, "no answer to {method} {path}");
            head.extend_from_slice(&bytes[..n]);
        }
    };
    tokio::time::timeout(LIMIT, read).await.unwrap();
    let head = String::from_utf8_lossy(&head);
    let status = head.split(' ').nth(1).unwrap();
    match status {
        "401" => {
            assert!(head.to_lowercase().contains("www-authenticate: bearer"));
            Met::Unauthorized
        }
        // Too many wrong tokens came before: those that were used meanwhile still count.
        "429" => Met::Unauthorized,
        "403" => Met::Forbidden,
        _ => Met::Handler,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_is_met_by_every_principal_as_the_table_says() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    gemelli_auth::init(folder.path(), &[], SystemTime::now()).unwrap();
    let auth = Arc::new(Access::open(folder.path(), Vec::new()).unwrap());
    let tokens = auth.tokens();
    let add = |name: &str, role| tokens.add(name, role, SystemTime::now()).unwrap();
    let admin = add("matrix-admin", Role::Admin);
    let writer = add("matrix-writer", Role::Writer);
    let reader = add("matrix-reader", Role::Reader);
    let limited = add("matrix-limited", Role::Limited);
    let grant = |name: &str, twin: Option<&str>, lifetime| {
        let role = if twin.is_none() {
            Role::Admin
        } else {
            Role::Device
        };
        let grant = Grant {
            twin,
            lifetime,
            ..Grant::of(name, role)
        };
        tokens.grant(&grant, SystemTime::now()).unwrap()
    };
    let own = grant("matrix-own", Some("nobody"), None);
    let other = grant("matrix-other", Some("somebody"), None);
    let expired = grant("matrix-expired", None, Some(Duration::ZERO));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = socket.local_addr().unwrap();
    let listen = Listen {
        tls: None,
        auth: Some(auth.clone()),
    };
    let app = App::new(server.node().clone(), Vec::new());
    let serving =
        tokio::spawn(async move { serve(app, socket, listen, std::future::pending()).await });

    let mut asked = 0;
    for route in ROUTES {
        let path = path(route, "nobody");
        let by_role = |held: Role| match route.needs {
            Needs::Nothing | Needs::Login => Met::Handler,
            Needs::Action(Action::Read) if held >= Role::Reader => Met::Handler,
            Needs::Action(Action::Report | Action::Write) if held >= Role::Writer => Met::Handler,
            Needs::Action(Action::Administer) if held >= Role::Admin => Met::Handler,
            Needs::Action(_) => Met::Forbidden,
        };
        let stranger = match route.needs {
            Needs::Nothing => Met::Handler,
            Needs::Login | Needs::Action(_) => Met::Unauthorized,
        };
        let owner = match (route.needs, route.about) {
            (Needs::Action(Action::Read | Action::Report), About::Twin(_)) => Met::Handler,
            _ => by_role(Role::Device),
        };
        for (who, token, wanted) in [
            ("admin", Some(&*admin), by_role(Role::Admin)),
            ("writer", Some(&*writer), by_role(Role::Writer)),
            ("reader", Some(&*reader), by_role(Role::Reader)),
            ("limited", Some(&*limited), by_role(Role::Limited)),
            ("the twin's device", Some(&*own), owner),
            (
                "another twin's device",
                Some(&*other),
                by_role(Role::Device),
            ),
            ("expired", Some(&*expired), stranger),
            ("stranger", Some("gemelli_wrong_token"), stranger),
            ("anonymous", None, stranger),
        ] {
            let met = ask(http, route.method, &path, token).await;
            assert_eq!(met, wanted, "{who}: {} {}", route.method, route.path);
            asked += 1;
        }
    }
    println!("{asked} requests for {} operations", ROUTES.len());
    assert!(asked >= 9 * 29);
    serving.abort();
    server.stop().await;
}
