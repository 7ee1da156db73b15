//! `gemelli logs`: what the server said.

use crate::{
    failure::{Exit, Failure},
    output,
    settings::Settings,
};
use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    thread,
    time::Duration,
};

/// Show the log of the server whose data folder is on this machine
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on as lines come
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many lines
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 200)]
    lines: usize,
    /// The data folder; without it, that of the server that `up` or `demo` last started here
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    data: Option<std::path::PathBuf>,
}

/// Where the log stands in the data folder.
pub const FILE: &str = "logs/gemelli.log";
/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Runs it.
pub fn run(args: Args, settings: &Settings) -> Result<(), Failure> {
    let folder = args.data.unwrap_or_else(|| settings.data());
    let file = folder.join(FILE);
    let text = fs::read(&file).map_err(|error| {
        let message = format!("cannot read the log {}: {error}", file.display());
        Failure::new(
            Exit::NotFound,
            "not-found",
            message,
            "name the data folder with --data",
        )
    })?;
    let text = String::from_utf8_lossy(&text);
    let skip = text.lines().count().saturating_sub(args.lines);
    output::write(
        &text
            .lines()
            .skip(skip)
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    )?;
    if args.follow {
        follow(&file, text.len() as u64)
    } else {
        Ok(())
    }
}

/// Prints what is appended; a file shorter than before was begun anew.
fn follow(file: &Path, mut at: u64) -> Result<(), Failure> {
    loop {
        thread::sleep(LOOK);
        let length = match fs::metadata(file) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if length < at {
            at = 0;
        }
        if length > at {
            let mut opened = File::open(file)?;
            opened.seek(SeekFrom::Start(at))?;
            let mut fresh = Vec::new();
            opened.take(length - at).read_to_end(&mut fresh)?;
            at += fresh.len() as u64;
            output::write(&String::from_utf8_lossy(&fresh))?;
        }
    }
}
