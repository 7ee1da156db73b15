//! Reading the log: for a durable session that was away or lags, and for shared subscriptions of which no
//! member had room.

use super::Connection;
use crate::{
    host::{self, Host, Scanned},
    metrics::add,
    session::{
        ledger::{Reading, Work},
        outbound::{Flow, Subscription},
    },
    shared,
};
use gemelli_event::Seq;
use gemelli_mqtt::{Qos, topic};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// Messages that a scan asks for at a time.
const SCAN_MESSAGES: usize = 256;
/// Messages that a member of a shared subscription reads at a time: the others want some too.
const SHARE_MESSAGES: usize = 64;
/// Pause after a scan that found the log's end while a release is under way, milliseconds.
const PAUSE_MS: u64 = 5;

/// A scan under way.
pub type Scanning = Pin<Box<dyn Future<Output = Found> + Send>>;

/// What a scan brought.
pub struct Found {
    from: Seq,
    scanned: Scanned,
    /// The shared subscription that it was made for, if not for the session itself.
    shared: Option<Reading>,
}

impl<H: Host> Connection<H> {
    /// Starts reading what there is to read: in turn for the session and for its shared subscriptions.
    pub(super) fn read_log(&mut self, flow: Flow) -> Option<Scanning> {
        self.shared_next = !self.shared_next;
        if self.shared_next
            && let Some(scanning) = self.scan_shared()
        {
            return Some(scanning);
        }
        if let Flow::Behind { from } = flow
            && let Some(scanning) = self.scan(from)
        {
            return Some(scanning);
        }
        self.scan_shared()
    }

    /// Starts reading for the session; `None` if it wants nothing from the log.
    fn scan(&mut self, from: Seq) -> Option<Scanning> {
        let session = &self.claim.session;
        let mut outbound = session.outbound.lock();
        let filters: Vec<Arc<str>> = outbound
            .subscriptions
            .iter()
            .filter(|(filter, s)| s.options.qos != Qos::AtMostOnce && is_own(filter))
            .map(|(filter, _)| filter.clone())
            .collect();
        if filters.is_empty() {
            outbound.set_flow(Flow::Live { from: 0 });
            return None;
        }
        drop(outbound);
        Some(self.scanning(from, SCAN_MESSAGES, filters, None))
    }

    /// Starts reading for a shared subscription; `None` if none has something that nobody reads.
    fn scan_shared(&mut self) -> Option<Scanning> {
        let outbound = self.claim.session.outbound.lock();
        let mut shares = outbound.shares.iter();
        let reading = shares.find_map(|ledger| ledger.read(SHARE_MESSAGES))?;
        drop(outbound);
        let (_, plain) = topic::shared(&reading.ledger().filter)??;
        let filters = vec![plain.into()];
        Some(self.scanning(reading.from(), SHARE_MESSAGES, filters, Some(reading)))
    }

    fn scanning(
        &self,
        from: Seq,
        most: usize,
        filters: Vec<Arc<str>>,
        shared: Option<Reading>,
    ) -> Scanning {
        let host = self.shared.host.clone();
        let pause = from >= self.shared.delivered();
        add(&self.shared.counters.scans, 1);
        Box::pin(async move {
            if pause {
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
            let mut exact = None;
            if !filters.iter().any(|filter| filter.contains(['+', '#'])) {
                exact = host.scan_exact(from, most, &filters).await;
            }
            let scanned = match exact {
                Some(scanned) => scanned,
                None => {
                    let wanted =
                        |name: &str| filters.iter().any(|filter| topic::matches(filter, name));
                    host.scan(from, most, &wanted).await
                }
            };
            Found {
                from,
                scanned,
                shared,
            }
        })
    }

    /// Queues what a scan brought, and joins the live sessions once nothing is left to read.
    pub(super) fn scanned(&mut self, found: Found) {
        let Found {
            from,
            scanned,
            shared,
        } = found;
        let counters = &self.shared.counters;
        add(&counters.failed_scans, u64::from(scanned.failed));
        if let Some(reading) = shared {
            return self.scanned_shared(reading, &scanned);
        }
        let session = &self.claim.session;
        let mut outbound = session.outbound.lock();
        // A SUBSCRIBE or a full queue may have moved it since.
        if outbound.flow() != (Flow::Behind { from }) {
            return;
        }
        add(&counters.lost_to_retention, scanned.lost);
        let wishes: Vec<(Arc<str>, Subscription)> = outbound
            .subscriptions
            .iter()
            .filter(|(filter, _)| is_own(filter))
            .map(|(filter, subscription)| (filter.clone(), *subscription))
            .collect();
        for delivery in &scanned.found {
            let travelling = host::decode_properties(&delivery.message.properties);
            let qos = Qos::new(delivery.message.qos).unwrap_or(Qos::ExactlyOnce);
            let own = travelling.sender == Some(session.client.as_bytes());
            let mut matching = wishes
                .iter()
                .filter(|(_, s)| delivery.seq >= s.since && !(s.options.no_local && own))
                .filter(|(filter, _)| topic::matches(filter, &delivery.message.topic))
                .map(|(_, s)| (s.options, s.id))
                .peekable();
            if matching.peek().is_none() {
                continue;
            }
            let wanted = shared::wanted(matching, qos, travelling.retain);
            let message = Arc::new(shared::message_of(delivery, qos, travelling.wire));
            if !outbound.offer_found(message, wanted, &self.shared.options, counters) {
                return outbound.set_flow(Flow::Behind { from: delivery.seq });
            }
        }
        outbound.set_flow(match self.shared.joins(&scanned) {
            true => Flow::Live { from: scanned.next },
            false => Flow::Behind {
                from: scanned.next.max(from),
            },
        });
    }

    /// Takes what was found for a shared subscription, as far as there is room for it.
    fn scanned_shared(&mut self, mut reading: Reading, scanned: &Scanned) {
        let ledger = reading.ledger().clone();
        let mut outbound = self.claim.session.outbound.lock();
        // Unsubscribed meanwhile: what was to be read is for the others.
        let Some(subscription) = outbound.subscriptions.get(&ledger.filter).copied() else {
            drop((outbound, reading));
            return self.shared.rouse_groups(&[ledger]);
        };
        let (mut next, mut joins) = (scanned.next, self.shared.joins(scanned));
        for delivery in &scanned.found {
            let qos = Qos::new(delivery.message.qos).unwrap_or(Qos::ExactlyOnce);
            if qos == Qos::AtMostOnce || !reading.wants(delivery.seq) {
                continue;
            }
            let travelling = host::decode_properties(&delivery.message.properties);
            let subscribed = (subscription.options, subscription.id);
            let mut wanted = shared::wanted([subscribed].into_iter(), qos, travelling.retain);
            wanted.shared = Some(ledger.clone());
            let message = Arc::new(shared::message_of(delivery, qos, travelling.wire));
            let (options, counters) = (&self.shared.options, &self.shared.counters);
            if !outbound.offer_found(message, wanted, options, counters) {
                (next, joins) = (delivery.seq, false);
                break;
            }
            reading.give(delivery.seq);
        }
        drop(outbound);
        if matches!(reading.work, Work::From(_)) {
            add(&self.shared.counters.lost_to_retention, scanned.lost);
        }
        reading.end(next, joins);
        self.shared.rouse_groups(&[ledger]);
    }
}

fn is_own(filter: &str) -> bool {
    topic::shared(filter).is_none()
}

impl<H: Host> shared::Shared<H> {
    /// Whether what follows a scan is delivered as it comes.
    fn joins(&self, scanned: &Scanned) -> bool {
        scanned.next >= self.delivering() && !scanned.failed
    }
}
