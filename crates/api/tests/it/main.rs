//! The HTTP surface over a real node in a temporary folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rig;
mod twins;
