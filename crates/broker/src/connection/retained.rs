//! Retained messages for new subscriptions: looked up as there is room for them, and never gathered.
//!
//! A lookup is a filter and the last topic that was seen; what is retained meanwhile is found too, or is
//! delivered as it comes. There is at most one lookup per filter, so their number is bounded by that of the
//! session's subscriptions.

use super::Connection;
use crate::{
    host::Host,
    record::Kept,
    session::{
        NOT_LOGGED, Session,
        outbound::{Message, OVERHEAD_BYTES, Wanted},
    },
    shared, sys,
};
use gemelli_mqtt::{Qos, topic};
use std::{collections::BTreeMap, sync::Arc};

/// Retained messages that are found at a time.
const FOUND: usize = 64;
/// Topics that a connection looks at before others have their turn.
const LOOKS: usize = 1_024;

/// The lookups of a connection, by filter.
#[derive(Debug, Default)]
pub struct Lookups(BTreeMap<Arc<str>, Lookup>);

#[derive(Debug)]
struct Lookup {
    after: Option<Arc<str>>,
    qos: Qos,
    id: Option<u32>,
}

impl Lookups {
    /// Starts one; an earlier one of the same filter ends.
    pub fn start(&mut self, filter: Arc<str>, qos: Qos, id: Option<u32>) {
        let after = None;
        self.0.insert(filter, Lookup { after, qos, id });
    }

    /// Ends one, if it has not ended.
    pub fn stop(&mut self, filter: &str) {
        self.0.remove(filter);
    }
}

impl<H: Host> Connection<H> {
    /// Queues retained messages while there is room for them.
    pub(super) fn push_retained(&mut self, session: &Session) {
        let options = &self.shared.options;
        let mut looks = LOOKS;
        while let Some(mut entry) = self.retained.0.first_entry() {
            let mut outbound = session.outbound.lock();
            if !outbound.fits(OVERHEAD_BYTES, options) {
                return;
            }
            if looks == 0 {
                return session.wake.notify_one();
            }
            let now_ms = self.shared.host.now_ms();
            let (filter, after) = (entry.key().clone(), entry.get().after.as_deref());
            let (found, rest) = if filter.starts_with("$SYS") {
                (own(sys::current(&self.shared), &filter, after), None)
            } else {
                let image = self.shared.image.lock();
                image.matching(&filter, after, now_ms, FOUND, &mut looks)
            };
            let lookup = entry.get_mut();
            for kept in found {
                let message = message(&kept);
                if !outbound.fits(message.cost(), options) {
                    return;
                }
                let wanted = Wanted {
                    qos: lookup.qos.min(kept.qos),
                    retain: true,
                    shared: None,
                    ids: shared::ids(lookup.id),
                };
                outbound.offer(&Arc::new(message), wanted, options, &self.shared.counters);
                lookup.after = Some(kept.topic.clone());
            }
            match rest {
                Some(after) => lookup.after = Some(after),
                None => drop(entry.remove()),
            }
        }
    }
}

/// What the server tells about itself on topics that match and come after `after`.
fn own(mut all: Vec<Kept>, filter: &str, after: Option<&str>) -> Vec<Arc<Kept>> {
    all.retain(|m| topic::matches(filter, &m.topic) && after.is_none_or(|after| &*m.topic > after));
    all.sort_by(|a, b| a.topic.cmp(&b.topic));
    all.into_iter().map(Arc::new).collect()
}

fn message(kept: &Kept) -> Message {
    Message {
        seq: NOT_LOGGED,
        topic: kept.topic.clone(),
        payload: kept.payload.clone(),
        properties: kept.properties.clone(),
        qos: kept.qos,
        expires_ms: kept.expires_ms,
    }
}
