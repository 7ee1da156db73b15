//! `gemelli simulate`: the devices of the city, as a process of their own; hidden from help.

use super::load;
use crate::{failure::Failure, settings::Settings};
use gemelli_load::simulate;

/// Be the devices of the city; only `demo` writes these words
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Options, as gemelli_load::simulate says
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Runs it.
pub fn run(args: Args, _: &Settings) -> Result<(), Failure> {
    simulate::run(&args.words).map_err(|error| load::failed(&error))
}
