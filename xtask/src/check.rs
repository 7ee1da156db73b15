//! `cargo xtask check`: what every commit holds.

use crate::step::{self, Done, Failed};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Which crates of ours a crate may see: the arrows go down only.
const ARROWS: &[(&str, &[&str])] = &[
    ("gemelli-mqtt", &[]),
    ("gemelli-model", &[]),
    ("gemelli-event", &["gemelli-model"]),
    ("gemelli-engine", &["gemelli-event", "gemelli-model"]),
    ("gemelli-store", &["gemelli-event", "gemelli-model"]),
    ("gemelli-auth", &[]),
    ("gemelli-ui", &[]),
    (
        "gemelli-query",
        &["gemelli-engine", "gemelli-event", "gemelli-model"],
    ),
    ("gemelli-testkit", &["gemelli-model"]),
    (
        "gemelli-connect",
        &["gemelli-engine", "gemelli-event", "gemelli-model"],
    ),
    ("gemelli-broker", &["gemelli-event", "gemelli-mqtt"]),
    (
        "gemelli-node",
        &[
            "gemelli-auth",
            "gemelli-broker",
            "gemelli-connect",
            "gemelli-engine",
            "gemelli-event",
            "gemelli-model",
            "gemelli-store",
        ],
    ),
    (
        "gemelli-api",
        &[
            "gemelli-auth",
            "gemelli-engine",
            "gemelli-event",
            "gemelli-model",
            "gemelli-node",
            "gemelli-query",
            "gemelli-store",
            "gemelli-ui",
        ],
    ),
    ("gemelli-client", &["gemelli-event", "gemelli-model"]),
    (
        "gemelli-load",
        &[
            "gemelli-client",
            "gemelli-event",
            "gemelli-model",
            "gemelli-mqtt",
        ],
    ),
    (
        "gemelli",
        &[
            "gemelli-api",
            "gemelli-auth",
            "gemelli-client",
            "gemelli-event",
            "gemelli-load",
            "gemelli-model",
            "gemelli-node",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that others must not reach even through third parties: the reference values of `load`
/// are worth nothing if they are computed by what they check.
const NEVER: &[(&str, &[&str])] = &[
    (
        "gemelli-load",
        &["gemelli-engine", "gemelli-connect", "cel"],
    ),
    ("gemelli-testkit", &["gemelli-engine", "gemelli-query"]),
    ("gemelli-engine", &["tokio", "rand", "rustix"]),
    ("gemelli-query", &["tokio", "rand", "rustix"]),
    ("gemelli-model", &["tokio", "rand", "rustix"]),
    ("gemelli-event", &["tokio", "rand", "rustix"]),
];

/// Crates whose sources know no IO, clock or chance, and what would betray it.
const PURE: &[&str] = &["mqtt", "model", "event", "engine", "query"];
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "tokio::",
    "RandomState",
];

/// Runs every check, all of them even when one fails.
pub fn run(args: &[String]) -> Done {
    let install = args.iter().any(|arg| arg == "--install");
    let mut red = Vec::new();
    let mut note = |what: &str, done: Done| {
        if let Err(Failed(why)) = done {
            eprintln!("   {why}");
            red.push(what.to_owned());
        }
    };
    note(
        "format",
        step::run("format", step::cargo().args(["fmt", "--all", "--check"])),
    );
    note(
        "clippy",
        step::build(
            "clippy",
            step::cargo()
                .args([
                    "clippy",
                    "--release",
                    "--workspace",
                    "--all-targets",
                    "--quiet",
                ])
                .args(["--", "-D", "warnings"]),
        ),
    );
    note("arrows", arrows());
    note("purity", purity(&step::root()));
    note("wasm", wasm());
    note("licences", licences(install));
    note(
        "docs",
        step::build(
            "docs",
            step::cargo()
                .args(["doc", "--release", "--workspace", "--no-deps", "--quiet"])
                .env("RUSTDOCFLAGS", "-D warnings"),
        ),
    );
    if red.is_empty() {
        eprintln!("all checks green");
        return Ok(());
    }
    Err(Failed(format!("red: {}", red.join(", "))))
}

/// A target without an operating system, for which the vocabulary has to build.
const WASM: &str = "wasm32-unknown-unknown";

/// Whether the model is usable where there is no system, checked where its target is installed.
fn wasm() -> Done {
    let installed = step::output("rustc", &["--print", "sysroot"])
        .map(|root| Path::new(root.trim()).join("lib/rustlib").join(WASM))
        .is_some_and(|folder| folder.exists());
    if !installed {
        println!("skipped: wasm: the target {WASM} is not installed");
        return Ok(());
    }
    step::build(
        "wasm",
        step::cargo()
            .args(["check", "--release", "--quiet", "-p", "gemelli-model"])
            .args(["--target", WASM]),
    )
}

/// Every crate with what it depends on directly, dev-dependencies left out, from cargo itself.
fn graph() -> Done<BTreeMap<String, BTreeSet<String>>> {
    let version = step::output("rustc", &["-vV"]).unwrap_or_default();
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap_or("x86_64-unknown-linux-gnu");
    let metadata = [
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ];
    let text = step::output("cargo", &[&metadata[..], &["--offline"]].concat())
        .or_else(|| step::output("cargo", &metadata))
        .ok_or_else(|| Failed("cargo metadata does not answer".into()))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| Failed(format!("cargo metadata: {e}")))?;
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let mut names = BTreeMap::new();
    for package in list(&metadata["packages"]) {
        if let (Some(id), Some(name)) = (package["id"].as_str(), package["name"].as_str()) {
            names.insert(id.to_owned(), name.to_owned());
        }
    }
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let Some(name) = node["id"].as_str().and_then(|id| names.get(id)) else {
            continue;
        };
        let edges = graph.entry(name.clone()).or_default();
        for dependency in list(&node["deps"]) {
            let normal = list(&dependency["dep_kinds"])
                .iter()
                .any(|kind| kind["kind"].is_null());
            if let (true, Some(to)) = (
                normal,
                dependency["pkg"].as_str().and_then(|id| names.get(id)),
            ) {
                edges.insert(to.clone());
            }
        }
    }
    Ok(graph)
}

fn arrows() -> Done {
    eprintln!("── crate arrows");
    let faults = arrow_faults(&graph()?);
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failed(faults.join("\n   ")))
}

fn arrow_faults(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, edges) in graph
        .iter()
        .filter(|(name, _)| name.starts_with("gemelli") || *name == "xtask")
    {
        let Some((_, allowed)) = ARROWS.iter().find(|(n, _)| n == name) else {
            faults.push(format!(
                "{name} is not in the table of arrows: add it to xtask/src/check.rs"
            ));
            continue;
        };
        for edge in edges
            .iter()
            .filter(|edge| edge.starts_with("gemelli") && !allowed.contains(&edge.as_str()))
        {
            faults.push(format!("{name} must not see {edge}"));
        }
    }
    for (name, forbidden) in NEVER {
        let reached = reach(graph, name);
        for edge in forbidden.iter().filter(|edge| reached.contains(**edge)) {
            faults.push(format!(
                "{name} must not reach {edge}, not even through others"
            ));
        }
    }
    faults
}

fn reach(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(name) = next.pop() {
        for edge in graph.get(&name).into_iter().flatten() {
            if reached.insert(edge.clone()) {
                next.push(edge.clone());
            }
        }
    }
    reached
}

fn purity(root: &Path) -> Done {
    eprintln!("── purity of vocabulary and core");
    let mut faults = Vec::new();
    for name in PURE {
        sources(
            &root.join("crates").join(name).join("src"),
            &mut |path, text| {
                faults.extend(impurities(text).into_iter().map(|(line, word)| {
                    format!(
                        "{}:{line}: {word} has no place in a pure crate",
                        path.display()
                    )
                }));
            },
        )?;
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failed(faults.join("\n   ")))
}

/// Lines that betray IO, a clock or chance; comments do not count.
fn impurities(text: &str) -> Vec<(usize, &'static str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter_map(|(at, line)| {
            IMPURE
                .iter()
                .find(|word| line.contains(**word))
                .map(|word| (at + 1, *word))
        })
        .collect()
}

/// Shows every source of a crate; its tests may do what they like.
fn sources(folder: &Path, see: &mut dyn FnMut(&Path, &str)) -> Done {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            sources(&path, see)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            see(&path, &fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn licences(install: bool) -> Done {
    let there = || step::output("cargo", &["deny", "--version"]).is_some();
    if install && !there() {
        let mut get = step::cargo();
        get.args(["install", "--locked", "--debug", "--quiet", "cargo-deny"]);
        step::run("installing cargo-deny", &mut get)?;
    }
    if !there() {
        println!("skipped: cargo-deny: licences unchecked; `cargo xtask check --install` gets it");
        return Ok(());
    }
    step::run(
        "licences",
        step::cargo().args([
            "deny",
            "--log-level",
            "error",
            "check",
            "licenses",
            "bans",
            "sources",
        ]),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn the_house_stands() {
        let graph = graph().unwrap_or_else(|Failed(why)| panic!("{why}"));
        assert_eq!(arrow_faults(&graph), Vec::<String>::new());
    }

    #[test]
    fn the_pure_crates_are_pure() {
        purity(&step::root()).unwrap_or_else(|Failed(why)| panic!("{why}"));
    }

    #[test]
    fn an_arrow_that_goes_up_is_named() {
        let mut graph = BTreeMap::new();
        graph.insert(
            "gemelli-model".to_owned(),
            BTreeSet::from(["gemelli-engine".to_owned()]),
        );
        graph.insert(
            "gemelli-load".to_owned(),
            BTreeSet::from(["innocent".to_owned()]),
        );
        graph.insert("innocent".to_owned(), BTreeSet::from(["cel".to_owned()]));
        assert_eq!(
            arrow_faults(&graph),
            [
                "gemelli-model must not see gemelli-engine",
                "gemelli-load must not reach cel, not even through others"
            ]
        );
    }

    #[test]
    fn a_clock_in_a_pure_crate_is_named() {
        assert_eq!(
            impurities("let a = 1;\nlet now = SystemTime::now();\n// std::fs\n"),
            [(2, "SystemTime")]
        );
    }
}
