//! What a Connection names must be there, and a pattern belongs to one Connection.

use super::Definitions;
use crate::{Rejection, payload};
use gemelli_model::{
    Value,
    manifest::{self, Connection, Kind, TopicMapping},
};
use std::{collections::HashMap, sync::Arc};

impl Definitions {
    /// Checks these Connections of the set against its interfaces and its other Connections. Names
    /// that a capture makes are known only when a message comes.
    pub(crate) fn check_connections<'a>(
        &self,
        brought: impl Iterator<Item = &'a Arc<str>>,
    ) -> Result<(), Rejection> {
        let brought: Vec<&str> = brought.map(|name| &**name).collect();
        if brought.is_empty() {
            return Ok(());
        }
        let mut refused = Vec::new();
        // Those that were there before keep their patterns.
        let (new, old): (Vec<_>, Vec<_>) = self
            .connections()
            .partition(|(name, _)| brought.contains(&&***name));
        let mut owners: HashMap<String, &str> = HashMap::new();
        for (name, value) in old {
            for topic in connection(value).iter().flat_map(|c| &c.topics) {
                owners.entry(shape(&topic.pattern)).or_insert(name);
            }
        }
        for (name, value) in new {
            for (at, topic) in connection(value).iter().flat_map(|c| &c.topics).enumerate() {
                let owner = *owners.entry(shape(&topic.pattern)).or_insert(name);
                if *owner != **name {
                    refused.push(taken(name, at, topic, owner));
                }
                self.check_topic(name, at, topic, &mut refused);
            }
        }
        Rejection::any_of(refused)
    }

    fn check_topic(
        &self,
        name: &str,
        at: usize,
        topic: &TopicMapping,
        refused: &mut Vec<Rejection>,
    ) {
        if topic.interface.contains('{') {
            return;
        }
        let place = format!("/spec/topics/{at}");
        let told = |mut rejection: Rejection, pointer: String| {
            rejection.reason = format!("connection {name}: {}", rejection.reason);
            rejection.at("Connection", name, pointer)
        };
        let interface = match self.find(&topic.interface) {
            Ok(interface) => interface,
            Err(rejection) => return refused.push(told(rejection, place + "/interface")),
        };
        // A command's payload is its request.
        if &*topic.category == "command" {
            return;
        }
        for (member, _) in topic.payload.iter().flatten() {
            if !payload::takes(interface, member) {
                let field = member.replace('~', "~0").replace('/', "~1");
                let pointer = format!("{place}/payload/{field}");
                refused.push(told(payload::unknown(interface, member), pointer));
            }
        }
    }
}

fn connection(value: &Value) -> Option<Connection> {
    match manifest::from_value(value).ok()?.kind {
        Kind::Connection(connection) => Some(connection),
        _ => None,
    }
}

/// The pattern without the names of its captures: what matches the same topics is the same.
fn shape(pattern: &str) -> String {
    let mut shape = String::with_capacity(pattern.len());
    let mut named = false;
    for c in pattern.chars() {
        named &= c != '}';
        if !named {
            shape.push(c);
        }
        named |= c == '{';
    }
    shape
}

fn taken(name: &str, at: usize, topic: &TopicMapping, owner: &str) -> Rejection {
    Rejection::new(
        "already-exists",
        format!("connection {name}: the pattern {} is that of connection {owner}, which alone would get its messages", topic.pattern),
        format!("change the pattern, or put the topic into {owner}"),
    )
    .at("Connection", name, format!("/spec/topics/{at}/pattern"))
}
