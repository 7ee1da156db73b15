//! The command line as types. Flags that are also configuration keys are optional here: their
//! value comes from [`crate::settings`], which knows the file, the environment and the default.

use crate::command;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Shown below every help text of the program.
const AFTER: &str = "\
Exit codes: 0 done, 1 failed or different, 2 wrong usage, 3 server not reached,
            4 not found, 5 refused by validation, 6 conflict.
Settings:   file gemelli.yaml < environment GEMELLI_... < flag; see `gemelli config show --origin`.";

/// Digital twins that are the fold of their log.
#[derive(Debug, Parser)]
#[command(name = "gemelli", version, after_help = AFTER, disable_help_subcommand = true)]
#[command(max_term_width = 100, infer_subcommands = false)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Address of the server; without one, the server that `up` or `demo` last started here
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// File that holds the bearer token (the variable GEMELLI_TOKEN holds the token itself)
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<String>,
    /// Certificate of the authority to trust, PEM
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<String>,
    /// Configuration file in place of gemelli/gemelli.yaml below XDG_CONFIG_HOME
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "GEMELLI_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// How objects are printed
    #[arg(short, long, global = true, value_name = "FORMAT", value_parser = ["table", "wide", "json", "yaml", "name"])]
    pub output: Option<String>,
}

impl Global {
    /// The flags that were given, by the names of their keys.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        given([
            ("server", &self.server),
            ("token-file", &self.token_file),
            ("ca", &self.ca),
            ("output", &self.output),
        ])
    }
}

/// Of keys and flags, those that were given.
pub fn given<const N: usize>(
    flags: [(&'static str, &Option<String>); N],
) -> Vec<(&'static str, String)> {
    flags
        .into_iter()
        .filter_map(|(key, value)| value.clone().map(|value| (key, value)))
        .collect()
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Up(command::up::Args),
    Demo(command::demo::Args),
    Apply(command::apply::Args),
    Get(command::get::Args),
    Describe(command::describe::Args),
    Diff(command::diff::Args),
    Delete(command::delete::Args),
    Twin(command::twin::Args),
    Send(command::send::Args),
    Watch(command::watch::Args),
    History(command::history::Args),
    Replay(command::replay::Args),
    Logs(command::logs::Args),
    Doctor(command::doctor::Args),
    Auth(command::auth::Args),
    Config(command::config::Args),
    Model(command::model::Args),
    Completion(command::completion::Args),
    Man(command::man::Args),
    Version(command::version::Args),
    #[command(hide = true)]
    Load(command::load::Args),
    #[command(hide = true)]
    Simulate(command::simulate::Args),
}

impl Command {
    /// Flags of the command that are configuration keys.
    pub fn flags(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Up(args) => args.flags(),
            Self::Demo(args) => args.flags(),
            _ => Vec::new(),
        }
    }
}
