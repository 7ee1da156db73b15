//! `gemelli demo`.

use crate::{failure::Failure, settings::Settings};

/// Not in this build
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_: Args, _: &Settings) -> Result<(), Failure> {
    Err(Failure::usage("unavailable", "not in this build", ""))
}
