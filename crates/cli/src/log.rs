//! Where the server's log goes: to stderr for people, and as JSON lines to a bounded file in the
//! data folder, which `gemelli logs` reads.

use crate::{
    command::logs,
    failure::{Exit, Failure},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Size past which the file is begun anew; the one before it stays beside it as `.1`.
pub const LIMIT_BYTES: u64 = 16 << 20;

/// Starts logging: to the file, and to stderr unless the screen belongs to something else.
pub fn start(data: &Path, level: &str, screen: bool) -> Result<(), Failure> {
    let path = data.join(logs::FILE);
    let file = Rotated::open(&path, LIMIT_BYTES).map_err(|error| {
        let message = format!("cannot write {}: {error}", path.display());
        let remedy = "choose another data folder with --data, or correct its owner";
        Failure::new(Exit::Failed, "io-failed", message, remedy)
    })?;
    let filter = || {
        EnvFilter::try_new(level).map_err(|error| {
            let remedy = "write error, warn, info, debug or trace";
            Failure::usage(
                "bad-options",
                format!("`{level}` is not a log level: {error}"),
                remedy,
            )
        })
    };
    let colour =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let people = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .with_filter(filter()?);
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(move || file.clone())
        .with_filter(filter()?);
    let registry = tracing_subscriber::registry()
        .with(lines)
        .with(screen.then_some(people));
    registry
        .try_init()
        .map_err(|error| Failure::from(io::Error::other(error)))
}

/// A file that never grows past a limit.
#[derive(Clone)]
struct Rotated(Arc<Mutex<Open>>);

struct Open {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
}

impl Rotated {
    fn open(path: &Path, limit: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let written = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Open {
            path: path.into(),
            file,
            written,
            limit,
        }))))
    }
}

impl Write for Rotated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.written + bytes.len() as u64 > open.limit {
            let mut old = open.path.clone().into_os_string();
            old.push(".1");
            fs::rename(&open.path, old)?;
            open.file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&open.path)?;
            open.written = 0;
        }
        open.file.write_all(bytes)?;
        open.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_file_is_begun_anew_at_its_limit() {
        let folder = std::env::temp_dir().join(format!("gemelli-log-{}", std::process::id()));
        let path = folder.join("logs/a.log");
        let mut file = Rotated::open(&path, 10).unwrap();
        for line in ["12345\n", "678\n", "9\n"] {
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "9\n");
        assert_eq!(
            fs::read_to_string(folder.join("logs/a.log.1")).unwrap(),
            "12345\n678\n"
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
