//! How accepted time follows the clock.
//!
//! Promises: accepted time never falls and never stands still. Where the log is ahead of the clock,
//! because that was set back or was wrong once, accepted time goes on from the log's end, and the
//! clock slowly catches up.

/// Ahead of the clock by more than this is said in the program's log, milliseconds.
const FAR_MS: i64 = 60_000;

/// Of so many milliseconds one is left out while accepted time is ahead.
const CATCH_UP: i64 = 10;

/// How far accepted time is ahead of the clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// So much, when it was found.
    ahead_ms: i64,
    /// The clock's time then.
    found_ms: i64,
}

impl Pace {
    /// How far accepted time is ahead of the clock now, milliseconds.
    pub(crate) fn ahead_ms(&self, wall_ms: i64) -> i64 {
        if self.ahead_ms == 0 {
            return 0;
        }
        let passed_ms = wall_ms.saturating_sub(self.found_ms).max(0);
        self.ahead_ms.saturating_sub(passed_ms / CATCH_UP).max(0)
    }

    /// The accepted time, not before that of the log's last record.
    pub(crate) fn accepted_ms(&mut self, wall_ms: i64, last_ms: i64) -> i64 {
        let accepted_ms = wall_ms.saturating_add(self.ahead_ms(wall_ms));
        if accepted_ms >= last_ms {
            return accepted_ms;
        }
        *self = Self {
            ahead_ms: last_ms.saturating_sub(wall_ms),
            found_ms: wall_ms,
        };
        if self.ahead_ms > FAR_MS {
            tracing::warn!(
                ahead_ms = self.ahead_ms,
                "the log's last record is ahead of the clock: times of acceptance go on from it, check the clock"
            );
        }
        last_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_time_follows_the_clock() {
        let mut pace = Pace::default();
        assert_eq!(pace.accepted_ms(1_000, 0), 1_000);
        assert_eq!(pace.accepted_ms(1_005, 1_000), 1_005);
    }

    #[test]
    fn it_goes_on_from_a_false_future() {
        let future = 7_000_000_000_000;
        let mut pace = Pace::default();
        assert_eq!(pace.accepted_ms(1_000, future), future);
        assert_eq!(pace.accepted_ms(1_100, future), future + 90);
        assert_eq!(pace.accepted_ms(2_000, future + 90), future + 900);
    }

    #[test]
    fn the_clock_catches_up() {
        let mut pace = Pace::default();
        assert_eq!(pace.accepted_ms(5_000, 6_000), 6_000);
        let mut last_ms = 6_000;
        for wall_ms in 5_000..15_000 {
            let accepted_ms = pace.accepted_ms(wall_ms, last_ms);
            assert!(accepted_ms >= last_ms);
            last_ms = accepted_ms;
        }
        assert_eq!(pace.accepted_ms(15_000, last_ms), 15_000);
        // Set back again, it never falls.
        assert_eq!(pace.accepted_ms(14_000, 15_000), 15_000);
    }
}
