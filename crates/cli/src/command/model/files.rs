//! The documents that paths name: files as they are, folders with every file below them of some endings.

use crate::failure::{Exit, Failure};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Folders that may lie within one another below a path.
const DEPTH: usize = 64;

/// A document on disk.
#[derive(Debug)]
pub struct File {
    /// Its path as the user would write it.
    pub name: String,
    /// What it holds; not always text.
    pub bytes: Vec<u8>,
}

/// Reads all documents, those of a folder in the order of their names. Links below a folder are
/// not followed.
pub fn read(paths: &[PathBuf], endings: &[&str]) -> Result<Vec<File>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, endings, 0, &mut files)?;
        } else {
            take(path, &mut files)?;
        }
    }
    if files.is_empty() {
        return Err(Failure::new(
            Exit::NotFound,
            "not-found",
            format!(
                "there is no .{} file in what was named",
                endings.join(" or .")
            ),
            "name a file, or a folder that holds such files",
        ));
    }
    Ok(files)
}

fn walk(
    folder: &Path,
    endings: &[&str],
    depth: usize,
    files: &mut Vec<File>,
) -> Result<(), Failure> {
    if depth > DEPTH {
        return Err(Failure::new(
            Exit::Refused,
            "limit-reached",
            format!("{} lies more than {DEPTH} folders deep", folder.display()),
            "name the inner folder itself",
        ));
    }
    let entries: io::Result<Vec<_>> = fs::read_dir(folder).and_then(Iterator::collect);
    let mut entries = entries.map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry
            .file_type()
            .map_err(|error| unreadable(&path, &error))?;
        if kind.is_dir() {
            walk(&path, endings, depth + 1, files)?;
        } else if kind.is_file() && ends(&path, endings) {
            take(&path, files)?;
        }
    }
    Ok(())
}

fn ends(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| endings.contains(&ending))
}

fn take(path: &Path, files: &mut Vec<File>) -> Result<(), Failure> {
    files.push(File {
        name: path.display().to_string(),
        bytes: fs::read(path).map_err(|error| unreadable(path, &error))?,
    });
    Ok(())
}

/// The failure for a path that cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let exit = match error.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::Failed,
    };
    let message = format!("cannot read {}: {error}", path.display());
    Failure::new(exit, "not-found", message, "check the path")
}
