//! `gemelli load`: what benchmarks run as processes of their own; hidden from help.

use crate::{
    failure::{Exit, Failure},
    output,
    settings::Settings,
};
use gemelli_load::command;

/// Generate load by MQTT: publish, hold or city; prints one JSON object
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which generator and its options, as gemelli_load::command says
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let client = || {
        settings
            .client()
            .map_err(|failure| gemelli_client::Error::Options(failure.message))
    };
    let done = command::run(&args.words, client).map_err(|error| match error {
        command::Error::Words(words) => {
            Failure::usage("bad-options", words, "see crates/load/src/command.rs")
        }
        command::Error::Http(error) => error.into(),
        other => failed(&other),
    });
    output::write(&output::json(&done?)?)
}

/// The failure of a generator or of the devices.
pub fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        "load-failed",
        error.to_string(),
        "look at the server: gemelli logs, gemelli doctor",
    )
}
