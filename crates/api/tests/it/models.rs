//! Models of the data plane, and queries.

use crate::rig::{Answer, Folder, Server};
use serde_json::{Value as Json, json};

fn model(id: &str, more: &Json) -> Json {
    let mut model = json!({ "@id": id, "@type": "Interface", "@context": "dtmi:dtdl:context;3" });
    let members = model.as_object_mut().unwrap();
    members.extend(more.as_object().unwrap().clone());
    model
}

fn property(name: &str, schema: &str) -> Json {
    json!({ "@type": "Property", "name": name, "schema": schema })
}

/// A base, something that extends it, and something with both in it; the last one first.
fn set() -> Json {
    json!([
        model(
            "dtmi:t:Hall;1",
            &json!({
                "extends": "dtmi:t:Space;1",
                "displayName": { "en": "Hall", "de": "Halle" },
                "contents": [
                    { "@type": "Component", "name": "lamp", "schema": "dtmi:t:Lamp;1" },
                    { "@type": "Relationship", "name": "beside", "target": "dtmi:t:Space;1" },
                ]
            })
        ),
        model(
            "dtmi:t:Lamp;1",
            &json!({ "contents": [property("on", "boolean")] })
        ),
        model(
            "dtmi:t:Space;1",
            &json!({ "displayName": "Space", "contents": [property("area", "double")] })
        ),
    ])
}

async fn start(folder: &Folder) -> Server {
    let server = Server::start(folder.path()).await;
    let made = send(&server, "POST", "/models", &set())
        .await
        .expect(201)
        .json();
    assert_eq!(made.as_array().unwrap().len(), 3);
    server
}

async fn send(server: &Server, method: &str, path: &str, body: &Json) -> Answer {
    let body = match body {
        Json::Null => String::new(),
        body => body.to_string(),
    };
    server.send(method, path, &[], &body).await
}

#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) -> Json {
    let error = answer.expect(status).json()["error"].clone();
    assert_eq!(error["code"], code, "{error}");
    error
}

fn retire(retired: bool) -> Json {
    json!([{ "op": "replace", "path": "/decommissioned", "value": retired }])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_uploaded_together_in_any_order_or_not_at_all() {
    let folder = Folder::new();
    let server = start(&folder).await;
    for body in [Json::Null, json!([])] {
        let none = send(&server, "POST", "/models", &body).await.expect(201);
        assert_eq!(none.json(), json!([]));
    }
    let shown = server
        .get("/models/dtmi:t:Hall;1?includeModelDefinition=true")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (
            &shown["displayName"]["de"],
            &shown["description"],
            &shown["decommissioned"]
        ),
        (&json!("Halle"), &json!({}), &json!(false))
    );
    assert_eq!(shown["model"], set()[0]);
    assert!(
        shown["uploadTime"].as_str().unwrap().starts_with("20"),
        "{shown}"
    );
    let short = server
        .get("/models/dtmi%3At%3ASpace%3B1")
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&short["displayName"], short.get("model")),
        (&json!({ "en": "Space" }), None)
    );

    let good = model("dtmi:t:New;1", &json!({}));
    for (bad, status, code) in [
        (
            model("dtmi:t:Space;1", &json!({})),
            409,
            "ModelAlreadyExists",
        ),
        (
            model("dtmi:t:Odd;1", &json!({ "extends": "dtmi:t:None;1" })),
            400,
            "DTDLParserError",
        ),
        (
            model(
                "dtmi:t:Odd;1",
                &json!({ "contents": [property("x", "flout"), property("1", "long")] }),
            ),
            400,
            "DTDLParserError",
        ),
        (json!({ "@id": "dtmi:t:Odd;1" }), 400, "DTDLParserError"),
        (json!(7), 400, "DTDLParserError"),
    ] {
        let error = refused(
            send(&server, "POST", "/models", &json!([good, bad])).await,
            status,
            code,
        );
        assert!(
            status == 409 || !error["details"].as_array().unwrap().is_empty(),
            "{error}"
        );
        refused(
            server.get("/models/dtmi:t:New;1").await,
            404,
            "ModelNotFound",
        );
    }
    refused(
        send(&server, "POST", "/models", &json!({})).await,
        400,
        "InvalidArgument",
    );
    refused(
        server.send("POST", "/models", &[], "[").await,
        400,
        "InvalidArgument",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_listed_with_what_they_are_made_of() {
    let folder = Folder::new();
    let server = start(&folder).await;
    let ids = |list: &Json| -> Vec<String> {
        let models = list["value"].as_array().unwrap();
        models
            .iter()
            .map(|m| m["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = server
        .get("/models?api-version=2023-10-31")
        .await
        .expect(200)
        .json();
    assert_eq!(
        ids(&all),
        ["dtmi:t:Hall;1", "dtmi:t:Lamp;1", "dtmi:t:Space;1"]
    );
    assert_eq!(all["nextLink"], Json::Null);
    let of = server
        .get("/models?dependenciesFor=dtmi:t:Lamp;1&dependenciesFor=dtmi:t:Space;1")
        .await
        .expect(200)
        .json();
    assert_eq!(ids(&of), ["dtmi:t:Lamp;1", "dtmi:t:Space;1"]);
    let (mut link, mut seen) = (
        Some("/models?dependenciesFor=dtmi:t:Hall;1&includeModelDefinition=true".to_owned()),
        Vec::new(),
    );
    while let Some(path) = link {
        let page = server
            .send("GET", &path, &[("max-items-per-page", "1")], "")
            .await
            .expect(200)
            .json();
        assert!(page["value"][0]["model"].is_object());
        seen.extend(ids(&page));
        link = page["nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, ids(&all));
    refused(
        server.get("/models?dependenciesFor=dtmi:t:None;1").await,
        404,
        "ModelNotFound",
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_decommissioned_and_deleted_from_the_top() {
    let folder = Folder::new();
    let mut server = start(&folder).await;
    let space = "/models/dtmi:t:Space;1";
    refused(
        send(&server, "PATCH", space, &retire(true)).await,
        409,
        "ModelReferencesNotDecommissioned",
    );
    refused(
        send(&server, "DELETE", space, &Json::Null).await,
        409,
        "ModelReferencesNotDeleted",
    );
    let odd = json!([{ "op": "replace", "path": "/id", "value": "x" }]);
    refused(
        send(&server, "PATCH", space, &odd).await,
        400,
        "JsonPatchInvalid",
    );
    for (method, body) in [
        ("GET", Json::Null),
        ("PATCH", retire(true)),
        ("DELETE", Json::Null),
    ] {
        refused(
            send(&server, method, "/models/dtmi:t:None;1", &body).await,
            404,
            "ModelNotFound",
        );
    }
    let twin = json!({ "$metadata": { "$model": "dtmi:t:Hall;1" }, "area": 5, "lamp": { "$metadata": {} } });
    send(&server, "PUT", "/digitaltwins/h", &twin)
        .await
        .expect(200);
    let hall = "/models/dtmi:t:Hall;1";
    send(&server, "PATCH", hall, &retire(true))
        .await
        .expect(204);
    assert_eq!(
        server.get(hall).await.expect(200).json()["decommissioned"],
        true
    );
    refused(
        send(&server, "PUT", "/digitaltwins/i", &twin).await,
        400,
        "ModelDecommissioned",
    );
    let patch = json!([{ "op": "replace", "path": "/area", "value": 6 }]);
    send(&server, "PATCH", "/digitaltwins/h", &patch)
        .await
        .expect(204);

    // A model in use goes: its twins are read and moved, not changed; a restart changes nothing of it.
    send(&server, "DELETE", hall, &Json::Null).await.expect(204);
    for kept in [true, false] {
        refused(server.get(hall).await, 404, "ModelNotFound");
        assert_eq!(
            server.get("/digitaltwins/h").await.expect(200).json()["area"],
            6.0
        );
        refused(
            send(&server, "PATCH", "/digitaltwins/h", &patch).await,
            400,
            "ValidationFailed",
        );
        if kept {
            server.stop().await;
            server = Server::start(folder.path()).await;
        }
    }
    let moved = json!([
        { "op": "replace", "path": "/$metadata/$model", "value": "dtmi:t:Space;1" },
        { "op": "replace", "path": "/area", "value": 7 },
    ]);
    send(&server, "PATCH", "/digitaltwins/h", &moved)
        .await
        .expect(204);
    send(&server, "PATCH", "/digitaltwins/h", &patch)
        .await
        .expect(204);
    send(&server, "DELETE", "/models/dtmi:t:Lamp;1", &Json::Null)
        .await
        .expect(204);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_see_every_write_and_come_page_by_page() {
    let folder = Folder::new();
    let server = start(&folder).await;
    for n in 0..5 {
        let twin = json!({ "$metadata": { "$model": "dtmi:t:Hall;1" }, "area": n, "lamp": { "$metadata": {}, "on": n > 2 } });
        send(&server, "PUT", &format!("/digitaltwins/h{n}"), &twin)
            .await
            .expect(200);
    }
    let edge = json!({ "$relationshipName": "beside", "$targetId": "h1" });
    let edge = send(&server, "PUT", "/digitaltwins/h0/relationships/r", &edge)
        .await
        .expect(200)
        .json();
    let ask = |query: &str| json!({ "query": query });
    let answer = send(&server, "POST", "/query", &ask("SELECT * FROM DIGITALTWINS T WHERE IS_OF_MODEL(T, 'dtmi:t:Space;1') AND T.lamp.on = true")).await.expect(200);
    assert!(
        answer
            .header("query-charge")
            .is_some_and(|c| c.parse::<u64>().unwrap() >= 1)
    );
    let rows = answer.json()["value"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(
        rows[0],
        server.get("/digitaltwins/h3").await.expect(200).json()
    );
    let edges = send(
        &server,
        "POST",
        "/query",
        &ask("SELECT * FROM RELATIONSHIPS"),
    )
    .await
    .expect(200)
    .json();
    assert_eq!(edges, json!({ "value": [edge], "continuationToken": null }));

    for repeats in [true, false] {
        let (mut body, mut seen) = (ask("SELECT * FROM DIGITALTWINS"), Vec::new());
        loop {
            let headers = [("max-items-per-page", "2")];
            let page = server
                .send("POST", "/query", &headers, &body.to_string())
                .await
                .expect(200)
                .json();
            seen.extend(
                page["value"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|t| t["$dtId"].to_string()),
            );
            let Some(token) = page["continuationToken"].as_str() else {
                break;
            };
            body = match repeats {
                true => {
                    json!({ "query": "SELECT * FROM DIGITALTWINS", "continuationToken": token })
                }
                false => json!({ "continuationToken": token }),
            };
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }
    let wrong = send(&server, "POST", "/query", &ask("SELECT *\nFROM NOWHERE"))
        .await
        .expect(400)
        .json();
    assert_eq!(
        (&wrong["error"]["code"], &wrong["line"]),
        (&json!("SqlQueryError"), &json!(2))
    );
    refused(
        send(&server, "POST", "/query", &json!({})).await,
        400,
        "InvalidArgument",
    );
    refused(
        send(
            &server,
            "POST",
            "/query",
            &json!({ "continuationToken": "x" }),
        )
        .await,
        400,
        "InvalidArgument",
    );
    server.stop().await;
}
