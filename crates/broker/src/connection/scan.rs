//! Reading the log for a durable session that was away or lags.

use super::Connection;
use crate::{
    host::{self, Host, Scanned},
    metrics::add,
    session::outbound::{Flow, Subscription},
    shared,
};
use gemelli_event::Seq;
use gemelli_mqtt::{Qos, packet::SubscribeOptions, topic};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// Messages that a scan asks for at a time.
const SCAN_MESSAGES: usize = 256;
/// Pause after a scan that found the log's end while a release is under way, milliseconds.
const PAUSE_MS: u64 = 5;

/// A scan under way.
pub type Scanning = Pin<Box<dyn Future<Output = Found> + Send>>;

/// What a scan brought.
pub struct Found {
    from: Seq,
    scanned: Scanned,
}

/// A subscription as a scan sees it.
struct Wish {
    filter: Arc<str>,
    options: SubscribeOptions,
    id: Option<u32>,
    from: Seq,
    to: Seq,
    shared: bool,
}

impl Wish {
    fn of(filter: &Arc<str>, s: &Subscription) -> Option<Self> {
        let wish = |filter, from, to, shared| Wish {
            filter,
            options: s.options,
            id: s.id,
            from,
            to,
            shared,
        };
        match topic::shared(filter) {
            Some(Some((_, plain))) => s
                .missed
                .map(|(from, to)| wish(plain.into(), from, to, true)),
            _ => Some(wish(filter.clone(), s.since, Seq::MAX, false)),
        }
    }
}

impl<H: Host> Connection<H> {
    /// Starts reading; `None` if the session wants nothing from the log.
    pub(super) fn scan(&mut self, from: Seq) -> Option<Scanning> {
        let session = &self.claim.session;
        let mut outbound = session.outbound.lock();
        let filters: Vec<Arc<str>> = outbound
            .subscriptions
            .iter()
            .filter(|(_, s)| s.options.qos != Qos::AtMostOnce)
            .filter_map(|(filter, s)| Wish::of(filter, s))
            .map(|wish| wish.filter)
            .collect();
        if filters.is_empty() {
            outbound.set_flow(Flow::Live { from: 0 });
            return None;
        }
        let host = self.shared.host.clone();
        let pause = from >= self.shared.delivered();
        add(&self.shared.counters.scans, 1);
        Some(Box::pin(async move {
            if pause {
                tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            }
            if !filters.iter().any(|filter| filter.contains(['+', '#']))
                && let Some(scanned) = host.scan_exact(from, SCAN_MESSAGES, &filters).await
            {
                return Found { from, scanned };
            }
            let wanted = |name: &str| filters.iter().any(|filter| topic::matches(filter, name));
            Found {
                from,
                scanned: host.scan(from, SCAN_MESSAGES, &wanted).await,
            }
        }))
    }

    /// Queues what a scan brought, and joins the live sessions once nothing is left to read.
    pub(super) fn scanned(&mut self, found: Found) {
        let Found { from, scanned } = found;
        let session = &self.claim.session;
        let mut outbound = session.outbound.lock();
        // A SUBSCRIBE or a full queue may have moved it since.
        if outbound.flow() != (Flow::Behind { from }) {
            return;
        }
        add(&self.shared.counters.lost_to_retention, scanned.lost);
        add(
            &self.shared.counters.failed_scans,
            u64::from(scanned.failed),
        );
        let wishes: Vec<Wish> = outbound
            .subscriptions
            .iter()
            .filter_map(|(f, s)| Wish::of(f, s))
            .collect();
        for delivery in &scanned.found {
            let travelling = host::decode_properties(&delivery.message.properties);
            let qos = Qos::new(delivery.message.qos).unwrap_or(Qos::ExactlyOnce);
            let mut message = None;
            for shared_ones in [false, true] {
                let mut matching = wishes
                    .iter()
                    .filter(|w| w.shared == shared_ones && (w.from..w.to).contains(&delivery.seq))
                    .filter(|w| {
                        !(w.options.no_local
                            && travelling.sender == Some(session.client.as_bytes()))
                    })
                    .filter(|w| topic::matches(&w.filter, &delivery.message.topic))
                    .peekable();
                if matching.peek().is_none() {
                    continue;
                }
                let mut wanted =
                    shared::wanted(matching.map(|w| (w.options, w.id)), qos, travelling.retain);
                wanted.shared = shared_ones;
                let message = message.get_or_insert_with(|| {
                    Arc::new(shared::message_of(delivery, qos, travelling.wire))
                });
                if !outbound.offer_found(
                    message.clone(),
                    wanted,
                    &self.shared.options,
                    &self.shared.counters,
                ) {
                    return outbound.set_flow(Flow::Behind { from: delivery.seq });
                }
            }
        }
        if scanned.next >= self.shared.delivering() && !scanned.failed {
            outbound.set_flow(Flow::Live { from: scanned.next });
            outbound
                .subscriptions
                .values_mut()
                .for_each(|s| s.missed = None);
        } else {
            outbound.set_flow(Flow::Behind {
                from: scanned.next.max(from),
            });
        }
    }
}
