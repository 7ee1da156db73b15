//! What the city must come to: every derived value, computed by plain code from the schedule.
//!
//! Written from the formulas, not from the interfaces: it shares no code with the engine, so that
//! a mistake in either shows as a difference.

pub mod air;
