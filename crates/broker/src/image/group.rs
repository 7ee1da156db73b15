//! What the records of a shared subscription add up to.

use super::Image;
use crate::record::Change;
use gemelli_event::Seq;
use std::{collections::BTreeSet, sync::Arc};

/// A shared subscription, as long as a durable session has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Everything before this place is done, but what is `open`; none: the log does not say.
    pub reached: Option<Seq>,
    /// Places that are not done.
    pub open: BTreeSet<Seq>,
    /// Places that are done, also where a later record, made before, says otherwise.
    pub given: BTreeSet<Seq>,
    /// Durable sessions that have the subscription.
    pub members: usize,
}

impl Group {
    pub(super) fn stand(&mut self, reached: Seq, open: Vec<Seq>, given: Vec<Seq>) {
        self.given.extend(given);
        let open: BTreeSet<Seq> = open.into_iter().collect();
        self.given
            .retain(|seq| *seq >= reached || open.contains(seq));
        self.open = open.difference(&self.given).copied().collect();
        self.reached = Some(reached);
    }

    pub(super) fn give(&mut self, seq: Seq) {
        self.open.remove(&seq);
        self.given.insert(seq);
    }
}

impl Image {
    /// A shared subscription lasts from its first durable member to its last.
    pub(super) fn count_members(&mut self, client: &Arc<str>, change: &Change, loading: bool) {
        let filters = self.sessions.get(client).map(|s| &s.filters);
        let has = |filter: &Arc<str>| filters.is_some_and(|f| f.contains_key(filter));
        match change {
            Change::Subscribed { filter, .. } if is_shared(filter) && !has(filter) => {
                let group = self.groups.entry(filter.clone()).or_default();
                if group.members == 0 && !loading {
                    *group = Group::default();
                }
                group.members += 1;
            }
            Change::Unsubscribed { filter, .. } if is_shared(filter) && has(filter) => {
                self.leave(&filter.clone());
            }
            Change::Ended { .. } => {
                let left: Vec<_> = filters
                    .into_iter()
                    .flat_map(|filters| filters.keys())
                    .filter(|filter| is_shared(filter))
                    .cloned()
                    .collect();
                left.iter().for_each(|filter| self.leave(filter));
            }
            _ => {}
        }
    }

    fn leave(&mut self, filter: &Arc<str>) {
        if let Some(group) = self.groups.get_mut(filter) {
            group.members = group.members.saturating_sub(1);
            if group.members == 0 {
                self.groups.remove(filter);
            }
            self.dirty_groups.insert(filter.clone());
        }
    }
}

fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        record::{self, Kept},
        session::NOT_LOGGED,
    };
    use gemelli_mqtt::{Qos, packet::SubscribeOptions};

    /// A record of how a group stands may have been made before a QoS 2 message was given, and come after it.
    #[test]
    fn what_was_given_stays_given() {
        let (client, filter): (Arc<str>, Arc<str>) = ("c".into(), "$share/g/a".into());
        let group = |reached: Seq, open: &[Seq]| Change::Group {
            filter: filter.clone(),
            reached,
            open: open.to_vec(),
            given: vec![],
        };
        let send = |seq: Seq| Change::Sending {
            client: client.clone(),
            packet_id: 1,
            message: Kept {
                seq: NOT_LOGGED,
                topic: "a".into(),
                payload: Default::default(),
                qos: Qos::ExactlyOnce,
                retain: false,
                properties: Default::default(),
                expires_ms: None,
                ids: vec![],
            },
            share: Some((filter.clone(), seq)),
        };
        let mut image = Image::default();
        let first = [
            Change::Opened {
                client: client.clone(),
                expiry_s: 60,
            },
            Change::Subscribed {
                client: client.clone(),
                filter: filter.clone(),
                options: SubscribeOptions::default(),
                id: None,
                since: 0,
            },
            group(10, &[4, 7]),
            send(7),
            send(12),
        ];
        image.fold(5, &record::encode(&first)).unwrap();
        let stands = |image: &Image| {
            let group = image.groups.get(&filter).unwrap();
            (
                group.reached.unwrap(),
                group.open.iter().copied().collect::<Vec<_>>(),
                group.given.iter().copied().collect::<Vec<_>>(),
            )
        };
        assert_eq!(stands(&image), (10, vec![4], vec![7, 12]));
        let fold = |image: &mut Image, change| image.fold(6, &record::encode(&[change])).unwrap();
        fold(&mut image, group(14, &[4, 7, 13]));
        assert_eq!(stands(&image), (14, vec![4, 13], vec![7]));
        fold(&mut image, group(15, &[13]));
        assert_eq!(stands(&image), (15, vec![13], vec![]));
        // It ends with its last member, and a late record does not bring it back.
        fold(&mut image, Change::Ended { client });
        fold(&mut image, group(20, &[]));
        assert!(image.groups.is_empty());
        let gone = image.take_dirty();
        let gone = gone.iter().find(|e| e.key.starts_with(b"g")).unwrap();
        assert!(gone.state.is_none());
    }
}
