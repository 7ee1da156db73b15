//! Hashing of ids for maps: XXH3, the same on every machine and in every run.

use std::hash::{BuildHasher, Hasher};

/// Makes [`Xxh`] hashers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hashing;

/// A hasher for texts and small numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Xxh(u64);

impl BuildHasher for Hashing {
    type Hasher = Xxh;

    fn build_hasher(&self) -> Xxh {
        Xxh(0)
    }
}

impl Hasher for Xxh {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u8(&mut self, n: u8) {
        self.0 = (self.0 ^ u64::from(n)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The hash by which event ids and their sources are remembered.
pub(crate) fn mark(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}
