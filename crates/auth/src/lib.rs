//! Who may: certificates, tokens, decisions.
//!
//! `gemelli auth init` makes a private certificate authority, a server certificate and one token for
//! the administrator ([`init`]). A running node opens what was made ([`Access::open`],
//! [`server_config`]), tells whose token it sees ([`Access::authenticate`]) and decides
//! ([`Access::decide`]). Tokens are shown once and kept as Argon2id hashes; those of other issuers
//! are checked with the issuer's public keys; there is no default password. On loopback nobody logs
//! in, so [`loopback`] tells pages of other origins apart.
//!
//! This crate never listens, never logs, contacts nobody but the issuers that the configuration
//! names, and never sends a secret anywhere but to its caller.

mod access;
mod attempts;
mod authority;
mod error;
mod files;
pub mod loopback;
mod oidc;
mod policy;
mod principal;
mod tls;
mod tokens;

pub use access::{Access, Counts};
pub use authority::{Created, Renewed, init, renew};
pub use error::Error;
pub use oidc::{IssuerOptions, Issuers};
pub use policy::{Facts, NoFacts, Policies, Policy, Resource};
pub use principal::{Action, Decision, Principal, Role};
pub use tls::server_config;
pub use tokens::{Grant, Refused, Token, Tokens};

/// The folder, below the data folder, that holds everything of this crate.
pub const FOLDER: &str = "auth";

#[cfg(test)]
mod tests;
