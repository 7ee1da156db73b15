//! The node's HTTP surface: twins in the shape of Azure Digital Twins, `/v1` for the rest, CloudEvents,
//! streams, metrics, and the overview page.
//!
//! Promises: every refusal is a problem document; an answer to a write comes when the write is durable
//! and visible; loopback listeners take only requests of this machine's own programs and pages, others
//! only those with a token. It keeps no state of its own.

mod digitaltwins;
mod entry;
mod events;
mod extract;
mod guard;
mod listen;
mod objects;
mod overview;
mod page;
mod problem;
mod server;
mod stream;
mod v1;

pub use guard::routes::{About, Needs, ROUTES, Route};
pub use listen::CONNECTIONS;
pub use server::{App, Listen, ServeError, serve};
