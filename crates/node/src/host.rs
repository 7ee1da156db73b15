//! The node as the broker sees it.

use crate::{
    admission::{Closed, Entry, Offer},
    answer::Answer,
    intake,
    letters::PAYLOAD_BYTES,
    pipeline,
    scan::Wish,
    state::Core,
};
use bytes::Bytes;
use gemelli_auth::loopback;
use gemelli_broker::{
    Host, Item, Reason,
    host::{Action, Credentials, Principal, Refused, Scanned, Unavailable, Wanted},
};
use gemelli_event::{Body, Seq, record::DeadLetter};
use std::sync::Arc;
use tokio::sync::watch;

impl From<Closed> for Unavailable {
    fn from(closed: Closed) -> Self {
        Self {
            code: closed.code(),
            reason: closed.to_string(),
        }
    }
}

impl Host for Core {
    async fn admit(&self, items: Vec<Item>) -> Result<u64, Unavailable> {
        let published = self.published();
        let now_ms = self.clock.now_ms();
        let mut offers = Vec::with_capacity(items.len());
        for item in items {
            offers.push(match item {
                Item::Session(bytes) => Offer::new(Body::Session(bytes)),
                Item::Presence(presence) => Offer {
                    entry: Entry::Client(presence),
                    answer: Answer::None,
                },
                Item::Publish(mut publish) => {
                    let reply = publish.reply.take();
                    let taken =
                        intake::publication(&published.view, &self.connections, publish, now_ms);
                    let answer = match (taken.refused, reply) {
                        (Some((code, text)), Some(reply)) => {
                            self.metrics.reject(code);
                            reply.refuse(pipeline::reason(code), text);
                            Answer::None
                        }
                        (None, Some(reply)) => Answer::Connection(reply),
                        (_, None) => Answer::None,
                    };
                    Offer {
                        entry: Entry::Published(Box::new(taken.published)),
                        answer,
                    }
                }
            });
        }
        // A closed queue says so; a full one makes the connection wait, and its socket with it.
        self.admission.admit(offers).await.map_err(|closed| {
            self.metrics.refused.inc();
            closed.into()
        })
    }

    fn released(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    fn judged(&self) -> watch::Receiver<u64> {
        self.judged.subscribe()
    }

    async fn scan(&self, from: Seq, limit: usize, wanted: Wanted<'_>) -> Scanned {
        self.scan_topics(from, limit, Wish::Matching(wanted)).await
    }

    async fn scan_exact(&self, from: Seq, limit: usize, topics: &[Arc<str>]) -> Option<Scanned> {
        Some(self.scan_topics(from, limit, Wish::Topics(topics)).await)
    }

    fn authenticate(&self, who: &Credentials) -> Result<Principal, Refused> {
        if let Some(why @ Closed::ReadOnly(_)) = self.admission.closed() {
            return Err(Refused {
                reason: Reason::SERVER_UNAVAILABLE,
                text: why.to_string(),
            });
        }
        self.access
            .authenticate(who)
            .inspect_err(|_| self.metrics.reject("unauthorized"))
    }

    fn allow(&self, who: &Principal, action: Action, topic: &str) -> bool {
        let view = || self.published().view.clone();
        let allowed = self.access.allow(who, action, topic, view);
        if !allowed {
            self.metrics.reject("forbidden");
        }
        allowed
    }

    fn allow_origin(&self, host: Option<&str>, origin: Option<&str>) -> bool {
        self.access.needs_login() || loopback::check(host, origin).is_ok()
    }

    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn refused(&self, code: &'static str, origin: &str, reason: &str, bytes: &[u8]) {
        let kept = bytes.get(..PAYLOAD_BYTES).unwrap_or(bytes);
        self.dead_letter(DeadLetter {
            code: code.into(),
            reason: reason.into(),
            origin: origin.into(),
            payload: Bytes::copy_from_slice(kept),
            dropped: 0,
        });
    }
}

impl Core {
    /// Notes input that could not be used. Never waits: while nothing is taken it is only counted.
    pub(crate) fn dead_letter(&self, letter: DeadLetter) {
        self.metrics.reject(&letter.code);
        let offer = Offer::new(Body::DeadLetter(letter));
        if self.admission.admit_now(vec![offer]).is_err() {
            self.metrics.dead_letters_dropped.inc();
        }
    }
}
