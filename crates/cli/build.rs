//! Puts the files of `examples/city` into the program, so that `demo city` loads exactly what
//! `gemelli apply -f examples/city` loads.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    let here = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let folder = Path::new(&here).join("../../examples/city");
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries: io::Result<Vec<_>> = fs::read_dir(&folder)?.collect();
    let mut files: Vec<_> = entries?.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let mut list = String::from("[\n");
    for file in &files {
        let name = file.file_name().unwrap_or_default();
        let path = fs::canonicalize(file)?;
        writeln!(list, "({name:?}, include_str!({path:?})),").map_err(io::Error::other)?;
    }
    list.push(']');
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("city.rs"), list)
}
