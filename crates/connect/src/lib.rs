//! The outside: payload mapping of foreign topics and files.
