//! The Azure Digital Twins data plane: each code that it answers with, and what its clients rely on.

use crate::rig::{Folder, Server};
use serde_json::{Value as Json, json};

const PATCH: (&str, &str) = ("content-type", "application/json-patch+json");

/// A house with a nested component, and what it may be related to.
const HOUSE: &str = "
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: 'dtmi:t:Fan;1' }
spec: { properties: [ { name: speed, schema: integer } ] }
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: 'dtmi:t:Heater;1' }
spec:
  properties: [ { name: target, schema: double }, { name: mode, schema: string } ]
  components: [ { name: fan, interface: 'dtmi:t:Fan;1' } ]
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: 'dtmi:t:House;1' }
spec:
  properties:
    - { name: floors, schema: integer }
    - { name: owner, schema: string }
    - { name: rooms, schema: { map: integer } }
    - { name: tags, schema: { array: string } }
  telemetry: [ { name: noise, schema: double } ]
  components: [ { name: heater, interface: 'dtmi:t:Heater;1' } ]
  relationships:
    - name: beside
      target: 'dtmi:t:House;1'
      maxMultiplicity: 2
      properties: [ { name: metres, schema: double }, { name: since, schema: date } ]
    - { name: near }
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: 'dtmi:t:House;2' }
spec:
  extends: [ 'dtmi:t:House;1' ]
  properties: [ { name: colour, schema: string } ]
---
apiVersion: gemelli.dev/v1
kind: Interface
metadata: { name: 'dtmi:t:Tree;1' }
spec: { properties: [ { name: floors, schema: string } ] }
";

struct Plane {
    server: Server,
    _folder: Folder,
}

impl Plane {
    async fn start() -> Self {
        let folder = Folder::new();
        let server = Server::start(folder.path()).await;
        server.apply(HOUSE).await;
        Self {
            server,
            _folder: folder,
        }
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Json,
    ) -> crate::rig::Answer {
        let path = format!("/digitaltwins/{path}?api-version=2023-10-31");
        let body = match body {
            Json::Null => String::new(),
            body => body.to_string(),
        };
        self.server.send(method, &path, headers, &body).await
    }

    async fn house(&self, id: &str) -> Json {
        let body = json!({ "$metadata": { "$model": "dtmi:t:House;1" }, "floors": 2, "heater": { "$metadata": {}, "fan": { "$metadata": {} } } });
        self.send("PUT", id, &[], &body).await.expect(200).json()
    }

    /// The code of a refusal, which header, envelope and status agree on.
    #[track_caller]
    fn refused(answer: crate::rig::Answer, status: u16, code: &str) -> Json {
        let answer = answer.expect(status);
        assert_eq!(answer.header("x-ms-error-code"), Some(code), "{answer:?}");
        let error = answer.json()["error"].clone();
        assert_eq!(error["code"], code);
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()));
        assert!(error["details"].is_array() && error["innererror"]["code"].is_string());
        error
    }

    async fn get(&self, path: &str) -> Json {
        self.send("GET", path, &[], &Json::Null)
            .await
            .expect(200)
            .json()
    }

    async fn stop(self) {
        self.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_twin_is_told_and_none_of_it_is_done() {
    let plane = Plane::start().await;
    let house = |more: Json| {
        let mut body =
            json!({ "$metadata": { "$model": "dtmi:t:House;1" }, "heater": { "$metadata": {} } });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let bad =
        house(json!({ "floors": "two", "owner": 7, "colour": "red", "rooms": { "hall": "x" } }));
    let error = Plane::refused(
        plane.send("PUT", "h", &[], &bad).await,
        400,
        "ValidationFailed",
    );
    let mut targets: Vec<_> = error["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["target"].as_str().unwrap())
        .collect();
    targets.sort_unstable();
    assert_eq!(targets, ["/colour", "/floors", "/owner", "/rooms"]);
    Plane::refused(
        plane.send("GET", "h", &[], &Json::Null).await,
        404,
        "DigitalTwinNotFound",
    );

    for (body, code) in [
        (
            json!({ "$metadata": { "$model": "dtmi:t:House;1" } }),
            "ValidationFailed",
        ),
        (
            house(json!({ "heater": { "target": "warm" } })),
            "ValidationFailed",
        ),
        (
            house(json!({ "heater": { "fan": { "speed": 1.5 } } })),
            "ValidationFailed",
        ),
        (house(json!({ "heater": 7 })), "ValidationFailed"),
        (
            json!({ "$metadata": { "$model": "dtmi:t:None;1" } }),
            "ValidationFailed",
        ),
        (json!({ "floors": 2 }), "ValidationFailed"),
        (json!([1]), "ValidationFailed"),
    ] {
        Plane::refused(plane.send("PUT", "h", &[], &body).await, 400, code);
    }
    let text = plane.server.send("PUT", "/digitaltwins/h", &[], "{").await;
    Plane::refused(text, 400, "InvalidArgument");
    let deep = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
    let text = plane
        .server
        .send("PUT", "/digitaltwins/h", &[], &deep)
        .await;
    Plane::refused(text, 400, "InvalidArgument");
    let id = "x".repeat(3_000);
    Plane::refused(
        plane.send("PUT", &id, &[], &house(json!({}))).await,
        400,
        "InvalidArgument",
    );
    let tag = plane
        .send(
            "PUT",
            "h",
            &[("if-none-match", "W/\"1\"")],
            &house(json!({})),
        )
        .await;
    Plane::refused(tag, 400, "InvalidArgument");
    let version = plane.server.get("/digitaltwins/h?api-version=newest").await;
    Plane::refused(version, 400, "InvalidArgument");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_says_when_each_property_and_component_changed() {
    let plane = Plane::start().await;
    let made = plane.house("h").await;
    assert!(made.get("owner").is_none());
    let fine = |time: &Json| {
        let text = time.as_str().unwrap_or_default();
        assert!(text.len() == 28 && text.ends_with("0000Z"), "{made}");
    };
    fine(&made["$metadata"]["$lastUpdateTime"]);
    fine(&made["$metadata"]["floors"]["lastUpdateTime"]);
    fine(&made["heater"]["$metadata"]["$lastUpdateTime"]);
    fine(&made["heater"]["fan"]["$metadata"]["$lastUpdateTime"]);
    assert!(made["$metadata"].get("heater").is_none());
    let patch = json!([{ "op": "add", "path": "/heater/target", "value": 20 }]);
    plane.send("PATCH", "h", &[PATCH], &patch).await.expect(204);
    let heater = plane.get("h/components/heater").await;
    assert_eq!(heater["target"], 20.0);
    fine(&heater["$metadata"]["target"]["lastUpdateTime"]);
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_does_what_its_operations_say_or_nothing() {
    let plane = Plane::start().await;
    plane.house("h").await;
    let good = json!([
        { "op": "test", "path": "/floors", "value": 2 },
        { "op": "replace", "path": "/floors", "value": 3 },
        { "op": "add", "path": "/owner", "value": "Ada" },
        { "op": "add", "path": "/rooms", "value": { "hall": 1 } },
        { "op": "add", "path": "/rooms/loft", "value": 2 },
        { "op": "add", "path": "/tags", "value": ["b"] },
        { "op": "add", "path": "/tags/0", "value": "a" },
        { "op": "add", "path": "/heater/fan/speed", "value": 9 },
        { "op": "replace", "path": "/$metadata/floors/sourceTime", "value": "2026-01-01T00:00:00Z" },
    ]);
    plane.send("PATCH", "h", &[PATCH], &good).await.expect(204);
    let twin = plane.get("h").await;
    assert_eq!(
        (&twin["floors"], &twin["owner"]),
        (&json!(3), &json!("Ada"))
    );
    assert_eq!(twin["rooms"], json!({ "hall": 1, "loft": 2 }));
    assert_eq!(twin["tags"], json!(["a", "b"]));
    assert_eq!(twin["heater"]["fan"]["speed"], 9);

    let before = plane.get("h").await;
    for (operation, code) in [
        (
            json!({ "op": "replace", "path": "/colour", "value": "red" }),
            "ValidationFailed",
        ),
        (
            json!({ "op": "replace", "path": "/rooms/attic", "value": 1 }),
            "JsonPatchInvalid",
        ),
        (
            json!({ "op": "remove", "path": "/rooms/attic" }),
            "JsonPatchInvalid",
        ),
        (
            json!({ "op": "remove", "path": "/heater" }),
            "JsonPatchInvalid",
        ),
        (
            json!({ "op": "add", "path": "/tags/9", "value": "x" }),
            "JsonPatchInvalid",
        ),
        (
            json!({ "op": "replace", "path": "/$dtId", "value": "x" }),
            "JsonPatchInvalid",
        ),
        (
            json!({ "op": "replace", "path": "/$metadata/$model", "value": 1 }),
            "JsonPatchInvalid",
        ),
        (
            json!({ "op": "replace", "path": "/$metadata/$model", "value": "dtmi:t:None;1" }),
            "ValidationFailed",
        ),
        (
            json!({ "op": "replace", "path": "/floors", "value": "many" }),
            "ValidationFailed",
        ),
        (
            json!({ "op": "add", "path": "/heater/colour", "value": "red" }),
            "ValidationFailed",
        ),
    ] {
        let patch = json!([{ "op": "replace", "path": "/owner", "value": "Bob" }, operation]);
        let answer = plane.send("PATCH", "h", &[PATCH], &patch).await;
        Plane::refused(answer, 400, code);
        assert_eq!(plane.get("h").await, before, "{operation}");
    }
    let tested = json!([{ "op": "test", "path": "/floors", "value": 7 }]);
    let answer = plane.send("PATCH", "h", &[PATCH], &tested).await;
    Plane::refused(answer, 412, "PreconditionFailed");
    // What is no patch at all gets a problem document alone.
    for text in [
        "{",
        "{}",
        "7",
        r#"[{"op":"replace"}]"#,
        r#"[{"op":"dance","path":"/a"}]"#,
        "[1]",
    ] {
        let answer = plane
            .server
            .send("PATCH", "/digitaltwins/h", &[PATCH], text)
            .await
            .expect(400);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{text}"
        );
        assert!(answer.json().get("error").is_none(), "{text}");
    }
    let patch = json!([{ "op": "replace", "path": "/floors", "value": 1 }]);
    let answer = plane.send("PATCH", "nobody", &[PATCH], &patch).await;
    Plane::refused(answer, 404, "DigitalTwinNotFound");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_moves_to_another_model_with_all_that_fits_it() {
    let plane = Plane::start().await;
    plane.house("h").await;
    let newer = json!([
        { "op": "replace", "path": "/$metadata/$model", "value": "dtmi:t:House;2" },
        { "op": "add", "path": "/colour", "value": "red" },
    ]);
    plane.send("PATCH", "h", &[PATCH], &newer).await.expect(204);
    let twin = plane.get("h").await;
    assert_eq!(
        (
            &twin["$metadata"]["$model"],
            &twin["floors"],
            &twin["colour"]
        ),
        (&json!("dtmi:t:House;2"), &json!(2), &json!("red"))
    );
    let model = json!({ "op": "replace", "path": "/$metadata/$model", "value": "dtmi:t:Tree;1" });
    let answer = plane.send("PATCH", "h", &[PATCH], &json!([model])).await;
    let error = Plane::refused(answer, 400, "ValidationFailed");
    assert!(error["details"].as_array().unwrap().len() >= 2, "{error}");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_read_and_patched_under_its_twins_etag() {
    let plane = Plane::start().await;
    let tag = plane.house("h").await["$etag"].as_str().unwrap().to_owned();
    let patch = json!([{ "op": "add", "path": "/target", "value": 21.5 }, { "op": "add", "path": "/fan", "value": { "$metadata": {}, "speed": 3 } }]);
    let path = "h/components/heater";
    let answer = plane
        .send("PATCH", path, &[PATCH, ("if-match", "W/\"0\"")], &patch)
        .await;
    Plane::refused(answer, 412, "PreconditionFailed");
    let done = plane
        .send("PATCH", path, &[PATCH, ("if-match", &tag)], &patch)
        .await
        .expect(204);
    assert_ne!(done.header("etag"), Some(tag.as_str()));
    let heater = plane.get(path).await;
    assert_eq!(
        (&heater["target"], &heater["fan"]["speed"]),
        (&json!(21.5), &json!(3))
    );
    assert_eq!(plane.get("h").await["heater"], heater);
    let bad = json!([{ "op": "add", "path": "/target", "value": "hot" }]);
    Plane::refused(
        plane.send("PATCH", path, &[PATCH], &bad).await,
        400,
        "ValidationFailed",
    );
    let missing = json!([{ "op": "replace", "path": "/mode", "value": "eco" }]);
    Plane::refused(
        plane.send("PATCH", path, &[PATCH], &missing).await,
        400,
        "JsonPatchInvalid",
    );
    for method in ["GET", "PATCH"] {
        let answer = plane
            .send(method, "h/components/roof", &[PATCH], &patch)
            .await;
        Plane::refused(answer, 404, "ComponentNotFound");
        let answer = plane
            .send(method, "nobody/components/heater", &[PATCH], &patch)
            .await;
        Plane::refused(answer, 404, "DigitalTwinNotFound");
    }
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relationships_are_checked_guarded_and_patched() {
    let plane = Plane::start().await;
    for id in ["a", "b", "c", "d"] {
        plane.house(id).await;
    }
    let tree = json!({ "$metadata": { "$model": "dtmi:t:Tree;1" } });
    plane.send("PUT", "t", &[], &tree).await.expect(200);
    let edge = |name: &str, target: &str, more: Json| {
        let mut body = json!({ "$relationshipName": name, "$targetId": target });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let path = "a/relationships/r";
    let made = plane
        .send(
            "PUT",
            path,
            &[],
            &edge("beside", "b", json!({ "metres": 5 })),
        )
        .await
        .expect(200);
    let tag = made.header("etag").unwrap().to_owned();
    assert_eq!(
        (&made.json()["$etag"], &made.json()["metres"]),
        (&json!(tag), &json!(5.0))
    );
    let again = plane
        .send(
            "PUT",
            path,
            &[("if-none-match", "*")],
            &edge("beside", "b", json!({})),
        )
        .await;
    Plane::refused(again, 412, "PreconditionFailed");

    let bad = StatusList::new(&[
        (edge("besides", "b", json!({})), 400, "InvalidRelationship"),
        (edge("beside", "t", json!({})), 400, "InvalidRelationship"),
        (
            edge("beside", "b", json!({ "metres": "five", "colour": 1 })),
            400,
            "ValidationFailed",
        ),
        (
            edge("beside", "nobody", json!({})),
            404,
            "TargetTwinNotFound",
        ),
        (edge("near", "a", json!({})), 400, "OperationNotAllowed"),
        (json!({ "$targetId": "b" }), 400, "ValidationFailed"),
    ]);
    for (body, status, code) in bad.0 {
        let error = Plane::refused(
            plane.send("PUT", "a/relationships/x", &[], &body).await,
            status,
            code,
        );
        if body.get("metres").is_some() {
            assert_eq!(
                error["details"].as_array().unwrap().len(),
                2,
                "one entry for each fault"
            );
        }
    }
    let answer = plane
        .send(
            "PUT",
            "nobody/relationships/x",
            &[],
            &edge("near", "a", json!({})),
        )
        .await;
    Plane::refused(answer, 404, "DigitalTwinNotFound");
    plane
        .send(
            "PUT",
            "a/relationships/s",
            &[],
            &edge("beside", "c", json!({})),
        )
        .await
        .expect(200);
    let third = plane
        .send(
            "PUT",
            "a/relationships/x",
            &[],
            &edge("beside", "d", json!({})),
        )
        .await;
    Plane::refused(third, 400, "InvalidRelationship");

    let patch = json!([{ "op": "replace", "path": "/metres", "value": 6 }, { "op": "add", "path": "/since", "value": "2020-01-01" }]);
    let stale = plane
        .send("PATCH", path, &[PATCH, ("if-match", "W/\"0\"")], &patch)
        .await;
    Plane::refused(stale, 412, "PreconditionFailed");
    let done = plane
        .send("PATCH", path, &[PATCH, ("if-match", &tag)], &patch)
        .await
        .expect(204);
    assert_ne!(done.header("etag"), Some(tag.as_str()));
    let now = plane.get(path).await;
    assert_eq!(
        (&now["metres"], &now["since"]),
        (&json!(6.0), &json!("2020-01-01"))
    );
    for (operation, code) in [
        (
            json!({ "op": "replace", "path": "/colour", "value": 1 }),
            "JsonPatchInvalid",
        ),
        (
            json!({ "op": "add", "path": "/colour", "value": 1 }),
            "ValidationFailed",
        ),
        (
            json!({ "op": "replace", "path": "/metres", "value": "x" }),
            "ValidationFailed",
        ),
        (
            json!({ "op": "replace", "path": "/$targetId", "value": "c" }),
            "JsonPatchInvalid",
        ),
    ] {
        Plane::refused(
            plane
                .send("PATCH", path, &[PATCH], &json!([operation]))
                .await,
            400,
            code,
        );
    }
    for method in ["GET", "PATCH", "DELETE"] {
        let answer = plane
            .send(method, "a/relationships/none", &[PATCH], &patch)
            .await;
        Plane::refused(answer, 404, "RelationshipNotFound");
    }
    let held = plane.send("DELETE", "b", &[], &Json::Null).await;
    Plane::refused(held, 400, "RelationshipsNotDeleted");
    let stale = plane
        .send("DELETE", path, &[("if-match", &tag)], &Json::Null)
        .await;
    Plane::refused(stale, 412, "PreconditionFailed");
    plane
        .send("DELETE", path, &[("if-match", "*")], &Json::Null)
        .await
        .expect(204);
    plane
        .send("DELETE", "b", &[], &Json::Null)
        .await
        .expect(204);
    plane.stop().await;
}

/// Bodies with the status and code that they get.
struct StatusList(Vec<(Json, u16, &'static str)>);

impl StatusList {
    fn new(list: &[(Json, u16, &'static str)]) -> Self {
        Self(list.to_vec())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_come_page_by_page_along_their_links() {
    let plane = Plane::start().await;
    for id in ["hub", "a", "b", "c", "d", "e"] {
        plane.house(id).await;
    }
    for (n, id) in ["a", "b", "c", "d", "e"].iter().enumerate() {
        let body = json!({ "$relationshipName": "near", "$targetId": id });
        plane
            .send("PUT", &format!("hub/relationships/r%2F{n}"), &[], &body)
            .await
            .expect(200);
        let body = json!({ "$relationshipName": "near", "$targetId": "hub" });
        plane
            .send("PUT", &format!("{id}/relationships/in"), &[], &body)
            .await
            .expect(200);
    }
    for list in [
        "relationships?relationshipName=near",
        "incomingrelationships?api-version=2020-10-31",
    ] {
        let mut link = Some(format!("/digitaltwins/hub/{list}"));
        let (mut seen, mut pages) = (Vec::new(), 0);
        while let Some(path) = link {
            // As clients do that repeat what they asked.
            let path = format!("{path}&api-version=2022-05-31&relationshipName=near");
            let page = plane
                .server
                .send("GET", &path, &[("max-items-per-page", "2")], "")
                .await
                .expect(200)
                .json();
            seen.extend(
                page["value"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|e| format!("{}/{}", e["$sourceId"], e["$relationshipId"])),
            );
            link = page["nextLink"].as_str().map(str::to_owned);
            pages += 1;
        }
        seen.dedup();
        assert_eq!((seen.len(), pages), (5, 3), "{list}");
    }
    let none = plane.get("a/relationships").await;
    assert_eq!(none["nextLink"], Json::Null);
    assert!(none.as_object().unwrap().contains_key("nextLink"));
    let bad = plane
        .server
        .get("/digitaltwins/hub/incomingrelationships?continuationToken=x")
        .await;
    Plane::refused(bad, 400, "InvalidArgument");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn telemetry_is_in_history_and_stream_and_not_in_the_twin() {
    let plane = Plane::start().await;
    let before = plane.house("h").await;
    let mut stream = plane
        .server
        .stream("/v1/stream?category=telemetry&after=0", &[])
        .await;
    let id = ("message-id", "m1");
    let time = ("telemetry-source-time", "2026-01-31T08:00:00.000000");
    let body = json!({ "noise": 3.5, "anything": [1] });
    plane
        .send("POST", "h/telemetry", &[id, time], &body)
        .await
        .expect(204);
    plane
        .send(
            "POST",
            "h/components/heater/telemetry",
            &[("message-id", "m2")],
            &json!(7),
        )
        .await
        .expect(204);
    let first = stream.next().await.data;
    assert_eq!(
        (&first["twin"], &first["id"], &first["data"]),
        (&json!("h"), &json!("m1"), &body)
    );
    assert_eq!(
        (&first["interface"], &first["time"]),
        (&json!("dtmi:t:House;1"), &json!("2026-01-31T08:00:00Z"))
    );
    let second = stream.next().await.data;
    assert_eq!(
        (&second["component"], &second["data"]),
        (&json!("heater"), &json!(7))
    );
    let history = plane
        .server
        .get("/v1/twins/h/history")
        .await
        .expect(200)
        .json();
    let rows = history["items"].as_array().unwrap();
    let rows: Vec<_> = rows
        .iter()
        .filter(|r| r["category"] == "telemetry")
        .collect();
    assert_eq!(rows.len(), 2, "{history}");
    assert_eq!(plane.get("h").await, before);

    for (path, headers, status, code) in [
        ("h/telemetry", &[][..], 400, "InvalidArgument"),
        (
            "h/telemetry",
            &[id, ("telemetry-source-time", "noon")][..],
            400,
            "InvalidArgument",
        ),
        ("nobody/telemetry", &[id][..], 404, "DigitalTwinNotFound"),
        (
            "h/components/roof/telemetry",
            &[id][..],
            404,
            "ComponentNotFound",
        ),
    ] {
        Plane::refused(plane.send("POST", path, headers, &body).await, status, code);
    }
    let text = plane
        .server
        .send("POST", "/digitaltwins/h/telemetry", &[id], "{")
        .await;
    Plane::refused(text, 400, "InvalidArgument");
    plane.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_carry_the_callers_ids() {
    let plane = Plane::start().await;
    let headers = [
        ("x-ms-client-request-id", "abc"),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
        ("authorization", "Bearer nothing"),
    ];
    for path in ["/digitaltwins/h", "/digitaltwins/h?api-version=latest"] {
        let answer = plane.server.send("GET", path, &headers, "").await;
        assert_eq!(answer.header("x-ms-client-request-id"), Some("abc"));
        assert!(
            answer
                .header("traceresponse")
                .unwrap()
                .contains("0af7651916cd43dd8448eb211c80319c")
        );
    }
    plane.stop().await;
}
