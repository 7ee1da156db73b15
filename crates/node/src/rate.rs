//! How many events a second: counted over the last two minutes, for people to look at.

use parking_lot::Mutex;

/// Seconds that are remembered.
pub const SECONDS: usize = 120;

/// Events of each of the last [`SECONDS`] seconds.
pub struct Rate {
    counts: Mutex<Counts>,
}

struct Counts {
    second: i64,
    ring: [u32; SECONDS],
    total: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            counts: Mutex::new(Counts {
                second: 0,
                ring: [0; SECONDS],
                total: 0,
            }),
        }
    }
}

impl Counts {
    /// Empties the seconds in which nothing happened.
    fn advance(&mut self, second: i64) {
        let gap = second.saturating_sub(self.second);
        if gap <= 0 {
            return;
        }
        for step in 1..=gap.min(SECONDS as i64) {
            let at = (self.second.wrapping_add(step)).rem_euclid(SECONDS as i64) as usize;
            if let Some(slot) = self.ring.get_mut(at) {
                *slot = 0;
            }
        }
        self.second = second;
    }
}

impl Rate {
    /// Adds events at a time in milliseconds.
    pub fn add(&self, events: u32, now_ms: i64) {
        let mut counts = self.counts.lock();
        counts.advance(now_ms.div_euclid(1_000));
        let at = counts.second.rem_euclid(SECONDS as i64) as usize;
        counts.total += u64::from(events);
        if let Some(slot) = counts.ring.get_mut(at) {
            *slot = slot.saturating_add(events);
        }
    }

    /// Events of the last full seconds, oldest first (the running second is left out), and of all time.
    pub fn last(&self, seconds: usize, now_ms: i64) -> (Vec<u32>, u64) {
        let mut counts = self.counts.lock();
        counts.advance(now_ms.div_euclid(1_000));
        let newest = counts.second;
        let seconds = seconds.min(SECONDS - 1) as i64;
        let list = (1..=seconds)
            .rev()
            .map(|back| {
                let at = newest.wrapping_sub(back).rem_euclid(SECONDS as i64) as usize;
                counts.ring.get(at).copied().unwrap_or(0)
            })
            .collect();
        (list, counts.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_seconds_are_told_oldest_first() {
        let rate = Rate::default();
        rate.add(3, 10_000);
        rate.add(4, 11_500);
        rate.add(5, 11_900);
        assert_eq!(rate.last(3, 12_100), (vec![0, 3, 9], 12));
        assert_eq!(
            rate.last(3, 500_000),
            (vec![0, 0, 0], 12),
            "old seconds are forgotten"
        );
    }
}
