//! The node as its surfaces use it: over real threads, with a disk in memory that fails on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod driver;
mod faults;
mod life;
mod mqtt;
mod relaxed;
mod rig;
mod stops;
