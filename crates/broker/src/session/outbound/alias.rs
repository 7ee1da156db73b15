//! Topic aliases towards an MQTT 5 client that takes some: its first topics get one each, for as long as the
//! connection lasts.
//!
//! What is sent again, or waits for the log first, names its topic: an alias is used only by the packet that is
//! written next.

use gemelli_mqtt::Outgoing;
use std::{collections::HashMap, sync::Arc};

/// Topics that are as short as this gain nothing by an alias, bytes.
const SHORT: usize = 4;

/// The aliases of a connection.
#[derive(Debug, Default)]
pub struct Aliases {
    most: u16,
    known: HashMap<Arc<str>, u16>,
}

/// How one packet names its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    /// In full.
    None,
    /// In full, and from now on by this number.
    New(u16),
    /// By this number.
    Known(u16),
}

impl Aliases {
    /// At most so many.
    pub fn of(most: u16) -> Self {
        Self {
            most,
            known: HashMap::new(),
        }
    }

    /// How the next packet names this topic.
    pub fn find(&self, topic: &str) -> Alias {
        if self.most == 0 || topic.len() <= SHORT {
            return Alias::None;
        }
        let used = u16::try_from(self.known.len()).unwrap_or(u16::MAX);
        match self.known.get(topic) {
            Some(alias) => Alias::Known(*alias),
            None if used < self.most => Alias::New(used + 1),
            None => Alias::None,
        }
    }

    /// The packet was written.
    pub fn sent(&mut self, alias: Alias, topic: &Arc<str>) {
        if let Alias::New(number) = alias {
            self.known.insert(topic.clone(), number);
        }
    }
}

impl Alias {
    /// The packet with its topic named so.
    pub fn on(self, packet: Outgoing<'_>) -> Outgoing<'_> {
        match self {
            Self::None => packet,
            Self::New(alias) => Outgoing {
                topic_alias: Some(alias),
                ..packet
            },
            Self::Known(alias) => Outgoing {
                topic: "",
                topic_alias: Some(alias),
                ..packet
            },
        }
    }
}
