//! `gemelli man`: manual pages.

use crate::{args::Cli, failure::Failure, output, settings::Settings};
use clap::CommandFactory;
use std::path::PathBuf;

/// Print the manual page, or write those of all commands to a folder
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write gemelli.1, gemelli-up.1 and so on here
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: Args, _: &Settings) -> Result<(), Failure> {
    match args.dir {
        Some(folder) => {
            std::fs::create_dir_all(&folder)?;
            Ok(clap_mangen::generate_to(Cli::command(), folder)?)
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            output::write(&String::from_utf8_lossy(&page))
        }
    }
}
