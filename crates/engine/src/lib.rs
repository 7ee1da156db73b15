//! Where twins live: the pure, deterministic fold of records into state.
