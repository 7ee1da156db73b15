//! The `gemelli` program.

fn main() {}
