//! Every command block of README, docs and examples, run against a real server on free ports.
//!
//! A block is fenced as ```` ```console ````: lines that begin with `$ ` are commands, what follows is
//! what they print, where `...` stands for any lines. `gemelli up` starts a server for the rest of
//! the page. `cargo xtask` is left to `cargo xtask first-run`, which runs it from a clean clone.

use super::{
    fixture::{Home, Server, root},
    interop::on_path,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

#[derive(Debug)]
struct Step {
    line: usize,
    command: String,
    printed: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (at, line) in page.lines().enumerate() {
        match (line.trim_end(), inside) {
            ("```console", false) => inside = true,
            ("```", true) => inside = false,
            (line, true) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    line: at + 1,
                    command: command.into(),
                    printed: Vec::new(),
                }),
                (None, Some(step)) => step.printed.push(line.into()),
                (None, None) => panic!("line {}: output without a command", at + 1),
            },
            _ => {}
        }
    }
    steps
}

/// Whether lines are as wanted; `...` matches any number of them.
fn matches(wanted: &[String], lines: &[&str]) -> bool {
    match (wanted.split_first(), lines.split_first()) {
        (None, _) => lines.is_empty(),
        (Some((any, rest)), _) if any == "..." => {
            (0..=lines.len()).any(|skip| matches(rest, &lines[skip..]))
        }
        (Some((first, rest)), Some((line, others))) => first == line && matches(rest, others),
        (Some(_), None) => false,
    }
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut folders = vec![root().join("docs"), root().join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md")
                && !path.ends_with("first-run.md")
            {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn run(page: &Path) {
    let text = fs::read_to_string(page).unwrap();
    let mut server: Option<Server> = None;
    let page_home = Home::new();
    for step in steps(&text) {
        let place = format!("{}:{}: {}", page.display(), step.line, step.command);
        let word = step.command.split_whitespace().next().unwrap_or_default();
        if step.command.starts_with("cargo xtask") {
            continue;
        }
        if step.command.starts_with("gemelli up") {
            server = Some(Server::start(&[]));
            continue;
        }
        if word.starts_with("mosquitto") && !on_path(word) {
            println!(
                "skipped: mosquitto: {word} is not installed, used by {}",
                page.display()
            );
            continue;
        }
        let mut line = step.command.clone();
        if let Some(server) = &server {
            line = line
                .replace("1883", server.mqtt_port())
                .replace("http://127.0.0.1:8080", &server.http);
        }
        let mut command = Command::new("sh");
        command.args(["-c", &line]);
        let home = server.as_ref().map_or(&page_home, |server| &server.home);
        home.settle(&mut command);
        let program = Path::new(env!("CARGO_BIN_EXE_gemelli")).parent().unwrap();
        let path = env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", program.display()));
        let ran = home.finish(command);
        assert_eq!(ran.code, 0, "{place}\n{}{}", ran.out, ran.err);
        let lines: Vec<&str> = ran.out.lines().collect();
        assert!(
            step.printed.is_empty() || matches(&step.printed, &lines),
            "{place}\nprinted:\n{}\nwanted:\n{}",
            ran.out,
            step.printed.join("\n")
        );
    }
}

#[test]
fn command_blocks_do_what_the_pages_say() {
    for page in pages() {
        run(&page);
    }
}

#[test]
fn dots_stand_for_any_lines_and_nothing_else_does() {
    let wanted: Vec<String> = ["a", "...", "c"].map(String::from).into();
    assert!(matches(&wanted, &["a", "c"]) && matches(&wanted, &["a", "b", "b", "c"]));
    assert!(!matches(&wanted, &["a", "b"]) && !matches(&wanted, &["b", "c"]));
    let steps = steps("```console\n$ a\nx\n$ b\n```\n```text\n$ no\n```\n");
    let seen: Vec<_> = steps
        .iter()
        .map(|step| (step.command.as_str(), step.printed.len()))
        .collect();
    assert_eq!(seen, [("a", 1), ("b", 0)]);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut dead = Vec::new();
    let roots = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ]
    .map(|page| root().join(page));
    for page in pages().into_iter().chain(roots) {
        let text = fs::read_to_string(&page).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            let local = !target.is_empty() && !target.contains("://");
            if local && !page.parent().unwrap().join(target).exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn the_map_names_files_that_exist() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let quoted = map.split('`').skip(1).step_by(2);
    let gone: Vec<_> = quoted
        .filter(|name| name.starts_with("crates/") && !root().join(name).exists())
        .collect();
    assert!(
        gone.is_empty(),
        "ARCHITECTURE.md names what is not there: {gone:?}"
    );
    for folder in fs::read_dir(root().join("crates")).unwrap().flatten() {
        let name = folder.file_name().into_string().unwrap();
        assert!(
            map.contains(&format!("| `{name}` |")),
            "ARCHITECTURE.md does not say what {name} never does"
        );
    }
}
