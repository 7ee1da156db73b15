//! Manifests: the one form in which objects are written, applied and shown.
