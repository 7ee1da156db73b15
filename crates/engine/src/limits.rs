//! The engine's bounds, with their defaults.

/// Bounds of the engine; what happens at each is said beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most emissions of one [`crate::Engine::flush`]; the rest comes with the next one.
    pub fan_out: usize,
    /// Most bytes, about, of one [`crate::Engine::flush`] or [`crate::Engine::settle`]; the rest comes
    /// with the next one. What one change of one twin would send beyond it is not sent: a dead letter
    /// (`limit-reached`) says so.
    pub flush_bytes: usize,
    /// Deepest chain of roll-ups over twins; past it a value becomes absent, counted as a cycle.
    pub depth: u8,
    /// Event ids remembered per source and twin; an id older than these is taken as new.
    pub dedup_window: usize,
    /// Sources remembered per twin; the one that was silent longest is forgotten first.
    pub dedup_sources: usize,
    /// How far a device's time may be ahead of the event clock, milliseconds; further is ignored.
    pub clock_jump_ms: i64,
    /// Most twins.
    pub twins: usize,
    /// Most relationships that start at one twin.
    pub outgoing: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fan_out: 10_000,
            flush_bytes: 16 << 20,
            depth: 16,
            dedup_window: 32,
            dedup_sources: 16,
            clock_jump_ms: 48 * 3_600_000,
            twins: 10_000_000,
            outgoing: 100_000,
        }
    }
}
