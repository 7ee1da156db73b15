//! The client against canned answers over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use gemelli_client::{Client, Context, Error, Options, Span, TwinFilter, Watch};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Serves each answer once, in order, and hands back what was asked for.
fn canned(answers: Vec<(u16, &'static str, String)>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        for (status, kind, body) in answers {
            let (mut socket, _) = listener.accept().unwrap();
            asked.send(request(&socket)).unwrap();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            socket.write_all(head.as_bytes()).unwrap();
            socket.write_all(body.as_bytes()).unwrap();
        }
    });
    (address, requests)
}

fn request(socket: &TcpStream) -> String {
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" || line.is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn next(requests: &mpsc::Receiver<String>) -> String {
    requests.recv_timeout(Duration::from_secs(10)).unwrap()
}

#[test]
fn a_list_is_read_page_by_page() {
    let page = |items: &str, next: &str| {
        (
            200,
            "application/json",
            format!(r#"{{"items":[{items}],"next":{next}}}"#),
        )
    };
    let (server, requests) = canned(vec![
        page(r#"{"id":"a","interface":"I"}"#, r#""a""#),
        page(r#"{"id":"b/1","interface":"I"}"#, "null"),
    ]);
    let client = Client::new(&Options::of(server)).unwrap();
    let filter = TwinFilter {
        interface: Some("dtmi:x;1".into()),
        limit: Some(1),
    };
    let ids: Vec<_> = client.twins(&filter).map(|twin| twin.unwrap().id).collect();
    assert_eq!(ids, ["a", "b/1"]);
    assert!(next(&requests).starts_with("GET /v1/twins?interface=dtmi%3Ax%3B1&limit=1 "));
    assert!(next(&requests).starts_with("GET /v1/twins?interface=dtmi%3Ax%3B1&limit=1&after=a "));
}

#[test]
fn a_refusal_carries_the_servers_words_and_the_token_was_sent() {
    let body = r#"{"status":404,"code":"unknown-twin","detail":"no twin `x`","remedy":"see `gemelli get twins`"}"#;
    let (server, requests) = canned(vec![(404, "application/problem+json", body.into())]);
    let client = Client::new(&Options {
        token: Some("secret".into()),
        ..Options::of(server)
    })
    .unwrap();
    let error = client
        .history("x", &Span::default())
        .next()
        .unwrap()
        .unwrap_err();
    assert_eq!(
        (error.code(), error.status(), error.remedy()),
        ("unknown-twin", Some(404), "see `gemelli get twins`")
    );
    assert!(
        next(&requests)
            .to_ascii_lowercase()
            .contains("authorization: bearer secret")
    );
}

#[test]
fn events_go_as_structured_cloudevents() {
    let (server, requests) = canned(vec![
        (202, "application/json", String::new()),
        (202, "application/json", String::new()),
    ]);
    let client = Client::new(&Options::of(server)).unwrap();
    client.send(&serde_json::json!({"id": "1"})).unwrap();
    client.send(&serde_json::json!([{"id": "1"}])).unwrap();
    assert!(next(&requests).contains("application/cloudevents+json"));
    assert!(next(&requests).contains("application/cloudevents-batch+json"));
}

#[test]
fn a_stream_goes_on_after_the_last_event_seen() {
    let (server, requests) = canned(vec![(
        200,
        "text/event-stream",
        "id: 5\ndata: {\"a\":1}\n\n".into(),
    )]);
    let client = Client::new(&Options::of(server)).unwrap();
    let watch = Watch {
        twin: Some("t".into()),
        after: Some(4),
        ..Watch::default()
    };
    let items: Vec<_> = client.watch(&watch).unwrap().map(Result::unwrap).collect();
    assert_eq!((items.len(), items[0].seq), (1, Some(5)));
    let asked = next(&requests);
    assert!(
        asked.starts_with("GET /v1/stream?twin=t ")
            && asked.to_ascii_lowercase().contains("last-event-id: 4")
    );
}

#[test]
fn silence_is_unreachable_or_a_stale_context() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = Client::new(&Options::of(free.to_string())).unwrap();
    assert!(matches!(
        client.status().unwrap_err(),
        Error::Unreachable { .. }
    ));

    let options = Options {
        from_context: Some("c.json".into()),
        ..Options::of(free.to_string())
    };
    let error = Client::new(&options).unwrap().status().unwrap_err();
    assert_eq!(error.code(), "stale-context");
    assert!(
        error.to_string().contains("nothing listens there")
            && error.remedy().contains("gemelli up")
    );
}

#[test]
fn a_context_of_a_process_that_is_gone_is_stale() {
    let folder = std::env::temp_dir().join(format!("gemelli-context-{}", std::process::id()));
    let file = folder.join("deep/context.json");
    assert!(matches!(
        Context::read(&file).unwrap_err(),
        Error::NoContext { .. }
    ));

    let mut context = Context {
        server: "http://127.0.0.1:1".into(),
        mqtt: "127.0.0.1:2".into(),
        pid: std::process::id(),
        data: "/tmp/d".into(),
        ca: None,
    };
    context.write(&file).unwrap();
    assert_eq!(Context::read(&file).unwrap(), context);

    let other = Context {
        pid: 1,
        ..context.clone()
    };
    other.remove(&file).unwrap();
    assert!(file.exists(), "another server's context stays");

    context.pid = u32::MAX - 1;
    context.write(&file).unwrap();
    if std::path::Path::new("/proc/self").exists() {
        assert_eq!(Context::read(&file).unwrap_err().code(), "stale-context");
    }
    context.remove(&file).unwrap();
    assert!(!file.exists());
    std::fs::remove_dir_all(folder).unwrap();
}
