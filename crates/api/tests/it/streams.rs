//! Live events, and the overview.

use crate::rig::{Folder, ROOMS, Server, options};
use serde_json::json;

async fn send(server: &Server, n: u32) {
    let body = json!({ "specversion": "1.0", "id": format!("office#{n}"), "source": "office", "type": "ktwin.real.room",
        "data": { "temperature": n } });
    let headers = [("content-type", "application/cloudevents+json")];
    server
        .send("POST", "/events", &headers, &body.to_string())
        .await
        .expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_shows_what_happens_and_goes_on_where_it_ended() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    let mut live = server
        .stream("/v1/stream?twin=office&category=real", &[])
        .await;
    let mut all = server.stream("/v1/stream?interface=ROOM", &[]).await;
    // Both are registered once their greeting is there; one that comes later would miss the first event.
    for _ in 0..2_000 {
        if server.node().metrics().streams.get() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for n in 0..3 {
        send(&server, n).await;
    }
    let mut last = 0;
    for n in 0..3 {
        let event = live.next().await;
        assert_eq!(
            (event.name.as_str(), &event.data["id"]),
            ("real", &json!(format!("office#{n}")))
        );
        assert_eq!(event.data["seq"].as_u64(), event.id);
        last = event.id.unwrap();
    }
    assert_eq!(all.next().await.name, "real");
    drop(live);
    for n in 3..6 {
        send(&server, n).await;
    }
    let after = last.to_string();
    let mut again = server
        .stream(
            "/v1/stream?twin=office&category=real",
            &[("last-event-id", &after)],
        )
        .await;
    for n in 3..6 {
        assert_eq!(
            again.next().await.data["id"],
            format!("office#{n}"),
            "out of the log"
        );
    }
    send(&server, 6).await;
    assert_eq!(
        again.next().await.data["id"],
        "office#6",
        "and live from there"
    );
    server.get("/v1/stream?category=reel").await.expect(422);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_the_log_has_not_reached_is_a_gap() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    for (ahead, gap) in [(0, false), (1, true), (91, true)] {
        let next = server.node().published().next_seq;
        let last = next - 1 + ahead;
        let mut stream = server
            .stream(
                "/v1/stream?category=real",
                &[("last-event-id", &last.to_string())],
            )
            .await;
        if gap {
            let event = stream.next().await;
            assert_eq!(
                (event.name.as_str(), event.data),
                ("gap", json!({ "from": next, "to": last }))
            );
            continue;
        }
        send(&server, 1).await;
        assert_eq!(stream.next().await.name, "real", "{last}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_too_slow_is_served_from_the_log() {
    let folder = Folder::new();
    let mut options = options(folder.path());
    options.limits.stream_frames = 2;
    let server = Server::start_with(options).await;
    server.apply(ROOMS).await;
    let mut live = server.stream("/v1/stream?category=real,derived", &[]).await;
    let note = "x".repeat(200_000);
    // Nobody reads: the socket's buffers fill, and frames are too large to be kept for this reader.
    for n in 0..120 {
        let body = json!({ "specversion": "1.0", "id": format!("office#{n}"), "source": "office", "type": "ktwin.real.room",
            "data": { "temperature": n, "note": note } });
        let headers = [("content-type", "application/cloudevents+json")];
        server
            .send("POST", "/events", &headers, &body.to_string())
            .await
            .expect(202);
    }
    for n in 0..120 {
        let event = loop {
            let event = live.next().await;
            if event.name != "derived" {
                break event;
            }
        };
        assert_eq!(event.data["id"], format!("office#{n}"), "{}", event.name);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_fell_out_of_the_ring_gets_all_in_pieces_of_bounded_size() {
    let folder = Folder::new();
    let mut options = options(folder.path());
    options.limits.stream_frames = 1;
    let server = Server::start_with(options).await;
    server.apply(ROOMS).await;
    let mut live = server.stream("/v1/stream?category=real", &[]).await;
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let note = "x".repeat(10_000);
    // Frames small enough for the ring, and far more text than the socket and one piece of catching up hold.
    for batch in 0..500 {
        let events: Vec<_> = (0..4)
            .map(|n| {
                json!({ "specversion": "1.0", "id": format!("office#{}", batch * 4 + n), "source": "office",
                    "type": "ktwin.real.room", "data": { "temperature": n, "note": note } })
            })
            .collect();
        let body = serde_json::Value::from(events).to_string();
        server
            .send("POST", "/events", &headers, &body)
            .await
            .expect(202);
    }
    for n in 0..2_000 {
        let event = live.next().await;
        assert_eq!(event.data["id"], format!("office#{n}"), "{}", event.name);
    }
    assert!(
        server.node().metrics().stream_gaps.get() > 0,
        "the reader was never too slow"
    );
    send(&server, 5_000).await;
    assert_eq!(
        live.next().await.data["id"],
        "office#5000",
        "and live again"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overview_is_one_page_and_one_stream() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    let empty = server.get("/v1/overview").await.expect(200).json();
    assert_eq!(empty["twins"]["count"], 0);
    assert!(!empty["next"].as_array().unwrap().is_empty());
    let page = server.get("/page").await.expect(200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    for name in ["/page/style.css", "/page/page.js", "/page/icon.svg"] {
        assert!(page.body.contains(name), "{name}");
        let file = server.get(name).await.expect(200).body;
        assert!(
            !file.contains("http://") && !file.contains("https://") || name.ends_with("svg"),
            "{name} asks elsewhere"
        );
    }
    let first = server.get("/").await.expect(200);
    assert_eq!(first.header("content-security-policy"), Some(policy));
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    assert!(
        first.body.contains("<title>Gemelli</title>"),
        "{}",
        first.body
    );
    server.get("/assets/none.js").await.expect(404);
    server.apply(ROOMS).await;
    let mut stream = server.stream("/v1/overview/stream", &[]).await;
    let mut picture = stream.next().await.data;
    for _ in 0..40 {
        if picture["twins"]["count"] == 2 {
            break;
        }
        picture = stream.next().await.data;
    }
    assert_eq!(
        picture["twins"]["perInterface"],
        json!([{ "interface": "room", "twins": 2 }])
    );
    assert_eq!(picture["airQuality"], json!([]));
    assert_eq!(picture["health"]["status"], "ok");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_name_kinds_and_never_a_twin() {
    let folder = Folder::new();
    let server = Server::start(folder.path()).await;
    server.apply(ROOMS).await;
    send(&server, 1).await;
    let text = server.get("/metrics").await.expect(200).body;
    for line in [
        r#"gemelli_events_total{category="real",interface="room"} 1"#,
        "gemelli_twins 2",
        r#"gemelli_stage_seconds_count{stage="sync"} 2"#,
        "gemelli_mqtt_sessions 0",
        "gemelli_mqtt_received_total 0",
        "# TYPE gemelli_log_size_bytes gauge",
    ] {
        assert!(
            text.lines().any(|l| l == line),
            "{line} is missing in\n{text}"
        );
    }
    assert!(!text.contains("office"), "no twin is a label");
    let mut names: Vec<_> = text
        .lines()
        .filter_map(|l| l.strip_prefix("# TYPE "))
        .collect();
    names.sort_unstable();
    assert!(
        names.windows(2).all(|two| two[0] != two[1]) && !text.contains("_now"),
        "each number has one name: {names:?}"
    );
    assert!(text.ends_with("# EOF\n"));
    server.get("/healthz").await.expect(200);
    let status = server.get("/v1/status").await.expect(200).json();
    assert_eq!(status["data"], folder.path().display().to_string());
    assert_eq!(
        status["addresses"]["http"][0],
        format!("http://{}", server.http)
    );
    server.stop().await;
}
