//! Device simulator, reference values and load generators.
