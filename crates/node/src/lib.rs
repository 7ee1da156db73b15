//! One running node: the driver, its batches, supervision, metrics.
