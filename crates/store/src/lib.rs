//! The durable log, snapshots and history.
