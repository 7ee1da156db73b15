//! The dashboard in a real browser, against a real server with the city running.

use super::{
    fixture::{Home, Server, root},
    interop::on_path,
};
use std::{fs, path::Path, process::Command};

/// Twins beside the city's, so that the list and the map have more than 10,000.
const POINTS: usize = 10_000;

/// Manifests of an interface and many twins with coordinates; one has texts that must stay texts.
fn points() -> String {
    let hostile = r#"<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>"#;
    let mut text = String::from(
        r#"[{"apiVersion":"gemelli.dev/v1","kind":"Interface","metadata":{"name":"point"},"spec":{"displayName":"Point","properties":[{"name":"latitude","schema":"double"},{"name":"longitude","schema":"double"},{"name":"label","schema":"string"},{"name":"level","schema":"double"}]}}"#,
    );
    for at in 0..POINTS {
        let (latitude, longitude) = (
            45.1 + (at / 100) as f64 / 1e3,
            10.1 + (at % 100) as f64 / 1e3,
        );
        text.push_str(&format!(
            r#",{{"apiVersion":"gemelli.dev/v1","kind":"Twin","metadata":{{"name":"point-{at:05}"}},"spec":{{"interface":"point","properties":{{"latitude":{latitude},"longitude":{longitude},"label":"{hostile}","level":{at}}}}}}}"#
        ));
    }
    text.push(']');
    text
}

#[test]
fn every_page_shows_the_city_and_tells_when_it_is_not_live() {
    let ui = root().join("ui");
    let playwright = ui.join("node_modules/playwright-core/package.json");
    if !ui.join("dist/index.html.gz").exists() || !playwright.exists() {
        println!("skipped: dashboard: it is not built; Node.js and `cargo xtask test` build it");
        return;
    }
    let Some(browser) = ["chromium", "chromium-browser"]
        .into_iter()
        .find(|name| on_path(name))
    else {
        println!("skipped: chromium: no browser is on the path");
        return;
    };
    let home = Home::new();
    let data = home.path.join("data");
    let data = data.to_str().unwrap();
    let server = Server::launch(
        home,
        &[
            "demo",
            "city",
            "--data",
            data,
            "--speed",
            "600",
            "--no-open",
        ],
    );
    let file = server.home.file("points.json", &points());
    server.ok(&["apply", "-f", &file]);

    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    fs::create_dir_all(&pictures).unwrap();
    let mut command = Command::new("node");
    command
        .arg(root().join("crates/cli/tests/interop/dashboard.mjs"))
        .arg(ui.join("node_modules"))
        .args([browser, &server.http, &server.mqtt])
        .arg(&pictures)
        .args([env!("CARGO_BIN_EXE_gemelli"), data])
        .arg(server.pid().to_string());
    server.home.settle(&mut command);
    let ran = server.home.finish(command);
    println!("{}", ran.out);
    assert!(
        ran.code == 0 && ran.out.contains("ok ") && !ran.out.contains("FAIL"),
        "{}{}\npictures: {}",
        ran.out,
        ran.err,
        pictures.display()
    );
}
