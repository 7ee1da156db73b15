//! `gemelli twin`: halts twins and lets them go on.

use crate::{failure::Failure, output, settings::Settings};
use clap::Subcommand;
use clap_complete::ArgValueCandidates;

/// Stop twins, and start them again
///
/// A stopped twin keeps its values and history; what devices and others send it is refused
/// (`twin-stopped`) and kept as a dead letter until it is started.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Halt twins: they take no events
    Stop(Names),
    /// Let stopped twins go on
    Start(Names),
}

#[derive(Debug, clap::Args)]
struct Names {
    /// Names of twins
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(super::completion::twins))]
    names: Vec<String>,
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let client = settings.client()?;
    let (names, stopped) = match args.verb {
        Verb::Stop(names) => (names.names, true),
        Verb::Start(names) => (names.names, false),
    };
    for name in &names {
        let twin = client.halt(name, stopped)?;
        output::say(&format!("twin/{} is {}", twin.id, twin.lifecycle));
    }
    Ok(())
}
