//! `gemelli completion`: what a shell needs to complete commands, kinds and the names of twins.

use crate::{failure::Failure, kind::Kind, output, settings::Settings};
use clap_complete::{CompletionCandidate, env::Shells};
use gemelli_client::TwinFilter;

/// Print the completion script of a shell
///
/// For bash: source <(gemelli completion bash). Names of twins come from the server.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    shell: String,
}

/// Names offered at most.
const OFFERED: usize = 500;

/// Runs it.
pub fn run(args: Args, _: &Settings) -> Result<(), Failure> {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&args.shell) {
        shell.write_registration("COMPLETE", "gemelli", "gemelli", "gemelli", &mut script)?;
    }
    output::write(&String::from_utf8_lossy(&script))
}

/// The kinds that can be listed.
pub fn kinds() -> Vec<CompletionCandidate> {
    Kind::ALL
        .iter()
        .filter_map(|kind| kind.spellings().first())
        .map(CompletionCandidate::new)
        .collect()
}

/// The twins of the server that the settings name; none if it does not answer.
pub fn twins() -> Vec<CompletionCandidate> {
    let client = Settings::load(None).and_then(|settings| settings.client());
    let Ok(client) = client else {
        return Vec::new();
    };
    let twins = client.twins(&TwinFilter::default()).take(OFFERED);
    twins
        .map_while(Result::ok)
        .map(|twin| CompletionCandidate::new(twin.id))
        .collect()
}
