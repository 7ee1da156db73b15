//! The tree that runs.
pub(super) struct Node;
