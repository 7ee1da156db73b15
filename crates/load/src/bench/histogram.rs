//! Times in buckets that grow with them: an error of at most 1/16, a fixed size.

use std::time::Duration;

/// Buckets per doubling.
const FINE: u64 = 16;
/// Doublings: up to 2^40 microseconds.
const COARSE: u64 = 40;
const BUCKETS: usize = (FINE * (COARSE + 1)) as usize;

/// Counts of times, in microseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            max_us: 0,
        }
    }
}

impl Histogram {
    /// Adds the same time `times` times.
    pub fn add(&mut self, time: Duration, times: u64) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(us)) {
            *count += times;
        }
        self.total += times;
        self.max_us = self.max_us.max(us);
    }

    /// Adds all that another one holds.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// How many times it holds.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The time that the given share (0 to 1) of all stays below, at most 1/16 too high; 0 of nothing.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_micros(upper(at as u64).min(self.max_us));
            }
        }
        Duration::from_micros(self.max_us)
    }

    /// The longest time.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max_us)
    }
}

fn bucket(us: u64) -> usize {
    if us < FINE {
        return us as usize;
    }
    let doubling = u64::from(us.ilog2()) - u64::from(FINE.ilog2());
    let within = (us >> doubling) - FINE;
    ((doubling + 1) * FINE + within).min(BUCKETS as u64 - 1) as usize
}

/// The longest time of a bucket.
fn upper(bucket: u64) -> u64 {
    if bucket < FINE {
        return bucket;
    }
    let (doubling, within) = (bucket / FINE - 1, bucket % FINE);
    ((FINE + within + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_its_bucket_and_errors_stay_small() {
        for us in (0..2_000).chain([65_535, 65_536, 1_000_003, u64::from(u32::MAX)]) {
            let high = upper(bucket(us) as u64);
            assert!(high >= us && high <= us + us / 16, "{us} {high}");
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for us in 1..=10 {
            histogram.add(Duration::from_micros(us), 10);
        }
        let mut both = Histogram::default();
        both.merge(&histogram);
        assert_eq!(both.total(), 100);
        assert_eq!(both.quantile(0.5), Duration::from_micros(5));
        assert_eq!(both.quantile(0.99), Duration::from_micros(10));
        assert_eq!(both.max(), Duration::from_micros(10));
    }
}
