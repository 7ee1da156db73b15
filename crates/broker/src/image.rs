//! What the broker's records add up to: durable sessions, retained messages, wills.
//!
//! The fold is the same on replay and, live, on release; so a snapshot never holds what a crash can undo.
//! Connected sessions have their own, newer state beside it ([`crate::session`]). No IO, no clock.

mod group;
mod session;

use crate::{
    Damaged, Entry,
    record::{self, Change, Kept},
    session::NOT_LOGGED,
};
use bytes::Bytes;
use gemelli_event::Seq;
use gemelli_mqtt::topic;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Bound,
    sync::Arc,
};

pub use group::Group;
pub use session::Session;

/// The durable state.
#[derive(Debug, Default)]
pub struct Image {
    sessions: HashMap<Arc<str>, Session>,
    retained: BTreeMap<Arc<str>, Arc<Kept>>,
    retained_bytes: usize,
    groups: BTreeMap<Arc<str>, Group>,
    dirty_sessions: HashSet<Arc<str>>,
    dirty_topics: HashSet<Arc<str>>,
    dirty_groups: HashSet<Arc<str>>,
}

/// Bytes that a retained message counts for.
pub fn cost(message: &Kept) -> usize {
    128 + message.topic.len() + message.payload.len() + message.properties.len()
}

impl Image {
    /// Folds a record that stands at `seq`.
    pub fn fold(&mut self, seq: Seq, bytes: &[u8]) -> Result<(), Damaged> {
        record::decode(bytes, |change| self.apply(seq, change, false))
    }

    /// Takes up an entry of a snapshot.
    pub fn load(&mut self, state: &[u8]) -> Result<(), Damaged> {
        record::decode(state, |change| self.apply(NOT_LOGGED, change, true))?;
        self.dirty_sessions.clear();
        self.dirty_topics.clear();
        self.dirty_groups.clear();
        Ok(())
    }

    /// What changed since the last call.
    pub fn take_dirty(&mut self) -> Vec<Entry> {
        let mut out = Vec::new();
        for client in std::mem::take(&mut self.dirty_sessions) {
            let state = self
                .sessions
                .get(&client)
                .map(|s| record::encode(&session::changes(&client, s)));
            out.push(Entry {
                key: key(b's', &client),
                state,
            });
        }
        for topic in std::mem::take(&mut self.dirty_topics) {
            let state = self.retained.get(&topic).map(|m| {
                record::encode(&[Change::Retained {
                    message: (**m).clone(),
                }])
            });
            out.push(Entry {
                key: key(b'r', &topic),
                state,
            });
        }
        for filter in std::mem::take(&mut self.dirty_groups) {
            let standing = self.groups.get(&filter).and_then(|group| {
                Some(Change::Group {
                    filter: filter.clone(),
                    reached: group.reached?,
                    open: group.open.iter().copied().collect(),
                    given: group.given.iter().copied().collect(),
                })
            });
            out.push(Entry {
                key: key(b'g', &filter),
                state: standing.map(|change| record::encode(&[change])),
            });
        }
        out.sort_by(|a, b| a.key.cmp(&b.key));
        out
    }

    /// Sessions and lone wills.
    pub fn sessions(&self) -> impl Iterator<Item = (&Arc<str>, &Session)> {
        self.sessions.iter()
    }

    /// Shared subscriptions of durable sessions, by filter.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.groups.iter().filter(|(_, group)| group.members > 0)
    }

    /// A client's session or lone will.
    pub fn session(&self, client: &str) -> Option<&Session> {
        self.sessions.get(client)
    }

    /// Number and bytes of retained messages.
    pub fn retained_size(&self) -> (usize, usize) {
        (self.retained.len(), self.retained_bytes)
    }

    /// The retained message of a topic.
    pub fn retained(&self, topic: &str) -> Option<&Arc<Kept>> {
        self.retained.get(topic)
    }

    /// Retained messages on topics that match and come after `after`, at most `most`, which have not expired.
    /// Each topic looked at takes one of `looks`. The answer's second part: where to go on, if there may be more.
    pub fn matching(
        &self,
        filter: &str,
        after: Option<&str>,
        now_ms: i64,
        most: usize,
        looks: &mut usize,
    ) -> (Vec<Arc<Kept>>, Option<Arc<str>>) {
        let alive = |m: &&Arc<Kept>| m.expires_ms.is_none_or(|at| at > now_ms);
        let Some(wild) = filter.find(['+', '#']) else {
            *looks = looks.saturating_sub(1);
            let message = self.retained.get(filter).filter(alive);
            return (message.into_iter().cloned().collect(), None);
        };
        // Only topics that share what stands before the first wildcard ("a/#" matches "a" too).
        let prefix = filter.get(..wild).unwrap_or_default().trim_end_matches('/');
        let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let topics = self.retained.range::<str, _>((from, Bound::Unbounded));
        let mut found = Vec::new();
        for (name, message) in topics.take_while(|(topic, _)| topic.starts_with(prefix)) {
            *looks = looks.saturating_sub(1);
            if topic::matches(filter, name) && alive(&message) {
                found.push(message.clone());
            }
            if *looks == 0 || found.len() >= most {
                return (found, Some(name.clone()));
            }
        }
        (found, None)
    }

    /// Forgets retained messages that have expired; answers with their number.
    pub fn expire(&mut self, now_ms: i64) -> usize {
        let old: Vec<_> = self
            .retained
            .iter()
            .filter(|(_, m)| m.expires_ms.is_some_and(|at| at <= now_ms))
            .map(|(topic, _)| topic.clone())
            .collect();
        for topic in &old {
            self.forget(topic);
        }
        old.len()
    }

    fn forget(&mut self, topic: &Arc<str>) {
        if let Some(old) = self.retained.remove(topic) {
            self.retained_bytes -= cost(&old);
        }
        self.dirty_topics.insert(topic.clone());
    }

    fn retain(&mut self, message: Kept) {
        self.forget(&message.topic);
        if !message.payload.is_empty() {
            self.retained_bytes += cost(&message);
            self.retained
                .insert(message.topic.clone(), Arc::new(message));
        }
    }

    /// `loading`: the change is part of a snapshot, whose entries come in any order.
    fn apply(&mut self, seq: Seq, change: Change, loading: bool) {
        let client = match change {
            Change::Group {
                filter,
                reached,
                open,
                given,
            } => {
                let group = match loading {
                    true => Some(self.groups.entry(filter.clone()).or_default()),
                    false => self.groups.get_mut(&filter),
                };
                if let Some(group) = group {
                    group.stand(reached, open, given);
                    self.dirty_groups.insert(filter);
                }
                return;
            }
            Change::Retained { message } => {
                let seq = if message.seq == NOT_LOGGED {
                    seq
                } else {
                    message.seq
                };
                return self.retain(Kept { seq, ..message });
            }
            Change::Opened { ref client, .. }
            | Change::Closed { ref client, .. }
            | Change::Ended { ref client }
            | Change::Subscribed { ref client, .. }
            | Change::Unsubscribed { ref client, .. }
            | Change::Cursor { ref client, .. }
            | Change::Received { ref client, .. }
            | Change::Released { ref client, .. }
            | Change::Sending { ref client, .. }
            | Change::Sent { ref client, .. }
            | Change::Done { ref client, .. }
            | Change::Willed { ref client, .. }
            | Change::Unwilled { ref client }
            | Change::Reached { ref client, .. } => client.clone(),
        };
        self.count_members(&client, &change, loading);
        if let Change::Sending {
            share: Some((filter, seq)),
            ..
        } = &change
            && let Some(group) = self.groups.get_mut(filter)
        {
            group.give(*seq);
            self.dirty_groups.insert(filter.clone());
        }
        let session = self.sessions.entry(client.clone()).or_default();
        session.apply(change);
        if session.expiry_s.is_none() && session.will.is_none() {
            self.sessions.remove(&client);
        }
        self.dirty_sessions.insert(client);
    }
}

fn key(kind: u8, name: &str) -> Bytes {
    [&[kind], name.as_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::record::Testament;
    use gemelli_mqtt::{Qos, packet::SubscribeOptions};

    fn message(topic: &str, payload: &'static [u8]) -> Kept {
        Kept {
            seq: NOT_LOGGED,
            topic: topic.into(),
            payload: Bytes::from_static(payload),
            qos: Qos::AtLeastOnce,
            retain: true,
            properties: Bytes::new(),
            expires_ms: None,
            ids: vec![],
        }
    }

    fn image(changes: &[Change]) -> Image {
        let mut image = Image::default();
        image.fold(5, &record::encode(changes)).unwrap();
        image
    }

    #[test]
    fn a_snapshot_is_the_same_image() {
        let client: Arc<str> = "c".into();
        let c = || client.clone();
        let will = Testament {
            message: message("w", b"bye"),
            lives_ms: Some(9),
            delay_ms: 1,
            keep_alive_ms: 2,
        };
        let mut first = image(&[
            Change::Opened {
                client: c(),
                expiry_s: 60,
            },
            Change::Subscribed {
                client: c(),
                filter: "a/+".into(),
                options: SubscribeOptions::default(),
                id: Some(3),
                since: 2,
            },
            Change::Received {
                client: c(),
                packet_id: 4,
            },
            Change::Sending {
                client: c(),
                packet_id: 5,
                message: message("x", b"1"),
                share: None,
            },
            Change::Sending {
                client: c(),
                packet_id: 6,
                message: message("x", b"2"),
                share: None,
            },
            Change::Sent {
                client: c(),
                packet_id: 6,
            },
            Change::Cursor {
                client: c(),
                seq: 8,
            },
            Change::Willed { client: c(), will },
            Change::Retained {
                message: message("r", b"1"),
            },
        ]);
        let mut second = Image::default();
        let entries = first.take_dirty();
        assert_eq!(entries.len(), 2);
        for entry in &entries {
            second.load(entry.state.as_ref().unwrap()).unwrap();
        }
        assert_eq!(first.sessions, second.sessions);
        assert_eq!(first.retained, second.retained);
        assert_eq!(first.retained_bytes, second.retained_bytes);
        assert!(first.take_dirty().is_empty() && second.take_dirty().is_empty());
        first
            .fold(
                9,
                &record::encode(&[
                    Change::Ended { client: c() },
                    Change::Unwilled { client: c() },
                ]),
            )
            .unwrap();
        assert_eq!(
            first.take_dirty(),
            [Entry {
                key: Bytes::from_static(b"sc"),
                state: None
            }]
        );
    }

    #[test]
    fn retained_messages_are_found_cleared_and_expire() {
        let mut image = image(&[
            Change::Retained {
                message: message("a", b"1"),
            },
            Change::Retained {
                message: message("a/b", b"1"),
            },
            Change::Retained {
                message: message("ab", b"1"),
            },
            Change::Retained {
                message: Kept {
                    expires_ms: Some(10),
                    ..message("a/c", b"1")
                },
            },
            Change::Retained {
                message: message("$SYS/x", b"1"),
            },
        ]);
        let find = |image: &Image, filter, now| {
            let (found, rest) = image.matching(filter, None, now, 9, &mut 9);
            assert!(rest.is_none());
            found
                .iter()
                .map(|m| m.topic.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(find(&image, "a/#", 0), ["a", "a/b", "a/c"]);
        assert_eq!(find(&image, "a/#", 10), ["a", "a/b"]);
        assert_eq!(find(&image, "+", 0), ["a", "ab"]);
        assert_eq!(find(&image, "#", 0).len(), 4);
        assert_eq!(find(&image, "ab", 0), ["ab"]);
        assert_eq!(image.retained("a").unwrap().seq, 5);
        image
            .fold(
                6,
                &record::encode(&[Change::Retained {
                    message: message("a", b""),
                }]),
            )
            .unwrap();
        assert_eq!(find(&image, "a/#", 0), ["a/b", "a/c"]);
        assert_eq!(image.expire(10), 1);
        assert_eq!(image.retained_size().0, 3);
    }

    #[test]
    fn retained_messages_are_looked_up_piece_by_piece() {
        let kept = |topic: &str| Change::Retained {
            message: message(topic, b"1"),
        };
        let image = image(&["a/1", "a/2/x", "a/3", "a/4", "a0", "b"].map(kept));
        for (most, looks) in [(1, 100), (2, 100), (100, 1), (100, 2), (100, 100)] {
            let (mut all, mut after) = (Vec::new(), None::<Arc<str>>);
            loop {
                let (found, rest) =
                    image.matching("a/+", after.as_deref(), 0, most, &mut looks.clone());
                assert!(found.len() <= most);
                all.extend(found.iter().map(|m| m.topic.to_string()));
                after = rest;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(all, ["a/1", "a/3", "a/4"], "{most} {looks}");
        }
    }
}
