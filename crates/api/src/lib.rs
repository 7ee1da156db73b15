//! HTTP: twins, history, events, stream, metrics, the overview page.
