//! What this crate promises, checked from outside.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod chance;
mod damage;
mod faults;
mod history;
mod log;
mod merging;
mod processes;
mod retention;
mod scene;
mod snapshots;
