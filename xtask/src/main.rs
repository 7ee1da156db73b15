//! What a developer runs: `cargo xtask <task>`.
//!
//! Small and quick to build on purpose: the standard library and serde_json only. It calls cargo
//! and the built program; it never calls sudo, and it installs nothing without `--install`.

mod bench;
mod check;
mod demo;
mod first_run;
mod step;
mod test;
mod tools;
mod ui;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>

  demo [city] [options]    build gemelli and run its demo; options go to `gemelli demo`
  test [--install] [--allow-skip NAME]... [-- FILTER]
                           run all tests; --install fetches what they use (system packages only as root)
  check [--install]        format, clippy, crate arrows, purity, licences, docs
  bench ingest [options]   measure beside Mosquitto; --goals prints goal, figure and noise
  bench model [--runs N]   measure reading of DTDL, hostile texts included; --goals as above
  bench query [options]    measure queries over 1,000,000 twins: --twins N, --runs N; --goals as above
  first-run [--no-test]    try the README from a clean clone; writes docs/first-run.md
";

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args.is_empty() {
        eprint!("{HELP}");
        return ExitCode::from(2);
    }
    let task = args.remove(0);
    let done = match task.as_str() {
        "demo" => demo::run(&args),
        "test" => test::run(&args),
        "check" => check::run(&args),
        "bench" => bench::run(&args),
        "first-run" => first_run::run(&args),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => {
            eprintln!("error: there is no task {other:?}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(step::Failed(why)) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
