//! With filled caches nothing needs a network: both commands of the README in a network namespace
//! that holds loopback only.

use super::{
    fixture::{Home, root},
    interop::on_path,
};
use std::process::{Command, Stdio};

/// What `cargo xtask test` and `cargo xtask demo city --check` do, one after the other. The tests
/// themselves are running already, so this package stands for all.
const COMMANDS: &str = "ip link set lo up
test -z \"$(ip route)\"
cargo test --quiet --release --package gemelli --no-run
cargo build --quiet --release --package gemelli
exec \"$GEMELLI\" demo city --check --speed max";

#[test]
fn both_commands_of_the_readme_work_without_a_network() {
    let isolated = Command::new("unshare")
        .args(["--net", "ip", "link"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !on_path("ip") || !isolated.is_ok_and(|status| status.success()) {
        println!("skipped: ip: a network namespace needs root, `unshare` and `ip`");
        return;
    }
    let home = Home::new();
    let mut command = Command::new("unshare");
    command
        .args(["--net", "sh", "-e", "-c", COMMANDS])
        .current_dir(root())
        .stdin(Stdio::null());
    command
        .env("GEMELLI", env!("CARGO_BIN_EXE_gemelli"))
        .env("XDG_STATE_HOME", &home.path)
        .env("XDG_CONFIG_HOME", &home.path);
    let ran = home.finish(command);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("everything is as it must be"),
        "{}",
        ran.out
    );
}
