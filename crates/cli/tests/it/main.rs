//! The program as its users meet it: real processes, real sockets, real clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod adt;
mod beyond;
mod dashboard;
mod demo;
mod docs;
mod errors;
mod fixture;
mod interop;
mod model;
mod objects;
mod offline;
mod surface;
