#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
//! The broker over real sockets, with a node that keeps its log in memory.

mod delivery;
mod durability;
mod limits;
mod malformed;
mod node;
mod publishing;
mod resume;
mod sessions;
mod shared;
mod transports;
