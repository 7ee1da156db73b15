//! `gemelli model`: documents of the modelling language, on this machine, without a server.

mod check;
mod files;
mod graph;
mod load;
mod picture;
mod show;
mod verdict;

use crate::{failure::Failure, settings::Settings};

/// Check and look at models written in DTDL, without a server
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
    Verdict(verdict::Args),
}

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    match args.what {
        What::Check(args) => check::run(args, settings),
        What::Show(args) => show::run(args, settings),
        What::Graph(args) => graph::run(args),
        What::Verdict(args) => verdict::run(args),
    }
}
