//! Chance from a seed: SplitMix64, addressable, so that any report can be computed on its own.
//!
//! The same seed and address give the same numbers on every machine. Not for secrets.

/// A stream of pseudo-random numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance {
    state: u64,
}

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The stream of an address below a seed, for example (device, report): independent of all others.
    pub fn at(seed: u64, address: &[u64]) -> Self {
        let mut chance = Self::new(seed);
        for part in address {
            let mixed = chance.next() ^ *part;
            chance = Self::new(mixed);
        }
        chance
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound` (0 if `bound` is 0). The bias of less than 2^-32 does not matter here.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A whole number from `low` to `high`, both included.
    pub fn whole(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high.abs_diff(low) + 1) as i64
    }

    /// A number from `low` to `high` in steps of one `parts`-th: both ends are given in those steps.
    pub fn decimal(&mut self, low: i64, high: i64, parts: i64) -> f64 {
        self.whole(low, high) as f64 / parts as f64
    }

    /// One of the choices; the first if there is none to choose from is a caller's error and gives `T::default()`.
    pub fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let at = self.below(choices.len() as u64) as usize;
        choices.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_algorithm() {
        let mut chance = Chance::new(1_234_567);
        let first: [u64; 5] = std::array::from_fn(|_| chance.next());
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn addresses_give_different_streams_and_bounds_hold() {
        let mut a = Chance::at(7, &[1, 2]);
        let mut b = Chance::at(7, &[2, 1]);
        assert_ne!(a.next(), b.next());
        for _ in 0..1_000 {
            assert!((-3..=3).contains(&a.whole(-3, 3)));
            assert!((0.0..=1.0).contains(&a.decimal(0, 10, 10)));
        }
        assert_eq!(a.pick::<u8>(&[]), 0);
    }
}
