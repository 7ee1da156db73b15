//! The `gemelli` program: every command, its configuration, its talk; nothing else.
//!
//! Promises: stdout carries data and stderr talk; an error names what, where and what to do; exit
//! codes are those of [`failure::Exit`]. Does not: hold a rule of its own about twins; whatever is
//! accepted or refused, the server or a library crate decides.

mod args;
mod command;
mod failure;
mod kind;
mod log;
mod output;
mod port;
mod server;
mod settings;
mod signal;
mod source;

use clap::{CommandFactory, Parser};
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    clap_complete::CompleteEnv::with_factory(args::Cli::command).complete();
    let cli = args::Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: args::Cli) -> Result<(), Failure> {
    let mut settings = settings::Settings::load(cli.global.config.as_deref())?;
    settings.flags(cli.global.flags());
    settings.flags(cli.command.flags());
    command::run(cli.command, &settings)
}
