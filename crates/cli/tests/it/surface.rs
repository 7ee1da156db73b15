//! What the program shows without a server: settings, completion, manual pages, its own documentation.

use super::fixture::{Home, root};
use std::fs;

#[test]
fn settings_say_where_they_come_from() {
    let home = Home::new();
    let file = home.file(
        ".config/gemelli/gemelli.yaml",
        "mqtt: 127.0.0.1:2883\nhttp: 127.0.0.1:2880\n",
    );
    let mut command = home.gemelli(&["config", "show", "--origin", "--server", "http://x:1"]);
    command.env("GEMELLI_HTTP", "127.0.0.1:3880");
    let ran = home.finish(command);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let line = |key: &str| {
        let found = ran
            .out
            .lines()
            .find(|line| line.split_whitespace().next() == Some(key))
            .unwrap();
        found
            .split_whitespace()
            .skip(1)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("data"), "./gemelli-data default");
    assert_eq!(
        line("mqtt"),
        "127.0.0.1:2883 ~/.config/gemelli/gemelli.yaml:1"
    );
    assert_eq!(line("http"), "127.0.0.1:3880 GEMELLI_HTTP");
    assert_eq!(line("server"), "http://x:1 --server");
    assert!(file.ends_with("gemelli.yaml"));

    let json = home.run(&["config", "show", "-o", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        json.as_array()
            .unwrap()
            .iter()
            .any(|row| row["setting"] == "mqtt" && row["value"] == "127.0.0.1:2883")
    );
    assert!(
        home.run(&["config", "show", "-o", "yaml"])
            .out
            .contains("setting: http")
    );
    assert!(
        home.run(&["config", "show", "-o", "name"])
            .out
            .contains("setting/http\n")
    );
}

#[test]
fn shells_get_completion_and_readers_manual_pages() {
    let home = Home::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = home.run(&["completion", shell]);
        assert!(
            ran.code == 0 && ran.out.contains("gemelli"),
            "{shell}: {}",
            ran.err
        );
    }
    let mut command = home.gemelli(&["--", "gemelli", "get", ""]);
    command.env("COMPLETE", "fish");
    assert!(home.finish(command).out.contains("deadletters"));

    let pages = home.path.join("man");
    assert_eq!(home.run(&["man", "--dir", pages.to_str().unwrap()]).code, 0);
    for page in [
        "gemelli.1",
        "gemelli-up.1",
        "gemelli-apply.1",
        "gemelli-demo.1",
    ] {
        assert!(pages.join(page).exists(), "{page}");
    }
}

#[test]
fn the_page_on_the_command_line_names_every_command_setting_and_exit_code() {
    let page = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let home = Home::new();
    let help = home.run(&["--help"]).out;
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    for command in commands.filter_map(|line| line.split_whitespace().next()) {
        assert!(
            page.contains(&format!("`{command}")),
            "docs/cli.md does not name the command {command}"
        );
    }
    let settings = home.run(&["config", "show", "--origin", "-o", "json"]).out;
    for row in serde_json::from_str::<serde_json::Value>(&settings)
        .unwrap()
        .as_array()
        .unwrap()
    {
        let key = row["setting"].as_str().unwrap();
        let variable = format!("GEMELLI_{}", key.to_uppercase().replace('-', "_"));
        let default = match row["origin"] == "default" {
            true => row["value"].as_str().unwrap(),
            false => "",
        };
        let line = page
            .lines()
            .find(|line| line.starts_with(&format!("| `{key}` | `{variable}` |")));
        let line = line.unwrap_or_else(|| panic!("docs/cli.md does not list {key}"));
        assert!(
            default.is_empty() || line.contains(&format!("| `{default}` |")),
            "{line}"
        );
    }
    for code in 0..=6 {
        assert!(
            page.contains(&format!("| {code} | ")),
            "docs/cli.md does not say what exit code {code} means"
        );
    }
}

#[test]
fn the_version_is_the_workspaces() {
    let ran = Home::new().run(&["version", "-o", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(rows[0]["version"], env!("CARGO_PKG_VERSION"));
}
