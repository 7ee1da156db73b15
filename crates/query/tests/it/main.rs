//! What queries answer, seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod errors;
mod guide;
mod pages;
mod random;
mod words;
mod world;
