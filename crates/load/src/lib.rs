//! Device simulator, reference values and load generators.
//!
//! The city's devices ([`fleet`]), what they report and when ([`workload`], [`payload`]), and what
//! the twins must come to ([`mod@reference`]). Everything but the network side follows from a seed.
//! Nothing here shares code with the engine.

pub mod bench;
pub mod chance;
pub mod check;
pub mod city;
pub mod command;
pub mod device;
pub mod fleet;
pub mod payload;
pub mod process;
pub mod reference;
pub mod replay;
pub mod simulate;
pub mod workload;
