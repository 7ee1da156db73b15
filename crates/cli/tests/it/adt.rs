//! The vendor's own clients of the Azure Digital Twins data plane, unchanged, against the real program:
//! each operation that they have but event routes.

use super::{
    fixture::{Home, Server, root},
    interop::{on_path, suite, target},
};
use std::process::Command;

/// Versions of azure-digitaltwins-core, each with the folder in `target/venv` that it is in.
const PYTHON: [(&str, Option<&str>); 3] = [
    ("1.3.0", None),
    ("1.2.0", Some("azure-digitaltwins-core-1.2.0")),
    ("1.1.0", Some("azure-digitaltwins-core-1.1.0")),
];

#[test]
fn azure_digitaltwins_core_of_python() {
    let venv = target().join("venv");
    let python = venv.join("bin/python");
    let script = root().join("crates/cli/tests/interop/adt_suite.py");
    let server = Server::start(&[]);
    for (version, folder) in PYTHON {
        let folder = folder.map(|folder| venv.join(folder));
        let mut found = Command::new(&python);
        found.args(["-c", "import azure.digitaltwins.core"]);
        if let Some(folder) = &folder {
            found.env("PYTHONPATH", folder);
        }
        let there = folder.as_ref().is_none_or(|folder| folder.exists());
        if !there || !found.output().is_ok_and(|out| out.status.success()) {
            println!("skipped: azure-digitaltwins-core: {version} is not in target/venv");
            continue;
        }
        let mut command = Command::new(&python);
        command.arg(&script).arg(&server.http);
        command.arg(folder.unwrap_or_else(|| "-".into()));
        server.home.settle(&mut command);
        suite(
            "azure-digitaltwins-core",
            version,
            server.home.finish(command),
        );
    }
}

#[test]
fn azure_digital_twins_core_of_npm() {
    let modules = root().join("ui/node_modules");
    let package = modules.join("@azure/digital-twins-core/package.json");
    if !on_path("node") || !package.exists() {
        println!(
            "skipped: @azure/digital-twins-core: it is not in ui/node_modules, or node is missing"
        );
        return;
    }
    let home = Home::new();
    let data = home.path.join("data");
    let data = data.to_str().unwrap();
    let ran = home.run(&["auth", "init", "--data", data, "-o", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let made: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let text = |name: &str| {
        let text = made[name].as_str().unwrap();
        text.replace('~', home.path.to_str().unwrap())
    };
    let (ca, token) = (text("ca"), text("token"));
    // The client refuses plain HTTP, even to this machine.
    let server = Server::start_at(home, "0.0.0.0:0", &[]);
    let port = server
        .http
        .rsplit(':')
        .next()
        .unwrap()
        .trim_end_matches('/');
    let mut command = Command::new("node");
    command
        .arg(root().join("crates/cli/tests/interop/adt_suite.mjs"))
        .arg(&modules)
        .arg(format!("https://127.0.0.1:{port}"))
        .arg(&token);
    server.home.settle(&mut command);
    command.env("NODE_EXTRA_CA_CERTS", &ca);
    suite(
        "@azure/digital-twins-core",
        "1.1.0",
        server.home.finish(command),
    );
}
