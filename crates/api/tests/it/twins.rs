//! Twins and relationships: create, read, change, delete.

use crate::rig::{Folder, ROOMS, Server};
use serde_json::json;

const PATCH: &[(&str, &str)] = &[("content-type", "application/json-patch+json")];

async fn rooms(folder: &Folder) -> Server {
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_is_put_patched_and_deleted_in_the_shape_of_azure() {
    let folder = Folder::new();
    let server = rooms(&folder).await;
    let body = json!({ "$metadata": { "$model": "room" }, "temperature": 20.5 }).to_string();
    let made = server
        .send("PUT", "/digitaltwins/hall", &[], &body)
        .await
        .expect(200);
    let tag = made.header("etag").unwrap().to_owned();
    let twin = made.json();
    assert_eq!(
        (&twin["$dtId"], &twin["$etag"], &twin["temperature"]),
        (&json!("hall"), &json!(tag), &json!(20.5))
    );
    assert_eq!(twin["$metadata"]["$model"], "room");
    assert!(twin["$metadata"]["temperature"]["lastUpdateTime"].is_string());
    assert_eq!(twin["warm"], true);

    let twice = server
        .send(
            "PUT",
            "/digitaltwins/hall",
            &[("if-none-match", "*")],
            &body,
        )
        .await
        .expect(412);
    assert_eq!(twice.json()["error"]["code"], "PreconditionFailed");

    let patch = r#"[{"op":"replace","path":"/temperature","value":18}]"#;
    let stale = [PATCH, &[("if-match", "W/\"stale\"")]].concat();
    let refused = server
        .send("PATCH", "/digitaltwins/hall", &stale, patch)
        .await
        .expect(412);
    assert_eq!(refused.json()["code"], "precondition-failed");
    let fitting = [PATCH, &[("if-match", tag.as_str())]].concat();
    let patched = server
        .send("PATCH", "/digitaltwins/hall", &fitting, patch)
        .await
        .expect(204);
    assert_ne!(patched.header("etag"), Some(tag.as_str()));
    assert_eq!(
        server.get("/digitaltwins/hall").await.expect(200).json()["warm"],
        false
    );

    server
        .send(
            "DELETE",
            "/digitaltwins/hall",
            &[("if-match", tag.as_str())],
            "",
        )
        .await
        .expect(412);
    server
        .send("DELETE", "/digitaltwins/hall", &[("if-match", "*")], "")
        .await
        .expect(204);
    let gone = server.get("/digitaltwins/hall").await.expect(404);
    assert_eq!(gone.json()["error"]["code"], "DigitalTwinNotFound");
    assert_eq!(gone.header("x-ms-error-code"), Some("DigitalTwinNotFound"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relationships_are_made_listed_and_guard_their_ends() {
    let folder = Folder::new();
    let server = rooms(&folder).await;
    let body = json!({ "$relationshipName": "beside", "$targetId": "kitchen" }).to_string();
    let made = server
        .send("PUT", "/digitaltwins/office/relationships/r1", &[], &body)
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&made["$sourceId"], &made["$targetId"]),
        (&json!("office"), &json!("kitchen"))
    );
    let list = server
        .get("/digitaltwins/office/relationships")
        .await
        .expect(200)
        .json();
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
    let none = server
        .get("/digitaltwins/office/relationships?relationshipName=other")
        .await
        .expect(200)
        .json();
    assert_eq!(none, json!({ "value": [], "nextLink": null }));
    let incoming = server
        .get("/digitaltwins/kitchen/incomingrelationships")
        .await
        .expect(200)
        .json();
    assert_eq!(
        incoming["value"][0]["$relationshipLink"],
        "/digitaltwins/office/relationships/r1"
    );
    let held = server
        .send("DELETE", "/digitaltwins/kitchen", &[], "")
        .await
        .expect(400);
    assert_eq!(held.json()["error"]["code"], "RelationshipsNotDeleted");
    server
        .send("DELETE", "/digitaltwins/office/relationships/r1", &[], "")
        .await
        .expect(204);
    server
        .get("/digitaltwins/office/relationships/r1")
        .await
        .expect(404);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_id_goes_through() {
    let folder = Folder::new();
    let server = rooms(&folder).await;
    let body = json!({ "$metadata": { "$model": "room" } }).to_string();
    for (path, id) in [
        ("a%2Fb%2Bc%23d", "a/b+c#d"),
        ("%C3%BC%20%27%22%3C%3E", "ü '\"<>"),
        ("..%2F..%2Fetc%2Fpasswd", "../../etc/passwd"),
        ("%2E%2E", ".."),
        ("x%25y", "x%y"),
    ] {
        let made = server
            .send("PUT", &format!("/digitaltwins/{path}"), &[], &body)
            .await
            .expect(200);
        assert_eq!(made.json()["$dtId"], id);
        let full = server
            .get(&format!("/v1/twins/{path}"))
            .await
            .expect(200)
            .json();
        assert_eq!(full["id"], id);
        let sent = server
            .send("POST", "/events", &[("content-type", "application/cloudevents+json")], &json!({
                "specversion": "1.0", "id": "1", "source": id, "type": "ktwin.real.room", "data": { "temperature": 1 },
            }).to_string())
            .await;
        sent.expect(202);
        let history = server
            .get(&format!("/v1/twins/{path}/history"))
            .await
            .expect(200)
            .json();
        assert!(
            history["items"]
                .as_array()
                .unwrap()
                .iter()
                .any(|i| i["category"] == "real"),
            "{history}"
        );
    }
    for bad in ["%00", "%0A", "%FF", &"x".repeat(3_000)] {
        let refused = server
            .send("PUT", &format!("/digitaltwins/{bad}"), &[], &body)
            .await;
        assert!((400..500).contains(&refused.status), "{bad}: {refused:?}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_come_page_by_page() {
    let folder = Folder::new();
    let server = rooms(&folder).await;
    let first = server.get("/v1/twins?limit=1").await.expect(200).json();
    assert_eq!(
        (&first["items"][0]["id"], &first["next"]),
        (&json!("kitchen"), &json!("kitchen"))
    );
    let second = server
        .get("/v1/twins?limit=1&after=kitchen")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&second["items"][0]["id"], &second["next"]),
        (&json!("office"), &json!(null))
    );
    let none = server
        .get("/v1/twins?interface=romo")
        .await
        .expect(404)
        .json();
    assert_eq!(
        (&none["code"], &none["remedy"]),
        (&json!("unknown-interface"), &json!("did you mean room?"))
    );
    for path in ["/v1/stream?interface=romo", "/v1/stream?twin=nobody"] {
        server.get(path).await.expect(404);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_history_and_export_survive_stop_and_kill() {
    let folder = Folder::new();
    let mut server = rooms(&folder).await;
    for round in 0..3 {
        for n in 0..10 {
            let id = format!("office#{}", round * 10 + n);
            let body = json!({ "specversion": "1.0", "id": id, "source": "office", "type": "ktwin.real.room",
                "time": format!("2026-01-01T00:00:{:02}Z", round * 10 + n), "data": { "temperature": 15 + n } });
            let headers = [("content-type", "application/cloudevents+json")];
            server
                .send("POST", "/events", &headers, &body.to_string())
                .await
                .expect(202);
        }
        let twin = server.get("/v1/twins/office").await.expect(200).json();
        let export = server.get("/v1/history").await.expect(200).body;
        match round {
            1 => server.kill().await,
            _ => server.stop().await,
        }
        server = Server::start(folder.path()).await;
        assert_eq!(
            server.get("/v1/twins/office").await.expect(200).json()["properties"],
            twin["properties"]
        );
        assert_eq!(server.get("/v1/history").await.expect(200).body, export);
    }
    let all = server
        .get("/v1/twins/office/history?limit=1000")
        .await
        .expect(200)
        .json();
    let real = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|i| i["category"] == "real")
        .count();
    assert_eq!(real, 30);
    let span = "/v1/twins/office/history?from=2026-01-01T00:00:05Z&to=2026-01-01T00:00:08Z";
    let part = server.get(span).await.expect(200).json();
    let ids: Vec<_> = part["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|i| i["id"].as_str())
        .collect();
    assert_eq!(ids, ["office#5", "office#6", "office#7"]);
    // Page by page gives the same as at once.
    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let page = server
            .get(&format!("/v1/twins/office/history?limit=7{after}"))
            .await
            .expect(200)
            .json();
        paged.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_u64() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(json!(paged), all["items"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_twin_stays_so_through_a_crash_until_it_is_started() {
    let folder = Folder::new();
    let server = rooms(&folder).await;
    let event = |id: u8| {
        json!({ "specversion": "1.0", "id": id.to_string(), "source": "office",
                "type": "ktwin.real.room", "data": { "temperature": 20.0 + f64::from(id) } })
        .to_string()
    };
    let cloud = &[("content-type", "application/cloudevents+json")];
    server
        .send("POST", "/events", cloud, &event(1))
        .await
        .expect(202);
    let shown = server.get("/v1/twins/office").await.expect(200).json();
    assert_eq!(
        (
            &shown["lifecycle"],
            &shown["connected"],
            &shown["entanglement"]
        ),
        (&json!("synchronized"), &json!(false), &json!(1.0)),
        "a report by HTTP is proof of an asset"
    );
    assert_eq!(shown["fidelity"]["availability"], 1.0);
    let stopped = server.send("POST", "/v1/twins/office/stop", &[], "").await;
    assert_eq!(stopped.expect(200).json()["lifecycle"], "stopped");
    server.kill().await;
    let server = Server::start(folder.path()).await;
    let refused = server.send("POST", "/events", cloud, &event(2)).await;
    assert_eq!(refused.expect(409).json()["code"], "twin-stopped");
    let shown = server.get("/v1/twins/office").await.expect(200).json();
    assert_eq!(
        (&shown["lifecycle"], &shown["entanglement"]),
        (&json!("stopped"), &json!(0.0))
    );
    assert_eq!(shown["properties"]["temperature"]["value"], 21.0);
    let letters = server.get("/v1/deadletters").await.expect(200).json();
    assert_eq!(letters["items"][0]["code"], "twin-stopped");
    let started = server.send("POST", "/v1/twins/office/start", &[], "").await;
    assert_eq!(started.expect(200).json()["lifecycle"], "unbound");
    server
        .send("POST", "/events", cloud, &event(2))
        .await
        .expect(202);
    let shown = server.get("/v1/twins/office").await.expect(200).json();
    assert_eq!(shown["lifecycle"], "synchronized");
    let unknown = server.send("POST", "/v1/twins/offce/stop", &[], "").await;
    assert_eq!(unknown.expect(404).json()["code"], "unknown-twin");
}
