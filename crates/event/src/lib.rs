//! What happens to twins: CloudEvents, topics and the records of the log.
//!
//! Plain data, parsing and encoding. No IO, no clock.

pub mod cloudevent;
pub mod codec;
pub mod device;
pub mod record;
pub mod topic;

mod category;

pub use category::Category;
pub use record::{Body, Partition, Position, Record, Seq};
