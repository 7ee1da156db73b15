//! Typed, blocking client of Gemelli's HTTP API.
//!
//! ```no_run
//! # fn main() -> Result<(), gemelli_client::Error> {
//! let client = gemelli_client::Client::new(&gemelli_client::Options::of("http://127.0.0.1:8080"))?;
//! println!("{}", client.twin("pole-1")?.interface);
//! # Ok(())
//! # }
//! ```
//!
//! Promises: every refusal by the server is an [`Error`] with the server's own code, detail and
//! remedy; a list is read page by page and never held whole; a call is bounded in time.
//! Does not: retry, cache, or reach anything but the server that it was given.

pub mod context;
mod error;
mod http;
mod page;
mod stream;
mod types;

pub use context::Context;
pub use error::{Error, Fault, Object, Place, Problem};
pub use http::{Client, Options, encode};
pub use page::{Page, Pages};
pub use stream::{Item, Stream, Watch};
pub use types::{Applied, DeadLetter, Entry, Outcome, Span, Status, Twin, TwinFilter};
