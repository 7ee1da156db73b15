//! Fidelity: how faithfully a twin follows its asset.
//!
//! Availability is the share of the reports that were due and came, over about ten of them: time is
//! cut into windows in which ten reports are expected, and two counters hold how many came in this
//! window and in the one before. The part of this window that has passed, in whole reports due, takes
//! the place of as much of the former one: so an asset in time never falls below 1, whatever moment
//! of its period it reports at, and one that is missing costs a tenth. Everything is whole numbers
//! and a function of the records; nothing here changes state by looking at it.

use crate::{
    Lifecycle,
    timers::{RATE, Timers},
    twin::{NEVER, Twin},
};

/// Reports expected in one window.
const EXPECTED: i64 = 10;
/// Shortest window, milliseconds: a report due each.
const SHORTEST_MS: i64 = EXPECTED;
/// Longest window, milliseconds: ten reports in a thousand years.
const LONGEST_MS: i64 = 1_000 * 366 * 24 * 3_600_000;

/// Reports that came, in this window and in the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrivals {
    /// Number of this window since 1970.
    pub window: i64,
    pub former: u16,
    pub current: u16,
}

/// How faithfully a twin follows its asset, each from 0 to 1, and their product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entanglement {
    /// 1 while the last report is no older than the interface's greatest age, then that age divided
    /// by the report's; 0 before the first report.
    pub timeliness: f64,
    /// Whether the asset is in touch: 0 while the twin is unbound or stopped.
    pub reliability: f64,
    /// The share of expected reports that came; 1 where the interface expects no rate.
    pub availability: f64,
}

impl Entanglement {
    /// The three as one number: timeliness × reliability × availability.
    pub fn value(&self) -> f64 {
        self.timeliness * self.reliability * self.availability
    }
}

/// The length of a window at this rate, milliseconds.
pub(crate) fn window_ms(rate_per_hour: f64) -> i64 {
    let length = EXPECTED as f64 * 3_600_000.0 / rate_per_hour;
    // A rate that is no number, or not above 0, expects nothing.
    if length.is_finite() {
        (length as i64).clamp(SHORTEST_MS, LONGEST_MS)
    } else {
        LONGEST_MS
    }
}

/// Reports of a window that are due by this time. Before the window begins none is.
fn due(now_ms: i64, window: i64, window_ms: i64) -> i64 {
    let passed = now_ms.saturating_sub(window.saturating_mul(window_ms));
    (passed.clamp(0, window_ms).saturating_mul(EXPECTED) / window_ms).min(EXPECTED)
}

impl Arrivals {
    /// Counting begins: as if all reports before had come.
    fn begun(now_ms: i64, window_ms: i64) -> Self {
        let window = now_ms.div_euclid(window_ms);
        Self {
            window,
            former: EXPECTED as u16,
            current: u16::try_from(due(now_ms, window, window_ms)).unwrap_or_default(),
        }
    }

    /// As they stand in this window.
    fn moved(self, window: i64) -> Self {
        match window.saturating_sub(self.window) {
            ..=0 => self,
            1 => Self {
                window,
                former: self.current,
                current: 0,
            },
            _ => Self {
                window,
                former: 0,
                current: 0,
            },
        }
    }

    /// Hundredths when so many reports of this window were due; 100 at most.
    fn share(self, due: i64) -> i64 {
        let held = EXPECTED * i64::from(self.current) + (EXPECTED - due) * i64::from(self.former);
        held.min(EXPECTED * EXPECTED)
    }

    /// Hundredths at this time.
    fn at(self, now_ms: i64, window_ms: i64) -> i64 {
        let window = now_ms.div_euclid(window_ms).max(self.window);
        self.moved(window).share(due(now_ms, window, window_ms))
    }

    /// The first time after `now_ms` at which it falls below these hundredths if nothing comes.
    fn falls_ms(self, now_ms: i64, window_ms: i64, below: f64) -> Option<i64> {
        let first = now_ms.div_euclid(window_ms).max(self.window);
        (first..first.saturating_add(3)).find_map(|window| {
            let held = self.moved(window);
            let start = window.saturating_mul(window_ms);
            (0..EXPECTED).find_map(|due| {
                // The first millisecond of which at least so many are due.
                let from = start.saturating_add((due * window_ms + EXPECTED - 1) / EXPECTED);
                (from > now_ms && (held.share(due) as f64) < below).then_some(from)
            })
        })
    }
}

impl Twin {
    /// The report at this time is counted. Counting begins with the first report, and anew with the
    /// first one after an asset was away for longer than the counters reach.
    pub(crate) fn arrived(&mut self, now_ms: i64) {
        let Some(window_ms) = self.interface.window_ms() else {
            return;
        };
        let window = now_ms.div_euclid(window_ms);
        let away = matches!(self.lifecycle, Lifecycle::Unbound | Lifecycle::Bound);
        let lapsed = window.saturating_sub(self.arrivals.window) > 1;
        self.arrivals = if self.report_ms == NEVER || (away && lapsed) {
            Arrivals::begun(now_ms, window_ms)
        } else {
            self.arrivals.moved(window)
        };
        self.arrivals.current = self.arrivals.current.saturating_add(1);
    }

    /// What the interface became expects another rate: what came before says nothing of it.
    pub(crate) fn recount(&mut self, former_ms: Option<i64>) {
        let length = self.interface.window_ms();
        if length != former_ms {
            self.arrivals = match length {
                Some(length) if self.report_ms != NEVER => {
                    Arrivals::begun(self.clock_ms.max(self.report_ms), length)
                }
                _ => Arrivals::default(),
            };
        }
    }

    /// The share of expected reports that came, in hundredths; none if no rate is expected.
    fn hundredths(&self, now_ms: i64) -> Option<i64> {
        let window_ms = self.interface.window_ms()?;
        Some(match self.report_ms {
            NEVER => 0,
            _ => self.arrivals.at(now_ms, window_ms),
        })
    }

    /// Whether enough of the expected reports came.
    pub(crate) fn available(&self, now_ms: i64) -> bool {
        match (self.interface.min_availability(), self.hundredths(now_ms)) {
            (Some(least), Some(held)) => held as f64 >= least * 100.0,
            _ => true,
        }
    }

    /// Whether any of the reports came that the counters reach.
    pub(crate) fn heard_of(&self, now_ms: i64) -> bool {
        self.hundredths(now_ms).is_none_or(|held| held > 0)
    }

    /// Arms the timer of what comes next if the asset is silent: too few reports, then none at all.
    pub(crate) fn watch_rate(&mut self, timers: &mut Timers, now_ms: i64) {
        let (Some(least), Some(window_ms)) = (
            self.interface.min_availability(),
            self.interface.window_ms(),
        ) else {
            return;
        };
        let below = if self.available(now_ms) {
            least * 100.0
        } else {
            1.0
        };
        let due = self.arrivals.falls_ms(now_ms, window_ms, below);
        timers.set(self, RATE, due);
    }

    /// How faithfully it follows its asset at this time of its interface's clock.
    pub(crate) fn entanglement(&self, now_ms: i64) -> Entanglement {
        let age = now_ms.saturating_sub(self.report_ms);
        let timeliness = match (self.report_ms, self.interface.max_age_ms()) {
            (NEVER, _) => 0.0,
            (_, Some(most)) if age > most => most as f64 / age as f64,
            _ => 1.0,
        };
        let away = matches!(self.lifecycle, Lifecycle::Unbound | Lifecycle::Stopped);
        Entanglement {
            timeliness,
            reliability: if away { 0.0 } else { 1.0 },
            availability: self
                .hundredths(now_ms)
                .map_or(1.0, |held| held as f64 / 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINUTE: i64 = 60_000;
    /// Six an hour: windows of 100 minutes.
    const WINDOW: i64 = 100 * MINUTE;

    /// Reports each ten minutes at this phase for three windows, but for those left out.
    fn reports(phase: i64, without: &[i64]) -> Arrivals {
        let mut arrivals = Arrivals::begun(0, WINDOW);
        for n in (0..30).filter(|n| !without.contains(n)) {
            arrivals = arrivals.moved((n * 10 * MINUTE + phase).div_euclid(WINDOW));
            arrivals.current += 1;
        }
        arrivals
    }

    #[test]
    fn an_asset_in_time_is_wholly_available_at_every_phase() {
        for phase in [0, 1, MINUTE, 5 * MINUTE, 10 * MINUTE - 1] {
            let mut arrivals = Arrivals::begun(0, WINDOW);
            for n in 0..40 {
                let now = n * 10 * MINUTE + phase;
                assert_eq!(arrivals.at(now - 1, WINDOW), 100, "{phase} {n}");
                arrivals = arrivals.moved(now.div_euclid(WINDOW));
                arrivals.current += 1;
            }
        }
    }

    #[test]
    fn what_is_missing_counts_a_tenth_and_is_forgotten_after_two_windows() {
        // Minutes, where a report comes in the middle of each ten.
        for (without, at, hundredths) in [
            (&[][..], 299, 100),
            (&[25], 259, 100),
            (&[25], 260, 90),
            (&[25], 294, 90),
            (&[25], 300, 90),
            (&[25], 310, 91),
            (&[25], 400, 100),
            (&[24, 25, 26], 270, 70),
        ] {
            let mut arrivals = Arrivals::begun(0, WINDOW);
            let came = (0..40).filter(|n| !without.contains(n));
            for n in came.map(|n| n * 10 + 5).filter(|n| *n <= at) {
                arrivals = arrivals.moved((n * MINUTE).div_euclid(WINDOW));
                arrivals.current += 1;
            }
            assert_eq!(
                arrivals.at(at * MINUTE, WINDOW),
                hundredths,
                "{without:?} {at}"
            );
        }
    }

    #[test]
    fn the_time_of_the_fall_is_the_first_moment_below() {
        for phase in [0, 7, MINUTE, 9 * MINUTE] {
            for below in [100.0, 90.0, 55.5, 1.0] {
                let arrivals = reports(phase, &[21, 25]);
                let now = 29 * 10 * MINUTE + phase;
                let falls = arrivals.falls_ms(now, WINDOW, below);
                let falls = falls.unwrap();
                assert!(
                    (arrivals.at(falls, WINDOW) as f64) < below,
                    "{phase} {below}"
                );
                assert!(
                    falls - 1 == now
                        || arrivals.at(falls - 1, WINDOW) as f64 >= below
                        || (arrivals.at(now, WINDOW) as f64) < below,
                    "{phase} {below}"
                );
            }
        }
        assert_eq!(Arrivals::default().falls_ms(0, WINDOW, 0.0), None);
    }

    #[test]
    fn odd_rates_make_windows_within_bounds() {
        for (rate, ms) in [
            (6.0, WINDOW),
            (1.0, 10 * 3_600_000),
            (1e12, SHORTEST_MS),
            (1e-12, LONGEST_MS),
            (0.0, LONGEST_MS),
            (f64::NAN, LONGEST_MS),
        ] {
            assert_eq!(window_ms(rate), ms, "{rate}");
        }
    }
}
