//! The event clock: the greatest device time seen, never falling.
//!
//! One device with a wrong clock must not carry all others into the future. A time far ahead of the
//! clock is set aside; the clock follows only when a second twin, or many reports in a row with
//! nothing in between, say the same: then time has really jumped (a data set with a gap).

/// Reports in a row, far ahead, after which one twin alone is believed.
pub(crate) const INSISTENCE: u32 = 32;
/// Device times before 1971 are the mark of a clock that was never set.
pub(crate) const EARLIEST_MS: i64 = 31_536_000_000;

/// The event clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventClock {
    /// Its time, milliseconds since 1970; none before the first device time.
    pub now_ms: Option<i64>,
    /// What lies far ahead: the time, the twin's mark, reports in a row.
    pub ahead: Option<(i64, u64, u32)>,
}

/// What the clock makes of a device's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The time that the event has.
    pub time_ms: i64,
    /// The device's time was set aside.
    pub wild: bool,
}

impl EventClock {
    /// Takes a device's time into account.
    pub(crate) fn observe(
        &mut self,
        time_ms: i64,
        twin: u64,
        jump_ms: i64,
        accepted_ms: i64,
    ) -> Observed {
        // The first time may lie in any past, that of a data set too; ahead of acceptance it is
        // judged like any later one.
        let now = self.now_ms.unwrap_or(accepted_ms);
        if time_ms <= now.saturating_add(jump_ms) {
            self.now_ms = Some(self.now_ms.map_or(time_ms, |now| now.max(time_ms)));
            self.ahead = None;
            return Observed {
                time_ms,
                wild: false,
            };
        }
        let agreed = self.ahead.is_some_and(|(ahead, who, times)| {
            time_ms.abs_diff(ahead) <= jump_ms.unsigned_abs()
                && (who != twin || times + 1 >= INSISTENCE)
        });
        if agreed {
            self.now_ms = Some(time_ms);
            self.ahead = None;
            return Observed {
                time_ms,
                wild: false,
            };
        }
        let times = match self.ahead {
            Some((_, who, times)) if who == twin => times + 1,
            _ => 1,
        };
        self.ahead = Some((time_ms, twin, times));
        Observed {
            time_ms: now,
            wild: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn one_wild_device_does_not_move_the_clock() {
        let mut clock = EventClock::default();
        clock.observe(1_000 * HOUR, 1, 48 * HOUR, 1_000 * HOUR);
        for n in 0..10 * i64::from(INSISTENCE) {
            // The wild one insists, but others report in between.
            assert_eq!(
                clock.observe(9_000 * HOUR, 2, 48 * HOUR, 1_000 * HOUR),
                Observed {
                    time_ms: (1_000 + (n > 0) as i64) * HOUR,
                    wild: true
                }
            );
            assert!(!clock.observe(1_001 * HOUR, 1, 48 * HOUR, 1_000 * HOUR).wild);
        }
        assert_eq!(clock.now_ms, Some(1_001 * HOUR));
    }

    #[test]
    fn a_gap_in_the_data_is_believed_from_the_second_twin_on() {
        let mut clock = EventClock::default();
        clock.observe(1_000 * HOUR, 1, 48 * HOUR, 1_000 * HOUR);
        assert!(clock.observe(2_000 * HOUR, 1, 48 * HOUR, 1_000 * HOUR).wild);
        assert_eq!(
            clock.observe(2_001 * HOUR, 2, 48 * HOUR, 1_000 * HOUR),
            Observed {
                time_ms: 2_001 * HOUR,
                wild: false
            }
        );
        assert_eq!(clock.now_ms, Some(2_001 * HOUR));
    }

    #[test]
    fn a_lone_device_is_believed_when_it_insists() {
        let mut clock = EventClock::default();
        clock.observe(1_000 * HOUR, 1, 48 * HOUR, 1_000 * HOUR);
        let wild = (0..2 * i64::from(INSISTENCE)).filter(|n| {
            clock
                .observe(2_000 * HOUR + n, 1, 48 * HOUR, 1_000 * HOUR)
                .wild
        });
        assert_eq!(wild.count(), INSISTENCE as usize - 1);
    }

    #[test]
    fn it_never_falls() {
        let mut clock = EventClock::default();
        clock.observe(1_000 * HOUR, 1, 48 * HOUR, 1_000 * HOUR);
        assert_eq!(
            clock.observe(HOUR, 2, 48 * HOUR, 1_000 * HOUR),
            Observed {
                time_ms: HOUR,
                wild: false
            }
        );
        assert_eq!(clock.now_ms, Some(1_000 * HOUR));
    }

    #[test]
    fn the_first_time_is_judged_by_acceptance() {
        // From a device whose clock is wrong: the clock does not begin by it.
        let mut clock = EventClock::default();
        let wild = clock.observe(9_000 * HOUR, 1, 48 * HOUR, 1_000 * HOUR);
        assert_eq!((wild.wild, wild.time_ms), (true, 1_000 * HOUR));
        assert_eq!(clock.now_ms, None);
        assert!(!clock.observe(999 * HOUR, 2, 48 * HOUR, 1_001 * HOUR).wild);
        assert_eq!(clock.now_ms, Some(999 * HOUR));
        // A simulated city lives in a past or a future of its own.
        let mut past = EventClock::default();
        assert!(!past.observe(HOUR, 1, 48 * HOUR, 1_000 * HOUR).wild);
        assert_eq!(past.now_ms, Some(HOUR));
        let mut future = EventClock::default();
        assert!(
            future
                .observe(9_000 * HOUR, 1, 48 * HOUR, 1_000 * HOUR)
                .wild
        );
        assert!(
            !future
                .observe(9_000 * HOUR, 2, 48 * HOUR, 1_000 * HOUR)
                .wild
        );
        assert_eq!(future.now_ms, Some(9_000 * HOUR));
    }
}
