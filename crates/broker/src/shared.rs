//! What all connections share: sessions, routes, the durable image, places in the log.
//!
//! Locks are taken in this order and never across an await: registry, routes, groups, members of a group,
//! session, image and ledgers.

mod group;

use crate::{
    host::{self, Delivery, Host},
    image::Image,
    metrics::{Counters, add, sub},
    options::Options,
    record::Testament,
    session::{
        Session,
        outbound::{Ids, Message, Offered, Outbound, Subscription, Wanted},
    },
    trie::Trie,
};
use bytes::Bytes;
use gemelli_event::Seq;
use gemelli_mqtt::{Qos, Reason, packet::SubscribeOptions, topic};
use group::Group;
use parking_lot::{Mutex, RwLock};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// What hangs on a filter.
#[derive(Debug)]
pub enum Route {
    /// A subscription of one session.
    One(Subscriber),
    /// A shared subscription.
    Shared(Arc<Group>),
}

/// A session that wants messages.
#[derive(Clone, Debug)]
pub struct Subscriber {
    session: Arc<Session>,
    options: SubscribeOptions,
    id: Option<u32>,
}

/// Everything.
pub struct Shared<H> {
    /// The node.
    pub host: Arc<H>,
    /// Limits.
    pub options: Options,
    /// Counters.
    pub counters: Counters,
    /// The durable state.
    pub image: Mutex<Image>,
    /// Sessions by client.
    pub sessions: Mutex<HashMap<Arc<str>, Arc<Session>>>,
    /// Wills whose connection ended, by client, with their due time.
    pub wills: Mutex<HashMap<Arc<str>, (i64, Testament)>>,
    /// When to look after which client.
    pub timers: Mutex<BTreeSet<(i64, Arc<str>)>>,
    /// Durable sessions that acknowledged something since their cursor was written.
    pub acknowledged: Mutex<Vec<Arc<Session>>>,
    /// Open sockets of all listeners.
    pub sockets: Arc<AtomicUsize>,
    /// When the broker started, milliseconds since 1970.
    pub started_ms: i64,
    /// Shared subscriptions by filter, as clients write it.
    groups: Mutex<HashMap<Arc<str>, Arc<Group>>>,
    routes: RwLock<Trie<Route>>,
    subscriptions: AtomicUsize,
    no_local: AtomicUsize,
    numbers: AtomicU64,
    delivering: AtomicU64,
    delivered: AtomicU64,
}

impl<H: Host> Shared<H> {
    /// Without sessions.
    pub fn new(host: Arc<H>, options: Options) -> Self {
        Self {
            started_ms: host.now_ms(),
            host,
            options,
            counters: Counters::default(),
            image: Mutex::default(),
            sessions: Mutex::default(),
            wills: Mutex::default(),
            timers: Mutex::default(),
            acknowledged: Mutex::default(),
            sockets: Arc::default(),
            groups: Mutex::default(),
            routes: RwLock::default(),
            subscriptions: AtomicUsize::new(0),
            no_local: AtomicUsize::new(0),
            numbers: AtomicU64::new(0),
            delivering: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
        }
    }

    /// Sets the place in the log from which deliveries come.
    pub fn start_at(&self, next: Seq) {
        self.delivering.store(next, Ordering::SeqCst);
        self.delivered.store(next, Ordering::SeqCst);
    }

    /// Everything before this place was offered to all live sessions.
    pub fn delivered(&self) -> Seq {
        self.delivered.load(Ordering::SeqCst)
    }

    /// Everything from this place on is still to be offered.
    pub fn delivering(&self) -> Seq {
        self.delivering.load(Ordering::SeqCst)
    }

    /// Whether anybody subscribed to anything.
    pub fn is_listening(&self) -> bool {
        self.subscriptions.load(Ordering::Relaxed) > 0
    }

    /// Whether somebody subscribed with "no local", so that messages must name their sender.
    pub fn names_senders(&self) -> bool {
        self.no_local.load(Ordering::Relaxed) > 0
    }

    /// A number for a new session.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Finds or makes a client's session.
    pub fn session(&self, client: &Arc<str>) -> Option<Arc<Session>> {
        let mut sessions = self.sessions.lock();
        if let Some(session) = sessions.get(client) {
            return Some(session.clone());
        }
        if sessions.len() >= self.options.max_sessions {
            return None;
        }
        let session = Session::new(client.clone(), self.number(), Outbound::new());
        sessions.insert(client.clone(), session.clone());
        add(&self.counters.sessions_now, 1);
        Some(session)
    }

    /// Takes a session back up, as it stood in the log.
    pub fn restore(&self, session: Arc<Session>) {
        let subscriptions: Vec<_> = session
            .outbound
            .lock()
            .subscriptions
            .iter()
            .map(|(f, s)| (f.clone(), *s))
            .collect();
        for (filter, subscription) in subscriptions {
            self.route(&session, &filter, subscription.options, subscription.id);
        }
        self.sessions.lock().insert(session.client.clone(), session);
        add(&self.counters.sessions_now, 1);
    }

    /// Ends a session for good. To be called with its claim held.
    pub fn remove(&self, session: &Arc<Session>) {
        let mut sessions = self.sessions.lock();
        if sessions
            .get(&session.client)
            .is_some_and(|s| Arc::ptr_eq(s, session))
        {
            sessions.remove(&session.client);
            sub(&self.counters.sessions_now, 1);
        }
        session.leave();
        drop(sessions);
        let mut outbound = session.outbound.lock();
        let subscriptions = std::mem::take(&mut outbound.subscriptions);
        let shares = outbound.shares.clone();
        outbound.discard(&self.counters);
        drop(outbound);
        for (filter, subscription) in subscriptions {
            self.unroute(session, &filter, subscription.options);
        }
        self.rouse_groups(&shares);
    }

    /// Adds or changes a subscription; true if it is new.
    pub fn subscribe(
        &self,
        session: &Arc<Session>,
        filter: &Arc<str>,
        options: SubscribeOptions,
        id: Option<u32>,
    ) -> bool {
        let since = self.delivered();
        let subscription = Subscription { options, id, since };
        let old = {
            let mut outbound = session.outbound.lock();
            let old = outbound.subscriptions.get(filter).copied();
            let since = old.map_or(since, |old| old.since);
            outbound.subscriptions.insert(
                filter.clone(),
                Subscription {
                    since,
                    ..subscription
                },
            );
            old
        };
        if let Some(old) = old {
            self.unroute(session, filter, old.options);
        }
        self.route(session, filter, options, id);
        old.is_none()
    }

    /// Ends a subscription; false if there was none.
    pub fn unsubscribe(&self, session: &Arc<Session>, filter: &str) -> bool {
        let Some(old) = session.outbound.lock().subscriptions.remove(filter) else {
            return false;
        };
        self.unroute(session, filter, old.options);
        true
    }

    fn route(
        &self,
        session: &Arc<Session>,
        filter: &Arc<str>,
        options: SubscribeOptions,
        id: Option<u32>,
    ) {
        let subscriber = Subscriber {
            session: session.clone(),
            options,
            id,
        };
        match topic::shared(filter) {
            Some(Some((_, plain))) => self.join(filter, plain, subscriber),
            _ => self
                .routes
                .write()
                .edit(filter, |routes| routes.push(Route::One(subscriber))),
        }
        self.subscriptions.fetch_add(1, Ordering::Relaxed);
        self.no_local
            .fetch_add(usize::from(options.no_local), Ordering::Relaxed);
        add(&self.counters.subscriptions_now, 1);
    }

    fn unroute(&self, session: &Arc<Session>, filter: &str, options: SubscribeOptions) {
        let own = |s: &Subscriber| Arc::ptr_eq(&s.session, session);
        match topic::shared(filter) {
            Some(Some((_, plain))) => self.part(session, filter, plain),
            _ => self.routes.write().edit(filter, |routes| {
                if let Some(at) = routes
                    .iter()
                    .position(|r| if let Route::One(s) = r { own(s) } else { false })
                {
                    routes.swap_remove(at);
                }
            }),
        }
        self.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.no_local
            .fetch_sub(usize::from(options.no_local), Ordering::Relaxed);
        sub(&self.counters.subscriptions_now, 1);
    }

    /// Routes released messages, and moves on to `next`.
    pub fn deliver(&self, messages: &[Delivery], next: Seq) {
        self.delivering.fetch_max(next, Ordering::SeqCst);
        if self.is_listening() && !messages.is_empty() {
            let routes = self.routes.read();
            let mut roused = Vec::new();
            let mut hits = Vec::new();
            for delivery in messages {
                self.route_one(&routes, delivery, &mut hits, &mut roused);
            }
            drop(routes);
            for session in roused {
                session.wake.notify_one();
            }
        }
        self.delivered.fetch_max(next, Ordering::SeqCst);
    }

    fn route_one<'a>(
        &self,
        routes: &'a Trie<Route>,
        delivery: &Delivery,
        hits: &mut Vec<&'a Subscriber>,
        roused: &mut Vec<Arc<Session>>,
    ) {
        let m = &delivery.message;
        hits.clear();
        let travelling = host::decode_properties(&m.properties);
        let qos = Qos::new(m.qos).unwrap_or(Qos::ExactlyOnce);
        let mut shared = Vec::new();
        routes.visit(&m.topic, |route| match route {
            Route::One(s) => {
                if !(s.options.no_local && travelling.sender == Some(s.session.client.as_bytes())) {
                    hits.push(s);
                }
            }
            Route::Shared(group) => shared.push(group),
        });
        if hits.is_empty() && shared.is_empty() {
            return;
        }
        let message = &Arc::new(message_of(delivery, qos, travelling.wire));
        if hits.len() > 1 {
            hits.sort_by_key(|s| s.session.number);
        }
        for same in hits.chunk_by(|a, b| a.session.number == b.session.number) {
            let Some(first) = same.first() else { continue };
            let wanted = wanted(
                same.iter().map(|s| (s.options, s.id)),
                qos,
                travelling.retain,
            );
            self.offer(&first.session, message, wanted, roused);
        }
        for group in shared {
            self.offer_group(group, message, qos, travelling.retain, roused);
        }
    }

    fn offer(
        &self,
        session: &Arc<Session>,
        message: &Arc<Message>,
        wanted: Wanted,
        roused: &mut Vec<Arc<Session>>,
    ) -> Offered {
        let mut outbound = session.outbound.lock();
        let offered = outbound.offer(message, wanted, &self.options, &self.counters);
        drop(outbound);
        match offered {
            Offered::Queued(true) => roused.push(session.clone()),
            Offered::Queued(false) | Offered::Dropped | Offered::Left => {}
            Offered::Overrun => session.end(Reason::QUOTA_EXCEEDED.0),
        }
        offered
    }
}

/// A released message in the form in which sessions share it: nothing of it holds on to larger buffers.
pub fn message_of(delivery: &Delivery, qos: Qos, wire: &[u8]) -> Message {
    Message {
        seq: delivery.seq,
        topic: delivery.message.topic.clone(),
        payload: Bytes::copy_from_slice(&delivery.message.payload),
        properties: Bytes::copy_from_slice(wire),
        qos,
        expires_ms: delivery.message.expires_ms,
    }
}

/// How a session gets a message that several of its subscriptions match: once, with the highest quality.
pub fn wanted(
    subscriptions: impl Iterator<Item = (SubscribeOptions, Option<u32>)>,
    qos: Qos,
    retain: bool,
) -> Wanted {
    let mut out = Wanted::default();
    for (options, id) in subscriptions {
        out.qos = out.qos.max(options.qos.min(qos));
        out.retain |= options.retain_as_published && retain;
        if let Some(id) = id {
            out.ids.push(id);
        }
    }
    out
}

/// Subscription identifiers of a retained message that is sent for one subscription.
pub fn ids(id: Option<u32>) -> Ids {
    let mut ids = Ids::None;
    if let Some(id) = id {
        ids.push(id);
    }
    ids
}
