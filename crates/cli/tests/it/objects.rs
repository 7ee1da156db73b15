//! Objects by every command, against a real server.

use super::fixture::{Home, Ran, Server, wait};
use serde_json::Value;

fn room() -> Server {
    let server = Server::start(&[]);
    server.ok(&["apply", "-f", "examples/room"]);
    server
}

/// Runs and wants this exit code and this in what it says.
fn refused(server: &Server, args: &[&str], code: i32, says: &[&str]) -> Ran {
    let ran = server.run(args);
    assert_eq!(
        ran.code,
        code,
        "gemelli {}\n{}{}",
        args.join(" "),
        ran.out,
        ran.err
    );
    for text in says {
        assert!(
            ran.err.contains(text),
            "gemelli {}: no {text:?} in\n{}",
            args.join(" "),
            ran.err
        );
    }
    ran
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn apply_get_diff_and_delete_are_one_circle() {
    let server = Server::start(&[]);
    let created = "interface/room created\ntwin/kitchen created\ntwin/office created\n";
    assert_eq!(
        server.ok(&["apply", "-f", "examples/room", "--dry-run"]),
        created.replace("created\n", "created (dry run)\n")
    );
    assert_eq!(
        server.run(&["get", "twins"]).err,
        "no twins\n",
        "a dry run changes nothing"
    );
    assert_eq!(server.ok(&["apply", "-f", "examples/room"]), created);
    assert_eq!(
        server.ok(&["apply", "-f", "examples/room"]),
        created.replace("created", "unchanged")
    );
    assert_eq!(
        server.ok(&["get", "twins", "-o", "name"]),
        "twin/kitchen\ntwin/office\n"
    );
    assert_eq!(
        server.ok(&["get", "interfaces", "-o", "name"]),
        "interface/room\n"
    );
    assert_eq!(server.ok(&["diff", "-f", "examples/room"]), "");

    let yaml = server.ok(&["get", "interface", "room", "-o", "yaml"]);
    let changed = server.home.file(
        "room.yaml",
        &yaml.replace("displayName: Room", "displayName: Chamber"),
    );
    let ran = server.run(&["diff", "-f", &changed]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.out
            .contains("-  displayName: Room\n+  displayName: Chamber\n"),
        "{}",
        ran.out
    );
    assert_eq!(
        server.ok(&["apply", "-f", &changed]),
        "interface/room configured\n"
    );

    let deleted = server.ok(&["delete", "-f", "examples/room"]);
    assert_eq!(
        deleted,
        "twin/kitchen deleted\ntwin/office deleted\ninterface/room deleted\n"
    );
    let (_, code) = server.stop();
    assert_eq!(code, 0, "a stop is no failure");
}

#[test]
fn an_event_becomes_state_history_and_a_line_of_the_stream() {
    let server = room();
    server.ok(&[
        "send",
        "kitchen",
        r#"{"temperature": 27.5, "humidity": 40}"#,
        "--id",
        "k#1",
        "--time",
        "2026-03-01T08:00:00Z",
    ]);
    let twin = json(&server.ok(&["get", "twin", "kitchen", "-o", "json"]));
    let text = twin.to_string();
    assert!(
        text.contains("\"temperature\":{\"value\":27.5")
            && text.contains("\"dewPoint\":{\"value\":15.5")
            && text.contains("\"comfortable\":{\"value\":false"),
        "{twin}"
    );

    server.ok(&["send", "kitchen", r#"{"temperature": 1}"#, "--id", "k#1"]);
    let again = json(&server.ok(&["get", "twin", "kitchen", "-o", "json"]));
    assert!(
        again
            .to_string()
            .contains("\"temperature\":{\"value\":27.5"),
        "the same id changes nothing twice: {again}"
    );

    let history = json(&server.ok(&["history", "kitchen", "-o", "json"]));
    let reals: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["category"] == "real")
        .collect();
    assert_eq!(reals.len(), 1, "{history}");
    assert_eq!(
        (
            &reals[0]["id"],
            &reals[0]["time"],
            &reals[0]["data"]["humidity"]
        ),
        (&"k#1".into(), &"2026-03-01T08:00:00Z".into(), &40.into())
    );

    let table = server.ok(&["history", "kitchen"]);
    assert!(
        table.starts_with("ACCEPTED") && table.contains("derived"),
        "{table}"
    );
    let described = server.ok(&["describe", "twin", "kitchen"]);
    for part in [
        "Name:       kitchen\n",
        "Interface:  room\n",
        "Properties:\n",
        "dewPoint",
        "Last events:\n",
    ] {
        assert!(described.contains(part), "no {part:?} in\n{described}");
    }
    let seen = server.ok(&[
        "watch", "kitchen", "--after", "0", "--count", "1", "-o", "json",
    ]);
    assert_eq!(json(&seen)["twin"], "kitchen");
    assert!(
        server
            .ok(&["get", "twins"])
            .starts_with("NAME     INTERFACE  LIFECYCLE")
    );
}

#[test]
fn unknown_names_suggest_the_nearest_and_have_exit_codes() {
    let server = room();
    refused(
        &server,
        &["get", "twin", "kichen"],
        4,
        &["error[unknown-twin]", "did you mean `kitchen`?"],
    );
    refused(
        &server,
        &["describe", "interface", "rooom"],
        4,
        &["did you mean `room`?"],
    );
    refused(
        &server,
        &["history", "ofice"],
        4,
        &["did you mean `office`?"],
    );
    refused(
        &server,
        &["send", "kitchn", "{}"],
        4,
        &["did you mean `kitchen`?"],
    );
    refused(
        &server,
        &["delete", "twin", "nowhere-near"],
        4,
        &["nowhere-near"],
    );
    refused(
        &server,
        &["send", "kitchen", r#"{"temperature": "hot"}"#],
        5,
        &["error[wrong-type]", "temperature"],
    );
    refused(&server, &["delete", "interface", "room"], 6, &["room"]);
}

#[test]
fn a_refused_manifest_shows_its_place_and_nothing_is_applied() {
    let server = Server::start(&[]);
    let file = server.home.file(
        "bad.yaml",
        "apiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: { name: shed }\nspec: { properties: [] }\n---\n\
         apiVersion: gemelli.dev/v1\nkind: Twin\nmetadata:\n  name: garden-shed\nspec:\n  interface: shet\n",
    );
    refused(
        &server,
        &["apply", "-f", &file],
        5,
        &["error[unknown-interface]", "shet", " --> ~/bad.yaml:11:14"],
    );
    assert_eq!(server.run(&["get", "interfaces"]).err, "no interfaces\n");
}

#[test]
fn faults_of_expressions_point_at_them() {
    let server = room();
    let file = server.home.file(
        "bad.yaml",
        "apiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: { name: shed }\nspec:\n  properties:\n    - name: a\n      schema: double\n      derived:\n        expression: nothing + 1\n\
         ---\napiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: { name: hut }\nspec:\n  properties:\n    - name: b\n      schema: double\n      derived:\n        expression: 1 +\n",
    );
    refused(
        &server,
        &["apply", "-f", &file],
        5,
        &[
            "error[malformed-expression]",
            " --> ~/bad.yaml:9:21",
            " --> ~/bad.yaml:19:21",
        ],
    );
}

#[test]
fn unknown_filters_are_no_empty_answers() {
    let server = room();
    let near = &["error[unknown-interface]", "did you mean room?"];
    refused(&server, &["get", "twins", "--interface", "rom"], 4, near);
    refused(&server, &["watch", "--interface", "rom"], 4, near);
    refused(
        &server,
        &["watch", "kichen"],
        4,
        &["error[unknown-twin]", "did you mean `kitchen`?"],
    );
    let empty = server.home.path.join("none");
    std::fs::create_dir(&empty).unwrap();
    refused(
        &server,
        &["apply", "-f", empty.to_str().unwrap()],
        4,
        &["no manifest in ~/none"],
    );
}

#[test]
fn twins_of_one_interface_are_chosen_in_every_format() {
    let server = room();
    let hall = "apiVersion: gemelli.dev/v1\nkind: Interface\nmetadata: { name: hall }\nspec: {}\n---\n\
        apiVersion: gemelli.dev/v1\nkind: Twin\nmetadata: { name: foyer }\nspec: { interface: hall }\n";
    let file = server.home.file("hall.yaml", hall);
    server.ok(&["apply", "-f", &file]);
    for format in ["table", "wide", "json", "yaml", "name"] {
        let get = |interface| server.ok(&["get", "twins", "--interface", interface, "-o", format]);
        let (halls, rooms) = (get("hall"), get("room"));
        assert!(halls.contains("foyer"), "{format}: {halls}");
        assert!(!halls.contains("kitchen"), "{format}: {halls}");
        assert!(
            rooms.contains("kitchen") && rooms.contains("office"),
            "{format}: {rooms}"
        );
        assert!(!rooms.contains("foyer"), "{format}: {rooms}");
    }
    let yaml = server.ok(&["get", "twins", "--interface", "hall", "-o", "yaml"]);
    let again = server.home.file("again.yaml", &yaml);
    assert_eq!(
        server.ok(&["apply", "-f", &again]),
        "twin/foyer unchanged\n",
        "what is printed is a manifest"
    );
}

#[test]
fn the_last_events_are_those_accepted_last() {
    let server = room();
    for n in 0..6 {
        let value = format!(r#"{{"temperature": {n}}}"#);
        server.ok(&["send", "kitchen", &value]);
    }
    server.ok(&[
        "send",
        "kitchen",
        r#"{"temperature": 77.25}"#,
        "--time",
        "2001-01-01T00:00:00Z",
    ]);
    let described = server.ok(&["describe", "twin", "kitchen"]);
    assert!(
        described.contains("77.25") && described.contains("2001-01-01"),
        "{described}"
    );
}

#[test]
fn a_data_folder_that_cannot_be_is_named() {
    let home = Home::new();
    let ran = home.run(&[
        "up",
        "--data",
        "/proc/x",
        "--http",
        "127.0.0.1:0",
        "--mqtt",
        "127.0.0.1:0",
    ]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.err.contains("/proc/x") && ran.err.contains("--data"),
        "{}",
        ran.err
    );
}

#[test]
fn what_cannot_be_used_is_kept_as_a_dead_letter() {
    let server = room();
    refused(
        &server,
        &["send", "kitchen", r#"{"temperature": "hot"}"#],
        5,
        &[],
    );
    let letters = wait("a dead letter", || {
        let out = server.ok(&["get", "deadletters", "-o", "json"]);
        Some(json(&out)).filter(|letters| letters.as_array().is_some_and(|all| !all.is_empty()))
    });
    assert_eq!(letters[0]["code"], "wrong-type");
    assert!(server.ok(&["get", "dl"]).starts_with("SEQ"));
}

#[test]
fn a_kill_loses_nothing_and_leaves_a_stale_context() {
    let server = room();
    server.ok(&["send", "office", r#"{"temperature": 20.5}"#, "--id", "o#1"]);
    let home = server.kill();
    let ran = home.run(&["get", "twins"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("error[stale-context]"), "{}", ran.err);

    let server = Server::start_in(home, &[]);
    let twin = json(&server.ok(&["get", "twin", "office", "-o", "json"]));
    assert!(
        twin.to_string().contains("\"temperature\":{\"value\":20.5"),
        "{twin}"
    );
    let (home, _) = server.stop();
    assert!(
        home.run(&["get", "twins"])
            .err
            .contains("error[no-context]"),
        "a clean stop takes its context away"
    );
}

#[test]
fn logs_and_doctor_speak_of_the_server_that_runs() {
    let server = room();
    let log = server.ok(&["logs"]);
    assert!(
        log.lines().count() > 0
            && log
                .lines()
                .all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{log}"
    );
    let checks = server.ok(&["doctor", "-o", "json"]);
    assert!(
        json(&checks)
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["result"] != "bad"),
        "{checks}"
    );
}

#[test]
fn an_address_that_is_taken_names_its_holder() {
    let server = Server::start(&[]);
    let taken = server.http.trim_start_matches("http://");
    let home = Home::new();
    let data = home.path.join("data");
    let ran = home.run(&[
        "up",
        "--data",
        data.to_str().unwrap(),
        "--http",
        taken,
        "--mqtt",
        "127.0.0.1:0",
    ]);
    assert_eq!(ran.code, 6);
    assert!(
        ran.err.contains("error[port-taken]") && ran.err.contains("gemelli (process "),
        "{}",
        ran.err
    );
}

#[test]
fn a_folder_in_use_is_not_opened_twice() {
    let server = Server::start(&[]);
    let data = server.home.path.join("data");
    let free = "127.0.0.1:0";
    let ran = server.run(&[
        "up",
        "--data",
        data.to_str().unwrap(),
        "--http",
        free,
        "--mqtt",
        free,
    ]);
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert!(ran.err.contains("error[folder-locked]"), "{}", ran.err);
}

#[test]
fn beyond_loopback_nothing_starts_without_authentication() {
    let home = Home::new();
    let data = home.path.join("data");
    let ran = home.run(&[
        "up",
        "--data",
        data.to_str().unwrap(),
        "--http",
        "0.0.0.0:0",
        "--mqtt",
        "127.0.0.1:0",
    ]);
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("gemelli auth init"), "{}", ran.err);
}

#[test]
fn ktwins_own_manifests_are_applied_as_they_are() {
    let server = Server::start(&[]);
    let file = server.home.file(
        "ktwin.yaml",
        "apiVersion: dtd.ktwin/v0\nkind: TwinInterface\nmetadata:\n  name: s4city-city-neighborhood\nspec:\n  id: s4city-city-neighborhood\n  \
         displayName: Neighborhood\n  properties:\n    - name: name\n      schema: string\n---\n\
         apiVersion: dtd.ktwin/v0\nkind: TwinInstance\nmetadata:\n  name: s4city-city-neighborhood-nb001\nspec:\n  interface: s4city-city-neighborhood\n",
    );
    server.ok(&["apply", "-f", &file]);
    assert_eq!(
        server.ok(&["get", "twins", "-o", "name"]),
        "twin/s4city-city-neighborhood-nb001\n"
    );
}

#[test]
fn a_twin_is_stopped_and_started_and_shows_how_faithful_it_is() {
    let server = room();
    let send = ["send", "office", r#"{"temperature": 21}"#];
    server.ok(&send);
    let wide = server.ok(&["get", "twins", "office", "-o", "wide"]);
    assert!(wide.contains("ENTANGLEMENT"), "{wide}");
    let described = server.ok(&["describe", "twin", "office"]);
    let fidelity = "Fidelity:   1.0 (timeliness 1.0, reliability 1.0, availability 1.0)";
    assert!(described.contains(fidelity), "{described}");
    let stopped = server.run(&["twin", "stop", "office"]);
    assert_eq!(stopped.err, "twin/office is stopped\n");
    refused(
        &server,
        &send,
        6,
        &["twin-stopped", "gemelli twin start office"],
    );
    let started = server.run(&["twin", "start", "office", "kitchen"]);
    assert_eq!(
        started.err,
        "twin/office is unbound\ntwin/kitchen is unbound\n"
    );
    server.ok(&send);
    refused(&server, &["twin", "stop", "offce"], 4, &["unknown-twin"]);
}
