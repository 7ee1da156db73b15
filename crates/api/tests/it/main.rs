//! The HTTP surface over a real node in a temporary folder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod doors;
mod events;
mod matrix;
mod models;
mod objects;
mod plane;
mod rig;
mod streams;
mod twins;
