//! Where twins live: the pure, deterministic fold of records into state.
//!
//! [`Engine::step`] folds one [`gemelli_event::Record`]; [`Engine::flush`] and [`Engine::settle`]
//! say which further records the steps make necessary. The same records in the same order give the
//! same state on every machine, live and on replay: no clock, no randomness, no IO, no task. What
//! readers see is a [`View`], an immutable picture that shares its parts with the state.
//!
//! Stops for a reader: `engine.rs` (the owner of all twins), `event.rs` (what an event does),
//! `command/` (one API command a file), `rollup.rs` (values computed over related twins),
//! `flush.rs` (what follows from the steps).

pub mod aggregate;
pub mod expr;

mod clock;
mod command;
mod definitions;
mod derive;
mod engine;
mod event;
mod fidelity;
mod flush;
mod hashing;
mod index;
mod lifecycle;
mod limits;
mod marks;
mod migrate;
mod outbox;
mod packed;
mod payload;
mod rollup;
mod snapshot;
mod state;
mod timers;
mod tombstones;
mod twin;
mod verdict;
mod view;

pub use definitions::{Compiled, Definitions, Part, Status};
pub use engine::{Counters, Emission, Engine};
pub use fidelity::Entanglement;
pub use lifecycle::Lifecycle;
pub use limits::Limits;
pub use verdict::{Damaged, Detail, Rejection, Verdict};
pub use view::{EdgeRef, Inward, Member, Outward, TwinRef, View};
