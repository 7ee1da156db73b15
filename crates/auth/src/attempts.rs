//! Wrong tokens are counted by address, so that nobody can try many.
//!
//! The table is bounded: when it is full, the address whose time is up first makes room. Who shares
//! an address with somebody that guesses is not locked out: tokens that were used before are looked
//! up before this table is asked.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Wrong tokens of one address, within [`WINDOW`], after which new ones are not looked at.
pub const FAILURES: u32 = 20;
/// How long wrong tokens are remembered.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Most addresses that are remembered.
pub const ADDRESSES: usize = 4_096;

/// The wrong tokens of the last minute.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, Failed>>);

struct Failed {
    count: u32,
    since: Instant,
}

impl Attempts {
    /// Whether a token from an address is looked at; if not, in how many seconds.
    pub fn check(&self, from: IpAddr, now: Instant) -> Result<(), u32> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failed) = table.get(&whose(from)) else {
            return Ok(());
        };
        let age = now.saturating_duration_since(failed.since);
        if age >= WINDOW || failed.count < FAILURES {
            return Ok(());
        }
        Err(u32::try_from((WINDOW - age).as_secs()).map_or(1, |s| s.max(1)))
    }

    /// A token from an address was wrong.
    pub fn failed(&self, from: IpAddr, now: Instant) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = whose(from);
        if table.len() >= ADDRESSES && !table.contains_key(&from) {
            let oldest = table.iter().min_by_key(|(_, failed)| failed.since);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                table.remove(&oldest);
            }
        }
        let failed = table.entry(from).or_insert(Failed {
            count: 0,
            since: now,
        });
        if now.saturating_duration_since(failed.since) >= WINDOW {
            *failed = Failed {
                count: 0,
                since: now,
            };
        }
        failed.count = failed.count.saturating_add(1);
    }
}

/// An address, or the network that one customer gets (/64) of those of IPv6.
fn whose(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn an_address_that_guesses_waits_and_others_do_not() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..FAILURES {
            assert_eq!(attempts.check(address(1), now), Ok(()));
            attempts.failed(address(1), now);
        }
        assert_eq!(attempts.check(address(1), now), Err(60));
        assert_eq!(attempts.check(address(2), now), Ok(()));
        assert_eq!(attempts.check(address(1), now + WINDOW), Ok(()));
        attempts.failed(address(1), now + WINDOW);
        assert_eq!(attempts.check(address(1), now + WINDOW), Ok(()));
    }

    #[test]
    fn the_table_stays_bounded() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..ADDRESSES as u32 + 10 {
            attempts.failed(address(n), now + Duration::from_millis(n.into()));
        }
        let table = attempts.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(table.len(), ADDRESSES);
        assert!(!table.contains_key(&address(0)) && table.contains_key(&address(4_100)));
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..FAILURES {
            attempts.failed(Ipv6Addr::new(1, 2, 3, 4, 0, 0, 0, n as u16).into(), now);
        }
        let same = Ipv6Addr::new(1, 2, 3, 4, 9, 9, 9, 9);
        assert_eq!(attempts.check(same.into(), now), Err(60));
    }
}
