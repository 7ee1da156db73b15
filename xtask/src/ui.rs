//! The dashboard: built by Node.js into `ui/dist` before the program is, and only when it changed.
//!
//! Without Node.js the program is built without it, and says which line gets it. Nothing here fails the
//! task that asked: a dashboard that cannot be built costs the dashboard.

use crate::step::{self, Failed};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

/// The oldest Node.js that builds it: major and minor version.
const NODE: (u32, u32) = (20, 19);

/// Builds the dashboard if it is older than its sources.
pub fn build() {
    let ui = step::root().join("ui");
    if !outdated(&ui) {
        return;
    }
    if !node_is_enough() {
        eprintln!(
            "── the dashboard needs Node.js {}.{} or newer and is left out; the rest works without it",
            NODE.0, NODE.1
        );
        return;
    }
    if let Err(Failed(why)) = install(&ui).and_then(|()| bundle(&ui)) {
        eprintln!("   the dashboard is left out: {why}");
    }
}

/// Gets the packages that the lock file names, unless they are here.
pub fn install(ui: &Path) -> step::Done {
    let lock = modified(&ui.join("package-lock.json"));
    let here = modified(&ui.join("node_modules/.package-lock.json"));
    if here.is_some() && here >= lock {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--prefer-offline"]);
    npm.args(["--no-audit", "--no-fund", "--silent"]);
    step::run("npm ci (ui/node_modules)", npm.current_dir(ui))
}

fn bundle(ui: &Path) -> step::Done {
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", "build", "--", "--logLevel", "warn"]);
    step::run("building the dashboard", npm.current_dir(ui))
}

/// Whether there is a Node.js that is new enough.
fn node_is_enough() -> bool {
    let version = step::output("node", &["--version"]).unwrap_or_default();
    let mut parts = version.trim_start_matches('v').split('.');
    let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok());
    matches!((next(), next()), (Some(major), Some(minor)) if (major, minor) >= NODE)
}

/// Whether a source is younger than what was built from it.
fn outdated(ui: &Path) -> bool {
    let Some(built) = modified(&ui.join("dist/index.html.gz")) else {
        return true;
    };
    let files = [
        "index.html",
        "package-lock.json",
        "vite.config.ts",
        "svelte.config.js",
    ];
    let mut sources: Vec<PathBuf> = files.iter().map(|name| ui.join(name)).collect();
    let mut folders = vec![ui.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => sources.push(entry.path()),
            }
        }
    }
    sources.iter().any(|path| modified(path) > Some(built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
