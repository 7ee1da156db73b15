//! What a twin is: values, schemas, interfaces and the manifests that carry them.
//!
//! Plain data and pure checks. This crate never does IO, never asks for the time and never
//! starts a task: a manifest comes in as text, a typed object or a list of problems goes out.

pub mod convert;
pub mod diff;
pub mod dtdl;
pub mod id;
pub mod interface;
pub mod ktwin;
pub mod manifest;
pub mod nearest;
pub mod resolve;
pub mod schema;
pub mod time;
pub mod value;

pub use id::{InterfaceId, TwinId};
pub use interface::Interface;
pub use schema::Schema;
pub use value::Value;
