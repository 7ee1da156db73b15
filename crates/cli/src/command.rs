//! The commands: one file each, all of one shape: `Args` with their help, and `run`.

pub mod apply;
pub mod auth;
pub mod completion;
pub mod config;
pub mod delete;
pub mod demo;
pub mod describe;
pub mod diff;
pub mod doctor;
pub mod get;
pub mod history;
pub mod load;
pub mod logs;
pub mod man;
pub mod model;
pub mod replay;
pub mod send;
pub mod simulate;
pub mod twin;
pub mod up;
pub mod version;
pub mod watch;

use crate::{args::Command, failure::Failure, settings::Settings};

/// Runs a command.
pub fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Up(args) => up::run(args, settings),
        Command::Demo(args) => demo::run(args, settings),
        Command::Apply(args) => apply::run(args, settings),
        Command::Get(args) => get::run(args, settings),
        Command::Describe(args) => describe::run(args, settings),
        Command::Diff(args) => diff::run(args, settings),
        Command::Delete(args) => delete::run(args, settings),
        Command::Twin(args) => twin::run(args, settings),
        Command::Send(args) => send::run(args, settings),
        Command::Watch(args) => watch::run(args, settings),
        Command::History(args) => history::run(args, settings),
        Command::Replay(args) => replay::run(args, settings),
        Command::Logs(args) => logs::run(args, settings),
        Command::Doctor(args) => doctor::run(args, settings),
        Command::Auth(args) => auth::run(args, settings),
        Command::Config(args) => config::run(args, settings),
        Command::Model(args) => model::run(args, settings),
        Command::Completion(args) => completion::run(args, settings),
        Command::Man(args) => man::run(args, settings),
        Command::Version(args) => version::run(args, settings),
        Command::Load(args) => load::run(args, settings),
        Command::Simulate(args) => simulate::run(args, settings),
    }
}
