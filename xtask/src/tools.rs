//! What tests use besides Rust: found, installed on request, or named with the line that gets it.
//!
//! Nothing here calls sudo. System packages are installed only as root and only with `--install`.

use crate::step::{self, Done};
use std::{path::PathBuf, process::Command};

/// A tool that some tests use; without it they are skipped, counted by its name.
pub struct Tool {
    /// The name under which skips are counted.
    pub name: &'static str,
    /// Whether it is here.
    pub found: fn() -> bool,
    /// How it comes.
    pub source: Source,
}

/// How a tool comes to the machine.
pub enum Source {
    /// Debian packages.
    Apt(&'static [&'static str]),
    /// Python packages, into `target/venv`.
    Pip(&'static [&'static str]),
    /// A Python package and an older version of it, without what it needs, into a folder of its own
    /// in `target/venv`.
    PipBeside(&'static str, &'static str),
    /// The packages of `ui/package.json`, into `ui/node_modules`.
    Npm,
}

/// Every tool, in the order in which they are installed.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "mosquitto",
        found: || on_path("mosquitto") && on_path("mosquitto_pub"),
        source: Source::Apt(&["mosquitto", "mosquitto-clients"]),
    },
    Tool {
        name: "ip",
        found: || on_path("ip"),
        source: Source::Apt(&["iproute2"]),
    },
    Tool {
        name: "chromium",
        found: || on_path("chromium"),
        source: Source::Apt(&["chromium"]),
    },
    Tool {
        name: "paho-mqtt",
        found: || {
            step::output(
                &venv().join("bin/python").to_string_lossy(),
                &["-c", "import paho.mqtt"],
            )
            .is_some()
        },
        source: Source::Pip(&["paho-mqtt==2.1.0"]),
    },
    Tool {
        name: "azure-digitaltwins-core",
        found: || {
            step::output(
                &venv().join("bin/python").to_string_lossy(),
                &["-c", "import azure.digitaltwins.core"],
            )
            .is_some()
        },
        source: Source::Pip(&["azure-digitaltwins-core==1.3.0", "msrest==0.7.1"]),
    },
    Tool {
        name: "azure-digitaltwins-core 1.2.0",
        found: || venv().join("azure-digitaltwins-core-1.2.0").exists(),
        source: Source::PipBeside("azure-digitaltwins-core", "1.2.0"),
    },
    Tool {
        name: "azure-digitaltwins-core 1.1.0",
        found: || venv().join("azure-digitaltwins-core-1.1.0").exists(),
        source: Source::PipBeside("azure-digitaltwins-core", "1.1.0"),
    },
    Tool {
        name: "@azure/digital-twins-core",
        found: || {
            step::root()
                .join("ui/node_modules/@azure/digital-twins-core/package.json")
                .exists()
        },
        source: Source::Npm,
    },
    Tool {
        name: "jsonschema",
        found: || {
            step::output(
                &venv().join("bin/python").to_string_lossy(),
                &["-c", "import jsonschema"],
            )
            .is_some()
        },
        source: Source::Pip(&["jsonschema==4.26.0"]),
    },
    Tool {
        name: "mqtt.js",
        found: || {
            step::root()
                .join("ui/node_modules/mqtt/package.json")
                .exists()
        },
        source: Source::Npm,
    },
];

/// The Python environment of the tests.
pub fn venv() -> PathBuf {
    step::target().join("venv")
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .any(|folder| folder.join(program).is_file())
    })
}

fn is_root() -> bool {
    step::output("id", &["-u"]).as_deref() == Some("0")
}

/// Installs what is missing if asked to; prints the line that does for what it may not or could
/// not install. Tests then skip what is still missing, and say so.
pub fn prepare(install: bool) -> Done {
    let mut packages: Vec<&str> = Vec::new();
    for tool in TOOLS.iter().filter(|tool| !(tool.found)()) {
        match &tool.source {
            Source::Apt(names) => packages.extend(*names),
            Source::Pip(names) if install => pip(names),
            Source::PipBeside(name, version) if install => {
                let folder = venv().join(format!("{name}-{version}"));
                let folder = folder.to_string_lossy();
                let package = format!("{name}=={version}");
                pip(&["--no-deps", "--target", &folder, &package]);
            }
            Source::Npm if install => npm(),
            Source::Pip(_) | Source::PipBeside(..) | Source::Npm => {
                eprintln!(
                    "   {} is missing: `cargo xtask test --install` gets it",
                    tool.name
                );
            }
        }
    }
    if packages.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install -y {}", packages.join(" "));
    if install && is_root() {
        let update = Command::new("apt-get").args(["update", "-qq"]).status();
        if update.is_ok_and(|status| status.success()) {
            let mut apt = Command::new("apt-get");
            apt.args(["install", "-y", "-qq"]).args(&packages);
            apt.env("DEBIAN_FRONTEND", "noninteractive");
            report(&line, &mut apt);
            return Ok(());
        }
    }
    eprintln!("   some tests use system packages that are missing; as root:\n     {line}");
    Ok(())
}

fn pip(names: &[&str]) {
    let python = venv().join("bin/python");
    if !python.exists() {
        report(
            "python3 -m venv target/venv",
            Command::new("python3").args(["-m", "venv"]).arg(venv()),
        );
    }
    report(
        "pip install (target/venv)",
        Command::new(python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(names),
    );
}

fn npm() {
    if let Err(step::Failed(why)) = crate::ui::install(&step::root().join("ui")) {
        eprintln!("   {why}: what needs it is skipped");
    }
}

/// An install that fails costs skips, which are counted, not the whole run.
fn report(what: &str, command: &mut Command) {
    if let Err(step::Failed(why)) = step::run(what, command) {
        eprintln!("   {why}: what needs it is skipped");
    }
}
