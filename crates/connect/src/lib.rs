//! The outside: messages of foreign topics become events of twins, as Connections say.
//!
//! A [`Mapping`] is compiled once from all Connections and then only looks up and computes: no IO,
//! no clock, no state. What it cannot map it names: connection, field, topic, and what to do.
//!
//! In a Connection's expressions these names are known: each capture of the pattern as text,
//! `topic` (the whole topic), `payload` (the JSON, or text where it is none) and `properties` (MQTT 5
//! user properties). A member whose expression is undefined is left out, so an empty or null field
//! changes nothing; a field that the message does not have at all is a fault, unless the expression
//! guards it with `has(…)`.

mod fault;
mod mapping;
mod message;
mod pattern;
mod rule;
mod template;

pub use fault::Fault;
pub use mapping::{Mapped, Mapping};
pub use message::Message;

#[cfg(test)]
mod tests;
