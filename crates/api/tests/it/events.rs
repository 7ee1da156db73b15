//! CloudEvents in and what comes of them.

use crate::rig::{Folder, LIMIT, ROOMS, Server, options};
use serde_json::json;

const STRUCTURED: &[(&str, &str)] = &[("content-type", "application/cloudevents+json")];
const BATCH: &[(&str, &str)] = &[(
    "content-type",
    "application/cloudevents-batch+json; charset=utf-8",
)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_forms_are_answered_when_they_are_visible() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    let event = |id: &str, t: f64| json!({ "specversion": "1.0", "id": id, "source": "office", "type": "ktwin.real.room", "data": { "temperature": t } });
    let now =
        async || server.get("/digitaltwins/office").await.expect(200).json()["temperature"].clone();
    server
        .send("POST", "/events", STRUCTURED, &event("1", 1.5).to_string())
        .await
        .expect(202);
    assert_eq!(now().await, 1.5);
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "office"),
        ("ce-type", "ktwin.real.room"),
        ("ce-subject", ""),
    ];
    server
        .send("POST", "/events", &binary, r#"{"temperature":2.5}"#)
        .await
        .expect(202);
    assert_eq!(now().await, 2.5);
    let batch = json!([event("3", 3.5), event("4", 4.5)]).to_string();
    server
        .send("POST", "/events", BATCH, &batch)
        .await
        .expect(202);
    assert_eq!(now().await, 4.5);
    server
        .send("POST", "/events", STRUCTURED, &event("3", 9.5).to_string())
        .await
        .expect(202);
    assert_eq!(now().await, 4.5, "an id counts once");
    server.stop().await;
}

/// Decision 9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_member_that_stands_twice_the_last_counts_and_history_has_both() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    let data = r#"{"temperature":1.5,"note":"a","temperature":2.5}"#;
    let event = format!(
        r#"{{"specversion":"1.0","id":"1","source":"office","type":"ktwin.real.room","data":{data}}}"#
    );
    server
        .send("POST", "/events", STRUCTURED, &event)
        .await
        .expect(202);
    let twin = server.get("/digitaltwins/office").await.expect(200).json();
    assert_eq!(
        (&twin["temperature"], &twin["note"]),
        (&json!(2.5), &json!("a"))
    );
    let history = server.get("/v1/twins/office/history").await.expect(200);
    assert!(history.body.contains(data), "{}", history.body);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_named_and_kept() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    let cases = [
        (STRUCTURED, "{\n  x", "malformed-json"),
        (STRUCTURED, r#"{"specversion":"1.0"}"#, "missing-field"),
        (
            STRUCTURED,
            r#"{"specversion":"1.0","id":"1","source":"office","type":"x"}"#,
            "malformed-cloudevent",
        ),
        (
            STRUCTURED,
            r#"{"specversion":"1.0","id":"1","source":"nobody","type":"ktwin.real.room","data":{}}"#,
            "unknown-twin",
        ),
        (
            STRUCTURED,
            r#"{"specversion":"1.0","id":"1","source":"office","type":"ktwin.real.room","data":{"temperature":"hot"}}"#,
            "wrong-type",
        ),
    ];
    for (headers, body, code) in cases {
        let refused = server.send("POST", "/events", headers, body).await;
        let problem = refused.json();
        assert_eq!(problem["code"], code, "{body}: {problem}");
        assert_eq!(problem["status"], refused.status);
        assert_eq!(problem["type"], format!("/errors/{code}"));
        assert_eq!(
            refused.header("content-type"),
            Some("application/problem+json")
        );
        assert!(
            problem["remedy"].as_str().is_some_and(|r| !r.is_empty()),
            "{problem}"
        );
    }
    let malformed = server
        .send("POST", "/events", STRUCTURED, "{\n  x")
        .await
        .json();
    assert_eq!(
        (&malformed["line"], &malformed["column"]),
        (&json!(2), &json!(3))
    );
    let mut kept = Vec::new();
    for _ in 0..200 {
        let letters = server
            .get("/v1/deadletters?limit=100")
            .await
            .expect(200)
            .json();
        kept = letters["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l["code"].as_str().unwrap().to_owned())
            .collect();
        if kept.len() > cases.len() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    kept.sort();
    assert_eq!(
        kept,
        [
            "malformed-cloudevent",
            "malformed-json",
            "malformed-json",
            "missing-field",
            "unknown-twin",
            "wrong-type"
        ]
    );
    let one_bad = json!([
        { "specversion": "1.0", "id": "a", "source": "office", "type": "ktwin.real.room", "data": { "temperature": 7 } },
        { "specversion": "1.0", "id": "b", "source": "nobody", "type": "ktwin.real.room", "data": {} },
    ]);
    let partly = server
        .send("POST", "/events", BATCH, &one_bad.to_string())
        .await;
    assert_eq!(partly.json()["errors"][0]["index"], 1, "{partly:?}");
    assert_eq!(partly.json()["applied"], json!([0]), "{partly:?}");
    assert!(partly.body.contains("same ids is safe"), "{partly:?}");
    assert_eq!(
        server.get("/digitaltwins/office").await.json()["temperature"],
        7.0
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pressure_and_size_are_answered_not_suffered() {
    let folder = Folder::new();
    let mut options = options(folder.path());
    options.limits.memory_bytes = 1;
    let server = Server::start_with(options).await;
    let event = r#"{"specversion":"1.0","id":"1","source":"x","type":"ktwin.real.room","data":{}}"#;
    let mut answer = server.send("POST", "/events", STRUCTURED, event).await;
    for _ in 0..500 {
        if answer.status == 429 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        answer = server.send("POST", "/events", STRUCTURED, event).await;
    }
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(answer.json()["code"], "backlog-full");
    let deep = format!(
        r#"{{"specversion":"1.0","id":"1","source":"x","type":"ktwin.real.room","data":{}{}}}"#,
        "[".repeat(90),
        "]".repeat(90)
    );
    let refused = server.send("POST", "/events", STRUCTURED, &deep).await;
    assert!((400..500).contains(&refused.status), "{refused:?}");
    let huge = "x".repeat(9 << 20);
    let refused = server
        .send("POST", "/events", STRUCTURED, &huge)
        .await
        .expect(413);
    assert_eq!(refused.json()["code"], "too-large");
    server.get("/v1/twins").await.expect(200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_its_limit_is_counted_and_leaves_a_letter() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let huge = "x".repeat(9 << 20);
    server
        .send("POST", "/events", STRUCTURED, &huge)
        .await
        .expect(413);
    let letter = tokio::time::timeout(LIMIT, async {
        loop {
            let letters = server.get("/v1/deadletters").await.expect(200).json();
            match letters["items"].get(0) {
                Some(letter) => break letter.clone(),
                None => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    });
    let letter = letter.await.unwrap();
    assert_eq!(
        (&letter["code"], &letter["origin"], &letter["payload"]),
        (&json!("too-large"), &json!("/events"), &json!(""))
    );
    let metrics = server.get("/metrics").await.expect(200).body;
    assert!(metrics.contains(r#"gemelli_rejected_total{code="too-large"} 1"#));
    server.stop().await;
}
