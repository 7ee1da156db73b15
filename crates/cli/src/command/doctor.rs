//! `gemelli doctor`: what stands in the way, and what to do about it.

use crate::{
    failure::{Exit, Failure},
    output::{self, Column, Format, Sheet, cell},
    port,
    settings::{Origin, Settings},
};
use serde_json::{Value as Json, json};
use std::{fs, net::SocketAddr, path::Path};

/// Check server, context, data folder, ports and limits; each finding has a remedy
#[derive(Debug, clap::Args)]
pub struct Args {}

const SHEET: Sheet = Sheet {
    kind: "check",
    name: |item| cell(item, "/check"),
    columns: &[
        Column {
            heading: "CHECK",
            wide: false,
            cell: |item| cell(item, "/check"),
        },
        Column {
            heading: "RESULT",
            wide: false,
            cell: |item| cell(item, "/result"),
        },
        Column {
            heading: "FOUND",
            wide: false,
            cell: |item| cell(item, "/found"),
        },
        Column {
            heading: "REMEDY",
            wide: false,
            cell: |item| cell(item, "/remedy"),
        },
    ],
};

/// Open files that a server with a thousand connections needs.
const FILES: u64 = 4_096;
/// Free bytes below which a data folder is short of space: the reserve and room for a day.
const SPACE: u64 = 2 << 30;

/// Runs it.
pub fn run(_: Args, settings: &Settings) -> Result<(), Failure> {
    let format = Format::of(settings)?;
    let reached = server(settings);
    let mut rows = vec![reached.0];
    rows.push(folder(&settings.data()));
    rows.push(space(&settings.data()));
    rows.push(files());
    if !reached.1 {
        for key in ["http", "mqtt"] {
            rows.push(listener(settings, key));
        }
    }
    output::list(format, &SHEET, &rows)?;
    match rows
        .iter()
        .any(|row| row.get("result") == Some(&json!("bad")))
    {
        true => Err(Failure::silent(Exit::Failed)),
        false => Ok(()),
    }
}

fn row(check: &str, result: &str, found: impl Into<String>, remedy: &str) -> Json {
    json!({"check": check, "result": result, "found": found.into(), "remedy": remedy})
}

/// Whether a server answers, and whether its version is this program's. None is no fault as such.
fn server(settings: &Settings) -> (Json, bool) {
    let asked = settings
        .client()
        .and_then(|client| Ok((client.status()?, client)));
    match asked {
        Ok((status, client)) if status.version == env!("CARGO_PKG_VERSION") => (
            row(
                "server",
                "ok",
                format!("{} {}", client.server(), status.version),
                "",
            ),
            true,
        ),
        Ok((status, client)) => {
            let found = format!(
                "{} has version {}, this is {}",
                client.server(),
                status.version,
                env!("CARGO_PKG_VERSION")
            );
            (
                row(
                    "server",
                    "warn",
                    found,
                    "use program and server of one version",
                ),
                true,
            )
        }
        Err(failure) if failure.code == "no-context" => (
            row("server", "warn", "none was started here", "gemelli up"),
            false,
        ),
        Err(failure) => (
            row("server", "bad", failure.message.as_str(), &failure.remedy),
            false,
        ),
    }
}

fn folder(data: &Path) -> Json {
    let parent = data
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("."));
    let probe = parent.join(format!(".gemelli-doctor-{}", std::process::id()));
    let written = fs::write(&probe, b"x").and_then(|()| fs::remove_file(&probe));
    match written {
        Ok(()) if data.is_dir() => row("data folder", "ok", data.display().to_string(), ""),
        Ok(()) => row(
            "data folder",
            "warn",
            format!("{} is absent", data.display()),
            "`gemelli up` makes it; or name another with --data",
        ),
        Err(error) => row(
            "data folder",
            "bad",
            format!("{}: {error}", parent.display()),
            "choose another with --data, or correct its owner",
        ),
    }
}

#[cfg(unix)]
fn space(data: &Path) -> Json {
    let folder = data
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(found) => {
            let free = found.f_bavail * found.f_frsize;
            let shown = format!("{:.1} GiB free", free as f64 / (1_u64 << 30) as f64);
            match free >= SPACE {
                true => row("disk", "ok", shown, ""),
                false => row(
                    "disk",
                    "warn",
                    shown,
                    "free some space, or choose another disk with --data",
                ),
            }
        }
        Err(error) => row(
            "disk",
            "warn",
            error.to_string(),
            "check the data folder's path",
        ),
    }
}

#[cfg(not(unix))]
fn space(_: &Path) -> Json {
    row("disk", "ok", "not measured on this system", "")
}

#[cfg(unix)]
fn files() -> Json {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    match most >= FILES {
        true => row("open files", "ok", format!("up to {most}"), ""),
        false => row(
            "open files",
            "warn",
            format!("up to {most}, each connection needs one"),
            "raise the limit: ulimit -n 65536",
        ),
    }
}

#[cfg(not(unix))]
fn files() -> Json {
    row("open files", "ok", "not limited on this system", "")
}

/// Whether `up` could listen where the settings say.
fn listener(settings: &Settings, key: &str) -> Json {
    let check = format!("{key} address");
    let Ok(address) = settings.text(key).parse::<SocketAddr>() else {
        return row(
            &check,
            "bad",
            settings.text(key),
            "write ADDRESS:PORT, for example 127.0.0.1:8080",
        );
    };
    match port::free(address, false, &format!("--{key}")) {
        Ok(_) => row(&check, "ok", address.to_string(), ""),
        Err(failure) => {
            let result = if settings.origin(key) == Origin::Default {
                "warn"
            } else {
                "bad"
            };
            row(&check, result, failure.message.as_str(), &failure.remedy)
        }
    }
}
