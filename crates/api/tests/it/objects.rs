//! Manifests: apply, dry run, list, delete.

use crate::rig::{Folder, ROOMS, Server};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_says_what_became_of_each_object() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let results = |answer: &serde_json::Value| -> Vec<String> {
        answer["objects"]
            .as_array()
            .unwrap()
            .iter()
            .map(|o| o["result"].as_str().unwrap().to_owned())
            .collect()
    };
    let dry = server
        .send("POST", "/v1/apply?dryRun=true", &[], ROOMS)
        .await
        .expect(200)
        .json();
    assert_eq!(results(&dry), ["created"; 3]);
    server.get("/v1/twins/office").await.expect(404);
    assert_eq!(results(&server.apply(ROOMS).await), ["created"; 3]);
    assert_eq!(results(&server.apply(ROOMS).await), ["unchanged"; 3]);
    let changed = server
        .apply(&ROOMS.replace("temperature >= 19", "temperature >= 18"))
        .await;
    assert_eq!(results(&changed)[0], "configured");
    assert_eq!(
        server.get("/digitaltwins/office").await.json()["warm"],
        true,
        "18.5 is warm now"
    );
    // What is listed can be applied as it is.
    let listed = server.get("/v1/objects/twins").await.expect(200).json();
    let again = server
        .send("POST", "/v1/apply", &[], &listed["items"].to_string())
        .await
        .expect(200)
        .json();
    assert_eq!(results(&again), ["unchanged"; 2]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_half_applied() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let typo = ROOMS.replace("humidity, schema: double", "humidity, schema: dubble");
    let refused = server.send("POST", "/v1/apply", &[], &typo).await;
    let problem = refused.json();
    assert!((400..500).contains(&refused.status), "{problem}");
    assert!(
        problem["line"].as_u64().is_some() && problem["errors"].as_array().is_some(),
        "{problem}"
    );
    let unknown = format!(
        "{ROOMS}---\napiVersion: gemelli.dev/v1\nkind: Twin\nmetadata: {{ name: x }}\nspec: {{ interface: nothing }}\n"
    );
    let refused = server.send("POST", "/v1/apply", &[], &unknown).await;
    assert_eq!(refused.json()["code"], "unknown-interface");
    let objects = server
        .get("/v1/objects/interfaces")
        .await
        .expect(200)
        .json();
    assert_eq!(objects, json!({ "items": [], "next": null }));
    server.send("POST", "/v1/apply", &[], "").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_found_by_kind_and_deleted() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    let interface = server
        .get("/v1/objects/Interface/room")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&interface["kind"], &interface["metadata"]["name"]),
        (&json!("Interface"), &json!("room"))
    );
    let twin = server
        .get("/v1/objects/twin/kitchen")
        .await
        .expect(200)
        .json();
    assert_eq!(twin["spec"]["relationships"][0]["target"], "office");
    let wrong = server.get("/v1/objects/twinz").await.expect(404).json();
    assert_eq!(
        (&wrong["code"], &wrong["remedy"]),
        (&json!("unknown-kind"), &json!("did you mean twins?"))
    );
    let used = server
        .send("DELETE", "/v1/objects/interface/room", &[], "")
        .await;
    assert!(
        (400..500).contains(&used.status),
        "an interface with twins stays: {used:?}"
    );
    server
        .send(
            "DELETE",
            "/digitaltwins/kitchen/relationships/beside",
            &[],
            "",
        )
        .await
        .expect(204);
    for name in ["kitchen", "office"] {
        server
            .send("DELETE", &format!("/v1/objects/twins/{name}"), &[], "")
            .await
            .expect(204);
    }
    server
        .send("DELETE", "/v1/objects/interface/room", &[], "")
        .await
        .expect(204);
    server
        .send("DELETE", "/v1/objects/interface/room", &[], "")
        .await
        .expect(404);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_has_its_place_in_what_was_sent() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    let text = "apiVersion: gemelli.dev/v1
kind: Connection
metadata: { name: c }
spec:
  topics:
    - pattern: s/{id}/t
      interface: room
      twin: \"{idd}\"
      payload:
        temperature: payload.(
";
    let problem = server
        .send("POST", "/v1/apply", &[], text)
        .await
        .expect(422)
        .json();
    assert_eq!(
        problem["object"],
        json!({ "kind": "Connection", "name": "c" })
    );
    let places: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            format!(
                "{} {}:{}",
                e["pointer"].as_str().unwrap(),
                e["line"],
                e["column"]
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            "/spec/topics/0/payload/temperature 10:22",
            "/spec/topics/0/twin 8:13"
        ]
    );
    server
        .send(
            "PATCH",
            "/digitaltwins/office",
            &[],
            r#"[{"op":"add","path":"/warm","value":true}]"#,
        )
        .await
        .expect(400);
    let values = r#"[{"op":"add","path":"/temperature","value":18.5}]"#;
    server
        .send("PATCH", "/digitaltwins/office", &[], values)
        .await
        .expect(204);
    let other = ROOMS.replace("temperature, schema: double", "temperature, schema: string");
    for path in ["/v1/apply?dryRun=true", "/v1/apply"] {
        let refused = server.send("POST", path, &[], &other).await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (409, &json!("in-use")),
            "{refused:?}"
        );
    }
    server.stop().await;
}
