//! The load crate against real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod bench;
mod devices;
mod mosquitto;
mod replay;
