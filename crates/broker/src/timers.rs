//! What happens without a packet: wills become due, sessions expire, cursors are written, `$SYS` is published.
//!
//! One task ticks; due times lie in one ordered set. Clients are looked up again when their time comes, so a
//! stale entry does nothing.

use crate::{
    host::{self, Host, Item, Publish},
    metrics::add,
    record::{self, Change, Kept, Testament},
    session::{NOT_LOGGED, Session},
    shared::Shared,
    sys,
};

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

/// How often due times are looked at, milliseconds.
const TICK_MS: u64 = 100;
/// How often cursors of durable sessions are written, ticks.
const CURSOR_TICKS: u64 = 10;
/// How often expired retained messages are cleared out, ticks.
const EXPIRE_TICKS: u64 = 600;

/// A record of the broker's own.
pub fn session_item(changes: &[Change]) -> Item {
    Item::Session(record::encode(changes))
}

/// A will as it is published: the record that voids it stands in the same frame.
pub fn will_item<H: Host>(
    shared: &Shared<H>,
    client: &Arc<str>,
    will: &Testament,
    now_ms: i64,
) -> Item {
    add(&shared.counters.wills, 1);
    let m = &will.message;
    let expires_ms = will.lives_ms.map(|ms| now_ms.saturating_add(ms));
    let void = Change::Unwilled {
        client: client.clone(),
    };
    let mut retained = Vec::new();
    if m.retain {
        retained.push(Change::Retained {
            message: Kept {
                seq: NOT_LOGGED,
                expires_ms,
                ..m.clone()
            },
        });
    }
    let sender = shared.names_senders().then_some(&**client);
    Item::Publish(Publish {
        client: client.clone(),
        topic: m.topic.clone(),
        payload: m.payload.clone(),
        qos: m.qos.number(),
        retain: m.retain,
        properties: host::encode_properties(&m.properties, m.retain, sender),
        expires_ms,
        journal: record::encode(&[void]),
        retained: record::encode(&retained),
        reply: None,
        will: true,
    })
}

/// Publishes a will later, unless the client returns.
pub fn delay_will<H: Host>(shared: &Shared<H>, client: &Arc<str>, will: Testament, due_ms: i64) {
    shared.wills.lock().insert(client.clone(), (due_ms, will));
    shared.timers.lock().insert((due_ms, client.clone()));
}

/// Takes a will that waits: it was published, or its client returned.
pub fn take_will<H: Host>(shared: &Shared<H>, client: &Arc<str>) -> Option<Testament> {
    let (due_ms, will) = shared.wills.lock().remove(client)?;
    shared.timers.lock().remove(&(due_ms, client.clone()));
    Some(will)
}

/// The client returned: its session no longer ends by itself.
pub fn keep_session<H: Host>(shared: &Shared<H>, session: &Session) {
    let ends_ms = session.ends_ms.swap(i64::MAX, Ordering::AcqRel);
    let will_ms = shared
        .wills
        .lock()
        .get(&session.client)
        .map(|(due_ms, _)| *due_ms);
    if ends_ms != i64::MAX && will_ms != Some(ends_ms) {
        shared
            .timers
            .lock()
            .remove(&(ends_ms, session.client.clone()));
    }
}

/// Ends a session later, unless the client returns.
pub fn expire_session<H: Host>(shared: &Shared<H>, session: &Session, expiry_s: u32, now_ms: i64) {
    if expiry_s == u32::MAX {
        return;
    }
    let ends_ms = now_ms.saturating_add(i64::from(expiry_s) * 1_000);
    session.ends_ms.store(ends_ms, Ordering::Release);
    shared
        .timers
        .lock()
        .insert((ends_ms, session.client.clone()));
}

/// Ticks as long as the broker lives.
pub async fn run<H: Host>(shared: Weak<Shared<H>>) {
    let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticks = 0u64;
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        ticks += 1;
        let now_ms = shared.host.now_ms();
        let mut items = due(&shared, now_ms);
        if ticks.is_multiple_of(CURSOR_TICKS) {
            items.extend(cursors(&shared));
        }
        if ticks.is_multiple_of(EXPIRE_TICKS) {
            let expired = shared.image.lock().expire(now_ms);
            add(&shared.counters.dropped_expired, expired as u64);
        }
        let every = shared.options.sys_interval_s * 1_000 / TICK_MS;
        if every > 0 && ticks.is_multiple_of(every) && shared.is_listening() {
            sys::publish(&shared);
        }
        if !items.is_empty() {
            // A node that takes nothing will take this from the image after its restart.
            drop(shared.host.admit(items).await);
        }
    }
}

fn due<H: Host>(shared: &Arc<Shared<H>>, now_ms: i64) -> Vec<Item> {
    let mut items = Vec::new();
    loop {
        let client = {
            let mut timers = shared.timers.lock();
            match timers.first() {
                Some((due_ms, _)) if *due_ms <= now_ms => {
                    timers.pop_first().map(|(_, client)| client)
                }
                _ => None,
            }
        };
        let Some(client) = client else { return items };
        let session = shared.sessions.lock().get(&client).cloned();
        let will = {
            let mut wills = shared.wills.lock();
            let is_due = wills
                .get(&client)
                .is_some_and(|(due_ms, _)| *due_ms <= now_ms);
            if is_due { wills.remove(&client) } else { None }
        };
        items.extend(will.map(|(_, will)| will_item(shared, &client, &will, now_ms)));
        let Some(session) = session.filter(|s| s.ends_ms.load(Ordering::Acquire) <= now_ms) else {
            continue;
        };
        let Some(claim) = session.claim_if_free() else {
            continue;
        };
        if session.ends_ms.load(Ordering::Acquire) <= now_ms && !session.is_gone() {
            shared.remove(&session);
            items.push(session_item(&[Change::Ended { client }]));
        }
        drop(claim);
    }
}

fn cursors<H: Host>(shared: &Shared<H>) -> Vec<Item> {
    let sessions = std::mem::take(&mut *shared.acknowledged.lock());
    let mut changes = Vec::new();
    for session in sessions {
        let mut outbound = session.outbound.lock();
        outbound.acknowledged = 0;
        if outbound.is_durable() && outbound.is_connected() {
            changes.push(Change::Cursor {
                client: session.client.clone(),
                seq: outbound.cursor(shared.delivered()),
            });
        }
    }
    changes.extend(shared.changed_groups());
    if changes.is_empty() {
        Vec::new()
    } else {
        vec![session_item(&changes)]
    }
}

/// Takes up what the log says about sessions and wills; their clients are all away.
pub fn restore<H: Host>(shared: &Arc<Shared<H>>, now_ms: i64, crashed: bool) {
    let image = shared.image.lock();
    let all: Vec<_> = image
        .sessions()
        .map(|(client, session)| (client.clone(), session.clone()))
        .collect();
    let groups: Vec<_> = image
        .groups()
        .map(|(filter, group)| (filter.clone(), group.clone()))
        .collect();
    drop(image);
    for (client, image) in all {
        if let Some(will) = image.will.as_deref() {
            // After a crash the client may believe itself connected until its keep-alive has run out.
            let grace_ms = if crashed {
                will.keep_alive_ms * 3 / 2
            } else {
                0
            };
            let due_ms = now_ms
                .saturating_add(will.delay_ms)
                .saturating_add(grace_ms);
            delay_will(shared, &client, will.clone(), due_ms);
        }
        if let Some(expiry_s) = image.expiry_s {
            let session = Session::restored(client, shared.number(), &image, &shared.counters);
            expire_session(
                shared,
                &session,
                expiry_s,
                image.closed_ms.unwrap_or(now_ms),
            );
            shared.restore(session);
        }
    }
    shared.restore_groups(&groups);
}
