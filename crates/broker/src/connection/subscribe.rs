//! SUBSCRIBE and UNSUBSCRIBE.

use super::Connection;
use crate::{
    host::{Action, Host},
    record::Change,
    session::Session,
};
use gemelli_mqtt::{
    Malformed, Reason,
    packet::{RetainHandling, SubAck, Subscribe, Unsubscribe},
    topic,
};
use std::sync::Arc;

use super::close::End;

impl<H: Host> Connection<H> {
    /// SUBSCRIBE: each filter is judged for itself, and all are answered in turn once they are durable.
    pub(super) fn subscribe(
        &mut self,
        subscribe: Subscribe,
        session: &Arc<Session>,
    ) -> Result<(), End> {
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut remedy = None;
        let most = self.shared.options.max_filters;
        if subscribe.filters.len() > most {
            let origin = format!("mqtt/client/{}", session.client);
            let text = format!(
                "a SUBSCRIBE with {} filters: the first {most} were taken, send the others in another one",
                subscribe.filters.len()
            );
            self.shared
                .host
                .refused("limit-reached", &origin, &text, &[]);
        }
        for (at, (filter, options)) in subscribe.filters.into_iter().enumerate() {
            let mut refuse = |reason: Reason, text: &'static str| {
                remedy = Some(text);
                reasons.push(reason);
            };
            if at >= most {
                refuse(
                    Reason::QUOTA_EXCEEDED,
                    "the SUBSCRIBE has more filters than it may: send several",
                );
                continue;
            }
            let plain = match topic::shared(&filter) {
                None if topic::is_filter(&filter) => &*filter,
                Some(Some((_, plain))) if options.no_local => {
                    let _ = plain;
                    return Err(self.protocol(Malformed::protocol(
                        "a shared subscription with \"no local\"",
                    )));
                }
                Some(Some((_, plain))) => plain,
                _ => {
                    refuse(
                        Reason::TOPIC_FILTER_INVALID,
                        "wildcards stand for whole levels, and # comes last",
                    );
                    continue;
                }
            };
            if !self
                .shared
                .host
                .allow(&self.principal, Action::Subscribe, plain)
            {
                refuse(
                    Reason::NOT_AUTHORIZED,
                    "the principal may not subscribe to this filter: ask for a policy that allows it",
                );
                continue;
            }
            let many = session.outbound.lock().subscriptions.len()
                >= self.shared.options.max_subscriptions;
            let filter: Arc<str> = Arc::from(&*filter);
            if many && !session.outbound.lock().subscriptions.contains_key(&filter) {
                refuse(
                    Reason::QUOTA_EXCEEDED,
                    "the session has as many subscriptions as it may: use wildcards",
                );
                continue;
            }
            let new = self
                .shared
                .subscribe(session, &filter, options, subscribe.subscription_id);
            if self.inbound.settings().durable {
                let outbound = session.outbound.lock();
                let since = outbound.subscriptions.get(&filter).map_or(0, |s| s.since);
                let share = outbound.shares.iter().find(|l| l.filter == filter).cloned();
                drop(outbound);
                let subscribed = Change::Subscribed {
                    client: session.client.clone(),
                    filter: filter.clone(),
                    options,
                    id: subscribe.subscription_id,
                    since,
                };
                let group = share.map(|ledger| self.shared.standing(&ledger));
                let changes: Vec<_> = [subscribed].into_iter().chain(group).collect();
                self.inbound.changes(&changes);
            }
            reasons.push(Reason(options.qos.number()));
            let retained = match options.retain_handling {
                RetainHandling::Send => true,
                RetainHandling::SendIfNew => new,
                RetainHandling::DoNotSend => false,
            };
            if retained && topic::shared(&filter).is_none() {
                self.retained
                    .start(filter, options.qos, subscribe.subscription_id);
            }
        }
        let reason_string = remedy
            .filter(|_| self.inbound.settings().reason_strings)
            .map(Into::into);
        self.inbound.suback(SubAck {
            packet_id: subscribe.packet_id,
            reasons,
            reason_string,
        });
        Ok(())
    }

    /// UNSUBSCRIBE.
    pub(super) fn unsubscribe(&mut self, unsubscribe: Unsubscribe, session: &Arc<Session>) {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for filter in unsubscribe.filters {
            self.retained.stop(&filter);
            let existed = self.shared.unsubscribe(session, &filter);
            reasons.push(if existed {
                Reason::SUCCESS
            } else {
                Reason::NO_SUBSCRIPTION_EXISTED
            });
            if existed && self.inbound.settings().durable {
                self.inbound.change(&Change::Unsubscribed {
                    client: session.client.clone(),
                    filter: Arc::from(&*filter),
                });
            }
        }
        self.inbound.unsuback(SubAck {
            packet_id: unsubscribe.packet_id,
            reasons,
            reason_string: None,
        });
    }
}
