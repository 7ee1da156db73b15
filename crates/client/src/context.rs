//! The context file: which server the last `gemelli up` or `gemelli demo` on this machine started.
//!
//! `$XDG_STATE_HOME/gemelli/context.json`, by default below `~/.local/state`. It is written when
//! the server listens and removed when it stops; a crash leaves it behind, and then it is *stale*:
//! an error for every command that would have used it, never a silent fallback.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// What the context file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// Base address of the HTTP API, for example `http://127.0.0.1:8080`.
    pub server: String,
    /// Address of the MQTT listener, for example `127.0.0.1:1883`.
    pub mqtt: String,
    /// The server's process.
    pub pid: u32,
    /// Its data folder.
    pub data: PathBuf,
    /// Certificate of the authority that signed the server's, where it speaks TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl Context {
    /// Where the file stands, from `XDG_STATE_HOME` or `HOME`; none where neither is set.
    pub fn path() -> Option<PathBuf> {
        let state = match env::var_os("XDG_STATE_HOME").filter(|dir| Path::new(dir).is_absolute()) {
            Some(dir) => PathBuf::from(dir),
            None => PathBuf::from(env::var_os("HOME").filter(|home| !home.is_empty())?)
                .join(".local/state"),
        };
        Some(state.join("gemelli/context.json"))
    }

    /// Reads the file: [`Error::NoContext`] where there is none, [`Error::StaleContext`] where the
    /// process that it names is gone or the file is no context.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let stale = |reason: String| Error::StaleContext {
            file: file.into(),
            reason,
        };
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoContext { file: file.into() });
            }
            Err(error) => return Err(stale(error.to_string())),
        };
        let context: Self =
            serde_json::from_slice(&text).map_err(|error| stale(error.to_string()))?;
        match context.gone() {
            true => Err(stale(format!("process {} does not run", context.pid))),
            false => Ok(context),
        }
    }

    /// Writes the file so that a reader sees the old or the new one, never half.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let fresh = file.with_extension(format!("json.{}", std::process::id()));
        fs::write(&fresh, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&fresh, file)
    }

    /// Removes the file if it is still this one; another server may have written its own since.
    pub fn remove(&self, file: &Path) -> io::Result<()> {
        match fs::read(file) {
            Ok(text) if serde_json::from_slice::<Self>(&text).is_ok_and(|found| found == *self) => {
                fs::remove_file(file)
            }
            _ => Ok(()),
        }
    }

    /// Whether the process is known not to run. Where the system has no `/proc`, it never is.
    fn gone(&self) -> bool {
        Path::new("/proc/self").exists() && !Path::new("/proc").join(self.pid.to_string()).exists()
    }
}
