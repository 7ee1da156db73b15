//! Who may: certificates, tokens, decisions.
