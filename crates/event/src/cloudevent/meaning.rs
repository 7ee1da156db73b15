//! What a CloudEvent means for twins, and how an event of the log looks as a CloudEvent.
//!
//! The type is `ktwin.<category>.<interface>[.<command>]`. The twin is the source, unless the
//! subject names it. For commands the source has two meanings among KTWIN's programs: the twin
//! that receives (Go), or the twin that sends (Python), whose relationships then lead to those
//! that receive. A graph tells which it is.

use super::{CloudEvent, Fault};
use crate::{
    Category,
    record::{CommandName, Event},
    topic::ROOT,
};
use bytes::Bytes;
use gemelli_model::{InterfaceId, TwinId, id, nearest};
use std::{borrow::Cow, sync::Arc};

/// What must be known of the twins to understand an event.
pub trait Graph {
    /// Whether the twin is of that interface or one that extends it; none if there is no such twin.
    fn is_a(&self, twin: &str, interface: &str) -> Option<bool>;

    /// The twins of that interface at the other end of the twin's own relationships, each once.
    fn related(&self, twin: &str, interface: &str) -> Vec<TwinId>;
}

/// No twin is known: the source is the twin, also for commands.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoGraph;

impl Graph for NoGraph {
    fn is_a(&self, _: &str, _: &str) -> Option<bool> {
        None
    }

    fn related(&self, _: &str, _: &str) -> Vec<TwinId> {
        Vec::new()
    }
}

/// What an event's type says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind<'a> {
    /// Where the event goes.
    pub category: Category,
    /// The interface.
    pub interface: Cow<'a, str>,
    /// The command, for [`Category::Command`] and for nothing else.
    pub command: Option<&'a str>,
}

impl<'a> Kind<'a> {
    /// Reads `ktwin.<category>.<interface>[.<command>]`. An interface may hold dots, a command's name may not.
    ///
    /// # Errors
    /// It has another form.
    pub fn parse(text: &'a str) -> Result<Self, Fault> {
        let fault = |message: String, remedy: String| {
            Fault::at("malformed-cloudevent", "/type", message, remedy)
        };
        let form =
            "write ktwin.<category>.<interface>, for commands ktwin.command.<interface>.<command>";
        let Some(rest) = text
            .strip_prefix(ROOT)
            .and_then(|rest| rest.strip_prefix('.'))
        else {
            return Err(fault(
                format!("the type {text:?} does not begin with {ROOT}."),
                form.into(),
            ));
        };
        let (word, rest) = rest.split_once('.').unwrap_or((rest, ""));
        let Ok(category) = word.parse::<Category>() else {
            let near = nearest::name(word, Category::ALL.map(Category::as_str));
            let remedy = near.map_or(form.into(), |near| format!("did you mean {near}?"));
            return Err(fault(
                format!("{word:?} in the type {text:?} is no category"),
                remedy,
            ));
        };
        let (interface, command) = match category {
            Category::Command => match rest.rsplit_once('.') {
                Some((interface, command)) if !command.is_empty() => (interface, Some(command)),
                _ => {
                    return Err(fault(
                        format!("the type {text:?} names no command"),
                        form.into(),
                    ));
                }
            },
            _ => (rest, None),
        };
        let decoded = percent_encoding::percent_decode_str(interface).decode_utf8();
        match decoded {
            Ok(interface) if id::check(&interface).is_ok() => Ok(Self {
                category,
                interface,
                command,
            }),
            _ => Err(fault(
                format!("the type {text:?} names no interface"),
                form.into(),
            )),
        }
    }

    /// The type as text.
    pub fn text(category: Category, interface: &str, command: Option<&str>) -> String {
        let interface = interface.replace('%', "%25");
        match command {
            Some(command) => format!("{ROOT}.{category}.{interface}.{command}"),
            None => format!("{ROOT}.{category}.{interface}"),
        }
    }
}

impl CloudEvent {
    /// The events of the log that this one means: one, or one per receiver of a command whose
    /// source is the sender. Absent data becomes an empty object.
    ///
    /// Store events keep no id: KTWIN's programs give them the id of the event that triggered
    /// them, and what is merged again does no harm.
    ///
    /// # Errors
    /// The type is no event's of a twin, an id cannot be used, the data is not JSON, or the sender
    /// of a command has no relationship with a twin of that interface.
    pub fn events(&self, graph: &dyn Graph) -> Result<Vec<Event>, Fault> {
        let kind = Kind::parse(&self.kind)?;
        if !self.is_json() {
            let message = format!(
                "the data of a twin's event is JSON, not {}",
                self.content_type.as_deref().unwrap_or_default()
            );
            return Err(Fault::at(
                "malformed-cloudevent",
                "/datacontenttype",
                message,
                "send JSON as application/json",
            ));
        }
        for (name, text) in [
            ("/source", Some(&self.source)),
            ("/subject", self.subject.as_ref()),
        ] {
            if let Some(Err(why)) = text.map(|text| id::check(text)) {
                return Err(Fault::at(
                    "malformed-cloudevent",
                    name,
                    why.to_string(),
                    "name the twin",
                ));
            }
        }
        let (receivers, sender) = self.ends(&kind, graph)?;
        let interface = InterfaceId::new(&*kind.interface);
        let payload = self
            .data
            .clone()
            .unwrap_or_else(|| Bytes::from_static(b"{}"));
        let several = receivers.len() > 1;
        let events = receivers.into_iter().map(|twin| Event {
            category: kind.category,
            interface: interface.clone(),
            command: kind.command.map(|name| CommandName {
                name: name.into(),
                sender: sender.clone(),
            }),
            source: (twin.as_str() != &*self.source).then(|| self.source.clone()),
            id: match kind.category {
                Category::Store => None,
                // The receivers of one command are told apart, or all but one would count as repetition.
                _ if several => Some(format!("{}@{twin}", self.id).into()),
                _ => Some(self.id.clone()),
            },
            time_ms: self.time_ms,
            payload: payload.clone(),
            twin,
        });
        Ok(events.collect())
    }

    /// The twins that the event is for, and for commands the one that sends it.
    fn ends(
        &self,
        kind: &Kind<'_>,
        graph: &dyn Graph,
    ) -> Result<(Vec<TwinId>, Option<TwinId>), Fault> {
        let source = || TwinId::new(self.source.clone());
        let known = |twin: &str| graph.is_a(twin, &kind.interface).is_some();
        // A subject that is no twin, beside a source that is one, is somebody's own remark.
        let subject = self
            .subject
            .as_ref()
            .filter(|subject| known(subject) || !known(&self.source));
        let Some(command) = kind.command else {
            return Ok((
                vec![subject.map_or_else(source, |s| TwinId::new(s.clone()))],
                None,
            ));
        };
        if let Some(subject) = subject {
            return Ok((vec![TwinId::new(subject.clone())], Some(source())));
        }
        if graph.is_a(&self.source, &kind.interface) != Some(false) {
            return Ok((vec![source()], None));
        }
        let related = graph.related(&self.source, &kind.interface);
        if related.is_empty() {
            let message = format!(
                "the twin {} sends {command} to twins of {}, and has no relationship with one",
                self.source, kind.interface
            );
            let remedy = "give it the relationship, or name the receiver as subject";
            return Err(Fault::at("no-relationship", "/source", message, remedy));
        }
        Ok((related, Some(source())))
    }

    /// How an event of the log looks as a CloudEvent. `fallback_id` is for events without an id:
    /// the event's place in the log makes it stable.
    pub fn of(event: &Event, fallback_id: impl FnOnce() -> Arc<str>) -> Self {
        let twin: Arc<str> = event.twin.as_str().into();
        let sender = event
            .command
            .as_ref()
            .and_then(|command| command.sender.as_ref());
        let source = match (&event.source, sender) {
            (Some(source), _) => source.clone(),
            (None, Some(sender)) => sender.as_str().into(),
            (None, None) => twin.clone(),
        };
        let command = event.command.as_ref().map(|command| &*command.name);
        Self {
            id: event.id.clone().unwrap_or_else(fallback_id),
            subject: (source != twin).then_some(twin),
            source,
            kind: Kind::text(event.category, event.interface.as_str(), command).into(),
            time_ms: event.time_ms,
            content_type: Some("application/json".into()),
            extensions: Vec::new(),
            data: Some(event.payload.clone()),
        }
    }
}
