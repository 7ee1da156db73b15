//! What errors look like, as golden texts. No server is needed for any of them.

use super::fixture::Home;
use std::net::TcpListener;

fn refused(args: &[&str], code: i32, wanted: &str) {
    let home = Home::new();
    let ran = home.run(args);
    assert_eq!(
        (ran.code, ran.err.as_str(), ran.out.as_str()),
        (code, wanted, ""),
        "gemelli {}",
        args.join(" ")
    );
}

#[test]
fn an_unknown_kind_suggests_the_nearest() {
    refused(
        &["get", "twinz"],
        2,
        "error[unknown-kind]: no kind is called `twinz`\n |\n = help: did you mean `twins`?\n = docs: docs/errors/unknown-kind.md\n",
    );
}

#[test]
fn no_server_named_and_none_started() {
    refused(
        &["get", "twins"],
        3,
        "error[no-context]: no server is named, and there is no context file ~/.local/state/gemelli/context.json\n |\n \
         = help: start one with `gemelli up`, or name one with --server or GEMELLI_SERVER\n = docs: docs/errors/no-context.md\n",
    );
}

#[test]
fn a_server_that_does_not_answer() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    refused(
        &["get", "twins", "--server", &free],
        3,
        &format!(
            "error[unreachable]: no answer from http://{free}: nothing listens there\n |\n \
             = help: start one with `gemelli up`, or name another with --server or GEMELLI_SERVER\n = docs: docs/errors/unreachable.md\n"
        ),
    );
}

#[test]
fn a_context_left_behind_is_stale() {
    let home = Home::new();
    home.file(
        ".local/state/gemelli/context.json",
        r#"{"server":"http://127.0.0.1:9","mqtt":"127.0.0.1:9","pid":4194305,"data":"d"}"#,
    );
    let ran = home.run(&["describe", "twin", "a"]);
    assert_eq!(ran.code, 3);
    assert_eq!(
        ran.err,
        "error[stale-context]: the context ~/.local/state/gemelli/context.json names a server that is gone: process 4194305 does not run\n |\n \
         = help: start the server again with `gemelli up`, name another with --server, or delete the file\n = docs: docs/errors/stale-context.md\n"
    );
}

#[test]
fn everything_wrong_with_manifests_is_said_before_anything_is_sent() {
    let home = Home::new();
    let file = home.file(
        "room.yaml",
        "apiVersion: gemelli.dev/v1\nkind: Twin\nmetadata:\n  nmae: a\nspec:\n  interfase: room\n",
    );
    let ran = home.run(&["apply", "-f", &file, "--server", "127.0.0.1:9"]);
    assert_eq!(ran.code, 5);
    assert!(
        ran.err.starts_with(
            "error[unknown-field]: metadata has no field nmae\n --> ~/room.yaml:4:3\n  |\n4 |   nmae: a\n  |   ^^^^\n  |\n  = help: did you mean name?\n"
        ),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("error[unknown-field]: the spec of a twin has no field interfase\n --> ~/room.yaml:6:3\n"), "{}", ran.err);
}

#[test]
fn yaml_that_is_none_and_files_that_are_not_there() {
    let home = Home::new();
    let file = home.file("a.yaml", "kind: [\n");
    let ran = home.run(&["apply", "-f", &file]);
    assert_eq!(ran.code, 5);
    assert!(
        ran.err.starts_with("error[malformed-yaml]: ") && ran.err.contains(" --> ~/a.yaml:"),
        "{}",
        ran.err
    );

    let ran = home.run(&["diff", "-f", "nowhere"]);
    assert_eq!(ran.code, 4);
    assert!(ran.err.contains("cannot read nowhere"), "{}", ran.err);
}

#[test]
fn an_unknown_setting_is_an_error_in_file_and_environment() {
    let home = Home::new();
    let file = home.file("gemelli.yaml", "# mine\nhttp: 127.0.0.1:1\nsever: x\n");
    let ran = home.run(&["config", "show", "--config", &file]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.err,
        "error[unknown-key]: no setting is called `sever`\n --> ~/gemelli.yaml:3:1\n  |\n3 | sever: x\n  | ^^^^^\n  |\n  = help: did you mean `server`?\n  = docs: docs/errors/unknown-key.md\n"
    );

    let mut command = home.gemelli(&["config", "show"]);
    command.env("GEMELLI_OUTPT", "json");
    let ran = home.finish(command);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err
            .contains("no setting belongs to the variable GEMELLI_OUTPT")
            && ran.err.contains("did you mean `output`?"),
        "{}",
        ran.err
    );
}

#[test]
fn a_payload_that_is_no_json_shows_where() {
    refused(
        &["send", "kitchen", "{\"a\": 1,}"],
        5,
        "error[malformed-json]: the payload is not JSON: trailing comma at line 1 column 9\n --> <payload>:1:9\n  |\n1 | {\"a\": 1,}\n  |         ^\n  |\n  \
         = help: write a JSON object, for example '{\"temperature\": 21.5}'\n  = docs: docs/errors/malformed-json.md\n",
    );
}

#[test]
fn wrong_usage_ends_with_two() {
    let home = Home::new();
    for args in [
        &["fly"][..],
        &["get"],
        &["apply"],
        &["get", "twins", "-o", "xml"],
    ] {
        assert_eq!(home.run(args).code, 2, "{args:?}");
    }
}

#[test]
fn every_code_of_the_program_has_a_page() {
    let pages = super::fixture::root().join("docs/errors");
    let mut missing = Vec::new();
    for code in [
        "bad-answer",
        "bad-options",
        "io-failed",
        "malformed-json",
        "malformed-yaml",
        "missing-field",
        "no-context",
        "not-found",
        "port-taken",
        "stale-context",
        "unknown-field",
        "unknown-key",
        "unknown-kind",
        "unreachable",
    ] {
        if !pages.join(format!("{code}.md")).exists() {
            missing.push(code);
        }
    }
    assert!(
        missing.is_empty(),
        "docs/errors has no page for {missing:?}"
    );
}

#[test]
fn an_unknown_key_of_an_issuer_stops_the_start() {
    let home = Home::new();
    home.file(
        ".config/gemelli/gemelli.yaml",
        "issuers:\n  - name: corp\n    url: https://login.example\n    audiense: gemelli\n",
    );
    let data = home.path.join("data");
    let ran = home.run(&["up", "--data", &data.to_string_lossy()]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(
        ran.err
            .starts_with("error[unknown-key]: issuers: unknown field `audiense`"),
        "{}",
        ran.err
    );
    assert!(!data.join("log").exists(), "it started");
}
