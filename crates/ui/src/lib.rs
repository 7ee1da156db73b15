//! The dashboard's files, as `cargo xtask` built them into `ui/dist` before this crate was compiled.
//!
//! A crate of its own, so that a change of the dashboard compiles nothing else anew. Where Node.js was
//! absent there are no files: the program is whole without them, and [`present`] says so. This crate
//! never reads the disk at run time and knows nothing of HTTP but the names of content types.

use flate2::read::GzDecoder;
use rust_embed::RustEmbed;
use std::{borrow::Cow, io::Read};

#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Files;

/// The first page of the dashboard.
pub const INDEX: &str = "index.html";
/// Files below this folder carry a hash of their content in their name: they never change.
pub const HASHED: &str = "assets/";

/// A file of the dashboard.
#[derive(Clone, Debug)]
pub struct File {
    /// Its bytes, compressed by gzip.
    pub gzip: Cow<'static, [u8]>,
    /// Its content type.
    pub kind: &'static str,
}

impl File {
    /// Its bytes as they are, for a client that does not take gzip.
    ///
    /// # Errors
    /// What was put into the program is not gzip.
    pub fn plain(&self) -> std::io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        GzDecoder::new(&*self.gzip).read_to_end(&mut plain)?;
        Ok(plain)
    }
}

/// Whether the dashboard is in this program.
pub fn present() -> bool {
    find(INDEX).is_some()
}

/// The file of this path, such as `index.html` or `assets/index-5d1f.js`.
pub fn find(path: &str) -> Option<File> {
    let found = Files::get(&format!("{path}.gz"))?;
    let kind = match path.rsplit('.').next()? {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        _ => "application/octet-stream",
    };
    Some(File {
        gzip: found.data,
        kind,
    })
}

/// The paths of all its files.
pub fn paths() -> impl Iterator<Item = String> {
    Files::iter().filter_map(|path| path.strip_suffix(".gz").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Bytes of all files together, compressed, that the program may grow by.
    const WHOLE: usize = 1_200_000;
    /// Bytes, compressed, that the first page needs: itself, its script and its style.
    const FIRST: usize = 120_000;

    #[test]
    fn the_dashboard_keeps_its_budget_and_names_no_other_host() {
        if !present() {
            println!(
                "skipped: dashboard: it is not built; Node.js 20.19 and `cargo xtask demo` build it"
            );
            return;
        }
        let size = |path: &str| find(path).unwrap().gzip.len();
        let whole: usize = paths().map(|path| size(&path)).sum();
        assert!(whole <= WHOLE, "{whole} bytes");
        let index = String::from_utf8(find(INDEX).unwrap().plain().unwrap()).unwrap();
        let named = |path: &String| index.contains(path.as_str());
        let overview = |path: &String| {
            path.contains("/Overview-") || path.contains("/Life-") || path.contains("/Refusal-")
        };
        let first: usize = paths()
            .filter(|path| named(path) || overview(path))
            .map(|path| size(&path))
            .sum();
        assert!(first > 10_000 && first <= FIRST, "{first} bytes");
        assert!(
            !index.contains("http://") && !index.contains("https://"),
            "{index}"
        );
        assert!(find("../Cargo.toml").is_none() && find("").is_none());
    }
}
