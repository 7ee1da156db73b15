//! Files that only their owner may read, written whole or not at all.

use crate::Error;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

/// Most bytes of a file that is read.
pub const MAX_BYTES: u64 = 16 << 20;

/// Makes a folder that only its owner may enter.
pub fn folder(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| Error::File {
        path: path.into(),
        source,
    })
}

/// Writes a file anew: beside it first, then in its place. It is on disk when this returns.
pub fn write(path: &Path, content: &[u8], secret: bool) -> Result<(), Error> {
    let fault = |source| Error::File {
        path: path.into(),
        source,
    };
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if secret { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = secret;
    // What a crash left behind may have other rights than it should.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let mut file = options.open(&beside).map_err(fault)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(fault)?;
    fs::rename(&beside, path).map_err(fault)?;
    if let Some(parent) = path.parent() {
        #[cfg(unix)]
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(fault)?;
        #[cfg(not(unix))]
        let _ = parent;
    }
    Ok(())
}

/// Reads a file of ours.
pub fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let fault = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::Absent(path.into()),
        _ => Error::File {
            path: path.into(),
            source,
        },
    };
    let length = File::open(path)
        .and_then(|file| file.metadata())
        .map_err(fault)?
        .len();
    if length > MAX_BYTES {
        let what =
            format!("it has {length} bytes, more than the {MAX_BYTES} that such a file can have");
        return Err(Error::Damaged {
            path: path.into(),
            what,
        });
    }
    fs::read(path).map_err(fault)
}
