//! The two commands of the README without a network: what is in the caches is enough.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

/// A shell line in a network namespace of its own, with loopback only.
fn alone(line: &str) -> Command {
    let mut command = Command::new("unshare");
    command
        .args([
            "--net",
            "--map-root-user",
            "sh",
            "-c",
            &format!("ip link set lo up && exec {line}"),
        ])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn possible() -> bool {
    let done = alone("true").output();
    if done.is_ok_and(|output| output.status.success()) {
        return true;
    }
    println!("skipped: network-namespace: unshare or ip is missing, or not allowed here");
    false
}

/// Kills the whole group when the test ends, however it ends.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.0.id())])
            .status();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_starts_without_a_network() {
    use std::os::unix::process::CommandExt;
    if !possible() {
        return;
    }
    let state = std::env::temp_dir().join(format!("gemelli-offline-{}", std::process::id()));
    let mut command = alone("cargo xtask demo city --no-open");
    command.env("XDG_STATE_HOME", &state).process_group(0);
    let mut group = Group(command.spawn().unwrap());
    let (send, lines) = mpsc::channel();
    let stdout = group.0.stdout.take().unwrap();
    let stderr = group.0.stderr.take().unwrap();
    let also = send.clone();
    std::thread::spawn(move || {
        BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .for_each(|l| drop(send.send(l)))
    });
    std::thread::spawn(move || {
        BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .for_each(|l| drop(also.send(l)))
    });
    let mut said = Vec::new();
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(900)) {
        let there = line.contains("http://127.0.0.1:");
        said.push(line);
        if there {
            return;
        }
    }
    panic!("the demo printed no address:\n{}", said.join("\n"));
}

#[test]
fn the_tests_build_without_a_network() {
    if !possible() {
        return;
    }
    let output = alone("cargo xtask test -- no_test_has_this_name")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        said.lines()
            .any(|line| line == "0 passed, 0 failed, 0 skipped"),
        "{said}"
    );
}
