//! `cargo xtask demo`: build, then hand over to `gemelli demo`.

use crate::step::{self, Done, Failed};
use std::process::Command;

/// Builds and runs the demo with the given options.
pub fn run(args: &[String]) -> Done {
    step::build_gemelli()?;
    let status = Command::new(step::gemelli())
        .arg("demo")
        .args(args)
        .status()
        .map_err(|e| Failed(format!("running {}: {e}", step::gemelli().display())))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed(format!("gemelli demo: {status}")))
    }
}
