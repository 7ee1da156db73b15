//! What tests check the product against: slow, plain, and made without it.
//!
//! It shares data types with the product and nothing else, so that a fault in one is not in the other.
//! Never shipped: a fault here fails a test, so it may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod brute;
pub mod chance;
