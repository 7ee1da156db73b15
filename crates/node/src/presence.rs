//! Which twins have a connected asset: a twin is bound while a client that published for it is connected.
//!
//! The driver asks; nothing here is durable. After a restart nobody is connected: twins that were
//! bound get [`GRACE_MS`] until their clients are back.

use gemelli_model::TwinId;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// How long after a restart a bound twin waits for its client, milliseconds: longer than clients
/// usually take to come back.
pub const GRACE_MS: i64 = 60_000;

/// Most twins that one client binds; what it publishes for others is accepted but binds nothing.
pub const TWINS_PER_CLIENT: usize = 1_000_000;

/// The connected clients and the twins that they published for.
#[derive(Default)]
pub struct Clients {
    by_client: HashMap<Arc<str>, HashSet<TwinId>>,
    /// Usually one each.
    clients_of: HashMap<TwinId, Vec<Arc<str>>>,
    orphans: BTreeSet<TwinId>,
    orphans_until_ms: Option<i64>,
}

impl Clients {
    /// Twins that were bound when the node stopped: unbound at `until_ms` unless somebody publishes for them.
    pub fn expect(&mut self, twins: impl Iterator<Item = TwinId>, until_ms: i64) {
        self.orphans.extend(twins);
        self.orphans_until_ms = (!self.orphans.is_empty()).then_some(until_ms);
    }

    /// A client published for a twin: true if the twin had no client before.
    pub fn published(&mut self, client: &Arc<str>, twin: &TwinId) -> bool {
        let twins = match self.by_client.get_mut(client) {
            Some(twins) => twins,
            None => self.by_client.entry(client.clone()).or_default(),
        };
        if twins.contains(twin) || twins.len() >= TWINS_PER_CLIENT {
            return false;
        }
        twins.insert(twin.clone());
        let clients = self.clients_of.entry(twin.clone()).or_default();
        clients.push(client.clone());
        let first = clients.len() == 1;
        first && !self.orphans.remove(twin)
    }

    /// There is no such twin, or none any more: whoever publishes for it binds it anew.
    pub fn forget(&mut self, twin: &TwinId) {
        for client in self.clients_of.remove(twin).unwrap_or_default() {
            if let Some(twins) = self.by_client.get_mut(&client) {
                twins.remove(twin);
            }
        }
        self.orphans.remove(twin);
    }

    /// A client is gone: the twins that have no client any more, by id.
    pub fn gone(&mut self, client: &str) -> Vec<TwinId> {
        let mut unbound = BTreeMap::new();
        for twin in self.by_client.remove(client).unwrap_or_default() {
            if let Some(clients) = self.clients_of.get_mut(&twin) {
                clients.retain(|other| **other != *client);
                if clients.is_empty() {
                    self.clients_of.remove(&twin);
                    unbound.insert(twin, ());
                }
            }
        }
        unbound.into_keys().collect()
    }

    /// When [`Clients::overdue`] has something.
    pub fn due_ms(&self) -> Option<i64> {
        self.orphans_until_ms
    }

    /// Twins whose clients did not come back in time: at most `limit` per call.
    pub fn overdue(&mut self, now_ms: i64, limit: usize) -> Vec<TwinId> {
        if self.orphans_until_ms.is_none_or(|until| now_ms < until) {
            return Vec::new();
        }
        let mut twins = Vec::new();
        while twins.len() < limit {
            let Some(twin) = self.orphans.pop_first() else {
                break;
            };
            twins.push(twin);
        }
        if self.orphans.is_empty() {
            self.orphans_until_ms = None;
        }
        twins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_is_bound_from_its_first_client_to_its_last() {
        let mut clients = Clients::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert!(clients.published(&a, &"t".into()));
        assert!(!clients.published(&a, &"t".into()));
        assert!(!clients.published(&b, &"t".into()));
        assert!(clients.gone("a").is_empty());
        assert_eq!(clients.gone("b"), ["t".into()]);
        assert!(clients.gone("b").is_empty());
        assert!(clients.published(&a, &"t".into()));
    }

    #[test]
    fn a_twin_that_was_deleted_is_bound_anew() {
        let mut clients = Clients::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert!(clients.published(&a, &"t".into()));
        assert!(!clients.published(&b, &"t".into()));
        clients.forget(&"t".into());
        assert!(clients.published(&a, &"t".into()));
        assert!(clients.gone("b").is_empty());
        assert_eq!(clients.gone("a"), ["t".into()]);
    }

    #[test]
    fn after_a_restart_clients_have_time_to_return() {
        let mut clients = Clients::default();
        clients.expect(["t".into(), "u".into(), "v".into()].into_iter(), 100);
        assert!(
            !clients.published(&"a".into(), &"t".into()),
            "it is bound already"
        );
        assert!(clients.overdue(99, 9).is_empty());
        assert_eq!(clients.overdue(100, 1), ["u".into()]);
        assert_eq!(clients.due_ms(), Some(100));
        assert_eq!(clients.overdue(100, 9), ["v".into()]);
        assert_eq!(clients.due_ms(), None);
    }
}
