//! Shared subscriptions: each message goes to one member that has room for it.
//!
//! Where the messages of a subscription are is its [`Ledger`]'s business; here its members are found and roused.

use super::{Route, Shared, Subscriber, wanted};
use crate::{
    host::Host,
    image,
    metrics::add,
    record::Change,
    session::{
        NOT_LOGGED, Session,
        ledger::{Ledger, Place},
        outbound::{Message, Offered},
    },
};
use gemelli_event::Seq;
use gemelli_mqtt::Qos;
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A shared subscription.
#[derive(Debug)]
pub struct Group {
    ledger: Arc<Ledger>,
    members: Mutex<Vec<Subscriber>>,
    next: AtomicUsize,
}

impl Group {
    fn has_durable_member(&self) -> bool {
        let members = self.members.lock();
        members
            .iter()
            .any(|s| s.session.outbound.lock().is_durable())
    }

    /// Rouses all members that are connected: whoever comes first reads.
    fn rouse(&self) {
        for member in self.members.lock().iter() {
            if member.session.outbound.lock().is_connected() {
                member.session.wake.notify_one();
            }
        }
    }
}

impl<H: Host> Shared<H> {
    /// A member comes.
    pub(super) fn join(&self, filter: &Arc<str>, plain: &str, member: Subscriber) {
        let session = member.session.clone();
        let mut routes = self.routes.write();
        let mut groups = self.groups.lock();
        let group = groups.entry(filter.clone()).or_insert_with(|| {
            let group = Arc::new(Group {
                ledger: Arc::new(Ledger::new(filter.clone())),
                members: Mutex::default(),
                next: AtomicUsize::new(0),
            });
            routes.edit(plain, |routes| routes.push(Route::Shared(group.clone())));
            group
        });
        group.members.lock().push(member);
        session.outbound.lock().shares.push(group.ledger.clone());
    }

    /// A member goes; the last one takes the subscription with it.
    pub(super) fn part(&self, session: &Arc<Session>, filter: &str, plain: &str) {
        let mut routes = self.routes.write();
        let mut groups = self.groups.lock();
        let Some(group) = groups.get(filter).cloned() else {
            return;
        };
        let mut members = group.members.lock();
        members.retain(|s| !Arc::ptr_eq(&s.session, session));
        if members.is_empty() {
            groups.remove(filter);
            routes.edit(plain, |routes| {
                routes.retain(
                    |route| !matches!(route, Route::Shared(other) if Arc::ptr_eq(other, &group)),
                );
            });
        }
        let mut outbound = session.outbound.lock();
        outbound.shares.retain(|ledger| *ledger.filter != *filter);
    }

    /// Takes shared subscriptions back up, as they stood in the log; where it does not say, by the latest
    /// subscription of a member.
    pub fn restore_groups(&self, images: &[(Arc<str>, image::Group)]) {
        let groups = self.groups.lock();
        for (filter, image) in images {
            let Some(group) = groups.get(filter) else {
                continue;
            };
            let members = group.members.lock();
            let since = members.iter().filter_map(|member| {
                let outbound = member.session.outbound.lock();
                outbound.subscriptions.get(filter).map(|s| s.since)
            });
            group.ledger.restore(image, since.max().unwrap_or(0));
        }
    }

    fn durable_groups(&self) -> Vec<Arc<Group>> {
        let groups: Vec<_> = self.groups.lock().values().cloned().collect();
        groups
            .into_iter()
            .filter(|group| group.has_durable_member())
            .collect()
    }

    /// The oldest place in the log that a shared subscription still needs.
    pub fn oldest_shared(&self, delivered: Seq) -> Option<Seq> {
        let groups = self.durable_groups();
        groups.iter().map(|g| g.ledger.oldest(delivered)).min()
    }

    /// How shared subscriptions of durable sessions stand, if anything is done since the last call.
    pub fn changed_groups(&self) -> Vec<Change> {
        self.durable_groups()
            .iter()
            .filter(|group| group.ledger.take_changed())
            .map(|group| self.standing(&group.ledger))
            .collect()
    }

    /// How a shared subscription stands.
    pub fn standing(&self, ledger: &Ledger) -> Change {
        let (reached, open) = ledger.standing(self.delivered());
        Change::Group {
            filter: ledger.filter.clone(),
            reached,
            open,
            given: Vec::new(),
        }
    }

    /// Rouses the members of those of these subscriptions that have something to read.
    pub fn rouse_groups(&self, ledgers: &[Arc<Ledger>]) {
        for ledger in ledgers.iter().filter(|ledger| ledger.has_work()) {
            let group = self.groups.lock().get(&ledger.filter).cloned();
            if let Some(group) = group {
                group.rouse();
            }
        }
    }

    /// Gives a released message to one member.
    pub(super) fn offer_group(
        &self,
        group: &Group,
        message: &Arc<Message>,
        qos: Qos,
        retain: bool,
        roused: &mut Vec<Arc<Session>>,
    ) {
        let ledger = &group.ledger;
        let logged = message.seq != NOT_LOGGED;
        let place = if logged {
            ledger.place(message.seq)
        } else {
            Place::Next
        };
        let members = group.members.lock();
        let start = group.next.fetch_add(1, Ordering::Relaxed);
        let cost = message.cost();
        let chosen = (0..members.len())
            .filter_map(|i| members.get((start.wrapping_add(i)) % members.len()))
            .find(|s| {
                let outbound = s.session.outbound.lock();
                outbound.takes_shared(cost, &self.options, &self.counters)
            });
        match (place, chosen) {
            (Place::Read, _) => {}
            (Place::Later, _) if qos == Qos::AtMostOnce => add(&self.counters.dropped_qos0, 1),
            (Place::Later, chosen) => {
                roused.extend(
                    chosen
                        .filter(|_| ledger.has_work())
                        .map(|s| s.session.clone()),
                );
            }
            (Place::Next, Some(member)) => {
                let mut wanted = wanted([(member.options, member.id)].into_iter(), qos, retain);
                wanted.shared = Some(ledger.clone());
                if logged {
                    ledger.give(message.seq);
                }
                let offered = self.offer(&member.session, message, wanted, roused);
                if logged && !matches!(offered, Offered::Queued(_)) {
                    // It left in this moment.
                    ledger.give_back(message.seq);
                    roused.extend(members.iter().map(|s| s.session.clone()));
                }
            }
            (Place::Next, None) if qos == Qos::AtMostOnce => add(&self.counters.dropped_qos0, 1),
            (Place::Next, None) if !logged => {}
            (Place::Next, None) => {
                if members
                    .iter()
                    .any(|s| s.session.outbound.lock().is_durable())
                {
                    ledger.fall_behind(message.seq);
                } else {
                    add(&self.counters.dropped_slow, 1);
                }
            }
        }
    }
}
