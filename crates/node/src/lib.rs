//! One running node: admission, the driver and its batches, the threads around it, metrics.
//!
//! The map: input comes in by [`Node`] (HTTP) and by the broker (`host.rs`), is understood in
//! `intake.rs`, waits in `admission.rs`, is stepped by `driver.rs`, written and released by
//! `pipeline.rs`, read through [`Published`]. `recovery.rs` is the start, `snapshot.rs` what keeps it
//! short, `supervision.rs` what watches the bounds.
//! The node never speaks HTTP and never parses options: that is the surfaces' business.

pub mod access;
pub mod admission;
pub mod answer;
pub mod clock;
pub mod connections;
pub mod depth;
pub mod driver;
pub mod letters;
pub mod metrics;
pub mod options;
pub mod presence;
pub mod rate;
pub mod reading;

mod host;
mod intake;
mod keeping;
mod node;
mod pace;
mod pipeline;
mod recovery;
mod scan;
mod snapshot;
mod state;
mod supervision;

pub use node::{Node, PATIENCE, Refused, Running, StartError};
pub use options::{Durability, Limits, MqttListener, Options, Snapshots};
pub use state::{Health, Live, Published};
