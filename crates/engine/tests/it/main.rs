//! What the engine does, seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod city;
mod commands;
mod derived;
mod events;
mod graph;
mod lifecycle;
mod replay;
mod world;
