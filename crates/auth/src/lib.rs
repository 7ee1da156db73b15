//! Who may: certificates, tokens, decisions.
//!
//! `gemelli auth init` makes a private certificate authority, a server certificate and one token for
//! the administrator ([`init`]). A running node opens what was made ([`Tokens::open`],
//! [`server_config`]), tells whose token it sees ([`Tokens::verify`]) and decides
//! ([`Principal::decide`]). Tokens are shown once and kept as Argon2id hashes; there is no default
//! password. On loopback nobody logs in, so [`loopback`] tells pages of other origins apart.
//!
//! This crate never listens, never logs, and never sends a secret anywhere but to its caller.

mod authority;
mod error;
mod files;
pub mod loopback;
mod principal;
mod tls;
mod tokens;

pub use authority::{Created, Renewed, init, renew};
pub use error::Error;
pub use principal::{Action, Decision, Principal, Role};
pub use tls::server_config;
pub use tokens::{Refused, Token, Tokens};

/// The folder, below the data folder, that holds everything of this crate.
pub const FOLDER: &str = "auth";

#[cfg(test)]
mod tests;
