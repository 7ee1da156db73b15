//! `gemelli model`: documents of the modelling language, on this machine, without a server.

mod check;
mod diff;
mod export;
mod files;
mod graph;
mod import;
mod interfaces;
mod load;
mod picture;
mod show;
mod verdict;

use crate::{failure::Failure, settings::Settings};

/// Check, compare and convert models, without a server
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Check(check::Args),
    Show(show::Args),
    Graph(graph::Args),
    Diff(diff::Args),
    Export(export::Args),
    Import(import::Args),
    Verdict(verdict::Args),
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    match args.what {
        What::Check(args) => check::run(args, settings),
        What::Show(args) => show::run(args, settings),
        What::Graph(args) => graph::run(args),
        What::Diff(args) => diff::run(args, settings),
        What::Export(args) => export::run(args),
        What::Import(args) => import::run(args),
        What::Verdict(args) => verdict::run(args),
    }
}
