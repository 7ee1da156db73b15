//! Dead letters: input that could not be used, kept so that somebody can see why.
//!
//! Promises: a flood of one fault cannot fill the log or the memory. Each family (code and first
//! levels of the origin) writes a bounded number per second, the rest is counted and the count
//! travels with the next one that is written; payloads are capped; the list is a ring.

use gemelli_event::{Seq, record::DeadLetter};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Most bytes of a payload that a dead letter keeps.
pub const PAYLOAD_BYTES: usize = 1_024;
/// Most families that are told apart; the rest shares one allowance.
pub const FAMILIES: usize = 1_000;
/// Most characters of a reason.
const REASON_CHARS: usize = 600;

/// Who may be written now.
pub struct Allowance {
    per_second: u32,
    families: BTreeMap<Arc<str>, Spent>,
    /// All that were ever left out.
    dropped: u64,
}

#[derive(Default)]
struct Spent {
    second: i64,
    written: u32,
    dropped: u64,
}

impl Allowance {
    /// So many per second and family.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second,
            families: BTreeMap::new(),
            dropped: 0,
        }
    }

    /// The letter as it is to be written, capped; none if its family has written enough this second.
    pub fn admit(&mut self, mut letter: DeadLetter, now_ms: i64) -> Option<DeadLetter> {
        let second = now_ms.div_euclid(1_000);
        let mut family: Arc<str> = family(&letter.code, &letter.origin).into();
        if !self.families.contains_key(&family) && self.families.len() >= FAMILIES {
            self.families
                .retain(|_, spent| spent.second == second || spent.dropped > 0);
            if self.families.len() >= FAMILIES {
                family = "other".into();
            }
        }
        let spent = self.families.entry(family).or_default();
        if spent.second != second {
            *spent = Spent {
                second,
                written: 0,
                dropped: spent.dropped,
            };
        }
        if spent.written >= self.per_second {
            spent.dropped += 1;
            self.dropped += 1;
            return None;
        }
        spent.written += 1;
        letter.dropped = std::mem::take(&mut spent.dropped);
        if letter.payload.len() > PAYLOAD_BYTES {
            // A copy: a slice would keep the whole packet in memory.
            letter.payload = bytes::Bytes::copy_from_slice(
                letter.payload.get(..PAYLOAD_BYTES).unwrap_or_default(),
            );
        }
        if let Some((end, _)) = letter.reason.char_indices().nth(REASON_CHARS) {
            letter.reason = letter.reason.get(..end).unwrap_or_default().into();
        }
        Some(letter)
    }

    /// How many were left out since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The code and the first two levels of the origin.
fn family(code: &str, origin: &str) -> String {
    let end = origin
        .char_indices()
        .filter(|(_, c)| matches!(c, '/' | '.'))
        .map(|(at, _)| at)
        .filter(|at| *at > 0)
        .nth(1)
        .unwrap_or(origin.len());
    format!("{code} {}", origin.get(..end).unwrap_or(origin))
}

/// A dead letter with its place and time.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its place in the log.
    pub seq: Seq,
    /// When it was accepted, milliseconds since 1970.
    pub accepted_ms: i64,
    /// What it is.
    pub letter: DeadLetter,
}

/// The last dead letters, oldest first.
pub struct Letters {
    limit: usize,
    ring: VecDeque<Letter>,
    /// All that were ever written or counted as left out, since the start.
    total: u64,
}

impl Letters {
    /// A ring of at most `limit`.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            ring: VecDeque::new(),
            total: 0,
        }
    }

    /// Adds one; the oldest leaves when the ring is full.
    pub fn push(&mut self, letter: Letter) {
        self.total += 1 + letter.letter.dropped;
        if self.ring.len() >= self.limit {
            self.ring.pop_front();
        }
        self.ring.push_back(letter);
    }

    /// The newest first, at most `limit`, older than `before`.
    pub fn newest(&self, limit: usize, before: Option<Seq>) -> Vec<Letter> {
        let newest = self
            .ring
            .iter()
            .rev()
            .filter(|l| before.is_none_or(|b| l.seq < b));
        newest.take(limit).cloned().collect()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// How many there were since the start, those left out included.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn letter(code: &str, origin: &str, payload: usize) -> DeadLetter {
        DeadLetter {
            code: code.into(),
            reason: "x".repeat(5_000).into(),
            origin: origin.into(),
            payload: vec![0; payload].into(),
            dropped: 0,
        }
    }

    #[test]
    fn a_flood_is_counted_and_the_count_travels() {
        let mut allowance = Allowance::new(2);
        let mut written = 0;
        for n in 0..10 {
            let one = letter("wrong-type", &format!("ktwin/real/a/{n}"), 1);
            written += usize::from(allowance.admit(one, 500).is_some());
        }
        assert_eq!((written, allowance.dropped()), (2, 8));
        let other = allowance
            .admit(letter("malformed-json", "ktwin/real/a/1", 1), 500)
            .unwrap();
        assert_eq!(other.dropped, 0, "another code is another family");
        let next = allowance
            .admit(letter("wrong-type", "ktwin/real/b/1", 1), 1_000)
            .unwrap();
        assert_eq!(next.dropped, 8);
    }

    #[test]
    fn payload_and_reason_are_capped() {
        let capped = Allowance::new(1).admit(letter("c", "o", 5_000), 0).unwrap();
        assert_eq!(
            (capped.payload.len(), capped.reason.len()),
            (PAYLOAD_BYTES, REASON_CHARS)
        );
    }

    #[test]
    fn families_are_bounded() {
        let mut allowance = Allowance::new(1);
        for n in 0..FAMILIES + 10 {
            allowance.admit(letter(&format!("c{n}"), "o", 1), 0);
        }
        assert!(allowance.families.len() <= FAMILIES + 1);
        assert_eq!(allowance.dropped(), 9, "the last ten share one allowance");
    }

    #[test]
    fn the_ring_keeps_the_newest() {
        let mut letters = Letters::new(3);
        for seq in 0..5 {
            letters.push(Letter {
                seq,
                accepted_ms: 0,
                letter: letter("c", "o", 0),
            });
        }
        assert_eq!(
            letters
                .newest(9, None)
                .iter()
                .map(|l| l.seq)
                .collect::<Vec<_>>(),
            [4, 3, 2]
        );
        assert_eq!(
            letters
                .newest(1, Some(4))
                .iter()
                .map(|l| l.seq)
                .collect::<Vec<_>>(),
            [3]
        );
        assert_eq!((letters.len(), letters.total()), (3, 5));
    }
}
