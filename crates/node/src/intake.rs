//! From what clients send to what the driver takes: topics, ids, times.
//!
//! Everything here happens on the sender's task, before admission, and reads only the published view:
//! a twin that is created in this moment is judged by the driver, not here.

use crate::{admission::Published, connections::Connections};
use bytes::Bytes;
use gemelli_broker::Publish;
use gemelli_engine::View;
use gemelli_event::{
    Body,
    device::{self, Attributes},
    record::{DeadLetter, Event, Message},
    topic::{self, Topic},
};
use std::sync::Arc;

/// What a publication becomes, and, if it is refused already, why: code and text.
pub struct Taken {
    /// For the driver.
    pub published: Published,
    /// Why it is refused: the body is the dead letter.
    pub refused: Option<(&'static str, Arc<str>)>,
}

/// Judges the topic of a publication and finds the event that it means.
pub fn publication(view: &View, connections: &Connections, publish: Publish, now_ms: i64) -> Taken {
    let mut also = None;
    let (body, binds) = match Topic::parse(&publish.topic) {
        Ok(Some(topic)) => (native(view, &publish, &topic), true),
        Ok(None) => match connections.map(view, &publish, now_ms) {
            Ok(Some(mapped)) => {
                also = mapped.also;
                (Ok(mapped.body), mapped.binds)
            }
            Ok(None) => (Ok(message(&publish)), false),
            Err(fault) => (
                Err((fault.code, format!("{fault}: {}", fault.remedy))),
                false,
            ),
        },
        Err(malformed) => {
            let text = format!("{malformed}: {}", malformed.remedy);
            (Err((topic::Malformed::CODE, text)), false)
        }
    };
    let (body, refused) = match body {
        Ok(body) => (body, None),
        Err((code, text)) => {
            let text: Arc<str> = text.into();
            let letter = DeadLetter {
                code: code.into(),
                reason: text.clone(),
                origin: publish.topic.clone(),
                payload: publish.payload.clone(),
                dropped: 0,
            };
            (Body::DeadLetter(letter), Some((code, text)))
        }
    };
    Taken {
        published: Published {
            client: publish.client,
            journal: publish.journal,
            retained: match &refused {
                Some(_) => Bytes::new(),
                None => publish.retained,
            },
            also,
            body,
            binds,
            will: publish.will,
        },
        refused,
    }
}

/// A message for no twin.
fn message(publish: &Publish) -> Body {
    Body::Message(Message {
        topic: publish.topic.clone(),
        payload: publish.payload.clone(),
        qos: publish.qos,
        properties: publish.properties.clone(),
        expires_ms: publish.expires_ms,
    })
}

/// The event of a topic of Gemelli's own.
fn native(
    view: &View,
    publish: &Publish,
    topic: &Topic<'_>,
) -> Result<Body, (&'static str, String)> {
    let attributes = Attributes::of(publish.user_properties());
    match device::event(topic, publish.payload.clone(), attributes) {
        Ok(event) => Ok(Body::Event(canonical(view, event))),
        Err(fault) => Err((fault.code, fault.to_string())),
    }
}

/// An event with the spellings of the twins and interfaces that are known.
pub fn canonical(view: &View, mut event: Event) -> Event {
    if let Some(known) = view.canonical(event.twin.as_str()) {
        event.twin = known;
    }
    if let Some(known) = view.definitions().interface(event.interface.as_str()) {
        event.interface = known.id().clone();
    }
    if let Some(command) = &mut event.command
        && let Some(sender) = &command.sender
        && let Some(known) = view.canonical(sender.as_str())
    {
        command.sender = Some(known);
    }
    event
}
